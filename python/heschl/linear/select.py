"""Moments of some features, lags or targets out of those of all: what a direct pass over the data would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heschl.checks import InputError, check_lags
from heschl.linear.design.frames import Frames
from heschl.linear.design.rows import row_ranges
from heschl.linear.device.arrays import Bounds, Float
from heschl.linear.device.place import backend_of
from heschl.linear.gather import ADDED, EDGES, joined_edges, row_sums
from heschl.linear.shift import Shift

if TYPE_CHECKING:
    from heschl.linear.moments import LaggedMoments


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
        """Of the segments of all parts, in their order."""
        return cls(
            np.concatenate([part.X for part in parts]),
            np.concatenate([part.y for part in parts]),
            np.concatenate([part.lengths for part in parts]),
            parts[0].size,
        )

    def of_segments(self, kept: NDArray[np.bool_]) -> Margins:
        """Of some of the segments."""
        rows = np.repeat(kept, np.minimum(self.lengths, 2 * self.size))
        return Margins(self.X[rows], self.y[rows], self.lengths[kept], self.size)

    def new_rows(self, old: range, new: range) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ranges (r, 4) within X of the rows that `new` keeps and `old` dropped, and their segments (r,)."""
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


def selected(
    moments: LaggedMoments,
    features: ArrayLike | slice | None,
    lags: Sequence[int] | None,
    targets: ArrayLike | slice | None,
) -> LaggedMoments:
    """See `LaggedMoments.select`."""
    out = moments
    if lags is not None:
        chosen = check_lags(lags, None, None, None)
        if chosen[0] < out.lags[0] or chosen[-1] > out.lags[-1]:
            raise InputError("lags", f"{chosen}", f"lags among {out.lags}")
        out = _select_lags(out, chosen)
    d, c = out.first_column.shape[1], out.cross.shape[1]
    if features is not None:
        f, b = _columns("features", features, d), backend_of(out.first_column)
        rows = (np.arange(len(out.lags))[:, None] * d + f).reshape(-1)
        out = replace(
            out,
            shift=Shift(out.shift.features[f], out.shift.targets),
            first_column=b.block(out.first_column, rows, f),
            leaving=b.columns(out.leaving, rows),
            entering=b.columns(out.entering, rows),
            pair_sums=np.ascontiguousarray(out.pair_sums[:, f]),
            cross=b.block(out.cross, rows, np.arange(c)),
            feature_sums=np.ascontiguousarray(out.feature_sums[:, f]),
            extremes=np.ascontiguousarray(out.extremes[:, :, f]),
            margins=None if out.margins is None else replace(out.margins, X=np.ascontiguousarray(out.margins.X[:, f])),
        )
    if targets is not None:
        t = _columns("targets", targets, c)
        out = replace(
            out,
            shift=Shift(out.shift.features, out.shift.targets[t]),
            cross=np.ascontiguousarray(out.cross[:, t]),
            target_sums=np.ascontiguousarray(out.target_sums[:, t]),
            totals=np.ascontiguousarray(out.totals[:, t]),
            margins=None if out.margins is None else replace(out.margins, y=np.ascontiguousarray(out.margins.y[:, t])),
        )
    return out


def _select_lags(moments: LaggedMoments, lags: range) -> LaggedMoments:
    d, w = moments.first_column.shape[1], len(moments.lags)
    start, count = lags[0] - moments.lags[0], len(lags)
    column = moments.first_column[: count * d].copy()
    for k in range(start):  # down the diagonals, from block column 0 to the first lag chosen
        for edges, sign in ((moments.leaving, -1), (moments.entering, 1)):
            column += sign * (edges[:, k * d : (k + count) * d].T @ edges[:, k * d : (k + 1) * d])
    pairs = (np.arange(start, start + count)[:, None] * w + np.arange(start, start + count)).reshape(-1)
    rows = slice(start * d, (start + count) * d)
    out = replace(
        moments,
        lags=lags,
        first_column=column,
        leaving=np.ascontiguousarray(moments.leaving[:, rows]),
        entering=np.ascontiguousarray(moments.entering[:, rows]),
        pair_sums=moments.pair_sums[pairs],
        pair_counts=moments.pair_counts[pairs],
        cross=moments.cross[rows],
        target_sums=moments.target_sums[start : start + count],
    )
    if moments.margins is None:
        if moments.boundary == "drop" and lags != moments.lags:
            raise InputError("lags", "moments of masked responses", 'all lags, or boundary="zero"')
        return out
    margins = moments.margins
    ranges, owner = margins.new_rows(moments.lags, lags)
    if len(ranges) == 0:
        return out
    more = row_sums(Frames.of(margins.X), margins.y, ranges, owner, lags, out.shift)
    counts = [len(out.owner), len(owner)]
    changed: dict[str, Any] = {name: getattr(out, name) + more[name] for name in ADDED}
    changed |= {name: joined_edges([getattr(out, name), more[name]], counts) for name in EDGES}
    return replace(
        out,
        owner=np.concatenate([out.owner, owner]),
        room=np.concatenate([out.room, more["room"]]),
        **changed,
    )


def _columns(name: str, chosen: ArrayLike | slice, count: int) -> NDArray[np.int64]:
    index = np.arange(count)
    try:
        found = np.atleast_1d(index[chosen if isinstance(chosen, slice) else np.asarray(chosen)])
    except IndexError:
        raise InputError(name, repr(chosen), f"column numbers from 0 to {count - 1}") from None
    if found.size == 0 or np.unique(found).size != found.size:
        raise InputError(name, repr(chosen), "at least one column, none of them twice")
    return found
