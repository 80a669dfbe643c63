"""The mixed model of differences within subjects: against statsmodels' formulas, and where a t test is too sure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from heschl.study.statistics.contrasts import contrast_table
from heschl.study.statistics.mixed import mixed_model

SUBJECTS = np.repeat(np.arange(8), 20)


def null_cohort(seed: int) -> np.ndarray:
    """Two models that are equally good, but not in each single subject."""
    rng = np.random.default_rng(seed)
    return 0.01 * (rng.standard_normal(8)[SUBJECTS] + rng.standard_normal(len(SUBJECTS)))


def test_where_electrodes_of_a_subject_agree_the_t_test_is_too_sure_and_the_mixed_model_is_not() -> None:
    cohorts = [null_cohort(seed) for seed in range(100)]
    by_electrodes = sum(ttest_1samp(cohort, 0.0).pvalue < 0.05 for cohort in cohorts)
    mixed = sum(mixed_model(cohort, SUBJECTS).p < 0.05 for cohort in cohorts)
    assert by_electrodes > 30  # of 100, where 5 are due
    assert mixed <= 11  # more in one series of a hundred in a hundred
    found = [mixed_model(cohort + 0.05, SUBJECTS) for cohort in cohorts[:20]]
    assert all(each.p < 0.05 for each in found)
    assert sum(each.low < 0.05 < each.high for each in found) >= 16


def test_the_estimate_is_that_of_a_formula() -> None:
    formulas = pytest.importorskip("statsmodels.formula.api")
    rng = np.random.default_rng(1)
    subjects = np.repeat(np.array(["a", "b", "c", "d", "e"]), [3, 9, 5, 7, 4])
    difference = rng.standard_normal(5)[np.unique(subjects, return_inverse=True)[1]] + rng.standard_normal(28)
    frame = pd.DataFrame({"d": difference, "s": subjects})
    expected = formulas.mixedlm("d ~ 1", frame, groups=frame["s"]).fit()
    found = mixed_model(difference, subjects)
    assert found.estimate == pytest.approx(expected.fe_params.iloc[0], rel=1e-3)
    error = (found.high - found.low) / 2 / 2.776445  # Student's quantile with four degrees of freedom
    assert error == pytest.approx(expected.bse_fe.iloc[0], rel=1e-2)


@pytest.mark.parametrize(
    ("difference", "subjects", "note"),
    [
        (np.arange(10.0), np.repeat([0], 10), "1 subjects, fewer than 2"),
        (np.zeros(0), np.zeros(0), "0 subjects"),
        (np.ones(9), np.repeat([0, 1, 2], 3), "do not vary"),
    ],
)
def test_what_cannot_be_fitted_is_said(difference: np.ndarray, subjects: np.ndarray, note: str) -> None:
    found = mixed_model(difference, subjects)
    assert np.isnan(found.p) and np.isnan(found.estimate) and note in found.note


def test_no_variance_between_subjects_is_said() -> None:
    """Subjects whose means are closer than their electrodes allow: a t test of the means takes the model's place."""
    rng = np.random.default_rng(0)
    within = np.tile(np.array([-1.0, 0.0, 1.0, 2.0]), 5) + 0.1 * rng.standard_normal(20)
    found = mixed_model(within, np.repeat(np.arange(5), 4))
    assert "no variance between subjects was found" in found.note
    assert found.p == pytest.approx(ttest_1samp(within.reshape(5, 4).mean(axis=1), 0.0).pvalue)
    of_one_each = mixed_model(np.arange(5.0), np.arange(5))
    assert of_one_each.p == pytest.approx(ttest_1samp(np.arange(5.0), 0.0).pvalue)
    assert "one electrode for each subject" in of_one_each.note


@pytest.mark.parametrize("n_subjects", [2, 3, 8])
@pytest.mark.parametrize("icc", [0.0, 0.4])
def test_the_level_is_kept_with_few_subjects_that_share_little_or_much(n_subjects: int, icc: float) -> None:
    """Also at the boundary, where no variance between subjects is found."""
    rng, subjects = np.random.default_rng(3), np.repeat(np.arange(n_subjects), 8)
    own = np.sqrt(icc) * rng.standard_normal((150, n_subjects))[:, subjects]
    cohorts = own + np.sqrt(1 - icc) * rng.standard_normal((150, len(subjects)))
    hits = sum(mixed_model(cohort, subjects).p < 0.05 for cohort in cohorts)
    assert 1 <= hits <= 17  # of 150, 5 % each: less than one in a thousand on either side


def test_contrasts_hold_it() -> None:
    import xarray as xr

    rng = np.random.default_rng(0)
    own = 0.1 * rng.random((2, 40, 1)) + np.array([0.0, 0.02])[:, None, None]
    results = xr.Dataset(
        {"best_r2": (("space", "electrode", "fold"), own)},
        coords={"space": ["a", "b"], "subject": ("electrode", np.repeat(["S1", "S2", "S3", "S4"], 10))},
    )
    row = contrast_table(results).iloc[0]
    difference = (own[0] - own[1])[:, 0]
    assert row["p_crossed"] == pytest.approx(ttest_1samp(difference.reshape(4, 10).mean(axis=1), 0.0).pvalue)
    assert row["crossed_note"] == "says nothing of other stimuli"
    sse = rng.random((2, 40, 30)) + np.array([0.0, 0.2])[:, None, None]
    sse[:, :10, 20:] = np.nan  # the first subject heard fewer
    heard = results.assign(
        sse=(("space", "electrode", "stimulus"), sse), mean_sse=(("electrode", "stimulus"), np.full((40, 30), 2.0))
    )
    full = contrast_table(heard).iloc[0]
    by_electrode = np.nanmean(sse[1] - sse[0], axis=1) / 2.0
    assert full["crossed"] == pytest.approx(by_electrode.reshape(4, 10).mean()) and full["crossed_note"] == ""
    assert full["low"] < 0.1 < full["high"] and full["p_crossed_bonferroni"] == full["p_crossed"]
    assert row["mixed"] == pytest.approx(mixed_model(difference, np.repeat(np.arange(4), 10)).estimate)
    assert row["q_mixed"] == row["p_mixed"] and isinstance(row["mixed_note"], str)
