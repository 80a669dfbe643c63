"""The GPU: arrays on it, and the kernels there behind the same names as on the host."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from heschl.checks import InputError
from heschl.linear.device.arrays import Array, Double, Float, Ranges
from heschl.linear.device.backend import DeviceKind
from heschl.linear.device.status import cuda_status, extension, extension_name

# Columns from which on products by tensor cores take less time than splitting for them.
SPLIT_LEAST = 2048


_READY: set[str] = set()  # modules whose libraries are open


def cuda_backend(device: int = 0, *, tf32: bool = False) -> Device:
    """Return the backend of a GPU, counted from 0 among those that CUDA_VISIBLE_DEVICES shows.

    It has a stream of its own.

    Raises
    ------
    InputError
        Where there is none to use, with the reason, or none of that number.
    """
    if extension_name() not in _READY:
        status = cuda_status()
        if not status.available:
            raise InputError("device", '"cuda"', "a GPU that heschl can use", f'{status.reason}. Or use device="cpu".')
        _READY.add(extension_name())
    module = extension()
    count = module.device_count()
    if device >= count:
        numbers = "0" if count == 1 else f"0 to {count - 1}"
        raise InputError("device", f'"cuda:{device}"', f"the number of a GPU that is there, {numbers}")
    return Device(module, module.Context.of(device, tf32))


def device_of(array: Array) -> Device:
    """Return the backend of an array on a device."""
    return Device(sys.modules[type(array).__module__], array.context)


@dataclass(frozen=True)
class Device:
    """Arrays on a GPU, and the kernels there; see `heschl.linear.device.backend.Backend`."""

    module: Any
    context: Any

    @property
    def kind(self) -> DeviceKind:
        """Its row of the table of devices."""
        return CUDA

    @property
    def number(self) -> int:
        """Which GPU it is, of those that CUDA_VISIBLE_DEVICES shows."""
        return int(self.context.device)

    @property
    def kernels(self) -> Any:
        """The extension."""
        return self.module

    @property
    def free_memory(self) -> int:
        """Bytes that are free now."""
        return int(self.context.memory()[0])

    def handle(self) -> Any:
        """Return the context: device and stream."""
        return self.context

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Keep freed memory for the next step, and give it back to the device after the last."""
        self.context.hold()
        try:
            yield
        finally:
            self.context.let_go()

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """Allocate memory."""
        sizes = (*map(int, shape), None)[:2]
        return self.module.empty(self.context, *sizes, np.dtype(dtype).name)

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """Allocate zeros."""
        out = self.empty(shape, dtype)
        self.module.zero(out)
        return out

    def put(self, values: Array) -> Array:
        """Bring an array of the host here through pinned memory, one of this device to this stream."""
        if not isinstance(values, np.ndarray) and values.context.device != self.number:
            values = np.asarray(values.numpy())
        if isinstance(values, np.ndarray):
            return self.module.upload(self.context, np.ascontiguousarray(values))
        return values if values.context is self.context else self.module.from_dlpack(self.context, values.__dlpack__())

    def adopt(self, values: Any) -> Array:
        """Take in an array of another library on this device, where it lies; heschl's stream waits for the caller's."""
        return self.module.from_dlpack(self.context, values.__dlpack__(stream=self.context.stream or None))

    def get(self, array: Array) -> NDArray[Any]:
        """Bring an array from here to the host."""
        return np.asarray(array.numpy())

    def bring(self, arrays: Sequence[Array]) -> list[NDArray[Any]]:
        """Bring several small arrays from here to the host, all of them in one wait."""
        ends = np.cumsum([0, *(array.size for array in arrays)]).tolist()
        flat, found = self.empty((1, ends[-1]), np.float64), list[NDArray[Any]]()
        for array, begin, end in zip(arrays, ends[:-1], ends[1:], strict=True):
            if end > begin:
                self.module.assign(self.part(flat, slice(1), slice(begin, end)).reshape(array.shape), array)
        values = self.get(flat)[0]
        for array, begin, end in zip(arrays, ends[:-1], ends[1:], strict=True):
            found.append(values[begin:end].reshape(array.shape).astype(array.dtype, copy=False))
        return found

    def copy(self, array: Array) -> Array:
        """Copy an array."""
        return self.cast(array, array.dtype)

    def assign(self, target: Array, values: Array) -> None:
        """Write values into an array of the same shape."""
        self.module.assign(target, values)

    def cast(self, array: Array, dtype: DTypeLike) -> Array:
        """Convert into another precision, a copy."""
        out = self.empty(array.shape, dtype)
        self.module.assign(out, array)
        return out

    def columns(self, array: Array, index: NDArray[np.int64]) -> Array:
        """Copy some columns."""
        return array.take(None, np.ascontiguousarray(index, dtype=np.int64))

    def set_columns(self, target: Array, index: NDArray[np.int64], values: Array) -> None:
        """Write some columns."""
        self.module.set_columns(target, np.ascontiguousarray(index, dtype=np.int64), values)

    def by_target(self, values: Array, n_lags: int) -> Array:
        """Copy lag-major weights (n_lags · d, c) into the order (c, d, n_lags)."""
        return self.module.by_target(values, n_lags)

    def rows(self, array: Array, index: Any) -> Array:
        """Return some rows (indices or a slice)."""
        chosen = np.arange(len(array), dtype=np.int64)[index]
        return array.take(np.ascontiguousarray(chosen), None)

    def block(self, array: Array, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Array:
        """Copy some rows and columns."""
        return array.take(np.ascontiguousarray(rows, dtype=np.int64), np.ascontiguousarray(columns, dtype=np.int64))

    def side_by_side(self, arrays: Sequence[Array]) -> Array:
        """Join matrices of equally many rows."""
        return arrays[0] if len(arrays) == 1 else self._joined(arrays, 1)

    def below(self, arrays: Sequence[Array]) -> Array:
        """Stack matrices of equally many columns."""
        return self._joined(arrays, 0)

    def _joined(self, arrays: Sequence[Array], axis: int) -> Array:
        ends, shape = np.cumsum([array.shape[axis] for array in arrays]).tolist(), list(arrays[0].shape)
        out, whole = self.empty((*shape[:axis], ends[-1], *shape[axis + 1 :]), arrays[0].dtype), slice(None)
        for array, end in zip(arrays, ends, strict=True):
            some = slice(end - array.shape[axis], end)
            self.module.assign(self.part(out, *((whole, some) if axis else (some, whole))), array)
        return out

    def part(self, array: Array, rows: slice, columns: slice) -> Array:
        """Return a view of some rows and columns."""
        (top, bottom, _), (left, right, _) = rows.indices(array.shape[0]), columns.indices(array.shape[1])
        return array.part(top, max(0, bottom - top), left, max(0, right - left))

    def summed(self, first: Array, others: Sequence[Array], sign: int) -> Array:
        """Add arrays to a first one, or (sign -1) subtract them from it; the result is a new array."""
        out = self.copy(first)
        for other in others:
            self.module.add(out, other, float(sign))
        return out

    def diagonal(self, array: Array) -> Array:
        """Copy the diagonal."""
        n = len(array)
        return self.copy(array.diagonal()).reshape((n,)) if n else self.empty((0,), array.dtype)

    def symmetric(self, array: Array, diagonal: Array) -> None:
        """Write the lower triangle into the upper one, too, and the diagonal, in place."""
        self.module.mirror_lower(array)
        self.module.assign(array.diagonal(), diagonal.reshape((len(array), 1)))

    def raised(self, array: Array, value: float) -> Array:
        """Add a constant to the diagonal, in place."""
        self.shifted(array.diagonal(), None, np.array([value]))
        return array

    def finite(self, array: Array, *others: Array) -> bool:
        """Return whether there is neither NaN nor infinity."""
        return bool(self.module.all_finite(array, list(others)))

    def weighted_sums(self, weights: Double, array: Array) -> Array:
        """Sum weights_i array_ij over i for each column, in double, (c,), where the array lies."""
        return self.module.weighted_sums(array, self.put(np.asarray(weights, dtype=np.float64)))

    def scaled_rows(self, array: Array, factors: Double) -> Array:
        """Multiply rows by factors (repeated where there are more rows) into a copy."""
        out = self.copy(array)
        self.module.scale_and_shift(out, self.put(np.asarray(factors, dtype=np.float64)), None, None, None)
        return out

    def scaled_columns(self, array: Array, factors: Double) -> Array:
        """Multiply columns by factors into a copy."""
        out = self.copy(array)
        self.module.scale_and_shift(out, None, self.put(np.asarray(factors, dtype=np.float64)), None, None)
        return out

    def shifted(self, array: Array, rows: Double | None, columns: Double | None) -> Array:
        """Add a constant to each row, and one to each column, where they are given, in place."""
        both = (None if part is None else self.put(np.asarray(part, np.float64)) for part in (rows, columns))
        self.module.scale_and_shift(array, None, None, *both)
        return array

    def lessened(self, array: Array, weights: Double, V: Array) -> Array:
        """Subtract Σ_i weights_i V_ij, summed in double, from each column j of (n, c), in place."""
        self.module.scale_and_shift(array, None, None, None, self.weighted_sums(-np.asarray(weights), V))
        return array

    def means(self, array: Array, axis: int) -> Double:
        """Average over rows (0) or columns (1), in double; return the means on the host."""
        sums = self.module.weighted_sums(array, None) if axis == 0 else self.module.row_sums(array)
        return np.asarray(self.get(sums) / array.shape[axis])

    def squares(self, array: Array, about: Double | None = None) -> Array:
        """Sum (array_ij - about_j)² over i for each column, in double, (c,), where the array lies."""
        (n, c), sums = array.shape, self.empty((6, array.shape[1]), np.float64)
        whole, fold = np.array([[0, n]], dtype=np.int64), np.zeros(1, dtype=np.int64)
        shift = self.put(np.tile(np.zeros(c) if about is None else about, (2, 1)))
        self.module.score_sums(array, array, whole, fold, shift, sums, self.context)
        return self.part(sums, slice(2, 3), slice(None)).reshape((c,)) if c else self.empty((0,), np.float64)

    def product(self, a: Array, b: Array, *, transpose: bool = False) -> Array:
        """Multiply A b, or aᵀ b."""
        return self.module.product(a, b, transpose)

    def multiply(
        self, a: Array, b: Array, *, transpose_a: bool = False, transpose_b: bool = False, scale: float = 1.0,
        add_to: Array | None = None,
    ) -> Array:  # fmt: skip
        """Return scale · op(a) op(b), plus `add_to` (and in its memory) where it is given; as exact as its type."""
        keep = 0.0 if add_to is None else 1.0
        if add_to is None:
            shape = a.shape[1 if transpose_a else 0], b.shape[0 if transpose_b else 1]
            inner = a.shape[0 if transpose_a else 1]
            add_to = self.empty(shape, a.dtype) if inner else self.zeros(shape, a.dtype)
        self.module.multiply(a, b, transpose_a, transpose_b, scale, keep, add_to, self.context)
        return add_to

    def multiplier(self, array: Array, *, split: bool) -> Callable[[Array], Array]:
        """Return what multiplies matrices by a square one, read once; `split`, by tensor cores where it gains by it."""
        return (
            self.module.SplitMatrix.of(array, False).times
            if split and self.splits(array)
            else partial(self.multiply, array)
        )

    def design_multiplier(
        self, values: Array, index: Array | None, shift: Float, ranges: Ranges, lags: range
    ) -> Callable[[Array], Array] | None:
        """Return what multiplies the design of some rows by (p, c) by tensor cores; None where that gains nothing."""
        if values.dtype != np.float32 or values.shape[1] * len(lags) < SPLIT_LEAST or not len(ranges):
            return None
        rows = self.module.SplitRows.of(values, index, self.put(shift), ranges, lags[0], len(lags))
        return rows.times  # type: ignore[no-any-return]

    def halves(self, array: Array) -> Any:
        """Return a matrix as `crossed` multiplies it by tensor cores; None where that gains nothing."""
        return self.module.SplitMatrix.of(array, True) if self.splits(array) else None

    def crossed(self, a: Any, b: Any) -> Array:
        """Multiply aᵀ b, both as `halves` gave them."""
        return a.crossed(b)

    def splits(self, array: Array) -> bool:
        """Return whether products with a matrix gain by tensor cores: float32, split into halves, as exact."""
        return bool(array.dtype == np.float32 and len(array) >= SPLIT_LEAST)

    def factored(self, array: Array) -> Array:
        """Write U, A = UᵀU, into the upper triangle of a symmetric float64 matrix: a diagonal of NaN if A has none."""
        self.module.factor_upper(array)
        return array

    def half_solved(self, factor: Array, right: Array, *, transpose: bool) -> Array:
        """Compute U⁻¹ R, or U⁻ᵀ R, in place of R (n, c), with the factor of `factored`."""
        self.module.half_solve_upper(factor, transpose, right)
        return right

    def divided(self, right: Array, factor: Array) -> Array:
        """Compute R U⁻¹ in place of R (n, c)."""
        self.module.divide_upper(factor, right)
        return right

    def eigh(self, array: Array) -> tuple[NDArray[Any], Array]:
        """Decompose a symmetric matrix, known by its lower triangle: eigenvalues on the host, vectors as rows."""
        vectors = self.copy(array)
        values = self.module.eigen_lower(vectors)
        return self.get(values), vectors


CUDA = DeviceKind(
    name="cuda",
    modules=("heschl._cuda", "heschl._cuda_emulated"),
    dlpack=(2, 13),  # kDLCUDA, kDLCUDAManaged
    available=lambda: cuda_status().available,
    open=lambda tf32, number: cuda_backend(number, tf32=tf32),
    backend_of=device_of,
    remote=True,
    host_threads=False,
    by_word=False,
    keeps_margins=False,
    cheap_passes=True,
    reports_singular=False,
    tf32=True,
    rate=1e13,
    start=1.0,
    blocks_bytes=6 * (256 << 20),  # csrc/cuda/device.hpp, spectral.cu
    # Measured on an H100 at 51 TFLOP/s of float32; of order 1,280 on an H200.
    eigh_slowness=247.0,
    cholesky_slowness=((1280.0, 35.0), (2560.0, 25.0), (15360.0, 2.1)),
    step_slowness=((1.0, 1.3),),
    call=2.5e9,  # 50 µs
    space_targets=512,
    path_columns=3000,
)
