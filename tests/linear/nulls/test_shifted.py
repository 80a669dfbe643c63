"""The null of shifted responses against a plain loop over shifts, and the laws a test must obey."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import kstest

from heschl import InputError
from heschl.linear import NullDistribution, nested_cv, null_scores
from heschl.linear.crossval.scores import SCORES
from heschl.linear.nulls import shifted as nulls
from linear.problems import Ragged, ragged
from tolerances import SHIFTED

pytestmark = pytest.mark.filterwarnings("ignore::heschl.linear.nulls.shifted.CrossValidatedWarning")


def score(y: np.ndarray, p: np.ndarray, folds: list[np.ndarray], statistic: str) -> np.ndarray:
    """Plain definition, (c,); NaN where no fold's response varies."""
    values, sse, sst = [], 0.0, 0.0
    for rows in folds:
        a, b = y[rows].astype(np.float64), p[rows].astype(np.float64)
        error, total = ((a - b) ** 2).sum(0), ((a - a.mean(0)) ** 2).sum(0)
        varies = np.ptp(y[rows], axis=0) > 0
        if statistic in ("r", "r_squared"):
            r = [np.corrcoef(a[:, j], b[:, j])[0, 1] if varies[j] else np.nan for j in range(a.shape[1])]
            values.append(np.array(r) ** (2 if statistic == "r_squared" else 1))
        else:
            values.append(np.where(varies, 1 - error / np.where(varies, total, 1), np.nan))
        sse, sst = sse + np.where(varies, error, 0), sst + np.where(varies, total, 0)
    if statistic == "pooled_r2":
        return np.where(sst > 0, 1 - sse / np.where(sst > 0, sst, 1), np.nan)
    stacked = np.array(values)
    return np.array([v[np.isfinite(v)].mean() if np.isfinite(v).any() else np.nan for v in stacked.T])


def plain(
    y: np.ndarray,
    p: np.ndarray,
    units: list[tuple[int, int]],
    folds: list[np.ndarray],
    least: int,
    m: int,
    **kwargs: Any,
) -> np.ndarray:
    """A loop over permutations: np.roll within every unit, then the score."""
    rng = np.random.default_rng(kwargs["seed"])
    lengths = np.array([b - a for a, b in units])
    shifts = rng.integers(least, lengths - max(least, 1) + 1, size=(m, len(units)))
    out = []
    for row in shifts:
        moved = y.copy()
        for (a, b), shift in zip(units, row, strict=True):
            moved[a:b] = np.roll(y[a:b], shift, axis=0)
        out.append(score(moved, p, folds, kwargs["statistic"]))
    return np.array(out)


@settings(deadline=None, max_examples=60)
@given(
    ragged(),
    st.integers(1, 3),
    st.integers(0, 12),
    st.sampled_from(list(SCORES)),
    st.integers(0, 99),
    st.booleans(),
)
def test_equals_a_plain_loop(problem: Ragged, n_folds: int, least: int, statistic: str, seed: int, join: bool) -> None:
    bounds, lengths = problem.bounds, problem.lengths
    if lengths.max() == 1 and not join:
        return
    n_folds = min(n_folds, len(lengths))
    fold = np.sort(np.arange(len(lengths)) % n_folds)[:: -1 if seed % 2 else 1].copy()
    if not join and seed % 3 == 0:
        fold = np.arange(len(lengths)) % n_folds
    runs = np.array([f"run {k}" for k in fold]) if join else None
    row_fold = np.repeat(fold, lengths)
    if join:
        units = [(int(bounds[fold == k].min()), int(bounds[fold == k].max())) for k in dict.fromkeys(fold)]
        if max(b - a for a, b in units) == 1:
            return
    else:
        units = [(int(a), int(b)) for a, b in bounds]
    least = min(least, min(b - a for a, b in units) // 2)
    folds = [np.flatnonzero(row_fold == k) for k in range(n_folds)]
    rng = np.random.default_rng(seed)
    P = (0.3 * problem.Y + rng.standard_normal(problem.Y.shape)).astype(problem.Y.dtype)
    found = null_scores(
        problem.Y, P, segments=lengths, folds=fold, runs=runs, n_permutations=7, statistic=statistic, min_shift=least,
        random_state=seed,
    )  # fmt: skip
    expected = plain(problem.Y, P, units, folds, least, 7, seed=seed, statistic=statistic)
    observed = score(problem.Y, P, folds, statistic)
    assert (np.isnan(found.observed) == np.isnan(observed)).all()
    # R² is a difference of squares that may be large beside the variation of a fold of a few frames.
    scale = 1 + np.nanmax(np.abs(np.r_[expected, observed[None]]), initial=0.0)
    np.testing.assert_allclose(found.observed, observed, atol=1e-10 * scale)
    np.testing.assert_allclose(found.null, expected, atol=20 * SHIFTED[problem.name] * scale)
    assert found.null.shape == (7, problem.Y.shape[1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("single", [False, True])
def test_equals_a_plain_loop_in_long_recordings(dtype: str, single: bool) -> None:
    """Lengths with large prime factors, means far from 0, blocks of targets and of permutations."""
    rng = np.random.default_rng(0)
    lengths = [1999, 997, 1000, 6, 503] if not single else [4513]
    n = sum(lengths)
    y = (rng.standard_normal((n, 5)) + 300).astype(dtype)
    P = (0.2 * (y - 300) + 300 + 0.1 * rng.standard_normal((n, 5))).astype(dtype)
    fold = [0, 1, 0, 0, 1] if not single else [0]
    ends = np.cumsum(lengths)
    rows = [np.flatnonzero(np.repeat(fold, lengths) == k) for k in range(max(fold) + 1)]
    units = [(int(e - k), int(e)) for e, k in zip(ends, lengths, strict=True)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nulls, "BLOCK_BYTES", 2 * n * 72)
        patch.setattr(nulls, "GATHER_BYTES", 200)
        found = null_scores(y, P, segments=lengths, folds=fold, n_permutations=9, min_shift=3, random_state=1)
    expected = plain(y, P, units, rows, 3, 9, seed=1, statistic="r2")
    np.testing.assert_allclose(found.null, expected, atol=SHIFTED[dtype])


def red_noise(rng: np.random.Generator, n: int, c: int, smooth: float = 0.9) -> np.ndarray:
    return np.asarray(lfilter([1.0], [1.0, -smooth], rng.standard_normal((n, c)), axis=0))


@pytest.mark.parametrize("segments", [[60] * 40, [2400], [35, 85] * 20])
@pytest.mark.parametrize("statistic", ["r2", "r"])
def test_p_values_of_autocorrelated_noise_are_uniform(segments: list[int], statistic: str) -> None:
    """A test that shuffled frames would find a third of these significant."""
    rng = np.random.default_rng(0)
    y, P = red_noise(rng, 2400, 400), red_noise(rng, 2400, 400)
    p = null_scores(y, 0.1 * P, segments=segments, n_permutations=199, statistic=statistic, random_state=1).p_values
    assert kstest(p, "uniform").pvalue > 1e-3
    assert (p < 0.05).mean() < 0.09


def test_planted_signal_is_found_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    n, c = 3000, 40
    signal = red_noise(rng, n, c)
    y = red_noise(rng, n, c)
    y[:, :8] += 0.5 * signal[:, :8]
    found = null_scores(
        y, 0.1 * signal, segments=[60] * 50, folds=np.arange(50) % 5, n_permutations=400, statistic="r", random_state=0
    )
    assert (found.p_values[:8] == 1 / 401).all() and (found.p_values_max[:8] < 0.05).all()
    assert (found.q_values[:8] < 0.05).all()
    assert (found.p_values_max[8:] > 0.05).all() and (found.q_values[8:] < 0.05).sum() <= 3
    assert np.abs(found.null.mean()) < 0.05


def test_r2_null_of_a_planted_effect_lies_below_zero() -> None:
    """Predictions that follow a response they are not aligned with err by more than the mean does."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((2000, 3))
    y = X @ rng.standard_normal((3, 4)) + rng.standard_normal((2000, 4))
    folds = np.arange(40) % 4
    fitted = nested_cv(X, y, segments=[50] * 40, folds=folds, lags=range(3), alphas=np.logspace(-1, 3, 5))
    found = null_scores(y, fitted.predictions, segments=[50] * 40, folds=folds, n_permutations=99, random_state=0)
    np.testing.assert_allclose(found.observed, fitted.r2.mean(0), atol=1e-10)
    pooled = null_scores(
        y, fitted.predictions, segments=[50] * 40, folds=folds, n_permutations=9, statistic="pooled_r2", random_state=0
    )
    np.testing.assert_allclose(pooled.observed, fitted.pooled_r2, atol=1e-10)
    assert (found.null < 0).all() and (found.observed > 0.3).all() and (found.p_values == 0.01).all()


def test_small_shifts_show_an_effect_and_can_be_left_out() -> None:
    rng = np.random.default_rng(2)
    signal = red_noise(rng, 4000, 3, 0.95)
    y = signal + red_noise(rng, 4000, 3, 0.5)
    means = [
        null_scores(y, signal, segments=[100] * 40, n_permutations=200, statistic="r", min_shift=k, random_state=0).null
        for k in (0, 40)
    ]
    assert means[0].mean() > means[1].mean() + 0.05


def test_the_true_alignment_ties_with_itself() -> None:
    """Where no segment but one of two frames can move, half or all of the permutations are the observation."""
    rng = np.random.default_rng(0)
    y, P = rng.standard_normal((2, 12, 2)).astype(np.float32)
    found = null_scores(y, P, segments=[1] * 10 + [2], n_permutations=50, statistic="r", random_state=0)
    same = (found.null == found.observed).all(axis=1)
    assert 10 < same.sum() < 40
    np.testing.assert_allclose(found.p_values, (1 + (found.null >= found.observed).sum(0)) / 51)


def test_p_values_by_their_definition() -> None:
    null = np.array([[0.1, 0.5, np.nan], [0.3, 0.2, np.nan], [0.2, 0.9, np.nan]])
    found = NullDistribution.of(SCORES["r"], np.array([0.2, 1.0, np.nan]), null)
    np.testing.assert_allclose(found.p_values, [3 / 4, 1 / 4, np.nan])
    np.testing.assert_allclose(found.p_values_max, [1.0, 1 / 4, np.nan])
    np.testing.assert_allclose(found.q_values, [3 / 4, 1 / 2, np.nan])
    assert np.isnan(NullDistribution.of(SCORES["r"], np.full(1, np.nan), np.full((3, 1), np.nan)).p_values).all()


def test_constant_responses_are_nan() -> None:
    rng = np.random.default_rng(0)
    y, P = rng.standard_normal((2, 60, 2))
    y[:, 1] = 0.1
    found = null_scores(y, P, segments=[20] * 3, n_permutations=5, random_state=0)
    for values in (found.observed, found.p_values, found.p_values_max, found.q_values):
        assert np.isnan(values[1]) and np.isfinite(values[0])


def test_results_repeat_and_do_not_depend_on_other_targets() -> None:
    rng = np.random.default_rng(0)
    y, P = rng.standard_normal((2, 200, 5))
    kwargs = {"segments": [50] * 4, "n_permutations": 11, "min_shift": 2}
    first = null_scores(y, P, random_state=3, **kwargs)
    np.testing.assert_array_equal(first.null, null_scores(y, P, random_state=np.random.default_rng(3), **kwargs).null)
    np.testing.assert_allclose(first.null[:, 3:4], null_scores(y[:, 3:4], P[:, 3:4], random_state=3, **kwargs).null)
    assert (first.null != null_scores(y, P, random_state=4, **kwargs).null).any()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"folds": [0, 1, 0, 1], "runs": [0, 0, 1, 1]}, "runs"),
        ({"runs": [0, 1, 0, 1]}, "runs"),
        ({"runs": [0, 1]}, "runs"),
        ({"folds": [0, 2, 0, 2]}, "folds"),
        ({"folds": [0.0] * 4}, "folds"),
        ({"statistic": "R2"}, "statistic"),
        ({"n_permutations": 0}, "n_permutations"),
        ({"min_shift": -1}, "min_shift"),
        ({"min_shift": 6}, "min_shift"),
        ({"min_shift": 1, "segments": [39, 1]}, "min_shift"),
        ({"segments": [1] * 40}, "segments"),
        ({"y": np.zeros((40, 3))}, "y"),
    ],
)
def test_bad_input_is_named(change: dict[str, Any], name: str) -> None:
    given = {"y": np.ones((40, 2)), "predictions": np.ones((40, 2)), "segments": [10] * 4} | change
    with pytest.raises(InputError, match=f"^{name}: found"):
        null_scores(given.pop("y"), given.pop("predictions"), **given)
