"""What a user would write without heschl: NumPy (plain and with care), numba, scikit-learn, himalaya."""

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


def r2(y: Array, prediction: Array) -> Array:
    error, centred = y - prediction, y - y.mean(0)
    return 1 - (error * error).sum(0) / (centred * centred).sum(0)


def numpy_ridge_cv(H: Array, Y: Array, lengths: Array, fold: Array, n_lags: int, alphas: Array) -> Array:
    """The expert's way: one design, fold Grams subtracted from the total, one eigendecomposition per fold.

    Returns R² of shape (n_folds, n_alphas, c).
    """
    X, rows = numpy_design(H, lengths, n_lags), np.repeat(fold, lengths)
    n_folds = fold.max() + 1
    X = X - X.mean(0)  # near-centring keeps float32 exact enough; the fold's own means follow below
    Y = Y - Y.mean(0)
    parts = []
    for k in range(n_folds):
        x, y = X[rows == k], Y[rows == k]
        parts.append((x.T @ x, x.T @ y, x.sum(0), y.sum(0), len(x)))
    total = [sum(part[i] for part in parts) for i in range(5)]
    out = np.empty((n_folds, len(alphas), Y.shape[1]))
    for k in range(n_folds):
        G, R, sx, sy, m = (total[i] - parts[k][i] for i in range(5))
        G, R = G - np.outer(sx, sx) / m, R - np.outer(sx, sy) / m
        values, vectors = np.linalg.eigh(G)
        rotated = vectors.T @ R
        test, y = (X[rows == k] - sx / m) @ vectors, Y[rows == k]
        for a, alpha in enumerate(alphas):
            out[k, a] = r2(y, test @ (rotated / (values + alpha)[:, None]) + sy / m)
    return out


def sklearn_ridge_cv(H: Array, Y: Array, lengths: Array, fold: Array, n_lags: int, alphas: Array) -> Array:
    """scikit-learn's Ridge in a fold × λ loop on the materialised design."""
    from sklearn.linear_model import Ridge

    X, rows = numpy_design(H, lengths, n_lags), np.repeat(fold, lengths)
    out = np.empty((fold.max() + 1, len(alphas), Y.shape[1]))
    for k in range(len(out)):
        train, test = rows != k, rows == k
        for a, alpha in enumerate(alphas):
            prediction = Ridge(alpha=alpha).fit(X[train], Y[train]).predict(X[test])
            out[k, a] = r2(Y[test], prediction.reshape(Y[test].shape))
    return out


def himalaya_ridge_cv(H: Array, Y: Array, lengths: Array, fold: Array, n_lags: int, alphas: Array) -> Array:
    """himalaya's RidgeCV, torch backend on the CPU, the same folds; mean R² over folds at the best λ, (c,)."""
    from himalaya.backend import set_backend
    from himalaya.ridge import RidgeCV
    from himalaya.scoring import r2_score
    from sklearn.model_selection import PredefinedSplit

    set_backend("torch")
    X = numpy_design(H, lengths, n_lags)
    params = {"score_func": r2_score, "n_targets_batch": None, "local_alpha": True}
    model = RidgeCV(
        alphas=alphas, fit_intercept=True, cv=PredefinedSplit(np.repeat(fold, lengths)), solver_params=params
    )
    model.fit(X, Y)
    return np.asarray(model.cv_scores_).reshape(-1)
