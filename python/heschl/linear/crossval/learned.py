"""Nested cross-validation of features that are themselves learned from data, in each training set anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heschl.linear.crossval.nested import NestedScores, nested_fit
from heschl.linear.crossval.path import Progress
from heschl.linear.crossval.scores import FoldSums, check_score, pooled_of_folds
from heschl.linear.design.entrance import check_fit
from heschl.linear.design.frames import Frames
from heschl.linear.design.rows import row_numbers
from heschl.linear.design.time_course import without_time_course
from heschl.linear.device.elsewhere import in_parts
from heschl.linear.ridge.engine import FitOptions
from heschl.linear.ridge.problem import Problem

Learn = Callable[[int, NDArray[np.bool_]], Mapping[str, Callable[[], Any]]]


def nested_cv_learned(
    learn: Learn,
    y: ArrayLike,
    *,
    segments: ArrayLike,
    folds: ArrayLike,
    lags: Sequence[int],
    alphas: ArrayLike,
    standardize: bool = True,
    boundary: str = "zero",
    alpha_per_target: bool = True,
    scoring: str = "r2",
    missing: str = "raise",
    solver: str = "auto",
    tol: float | None = None,
    memory_limit: float | None = None,
    device: str = "auto",
    over_time_course: bool = False,
    progress: Progress | None = None,
) -> dict[str, NestedScores]:
    """Score lagged ridge models of features that a function learns from each outer fold's training rows.

    Where features come out of an analysis of data (canonical variates, residuals of a regression), the rows of the test
    fold must have no part in it. λ is chosen on the inner folds, which may have had a part: what is learned does not
    know the responses.

    Parameters
    ----------
    learn : callable
        learn(k, train) gives, for outer fold k, names and functions without arguments that give features (n_frames, d)
        of all rows, learned from the rows where `train` (n_frames,) is true. The same names for every fold.
    y : array-like of shape (n_frames, n_targets)
    segments, folds, lags, alphas, standardize, boundary, alpha_per_target, scoring, missing, solver, tol,
    memory_limit,
    device
        As in `nested_cv`.
    over_time_course : bool
        Take what all stimuli evoke alike out first: in each outer fold the mean over its training segments at each time
        since onset (`mean_time_course`), from responses and from features. Scores are then of what is left of the
        responses; `predictions` are of the responses, the time course among them.
    progress : callable, optional
        Called with (models done, models in all) after each fold of each name, once their number is known.

    Returns
    -------
    dict of str to NestedScores

    Raises
    ------
    InputError
        As `nested_cv`.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import nested_cv_learned
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((300, 3)) * [1, 5, 1]
    >>> def principal(k, train):
    ...     v = np.linalg.svd(X[train], full_matrices=False)[2][:1]
    ...     return {"first component": lambda: X @ v.T}
    >>> how = dict(segments=[30] * 10, folds=np.arange(10) % 5, lags=[0], alphas=[0.1, 10])
    >>> found = nested_cv_learned(principal, X[:, 1:2], **how)
    >>> bool((found["first component"].r2 > 0.9).all())
    True
    """
    score = check_score("scoring", scoring)
    checks: dict[str, Any] = {
        "lags": lags, "segments": segments, "folds": folds, "least_folds": 3, "boundary": boundary, "missing": missing,
        "alphas": alphas, "memory_limit": memory_limit, "device": device, "tol": tol,
    }  # fmt: skip
    given = check_fit(y=y, **checks)
    n, parts = len(given.responses.host), given.parts
    options = FitOptions(solver, memory_limit, False, device, tol=tol)

    def of_fold(k: int) -> dict[str, NestedScores]:
        """Score all features of one outer fold; predictions are of its own rows."""
        train = np.ones(n, dtype=bool)
        for start, stop in parts[k]:
            train[start:stop] = False
        spaces = learn(k, train)
        own, course = given, None
        if over_time_course:
            y_left, course = without_time_course(given.responses.host, given.bounds, given.folds != k)
            own = check_fit(y=y_left, **checks)
        scores = {}
        for done, (name, make) in enumerate(spaces.items()):
            X = make()
            if over_time_course:
                X, _ = without_time_course(Frames.of(X).expanded(), given.bounds, given.folds != k)
            problem = Problem(*own.with_features(X), given.lags, boundary, True, standardize)
            found = nested_fit(problem, parts, given.alphas, score, alpha_per_target, None, options, outer=[k])
            predictions = found.predictions if course is None else found.predictions + course
            scores[name] = replace(
                found, predictions=predictions[row_numbers(parts[k])].astype(found.predictions.dtype)
            )
            if progress is not None:
                progress(k * len(spaces) + done + 1, len(parts) * len(spaces))
        return scores

    found = list(in_parts(of_fold, len(parts)))
    return {name: _joined([scores[name] for scores in found], parts, n) for name in found[0]}


def _joined(found: Sequence[NestedScores], parts: Sequence[NDArray[np.int64]], n: int) -> NestedScores:
    """Join scores of one outer fold each, with predictions of its rows: fold k of the k-th."""

    def rows(name: str) -> NDArray[Any]:
        return np.stack([getattr(scores, name)[k] for k, scores in enumerate(found)])

    predictions = np.full((n, found[0].predictions.shape[1]), np.nan, found[0].predictions.dtype)
    for scores, part in zip(found, parts, strict=True):
        predictions[row_numbers(part)] = scores.predictions
    r2, sst = rows("r2"), rows("sst")
    dtypes, solvers, devices = (
        "/".join(sorted({getattr(s, name) for s in found})) for name in ("dtype", "solver", "device")
    )
    return NestedScores(
        r2, rows("r"), rows("alpha"), rows("inner_r2"), sst, pooled_of_folds(r2, sst), predictions, rows("edge"),
        dtypes, solvers, rows("inner_score"), FoldSums.joined([scores.sums.fold(k) for k, scores in enumerate(found)]),
        found[0].scoring, devices,
    )  # fmt: skip
