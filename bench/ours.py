"""heschl's side of every benchmark, in the shapes of the rivals': the one place that follows its interface."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl import LaggedRidgeCV, lagged_design
from heschl.linear.moments import LaggedMoments, Shift

Array = NDArray[Any]


def design(H: Array, lengths: Array, n_lags: int) -> Array:
    return lagged_design(H, range(n_lags), segments=lengths)


def moments(H: Array, lengths: Array, fold: Array, n_lags: int) -> list[LaggedMoments]:
    """Moments of each fold, without X'Y."""
    ends = np.cumsum(lengths)
    bounds = np.stack([ends - lengths, ends], axis=1)
    Y = np.zeros((len(H), 1), H.dtype)
    shift = Shift.near_mean(H, Y)
    parts = range(fold.max() + 1)
    return [LaggedMoments.from_data(H, Y, bounds[fold == k], range(n_lags), shift) for k in parts]


def gram(parts: list[LaggedMoments]) -> Array:
    """X'X of all parts together, uncentred, in the lower triangle."""
    return LaggedMoments.total(parts).normal_equations(fit_intercept=False).gram


def ridge_cv(H: Array, Y: Array, lengths: Array, cv: Any, n_lags: int, alphas: Array) -> LaggedRidgeCV:
    """The fitted model; `cv` is a number of folds or pairs of rows."""
    model = LaggedRidgeCV(lags=range(n_lags), alphas=alphas, cv=cv)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of penalties at an end of the grid
        return model.fit(H, Y, segments=lengths)


def predict(H: Array, lengths: Array, W: Array, intercept: Array) -> Array:
    """The public `predict` of a model that holds the weights W (n_lags, d, c)."""
    n_lags, d, _ = W.shape
    model = LaggedRidgeCV(lags=range(n_lags))
    model.coef_, model.intercept_ = W.transpose(2, 1, 0), intercept
    model.feature_mean_, model.lags_, model.n_features_in_ = np.zeros(d, W.dtype), np.arange(n_lags), d
    return model.predict(H, segments=lengths)
