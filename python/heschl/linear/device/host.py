"""The host: NumPy's arrays, and the compiled core on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.linalg import eigh

from heschl import _core
from heschl.linear.device.arrays import Array, Double
from heschl.linear.device.backend import Backend, DeviceKind
from heschl.linear.device.interrupt import Interruptible, interruptible
from heschl.linear.device.threads import n_threads

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

    def settle(self) -> None:
        """Do nothing: the host's allocator does."""

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

    def corner(self, array: Array, n: int) -> Array:
        """Return a view of the first n rows and columns."""
        return array[:n, :n]

    def summed(self, first: Array, others: Sequence[Array], sign: int) -> Array:
        """Add arrays to a first one, or (sign -1) subtract them from it; the result is a new array."""
        out = first + sign * others[0] if others else first.copy()
        for other in others[1:]:
            out += sign * other
        return out

    def diagonal(self, array: Array) -> Array:
        """Copy the diagonal."""
        return array.diagonal().copy()

    def finite(self, array: Array) -> bool:
        """Return whether there is neither NaN nor infinity."""
        return bool(np.isfinite(array).all())

    def weighted_sums(self, weights: Double, array: Array) -> Double:
        """Sum weights_i array_ij over i for each column, in double; return the sums on the host."""
        return np.asarray(_product(weights, array))

    def scaled_rows(self, array: Array, factors: Double) -> Array:
        """Multiply rows by factors (repeated where there are more rows) into a copy."""
        return array * np.tile(factors, len(array) // len(factors))[:, None].astype(array.dtype)

    def shifted(self, array: Array, rows: Double, columns: Double) -> Array:
        """Add a constant to each row and one to each column, in place."""
        array += rows[:, None].astype(array.dtype)
        array += columns.astype(array.dtype)
        return array

    def means(self, array: Array, axis: int) -> Double:
        """Average over rows (0) or columns (1), in double; return the means on the host."""
        return np.asarray(array.mean(axis=axis, dtype=np.float64))

    def squares(self, array: Array, about: Double | None = None) -> Double:
        """Sum (array_ij - about_j)² over i for each column, in double; return the sums on the host."""
        total = np.zeros(array.shape[1])
        for start in range(0, len(array), 512):
            rows = array[start : start + 512] - (0.0 if about is None else about)
            total += np.einsum("ij,ij->j", rows, rows, dtype=np.float64)
        return total

    def product(self, a: Array, b: Array, *, transpose: bool = False) -> Array:
        """Multiply A b, or aᵀ b."""
        return _product(a.T if transpose else a, b)

    def eigh(self, array: Array) -> tuple[NDArray[Any], Array]:
        """Decompose a symmetric matrix, known by its lower triangle: eigenvalues on the host, vectors as rows."""
        values, vectors = _eigh(array, lower=True, driver="evd", check_finite=False)
        return values, vectors.T


HOST: Backend = Host()

CPU = DeviceKind(
    name="cpu",
    modules=("numpy",),
    dlpack=None,
    available=lambda: True,
    open=lambda tf32, number: HOST,
    backend_of=lambda array: HOST,
    remote=False,
    host_threads=True,
    by_word=True,
    by_frequency=True,
    keeps_margins=True,
    cheap_passes=False,
    reports_singular=True,
    tf32=False,
    rate=1e11,
    start=0.0,
    blocks_bytes=0,
    eigh_slowness=7.5,  # on two cores, 12 to 18 Cholesky factorisations
)
