"""Nested cross-validation at half price: outer folds score, inner folds of the same partition choose λ.

The model trained without folds {j, k} serves outer fold j with inner fold k, and outer k with inner j: K(K - 1)/2
paths of λ for the choices, and one solve per outer fold for the scores.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heschl.linear.crossval.path import (
    PathScores,
    PathSums,
    Progress,
    at_edge,
    choose_alpha,
    path_sums,
    settle,
    solve_chosen,
)  # fmt: skip
from heschl.linear.crossval.scores import FoldSums, Score, check_score, fold_squares, pooled_of_folds, r, r2
from heschl.linear.design.entrance import check_fit
from heschl.linear.design.rows import row_numbers
from heschl.linear.device.arrays import Bounds, Double, Float, Integers
from heschl.linear.device.elsewhere import parts_elsewhere
from heschl.linear.device.host import CPU
from heschl.linear.device.threads import as_one_of, map_threads
from heschl.linear.ridge.condition import Conditions
from heschl.linear.ridge.engine import FitOptions, in_blocks
from heschl.linear.ridge.problem import Problem
from heschl.linear.ridge.training import Solver
from heschl.notices import followed

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class NestedScores:
    """Scores of nested cross-validation; K folds, c targets, n frames.

    Attributes
    ----------
    r2, r : ndarray of shape (K, c)
        Test scores of each outer fold: R² about the fold's own mean, Pearson's r. NaN where the response is constant.
    alpha : ndarray of shape (K, c)
        λ chosen for each outer fold on its inner folds.
    inner_r2 : ndarray of shape (K, c)
        Mean R² of the inner folds at that λ.
    inner_score : ndarray of shape (K, c)
        Score of the inner folds at that λ, by which it was chosen and a layer may be: what `scoring` names, negated
        where less of it is better.
    sst : ndarray of shape (K, c)
        Squares of each outer fold's responses about their own mean; NaN where they are constant.
    pooled_r2 : ndarray of shape (c,)
        1 - Σ SSE / Σ SST over the outer folds.
    predictions : ndarray of shape (n, c)
        Each row predicted by the outer model that never saw it.
    edge : ndarray of shape (K, c)
        Whether the chosen λ is at an end of the grid.
    dtype, solver, device : str
        The precision and the solver that the fits were done with, and where.
    sums : FoldSums
        What every score of the outer folds is made of.
    scoring : str
        Name of the score that chose λ.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import nested_cv
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((300, 2))
    >>> y = X[:, :1] + rng.standard_normal((300, 1))
    >>> scores = nested_cv(X, y, segments=[30] * 10, folds=np.arange(10) % 5, lags=[0], alphas=[0.1, 10])
    >>> scores.of_folds("r_squared").shape, bool(0.3 < scores.over_folds("r")[0] ** 2 < 0.7)
    ((5, 1), True)
    """

    r2: Double
    r: Double
    alpha: Double
    inner_r2: Double
    sst: Double
    pooled_r2: Double
    predictions: Float
    edge: NDArray[np.bool_]
    dtype: str
    solver: str
    inner_score: Double
    sums: FoldSums
    scoring: str
    device: str = CPU.name

    def of_folds(self, score: str) -> Double:
        """Return any score of `heschl.linear.crossval.scores.SCORES` in each outer fold, (K, c)."""
        return check_score("score", score).of_folds(self.sums)

    def over_folds(self, score: str) -> Double:
        """Return any score over the outer folds, (c,): the mean over folds, or pooled."""
        return check_score("score", score).over_folds(self.sums)


def nested_cv(
    X: Any,
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
    progress: Progress | None = None,
) -> NestedScores:
    """Score a lagged ridge model without bias, λ chosen inside each training set.

    Minimises ‖Y - X W - 1 bᵀ‖² + λ ‖W‖² (scikit-learn's scale of λ) on the training folds; λ maximises the score over
    inner folds, per target or jointly.

    Parameters
    ----------
    X : array-like, Repeated or FeatureSpaces of shape (n_frames, n_features)
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
    boundary : {"zero", "drop", "cross"}
        What stands where a lag reaches out of its segment; see `heschl.LaggedRidge`.
    alpha_per_target : bool
        One λ for each target, or one for all.
    scoring : {"r2", "pooled_r2", "r", "r_squared"}
        The score that λ maximises over inner folds: the mean of R², pooled R², the mean of Pearson's r or of r².
    missing : {"raise", "mask"}
        What NaN in y is: an error, or a frame that leaves the fit and the scores of its target, and no other's; the
        features of such a frame stay in the history of the next ones. Its prediction is NaN.
    solver, tol, memory_limit, device
        See `heschl.LaggedRidge`.
    progress : callable, optional
        Called with (paths done, paths in all).

    Returns
    -------
    NestedScores

    Raises
    ------
    InputError
        For bad shapes, NaN, folds that do not fit, penalties that are not positive, and names that are not known.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import nested_cv
    >>> rng = np.random.default_rng(0)
    >>> X, lengths = rng.standard_normal((300, 2)), [30] * 10
    >>> scores = nested_cv(X, X[:, :1], segments=lengths, folds=np.arange(10) % 5, lags=range(2), alphas=[0.1, 10])
    >>> bool((scores.r2 > 0.99).all())
    True
    """
    score = check_score("scoring", scoring)
    given = check_fit(
        X=X, y=y, lags=lags, segments=segments, folds=folds, least_folds=3, boundary=boundary, missing=missing,
        alphas=alphas, memory_limit=memory_limit, device=device, tol=tol,
    )  # fmt: skip
    assert given.features is not None
    problem = Problem(given.features, given.responses, given.lags, boundary, True, standardize)
    options = FitOptions(solver, memory_limit, False, device, tol=tol)
    return nested_fit(problem, given.parts, given.alphas, score, alpha_per_target, progress, options)


def nested_fit(
    problem: Problem,
    parts: list[Bounds],
    alphas: Double,
    score: Score,
    per_target: bool,
    progress: Progress | None,
    options: FitOptions,
    outer: Sequence[int] | None = None,
) -> NestedScores:
    """Do the same for checked data cut into folds; score only the folds `outer`, where given, else NaN."""
    scored = range(len(parts)) if outer is None else outer
    n_sets, c = n_training_sets(len(parts), scored), problem.y.shape[1]
    done = 0

    def report() -> None:
        nonlocal done
        done = min(done + 1, n_sets)
        if progress is not None:
            progress(done, n_sets)

    def best(scores: PathScores) -> Integers:
        return choose_alpha(scores.chosen_by, alphas, per_target)

    def block(part: Problem, solver: Solver, targets: Integers) -> NestedScores | list[PathScores]:
        nonlocal done
        done = 0
        of_fold = inner_scores(part, solver, parts, alphas, score, best, report, scored)
        if not per_target and len(targets) < c:  # one penalty for all is known only when all are scored
            return [of_fold(j) for j in scored]

        def choice(j: int) -> tuple[PathScores, Integers]:
            scores = of_fold(j)
            return scores, best(scores)

        return _outer(part, solver, parts, alphas, score, choice, report, scored)

    blocks = in_blocks(problem, parts, n_sets, len(alphas), block, options)
    found = [(targets, part) for targets, part in blocks.results if isinstance(part, NestedScores)]
    inner = [(targets, part) for targets, part in blocks.results if isinstance(part, list)]
    if inner:
        joint = {
            j: PathScores.joined([(targets, part[at]) for targets, part in inner], c) for at, j in enumerate(scored)
        }

        def again(part: Problem, solver: Solver, targets: Integers) -> NestedScores:
            def choice(j: int) -> tuple[PathScores, Integers]:
                return joint[j].of_targets(targets), best(joint[j])[targets]

            return _outer(part, solver, parts, alphas, score, choice, report, scored)

        found = in_blocks(problem, parts, len(scored), len(alphas), again, options).results
    if len(found) == 1:
        return replace(found[0][1], solver=blocks.solver, device=blocks.device)
    arrays: dict[str, Any] = {}
    for field in fields(NestedScores):
        value = getattr(found[0][1], field.name)
        if isinstance(value, np.ndarray):
            arrays[field.name] = np.empty((*value.shape[:-1], c), value.dtype)
            for targets, each in found:
                arrays[field.name][..., targets] = getattr(each, field.name)
    arrays["sums"] = FoldSums.of_targets([(targets, each.sums) for targets, each in found], c)
    return replace(found[0][1], **arrays, solver=blocks.solver, device=blocks.device)


def n_training_sets(n_folds: int, scored: Sequence[int] | None = None) -> int:
    """Return how many training sets nested cross-validation fits: K (K - 1) / 2 pairs of folds left out, and K folds.

    Parameters
    ----------
    n_folds : int
        K.
    scored : sequence of int, optional
        The outer folds that are scored, where these are not all.

    Returns
    -------
    int

    Examples
    --------
    >>> n_training_sets(5), n_training_sets(5, [0])
    (15, 5)
    """
    scored = range(n_folds) if scored is None else scored
    return len(_pairs(n_folds, scored)) + len(scored)


def _pairs(n_folds: int, scored: Sequence[int]) -> list[tuple[int, int]]:
    return [pair for pair in itertools.combinations(range(n_folds), 2) if set(pair) & set(scored)]


def inner_scores(
    problem: Problem,
    solver: Solver,
    parts: list[Bounds],
    alphas: Double,
    score: Score,
    best: Callable[[PathScores], Integers],
    report: Callable[[], None],
    scored: Sequence[int],
) -> Callable[[int], PathScores]:
    """Return the function that scores every λ for an outer fold on its inner folds; known is what `best` asks for."""
    n_folds = len(parts)
    sst = fold_squares(problem.y, [problem.ranges(part) for part in parts])
    pairs = _pairs(n_folds, scored)

    def pair_path(pair: tuple[int, int], scratch: Any) -> Double:
        """Sum (1 or 3, 2, n_alphas, c) over the two folds, predicted without either."""
        trained = solver.train(_without(n_folds, *pair), scratch)
        return path_sums(score, problem, parts, trained, alphas, [[pair[0]], [pair[1]]])

    # sums[j].values[:, k]: fold k predicted without folds j and k; row j of sums[j] stays empty, and has no say
    sums = [
        PathSums(score, np.where(np.arange(n_folds)[:, None] == j, np.nan, sst), len(alphas)) for j in range(n_folds)
    ]
    paths = _training_sets(solver, pair_path, pairs)
    for (j, k), values in zip(pairs, followed(paths, len(pairs), "pairs of folds left out"), strict=True):
        sums[k].values[:, j], sums[j].values[:, k] = values[:, 0], values[:, 1]
        report()

    def of_fold(j: int) -> PathScores:
        def again(fold: int, missing: NDArray[np.bool_]) -> Double:
            trained = solver.train(_without(n_folds, j, fold), solver.scratch())
            return path_sums(score, problem, parts, trained, alphas, [[fold]], missing)[:, 0]

        return settle(sums[j], alphas, best, again)

    return of_fold


def _outer(
    problem: Problem,
    solver: Solver,
    parts: list[Bounds],
    alphas: Double,
    score: Score,
    choice: Callable[[int], tuple[PathScores, Integers]],
    report: Callable[[], None],
    scored: Sequence[int],
) -> NestedScores:
    """Predict each outer fold at the λ chosen for it, and score that; `choice` gives inner scores and their best."""
    n_folds, n_targets = len(parts), problem.y.shape[1]
    rows = [problem.ranges(part) for part in parts]

    def outer_fit(j: int, scratch: Any) -> tuple[Integers, Double, Double, Float]:
        """Index of λ, inner score, inner R² (c,), and predictions (rows, c)."""
        scores, chosen = choice(j)
        known = [part[chosen, np.arange(n_targets)] for part in (scores.chosen_by, scores.r2)]
        predicted = np.full((len(row_numbers(rows[j])), n_targets), np.nan, dtype=problem.y.dtype)
        for targets, weights in solve_chosen(solver, _without(n_folds, j), alphas, chosen, scratch):
            predicted[:, targets] = weights.predict(problem.X, rows[j], problem.lags)
        return chosen, known[0], known[1], predicted

    inner_score, inner_r2, alpha = np.full((3, n_folds, n_targets), np.nan)
    edge = np.zeros(alpha.shape, dtype=bool)
    predictions = np.full_like(problem.y, np.nan)
    outer = FoldSums(*np.full((4, n_folds, n_targets), np.nan))
    for j, found in zip(scored, _training_sets(solver, outer_fit, scored), strict=True):
        chosen, inner_score[j], inner_r2[j], predictions[row_numbers(rows[j])] = found
        alpha[j], edge[j] = alphas[chosen], at_edge(chosen, alphas)
        outer.assign(j, FoldSums.of(problem.y, predictions, [rows[j]]))
        report()
    sst, r2_of_folds = fold_squares(problem.y, rows), r2(outer)
    return NestedScores(
        r2_of_folds, r(outer), alpha, inner_r2, sst, pooled_of_folds(r2_of_folds, sst), predictions, edge,
        str(problem.y.dtype), "", inner_score, outer, score.name,
    )  # fmt: skip


def _without(n_folds: int, *held_out: int) -> list[int]:
    return [fold for fold in range(n_folds) if fold not in held_out]


def _training_sets(solver: Solver, work: Callable[[Item, Any], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Call work(item, scratch) for the training sets of a solver, here or where they are shared out."""

    def apart(at: int) -> tuple[Result, Conditions]:
        with as_one_of(len(items), small=solver.side_by_side):
            return work(items[at], solver.scratch()), solver.conditions

    elsewhere = parts_elsewhere(apart, len(items))
    if elsewhere is None:
        yield from map_threads(work, items, solver.scratch, small=solver.side_by_side)
        return
    for value, conditions in elsewhere:
        for training_set, known in conditions.items():
            solver.conditions.setdefault(training_set, {}).update(known)
        yield value
