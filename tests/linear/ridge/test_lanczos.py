"""The space, the systems in it, and the rows they are scored on, by their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heschl.linear import reference
from heschl.linear.design.frames import Frames
from heschl.linear.design.rows import row_ranges
from heschl.linear.device.products import multiply
from heschl.linear.ridge.held_out import HeldOut
from heschl.linear.ridge.lanczos import BlockLanczos, orthonormal_columns
from heschl.linear.ridge.normal import Scaling
from heschl.linear.ridge.shifted import Shifted, errors, residuals
from linear.problems import Ragged, ragged
from tolerances import KERNEL, worst


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(st.integers(1, 12), st.integers(1, 40), st.integers(0, 12), st.integers(0, 99))
@settings(max_examples=40)
def test_columns_are_orthonormalised_to_their_rank(dtype: str, c: int, p: int, rank: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rank = min(rank, c, p)
    Z = (rng.standard_normal((p, rank)) @ rng.standard_normal((rank, c))).astype(dtype)
    least = 1e3 * float(np.finfo(dtype).eps) * c
    V, R = orthonormal_columns(Z, least)
    assert V.shape[1] <= rank and V.dtype == Z.dtype
    assert worst(V.T @ V, np.eye(V.shape[1]), 1.0) < KERNEL[dtype]
    assert worst(V @ R, Z, 1.0 + float(np.abs(Z).max(initial=0.0))) < max(KERNEL[dtype], c * least)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(*(st.integers(0, 70),) * 3, *(st.booleans(),) * 4, st.integers(0, 99))
@settings(max_examples=60)
def test_products(
    dtype: str, m: int, k: int, n: int, a_turned: bool, b_turned: bool, strided: bool, added: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((k, m) if a_turned else (m, k)).astype(dtype)
    b = rng.standard_normal((n, k) if b_turned else (k, n)).astype(dtype)
    if strided:
        a = np.concatenate([a, np.full((len(a), 3), np.nan, dtype)], axis=1)[:, : a.shape[1]]
    expected = (a.T if a_turned else a).astype(float) @ (b.T if b_turned else b).astype(float)
    to = rng.standard_normal((m, n)).astype(dtype) if added else None
    expected = -0.5 * expected + (0.0 if to is None else to)
    found = multiply(a, b, transpose_a=a_turned, transpose_b=b_turned, scale=-0.5, add_to=to)
    assert found.shape == expected.shape and (to is None or found is to)
    assert worst(found, expected, 10.0) < KERNEL[dtype]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_space_is_orthonormal_and_g_is_tridiagonal_in_it(dtype: str) -> None:
    rng = np.random.default_rng(0)
    p, c = 60, 7
    A = rng.standard_normal((p, p)) * np.logspace(0, -3, p)
    G, B = (A @ A.T).astype(dtype), rng.standard_normal((p, c)).astype(dtype)
    B /= np.linalg.norm(B, axis=0)
    space = BlockLanczos(lambda V: G @ V, B)
    systems = [Shifted(alpha, space.first) for alpha in (10.0, 1e-1)]
    expected = reference.block_lanczos(G.astype(float), B.astype(float), 4)
    for step in range(4):
        space.step()
        Q = np.concatenate(list(space.panels(0, space.dimension)), axis=1).astype(float)
        assert worst(Q.T @ Q, np.eye(Q.shape[1]), 1.0) < KERNEL[dtype]
        blocks = [len(each) for each in space.diagonal]
        T = Q.T @ G.astype(float) @ Q
        outside = np.abs(np.subtract.outer(*(np.repeat(np.arange(step + 1), blocks),) * 2)) > 1
        assert np.abs(T[outside]).max(initial=0.0) < KERNEL[dtype] * np.abs(T).max()
        span = expected[:, : Q.shape[1]]
        assert worst(span @ (span.T @ Q), Q, 1.0) < 100 * KERNEL[dtype]  # the same space
        for system in systems:
            system.advance(space.diagonal[-1], space.below[-1])
        exact = reference.krylov_ridge(G.astype(float), B.astype(float), np.array([10.0, 1e-1]), step + 1)
        for system, twin in zip(systems, exact, strict=True):
            values = system.solution(space.below, np.arange(c))
            W = Q @ values
            assert worst(space.combine(values.astype(dtype)), W, 1.0 + float(np.abs(W).max())) < KERNEL[dtype]
            R = B.astype(float) - G.astype(float) @ W - system.alpha * W
            assert worst(residuals([system])[0], np.linalg.norm(R, axis=0), 1.0) < 10 * KERNEL[dtype]
            left = np.sqrt(np.einsum("pc,pc->c", R, np.linalg.solve(G + system.alpha * np.eye(p), R)))
            assert (errors([system], systems[-1])[0] > left * (1.0 - 1e-3) - KERNEL[dtype]).all()
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
