"""Word-rate features: lagged products at word rate by sparse matrices; one fold's λ path by Cholesky."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy.typing import NDArray

from baselines.lagged import numpy_design
from baselines.scores import r2

Array = NDArray[Any]


def sparse_word_moments(values: Array, rows: Array, counts: Array, lengths: Array, n_lags: int) -> Array:
    """C_δ = Σ h(t - δ) h(t)ᵀ, (n_lags, d, d), of features that repeat through runs, from word-by-word overlap counts.

    SciPy counts how often run r is followed, δ frames later and in the same segment, by run s; C_δ is Eᵀ (counts E).
    """
    n_frames, segment = counts.sum(), np.repeat(np.arange(len(lengths)), lengths)
    word = np.repeat(rows, counts)
    C = np.empty((n_lags, values.shape[1], values.shape[1]), values.dtype)
    for lag in range(n_lags):
        earlier, later = word[: n_frames - lag], word[lag:]
        same = segment[: n_frames - lag] == segment[lag:]
        ones = np.ones(same.sum(), values.dtype)
        overlap = scipy.sparse.coo_array((ones, (earlier[same], later[same])), shape=(len(values), len(values)))
        C[lag] = values.T @ (overlap.tocsr() @ values)
    return C


def cholesky_path(H: Array, Y: Array, lengths: Array, test: Array, n_lags: int, alphas: Array) -> Array:
    """One fold: R² on the segments `test` (bool, per segment) for each λ, (n_alphas, c), one Cholesky each."""
    X, held_out = numpy_design(H, lengths, n_lags), np.repeat(test, lengths)
    mean_x, mean_y = X[~held_out].mean(0), Y[~held_out].mean(0)
    X -= mean_x
    x, y = X[~held_out], Y[~held_out] - mean_y
    G, R = x.T @ x, x.T @ y
    out = np.empty((len(alphas), Y.shape[1]))
    for a, alpha in enumerate(alphas):
        A = G + alpha * np.eye(len(G), dtype=G.dtype)
        W = scipy.linalg.cho_solve(scipy.linalg.cho_factor(A, overwrite_a=True, check_finite=False), R)
        out[a] = r2(Y[held_out], X[held_out] @ W + mean_y)
    return out


def path_operations(p: float, c: float, n_alphas: int) -> float:
    """Of a direct λ path: a factorisation and the solves for c targets, for each λ."""
    return n_alphas * (p**3 / 3 + 2 * p**2 * c)


def cholesky(A: Array) -> Array:
    """One factorisation, LAPACK's, in place: what a λ costs whoever solves directly."""
    factor, _ = scipy.linalg.cho_factor(A, lower=True, overwrite_a=True, check_finite=False)
    return np.asarray(factor)
