"""The lagged design, moments and ridge CV beside what a user would do without heschl. Answers are asserted."""

from __future__ import annotations

import warnings
from typing import Any

import baselines
import numpy as np
import pytest
from problems import MIDDLE, SMALL, Case

from heschl import LaggedRidgeCV, lagged_design
from heschl.linear.moments import LaggedMoments, Shift

CASES = {"small": SMALL, "middle": MIDDLE}


def bounds(case: Case) -> Any:
    ends = np.cumsum(case.lengths)
    return np.stack([ends - case.lengths, ends], axis=1)


def heschl_gram(H: Any, case: Case) -> Any:
    Y = np.ones((len(H), 1), H.dtype)
    no_shift = Shift(np.zeros(H.shape[1], H.dtype), np.zeros(1, H.dtype))
    moments = LaggedMoments.from_data(H, Y, bounds(case), range(case.w), no_shift)
    return moments.normal_equations(fit_intercept=False).gram


def heschl_ridge_cv(H: Any, Y: Any, case: Case) -> Any:
    segments = np.repeat(np.arange(case.n_segments), case.lengths)
    model = LaggedRidgeCV(lags=range(case.w), alphas=case.alphas, cv=case.n_folds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(H, Y, segments=segments).cv_scores_


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("rival", ["heschl", "numpy", "numba"])
def test_design(benchmark: Any, name: str, rival: str) -> None:
    case = CASES[name]
    H, _ = case.data()
    benchmark.group = f"design, {name}"
    run = {
        "heschl": lambda: lagged_design(H, range(case.w), segments=case.lengths),
        "numpy": lambda: baselines.numpy_design(H, case.lengths, case.w),
        "numba": lambda: baselines.numba_design(H, case.lengths, case.w),
    }[rival]
    X = benchmark.pedantic(run, rounds=30, warmup_rounds=5)
    np.testing.assert_array_equal(X, baselines.numpy_design(H, case.lengths, case.w))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("rival", ["heschl", "numpy"])
def test_gram(benchmark: Any, name: str, rival: str, gemm_rate: float) -> None:
    """X'X: from lagged moments (moments and assembly both counted) and from the built design."""
    case = CASES[name]
    H, _ = case.data()
    benchmark.group = f"X'X, {name}"
    run = (
        (lambda: heschl_gram(H, case)) if rival == "heschl" else (lambda: baselines.numpy_gram(H, case.lengths, case.w))
    )
    G = benchmark.pedantic(run, rounds=7, warmup_rounds=1)
    expected = baselines.numpy_gram(H.astype(np.float64), case.lengths, case.w)
    assert np.abs(np.tril(G) - np.tril(expected)).max() < 1e-4 * np.abs(expected).max()
    operations = 2.0 * len(H) * case.d**2 * case.w
    benchmark.extra_info["fraction of the sgemm rate on 2 n d^2 w operations"] = (
        operations / benchmark.stats.stats.median / gemm_rate
    )


RIVALS = {
    "numpy": baselines.numpy_ridge_cv,
    "scikit-learn": baselines.sklearn_ridge_cv,
    "himalaya": baselines.himalaya_ridge_cv,
}
EXPECTED: dict[str, Any] = {}  # float64 scores by case, computed once


def expected_scores(name: str) -> Any:
    if name not in EXPECTED:
        case = CASES[name]
        H, Y = (array.astype(np.float64) for array in case.data())
        EXPECTED[name] = baselines.numpy_ridge_cv(H, Y, case.lengths, case.fold, case.w, case.alphas).mean(0)
    return EXPECTED[name]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("rival", ["heschl", *RIVALS])
def test_ridge_cv(benchmark: Any, name: str, rival: str) -> None:
    case = CASES[name]
    H, Y = case.data()
    benchmark.group = f"ridge CV, {name}"
    if rival == "heschl":
        scores = benchmark.pedantic(lambda: heschl_ridge_cv(H, Y, case), rounds=5, warmup_rounds=1)
    else:
        run = RIVALS[rival]
        slow = name == "middle" and rival in ("scikit-learn", "himalaya")
        scores = benchmark.pedantic(
            lambda: run(H, Y, case.lengths, case.fold, case.w, case.alphas),
            rounds=1 if slow else 3, warmup_rounds=0 if slow else 1,
        )  # fmt: skip
    expected = expected_scores(name)
    if rival == "himalaya":  # says only each target's best
        found, expected = scores, expected.max(axis=0)
    else:
        found = scores if scores.ndim == 2 else scores.mean(0)
    assert np.abs(found - expected).max() < 2e-3
