"""Rows of the lagged design: which frames of a segment have one, and how far their history may reach."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from heschl.linear.device.arrays import Bounds, Ranges

BOUNDARIES = ("zero", "drop", "cross")


def row_ranges(
    bounds: Bounds,
    lags: range,
    boundary: str,
    n: int,
    keep: NDArray[np.bool_] | None = None,
    segments: Bounds | None = None,
) -> tuple[Ranges, NDArray[np.int64]]:
    """Find the rows of the design in some segments, and the segment that each range belongs to.

    Parameters
    ----------
    bounds : ndarray of shape (s, 2)
        Segments, or blocks of frames of segments.
    lags : range
    boundary : {"zero", "drop", "cross"}
        "zero": every frame has a row, frames outside its segment count 0. "drop": only frames whose lags all lie in
        the segment. "cross": segments are joined, lags reach into their neighbours (as in code that delays before it
        cuts: the last words of one sentence then help to predict the next).
    n : int
        Frames in all.
    keep : ndarray of shape (n,), optional
        Frames whose response is known; others have no row, but stay in the history of those that have.
    segments : ndarray of shape (S, 2), optional
        Where `bounds` are blocks: the segments they are cut from, in which their lags may look.

    Returns
    -------
    ranges : ndarray of shape (r, 4)
        None of them empty.
    owner : ndarray of shape (r,)
    """
    begin, end = bounds[:, 0], bounds[:, 1]
    low, high = begin, end
    if segments is not None:
        low, high = segments[np.searchsorted(segments[:, 0], begin, side="right") - 1].T
    if boundary == "cross":
        low, high = np.zeros_like(begin), np.full_like(end, n)
    elif boundary == "drop":
        begin, end = np.maximum(begin, low + max(lags[-1], 0)), np.minimum(end, high + min(lags[0], 0))
    owner = np.flatnonzero(begin < end)
    ranges = np.stack([begin, end, low, high], axis=1)[owner]
    if keep is None:
        return np.ascontiguousarray(ranges), owner
    pieces, owners = [], []
    for (first, last, lowest, highest), s in zip(ranges, owner, strict=True):
        inside = np.concatenate([[False], keep[first:last], [False]])
        edges = first + np.flatnonzero(inside[1:] != inside[:-1])
        pieces += [(a, b, lowest, highest) for a, b in edges.reshape(-1, 2)]
        owners += [s] * (len(edges) // 2)
    return np.array(pieces, dtype=np.int64).reshape(-1, 4), np.array(owners, dtype=np.int64)


def split_rows(ranges: Ranges, n_parts: int) -> list[slice]:
    """Split ranges into at most `n_parts` consecutive groups of about equally many rows."""
    ends = np.cumsum(ranges[:, 1] - ranges[:, 0])
    if len(ends) == 0:
        return [slice(0, 0)]
    cuts = np.searchsorted(ends, ends[-1] * np.arange(1, n_parts) / n_parts) + 1
    edges = np.unique(np.concatenate([[0], cuts, [len(ranges)]]))
    return [slice(int(a), int(b)) for a, b in itertools.pairwise(edges)]


def cut_rows(ranges: Ranges, n_parts: int) -> list[Ranges]:
    """Cut rows into `n_parts` pieces of about equally many, within ranges where need be; none is empty."""
    starts = np.concatenate([[0], np.cumsum(ranges[:, 1] - ranges[:, 0])])
    edges = np.unique(np.linspace(0, starts[-1], n_parts + 1).astype(np.int64))
    out = []
    for first, last in itertools.pairwise(edges.tolist()):
        some = np.flatnonzero((starts[1:] > first) & (starts[:-1] < last))
        piece = ranges[some].copy()
        piece[:, 0] += np.maximum(first - starts[some], 0)
        piece[:, 1] -= np.maximum(starts[some + 1] - last, 0)
        out.append(piece)
    return out


def row_numbers(ranges: Ranges) -> NDArray[np.int64]:
    """List the frames of some ranges (or bounds), in order."""
    return np.concatenate([np.arange(begin, end) for begin, end in ranges[:, :2]] or [np.empty(0, np.int64)])


def whole(bounds: Bounds) -> Ranges:
    """Return the ranges of all frames of some segments."""
    return np.ascontiguousarray(np.concatenate([bounds, bounds], axis=1))
