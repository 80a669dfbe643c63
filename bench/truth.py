"""What the answers must be, in float64, by means that share nothing with what is measured."""

from __future__ import annotations

from typing import Any

import numpy as np
from baselines.lagged import padded
from baselines.scores import r2
from numpy.typing import NDArray

Array = NDArray[Any]


class LaggedOperator:
    """The lagged design X as a linear map in float64, by one product per lag of zero-padded features."""

    def __init__(self, H: Array, lengths: Array, n_lags: int) -> None:
        self.n_lags = n_lags
        self._features = padded(H.astype(np.float64), lengths, n_lags - 1)
        self._rows = np.arange(len(H)) + (n_lags - 1) * (1 + np.repeat(np.arange(len(lengths)), lengths))

    def apply(self, W: Array) -> Array:
        """X W of shape (n, c) for W (n_lags, d, c)."""
        out = np.zeros((len(self._features), W.shape[2]))
        for k in range(self.n_lags):
            out[k:] += self._features[: len(out) - k] @ W[k]
        return out[self._rows]

    def adjoint(self, R: Array) -> Array:
        """X'R of shape (n_lags, d, c) for R (n, c)."""
        spread = np.zeros((len(self._features), R.shape[1]))
        spread[self._rows] = R
        return np.stack([self._features[: len(spread) - k].T @ spread[k:] for k in range(self.n_lags)])


def gram_columns(H: Array, lengths: Array, n_lags: int, columns: Array) -> Array:
    """Some columns of X'X, (n_lags · d, len(columns))."""
    X = LaggedOperator(H, lengths, n_lags)
    pick = np.zeros((n_lags * H.shape[1], len(columns)))
    pick[columns, np.arange(len(columns))] = 1.0
    return X.adjoint(X.apply(pick.reshape(n_lags, H.shape[1], -1))).reshape(pick.shape)


def ridge_gradient(H: Array, Y: Array, lengths: Array, W: Array, intercept: Array, alpha: Array) -> Array:
    """How far weights are from the minimum: ‖X'(Y - XW - b) - αW‖ / ‖X'(Y - mean)‖ of each target."""
    X = LaggedOperator(H, lengths, len(W))
    W, Y = W.astype(np.float64), Y.astype(np.float64)
    gradient = X.adjoint(Y - X.apply(W) - intercept) - alpha * W
    return np.asarray(np.linalg.norm(gradient, axis=(0, 1)) / np.linalg.norm(X.adjoint(Y - Y.mean(0)), axis=(0, 1)))


def held_out_r2(
    H: Array, Y: Array, lengths: Array, test: Array, n_lags: int, alpha: float, tolerance: float = 1e-8
) -> Array:
    """R² on the segments `test` (bool, per segment) of ridge on the others, by conjugate gradients in float64.

    Plain ones, so for penalties that are not small beside the spectrum; refuses where 2,000 steps are not enough.
    """
    X, held_out = LaggedOperator(H, lengths, n_lags), np.repeat(test, lengths)[:, None]
    Y = Y.astype(np.float64)
    mean = Y[~held_out[:, 0]].mean(0)

    def centred(Z: Array) -> Array:
        return np.where(held_out, 0.0, Z - Z[~held_out[:, 0]].mean(0))

    residual = X.adjoint(centred(Y))
    W, step = np.zeros_like(residual), residual.copy()
    square = (residual**2).sum((0, 1))
    stop = square * tolerance**2
    for _ in range(2000):
        image = X.adjoint(centred(X.apply(step))) + alpha * step
        length = square / np.maximum((step * image).sum((0, 1)), 1e-300)
        W += length * step
        residual -= length * image
        square, before = (residual**2).sum((0, 1)), square
        if (square <= stop).all():
            break
        step = residual + (square / np.maximum(before, 1e-300)) * step
    else:
        raise RuntimeError("conjugate gradients did not converge: take a larger penalty")
    prediction = X.apply(W)
    prediction += mean - prediction[~held_out[:, 0]].mean(0)
    return r2(Y[held_out[:, 0]], prediction[held_out[:, 0]])
