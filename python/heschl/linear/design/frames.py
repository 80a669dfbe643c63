"""Features as the core sees them: dense, at word rate, or several spaces side by side. Nothing is expanded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from heschl.checks import check_matrix
from heschl.linear.design.rows import cut_rows, whole
from heschl.linear.design.spaces import FeatureSpaces, Repeated
from heschl.linear.device.arrays import Array, Float, Ranges
from heschl.linear.device.backend import Backend
from heschl.linear.device.exchange import adopt, on_device
from heschl.linear.device.place import backend_of, moved
from heschl.linear.device.threads import map_threads, worth_threads


@dataclass(frozen=True)
class _Space:
    values: Array  # (n, d), or (m, d) with runs
    run: NDArray[np.int64] | None  # (n,)
    columns: slice
    placed_run: Array | None = None  # the same where the values lie

    @property
    def index(self) -> Array | None:
        """Runs as kernels take them."""
        return self.run if self.placed_run is None else self.placed_run

    @property
    def n_columns(self) -> int:
        return int(self.values.shape[1])


class Frames:
    """Checked features of one precision, and the core's kernels on them: one space, or the pairs of several."""

    def __init__(self, spaces: tuple[_Space, ...]) -> None:
        self.spaces = spaces
        first = spaces[0]
        self.shape = (len(first.values if first.run is None else first.run), spaces[-1].columns.stop)
        self.dtype = first.values.dtype

    @classmethod
    def of(cls, X: Any, dtype: DTypeLike | None = None, name: str = "X") -> Frames:
        """Check features: a matrix, a `Repeated` or `FeatureSpaces`, as given or in the precision asked for."""
        if isinstance(X, Frames):
            return X if dtype is None else X.astype(dtype)
        if on_device(X):
            values = adopt(name, X)
            return cls.of_matrix(values).astype(dtype or values.dtype)
        if isinstance(X, FeatureSpaces):
            dtype = X.dtype if dtype is None else dtype
            parts = [cls.of(X[key], dtype, f"{name}[{key!r}]").spaces[0] for key in X]
            return cls(tuple(_Space(s.values, s.run, c) for s, c in zip(parts, X.columns.values(), strict=True)))
        run = X.run if isinstance(X, Repeated) else None
        values = check_matrix(name, X.values if isinstance(X, Repeated) else X, dtype)
        return cls((_Space(values, run, slice(0, values.shape[1])),))

    @classmethod
    def of_matrix(cls, values: Array) -> Frames:
        """Wrap a checked matrix, on the host or on a device."""
        return cls((_Space(values, None, slice(0, values.shape[1])),))

    def __len__(self) -> int:
        """Return the number of frames."""
        return self.shape[0]

    def astype(self, dtype: DTypeLike) -> Frames:
        """Convert to another precision."""
        if np.dtype(dtype) == self.dtype:
            return self
        b = self.backend
        return Frames(tuple(replace(s, values=b.cast(s.values, dtype)) for s in self.spaces))

    @property
    def backend(self) -> Backend:
        """Where the values lie."""
        return backend_of(self.spaces[0].values)

    def to(self, backend: Backend) -> Frames:
        """Move to another backend. Where it has no products by the word, spaces become one matrix of frames.

        Moments of pairs of spaces, each at its own rate, are the host's: a device is faster in one product.
        """
        if backend == self.backend:
            return self
        by_word = backend.kind.by_word
        spaces = [replace(s, values=moved(s.values, backend), placed_run=None) for s in self.spaces]
        if len(spaces) > 1 and not by_word:
            return Frames.of_matrix(Frames(tuple(spaces)).expanded())
        return Frames(tuple(s if s.run is None else replace(s, placed_run=backend.put(s.run)) for s in spaces))

    def expanded(self) -> Array:
        """Return the matrix (n, d) that these stand for, where they lie."""
        b = self.backend
        return b.side_by_side([s.values if s.run is None else b.rows(s.values, s.run) for s in self.spaces])

    @property
    def dense(self) -> Float | None:
        """The matrix, where there is but one, dense space."""
        space = self.spaces[0]
        return space.values if len(self.spaces) == 1 and space.run is None else None

    @property
    def n_products(self) -> float:
        """Rows that a product with these features counts: frames, or words; a mean over columns."""
        return float(sum(len(s.values) * s.n_columns for s in self.spaces) / self.shape[1])

    def of_columns(self, index: NDArray[np.int64]) -> Frames:
        """Select some of the features (ascending column numbers), each at the rate it comes in."""
        out, start = [], 0
        for s in self.spaces:
            chosen = index[(index >= s.columns.start) & (index < s.columns.stop)] - s.columns.start
            if chosen.size:
                values = self.backend.columns(s.values, chosen)
                out.append(replace(s, values=values, columns=slice(start, start + chosen.size)))
                start += chosen.size
        return Frames(tuple(out))

    def rows(self, index: Any) -> Float:
        """Return some frames, expanded, on the host."""
        b = self.backend
        parts = [b.rows(s.values, index if s.run is None else s.run[index]) for s in self.spaces]
        return np.concatenate([b.get(part) for part in parts], axis=1)

    def by_frequency(self, ranges: Ranges, lags: range) -> bool:
        """Return whether the moments of these rows are summed by frequency: such kernels share work among threads."""
        if not self.backend.kind.host_threads or any(s.run is not None for s in self.spaces):
            return False
        kernels = self.backend.kernels
        d, itself = max(s.n_columns for s in self.spaces), kernels.Product.itself
        by_lag, by_frequency = kernels.sum_operations(ranges, lags[0], len(lags), d, d, itself)
        return bool(by_frequency < by_lag)

    def moments(self, ranges: Ranges, lags: range, shift: Float, leaving: Float, entering: Float) -> tuple[Any, ...]:
        """Sum the first block column (p, d), pair sums (w², d) and counts (w²,); write the edges (r or 0, p).

        All of it lies where the features do; so do the sums of `targets` and `statistics`.
        """
        d, w, b = self.shape[1], len(lags), self.backend
        column = b.zeros((w * d, d), self.dtype)
        sums = np.zeros((w * w, d))
        counts = np.zeros(w * w)
        for i, space in enumerate(self.spaces):
            own, part = b.zeros((w * w,), np.float64), b.zeros((w * w, space.n_columns), np.float64)
            block = np.zeros((w * space.n_columns, space.n_columns), self.dtype) if len(self.spaces) > 1 else column
            edges = [leaving, entering]
            if len(self.spaces) > 1:
                edges = [np.empty((len(edge), w * space.n_columns), self.dtype) for edge in edges]
            b.kernels.lagged_moments(
                space.values, space.index, b.put(shift[space.columns]), ranges, lags[0], w, block, *edges, part, own,
                b.handle(),
            )  # fmt: skip
            if len(self.spaces) == 1:
                return column, part, own
            counts, sums[:, space.columns] = own, part
            self._scatter(column, block, space, space, w)
            for whole_edge, edge in zip((leaving, entering), edges, strict=True):
                whole_edge.reshape(len(edge), w, d)[:, :, space.columns] = edge.reshape(len(edge), w, space.n_columns)
            for j, other in enumerate(self.spaces):
                if i == j:
                    continue
                block = np.zeros((w * space.n_columns, other.n_columns), self.dtype)
                b.kernels.lagged_pair(
                    space.values, space.index, shift[space.columns], other.values, other.index, shift[other.columns],
                    ranges, lags[0], w, block, b.handle(),
                )  # fmt: skip
                self._scatter(column, block, space, other, w)
        return column, sums, counts

    def _scatter(self, column: Float, block: Float, rows: _Space, cols: _Space, w: int) -> None:
        d = self.shape[1]
        column.reshape(w, d, d)[:, rows.columns, cols.columns] = block.reshape(w, rows.n_columns, cols.n_columns)

    def targets(self, y: Float, ranges: Ranges, lags: range, shift: Float, y_shift: Float) -> tuple[Any, ...]:
        """Sum X'Y (p, c), target sums (w, c) and totals (2, c) about the shifts."""
        d, w, c, b = self.shape[1], len(lags), y.shape[1], self.backend
        cross = b.zeros((w * d, c), self.dtype)
        target_sums, totals = (b.zeros((rows, c), np.float64) for rows in (w, 2))
        for space in self.spaces if c > 0 else ():
            part = cross if len(self.spaces) == 1 else np.zeros((w * space.n_columns, c), self.dtype)
            own_sums, own_totals = b.zeros((w, c), np.float64), b.zeros((2, c), np.float64)
            b.kernels.lagged_targets(
                space.values, space.index, b.put(shift[space.columns]), y, b.put(y_shift), ranges, lags[0], w, part,
                own_sums, own_totals, b.handle(),
            )  # fmt: skip
            target_sums, totals = own_sums, own_totals
            if len(self.spaces) > 1:
                cross.reshape(w, d, c)[:, space.columns] = part.reshape(w, space.n_columns, c)
        return cross, target_sums, totals

    def statistics(self, bounds: NDArray[np.int64], shift: Float) -> tuple[Array, Array]:
        """Sum features and squares (2, d) about the shift; find the extremes of each segment (s, 2, d)."""
        sums, extremes = np.zeros((2, self.shape[1])), np.empty((len(bounds), 2, self.shape[1]), self.dtype)
        b = self.backend
        for space in self.spaces:
            part, ends = (
                b.zeros((2, space.n_columns), np.float64),
                b.empty((2 * len(bounds), space.n_columns), self.dtype),
            )
            b.kernels.feature_statistics(
                space.values, space.index, b.put(shift[space.columns]), whole(bounds), part, ends, b.handle()
            )
            ends = ends.reshape((len(bounds), 2, space.n_columns))
            if len(self.spaces) == 1:
                return part, ends
            sums[:, space.columns], extremes[:, :, space.columns] = part, ends
        return sums, extremes

    def design(self, ranges: Ranges, lags: range, shift: Float | None = None) -> Array:
        """Build the lagged design (n_rows, p) of H - shift."""
        d, w, b = self.shape[1], len(lags), self.backend
        shift = np.zeros(d, self.dtype) if shift is None else shift
        n_rows = int((ranges[:, 1] - ranges[:, 0]).sum())
        X = b.empty((n_rows, w * d), self.dtype)
        for space in self.spaces:
            part = X if len(self.spaces) == 1 else np.empty((n_rows, w * space.n_columns), self.dtype)
            b.kernels.lagged_design(
                space.values, space.index, b.put(shift[space.columns]), ranges, lags[0], w, part, b.handle()
            )
            if len(self.spaces) > 1:
                X.reshape(n_rows, w, d)[:, :, space.columns] = part.reshape(n_rows, w, space.n_columns)
        return X

    def predict(self, values: Float, shift: Float, intercept: Float, ranges: Ranges, lags: range) -> Array:
        """Predict the rows of the ranges, (n_rows, c), in order."""
        n_rows, b = int((ranges[:, 1] - ranges[:, 0]).sum()), self.backend
        if not b.kind.host_threads:
            out = b.zeros((n_rows, values.shape[1]), self.dtype)
            b.kernels.lagged_predict(
                self.spaces[0].values, self.spaces[0].index, b.put(shift), ranges, lags[0], len(lags), values, out,
                b.handle(),
            )  # fmt: skip
            return b.shifted(out, None, intercept.astype(np.float64)) if intercept.any() else out
        out = np.empty((n_rows, values.shape[1]), self.dtype)
        out[:] = intercept
        if n_rows == 0:
            return out
        threads = worth_threads(2.0 * n_rows * values.size)
        pieces = cut_rows(ranges, threads)
        ends = np.cumsum([int((piece[:, 1] - piece[:, 0]).sum()) for piece in pieces]).tolist()
        weights_of_spaces = [
            np.ascontiguousarray(
                values.reshape(len(lags), self.shape[1], values.shape[1])[:, s.columns].reshape(-1, values.shape[1])
            )
            for s in self.spaces
        ]

        def rows(at: int, _: None) -> None:
            target = out[ends[at - 1] if at else 0 : ends[at]]
            for space, weights in zip(self.spaces, weights_of_spaces, strict=True):
                b.kernels.lagged_predict(
                    space.values, space.index, shift[space.columns], pieces[at], lags[0], len(lags), weights, target,
                    b.handle(),
                )  # fmt: skip

        for _ in map_threads(rows, range(len(pieces)), lambda: None, small=True):
            pass
        return out
