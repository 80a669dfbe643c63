"""Features that repeat through a word: lagged products, and one fold's λ path on a wide layer."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import ours
import pytest
import truth
from baselines import words
from memory import Watch
from problems import SCORE_TOLERANCE, WORDS, WORDS_NARROW

CHOLESKY_SIZE = 12_000  # of the factorisation whose rate stands for p = 32,000: that one takes more than a minute


@pytest.mark.parametrize("rival", ["heschl", "heschl, at frame rate", "SciPy, sparse overlap counts"])
def test_word_moments(measure: Any, against_limit: Any, sized: Any, rival: str) -> None:
    """One set of moments of all segments."""
    case = sized(WORDS)
    values, rows, counts = case.words()
    H, whole = np.repeat(values[rows], counts, axis=0), np.zeros(case.n_segments, dtype=np.int64)
    run = {
        "heschl": lambda: ours.word_moments(values, rows, counts, case.lengths, case.w),
        "heschl, at frame rate": lambda: ours.moments(H, case.lengths, whole, case.w),
        "SciPy, sparse overlap counts": lambda: words.sparse_word_moments(values, rows, counts, case.lengths, case.w),
    }[rival]
    found = measure("word-rate moments", rival, run, rounds=1, warmup=0)
    against_limit(2.0 * case.d**2 * case.w * (case.n_frames if rival.endswith("frame rate") else len(values)))
    # Rows (lag, feature), columns of lag 0: the first block column of X'X.
    columns = np.random.default_rng(0).integers(0, case.d, size=4)
    if rival.startswith("heschl"):
        # X'X at p = 32,000 takes 4 GB: the sums of the features' products are compared where they stand, unshifted.
        part = found[0]
        shift = part.shift.features.astype(np.float64)
        n_common = case.n_frames - np.array([np.minimum(k, case.lengths).sum() for k in range(case.w)])
        first = part.first_column.reshape(case.w, case.d, case.d)[:, :, columns].astype(np.float64)
        # Σ (h_i - m)(h_0 - m)' = Σ h_i h_0' - Σ h_i m' - m Σ 1_i h_0' + n_i m m'
        u = part.pair_sums.reshape(case.w, case.w, case.d)
        first += u[:, 0, :, None] * shift[columns] + shift[:, None] * u[0][:, None, columns]
        first += n_common[:, None, None] * shift[:, None] * shift[columns]
        found = first.reshape(case.p, -1)
    else:
        found = found[:, :, columns].reshape(case.p, -1)
    expected = truth.gram_columns(H, case.lengths, case.w, columns)
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


def test_cholesky(measure: Any, against_limit: Any, quick: bool) -> None:
    """The rate of one float32 factorisation, from which that of p = 32,000 is counted: p³/3 + 2 p² c operations."""
    size = 200 if quick else CHOLESKY_SIZE
    A = np.asfortranarray(np.random.default_rng(0).standard_normal((size, size), dtype=np.float32))
    A[:] = 0.5 * (A + A.T)
    A[np.diag_indices(size)] += 4 * np.float32(size) ** 0.5
    copy = A.copy(order="F")
    L = np.tril(measure(f"Cholesky, p = {CHOLESKY_SIZE:,}", "LAPACK", lambda: words.cholesky(copy), rounds=1, warmup=0))
    against_limit(size**3 / 3)
    x = np.random.default_rng(1).standard_normal(size).astype(np.float32)
    np.testing.assert_allclose(L @ (L.T @ x), A @ x, atol=1e-3 * np.abs(A @ x).max())


def test_wide_path(measure: Any, benchmark: Any, sized: Any, quick: bool) -> None:
    """One fold at p = 32,000 within 8 GB; its R² is that of a direct solve at p = 2,560 (`test_path`)."""
    case = sized(WORDS)
    values, rows, counts = case.words()
    _, Y = case.data()
    test = case.fold == 0
    with Watch() as watch:
        found = measure(
            "one fold, p = 32,000", "heschl",
            lambda: ours.word_path(values, rows, counts, Y, case.lengths, test, case.w, case.alphas),
            rounds=1, warmup=0,
        )  # fmt: skip
    benchmark.extra_info["peak_bytes"] = watch.peak
    size = 200 if quick else CHOLESKY_SIZE
    A = np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)
    A = np.asfortranarray(A + A.T + 8 * np.float32(size) ** 0.5 * np.eye(size, dtype=np.float32))
    begin = time.perf_counter()
    words.cholesky(A)
    rate = size**3 / 3 / (time.perf_counter() - begin)
    counted = words.path_operations(case.p, case.c, case.n_alphas) / rate
    benchmark.extra_info["counted"] = {"Cholesky, by count": counted}
    assert np.isfinite(found).any(axis=0).all() and np.nanmax(found) < 1.0
    assert quick or np.nanmax(found, axis=0).mean() > 0.02


@pytest.mark.parametrize("rival", ["heschl", "SciPy, a Cholesky per λ"])
def test_path(measure: Any, sized: Any, rival: str) -> None:
    """One fold's λ path at p = 2,560, R² against float64."""
    case = sized(WORDS_NARROW)
    H, Y = case.data()
    test = case.fold == 0
    run = {
        "heschl": lambda: ours.word_path(*case.words(), Y, case.lengths, test, case.w, case.alphas),
        "SciPy, a Cholesky per λ": lambda: words.cholesky_path(H, Y, case.lengths, test, case.w, case.alphas),
    }[rival]
    found = measure("one fold, p = 2,560", rival, run, rounds=1, warmup=0)
    H, Y = H.astype(np.float64), Y.astype(np.float64)
    expected = words.cholesky_path(H, Y, case.lengths, test, case.w, case.alphas)
    assert np.nanmax(np.abs(found - expected)) < SCORE_TOLERANCE
    assert (np.nanmax(found, axis=0) > expected.max(axis=0) - SCORE_TOLERANCE).all()  # the best is not left out
