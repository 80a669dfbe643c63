"""Rows that a fit is scored on: their design times a block of vectors, by frequency or lag by lag.

A row's prediction is a convolution of frames with weights over lags. Cut into blocks of L rows that see N = L + w - 1
frames, and taken to frequencies, it is a product of (blocks × d) with (d × c) for each of N/2 + 1 frequencies: about
3 N / (2 L w) of the multiplications of w products of rows, a tenth of them at 20 lags.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from heschl.linear.design.frames import Frames
from heschl.linear.design.rows import row_numbers
from heschl.linear.device.arrays import Array, Float, Ranges
from heschl.linear.ridge.normal import Scaling
from heschl.linear.ridge.operators import Blocks, LagFourier

# Rows of a block, to choose from; the longest range of rows is tried, too.
BLOCK_ROWS = (24, 32, 48, 64, 96, 128, 192, 256)
# Features that are taken to frequency together: their transforms should stay in the caches.
TILE = 64
# Time of an operation by frequency, in many smaller products, over that of one in a product of the design.
FREQUENCY_SLOWNESS = 1.5
# Columns of a first product by tensor cores that are compared with float32's own, and how far they may be from it
# beside their norm: R² then differs by no more.
COMPARED, SPLIT_ROUNDING = 4, 3e-5


def frequency_operations(n_blocks: int, n_rows: int, n_features: int, n_lags: int) -> float:
    """Count the operations of one column by frequency, in blocks of so many rows."""
    n = n_rows + n_lags - 1
    return FREQUENCY_SLOWNESS * (
        3.0 * n * n_blocks * n_features + 2.0 * n * n_lags * n_features + 2.0 * n * n_rows * n_blocks
    )


class HeldOut:
    """The design of some rows, read as a training set reads features, times vectors.

    Parameters
    ----------
    X : Frames
    ranges : ndarray of shape (r, 4)
        Rows, and the frames that their lags may look at.
    lags : range
    scaling : Scaling
    split : bool
        Whether a device's tensor cores multiply, where it gains by them and they are as exact as float32.
    missed : callable, optional
        Called where they are not: plain float32 goes on.
    """

    def __init__(
        self, X: Frames, ranges: Ranges, lags: range, scaling: Scaling, *, split: bool = False,
        missed: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._X, self._ranges, self._lags = X, ranges, lags
        self._shift = scaling.mean.astype(X.dtype)
        self._scale = scaling.scale.astype(X.dtype)
        self.n_rows = len(row_numbers(ranges))
        lengths = ranges[:, 1] - ranges[:, 0]
        d, w = X.shape[1], len(lags)
        sizes = {*BLOCK_ROWS, int(min(lengths.max(initial=1), 2 * BLOCK_ROWS[-1]))}
        counted = {size: frequency_operations(int((-(-lengths // size)).sum()), size, d, w) for size in sizes}
        size = min(counted, key=lambda each: counted[each])
        self._fourier: LagFourier | None = None
        self._split: Callable[[Array], Array] | None = None
        self._missed, self._agreed = missed, False
        if split and X.backend.kind.remote:
            space = X.spaces[0]
            self._split = X.backend.design_multiplier(space.values, space.index, self._shift, ranges, lags)
        # A device is faster in one product for each lag.
        dense = None if X.backend.kind.remote else X.dense
        if dense is not None and self.n_rows and counted[size] < 2.0 * self.n_rows * d * w:
            self._prepare(dense, size)

    def _prepare(self, H: Float, size: int) -> None:
        """Transform the frames of each block of rows to frequency."""
        w, first = len(self._lags), self._lags[0]
        n = size + w - 1
        starts = [(begin, *each) for each in self._ranges for begin in range(each[0], each[1], size)]
        frames = np.zeros((n, len(starts), H.shape[1]), H.dtype)
        inside = np.zeros((size, len(starts)), dtype=bool)
        for at, (begin, _, end, low, high) in enumerate(starts):
            from_ = begin - first - (w - 1)  # the frame that the first row sees at its last lag
            a, b = max(from_, low), min(from_ + n, high)
            if a < b:
                np.subtract(H[a:b], self._shift, out=frames[a - from_ : b - from_, at])
            inside[: end - begin, at] = True
        self._fourier = LagFourier(n, n)
        self._inside = inside.T
        self._blocks = Blocks(*np.split(self._fourier.forward(frames), 2))

    def product(self, V: Array) -> Array:
        """Return the design times V (p, c), (n_rows, c): rows in the order of the ranges."""
        w, d, c = len(self._lags), len(self._shift), V.shape[1]
        if self._fourier is None:
            scaled = self._X.backend.scaled_rows(V, self._scale.astype(np.float64))
            return self._by_lag(scaled) if self._split is None or not c else self._by_halves(scaled, self._split)
        V = V.reshape(w, d, c)
        both: Float | None = None
        for begin in range(0, d, TILE):
            some = slice(begin, min(begin + TILE, d))
            transformed = self._fourier.forward(V[:, some] * self._scale[some, None])
            both = self._blocks.multiply(transformed, columns=some, add_to=both)
        assert both is not None
        rows = self._fourier.backward(both, first=w - 1)  # the others have wrapped around
        return rows.transpose(1, 0, 2)[self._inside]

    def _by_lag(self, scaled: Array) -> Array:
        return self._X.predict(scaled, self._shift, np.zeros(scaled.shape[1], scaled.dtype), self._ranges, self._lags)

    def _by_halves(self, scaled: Array, split: Callable[[Array], Array]) -> Array:
        """Multiply by tensor cores; the first time see whether that is as exact as float32, else go on without."""
        found = split(scaled)
        if not self._agreed:
            b, every, some = self._X.backend, slice(None), slice(min(COMPARED, scaled.shape[1]))
            plain = self._by_lag(b.copy(b.part(scaled, every, some)))
            apart = b.squares(b.summed(b.part(found, every, some), [plain], -1))
            off, size = b.bring([apart, b.squares(plain)])
            self._agreed = bool((off <= SPLIT_ROUNDING**2 * size).all())
        if not self._agreed:
            self._split = None
            self._missed()
            return self._by_lag(scaled)
        return found
