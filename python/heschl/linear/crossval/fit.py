"""Fits: each target's penalty chosen by cross-validation, or given, and the weights of all data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from heschl.linear.crossval.nested import inner_scores, n_training_sets
from heschl.linear.crossval.path import (
    PathScores,
    PathSums,
    choose_alpha,
    cross_validate,
    scored_again,
    solve_chosen,
)  # fmt: skip
from heschl.linear.crossval.scores import Score, fold_squares
from heschl.linear.design.segments import Splits
from heschl.linear.device.arrays import Bounds, Double, Integers
from heschl.linear.device.host import CPU, HOST
from heschl.linear.device.place import backend_of
from heschl.linear.device.threads import map_threads
from heschl.linear.moments.lagged import LaggedMoments
from heschl.linear.ridge.condition import of_sets
from heschl.linear.ridge.engine import FitOptions, in_blocks
from heschl.linear.ridge.leave_out import LeaveOut, leaves_one_out
from heschl.linear.ridge.problem import Problem
from heschl.linear.ridge.summed import Summed
from heschl.linear.ridge.training import Solver
from heschl.linear.ridge.weights import Weights

Size = tuple[int, int]  # steps and dimension of a Krylov space


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
    solver, dtype, device, products : str
        What it was done with, and where; what products are made of, where that is not numbers of its precision.
    condition : ndarray of shape (n_splits + 1,) or (1,)
        Estimated condition number of each training set, all rows last, at the smallest penalty it was solved for.
    n_steps, dimension : int
        Of the largest Krylov space, 0 where there was none.
    tests : Tests or None
        Of nested cross-validation.
    """

    weights: Weights
    scores: PathScores | None
    chosen: Integers
    solver: str
    dtype: str
    condition: Double
    n_steps: int = 0
    dimension: int = 0
    device: str = CPU.name
    products: str = ""
    tests: Tests | None = None


class Tests(NamedTuple):
    """Test folds by models whose penalties were chosen without them.

    Attributes
    ----------
    scores : ndarray of shape (K, c)
    chosen : ndarray of shape (K, c)
        Index of the penalty.
    """

    scores: Double
    chosen: Integers


class _Block(NamedTuple):
    """What a block of targets comes to."""

    scores: PathScores
    weights: Weights | None
    space: Size
    sums: PathSums
    inner: list[PathScores]  # of each fold, where cross-validation is nested


def fit_cv(
    problem: Problem,
    splits: Splits,
    alphas: Double,
    *,
    score: Score,
    per_target: bool,
    options: FitOptions,
    nested: bool = False,
) -> Fit:
    """Choose each target's penalty by the cross-validated score, and fit on everything.

    `nested` also scores each fold at the penalty chosen without it, by the models of the same splits, so that
    K(K - 1)/2 + K + 1 training sets are fitted in all; the parts of the splits are then their test sets (`partition`).
    """
    c = problem.y.shape[1]
    parts, n_splits = splits.parts, len(splits.test)
    n_sets = (n_training_sets(n_splits) if nested else n_splits) + 1
    left_out = score.errors_suffice and leaves_one_out(splits) and not problem.standardize and not nested
    left_out &= problem.penalty.plain

    def choose(scores: PathScores) -> Integers:
        return choose_alpha(scores.chosen_by, alphas, per_target)

    def block(part: Problem, solver: Solver, targets: Integers) -> _Block:
        sst = fold_squares(part.y, [part.ranges(splits.test_bounds(s)) for s in range(n_splits)])
        sums, inner = PathSums(score, sst, len(alphas)), list[PathScores]()
        if isinstance(solver, LeaveOut):
            sums.values[0] = solver.left_out(alphas)[[test[0] for test in splits.test]]
            scores = sums.scores()
        else:
            scores = cross_validate(score, part, solver, splits, sums, alphas, choose)
        if nested:
            of_each = inner_scores(part, solver, parts, alphas, score, choose, lambda: None, range(n_splits))
            inner, again = [of_each(k) for k in range(n_splits)], scored_again(score, part, solver, splits, alphas)
            for fold, of_fold in enumerate(inner):
                # Which λ all targets share is not known before all are scored.
                wanted = np.arange(len(alphas))[:, None] == choose(of_fold) if per_target else np.isfinite(of_fold.mean)
                sums.fill(fold, wanted, again)
        # One penalty for all is known only when all are scored.
        complete = per_target or len(targets) == c
        weights = _final(solver, range(len(parts)), alphas, choose(scores), c) if complete else None
        return _Block(scores, weights, (solver.n_steps, solver.dimension), sums, inner)

    blocks = in_blocks(problem, parts, n_sets, len(alphas), block, options, left_out=left_out)
    found, method, dtype, device, products, conditions = blocks
    condition = of_sets(conditions, [*splits.train, range(len(parts))])
    scores = PathScores.joined([(targets, part.scores) for targets, part in found], c)
    chosen, tests = choose(scores), None
    if nested:
        inner = [PathScores.joined([(targets, b.inner[k]) for targets, b in found], c) for k in range(n_splits)]
        best = np.stack([choose(of_fold) for of_fold in inner])
        tests = Tests(np.empty(best.shape), best)
        for targets, part in found:
            tests.scores[:, targets] = score.of_folds(part.sums.at(best[:, targets]))
    weights = [(targets, part.weights) for targets, part in found if part.weights is not None]
    if len(weights) < len(found):
        final = fit_fixed(problem, parts, alphas, chosen, options)
        return replace(final, scores=scores, condition=np.concatenate([condition[:-1], final.condition]), tests=tests)
    space = largest([part.space for _, part in found])
    return Fit(joined(weights, c), scores, chosen, method, dtype, condition, *space, device, products, tests)


def fit_fixed(problem: Problem, parts: Sequence[Bounds], alphas: Double, chosen: Integers, options: FitOptions) -> Fit:
    """Fit every target at its own, given penalty."""

    def block(_: Problem, solver: Solver, targets: Integers) -> tuple[Weights, Size]:
        weights = _final(solver, range(len(parts)), alphas, chosen[targets], c)
        return weights, (solver.n_steps, solver.dimension)

    c = problem.y.shape[1]
    found, method, dtype, device, products, conditions = in_blocks(problem, parts, 1, len(alphas), block, options)
    condition = of_sets(conditions, [range(len(parts))])
    weights = [(targets, part) for targets, (part, _) in found]
    space = largest([size for _, (_, size) in found])
    return Fit(joined(weights, c), None, chosen, method, dtype, condition, *space, device, products)


def fit_moments(
    problem: Problem, moments: Sequence[LaggedMoments], splits: Splits, alphas: Double, score: Score, per_target: bool
) -> Fit:
    """Choose and fit from the moments of each part alone: test sets are scored from theirs.

    Parameters
    ----------
    problem : Problem
        Of any rows: its shapes and settings count.
    moments : sequence of LaggedMoments
        Of each part of the splits, all about one shift.
    splits, alphas, score, per_target
        As `fit_cv` takes them; the score must be made of squared errors.
    """
    solver = Summed(problem, moments)

    def choose(scores: PathScores) -> Integers:
        return choose_alpha(scores.chosen_by, alphas, per_target)

    sst = np.stack([solver.squares(test) for test in splits.test])
    scores = cross_validate(score, problem, solver, splits, PathSums(score, sst, len(alphas)), alphas, choose)
    chosen = choose(scores)
    weights = _final(solver, range(len(moments)), alphas, chosen, problem.y.shape[1])
    condition = of_sets(solver.conditions, [*splits.train, range(len(moments))])
    return Fit(weights, scores, chosen, "cholesky", str(problem.y.dtype), condition)


def largest(spaces: Sequence[Size]) -> Size:
    """Return the most steps and the largest dimension of Krylov spaces."""
    return max(steps for steps, _ in spaces), max(dimension for _, dimension in spaces)


def _final(solver: Solver, parts: Sequence[int], alphas: Double, chosen: Integers, n_targets: int) -> Weights:
    """Fit each target at its own penalty on all parts; weights of a mere block of targets are brought to the host."""
    if not solver.side_by_side:
        weights = joined(list(solve_chosen(solver, parts, alphas, chosen, solver.scratch())), len(chosen))
        return weights if len(chosen) == n_targets else weights.on(HOST)

    def at(a: int, scratch: Any) -> tuple[Integers, Weights]:
        targets = np.flatnonzero(chosen == a)
        return targets, solver.train(parts, scratch).weights(float(alphas[a]), targets)

    found = map_threads(at, np.unique(chosen).tolist(), solver.scratch, small=True)
    return joined(list(found), len(chosen))


def joined(parts: Sequence[tuple[Integers, Weights]], n_targets: int) -> Weights:
    """Join the weights of some targets each into those of all, where they lie."""
    first = parts[0][1]
    if len(parts) == 1:
        return first
    b = backend_of(first.values)
    values = b.empty((len(first.values), n_targets), first.values.dtype)
    intercept = np.empty(n_targets, first.values.dtype)
    for targets, weights in parts:
        b.set_columns(values, targets, weights.values)
        intercept[targets] = weights.intercept
    return Weights(values, first.shift, intercept)
