"""The null of refits against refitting from scratch, and the laws a permutation must obey."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import kstest
from sklearn.linear_model import Ridge

from heschl import InputError, lagged_design
from heschl.linear import nested_cv, null_refit
from heschl.linear.nulls import refitted as nulls_refit
from heschl.linear.ridge.normal import PrecisionError
from linear.nulls.test_shifted import score
from linear.problems import Ragged, make, ragged
from tolerances import R2


def bounds_of(lengths: Any) -> np.ndarray:
    ends = np.cumsum(lengths)
    return np.stack([ends - lengths, ends], axis=1).astype(np.int64)


def from_scratch(
    problem: Ragged, y: np.ndarray, fold: np.ndarray, alphas: np.ndarray, statistic: str, keep: np.ndarray
) -> np.ndarray:
    """Standardise, build the design, fit scikit-learn's ridge for every fold and target, on the rows to keep.

    Standardised by all frames of the training segments, whether they are kept or not.
    """
    of_row, y = np.repeat(fold, problem.lengths), y.astype(np.float64)
    rows, H = np.where(keep, of_row, -1), problem.H.astype(np.float64)
    P = np.zeros(y.shape)
    for k in range(fold.max() + 1):
        train = (rows != k) & keep
        heard = H[of_row != k]
        std = heard.std(0)
        Z = np.where(np.ptp(heard, axis=0) > 0, (H - heard.mean(0)) / np.where(std > 0, std, 1), 0.0)
        X = lagged_design(Z, problem.lags, segments=problem.lengths)
        for j in range(y.shape[1]):
            P[rows == k, j] = Ridge(alpha=alphas[k, j]).fit(X[train], y[train, j]).predict(X[rows == k])
    return score(y, P, [np.flatnonzero(rows == k) for k in range(fold.max() + 1)], statistic)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_correlations_equal_refitting_from_scratch(dtype: str) -> None:
    """Pearson's r, of folds long enough that predictions vary by more than rounding."""
    problem = make(2, [40, 40, 30, 40, 30, 40], 3, 3, range(-1, 4), dtype)
    fold, alphas = np.arange(6) % 3, np.array([3.0, 30.0, 3.0])
    found = null_refit(
        problem.H, problem.Y, segments=problem.lengths, folds=fold, lags=problem.lags, alphas=alphas,
        n_permutations=4, statistic="r", random_state=0,
    )  # fmt: skip
    permuter, rng = nulls_refit.Permuter.of(problem.bounds, fold, None), np.random.default_rng(0)
    moved = [problem.Y, *(problem.Y[permuter.rows(permuter.draw(rng))] for _ in range(4))]
    every = np.broadcast_to(alphas, (3, 3))
    expected = np.array([from_scratch(problem, y.astype(np.float64), fold, every, "r", permuter.keep) for y in moved])
    np.testing.assert_allclose(np.concatenate([found.observed[None], found.null]), expected, atol=R2[dtype])


@pytest.mark.filterwarnings("ignore::heschl.linear.design.permuter.ExchangeWarning")
@settings(deadline=None, max_examples=40)
@given(ragged(min_segments=2), st.integers(2, 3), st.integers(0, 99), st.booleans())
def test_equals_refitting_from_scratch(problem: Ragged, n_folds: int, seed: int, repeats: bool) -> None:
    n_folds = min(n_folds, len(problem.lengths))
    fold = np.arange(len(problem.lengths)) % n_folds
    groups = fold + n_folds * (np.arange(len(fold)) // (2 * n_folds)) if repeats else None
    same = np.unique(groups, return_counts=True)[1] if repeats else np.ones(2)
    if problem.lengths.max() == 1 or np.bincount(same.astype(int)).max() < 2:
        return  # nothing varies, or no stimulus was heard as often as another
    c = problem.Y.shape[1]
    alphas = np.random.default_rng(seed).choice([3.0, 30.0], (n_folds, c))
    statistic = ("r2", "pooled_r2")[seed % 2]
    calls: list[tuple[int, int]] = []
    found = null_refit(
        problem.H, problem.Y, segments=problem.lengths, folds=fold, lags=problem.lags, alphas=alphas, groups=groups,
        n_permutations=4, statistic=statistic, random_state=seed, progress=lambda i, m: calls.append((i, m)),
    )  # fmt: skip
    permuter, rng = nulls_refit.Permuter.of(problem.bounds, fold, groups), np.random.default_rng(seed)
    moved = [problem.Y, *(problem.Y[permuter.rows(permuter.draw(rng))] for _ in range(4))]
    expected = np.array([from_scratch(problem, y, fold, alphas, statistic, permuter.keep) for y in moved])
    both = np.concatenate([found.observed[None], found.null])
    assert (np.isnan(both) == np.isnan(expected)).all()
    # A fold of a few frames that hardly vary has an R² far below 0.
    close = np.abs(np.nan_to_num(both - expected)) <= 3 * R2[problem.name] * (1 + np.abs(np.nan_to_num(expected)))
    assert close.all()
    assert calls == [(5, 5)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_blocks_change_nothing_and_nested_penalties_give_nested_scores(dtype: str) -> None:
    problem = make(0, [30] * 12, 3, 5, range(-1, 4), dtype)
    folds = np.arange(12) % 4
    fitted = nested_cv(
        problem.H, problem.Y, segments=problem.lengths, folds=folds, lags=problem.lags, alphas=np.logspace(0, 3, 4)
    )
    kwargs: dict[str, Any] = {"segments": problem.lengths, "folds": folds, "lags": problem.lags, "alphas": fitted.alpha}
    kwargs |= {"n_permutations": 10, "random_state": 1}
    whole = null_refit(problem.H, problem.Y, **kwargs)
    calls: list[tuple[int, int]] = []
    parts = null_refit(problem.H, problem.Y, memory_limit=100_000, progress=lambda i, m: calls.append((i, m)), **kwargs)
    assert len(calls) > 2 and calls[-1] == (11, 11)
    np.testing.assert_allclose(parts.null, whole.null, atol=R2[dtype])
    np.testing.assert_allclose(whole.observed, fitted.r2.mean(0), atol=R2[dtype])


def test_p_values_of_autocorrelated_noise_are_uniform() -> None:
    rng = np.random.default_rng(0)
    X, y = (lfilter([1.0], [1.0, -0.8], rng.standard_normal((1200, k)), axis=0) for k in (3, 300))
    found = null_refit(
        X, y, segments=[40] * 28 + [80], folds=np.arange(29) % 3, lags=range(3), alphas=100.0, n_permutations=99,
        random_state=0,
    )  # fmt: skip
    assert kstest(found.p_values, "uniform").pvalue > 1e-3
    assert (found.p_values <= 0.05).mean() < 0.09


def test_planted_signal_is_found_and_its_null_lies_below_zero() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1500, 4))
    y = rng.standard_normal((1500, 20))
    y[1:, :5] += X[:-1] @ rng.standard_normal((4, 5))
    found = null_refit(
        X, y, segments=[50] * 30, folds=np.arange(30) % 5, lags=range(3), alphas=10.0, n_permutations=199,
        random_state=0,
    )  # fmt: skip
    assert (found.p_values_max[:5] == 0.005).all() and (found.q_values[:5] < 0.05).all()
    assert (found.q_values[5:] < 0.05).sum() <= 2
    assert (found.null.mean(axis=0) < 0).all() and (found.null.mean(axis=0) > -0.2).all()


@pytest.mark.parametrize("one_alpha", [True, False])
@pytest.mark.parametrize("wide", [True, False])
def test_memory_limit_is_kept(one_alpha: bool, wide: bool) -> None:
    d, n_segments = (40, 6) if wide else (2, 60)
    problem = make(0, [50] * n_segments, d, 30, range(0, 10), "float32")
    limit = 12 << 20
    kwargs: dict[str, Any] = {
        "segments": problem.lengths, "folds": np.arange(n_segments) % 3, "lags": problem.lags,
        "alphas": 50.0 if one_alpha else np.resize([50.0, 500.0], 30), "n_permutations": 150,
    }  # fmt: skip
    null_refit(problem.H, problem.Y, **kwargs | {"n_permutations": 1})  # imports and caches
    p = d * 10
    fixed = 4 * (2 * p * p + 6 * p * d + problem.H.size + 12 * p * 30) + (1 << 20)
    tracemalloc.start()
    null_refit(problem.H, problem.Y, memory_limit=limit, **kwargs)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < limit + fixed, (peak, limit, fixed)


def test_float32_that_does_not_carry_is_repeated_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = make(0, [30] * 8, 2, 3, range(0, 3), "float32")
    real, seen = nulls_refit.solve, []

    def refusing(equations: Any, *args: Any) -> Any:
        seen.append(equations.cross.dtype)
        if equations.cross.dtype == np.float32:
            raise PrecisionError("float32")
        return real(equations, *args)

    monkeypatch.setattr(nulls_refit, "solve", refusing)
    found = null_refit(
        problem.H, problem.Y, segments=problem.lengths, folds=np.arange(8) % 2, lags=problem.lags, alphas=1.0,
        n_permutations=3,
    )  # fmt: skip
    assert set(map(str, seen)) == {"float32", "float64"} and np.isfinite(found.null).all()


@pytest.mark.filterwarnings("ignore::heschl.linear.design.permuter.ExchangeWarning")
@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"folds": [0, 0, 0, 0]}, "folds"),
        ({"groups": [0, 0, 1, 1]}, "folds"),
        ({"groups": [0, 1]}, "groups"),
        ({"alphas": [1.0, 2.0, 3.0]}, "alphas"),
        ({"alphas": 0.0}, "alphas"),
        ({"alphas": np.nan}, "alphas"),
        ({"statistic": "mse"}, "statistic"),
        ({"memory_limit": 1000}, "memory_limit"),
        ({"y": np.zeros((39, 2))}, "y"),
        ({"segments": [1, 1], "folds": [0, 1], "X": np.ones((2, 1)), "y": np.ones((2, 1)), "groups": [0, 1]}, ""),
    ],
)
def test_bad_input_is_named(change: dict[str, Any], name: str) -> None:
    given = {"X": np.ones((40, 2)), "y": np.ones((40, 2)), "segments": [10] * 4, "folds": [0, 1, 0, 1]}
    given |= {"lags": range(2), "alphas": 1.0} | change
    if not name:  # two segments of one frame may be exchanged
        assert np.isnan(null_refit(given.pop("X"), given.pop("y"), n_permutations=2, **given).observed).all()
        return
    with pytest.raises(InputError, match=f"^{name}: found"):
        null_refit(given.pop("X"), given.pop("y"), n_permutations=2, **given)
