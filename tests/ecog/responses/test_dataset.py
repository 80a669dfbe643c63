"""Responses as a dataset: what was put in comes out, labelled."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from heschl.checks import InputError
from heschl.ecog import Responses, read_responses
from heschl.ecog.responses.dataset import read_dataset, to_dataset, write_dataset


def responses(seed: int = 0) -> Responses:
    rng = np.random.default_rng(seed)
    trials = [rng.standard_normal((n, 3)).astype(np.float32) for n in (30, 25, 31, 20)]
    trials[1][3:7, 1] = np.nan
    names, sessions = ("b", "a", "b", "c"), ("1", "1", "2", "2")
    return Responses("S1", ("stg1", "stg2", "far"), 100.0, -0.2, names, tuple(trials), sessions=sessions)


TABLE = pd.DataFrame(
    {"x": [0.01, 0.02, np.nan], "region": ["STG", "STG", ""], "bad": [False, False, True]},
    index=["stg1", "stg2", "far"],
)


@pytest.mark.parametrize("suffix", [".zarr", ".nc"])
def test_there_and_back(tmp_path: Path, suffix: str) -> None:
    given = responses()
    p = pd.DataFrame({"p": [0.001, 0.5, 0.9], "extra": 1}, index=["far", "stg2", "stg1"])
    dataset = to_dataset(given, electrodes=TABLE, tables={"speech": p}, provenance=["read", "filtered"])
    path = tmp_path / f"S1{suffix}"
    if suffix == ".nc":
        dataset.to_netcdf(path)
    else:
        write_dataset(dataset, path)
    found = read_dataset(path, "S1")
    assert (found.electrodes, found.sfreq, found.onset) == (given.electrodes, 100.0, -0.2)
    assert found.stimuli == ("b", "b", "a", "c")  # by stimulus, in the order of their first presentation
    assert found.sessions == ("1", "2", "1", "2")
    for trial, at in zip(found.trials, (0, 2, 1, 3), strict=True):
        np.testing.assert_array_equal(trial, given.trials[at])
    stored = xr.open_zarr(path, consolidated=False) if suffix == ".zarr" else xr.open_dataset(path)
    with stored:
        assert stored["region"].values.tolist() == ["STG", "STG", ""] and stored["speech.p"].values[2] == 0.001
        assert json.loads(stored.attrs["provenance"]) == ["read", "filtered"]


def test_missing_responses_are_asked_about(tmp_path: Path) -> None:
    write_dataset(to_dataset(responses()), tmp_path / "S1.zarr")
    with pytest.raises(InputError, match=r"trial 2 \(a\), electrode stg2, sample 3.*missing = 'mask'"):
        read_responses(tmp_path / "S1.zarr", "S1")
    assert np.isnan(read_responses(tmp_path / "S1.zarr", "S1", missing="mask").trials[2]).sum() == 4


def test_datasets_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_responses(tmp_path / "absent.zarr", "S1")
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(InputError, match=r"empty\.zarr"):
        read_responses(tmp_path / "empty.zarr", "S1")
    xr.Dataset({"responses": ("time", [1.0])}).to_zarr(tmp_path / "other.zarr", consolidated=False)
    with pytest.raises(InputError, match=r"format None.*stimulus, repeat, time, electrode"):
        read_responses(tmp_path / "other.zarr", "S1")
    with pytest.raises(InputError, match="no row for 'far'"):
        to_dataset(responses(), electrodes=TABLE.iloc[:2])
