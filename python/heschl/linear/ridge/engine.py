"""What estimators ask for: a problem, penalties, folds; solver, precision and blocks of targets are chosen here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from heschl.linear.cv import FoldErrors, PathScores, choose_alpha, cross_validate, solve_chosen
from heschl.linear.design.segments import Splits
from heschl.linear.device.arrays import Bounds, Double, Integers
from heschl.linear.device.backend import Backend
from heschl.linear.device.host import HOST
from heschl.linear.device.place import backend_of, memory_limit
from heschl.linear.device.threads import map_threads, one_blas_thread
from heschl.linear.ridge.leave_out import LeaveOut, leaves_one_out, merged
from heschl.linear.ridge.normal import PrecisionError
from heschl.linear.ridge.problem import Problem
from heschl.linear.ridge.size import Work
from heschl.linear.ridge.solvers import Method, choose_solver, place
from heschl.linear.ridge.training import Solver
from heschl.linear.ridge.weights import Weights
from heschl.linear.scores import Variation

Result = TypeVar("Result")

# A fit of fewer operations takes a few milliseconds in either precision: float32 data are then fitted in float64.
SMALL = 1e9


@dataclass(frozen=True)
class How:
    """Choices that change how a fit is computed, not what it is.

    Attributes
    ----------
    solver : str
        "auto" or a name in `heschl.linear.ridge.solvers.SOLVERS`.
    memory_limit : float or None
        Bytes above the data.
    small_in_float64 : bool
        Whether small float32 problems are fitted in float64.
    device : str
        "cpu", "cuda", or "auto".
    tf32 : bool
        Whether products of float32 may round to 10 bits on a GPU.
    """

    solver: str = "auto"
    memory_limit: float | None = None
    small_in_float64: bool = True
    device: str = "cpu"
    tf32: bool = False

    def backend(self, work: Work, problem: Problem) -> Backend:
        """Where to compute: where the data lie, if that is a GPU; else as asked (`heschl.linear.ridge.solvers.place`)."""
        if problem.X.backend is HOST and place(self.device, work, self.solver) == "cpu":
            return HOST
        from heschl.linear.device.cuda import cuda_backend

        return cuda_backend(tf32=self.tf32)


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
    chosen: Integers
    solver: str
    dtype: str


def fit_cv(problem: Problem, splits: Splits, alphas: Double, *, scoring: str, per_target: bool, how: How) -> Fit:
    """Choose each target's penalty by cross-validation and fit on everything."""
    c = problem.y.shape[1]
    parts, n_sets = splits.parts, len(splits.test) + 1
    left_out = leaves_one_out(splits) and not problem.standardize

    def choose(scores: PathScores) -> Integers:
        return choose_alpha(scores.r2 if scoring == "r2" else scores.pooled_r2, alphas, per_target)

    def block(part: Problem, solver: Solver, targets: Integers) -> tuple[PathScores, Weights | None]:
        variations = [Variation.of(part.y, part.ranges(splits.test_bounds(s))) for s in range(len(splits.test))]
        if isinstance(solver, LeaveOut):
            errors = FoldErrors(variations, len(alphas))
            errors.sse[:] = solver.left_out(alphas)[[test[0] for test in splits.test]]
            scores = errors.scores()
        else:
            scores = cross_validate(solver, splits.train, splits.test, variations, alphas)
        # One penalty for all is known only when all are scored.
        complete = per_target or len(targets) == c
        return scores, _final(solver, range(len(parts)), alphas, choose(scores), c) if complete else None

    found, method, dtype = in_blocks(problem, parts, n_sets, len(alphas), block, how, left_out=left_out)
    scores = PathScores(*np.full((2, len(alphas), c), np.nan))
    for targets, (part, _) in found:
        scores.r2[:, targets], scores.pooled_r2[:, targets] = part.r2, part.pooled_r2
    chosen = choose(scores)
    weights = [(targets, own) for targets, (_, own) in found if own is not None]
    if len(weights) < len(found):
        return replace(fit_fixed(problem, parts, alphas, chosen, how), scores=scores)
    return Fit(joined(weights, c), scores, chosen, method, dtype)


def fit_fixed(problem: Problem, parts: Sequence[Bounds], alphas: Double, chosen: Integers, how: How) -> Fit:
    """Fit every target at its own, given penalty."""

    def block(_: Problem, solver: Solver, targets: Integers) -> Weights:
        return _final(solver, range(len(parts)), alphas, chosen[targets], c)

    c = problem.y.shape[1]
    found, method, dtype = in_blocks(problem, parts, 1, len(alphas), block, how)
    return Fit(joined(found, c), None, chosen, method, dtype)


def in_blocks(
    problem: Problem,
    parts: Sequence[Bounds],
    n_sets: int,
    n_alphas: int,
    work: Callable[[Problem, Any, Integers], Result],
    how: How,
    *,
    left_out: bool = False,
) -> tuple[list[tuple[Integers, Result]], str, str]:
    """work(problem, solver, targets) on targets that lack the same rows, as many at a time as the memory allows.

    In float64 where float32 fails, or the problem is small. With `left_out` the solver may be a `LeaveOut`.

    Returns
    -------
    results : list of (targets, result)
    solver, dtype : str
    """
    size = Work.of(problem, parts, n_sets, n_alphas)
    backend = how.backend(size, problem)
    problem = replace(problem, X=problem.X.to(backend))
    if backend is not HOST:  # kernels there read words through their runs: products are of frames
        size = replace(size, device=backend.name, n_products=size.n_rows)
    limit, left_out = memory_limit(backend, how.memory_limit), left_out and backend is HOST
    method, block = choose_solver(size, how.solver, limit, left_out=left_out)
    if how.small_in_float64 and method.operations(size) < SMALL:
        problem = problem.in_float64()
    found = None
    try:
        found = _blocks(problem, parts, method, block, work)
    except PrecisionError:
        if problem.y.dtype == np.float64:
            raise
    if found is None:  # out of the handler, which holds the memory of what failed
        problem, limit = problem.in_float64(), memory_limit(backend, how.memory_limit)
        method, block = choose_solver(replace(size, itemsize=8), how.solver, limit, left_out=left_out)
        found = _blocks(problem, parts, method, block, work)
    backend.settle()
    return found, method.name, "tf32" if how.tf32 and problem.y.dtype == np.float32 else str(problem.y.dtype)


def _blocks(
    problem: Problem,
    parts: Sequence[Bounds],
    method: Method,
    block: int,
    work: Callable[[Problem, Any, Integers], Result],
) -> list[tuple[Integers, Result]]:
    out: list[tuple[Integers, Result]] = []
    for targets, group in problem.by_mask(merged(parts) if method.all_at_once else parts):
        for start in range(0, len(targets), block):
            some = slice(start, start + block)
            part = group if block >= len(targets) else group.of_targets(some)
            try:
                solver = method.build(part, parts)
                with one_blas_thread() if solver.side_by_side else nullcontext():
                    out.append((targets[some], work(part, solver, targets[some])))
            except MemoryError as error:
                if problem.X.backend is HOST:
                    raise
                raise MemoryError(
                    f"{error}, with {min(block, len(targets))} of {len(targets)} targets at a time by {method.name!r}; "
                    "a smaller memory_limit takes fewer, and other processes on the device may give memory back"
                ) from error
    return out


def _final(solver: Solver, parts: Sequence[int], alphas: Double, chosen: Integers, n_targets: int) -> Weights:
    """Weights of each target at its own penalty, from all parts; of a block of targets on the host, if not of all."""
    if not solver.side_by_side:
        weights = joined(list(solve_chosen(solver, parts, alphas, chosen, solver.scratch())), len(chosen))
        return weights if len(chosen) == n_targets else weights.on(HOST)

    def at(a: int, scratch: Any) -> tuple[Integers, Weights]:
        targets = np.flatnonzero(chosen == a)
        return targets, solver.train(parts, scratch).weights(float(alphas[a]), targets)

    found = map_threads(at, np.unique(chosen).tolist(), solver.scratch, small=True)
    return joined(list(found), len(chosen))


def joined(parts: Sequence[tuple[Integers, Weights]], n_targets: int) -> Weights:
    """Weights of all targets from those of some each, where they lie."""
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
