"""The lagged design, its X'X, and the moments that stand for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import ours
import pytest
import truth
from baselines import lagged
from problems import BY_SIZE, LAYER

TOLERANCE = {"float32": 1e-4, "float64": 1e-10}


@pytest.mark.parametrize("size", BY_SIZE["design"])
@pytest.mark.parametrize("rival", ["heschl", "NumPy", "numba"])
def test_design(measure: Any, sized: Any, size: str, rival: str) -> None:
    case = sized(BY_SIZE["design"][size])
    H = case.features()
    build = {"heschl": ours.design, "NumPy": lagged.numpy_design, "numba": lagged.numba_design}[rival]
    rounds = 5 if size == "large" else 30
    X = measure(f"design, {size}", rival, lambda: build(H, case.lengths, case.w), rounds=rounds, warmup=3)
    np.testing.assert_array_equal(X, lagged.numpy_design(H, case.lengths, case.w))


def lower_columns(G: Any, columns: Any) -> Any:
    """Columns of a symmetric matrix of which the lower triangle is given."""
    return np.stack([np.r_[G[j, :j], G[j:, j]] for j in columns], axis=1)


def assert_near(found: Any, expected: Any, dtype: str) -> None:
    assert np.abs(found - expected).max() <= TOLERANCE[dtype] * np.abs(expected).max()


@pytest.mark.parametrize("size", ["small", "middle"])
@pytest.mark.parametrize("rival", ["heschl", "NumPy"])
def test_gram(measure: Any, sized: Any, size: str, rival: str) -> None:
    """All of X'X: moments and assembly, or design and product; both begin with the features."""
    case = sized(BY_SIZE["moments"][size])
    H, whole = case.features(), np.zeros(case.n_segments, dtype=np.int64)
    run = {
        "heschl": lambda: ours.gram(ours.moments(H, case.lengths, whole, case.w)),
        "NumPy": lambda: lagged.numpy_gram(H, case.lengths, case.w),
    }[rival]
    G = measure(f"X'X, {size}", rival, run, rounds=9, warmup=2)
    columns = np.random.default_rng(0).integers(0, case.p, size=8)
    assert_near(lower_columns(G, columns), truth.gram_columns(H, case.lengths, case.w, columns), case.dtype)


LAGGED_PRODUCTS = {
    "heschl": ours.moments,
    "heschl, a product per lag": ours.moments_by_lag,
    "NumPy, a product per lag": lagged.numpy_moments,
    "numba, a product per lag": lagged.numba_moments,
}


@pytest.mark.parametrize("size", BY_SIZE["moments"])
@pytest.mark.parametrize("rival", LAGGED_PRODUCTS)
def test_moments(measure: Any, sized: Any, against_limit: Any, note_memory: Any, size: str, rival: str) -> None:
    """Statistics of every fold, heschl's by frequency or lag. The twins' are all of the work, not yet all of X'X."""
    case = sized(BY_SIZE["moments"][size])
    H, gather = case.features(), LAGGED_PRODUCTS[rival]
    rounds, warmup = (3, 0) if size in ("large", "an hour") else (9, 2)
    arguments = (H, case.lengths, case.fold, case.w)
    found = measure(f"moments, {size}", rival, lambda: gather(*arguments), rounds=rounds, warmup=warmup)
    against_limit(2.0 * case.n_frames * case.d**2 * case.w)
    rng, n_columns = np.random.default_rng(0), 8
    if rival == "heschl":
        columns = rng.integers(0, case.p, size=n_columns)
        found = lower_columns(ours.gram(found), columns)
    else:  # rows (lag, feature), columns of lag 0: the first block column of X'X
        columns = rng.integers(0, case.d, size=n_columns)
        found = np.asarray(found).sum(axis=0).reshape(case.p, case.d)[:, columns]
    assert_near(found, truth.gram_columns(H, case.lengths, case.w, columns), case.dtype)
    if size == "large":
        tiny = LAYER.quick()
        note_memory(gather, arguments, (tiny.features(), tiny.lengths, tiny.fold, tiny.w))


@pytest.mark.parametrize("size", BY_SIZE["moments"])
def test_syrk(measure: Any, sized: Any, against_limit: Any, size: str) -> None:
    """X'X of a design that is there already: its own time is not counted against NumPy."""
    case = sized(BY_SIZE["moments"][size])
    H = case.features()
    X = lagged.numpy_design(H, case.lengths, case.w)
    rounds, warmup = (1, 0) if size == "large" else (9, 2)
    G = measure(f"moments, {size}", "NumPy, X'X of a built design", lambda: X.T @ X, rounds=rounds, warmup=warmup)
    against_limit(float(case.n_frames) * case.p**2)
    columns = np.random.default_rng(0).integers(0, case.p, size=8)
    assert_near(G[:, columns], truth.gram_columns(H, case.lengths, case.w, columns), case.dtype)
