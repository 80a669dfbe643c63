"""Scores against scikit-learn and NumPy, the kernel against its twin, and what a constant gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score as sklearn_r2

from heschl import LaggedRidgeCV, _core
from heschl.linear import reference
from heschl.linear.crossval.scores import SCORES, FoldSums, fold_squares, pooled_r2, r, r2, score_predictions, squared_r
from linear.problems import Ragged, ragged
from tolerances import KERNEL, worst


def folds_of(problem: Ragged, n_folds: int) -> list[np.ndarray]:
    member = np.arange(len(problem.lengths)) % n_folds
    return [problem.bounds[member == k] for k in range(n_folds) if (member == k).any()]


def predicted(problem: Ragged) -> np.ndarray:
    rng = np.random.default_rng(1)
    return (0.5 * problem.Y + rng.standard_normal(problem.Y.shape) + 2).astype(problem.Y.dtype)


@settings(deadline=None, max_examples=60)
@given(ragged(), st.integers(1, 3), st.integers(1, 3))
def test_kernel_equals_its_twin(problem: Ragged, n_folds: int, n_threads: int) -> None:
    folds, P = folds_of(problem, n_folds), predicted(problem)
    K, c = len(folds), problem.Y.shape[1]
    shift = np.random.default_rng(0).standard_normal((K, 2, c))
    sums = np.full((K * 6, c), np.nan)
    fold = np.repeat(np.arange(K), [len(part) for part in folds])
    _core.score_sums(problem.Y, P, np.concatenate(folds), fold, shift.reshape(K * 2, c), sums, n_threads)
    assert worst(sums.reshape(K, 6, c), reference.score_sums(problem.Y, P, folds, shift)) < KERNEL["float64"]


def test_many_targets_and_threads() -> None:
    """More targets than a strip holds, and enough values for several threads; views of wider arrays."""
    rng = np.random.default_rng(0)
    wide = rng.standard_normal((2, 900, 1300)).astype(np.float32)
    Y, P = wide[0, :, 100:1200], wide[1, :, 7:1107]
    folds = [np.array([[0, 300], [700, 900]]), np.array([[300, 700]])]
    shift, sums = np.zeros((2, 2, 1100)), np.empty((12, 1100))
    for n_threads in (1, 2, 5):
        _core.score_sums(Y, P, np.concatenate(folds), np.array([0, 0, 1]), shift.reshape(4, 1100), sums, n_threads)
        assert worst(sums.reshape(2, 6, 1100), reference.score_sums(Y, P, folds, shift)) < KERNEL["float64"]


@settings(deadline=None, max_examples=60)
@given(ragged(), st.integers(1, 3))
def test_scores_are_those_of_scikit_learn_and_numpy(problem: Ragged, n_folds: int) -> None:
    folds, P = folds_of(problem, n_folds), predicted(problem)
    scores = FoldSums.of(problem.Y, P, folds)
    sse = sst = 0.0
    for k, part in enumerate(folds):
        rows = np.concatenate([np.arange(a, b) for a, b in part])
        y, p = problem.Y[rows].astype(np.float64), P[rows].astype(np.float64)
        if len(rows) == 1:
            assert np.isnan(r2(scores)[k]).all() and np.isnan(r(scores)[k]).all()
            assert np.isnan(fold_squares(problem.Y, [part])).all()
            continue
        expected = np.atleast_1d(sklearn_r2(y, p, multioutput="raw_values"))
        by_numpy = np.array([np.corrcoef(y[:, j], p[:, j])[0, 1] for j in range(y.shape[1])])
        np.testing.assert_allclose(r2(scores)[k], expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(r(scores)[k], by_numpy, atol=1e-9)
        np.testing.assert_allclose(squared_r(scores)[k], by_numpy**2, atol=1e-9)
        np.testing.assert_array_equal(score_predictions(SCORES["r2"], problem.Y, P, part), r2(scores)[k])
        np.testing.assert_array_equal(score_predictions(SCORES["r"], problem.Y, P, part), r(scores)[k])
        np.testing.assert_allclose(fold_squares(problem.Y, [part])[0], ((y - y.mean(0)) ** 2).sum(0), rtol=1e-10)
        sse, sst = sse + ((y - p) ** 2).sum(0), sst + ((y - y.mean(0)) ** 2).sum(0)
    if not np.isscalar(sst):
        np.testing.assert_allclose(pooled_r2(scores), 1 - sse / sst, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.1, -3e7, 0.0])
def test_constants_are_nan_exactly(dtype: type, value: float) -> None:
    """0.1 has no exact mean in floating point; a constant must be known all the same."""
    rng = np.random.default_rng(0)
    varies, constant = rng.standard_normal((777, 2)).astype(dtype), np.full((777, 2), value, dtype)
    whole = [np.array([[0, 777]])]
    response = FoldSums.of(constant, varies, whole)
    assert all(np.isnan(score.over_folds(response)).all() for score in SCORES.values())
    prediction = FoldSums.of(varies, constant, whole)
    assert np.isfinite(r2(prediction)).all() and np.isnan(r(prediction)).all()


def test_large_means_lose_nothing() -> None:
    rng = np.random.default_rng(0)
    y = rng.standard_normal((5000, 3))
    p, whole = 0.1 * y + rng.standard_normal((5000, 3)), [np.array([[0, 5000]])]
    near, far = FoldSums.of(y, p, whole), FoldSums.of(y + 1e6, p + 1e6, whole)
    np.testing.assert_allclose(r2(far), r2(near), atol=1e-8)
    np.testing.assert_allclose(r(far), r(near), atol=1e-8)
    shrunk = FoldSums.of(y, 1e6 + 1e-3 * p, whole)  # predictions that vary little beside their mean
    np.testing.assert_allclose(r(shrunk), r(near), atol=1e-6)


def test_an_almost_perfect_fit_is_told_from_a_perfect_one() -> None:
    y = np.random.default_rng(0).standard_normal((1000, 1))
    scores = FoldSums.of(y, y + 1e-9 * np.sign(y), [np.array([[0, 1000]])])
    np.testing.assert_allclose(scores.sse, 1000e-18, rtol=1e-5)


def test_estimators_score_responses_of_the_other_precision() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((200, 2)).astype(np.float32), rng.standard_normal((200, 2)).astype(np.float32)
    model = LaggedRidgeCV(lags=range(2), alphas=[1.0, 10.0], cv=2).fit(X, y, segments=[50] * 4)
    same, other = model.score(X, y, segments=[50] * 4), model.score(X, y.astype(np.float64), segments=[50] * 4)
    assert abs(same - other) < 1e-12
