"""What estimators ask for: a problem, penalties, folds; solver, precision and blocks of targets are chosen here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from heschl.linear.device.arrays import Bounds, Integers
from heschl.linear.device.backend import Backend
from heschl.linear.device.host import CPU
from heschl.linear.device.place import AUTO, memory_limit, name_of, open_device
from heschl.linear.device.threads import beside_others, one_blas_thread
from heschl.linear.ridge.condition import FLOAT32_LIMIT, Conditions, warn, worst
from heschl.linear.ridge.condition import merged as merged_conditions
from heschl.linear.ridge.leave_out import merged
from heschl.linear.ridge.normal import PrecisionError
from heschl.linear.ridge.problem import Problem
from heschl.linear.ridge.size import FitSize
from heschl.linear.ridge.solvers import SOLVERS, Method, choose_solver, operations_by_device

Result = TypeVar("Result")

# A fit of fewer operations takes a few milliseconds in either precision: float32 data are then fitted in float64.
SMALL_OPERATIONS = 1e9


@dataclass(frozen=True)
class FitOptions:
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
        "auto" or a name in `heschl.linear.device.devices.DEVICES`, of one of several with its number ("cuda:1").
    tf32 : bool
        Whether products of float32 may round their factors to 10 bits, where the device has such products.
    tol : float or None
        Tolerance of solvers that have one.
    banded : bool
        Whether the solver must read features at several scales.
    """

    solver: str = "auto"
    memory_limit: float | None = None
    small_in_float64: bool = True
    device: str = CPU.name
    tf32: bool = False
    tol: float | None = None
    banded: bool = False

    def backend(self, size: FitSize, problem: Problem) -> Backend:
        """Return where to compute: where the data lie, if on a device; else as asked (`solvers.place`)."""
        operations = operations_by_device(size, self.solver)
        return open_device(self.device, operations, problem.X.spaces[0].values, tf32=self.tf32)


class Blocks(NamedTuple, Generic[Result]):
    """What became of blocks of targets.

    Attributes
    ----------
    results : list of (targets, result)
    solver, dtype : str
    device : str
        Where it was done: "cpu", "cuda", "cuda:1".
    products : str
        What its products are made of: its precision, or that of their operands.
    conditions : dict
        Estimated condition numbers of training sets (`heschl.linear.ridge.condition`).
    """

    results: list[tuple[Integers, Result]]
    solver: str
    dtype: str
    device: str
    products: str
    conditions: Conditions


@beside_others()
def in_blocks(
    problem: Problem,
    parts: Sequence[Bounds],
    n_sets: int,
    n_alphas: int,
    work: Callable[[Problem, Any, Integers], Result],
    options: FitOptions,
    *,
    left_out: bool = False,
) -> Blocks[Result]:
    """Call work(problem, solver, targets) on targets that lack the same rows, as many at a time as memory allows.

    In float64 where float32 fails, or the problem is small. With `left_out` the solver may be a `LeaveOut`. Penalties
    at which float64 fails raise `InputError`; where it loses most digits there is a `scipy.linalg.LinAlgWarning`.
    """
    if not problem.penalty.plain:
        problem, options = problem.in_float64(), replace(options, device=_on_host(options.device))
    size = FitSize.of(problem, parts, n_sets, n_alphas)
    backend = options.backend(size, problem)
    with backend.at_work():
        problem = replace(problem, X=problem.X.to(backend), tol=options.tol)
        n_products = size.n_products if backend.kind.by_word else size.n_rows
        size = replace(size, device=backend.kind.name, n_products=n_products)
        limit = memory_limit(backend, options.memory_limit)
        problem, ways = replace(problem, limit=limit), {"left_out": left_out, "banded": options.banded}
        ways["penalised"] = not problem.penalty.plain
        method, block = choose_solver(size, options.solver, limit, **ways)
        if options.small_in_float64 and method.operations(replace(size, device=CPU.name)) < SMALL_OPERATIONS:
            problem = problem.in_float64()
        found = None
        try:
            found = _blocks(problem, parts, method, block, work)
            if problem.y.dtype == np.float32 and worst(found[1]) > FLOAT32_LIMIT and _is_small(size):
                found = None  # a second fit costs no time worth naming
        except PrecisionError:
            if problem.y.dtype == np.float64:
                raise
        if found is None:  # out of the handler, which holds the memory of what failed
            limit = memory_limit(backend, options.memory_limit)
            problem = replace(problem.in_float64(), limit=limit)
            method, block = choose_solver(replace(size, itemsize=8), options.solver, limit, **ways)
            found = _blocks(problem, parts, method, block, work)
    results, conditions, products = found
    if problem.y.dtype == np.float64:
        warn(conditions)
    dtype = "tf32" if options.tf32 and problem.y.dtype == np.float32 else str(problem.y.dtype)
    products = dtype if products == str(problem.y.dtype) else products
    return Blocks(results, method.name, dtype, name_of(backend), products, conditions)


def _is_small(size: FitSize) -> bool:
    size = replace(size, device=CPU.name)
    return min(method.operations(size) for method in SOLVERS.values()) < SMALL_OPERATIONS


def _on_host(device: str) -> str:
    """Return where to compute what only the host does, where that is left open."""
    return CPU.name if device == AUTO else device


def _blocks(
    problem: Problem,
    parts: Sequence[Bounds],
    method: Method,
    block: int,
    work: Callable[[Problem, Any, Integers], Result],
) -> tuple[list[tuple[Integers, Result]], Conditions, str]:
    out: list[tuple[Integers, Result]] = []
    conditions, products = [], str(problem.y.dtype)
    for targets, group in problem.by_mask(merged(parts) if method.all_at_once else parts):
        for start in range(0, len(targets), block):
            some = slice(start, start + block)
            part = group if block >= len(targets) else group.of_targets(some)
            try:
                solver = method.build(part, parts)
                with one_blas_thread() if solver.side_by_side else nullcontext():
                    out.append((targets[some], work(part, solver, targets[some])))
                conditions.append(solver.conditions)
                products = getattr(solver, "products", products)
            except MemoryError as error:
                if not problem.X.backend.kind.remote:
                    raise
                raise MemoryError(
                    f"{error}, with {min(block, len(targets))} of {len(targets)} targets at a time by {method.name!r}; "
                    "a smaller memory_limit takes fewer, and other processes on the device may give memory back"
                ) from error
    return out, merged_conditions(conditions), products
