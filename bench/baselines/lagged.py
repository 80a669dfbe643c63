"""The lagged design, its X'X, lagged products and predictions, in NumPy and in numba."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

Array = NDArray[Any]


def numpy_design(H: Array, lengths: Array, n_lags: int) -> Array:
    """Lags 0 ... n_lags - 1, segment by segment, by slices."""
    n, d = H.shape
    X = np.zeros((n, n_lags, d), H.dtype)
    begin = 0
    for length in lengths:
        for k in range(min(n_lags, length)):
            X[begin + k : begin + length, k] = H[begin : begin + length - k]
        begin += length
    return X.reshape(n, n_lags * d)


@njit(parallel=True, cache=True)
def _fill(H: Array, start_of_row: Array, X: Array) -> None:  # pragma: no cover - compiled
    for t in prange(H.shape[0]):
        for k in range(X.shape[1]):
            if t - k >= start_of_row[t]:
                for f in range(H.shape[1]):
                    X[t, k, f] = H[t - k, f]
            else:
                for f in range(H.shape[1]):
                    X[t, k, f] = 0


def numba_design(H: Array, lengths: Array, n_lags: int) -> Array:
    """The same by a compiled, multithreaded loop."""
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    X = np.empty((len(H), n_lags, H.shape[1]), H.dtype)
    _fill(H, starts, X)
    return X.reshape(len(H), -1)


def numpy_gram(H: Array, lengths: Array, n_lags: int) -> Array:
    """X'X of the materialised design; NumPy sees that both sides are one and calls syrk."""
    X = numpy_design(H, lengths, n_lags)
    return X.T @ X


def padded(H: Array, lengths: Array, gap: int) -> Array:
    """Segments with `gap` rows of zeros before, between and after them: a shift by up to `gap` never mixes two."""
    rows = np.arange(len(H)) + gap * (1 + np.repeat(np.arange(len(lengths)), lengths))
    P = np.zeros((len(H) + gap * (len(lengths) + 1), H.shape[1]), H.dtype)
    P[rows] = H
    return P


def _fold_rows(lengths: Array, fold: Array) -> list[tuple[Array, Array]]:
    """Rows and lengths of the segments of each fold."""
    of_row = np.repeat(fold, lengths)
    return [(np.flatnonzero(of_row == k), lengths[fold == k]) for k in range(fold.max() + 1)]


def numpy_moments(H: Array, lengths: Array, fold: Array, n_lags: int) -> Array:
    """C_δ = Σ h(t - δ) h(t)ᵀ of each fold, (n_folds, n_lags, d, d), by one product per lag of padded features.

    This is the expert's NumPy: all that the lagged moments need but for their edge frames, which are small.
    """
    C = np.empty((fold.max() + 1, n_lags, H.shape[1], H.shape[1]), H.dtype)
    for k, (rows, own) in enumerate(_fold_rows(lengths, fold)):
        P = padded(H[rows], own, n_lags - 1)
        for lag in range(n_lags):
            np.matmul(P[: len(P) - lag].T, P[lag:], out=C[k, lag])
    return C


@njit(cache=True)
def _products(P: Array, C: Array) -> None:  # pragma: no cover - compiled
    for lag in range(C.shape[0]):
        np.dot(P[: len(P) - lag].T, P[lag:], C[lag])


def numba_moments(H: Array, lengths: Array, fold: Array, n_lags: int) -> Array:
    """The same by a compiled loop over lags, with np.dot per lag."""
    C = np.empty((fold.max() + 1, n_lags, H.shape[1], H.shape[1]), H.dtype)
    for k, (rows, own) in enumerate(_fold_rows(lengths, fold)):
        _products(padded(H[rows], own, n_lags - 1), C[k])
    return C


def numpy_design_predict(H: Array, lengths: Array, W: Array, intercept: Array) -> Array:
    """X W + b of the materialised design."""
    out = numpy_design(H, lengths, len(W)) @ W.reshape(-1, W.shape[2])
    out += intercept
    return out


def numpy_predict(H: Array, lengths: Array, W: Array, intercept: Array) -> Array:
    """Shifted products added in place, segment by segment; no design."""
    out = np.empty((len(H), W.shape[2]), H.dtype)
    out[:] = intercept
    begin = 0
    for length in lengths:
        for k in range(min(len(W), length)):
            out[begin + k : begin + length] += H[begin : begin + length - k] @ W[k]
        begin += length
    return out


@njit(cache=True)
def _add_products(H: Array, lengths: Array, W: Array, out: Array) -> None:  # pragma: no cover - compiled
    product = np.empty((lengths.max(), W.shape[2]), H.dtype)
    begin = 0
    for length in lengths:
        for k in range(min(len(W), length)):
            part = product[: length - k]
            np.dot(H[begin : begin + length - k], W[k], part)
            out[begin + k : begin + length] += part
        begin += length


def numba_predict(H: Array, lengths: Array, W: Array, intercept: Array) -> Array:
    """The same by a compiled loop, with np.dot per lag and segment."""
    out = np.empty((len(H), W.shape[2]), H.dtype)
    out[:] = intercept
    _add_products(H, lengths, W, out)
    return out
