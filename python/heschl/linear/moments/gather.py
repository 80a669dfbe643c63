"""One pass over some rows of the design: the sums that moments are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear.design.frames import Frames
from heschl.linear.design.rows import split_rows
from heschl.linear.device.arrays import Array, Float, Ranges
from heschl.linear.device.place import backend_of
from heschl.linear.device.threads import map_threads, one_blas_thread, worth_threads
from heschl.linear.moments.shift import Shift

# Of these, moments of disjoint rows are added; edges are one row for each range.
ADDED = ("n_rows", "first_column", "pair_sums", "pair_counts", "cross", "target_sums", "totals")
EDGES = ("leaving", "entering")
# Sums that threads make apart from each other may take so much memory in all; where they would take more, BLAS shares
# its products among threads instead.
OWN_BYTES = 256 << 20


def row_sums(
    X: Frames, y: Float, ranges: Ranges, owner: NDArray[np.int64], lags: range, shift: Shift
) -> dict[str, Any]:
    """Sum the fields of `LaggedMoments` that count rows, over some ranges (r, 4) of checked data.

    Each thread sums rows of its own into memory of its own, by BLAS calls of one thread: they never wait for each
    other, which two-thread calls this small do, and for other processes too. By frequency, threads of the kernel share
    the frequencies, so that each has as many rows to multiply as there are.
    """
    if X.by_frequency(ranges, lags):
        with one_blas_thread():
            return _row_sums(X, y, ranges, owner, lags, shift)
    n_bytes = len(lags) * X.shape[1] * (X.shape[1] + y.shape[1]) * y.dtype.itemsize
    operations = 2.0 * float((ranges[:, 1] - ranges[:, 0]).sum()) * (n_bytes // y.dtype.itemsize)
    workers = max(1, min(worth_threads(operations), OWN_BYTES // max(1, n_bytes))) if X.backend.kind.host_threads else 1
    groups = split_rows(ranges, workers)

    def sums(group: slice, _: None) -> dict[str, Any]:
        return _row_sums(X, y, ranges[group], owner[group], lags, shift)

    parts = list(map_threads(sums, groups, lambda: None, small=True))
    if len(parts) == 1:
        return parts[0]
    counts = [len(part["owner"]) for part in parts]
    out = {name: sum(part[name] for part in parts[1:]) + parts[0][name] for name in ADDED}
    out |= {name: joined_edges([part[name] for part in parts], counts) for name in EDGES}
    return out | {name: np.concatenate([part[name] for part in parts]) for name in ("owner", "room")}


def _row_sums(
    X: Frames, y: Float, ranges: Ranges, owner: NDArray[np.int64], lags: range, shift: Shift
) -> dict[str, Any]:
    p = len(lags) * X.shape[1]
    begin, end, low, high = ranges.T
    # Edges that no lag but the last can see are 0, and the last never enters the recursion.
    leaves = len(lags) > 1 and bool(((end < high) | (lags[-1] > 0)).any())
    enters = len(lags) > 1 and bool(((begin > low) | (lags[0] < 0)).any())
    leaving = X.backend.empty((len(ranges) * leaves, p), X.dtype)
    entering = X.backend.empty((len(ranges) * enters, p), X.dtype)
    column, pair_sums, pair_counts = X.moments(ranges, lags, shift.features, leaving, entering)
    cross, target_sums, totals = X.targets(y, ranges, lags, shift.features, shift.targets)
    return {
        "n_rows": int((end - begin).sum()),
        "first_column": column,
        "leaving": leaving,
        "entering": entering,
        "pair_sums": pair_sums,
        "pair_counts": pair_counts,
        "cross": cross,
        "target_sums": target_sums,
        "totals": totals,
        "owner": owner,
        "room": np.stack([begin - low, end - begin, high - end], axis=1),
    }


def joined_edges(edges: list[Array], counts: list[int]) -> Array:
    """Join the edge rows of several sets of ranges; a set without any gets zeros where others have some."""
    if not any(len(rows) for rows in edges):
        return edges[0]
    width, dtype, b = edges[0].shape[1], edges[0].dtype, backend_of(edges[0])
    filled = [rows if len(rows) else b.zeros((count, width), dtype) for rows, count in zip(edges, counts, strict=True)]
    return b.below(filled)
