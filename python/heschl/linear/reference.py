"""The kernels once more in plain NumPy, to be checked by eye: the tests' oracle and the benchmarks' baseline.

Nothing in heschl calls this. Every function builds the lagged design and does the obvious with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def lagged_design(H: Array, bounds: Array, lags: Sequence[int], outside: float | Array = 0.0) -> Array:
    """X[t, k · d + f] = H[t - lags[k], f] inside t's segment, `outside` elsewhere."""
    n, d = H.shape
    X = np.empty((n, len(lags), d), H.dtype)
    X[:] = outside
    for begin, end in bounds:
        for k, lag in enumerate(lags):
            for t in range(max(begin, begin + lag), min(end, end + lag)):
                X[t, k] = H[t - lag]
    return X.reshape(n, len(lags) * d)


def lagged_moments(
    H: Array, Y: Array, h_shift: Array, y_shift: Array, bounds: Array, lags: Sequence[int]
) -> dict[str, Array]:
    """The sums of `heschl.linear.moments.LaggedMoments`, by their definitions."""
    w, d = len(lags), H.shape[1]
    rows = np.concatenate([np.arange(begin, end) for begin, end in bounds])
    h, y = H.astype(np.float64) - h_shift, (Y.astype(np.float64) - y_shift)[rows]
    X = lagged_design(h, bounds, lags)[rows]
    inside = lagged_design(np.ones((len(H), 1)), bounds, lags)[rows]  # (n, w): 1_i(t)
    edges = np.zeros((len(bounds), w, d))
    for s, (begin, end) in enumerate(bounds):
        for i, lag in enumerate(lags):
            t = (end if lag >= 0 else begin) - 1 - lag
            if begin <= t < end:
                edges[s, i] = h[t]
    return {
        "first_column": X.T @ X[:, :d],
        "cross": X.T @ y,
        "edges": edges.reshape(len(bounds), w * d),
        "pair_sums": np.einsum("tid,tj->ijd", X.reshape(len(rows), w, d), inside).reshape(w * w, d),
        "pair_counts": (inside.T @ inside).reshape(w * w),
        "target_sums": inside.T @ y,
        "feature_sums": np.stack([h[rows].sum(0), (h[rows] ** 2).sum(0)]),
        "totals": np.stack([y.sum(0), (y**2).sum(0)]),
    }


def normal_equations(
    H: Array, Y: Array, bounds: Array, lags: Sequence[int], *, fit_intercept: bool, standardize: bool
) -> tuple[Array, Array]:
    """X'X and X'Y of the materialised design of the rows in `bounds`."""
    rows = np.concatenate([np.arange(begin, end) for begin, end in bounds])
    H, Y = H.astype(np.float64), Y.astype(np.float64)[rows]
    if standardize:
        mean, std = H[rows].mean(0), H[rows].std(0)
        H = (H - mean) / np.where(std > 0, std, np.inf)
    X = lagged_design(H, bounds, lags)[rows]
    if fit_intercept:
        X, Y = X - X.mean(0), Y - Y.mean(0)
    return X.T @ X, X.T @ Y


def ridge_solve(G: Array, R: Array, alpha: float) -> Array:
    """(G + alpha I)⁻¹ R."""
    return np.linalg.solve(G + alpha * np.eye(len(G)), R)


def lagged_predict(H: Array, h_shift: Array, bounds: Array, lags: Sequence[int], W: Array, intercept: Array) -> Array:
    """Design of H - h_shift, times W, plus the intercept."""
    return lagged_design(H - h_shift, bounds, lags) @ W + intercept


def lagged_sse(
    H: Array, Y: Array, h_shift: Array, bounds: Array, lags: Sequence[int], W: Array, intercept: Array
) -> Array:
    """Squared errors of that prediction, summed over the rows in `bounds`."""
    rows = np.concatenate([np.arange(begin, end) for begin, end in bounds])
    error = (Y - lagged_predict(H, h_shift, bounds, lags, W, intercept))[rows]
    return np.asarray((error.astype(np.float64) ** 2).sum(0))


def ridge_cv_scores(
    H: Array,
    Y: Array,
    folds: Sequence[Array],
    lags: Sequence[int],
    alphas: Array,
    *,
    standardize: bool = False,
) -> Array:
    """R² of every (fold, penalty, target), each fold from its own materialised normal equations."""
    r2 = np.empty((len(folds), len(alphas), Y.shape[1]))
    for k, test in enumerate(folds):
        train = np.concatenate([fold for f, fold in enumerate(folds) if f != k])
        G, R = normal_equations(H, Y, train, lags, fit_intercept=True, standardize=standardize)
        rows = np.concatenate([np.arange(begin, end) for begin, end in train])
        mean, std = (H[rows].mean(0), H[rows].std(0)) if standardize else (np.zeros(H.shape[1]), np.ones(H.shape[1]))
        X = lagged_design((H - mean) / np.where(std > 0, std, np.inf), np.concatenate(folds), lags)
        held_out = np.concatenate([np.arange(begin, end) for begin, end in test])
        y = Y[held_out]
        for a, alpha in enumerate(alphas):
            W = ridge_solve(G, R, alpha)
            prediction = (X[held_out] - X[rows].mean(0)) @ W + Y[rows].mean(0)
            r2[k, a] = 1 - ((y - prediction) ** 2).sum(0) / ((y - y.mean(0)) ** 2).sum(0)
    return r2
