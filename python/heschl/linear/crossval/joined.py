"""The published way of scoring, for comparison: sentences joined, contiguous folds, mean of r²."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from heschl.checks import InputError
from heschl.linear.crossval.path import Progress, solve_chosen
from heschl.linear.crossval.scores import SCORES, score_predictions
from heschl.linear.design.entrance import check_fit
from heschl.linear.device.arrays import Bounds, Double
from heschl.linear.device.threads import beside_others
from heschl.linear.ridge.condition import warn
from heschl.linear.ridge.engine import FitOptions
from heschl.linear.ridge.primal import Primal
from heschl.linear.ridge.problem import Problem
from heschl.linear.ridge.size import FitSize

ALPHAS = np.logspace(2, 7, 10)
"""The published grid."""


@dataclass(frozen=True)
class JoinedScores:
    """Scores of the published practice; K folds, c targets.

    Attributes
    ----------
    r : (K, c) array
        Pearson's r on each fold's test half; 0 where it is not defined, as in the published code.
    alpha : (K, c) array
        λ with the highest r on each fold's validation half.
    mean_squared_r : (c,) array
        Mean over folds of r²: never below 0, and above 0 by chance alone. It is no R².

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import JoinedScores
    >>> JoinedScores(r=np.array([[0.3], [-0.1]]), alpha=np.full((2, 1), 100.0)).mean_squared_r.round(3)
    array([0.05])
    """

    r: Double
    alpha: Double

    @property
    def mean_squared_r(self) -> Double:
        """Mean over folds of r²."""
        return np.asarray((self.r**2).mean(axis=0))


def joined_cv(
    X: Any,
    y: ArrayLike,
    *,
    lags: Sequence[int],
    alphas: ArrayLike = ALPHAS,
    n_folds: int = 5,
    fit_intercept: bool = False,
    standardize: bool = False,
    device: str = "auto",
    progress: Progress | None = None,
) -> JoinedScores:
    """Score a lagged ridge model as the code published with the paper does.

    All segments are joined before they are delayed, so that the first frames of a sentence see the end of the one
    before it; folds are contiguous fifths of the joined frames as scikit-learn's ``KFold`` cuts them, without regard to
    sentences; of each held-out fifth the first half (rounded to even) chooses λ by r and the second scores. The model
    has no intercept, and features enter as they are. Computed in float64, whatever the precision of the data. Here to
    reproduce and to compare: `nested_cv` is the sound way.

    Parameters
    ----------
    X : array-like, Repeated or FeatureSpaces of shape (n_frames, n_features)
    y : array-like of shape (n_frames, n_targets)
    lags : sequence of int
    alphas : array-like
        By default logspace(2, 7, 10).
    n_folds : int
    fit_intercept, standardize : bool
        Centre the design and the responses; z-score the features with the statistics of each training set. The
        published code does neither.
    device : {"auto", "cpu", "cuda"}
        Where to fit; "auto": on a GPU where the fit is large enough to gain by it.
    progress : callable, optional
        Called with (folds done, folds in all).

    Returns
    -------
    JoinedScores

    Raises
    ------
    InputError
        As `nested_cv`; and for fewer frames than four for each fold.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import joined_cv
    >>> rng = np.random.default_rng(0)
    >>> X, noise = rng.standard_normal((400, 3)), rng.standard_normal((400, 1))
    >>> found = joined_cv(X, noise, lags=range(2))
    >>> bool(0 < found.mean_squared_r[0] < 0.2)  # of pure noise
    True
    """
    given = check_fit(X=X, y=y, lags=lags, alphas=alphas, device=device)
    features, penalties = given.features, given.alphas
    assert features is not None
    if n_folds < 2 or len(features) < 4 * n_folds:
        raise InputError("n_folds", f"{n_folds} for {len(features)} frames", "2 or more, of four frames and more each")
    problem = Problem(features, given.responses, given.lags, "cross", fit_intercept, standardize).in_float64()
    size = FitSize.of(problem, _parts(len(features), n_folds), n_folds, len(penalties))
    problem = replace(problem, X=problem.X.to(FitOptions("cholesky", device=device).backend(size, problem)))
    with beside_others(), problem.X.backend.at_work():
        return _scores(problem, penalties, n_folds, progress)


def _scores(problem: Problem, alphas: Double, n_folds: int, progress: Progress | None) -> JoinedScores:
    c, parts = problem.y.shape[1], _parts(len(problem.y), n_folds)
    solver = Primal(problem, parts)
    scratch = solver.scratch()
    r, alpha = np.zeros((2, n_folds, c))
    for k in range(n_folds):
        train = [part for part in range(2 * n_folds) if part // 2 != k]
        ranges = [problem.ranges(parts[2 * k + half]) for half in (0, 1)]
        bounds = [np.asarray(some)[:, :2] for some in ranges]
        scores = np.zeros((2, len(alphas), c))
        predictions = np.full_like(problem.y, np.nan)
        for a in range(len(alphas)):
            for targets, weights in solve_chosen(solver, train, alphas, np.full(c, a), scratch):
                for half in (0, 1):
                    rows = slice(*parts[2 * k + half][0].tolist())
                    predictions[rows, targets] = weights.predict(problem.X, ranges[half], problem.lags)
            for half in (0, 1):
                scores[half, a] = np.nan_to_num(score_predictions(SCORES["r"], problem.y, predictions, bounds[half]))
        best = scores[0].argmax(axis=0)
        alpha[k], r[k] = alphas[best], scores[1, best, np.arange(c)]
        if progress is not None:
            progress(k + 1, n_folds)
    warn(solver.conditions)
    return JoinedScores(r, alpha)


def _parts(n: int, n_folds: int) -> list[Bounds]:
    """Cut the frames into contiguous folds, each in two halves."""
    return [
        np.array([part]) for begin, half, end in published_folds(n, n_folds) for part in ((begin, half), (half, end))
    ]


def published_folds(n: int, n_folds: int = 5) -> list[tuple[int, int, int]]:
    """Return (first frame, first of the second half, one past the last) of each fold of the published code.

    Frames that are left over when n is divided go to the first folds, one each.
    """
    sizes = np.full(n_folds, n // n_folds)
    sizes[: n % n_folds] += 1
    ends = np.cumsum(sizes).tolist()
    return [(end - size, end - size + round(size / 2), end) for end, size in zip(ends, sizes.tolist(), strict=True)]
