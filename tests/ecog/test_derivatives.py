"""High gamma as a BIDS derivative and in an NWB file: read back equal."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from heschl import InputError
from heschl.ecog import HighGamma, read_recording, write_derivative
from tolerances import FLOAT32

RNG = np.random.default_rng(0)
VALUES = RNG.standard_normal((400, 3)).astype(np.float32)
VALUES[:20, 1] = np.nan
NAMES = ["G1", "G2", "G3"]
TABLE = pd.DataFrame(
    {
        "x": [0.05, 0.06, 0.04],
        "y": 0.01,
        "z": 0.0,
        "region": ["STG", "", "MTG"],
        "group": "G",
        "bad": False,
        "reason": "",
    },
    index=NAMES,
)
EVENTS = pd.DataFrame({"onset": [0.5, 2.0], "duration": [0.5, 0.25], "stimulus": ["a", "b"]})
GAMMA = HighGamma(VALUES, 100.0, TABLE, ("eight bands.",))


@pytest.mark.parametrize("format", ["bids", "nwb"])
def test_numbers_places_and_events_come_back(tmp_path: Path, format: str) -> None:
    path = write_derivative(GAMMA, EVENTS, tmp_path, subject="S_1", format=format)
    found = read_recording(path, subject="S1", series="high_gamma" if format == "nwb" else None)
    assert found.sfreq == 100.0 and found.good == NAMES
    known = np.isfinite(VALUES).all(axis=1)
    read = found.read(0, 400, NAMES).astype(np.float32)[known]
    np.testing.assert_allclose(read, VALUES[known], rtol=FLOAT32 if format == "bids" else 0)  # BIDS: by way of µV
    np.testing.assert_allclose(found.electrodes[["x", "y", "z"]], TABLE[["x", "y", "z"]], atol=1e-6)
    assert found.events["stimulus"].tolist() == ["a", "b"]
    np.testing.assert_allclose(found.events[["onset", "duration"]], EVENTS[["onset", "duration"]], atol=1e-6)
    if format == "bids":
        about = json.loads((tmp_path / "dataset_description.json").read_text())
        assert about["DatasetType"] == "derivative" and about["GeneratedBy"][0]["Name"] == "heschl"
        assert "desc-highgamma" in path.name and found.artefacts.tolist() == [[0.0, 0.2]]
    else:
        assert np.isnan(found.read(0, 20, ["G2"])).all()


def test_names_that_bids_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="task"):
        write_derivative(GAMMA, EVENTS, tmp_path, subject="S1", task="listen to stories")
    with pytest.raises(InputError, match="format"):
        write_derivative(GAMMA, EVENTS, tmp_path, subject="S1", format="edf")
