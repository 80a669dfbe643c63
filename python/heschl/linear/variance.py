"""Unique variance of feature spaces: what the best model without a space explains less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone

from heschl.checks import InputError
from heschl.linear.banded_estimator import BandedRidgeCV, check_spaces
from heschl.linear.frames import Double, FeatureSpaces, Frames, Repeated


@dataclass(frozen=True)
class UniqueVariance:
    """Cross-validated R² with and without each space; m spaces, c targets.

    Attributes
    ----------
    space_names : tuple of str
    r2 : ndarray of shape (c,)
        Of all spaces together, at the penalties chosen for them.
    r2_without : ndarray of shape (m, c)
        Of all others, at penalties chosen for those.
    unique : ndarray of shape (m, c)
        r2 - r2_without.
    """

    space_names: tuple[str, ...]
    r2: Double
    r2_without: Double

    @property
    def unique(self) -> Double:
        """What each space alone can say."""
        return np.asarray(self.r2 - self.r2_without)


def unique_variance(
    model: BandedRidgeCV, X: Any, y: ArrayLike, *, segments: ArrayLike | None = None, groups: ArrayLike | None = None
) -> UniqueVariance:
    """Fit `model` to all spaces, and to all but one, on the same folds.

    Parameters
    ----------
    model : BandedRidgeCV
        Of at least two spaces; it is not changed.
    X, y, segments, groups
        See `BandedRidgeCV.fit`.

    Returns
    -------
    UniqueVariance

    Raises
    ------
    InputError
        For one space only, and as `BandedRidgeCV.fit`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> H = rng.standard_normal((600, 4))
    >>> model = BandedRidgeCV({"a": [0, 1], "b": [2, 3]}, alphas=[1, 100, 1e4], lags=[0])
    >>> found = unique_variance(model, H, H[:, 0] + 0.1 * rng.standard_normal(600), segments=[60] * 10)
    >>> bool(found.unique[0, 0] > 0.9), bool(abs(found.unique[1, 0]) < 0.01)
    (True, True)
    """
    spaces = check_spaces(model.spaces, X, X.shape[1] if hasattr(X, "shape") else np.shape(X)[1])
    if len(spaces.names) < 2:
        raise InputError("spaces", f"only {spaces.names}", "at least two feature spaces")
    fold = {"segments": segments, "groups": groups}

    def best(fitted: BandedRidgeCV) -> Double:
        return np.asarray(np.max(fitted.cv_scores_, axis=0))

    without = []
    for left_out in range(len(spaces.names)):
        others = np.flatnonzero(spaces.member != left_out)
        member = spaces.member[others]
        columns = {spaces.names[at]: np.flatnonzero(member == at) for at in np.unique(member)}
        fewer = clone(model).set_params(spaces=columns)
        without.append(best(fewer.fit(_columns(X, others), y, **fold)))
    return UniqueVariance(spaces.names, best(clone(model).fit(X, y, **fold)), np.stack(without))


def _columns(X: Any, columns: Any) -> Any:
    """Some of the features, at the rate they come in."""
    if isinstance(X, Repeated):
        return Repeated(np.ascontiguousarray(X.values[:, columns]), X.counts)
    if isinstance(X, FeatureSpaces):
        parts = {name: columns[(columns >= own.start) & (columns < own.stop)] for name, own in X.columns.items()}
        return FeatureSpaces(
            {name: _columns(X[name], own - X.columns[name].start) for name, own in parts.items() if own.size}
        )
    dense = Frames.of(X).dense
    assert dense is not None
    return np.ascontiguousarray(dense[:, columns])
