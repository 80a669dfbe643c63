"""Permutation nulls for time series as plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.lagged import numpy_design
from baselines.ridge import numpy_ridge_cv
from baselines.scores import r2

Array = NDArray[Any]


def roll_segments(Y: Array, lengths: Array, shift: Array) -> Array:
    """Responses, each segment's rows moved circularly by its own number of frames towards later times."""
    ends = np.cumsum(lengths)
    begins = ends - lengths
    frame = np.arange(len(Y)) - np.repeat(begins, lengths)
    source = np.repeat(begins, lengths) + (frame - np.repeat(shift, lengths)) % np.repeat(lengths, lengths)
    return Y[source]


def numpy_shift_null(Y: Array, prediction: Array, lengths: Array, fold: Array, shifts: Array) -> Array:
    """Mean over folds of each fold's R² of fixed predictions against shifted responses, (n_shifts, c)."""
    rows = [np.flatnonzero(np.repeat(fold, lengths) == k) for k in range(fold.max() + 1)]
    out = np.empty((len(shifts), Y.shape[1]))
    for i, shift in enumerate(shifts):
        moved = roll_segments(Y, lengths, shift)
        out[i] = np.mean([r2(moved[test], prediction[test]) for test in rows], axis=0)
    return out


def swap_segments(Y: Array, length: int, order: Array) -> Array:
    """Responses of segments of one length in another order."""
    return Y.reshape(len(order), length, -1)[order].reshape(Y.shape)


def numpy_refit_path(
    H: Array, Y: Array, lengths: Array, fold: Array, n_lags: int, alphas: Array, orders: Array
) -> Array:
    """The whole path fitted again for each order of segments: the best λ per target, (n_orders, c) of mean R²."""
    scores = [
        numpy_ridge_cv(H, swap_segments(Y, lengths[0], order), lengths, fold, n_lags, alphas).mean(0).max(0)
        for order in orders
    ]
    return np.stack(scores)


def numpy_refit_kept(
    H: Array, Y: Array, lengths: Array, fold: Array, n_lags: int, alpha: Array, orders: Array
) -> Array:
    """λ fixed per target (c,), eigendecompositions of the folds kept: mean over folds of R², (n_orders, c).

    The expert's way; the design is kept too, so memory is that of X and of one p × p matrix per fold.
    """
    X, rows = numpy_design(H, lengths, n_lags), np.repeat(fold, lengths)
    X -= X.mean(0)
    total = X.T @ X
    kept = []
    for k in range(fold.max() + 1):
        held_out = X[rows == k]
        m = len(X) - len(held_out)
        mean = -held_out.sum(0) / m
        G = total - held_out.T @ held_out - m * np.outer(mean, mean)
        values, vectors = np.linalg.eigh(G)
        kept.append((mean, values[:, None], vectors, (held_out - mean) @ vectors))
    out = np.empty((len(orders), len(kept), Y.shape[1]))
    for i, order in enumerate(orders):
        y = swap_segments(Y, lengths[0], order)
        y = y - y.mean(0)
        parts = [X[rows == k].T @ y[rows == k] for k in range(len(kept))]
        for k, (mean, values, vectors, test) in enumerate(kept):
            train_sum = -y[rows == k].sum(0)
            R = sum(part for j, part in enumerate(parts) if j != k) - np.outer(mean, train_sum)
            prediction = test @ ((vectors.T @ R) / (values + alpha)) + train_sum / (rows != k).sum()
            out[i, k] = r2(y[rows == k], prediction)
    return out.mean(1)
