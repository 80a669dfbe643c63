"""The host: NumPy's arrays, and the compiled core on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.linalg import blas, eigh, lapack

from heschl import _core
from heschl.linear.device.arrays import Array, Double, Float, Ranges
from heschl.linear.device.backend import Backend, DeviceKind
from heschl.linear.device.interrupt import Interruptible, interruptible
from heschl.linear.device.threads import n_threads

MIRRORED_ROWS = 512  # rows of a matrix that are mirrored at a time

_eigh, _product = interruptible(eigh), interruptible(np.matmul)


class Host:
    """NumPy's arrays, and the compiled core on them."""

    kernels: Any = Interruptible(_core)
    free_memory = float("inf")
    number = 0

    @property
    def kind(self) -> DeviceKind:
        """Its row of the table of devices."""
        return CPU

    def handle(self) -> int:
        """Return the number of threads to use now."""
        return n_threads()

    def at_work(self) -> AbstractContextManager[None]:
        """Do nothing: the host's allocator does."""
        return nullcontext()

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """Allocate memory."""
        return np.empty(shape, dtype)

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """Allocate zeros."""
        return np.zeros(shape, dtype)

    def put(self, values: Array) -> Array:
        """Return the array itself."""
        return values

    def adopt(self, values: Any) -> Array:
        """Read an array of another library on the host."""
        return np.from_dlpack(values)

    def get(self, array: Array) -> NDArray[Any]:
        """Return the array itself."""
        return np.asarray(array)

    def bring(self, arrays: Sequence[Array]) -> list[NDArray[Any]]:
        """Return the arrays themselves."""
        return list(arrays)

    def copy(self, array: Array) -> Array:
        """Copy an array."""
        return array.copy()

    def assign(self, target: Array, values: Array) -> None:
        """Write values into an array of the same shape."""
        target[:] = values

    def cast(self, array: Array, dtype: DTypeLike) -> Array:
        """Convert an array to another precision."""
        return array.astype(dtype)

    def columns(self, array: Array, index: NDArray[np.int64]) -> Array:
        """Copy some columns."""
        return np.ascontiguousarray(array[:, index])

    def set_columns(self, target: Array, index: NDArray[np.int64], values: Array) -> None:
        """Write some columns."""
        target[:, index] = values

    def by_target(self, values: Array, n_lags: int) -> Array:
        """Copy lag-major weights (n_lags · d, c) into the order (c, d, n_lags)."""
        return np.ascontiguousarray(values.reshape(n_lags, -1, values.shape[1]).transpose(2, 1, 0))

    def rows(self, array: Array, index: Any) -> Array:
        """Return some rows (indices or a slice)."""
        return array[index]

    def block(self, array: Array, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Array:
        """Copy some rows and columns."""
        return array[np.ix_(rows, columns)]

    def side_by_side(self, arrays: Sequence[Array]) -> Array:
        """Join matrices of equally many rows."""
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=1)

    def below(self, arrays: Sequence[Array]) -> Array:
        """Stack matrices of equally many columns."""
        return np.concatenate(arrays)

    def part(self, array: Array, rows: slice, columns: slice) -> Array:
        """Return a view of some rows and columns."""
        return array[rows, columns]

    def summed(self, first: Array, others: Sequence[Array], sign: int) -> Array:
        """Add arrays to a first one, or (sign -1) subtract them from it; the result is a new array."""
        out = first + sign * others[0] if others else first.copy()
        for other in others[1:]:
            out += sign * other
        return out

    def diagonal(self, array: Array) -> Array:
        """Copy the diagonal."""
        return array.diagonal().copy()

    def symmetric(self, array: Array, diagonal: Array) -> None:
        """Write the lower triangle into the upper one, too, and the diagonal, in place."""
        for begin in range(0, len(array), MIRRORED_ROWS):
            end = begin + MIRRORED_ROWS
            array[begin:end, end:] = array[end:, begin:end].T
            corner = array[begin:end, begin:end]
            corner[:] = np.tril(corner) + np.tril(corner, -1).T
        np.fill_diagonal(array, diagonal)

    def raised(self, array: Array, value: float) -> Array:
        """Add a constant to the diagonal, in place."""
        array[np.diag_indices(len(array))] += value
        return array

    def finite(self, array: Array, *others: Array) -> bool:
        """Return whether there is neither NaN nor infinity."""
        return all(bool(np.isfinite(each).all()) for each in (array, *others))

    def weighted_sums(self, weights: Double, array: Array) -> Double:
        """Sum weights_i array_ij over i for each column, in double, (c,)."""
        return np.asarray(_product(weights, array))

    def scaled_rows(self, array: Array, factors: Double) -> Array:
        """Multiply rows by factors (repeated where there are more rows) into a copy."""
        return array * np.tile(factors, len(array) // len(factors))[:, None].astype(array.dtype)

    def scaled_columns(self, array: Array, factors: Double) -> Array:
        """Multiply columns by factors into a copy."""
        return array * factors.astype(array.dtype)

    def shifted(self, array: Array, rows: Double | None, columns: Double | None) -> Array:
        """Add a constant to each row, and one to each column, where they are given, in place."""
        if rows is not None:
            array += rows[:, None].astype(array.dtype)
        if columns is not None:
            array += columns.astype(array.dtype)
        return array

    def lessened(self, array: Array, weights: Double, V: Array) -> Array:
        """Subtract Σ_i weights_i V_ij, summed in double, from each column j of (n, c), in place."""
        return self.shifted(array, None, -self.weighted_sums(weights, V))

    def means(self, array: Array, axis: int) -> Double:
        """Average over rows (0) or columns (1), in double; return the means on the host."""
        return np.asarray(array.mean(axis=axis, dtype=np.float64))

    def squares(self, array: Array, about: Double | None = None) -> Double:
        """Sum (array_ij - about_j)² over i for each column, in double, (c,)."""
        total = np.zeros(array.shape[1])
        for start in range(0, len(array), 512):
            rows = array[start : start + 512] - (0.0 if about is None else about)
            total += np.einsum("ij,ij->j", rows, rows, dtype=np.float64)
        return total

    def product(self, a: Array, b: Array, *, transpose: bool = False) -> Array:
        """Multiply A b, or aᵀ b."""
        return _product(a.T if transpose else a, b)

    def multiply(
        self, a: Array, b: Array, *, transpose_a: bool = False, transpose_b: bool = False, scale: float = 1.0,
        add_to: Array | None = None,
    ) -> Array:  # fmt: skip
        """Return scale · op(a) op(b), plus `add_to` (and in its memory) where it is given; as exact as its type."""
        a, transpose_a = _by_rows(a, transpose_a)
        b, transpose_b = _by_rows(b, transpose_b)
        keep = 0.0 if add_to is None else 1.0
        if add_to is None:
            shape = a.shape[1 if transpose_a else 0], b.shape[0 if transpose_b else 1]
            add_to = np.empty(shape, a.dtype) if len(b) and b.shape[1] else np.zeros(shape, a.dtype)
        self.kernels.multiply(a, b, transpose_a, transpose_b, scale, keep, add_to, n_threads())
        return add_to

    def multiplier(self, array: Array, *, split: bool) -> Callable[[Array], Array]:
        """Return what multiplies matrices by a square one."""
        return partial(self.multiply, array)

    def design_multiplier(
        self, values: Array, index: Array | None, shift: Float, ranges: Ranges, lags: range
    ) -> Callable[[Array], Array] | None:
        """Return None: there are no tensor cores."""
        return None

    def halves(self, array: Array) -> Any:
        """Return None: there are no tensor cores."""
        return None

    def crossed(self, a: Any, b: Any) -> Array:
        """Refuse: there are no halves here."""
        raise AssertionError("halves are a device's")

    def splits(self, array: Array) -> bool:
        """Return False: there are no tensor cores."""
        return False

    def factored(self, array: Array) -> Array:
        """Write U, A = UᵀU, into the upper triangle of a symmetric float64 matrix: a diagonal of NaN if A has none."""
        # The transpose of an array by rows is one by columns, as LAPACK reads it: L for U.
        if lapack.dpotrf(array.T, lower=1, overwrite_a=1, clean=0)[1] != 0:
            np.fill_diagonal(array, np.nan)
        return array

    def half_solved(self, factor: Array, right: Array, *, transpose: bool) -> Array:
        """Compute U⁻¹ R, or U⁻ᵀ R, in place of R (n, c), with the factor of `factored`."""
        if right.size == 0:
            return right
        return blas.dtrsm(1.0, factor.T, right.T, side=1, lower=1, trans_a=int(transpose), overwrite_b=1).T

    def divided(self, right: Array, factor: Array) -> Array:
        """Compute R U⁻¹ in place of R (n, c)."""
        if right.size == 0:
            return right
        return blas.dtrsm(1.0, factor.T, right.T, lower=1, overwrite_b=1).T

    def eigh(self, array: Array) -> tuple[NDArray[Any], Array]:
        """Decompose a symmetric matrix, known by its lower triangle: eigenvalues on the host, vectors as rows."""
        values, vectors = _eigh(array, lower=True, driver="evd", check_finite=False)
        return values, vectors.T


def _by_rows(a: Float, transposed: bool) -> tuple[Float, bool]:
    """Return a matrix whose rows are contiguous: a transposed view is read as what it is a view of."""
    size = a.dtype.itemsize
    if a.shape[1] <= 1 or a.strides[1] == size:
        return a, transposed
    return (a.T, not transposed) if len(a) <= 1 or a.strides[0] == size else (np.ascontiguousarray(a), transposed)


HOST: Backend = Host()

CPU = DeviceKind(
    name="cpu",
    modules=("numpy",),
    dlpack=(),
    available=lambda: True,
    open=lambda tf32, number: HOST,
    backend_of=lambda array: HOST,
    remote=False,
    host_threads=True,
    by_word=True,
    keeps_margins=True,
    cheap_passes=False,
    reports_singular=True,
    tf32=False,
    rate=1e11,
    start=0.0,
    blocks_bytes=0,
    eigh_slowness=7.5,  # on two cores, 12 to 18 Cholesky factorisations
    cholesky_slowness=((640.0, 2.1), (1280.0, 1.7), (2560.0, 1.4)),
    step_slowness=((1280.0, 2.4), (2560.0, 2.0), (15360.0, 1.3)),  # with what it takes to find and score solutions
    call=0.0,
    space_targets=256,
    path_columns=0,
)
