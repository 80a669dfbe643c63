"""Ridge by an SVD of the built, centred design in float64: nothing of heschl's, to hold every solver against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

Array = NDArray[Any]


def lagged(H: Array, lengths: Sequence[int], lags: Sequence[int], boundary: str) -> tuple[Array, Array]:
    """Return the design (n, w d), frame by frame, and which rows it has."""
    n, d = H.shape
    X, rows = np.zeros((n, len(lags), d)), np.ones(n, dtype=bool)
    ends = np.cumsum(lengths)
    for begin, end in zip(ends - lengths, ends, strict=True):
        low, high = (0, n) if boundary == "cross" else (begin, end)
        for t in range(begin, end):
            for k, lag in enumerate(lags):
                if low <= t - lag < high:
                    X[t, k] = H[t - lag]
                elif boundary == "drop":
                    rows[t] = False
    return X.reshape(n, -1), rows


def z_scored(H: Array, frames: Array) -> Array:
    mean = H[frames].mean(axis=0)
    std = (H[frames] - mean).std(axis=0)
    return (H - mean) / np.where(np.ptp(H[frames], axis=0) == 0, np.inf, std)


@dataclass
class Oracle:
    """Ridge on some rows, at any penalty."""

    mean: Array
    y_mean: Array
    s: Array
    Vt: Array
    Uy: Array

    @classmethod
    def fit(cls, X: Array, Y: Array, intercept: bool) -> Oracle:
        mean = X.mean(axis=0) if intercept else np.zeros(X.shape[1])
        centred = X - mean
        if intercept:  # the mean's own rounding, and columns that are constant
            mean = mean + centred.mean(axis=0)
            centred = np.where(np.ptp(X, axis=0) == 0, 0.0, centred - centred.mean(axis=0))
        y_mean = Y.mean(axis=0) if intercept else np.zeros(Y.shape[1])
        U, s, Vt = scipy.linalg.svd(centred, full_matrices=False)
        return cls(mean, y_mean, s, Vt, U.T @ (Y - y_mean))

    def predict(self, X: Array, alpha: float) -> Array:
        loadings = self.Vt.T @ (self.Uy * (self.s / (self.s**2 + alpha))[:, None])
        return np.asarray((X - self.mean) @ loadings + self.y_mean)


def cv_r2(
    H: Array, Y: Array, lengths: Sequence[int], folds: Sequence[Array], alphas: Array, *, lags: Sequence[int],
    boundary: str, fit_intercept: bool = True, standardize: bool = False,
) -> tuple[Array, Array]:  # fmt: skip
    """Return mean R² over folds and pooled R², (n_alphas, c)."""
    H, Y, n = H.astype(np.float64), Y.astype(np.float64), len(Y)
    r2 = np.full((len(folds), len(alphas), Y.shape[1]), np.nan)
    sse, sst = np.zeros((len(alphas), Y.shape[1])), np.zeros(Y.shape[1])
    for i, test in enumerate(folds):
        train = np.setdiff1d(np.arange(n), test)
        X, rows = lagged(z_scored(H, train) if standardize else H, lengths, lags, boundary)
        fit = Oracle.fit(X[train[rows[train]]], Y[train[rows[train]]], fit_intercept)
        test = test[rows[test]]
        y = Y[test]
        varies = np.ptp(y, axis=0) > 0 if len(y) else np.zeros(Y.shape[1], dtype=bool)
        squares = ((y - y.mean(axis=0)) ** 2).sum(axis=0) if len(y) else np.zeros(Y.shape[1])
        sst += np.where(varies, squares, 0.0)
        for a, alpha in enumerate(alphas):
            error = ((y - fit.predict(X[test], float(alpha))) ** 2).sum(axis=0)
            r2[i, a, varies] = 1 - error[varies] / squares[varies]
            sse[a] += np.where(varies, error, 0.0)
    count = np.isfinite(r2).sum(axis=0)
    mean = np.divide(np.nansum(r2, axis=0), count, out=np.full(sse.shape, np.nan), where=count > 0)
    return mean, 1 - np.divide(sse, sst, out=np.full(sse.shape, np.nan), where=sst > 0)
