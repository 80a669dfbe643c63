"""Nested cross-validation at half price: outer folds score, inner folds of the same partition choose λ.

The model trained without folds {j, k} serves outer fold j with inner fold k, and outer k with inner j: K(K - 1)/2
paths of λ for the choices, and one solve per outer fold for the scores.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heschl.checks import InputError, check_alphas, check_design_size, check_lags, check_matrix
from heschl.linear.cv import FoldErrors, Problem, Progress, at_edge, choose_alpha, solve_chosen
from heschl.linear.moments import Double, Float, LaggedMoments, PrecisionError
from heschl.linear.ridge import solve
from heschl.linear.scores import Variation, pearson_r, r2_score
from heschl.linear.segments import segment_bounds


@dataclass(frozen=True)
class NestedScores:
    """What nested cross-validation found; K folds, c targets, n frames.

    Attributes
    ----------
    r2, r : ndarray of shape (K, c)
        Test scores of each outer fold: R² about the fold's own mean, Pearson's r. NaN where the response is constant.
    alpha : ndarray of shape (K, c)
        λ chosen for each outer fold on its inner folds.
    inner_r2 : ndarray of shape (K, c)
        Mean R² of the inner folds at that λ: what to choose a layer by.
    pooled_r2 : ndarray of shape (c,)
        1 - Σ SSE / Σ SST over the outer folds.
    predictions : ndarray of shape (n, c)
        Each row predicted by the outer model that never saw it.
    edge : ndarray of shape (K, c)
        Whether the chosen λ is at an end of the grid.
    dtype : str
        The precision the solves were done in.
    """

    r2: Double
    r: Double
    alpha: Double
    inner_r2: Double
    pooled_r2: Double
    predictions: Float
    edge: NDArray[np.bool_]
    dtype: str


def nested_cv(
    X: ArrayLike,
    y: ArrayLike,
    *,
    segments: ArrayLike,
    folds: ArrayLike,
    lags: Sequence[int],
    alphas: ArrayLike,
    standardize: bool = True,
    alpha_per_target: bool = True,
    progress: Progress | None = None,
) -> NestedScores:
    """Unbiased scores of a lagged ridge model with λ chosen inside each training set.

    Minimises ‖Y - X W - 1 bᵀ‖² + λ ‖W‖² (scikit-learn's scale of λ) on the training folds; λ maximises the mean R²
    over inner folds, per target or jointly.

    Parameters
    ----------
    X : array-like of shape (n_frames, n_features)
    y : array-like of shape (n_frames, n_targets)
    segments : array-like
        Lengths of the segments in frames (or one label per row); no lag crosses into another segment.
    folds : array-like of shape (n_segments,)
        Fold 0 ... K - 1 of each segment, K >= 3 (see `group_folds`).
    lags : sequence of int
        Consecutive lags in frames; positive = past of the stimulus.
    alphas : array-like
        Penalties to choose from, all above 0.
    standardize : bool
        z-score the features with the statistics of each training set.
    alpha_per_target : bool
        One λ for each target, or one for all.
    progress : callable, optional
        Called with (paths done, paths in all).

    Returns
    -------
    NestedScores

    Raises
    ------
    InputError
        For bad shapes, NaN, folds that do not fit, penalties that are not positive.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, lengths = rng.standard_normal((300, 2)), [30] * 10
    >>> scores = nested_cv(X, X[:, :1], segments=lengths, folds=np.arange(10) % 5, lags=range(2), alphas=[0.1, 10])
    >>> bool((scores.r2 > 0.99).all())
    True
    """
    features = check_matrix("X", X)
    responses = check_matrix("y", y, features.dtype)
    if len(features) != len(responses):
        raise InputError("y", f"{len(responses)} rows", f"{len(features)}, as many as X")
    frames, penalties = check_lags(lags, None, None, None), check_alphas(alphas)
    check_design_size(len(frames), features.shape[1])
    bounds = segment_bounds(segments, len(features))
    parts = _parts(bounds, folds)
    problem = Problem(features, responses, frames, True, standardize)
    try:
        return _nested(problem, parts, penalties, alpha_per_target, progress)
    except PrecisionError:
        return _nested(problem.in_float64(), parts, penalties, alpha_per_target, progress)


def _parts(bounds: NDArray[np.int64], folds: ArrayLike) -> list[NDArray[np.int64]]:
    labels = np.asarray(folds)
    if labels.shape != (len(bounds),) or labels.dtype.kind not in "iu":
        raise InputError(
            "folds",
            f"an array of shape {labels.shape} and type {labels.dtype}",
            f"{len(bounds)} fold numbers, one per segment",
        )
    n_folds = int(labels.max()) + 1
    if labels.min() < 0 or n_folds < 3 or np.unique(labels).size != n_folds:
        raise InputError("folds", f"fold numbers {np.unique(labels).tolist()}", "0 ... K - 1, none empty, K >= 3")
    return [bounds[labels == fold] for fold in range(n_folds)]


def _nested(
    problem: Problem,
    parts: list[NDArray[np.int64]],
    alphas: Double,
    per_target: bool,
    progress: Progress | None,
) -> NestedScores:
    n_folds, n_targets = len(parts), problem.y.shape[1]
    moments = problem.moments(parts)
    variations = [Variation.of(problem.y, part) for part in parts]
    pairs = list(itertools.combinations(range(n_folds), 2))
    total, done = len(pairs) + n_folds, 0

    def report() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    def without(*held_out: int) -> list[LaggedMoments]:
        return [moments[fold] for fold in range(n_folds) if fold not in held_out]

    def pair_path(pair: tuple[int, int], gram: Float) -> Double:
        """Squared errors (2, n_alphas, c) of the two folds, predicted without either."""
        equations = problem.equations(without(*pair), gram)
        solved = (solve(equations, alpha) for alpha in alphas)
        return np.stack([[problem.squared_error(w, parts[fold]) for fold in pair] for w in solved], axis=1)

    # inner[j].sse[k]: fold k predicted without folds j and k; row j of inner[j] stays empty
    inner = [FoldErrors(variations, len(alphas)) for _ in range(n_folds)]
    for (j, k), sse in zip(pairs, problem.map(pair_path, pairs), strict=True):
        inner[k].sse[j], inner[j].sse[k] = sse
        report()

    chosen = np.empty((n_folds, n_targets), dtype=np.int64)
    inner_r2 = np.empty((n_folds, n_targets))
    for j in range(n_folds):
        inner[j].sst[j] = np.nan  # the outer fold itself has no say
        scores = inner[j].scores().r2
        chosen[j] = choose_alpha(scores, alphas, per_target)
        inner_r2[j] = scores[chosen[j], np.arange(n_targets)]

    r2, r = np.empty((2, n_folds, n_targets))
    predictions = np.empty_like(problem.y)

    def outer_fit(j: int, gram: Float) -> None:
        equations = problem.equations(without(j), gram)
        for targets, weights in solve_chosen(equations, alphas, chosen[j]):
            block = np.zeros((len(problem.y), len(targets)), problem.y.dtype)
            weights.predict(problem.X, parts[j], problem.lags, out=block)
            for begin, end in parts[j]:
                predictions[begin:end, targets] = block[begin:end]
        r2[j], r[j] = r2_score(problem.y, predictions, parts[j]), pearson_r(problem.y, predictions, parts[j])

    for _ in problem.map(outer_fit, range(n_folds)):
        report()

    sst = np.stack([variation.sst for variation in variations])
    sse = np.where(np.isfinite(sst), (1.0 - r2) * sst, 0.0).sum(axis=0)
    variation = np.where(np.isfinite(sst), sst, 0.0).sum(axis=0)
    pooled = 1.0 - np.divide(sse, variation, out=np.full(n_targets, np.nan), where=variation > 0)
    return NestedScores(
        r2, r, alphas[chosen], inner_r2, pooled, predictions, at_edge(chosen, alphas), str(problem.X.dtype)
    )
