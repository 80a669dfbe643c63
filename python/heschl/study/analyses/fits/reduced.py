"""Principal components of a layer, learned on the rows of each training set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear import Repeated, nested_cv_learned
from heschl.linear.crossval.nested import NestedScores
from heschl.study.kinds.base import FeatureSpace


def reduction(space: FeatureSpace) -> tuple[object, ...]:
    """Return what a fit depends on beside the features; nothing where a space leaves it to [encoding]."""
    own = {"pca": space.pca, "standardize": space.standardize}
    return (own,) if any(value is not None for value in own.values()) else ()


def standardized(space: FeatureSpace | None, by_default: bool) -> bool:
    """Return whether a space's features are z-scored."""
    return by_default if space is None or space.standardize is None else space.standardize


def learn_components(
    X: NDArray[np.float32] | Repeated, train: NDArray[np.bool_], keep: float, *, standardize: bool
) -> NDArray[np.float32]:
    """Learn the principal components of the training rows.

    Parameters
    ----------
    X : (n_frames, width) array or Repeated
        A layer.
    train : (n_frames,) array of bool
        Rows to learn from.
    keep : float
        A number of components, or up to 1 the share of variance that they keep.
    standardize : bool
        Whether features count by their correlation (each divided by its deviation over training rows).

    Returns
    -------
    (width, k) array
        ``X @ basis`` are the components. What is 0, silence, stays 0: the mean is not subtracted.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((100, 3)).astype(np.float32) * np.float32([9, 1, 0.01])
    >>> [learn_components(X, np.ones(100, bool), keep, standardize=False).shape[1] for keep in (0.9, 0.999, 3)]
    [1, 2, 3]
    """
    covariance = _covariance(X, train)
    scale = _scale(np.diag(covariance)) if standardize else np.ones(len(covariance))
    covariance = covariance * scale[:, None] * scale
    variance, axes = np.linalg.eigh(covariance)
    variance, axes = np.maximum(variance[::-1], 0.0), axes[:, ::-1]
    k = int(keep)
    if keep <= 1:
        share = np.cumsum(variance) / max(variance.sum(), np.finfo(float).tiny)
        k = int(np.searchsorted(share, keep - 1e-9)) + 1
    k = max(1, min(k, axes.shape[1]))
    return np.asarray(scale[:, None] * axes[:, :k], dtype=np.float32)


def _scale(variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what divides features by their deviations; those that do not vary become 0."""
    deviation = np.sqrt(variance)
    return np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 1e-6 * deviation.max())


def _covariance(X: NDArray[np.float32] | Repeated, train: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the covariance of a layer over training rows; a word counts as often as it has frames."""
    values, weight = X, train.astype(np.float64)
    if isinstance(X, Repeated):
        bounds = np.concatenate([[0], np.cumsum(X.counts)])
        seen = np.concatenate([[0.0], np.cumsum(weight)])
        values, weight = X.values, seen[bounds[1:]] - seen[bounds[:-1]]
    rows = np.asarray(values, dtype=np.float64)
    total = max(weight.sum(), 1.0)
    centred = rows - weight @ rows / total
    return np.asarray((centred * weight[:, None]).T @ centred / total)


def reduced(X: NDArray[np.float32] | Repeated, basis: NDArray[np.float32]) -> NDArray[np.float32] | Repeated:
    """Return a layer in the coordinates of principal components; words stay at word rate."""
    return Repeated(X.values @ basis, X.counts) if isinstance(X, Repeated) else np.asarray(X @ basis)


def prepared(
    X: NDArray[np.float32] | Repeated, train: NDArray[np.bool_], keep: float | None, *, standardize: bool
) -> NDArray[np.float32] | Repeated:
    """Return a layer divided by the deviations of its training rows, or its principal components, or as it is."""
    if keep is not None:
        return reduced(X, learn_components(X, train, keep, standardize=standardize))
    if not standardize:
        return X
    scale = _scale(np.diag(_covariance(X, train))).astype(np.float32)
    return Repeated(X.values * scale, X.counts) if isinstance(X, Repeated) else np.asarray(X * scale)


def nested_cv_reduced(
    X: NDArray[np.float32] | Repeated, y: NDArray[np.float32], *, keep: float, standardize: bool, **how: Any
) -> NestedScores:
    """Score a layer's principal components, learned anew on the training rows of each outer fold.

    Components are not z-scored again, so that λ shrinks the small ones first. `how` is as of `nested_cv`.
    """

    def learn(_: int, train: NDArray[np.bool_]) -> dict[str, Any]:
        return {"components": lambda: reduced(X, learn_components(X, train, keep, standardize=standardize))}

    return nested_cv_learned(learn, y, standardize=False, **how)["components"]
