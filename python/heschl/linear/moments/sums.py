"""The sums of lagged moments, and the algebra that joins them, takes segments out, and moves what is subtracted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.linear.device.arrays import Double, Float
from heschl.linear.device.place import backend_of
from heschl.linear.moments.gather import ADDED, EDGES, joined_edges
from heschl.linear.moments.margins import Margins
from heschl.linear.moments.shift import Shift

Sums = TypeVar("Sums", bound="LaggedSums")


@dataclass
class LaggedSums:
    """Sums over the rows of some segments: what each holds is said by `heschl.linear.moments.LaggedMoments`."""

    lags: range
    boundary: str
    shift: Shift
    n_rows: int
    n_frames: int
    first_column: Float
    leaving: Float
    entering: Float
    pair_sums: Double
    pair_counts: Double
    cross: Float
    target_sums: Double
    totals: Double
    feature_sums: Double
    extremes: Float
    ids: NDArray[Any]
    owner: NDArray[np.int64]
    room: NDArray[np.int64]
    margins: Margins | None

    @classmethod
    def total(cls, parts: Sequence[Self]) -> Self:
        """Add up the moments of disjoint sets of segments: the moments of all of them."""
        if len(parts) == 1:
            return parts[0]
        first = parts[0]
        parts = [first, *(part._like(first) for part in parts[1:])]
        out = first._combined(parts, 1)
        starts = np.cumsum([0] + [len(part.ids) for part in parts])
        counts = [len(part.owner) for part in parts]
        for name in EDGES:
            setattr(out, name, joined_edges([getattr(part, name) for part in parts], counts))
        out.owner = np.concatenate([part.owner + start for part, start in zip(parts, starts, strict=False)])
        for name in ("extremes", "ids", "room"):
            setattr(out, name, np.concatenate([getattr(part, name) for part in parts]))
        known = [part.margins for part in parts if part.margins is not None]
        out.margins = Margins.joined(known) if len(known) == len(parts) else None
        return out

    def __add__(self, other: Self) -> Self:
        """Add the moments of other segments of the same lags and boundary."""
        return self.total([self, other])

    def __sub__(self, other: Self) -> Self:
        """Take out the segments of `other`, every one of which must be in these."""
        theirs, kept = other._like(self), np.ones(len(self.ids), dtype=bool)
        places: dict[Any, list[int]] = {}
        for at, name in enumerate(self.ids.tolist()):
            places.setdefault(name, []).append(at)
        for name in theirs.ids.tolist():
            if not places.get(name):
                raise InputError(
                    "moments", f"segment {name!r} to be taken out", "segments that went in",
                    "Name segments by `ids` in from_data, or make both from the same arrays.",
                )  # fmt: skip
            kept[places[name].pop()] = False
        out = self._combined([self, theirs], -1)
        ranges = kept[self.owner]
        for name in EDGES:
            edges = getattr(self, name)
            setattr(out, name, edges[ranges] if len(edges) else edges)
        out.extremes, out.ids = self.extremes[kept], self.ids[kept]
        out.owner, out.room = (np.cumsum(kept) - 1)[self.owner[ranges]], self.room[ranges]
        out.margins = None if self.margins is None else self.margins.of_segments(kept)
        return out

    def _combined(self, parts: Sequence[Self], sign: int) -> Self:
        """Add the plain sums of other parts to the first, or subtract them; edges are left to the caller."""
        out = replace(self)
        for name in (*ADDED, "n_frames", "feature_sums"):
            first, *others = (getattr(part, name) for part in parts)
            count = isinstance(first, int)
            setattr(out, name, first + sign * sum(others) if count else backend_of(first).summed(first, others, sign))
        return out

    def _like(self, other: Self) -> Self:
        """Bring these about the other's shift, once it is clear that both count the same things."""
        mine, theirs = ((m.lags, m.boundary, m.first_column.shape, m.cross.shape) for m in (self, other))
        if mine != theirs:
            raise InputError(
                "moments", f"lags, boundary, shapes {mine}", f"{theirs}", "Moments add up where all of them agree."
            )
        if self.shift.equals(other.shift):
            return self
        return about(self, other.shift)


def about(moments: Sums, shift: Shift) -> Sums:
    """Subtract other constants from the same sums: algebra, exact but for rounding."""
    w, d = len(moments.lags), moments.first_column.shape[1]
    delta = shift.features.astype(np.float64) - moments.shift.features
    epsilon = shift.targets.astype(np.float64) - moments.shift.targets
    dtype, n = moments.first_column.dtype, moments.pair_counts.reshape(w, w)
    u = moments.pair_sums.reshape(w, w, d)
    column = moments.first_column.reshape(w, d, d) - u[:, 0, :, None] * delta - delta[:, None] * u[0, :, None, :]
    column += n[:, 0, None, None] * np.outer(delta, delta)
    sums, count = u[np.arange(w), np.arange(w)], n.diagonal()
    cross = moments.cross.reshape(w, d, -1) - sums[:, :, None] * epsilon - delta[:, None] * moments.target_sums[:, None]
    cross += count[:, None, None] * np.outer(delta, epsilon)
    before, inside, after = moments.room.T[:, :, None]
    lags = np.asarray(moments.lags)

    def moved(edges: Float, seen: NDArray[np.bool_]) -> Float:
        if len(edges) == 0:
            return edges
        return (edges.reshape(-1, w, d) - seen[:, :, None] * delta).astype(dtype).reshape(-1, w * d)

    return replace(
        moments,
        shift=shift,
        first_column=column.reshape(w * d, d).astype(dtype),
        leaving=moved(moments.leaving, (lags < before + inside) & (lags >= -after)),
        entering=moved(moments.entering, (lags < before) & (lags >= -after - inside)),
        pair_sums=moments.pair_sums - moments.pair_counts[:, None] * delta,
        cross=cross.reshape(w * d, -1).astype(dtype),
        target_sums=moments.target_sums - count[:, None] * epsilon,
        totals=_moved_sums(moments.totals, moments.n_rows, epsilon),
        feature_sums=_moved_sums(moments.feature_sums, moments.n_frames, delta),
    )


def _moved_sums(sums: Double, n: int, by: Double) -> Double:
    return np.stack([sums[0] - n * by, sums[1] - 2 * by * sums[0] + n * by**2])
