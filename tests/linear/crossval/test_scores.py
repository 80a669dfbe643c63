"""Scores against scikit-learn and NumPy, the kernel against its twin, and what a constant gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score as sklearn_r2

from heschl import LaggedRidgeCV, _core
from heschl.linear import reference
from heschl.linear.crossval.scores import FoldScores, Variation, pearson_r, r2_score
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
    scores = FoldScores.of(problem.Y, P, folds)
    sse = sst = 0.0
    for k, part in enumerate(folds):
        rows = np.concatenate([np.arange(a, b) for a, b in part])
        y, p = problem.Y[rows].astype(np.float64), P[rows].astype(np.float64)
        if len(rows) == 1:
            assert np.isnan(scores.r2[k]).all() and np.isnan(scores.r[k]).all()
            assert np.isnan(Variation.of(problem.Y, part).sst).all()
            continue
        expected = np.atleast_1d(sklearn_r2(y, p, multioutput="raw_values"))
        r = np.array([np.corrcoef(y[:, j], p[:, j])[0, 1] for j in range(y.shape[1])])
        np.testing.assert_allclose(scores.r2[k], expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(scores.r[k], r, atol=1e-9)
        np.testing.assert_allclose(scores.r_squared[k], r**2, atol=1e-9)
        np.testing.assert_array_equal(r2_score(problem.Y, P, part), scores.r2[k])
        np.testing.assert_array_equal(pearson_r(problem.Y, P, part), scores.r[k])
        np.testing.assert_allclose(Variation.of(problem.Y, part).sst, ((y - y.mean(0)) ** 2).sum(0), rtol=1e-10)
        sse, sst = sse + ((y - p) ** 2).sum(0), sst + ((y - y.mean(0)) ** 2).sum(0)
    if not np.isscalar(sst):
        np.testing.assert_allclose(scores.pooled_r2, 1 - sse / sst, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.1, -3e7, 0.0])
def test_constants_are_nan_exactly(dtype: type, value: float) -> None:
    """0.1 has no exact mean in floating point; a constant must be known all the same."""
    rng = np.random.default_rng(0)
    varies, constant = rng.standard_normal((777, 2)).astype(dtype), np.full((777, 2), value, dtype)
    whole = [np.array([[0, 777]])]
    response = FoldScores.of(constant, varies, whole)
    assert np.isnan(response.r2).all() and np.isnan(response.r).all() and np.isnan(response.pooled_r2).all()
    prediction = FoldScores.of(varies, constant, whole)
    assert np.isfinite(prediction.r2).all() and np.isnan(prediction.r).all()


def test_large_means_lose_nothing() -> None:
    rng = np.random.default_rng(0)
    y = rng.standard_normal((5000, 3))
    p, whole = 0.1 * y + rng.standard_normal((5000, 3)), [np.array([[0, 5000]])]
    near, far = FoldScores.of(y, p, whole), FoldScores.of(y + 1e6, p + 1e6, whole)
    np.testing.assert_allclose(far.r2, near.r2, atol=1e-8)
    np.testing.assert_allclose(far.r, near.r, atol=1e-8)
    shrunk = FoldScores.of(y, 1e6 + 1e-3 * p, whole)  # predictions that vary little beside their mean
    np.testing.assert_allclose(shrunk.r, near.r, atol=1e-6)


def test_an_almost_perfect_fit_is_told_from_a_perfect_one() -> None:
    y = np.random.default_rng(0).standard_normal((1000, 1))
    scores = FoldScores.of(y, y + 1e-9 * np.sign(y), [np.array([[0, 1000]])])
    np.testing.assert_allclose(scores.sse, 1000e-18, rtol=1e-5)


def test_estimators_score_responses_of_the_other_precision() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((200, 2)).astype(np.float32), rng.standard_normal((200, 2)).astype(np.float32)
    model = LaggedRidgeCV(lags=range(2), alphas=[1.0, 10.0], cv=2).fit(X, y, segments=[50] * 4)
    same, other = model.score(X, y, segments=[50] * 4), model.score(X, y.astype(np.float64), segments=[50] * 4)
    assert abs(same - other) < 1e-12
