"""The table of solvers: what each costs in operations and memory, and which one a problem gets.

Operations are counted as multiply-adds of a matrix product (2 per term), weighted by how much slower than a product a
step runs; bytes are what a fit holds above its data. ARCHITECTURE.md says how they were measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from heschl.checks import InputError, check_choice
from heschl.linear.device import place as devices
from heschl.linear.device.arrays import Bounds
from heschl.linear.device.devices import DEVICES
from heschl.linear.ridge.dual import Dual, dual_bytes, dual_operations
from heschl.linear.ridge.krylov import Krylov
from heschl.linear.ridge.leave_out import (
    LeaveOutDual,
    LeaveOutPrimal,
    left_out_dual_bytes,
    left_out_dual_operations,
    left_out_primal_bytes,
    left_out_primal_operations,
)
from heschl.linear.ridge.penalised import Penalised, penalised_bytes
from heschl.linear.ridge.price import krylov_bytes, krylov_operations
from heschl.linear.ridge.primal import (
    EighPrimal,
    Primal,
    cholesky_bytes,
    cholesky_operations,
    eigh_bytes,
    eigh_operations,
)
from heschl.linear.ridge.problem import Problem
from heschl.linear.ridge.size import FitSize


@dataclass(frozen=True)
class Method:
    """A way to fit training sets; `build(problem, parts)` gives a `heschl.linear.crossval.path.Solver`.

    `banded`: reads features at other scales from the same moments. `all_at_once`: all parts are one training set
    (`heschl.linear.ridge.leave_out.LeaveOut`). `on_device`: runs on every device, not on the host alone.
    """

    name: str
    build: Callable[[Problem, Sequence[Bounds]], Any]
    operations: Callable[[FitSize], float]
    n_bytes: Callable[[FitSize], float]
    banded: bool = False
    all_at_once: bool = False
    on_device: bool = False


SOLVERS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method("cholesky", Primal, cholesky_operations, cholesky_bytes, banded=True, on_device=True),
        Method("eigh", EighPrimal, eigh_operations, eigh_bytes, on_device=True),
        Method("dual", Dual, dual_operations, dual_bytes, on_device=True),
        Method("krylov", Krylov, krylov_operations, krylov_bytes, banded=True, on_device=True),
    )
}

# The same for cross-validation that leaves one part out after the other, by its closed form.
LEFT_OUT: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method("cholesky", LeaveOutPrimal, left_out_primal_operations, left_out_primal_bytes, all_at_once=True),
        Method("dual", LeaveOutDual, left_out_dual_operations, left_out_dual_bytes, all_at_once=True),
    )
}

# And where something else than the sizes of weights is penalised.
PENALISED: Mapping[str, Method] = {"cholesky": Method("cholesky", Penalised, cholesky_operations, penalised_bytes)}


def operations_by_device(size: FitSize, solver: str) -> Callable[[str], float]:
    """Return the function that counts the operations of a fit on the device of a name."""

    def operations(name: str) -> float:
        methods = [method for method in _methods(solver, name) if method.on_device]
        return min((method.operations(replace(size, device=name)) for method in methods), default=0.0)

    return operations


def place(device: str, size: FitSize, solver: str) -> str:
    """Return the name of the device for a fit: as asked for, or for "auto" the one where it is done first."""
    return devices.place(device, operations_by_device(size, solver))


def _methods(solver: str, device: str, *, left_out: bool = False, banded: bool = False) -> list[Method]:
    """List the rows of the tables that run on a device."""
    methods = [*(m for m in SOLVERS.values() if m.banded or not banded), *(LEFT_OUT.values() if left_out else ())]
    return [m for m in methods if solver in ("auto", m.name) and (m.on_device or not DEVICES[device].remote)]


def choose_solver(
    size: FitSize,
    solver: str,
    memory_limit: float | None,
    *,
    left_out: bool = False,
    banded: bool = False,
    penalised: bool = False,
) -> tuple[Method, int]:
    """Choose the method asked for, or ("auto") the cheapest, and how many targets at a time fit the memory limit.

    `left_out` says that the closed form of leaving parts out is a way, too; `banded` that features are to be read at
    several scales; `penalised` that something else than the sizes of weights is penalised.

    Raises
    ------
    InputError
        Where the method does not do what is asked, or nothing fits into the limit.
    """
    check_choice("solver", solver, ("auto", *(m.name for m in SOLVERS.values() if m.banded or not banded)))
    methods = _methods(solver, size.device, left_out=left_out, banded=banded)
    if penalised:
        methods = [m for m in PENALISED.values() if solver in ("auto", m.name) and not DEVICES[size.device].remote]
        if not methods:
            raise InputError(
                "solver", f"{solver!r} on {size.device!r}, with penalty='tikhonov' or penalize_intercept",
                '"auto" or "cholesky", on the CPU',
            )  # fmt: skip
    if not methods:
        others = [m.name for m in SOLVERS.values() if m.on_device]
        raise InputError("solver", f"{solver!r} with device={size.device!r}", f'"auto" or one of {others}')
    blocks = {m: _largest_block(m, size, memory_limit) for m in methods}
    possible = [m for m in methods if blocks[m] > 0]
    if not possible:
        least = min(m.n_bytes(replace(size, n_targets=1)) for m in methods)
        raise InputError(
            "memory_limit", f"{memory_limit / 2**20:,.0f} MB" if memory_limit else "none",
            f"at least {least / 2**20:,.0f} MB for {size.n_lags} lags x {size.n_features} features",
            "Raise it, or use fewer lags or features.",
        )  # fmt: skip
    best = min(possible, key=lambda m: _time(m, size, blocks[m]))
    return best, blocks[best]


def _time(method: Method, size: FitSize, block: int) -> float:
    """Count the operations of all blocks of targets together."""
    n_blocks = -(-size.n_targets // block)
    return n_blocks * method.operations(replace(size, n_targets=-(-size.n_targets // n_blocks)))


def _largest_block(method: Method, size: FitSize, memory_limit: float | None) -> int:
    """Return the most targets at a time within the limit; 0 where not even one fits."""
    if memory_limit is None or method.n_bytes(size) <= memory_limit:
        return size.n_targets
    low, high = 0, size.n_targets
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if method.n_bytes(replace(size, n_targets=middle)) <= memory_limit else (low, middle)
    return low
