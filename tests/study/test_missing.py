"""Missing responses in a study: they leave the fits of their electrode, and no others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heschl.checks import InputError
from heschl.ecog import read_responses
from heschl.ecog.responses.dataset import to_dataset, write_dataset
from heschl.study import open_results, run_study


def with_gaps(study: Path, *, whole_electrode: bool = False) -> None:
    """Write S1 as a dataset in which electrode noise1 lacks a part of most trials."""
    folder = study.parent
    responses = read_responses(folder / "S1.npz", "S1")
    responses = replace(responses, trials=tuple(trial.copy() for trial in responses.trials))
    for i, trial in enumerate(responses.trials):
        trial[:, 1] = np.nan if whole_electrode else trial[:, 1]
        trial[20 : 20 + 5 * (i % 4), 1] = np.nan
    write_dataset(to_dataset(responses), folder / "S1.zarr")
    study.write_text(study.read_text().replace("S1.npz", "S1.zarr"))


def test_only_their_electrode_changes(own_cohort: Path, whole_run: Path) -> None:
    with_gaps(own_cohort)
    with pytest.raises(InputError, match=r"electrode noise1.*missing = 'mask'"):
        run_study(own_cohort)
    own_cohort.write_text(own_cohort.read_text().replace("[responses]", '[responses]\nmissing = "mask"'))
    found, whole = open_results(run_study(own_cohort)), open_results(whole_run)
    others = ["S1/loud1", "S1/noise2", "S2/loud1", "S2/noise1", "S2/noise2"]
    for name in ("r2", "pooled_r2", "sse", "mean_sse"):
        one, other = (each[name].sel(electrode=others).values for each in (found, whole))
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)
    changed = found.sel(electrode="S1/noise1")
    assert np.isfinite(changed["r2"].values).all() and np.isfinite(changed["best_pooled_r2"].values).all()
    n = found["n_frames"]
    assert (n.sel(electrode="S1/noise1") < n.sel(electrode="S1/noise2")).any() and np.isfinite(changed["p_gain"]).all()


def test_an_electrode_without_responses_is_named(own_cohort: Path) -> None:
    with_gaps(own_cohort, whole_electrode=True)
    own_cohort.write_text(own_cohort.read_text().replace("[responses]", '[responses]\nmissing = "mask"'))
    with pytest.raises(InputError, match=r"subject S1, electrode noise1.*fold"):
        run_study(own_cohort)
