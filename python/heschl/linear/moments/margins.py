"""The ends of segments, kept for a narrower range of lags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heschl.linear.design.frames import Frames
from heschl.linear.design.rows import row_ranges
from heschl.linear.device.arrays import Bounds, Float


@dataclass(frozen=True)
class Margins:
    """The frames at both ends of each segment, which a narrower range of lags may need again (boundary "drop").

    Attributes
    ----------
    X, y : ndarray of shape (k, d) and (k, c)
        Of each segment the first and the last `size` frames, or all where it is no longer than both.
    lengths : ndarray of shape (s,)
        Frames of each segment.
    size : int
    """

    X: Float
    y: Float
    lengths: NDArray[np.int64]
    size: int

    @classmethod
    def of(cls, X: Frames, y: Float, bounds: Bounds, lags: range) -> Margins:
        """Cut them out of checked data."""
        size = max(lags[-1], 0) + max(-lags[0], 0)
        rows = [
            np.arange(begin, end) if end - begin <= 2 * size else np.r_[begin : begin + size, end - size : end]
            for begin, end in bounds
        ]
        index = np.concatenate(rows)
        return cls(X.rows(index), y[index], bounds[:, 1] - bounds[:, 0], size)

    @classmethod
    def joined(cls, parts: Sequence[Margins]) -> Margins:
        """Join the margins of all parts, in their order."""
        return cls(
            np.concatenate([part.X for part in parts]),
            np.concatenate([part.y for part in parts]),
            np.concatenate([part.lengths for part in parts]),
            parts[0].size,
        )

    def of_segments(self, kept: NDArray[np.bool_]) -> Margins:
        """Select the margins of some segments."""
        rows = np.repeat(kept, np.minimum(self.lengths, 2 * self.size))
        return Margins(self.X[rows], self.y[rows], self.lengths[kept], self.size)

    def new_rows(self, old: range, new: range) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Find the ranges (r, 4) of rows within X that `new` keeps and `old` dropped, and their segments (r,)."""
        ranges, owner, start = [], [], 0
        for s, length in enumerate(self.lengths.tolist()):
            held = min(length, 2 * self.size)
            ends = np.array([[0, length]])
            (kept,) = row_ranges(ends, new, "drop", length)[0].tolist() or [None]
            (had,) = row_ranges(ends, old, "drop", length)[0].tolist() or [None]
            pieces = []
            if kept is not None:
                pieces = [kept[:2]] if had is None else [[kept[0], had[0]], [had[1], kept[1]]]
            for begin, end in pieces:
                if begin >= end:
                    continue
                low, high, moved = 0, held, 0
                if held < length:  # only the ends are held: the first or the last `size` frames
                    head = begin < self.size
                    low, high = (0, self.size) if head else (self.size, held)
                    moved = 0 if head else held - length
                ranges.append([start + begin + moved, start + end + moved, start + low, start + high])
                owner.append(s)
            start += held
        return np.array(ranges, dtype=np.int64).reshape(-1, 4), np.array(owner, dtype=np.int64)
