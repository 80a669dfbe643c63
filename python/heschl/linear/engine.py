"""What estimators ask for: a problem, penalties, folds; solver, precision and blocks of targets are chosen here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from heschl.linear.cv import PathScores, Solver, choose_alpha, cross_validate, solve_chosen
from heschl.linear.frames import Double
from heschl.linear.normal import PrecisionError
from heschl.linear.problem import Problem
from heschl.linear.ridge import Weights
from heschl.linear.rows import Bounds
from heschl.linear.scores import Variation
from heschl.linear.segments import Splits
from heschl.linear.solvers import Work, choose_solver

Result = TypeVar("Result")

# A fit of fewer operations takes a few milliseconds in either precision: float32 data are then fitted in float64.
SMALL = 1e9


@dataclass(frozen=True)
class How:
    """Choices that change how a fit is computed, not what it is.

    Attributes
    ----------
    solver : str
        "auto" or a name in `heschl.linear.solvers.SOLVERS`.
    memory_limit : float or None
        Bytes above the data.
    small_in_float64 : bool
        Whether small float32 problems are fitted in float64.
    """

    solver: str = "auto"
    memory_limit: float | None = None
    small_in_float64: bool = True


@dataclass(frozen=True)
class Fit:
    """A finished fit.

    Attributes
    ----------
    weights : Weights
    scores : PathScores or None
        Of every λ over the splits, where they chose.
    chosen : ndarray of shape (c,)
        Index of each target's penalty.
    solver, dtype : str
        What it was done with.
    """

    weights: Weights
    scores: PathScores | None
    chosen: NDArray[np.int64]
    solver: str
    dtype: str


def fit_cv(problem: Problem, splits: Splits, alphas: Double, *, scoring: str, per_target: bool, how: How) -> Fit:
    """Choose each target's penalty by cross-validation and fit on everything."""
    n_parts = len(splits.parts)

    def block(part: Problem, solver: Solver, _: slice) -> tuple[PathScores, NDArray[np.int64], Weights | None]:
        variations = [Variation.of(part.y, part.ranges(splits.test_bounds(s))) for s in range(len(splits.test))]
        scores = cross_validate(solver, splits.train, splits.test, variations, alphas)
        chosen = choose(scores)
        # One penalty for all is known only when all are scored.
        complete = per_target or part.y.shape[1] == problem.y.shape[1]
        return scores, chosen, _final(solver, range(n_parts), alphas, chosen) if complete else None

    def choose(scores: PathScores) -> NDArray[np.int64]:
        return choose_alpha(scores.r2 if scoring == "r2" else scores.pooled_r2, alphas, per_target)

    found, method, dtype = in_blocks(problem, splits.parts, len(splits.test) + 1, len(alphas), block, how)
    scores = PathScores(
        np.concatenate([each[0].r2 for each in found], axis=1),
        np.concatenate([each[0].pooled_r2 for each in found], axis=1),
    )
    weights = [each[2] for each in found if each[2] is not None]
    if len(weights) < len(found):
        return replace(fit_fixed(problem, splits.parts, alphas, choose(scores), how), scores=scores)
    return Fit(_joined(weights), scores, np.concatenate([each[1] for each in found]), method, dtype)


def fit_fixed(problem: Problem, parts: Sequence[Bounds], alphas: Double, chosen: NDArray[np.int64], how: How) -> Fit:
    """Fit every target at its own, given penalty."""

    def block(_: Problem, solver: Solver, targets: slice) -> Weights:
        return _final(solver, range(len(parts)), alphas, chosen[targets])

    found, method, dtype = in_blocks(problem, parts, 1, len(alphas), block, how)
    return Fit(_joined(found), None, chosen, method, dtype)


def in_blocks(
    problem: Problem,
    parts: Sequence[Bounds],
    n_sets: int,
    n_alphas: int,
    work: Callable[[Problem, Solver, slice], Result],
    how: How,
) -> tuple[list[Result], str, str]:
    """work(problem, solver, targets) on as many targets at a time as the memory allows; in float64 where float32 fails.

    Returns
    -------
    results : list, one for each block of targets in order
    solver, dtype : str
    """
    size = Work.of(problem, len(parts), n_sets, n_alphas)
    method, block = choose_solver(problem, size, how.solver, how.memory_limit)
    if how.small_in_float64 and method.operations(size) < SMALL:
        problem = problem.in_float64()
    try:
        return _blocks(problem, parts, method.build, block, work), method.name, str(problem.y.dtype)
    except PrecisionError:
        if problem.y.dtype == np.float64:
            raise
    problem = problem.in_float64()
    method, block = choose_solver(problem, replace(size, itemsize=8), how.solver, how.memory_limit)
    return _blocks(problem, parts, method.build, block, work), method.name, str(problem.y.dtype)


def _blocks(
    problem: Problem,
    parts: Sequence[Bounds],
    build: Callable[[Problem, Sequence[Bounds]], Solver],
    block: int,
    work: Callable[[Problem, Solver, slice], Result],
) -> list[Result]:
    out = []
    for start in range(0, problem.y.shape[1], block):
        targets = slice(start, start + block)
        part = problem if block >= problem.y.shape[1] else problem.of_targets(targets)
        out.append(work(part, build(part, parts), targets))
    return out


def _final(solver: Solver, parts: Sequence[int], alphas: Double, chosen: NDArray[np.int64]) -> Weights:
    """Weights of each target at its own penalty, from all parts."""
    trained = solver.train(parts, solver.scratch())
    found = list(solve_chosen(trained, alphas, chosen))
    if len(found) == 1:
        return found[0][1]
    first = found[0][1]
    values = np.empty((len(first.values), len(chosen)), first.values.dtype)
    intercept = np.empty(len(chosen), first.values.dtype)
    for targets, weights in found:
        values[:, targets], intercept[targets] = weights.values, weights.intercept
    return Weights(values, first.shift, intercept)


def _joined(parts: Sequence[Weights]) -> Weights:
    if len(parts) == 1:
        return parts[0]
    return Weights(
        np.concatenate([part.values for part in parts], axis=1),
        parts[0].shift,
        np.concatenate([part.intercept for part in parts]),
    )
