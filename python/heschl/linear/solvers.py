"""The table of solvers: what each costs in operations and memory, and which one a problem gets.

Operations are counted as multiply-adds of a matrix product (2 per term), weighted by how much slower than a product a
step runs; bytes are what a fit holds above its data. ARCHITECTURE.md says how they were measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from heschl.checks import InputError, check_choice
from heschl.linear.cg import cg_operations
from heschl.linear.device.arrays import Bounds
from heschl.linear.device.place import pays_on_gpu
from heschl.linear.device.threads import n_threads
from heschl.linear.dual import Dual
from heschl.linear.iterative import Conjugate
from heschl.linear.leave_out import LeaveOutDual, LeaveOutPrimal
from heschl.linear.primal import STACKED_BYTES, EighPrimal, Primal
from heschl.linear.problem import Problem

# Time of a step over the time that a matrix product of as many operations would take, measured at p = 1,280 ... 5,120.
CHOLESKY_SLOWNESS = 1.4
# p³ each, in such units. On two CPU cores 12 to 18 Cholesky factorisations; on a GPU products are two orders of
# magnitude faster, a reduction to tridiagonal form, bound by memory, one (a guess until bench/gpu.py measures it).
EIGH_OPERATIONS = {"cpu": 7.5, "cuda": 75.0}
# The closed form with p × p matrices loses digits where a group is nearly fitted by itself; float32 is then repeated in
# float64, at twice the price.
FLOAT32_LEFT_OUT = 3.0
CG_SLOWNESS = 2.2
CG_ITERATIONS = 25  # a λ, on strongly correlated features of p = 32,000
# Rows, products and matrices that kernels on a device hold at a time beside what is counted (csrc/cuda/device.hpp).
DEVICE_BLOCKS = 3 * (256 << 20)
# "auto" takes a solver that is not exact where all others cost so many times as much.
INEXACT_BY = 4.0


@dataclass(frozen=True)
class Work:
    """How large a fit is.

    Attributes
    ----------
    n_rows : int
        Rows of the design.
    n_products : float
        Rows that a product with the features counts: frames, or runs of word-rate features.
    n_features, n_lags, n_targets, n_alphas : int
    n_parts : int
        Parts (folds) that moments are kept of.
    n_segments : int
    n_sets : int
        Training sets solved for all alphas.
    standardize : bool
        Whether features are read anew in each of them.
    itemsize : int
        Bytes of a number.
    device : str
        "cpu" or "cuda": where it is to be done.
    """

    n_rows: int
    n_products: float
    n_features: int
    n_lags: int
    n_targets: int
    n_alphas: int
    n_parts: int
    n_segments: int
    n_sets: int
    standardize: bool
    itemsize: int
    device: str = "cpu"

    @classmethod
    def of(cls, problem: Problem, parts: Sequence[Bounds], n_sets: int, n_alphas: int) -> Work:
        """Of a problem cut into parts."""
        X = problem.X
        return cls(
            len(X), X.n_products, X.shape[1], len(problem.lags), problem.y.shape[1], n_alphas, len(parts),
            sum(map(len, parts)), n_sets,
            problem.standardize, problem.itemsize,
        )  # fmt: skip

    @property
    def n_columns(self) -> int:
        """Columns of the design, p."""
        return self.n_lags * self.n_features

    @property
    def test_operations(self) -> float:
        """Of scoring one λ in one test set."""
        p, c = self.n_columns, self.n_targets
        return 2.0 * p * c * min(self.n_products / self.n_parts, p)


def _moment_operations(work: Work) -> float:
    return 2.0 * work.n_products * work.n_columns * (work.n_features + work.n_targets)


def _moment_bytes(work: Work) -> float:
    """Moments of the parts and of one sum of them, and the weights being made and scored."""
    p, c = work.n_columns, work.n_targets
    # ... and the block's own responses, with what scoring makes of them
    kept = (work.n_parts + 2) * p * (work.n_features + c) + 4 * p * c + 3 * work.n_rows * c
    stacked = min(STACKED_BYTES, p * c * work.n_alphas * work.itemsize) * 2 + STACKED_BYTES
    return float(kept * work.itemsize + stacked + _blocks(work))


def _blocks(work: Work) -> float:
    return DEVICE_BLOCKS if work.device == "cuda" else 0.0


def _workers(work: Work, size: float, small: int, items: int) -> int:
    """Training sets, or λ, of p × p or n × n matrices that are solved side by side, by threads."""
    return min(n_threads(), items) if size <= small and work.device == "cpu" else 1


def _primal_workers(work: Work) -> int:
    return _workers(work, work.n_columns, Primal.SMALL, work.n_sets)


def _grams(work: Work) -> float:
    """X'X of a training set, and of its test set where that is how it is scored."""
    return _primal_workers(work) * (2 if work.n_columns < work.n_rows / work.n_parts else 1)


def _cholesky_operations(work: Work) -> float:
    p, c = float(work.n_columns), work.n_targets
    each = p**3 / 3 * CHOLESKY_SLOWNESS + 2 * p * p * c + work.test_operations
    return _moment_operations(work) + work.n_sets * work.n_alphas * each


def _cholesky_bytes(work: Work) -> float:
    return _moment_bytes(work) + _grams(work) * work.n_columns**2 * work.itemsize


def _eigh_operations(work: Work) -> float:
    p, c = float(work.n_columns), work.n_targets
    each = 2 * p * p * c + work.test_operations
    return _moment_operations(work) + work.n_sets * (p**3 * EIGH_OPERATIONS[work.device] + work.n_alphas * each)


def _eigh_bytes(work: Work) -> float:
    # X'X, its copy that becomes the vectors, and LAPACK's work space of two more
    return _moment_bytes(work) + (_grams(work) + 3 * _primal_workers(work)) * work.n_columns**2 * work.itemsize


def _kernel_operations(work: Work) -> float:
    # Half of a symmetric matrix. Sums along diagonals are adds of what lies in memory: about four products each.
    half = float(work.n_rows) ** 2 * (work.n_features + 2 * work.n_lags)
    return half * (work.n_sets if work.standardize else 1)


def _dual_operations(work: Work) -> float:
    n, c = float(work.n_rows), work.n_targets
    train = n * (1 - 1 / max(2, work.n_parts))
    each = train**3 / 3 * CHOLESKY_SLOWNESS + 2 * train * train * c + 2 * train * c * n / work.n_parts
    return _kernel_operations(work) + work.n_sets * work.n_alphas * each + 2 * n * work.n_columns * c


def _dual_bytes(work: Work) -> float:
    n, c = work.n_rows, work.n_targets
    workers = _workers(work, n, Dual.SMALL, work.n_sets)
    squares = (0 if work.standardize else 1) + 2.5 * workers
    return _blocks(work) + float(
        (squares * n * n + 8 * n * c + 2 * n * work.n_features + 3 * work.n_columns * c) * work.itemsize
    )


def _left_out_primal_operations(work: Work) -> float:
    n, p, c = float(work.n_rows), float(work.n_columns), work.n_targets
    size = n / work.n_parts
    solve = p**3 / 3 * CHOLESKY_SLOWNESS + 2 * p * p * c
    groups = n * (p * p + p * size + size * size / 3 + 2 * p * c + 2 * size * c)
    risk = FLOAT32_LEFT_OUT if work.itemsize == 4 else 1.0
    return _moment_operations(work) + work.n_alphas * (2 * solve + groups) * risk


def _left_out_primal_bytes(work: Work) -> float:
    whole, size = replace(work, n_parts=1), work.n_rows / work.n_parts
    workers = _workers(work, work.n_columns, Primal.SMALL, work.n_alphas)
    own = work.n_columns**2 + 2 * size * work.n_columns + 2 * size * size
    return _moment_bytes(whole) + workers * own * work.itemsize


def _left_out_dual_operations(work: Work) -> float:
    n, c = float(work.n_rows), work.n_targets
    size = n / work.n_parts
    solve = n**3 / 3 * CHOLESKY_SLOWNESS + 2 * n * n * c
    groups = n**3 / 3 + n * n * size + n * size * size / 3 + 2 * n * size * c
    again = 0 if c * work.n_alphas <= n else solve
    return _kernel_operations(work) + work.n_alphas * (solve + groups + again) + 2 * n * work.n_columns * c


def _left_out_dual_bytes(work: Work) -> float:
    n, c, size = work.n_rows, work.n_targets, work.n_rows / work.n_parts
    workers = _workers(work, n, Dual.SMALL, work.n_alphas)
    loadings = n * c * work.n_alphas if c * work.n_alphas <= n else 0
    own = n * n + n * max(size, 256) + size * size + 3 * n * c
    once = 3 * n * n + 4 * n * c + 2 * n * work.n_features + 3 * work.n_columns * c
    return float((once + loadings + workers * own) * work.itemsize)


def _cg_operations(work: Work) -> float:
    w, d, c = work.n_lags, work.n_features, work.n_targets
    one = cg_operations(w, d, c, work.n_segments, CG_ITERATIONS * work.n_alphas, work.n_alphas)
    return _moment_operations(work) + work.n_sets * (one * CG_SLOWNESS + work.n_alphas * work.test_operations)


def _cg_bytes(work: Work) -> float:
    # Spectra of the operator and of the preconditioner, with its factors; a few blocks of vectors, some in float64.
    w, d, c, p = work.n_lags, work.n_features, work.n_targets, work.n_columns
    spectra = (2 * w + 4 * (w // 2 + 1) + w) * d * d
    return _moment_bytes(work) + (spectra + 16 * p * min(c, 64) + 6 * p * c) * work.itemsize


@dataclass(frozen=True)
class Method:
    """A way to fit training sets; `build(problem, parts)` gives a `heschl.linear.cv.Solver`.

    `exact` is to rounding; else to a tolerance that is checked. `all_at_once`: all parts are one training set
    (`heschl.linear.leave_out.LeaveOut`). `on_device`: runs on a GPU, too.
    """

    name: str
    build: Callable[[Problem, Sequence[Bounds]], Any]
    operations: Callable[[Work], float]
    n_bytes: Callable[[Work], float]
    exact: bool = True
    all_at_once: bool = False
    on_device: bool = False


SOLVERS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method("cholesky", Primal, _cholesky_operations, _cholesky_bytes, on_device=True),
        Method("eigh", EighPrimal, _eigh_operations, _eigh_bytes, on_device=True),
        Method("dual", Dual, _dual_operations, _dual_bytes, on_device=True),
        Method("cg", Conjugate, _cg_operations, _cg_bytes, exact=False),
    )
}

# The same for cross-validation that leaves one part out after the other, by its closed form.
LEFT_OUT: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method("cholesky", LeaveOutPrimal, _left_out_primal_operations, _left_out_primal_bytes, all_at_once=True),
        Method("dual", LeaveOutDual, _left_out_dual_operations, _left_out_dual_bytes, all_at_once=True),
    )
}


def place(device: str, work: Work, solver: str) -> str:
    """Give "cpu" or "cuda": as asked for, with "auto" a GPU where it pays."""
    return "cuda" if device == "cuda" or (device == "auto" and _worth_a_gpu(work, solver)) else "cpu"


def _worth_a_gpu(work: Work, solver: str) -> bool:
    methods = [method for method in SOLVERS.values() if solver in ("auto", method.name) and method.on_device]
    here, there = (
        min((method.operations(replace(work, device=device)) for method in methods), default=0.0)
        for device in ("cpu", "cuda")
    )
    return pays_on_gpu(here, there)


def choose_solver(work: Work, solver: str, memory_limit: float | None, *, left_out: bool = False) -> tuple[Method, int]:
    """The method asked for, or ("auto") the cheapest, and how many targets at a time keep to the memory limit.

    `left_out` says that the closed form of leaving parts out is a way, too.

    Raises
    ------
    InputError
        Where the method does not do what is asked, or nothing fits into the limit.
    """
    check_choice("solver", solver, ("auto", *SOLVERS))
    methods = [*SOLVERS.values(), *(LEFT_OUT.values() if left_out else ())]
    methods = [m for m in methods if solver in ("auto", m.name) and (work.device == "cpu" or m.on_device)]
    if not methods:
        there = [m.name for m in SOLVERS.values() if m.on_device]
        raise InputError("solver", f"{solver!r} with device={work.device!r}", f'"auto" or one of {there}')
    blocks = {m: _largest_block(m, work, memory_limit) for m in methods}
    possible = [m for m in methods if blocks[m] > 0]
    if not possible:
        least = min(m.n_bytes(replace(work, n_targets=1)) for m in methods)
        raise InputError(
            "memory_limit", f"{memory_limit / 2**20:,.0f} MB" if memory_limit else "none",
            f"at least {least / 2**20:,.0f} MB for {work.n_lags} lags x {work.n_features} features",
            "Raise it, or use fewer lags or features.",
        )  # fmt: skip
    # What is not exact must be far cheaper, or the only way.
    best = min(possible, key=lambda m: _time(m, work, blocks[m]) * (1.0 if m.exact else INEXACT_BY))
    return best, blocks[best]


def _time(method: Method, work: Work, block: int) -> float:
    """Operations of all blocks of targets together."""
    n_blocks = -(-work.n_targets // block)
    return n_blocks * method.operations(replace(work, n_targets=-(-work.n_targets // n_blocks)))


def _largest_block(method: Method, work: Work, memory_limit: float | None) -> int:
    """Most targets at a time within the limit; 0 where not even one fits."""
    if memory_limit is None or method.n_bytes(work) <= memory_limit:
        return work.n_targets
    low, high = 0, work.n_targets
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if method.n_bytes(replace(work, n_targets=middle)) <= memory_limit else (low, middle)
    return low
