"""The space, the systems in it, and the rows they are scored on, by their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heschl.linear import reference
from heschl.linear.design.frames import Frames
from heschl.linear.design.rows import row_ranges
from heschl.linear.ridge.held_out import HeldOut
from heschl.linear.ridge.lanczos import BlockLanczos, orthonormal_rows
from heschl.linear.ridge.normal import Scaling
from heschl.linear.ridge.shifted import Shifted
from linear.problems import Ragged, ragged
from tolerances import KERNEL, worst


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(st.integers(1, 12), st.integers(1, 40), st.integers(0, 12), st.integers(0, 99))
@settings(max_examples=40)
def test_rows_are_orthonormalised_to_their_rank(dtype: str, rows: int, p: int, rank: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rank = min(rank, rows, p)
    Z = (rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, p))).astype(dtype)
    least = 1e3 * float(np.finfo(dtype).eps) * rows
    V, R = orthonormal_rows(Z, least)
    assert len(V) <= rank and V.dtype == Z.dtype
    assert worst(V @ V.T, np.eye(len(V)), 1.0) < KERNEL[dtype]
    assert worst(R.T @ V, Z, 1.0 + float(np.abs(Z).max(initial=0.0))) < max(KERNEL[dtype], rows * least)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_space_is_orthonormal_and_g_is_tridiagonal_in_it(dtype: str) -> None:
    rng = np.random.default_rng(0)
    p, c = 60, 7
    A = rng.standard_normal((p, p)) * np.logspace(0, -3, p)
    G, B = (A @ A.T).astype(dtype), rng.standard_normal((c, p)).astype(dtype)
    B /= np.linalg.norm(B, axis=1, keepdims=True)
    space = BlockLanczos(lambda V: np.ascontiguousarray(V @ G), B)
    systems = [Shifted(alpha, space.first) for alpha in (10.0, 1e-1)]
    expected = reference.block_lanczos(G.astype(float), B.T.astype(float), 4)
    for step in range(4):
        space.step()
        Q = space.basis().astype(float)
        assert worst(Q @ Q.T, np.eye(len(Q)), 1.0) < KERNEL[dtype]
        blocks = [len(each) for each in space.diagonal]
        T = Q @ G.astype(float) @ Q.T
        outside = np.abs(np.subtract.outer(*(np.repeat(np.arange(step + 1), blocks),) * 2)) > 1
        assert np.abs(T[outside]).max(initial=0.0) < KERNEL[dtype] * np.abs(T).max()
        span = expected[:, : len(Q)]
        assert worst(span @ (span.T @ Q.T), Q.T, 1.0) < 100 * KERNEL[dtype]  # the same space
        for system in systems:
            system.advance(space.diagonal[-1], space.below[-1])
        exact = reference.krylov_ridge(G.astype(float), B.T.astype(float), np.array([10.0, 1e-1]), step + 1)
        for system, twin in zip(systems, exact, strict=True):
            W = Q.T @ system.solution(space.below, np.arange(c))
            R = B.T.astype(float) - G.astype(float) @ W - system.alpha * W
            assert worst(system.residual(), np.linalg.norm(R, axis=0), 1.0) < 10 * KERNEL[dtype]
            left = np.sqrt(np.einsum("pc,pc->c", R, np.linalg.solve(G + system.alpha * np.eye(p), R)))
            assert (system.error(systems[-1]) > left * (1.0 - 1e-3) - KERNEL[dtype]).all()
            assert worst(W, twin) < 1e4 * KERNEL[dtype]


@given(ragged(), st.sampled_from(["zero", "drop", "cross"]), st.integers(0, 99))
@settings(max_examples=40)
def test_rows_by_frequency(problem: Ragged, boundary: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    d = problem.H.shape[1]
    ranges, _ = row_ranges(problem.bounds, problem.lags, boundary, len(problem.H))
    scaling = Scaling(rng.standard_normal(d), rng.uniform(0.5, 2.0, d))
    rows = HeldOut(Frames.of(problem.H), ranges, problem.lags, scaling)
    V = rng.standard_normal((len(problem.lags) * d, 3)).astype(problem.name)
    z = (problem.H - scaling.mean) * scaling.scale
    expected = reference.lagged_design(z, ranges, problem.lags) @ V
    found = rows.product(V)
    assert found.shape == expected.shape and found.dtype == problem.H.dtype
    assert worst(found, expected, max(1.0, float(np.abs(expected).max(initial=0.0)))) < KERNEL[problem.name]
