"""Unique variance of feature spaces: what the best model without a space explains less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from heschl.checks import InputError
from heschl.linear.crossval.path import PathScores, choose_alpha
from heschl.linear.device.arrays import Double
from heschl.linear.estimators.banded import BandedRidgeCV
from heschl.linear.estimators.bands import search
from heschl.linear.ridge.primal import Primal
from heschl.linear.ridge.problem import Problem


@dataclass(frozen=True)
class UniqueVariance:
    """Cross-validated R² with and without each feature space; m spaces, c targets.

    Attributes
    ----------
    space_names : tuple of str
    r2 : ndarray of shape (c,)
        Of all spaces together, at the penalties chosen for them.
    r2_without : ndarray of shape (m, c)
        Of all others, at penalties chosen for those.
    unique : ndarray of shape (m, c)
        r2 - r2_without.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import UniqueVariance
    >>> UniqueVariance(("sound", "words"), np.array([0.5]), np.array([[0.4], [0.25]])).unique.round(2).tolist()
    [[0.1], [0.25]]
    """

    space_names: tuple[str, ...]
    r2: Double
    r2_without: Double

    @property
    def unique(self) -> Double:
        """What each space alone explains."""
        return np.asarray(self.r2 - self.r2_without)


def unique_variance(
    model: BandedRidgeCV, X: Any, y: ArrayLike, *, segments: ArrayLike | None = None, groups: ArrayLike | None = None
) -> UniqueVariance:
    """Compute R² of a model with all feature spaces and with all but one, on the same folds: what is lost is unique.

    The data are passed once: a model without a space is made of sub-blocks of the same moments. Penalties are chosen
    anew for each model, by the parameters of `model` (`scoring` says by which score, `alpha_per_target` for whom). What
    is reported is R², the mean over folds, or pooled where `scoring` is.

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
        For another estimator, for one space only, and as `BandedRidgeCV.fit`.

    Notes
    -----
    The folds that score are those that chose the penalties. More candidates of more spaces gain more by that: a space
    of noise comes out near 0, but not evenly about it.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import unique_variance, BandedRidgeCV
    >>> rng = np.random.default_rng(0)
    >>> H = rng.standard_normal((600, 4))
    >>> model = BandedRidgeCV({"a": [0, 1], "b": [2, 3]}, alphas=[1, 100, 1e4], lags=[0])
    >>> found = unique_variance(model, H, H[:, 0] + 0.1 * rng.standard_normal(600), segments=[60] * 10)
    >>> bool(found.unique[0, 0] > 0.9), bool(abs(found.unique[1, 0]) < 0.01)
    (True, True)
    """
    if not isinstance(model, BandedRidgeCV):
        raise InputError(
            "model", f"a {type(model).__name__}", "a BandedRidgeCV, which has a penalty for each space",
            "Of other models compare scores with and without a space, by sklearn.model_selection.cross_val_score.",
        )  # fmt: skip
    model = clone(model)
    task = model._task(X, y, segments, groups)
    splits, spaces, c = task.splits, task.spaces, task.data.problem.y.shape[1]
    m = len(spaces.names)
    if m < 2:
        raise InputError("spaces", f"only {spaces.names}", "at least two feature spaces")
    fewer = model._candidates(m - 1, task.alphas)
    left = [spaces.without(space) for space in range(m)]
    score = task.score

    def scores_of(_: Problem, solver: Primal, targets: NDArray[np.int64]) -> list[PathScores]:
        everything = search(solver, splits, spaces, task.candidates, score, model.alpha_per_target)
        others = (
            search(solver.of_features(columns), splits, rest, fewer, score, model.alpha_per_target)
            for columns, rest in left
        )
        return [everything, *others]

    found, *_ = model._in_blocks(task, scores_of)
    best = np.empty((m + 1, c))
    for model_number, candidates in enumerate([task.candidates] + [fewer] * m):
        scores = PathScores.joined([(targets, scored[model_number]) for targets, scored in found], c)
        chosen = choose_alpha(scores.chosen_by, candidates.alphas, model.alpha_per_target)
        reported = scores.pooled_r2 if score.pooled is not None else scores.r2
        best[model_number] = reported[chosen, np.arange(c)]
    return UniqueVariance(spaces.names, best[0], best[1:])
