"""What is asked of a device: a row of the table (`heschl.linear.device.devices`), and the backend that it opens.

The same fit goes through any of them. Large arrays (features, moments, X'X, weights) stay where they are; what is small
(means, counts, scores) is on the host.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from heschl.linear.device.arrays import Array, Double, Float, Ranges

# What products of float32 are made of where they go through tensor cores: as results say it.
SPLIT = "float16 x 3"


@dataclass(frozen=True)
class DeviceKind:
    """A row of the table of devices: how one is opened, and everything that callers treat differently there.

    Attributes
    ----------
    name : str
        As users ask for it.
    modules : tuple of str
        Modules whose arrays are heschl's own there.
    dlpack : tuple of int
        DLPack's numbers for arrays of other libraries there; none where they come as NumPy's.
    available : callable
        Whether there is one to use now.
    open : callable
        Its backend, given whether products of float32 may round their factors to 10 bits (`tf32`), and which of several
        it is, from 0; raises InputError where there is none to use.
    backend_of : callable
        The backend of one of heschl's own arrays there.
    remote : bool
        Whether its memory is apart from the host's: arrays travel, and memory may run out.
    host_threads : bool
        Whether threads of the host share the work, each with rows or training sets of its own. Else one call does all.
    by_word : bool
        Whether features at the rate of words, and spaces of several rates, stay as they are in products. Else they are
        brought to the rate of frames.
    keeps_margins : bool
        Whether moments keep the ends of segments, from which a narrower range of lags can be selected.
    cheap_passes : bool
        Whether a further pass over the data costs next to nothing.
    reports_singular : bool
        Whether its factorisation reports every singular matrix; else a pivot of exactly 0 may pass.
    tf32 : bool
        Whether it has products that round their factors to 10 bits.
    rate, start : float
        Operations per second, about, before they are measured (`heschl.linear.device.rates`), and seconds to get there:
        what device="auto" goes by.
    blocks_bytes : int
        Rows, products and matrices that its kernels hold at a time beside what is counted.
    eigh_slowness : float
        Operations of a symmetric eigendecomposition in units of p³, as many as products would do in its time.
    cholesky_slowness : sequence of (order, float)
        The same of a Cholesky factorisation in units of p³ / 3, by its order p; between these by powers of p.
    step_slowness : sequence of (order, float)
        The same of the products of a step of a Krylov space, in units of their operations.
    call : float
        Operations that a product would do in the time that a small call takes at least.
    space_targets : int
        Targets that share one Krylov space, at most.
    path_columns : int
        Order of X'X up to which a training set is solved at all λ together.
    """

    name: str
    modules: tuple[str, ...]
    dlpack: tuple[int, ...]
    available: Callable[[], bool]
    open: Callable[[bool, int], Backend]
    backend_of: Callable[[Array], Backend]
    remote: bool
    host_threads: bool
    by_word: bool
    keeps_margins: bool
    cheap_passes: bool
    reports_singular: bool
    tf32: bool
    rate: float
    start: float
    blocks_bytes: int
    eigh_slowness: float
    cholesky_slowness: Sequence[tuple[float, float]]
    step_slowness: Sequence[tuple[float, float]]
    call: float
    space_targets: int
    path_columns: int

    def cholesky_operations(self, order: float) -> float:
        """Count the operations of a Cholesky factorisation."""
        return max(self.call, _between(self.cholesky_slowness, order) * order**3 / 3.0)

    def step_operations(self, order: float, operations: float) -> float:
        """Count the operations that products would do while those of a step with X'X of an order are done."""
        return _between(self.step_slowness, order) * operations


def _between(slowness: Sequence[tuple[float, float]], order: float) -> float:
    orders, factors = zip(*slowness, strict=True)
    return float(np.exp(np.interp(np.log(max(order, 1.0)), np.log(orders), np.log(factors))))


class Backend(Protocol):
    """What a fit asks of the device that it runs on."""

    @property
    def kind(self) -> DeviceKind:
        """Its row of the table of devices."""

    @property
    def number(self) -> int:
        """Which of several devices of its kind it is, from 0."""

    @property
    def kernels(self) -> Any:
        """The compiled module."""

    @property
    def free_memory(self) -> float:
        """Bytes that are free now."""

    def handle(self) -> Any:
        """Return the last argument of every kernel."""

    def at_work(self) -> AbstractContextManager[None]:
        """Keep freed memory for the next step of a fit, and give it back after the last."""

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """Allocate memory."""

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """Allocate zeros."""

    def put(self, values: Array) -> Array:
        """Bring an array of the host here, or one of this device from another context."""

    def adopt(self, values: Any) -> Array:
        """Take in an array of another library on this device, where it lies."""

    def get(self, array: Array) -> NDArray[Any]:
        """Bring an array from here to the host."""

    def bring(self, arrays: Sequence[Array]) -> list[NDArray[Any]]:
        """Bring several small arrays from here to the host, all of them in one wait."""

    def copy(self, array: Array) -> Array:
        """Copy an array."""

    def assign(self, target: Array, values: Array) -> None:
        """Write values into an array of the same shape."""

    def cast(self, array: Array, dtype: DTypeLike) -> Array:
        """Convert an array to another precision."""

    def columns(self, array: Array, index: NDArray[np.int64]) -> Array:
        """Copy some columns."""

    def set_columns(self, target: Array, index: NDArray[np.int64], values: Array) -> None:
        """Write some columns."""

    def by_target(self, values: Array, n_lags: int) -> Array:
        """Copy lag-major weights (n_lags · d, c) into the order (c, d, n_lags)."""

    def rows(self, array: Array, index: Any) -> Array:
        """Return some rows (indices or a slice)."""

    def block(self, array: Array, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Array:
        """Copy some rows and columns."""

    def side_by_side(self, arrays: Sequence[Array]) -> Array:
        """Join matrices of equally many rows."""

    def below(self, arrays: Sequence[Array]) -> Array:
        """Stack matrices of equally many columns."""

    def part(self, array: Array, rows: slice, columns: slice) -> Array:
        """Return a view of some rows and columns."""

    def summed(self, first: Array, others: Sequence[Array], sign: int) -> Array:
        """Add arrays to a first one, or (sign -1) subtract them from it; the result is a new array."""

    def diagonal(self, array: Array) -> Array:
        """Copy the diagonal."""

    def symmetric(self, array: Array, diagonal: Array) -> None:
        """Write the lower triangle into the upper one, too, and the diagonal, in place."""

    def raised(self, array: Array, value: float) -> Array:
        """Add a constant to the diagonal, in place."""

    def finite(self, array: Array, *others: Array) -> bool:
        """Return whether there is neither NaN nor infinity."""

    def weighted_sums(self, weights: Double, array: Array) -> Array:
        """Sum weights_i array_ij over i for each column, in double, (c,), where the array lies."""

    def scaled_rows(self, array: Array, factors: Double) -> Array:
        """Multiply rows by factors (repeated where there are more rows) into a copy."""

    def scaled_columns(self, array: Array, factors: Double) -> Array:
        """Multiply columns by factors into a copy."""

    def shifted(self, array: Array, rows: Double | None, columns: Double | None) -> Array:
        """Add a constant to each row, and one to each column, where they are given, in place."""

    def lessened(self, array: Array, weights: Double, V: Array) -> Array:
        """Subtract Σ_i weights_i V_ij, summed in double, from each column j of (n, c), in place."""

    def means(self, array: Array, axis: int) -> Double:
        """Average over rows (0) or columns (1), in double; return the means on the host."""

    def squares(self, array: Array, about: Double | None = None) -> Array:
        """Sum (array_ij - about_j)² over i for each column, in double, (c,), where the array lies."""

    def product(self, a: Array, b: Array, *, transpose: bool = False) -> Array:
        """Multiply A b, or aᵀ b."""

    def multiply(
        self, a: Array, b: Array, *, transpose_a: bool = False, transpose_b: bool = False, scale: float = 1.0,
        add_to: Array | None = None,
    ) -> Array:  # fmt: skip
        """Return scale · op(a) op(b), plus `add_to` (and in its memory) where it is given; as exact as its type."""

    def multiplier(self, array: Array, *, split: bool) -> Callable[[Array], Array]:
        """Return what multiplies matrices by a square one, read once; `split`, by tensor cores where it gains by it."""

    def design_multiplier(
        self, values: Array, index: Array | None, shift: Float, ranges: Ranges, lags: range
    ) -> Callable[[Array], Array] | None:
        """Return what multiplies the design of some rows by (p, c) by tensor cores; None where that gains nothing."""

    def halves(self, array: Array) -> Any:
        """Return a matrix as `crossed` multiplies it by tensor cores; None where that gains nothing."""

    def crossed(self, a: Any, b: Any) -> Array:
        """Multiply aᵀ b, both as `halves` gave them."""

    def splits(self, array: Array) -> bool:
        """Return whether products with a matrix gain by tensor cores: float32, split into halves, as exact."""

    def factored(self, array: Array) -> Array:
        """Write U, A = UᵀU, into the upper triangle of a symmetric float64 matrix: a diagonal of NaN if A has none."""

    def half_solved(self, factor: Array, right: Array, *, transpose: bool) -> Array:
        """Compute U⁻¹ R, or U⁻ᵀ R, in place of R (n, c), with the factor of `factored`."""

    def divided(self, right: Array, factor: Array) -> Array:
        """Compute R U⁻¹ in place of R (n, c)."""

    def eigh(self, array: Array) -> tuple[NDArray[Any], Array]:
        """Decompose a symmetric matrix, known by its lower triangle: eigenvalues on the host, vectors as rows."""
