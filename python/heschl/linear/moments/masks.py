"""Missing responses: targets that are missing at the same frames are fitted together, on the rows they have.

A masked row leaves the fit of its targets; its features stay in the history of the rows that follow. X'X of a group is
that of all rows less that of the rows it lacks, so that a few missing frames cost a few frames' work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from heschl.linear.design.frames import Frames
from heschl.linear.design.rows import row_ranges
from heschl.linear.device.arrays import Bounds, Float
from heschl.linear.moments.gather import joined_edges, row_sums
from heschl.linear.moments.lagged import LaggedMoments
from heschl.linear.moments.shift import Shift


def mask_groups(y: Float) -> list[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
    """Group targets that are known (not NaN) at the same rows, with those rows (n,)."""
    known = ~np.isnan(y)
    if known.all():
        return [(np.arange(y.shape[1]), known[:, 0])]
    _, first, group = np.unique(np.packbits(known, axis=0), axis=1, return_index=True, return_inverse=True)
    return [(np.flatnonzero(group.reshape(-1) == g), known[:, at]) for g, at in enumerate(first)]


def masked_moments(
    X: Frames,
    y: Float,
    keep: NDArray[np.bool_],
    parts: Sequence[Bounds],
    segments: Bounds | None,
    everything: Sequence[LaggedMoments],
) -> list[LaggedMoments]:
    """Subtract the rows that `keep` (n,) does not mark from the moments of all rows, part by part."""
    first = everything[0]
    lags, boundary, n = first.lags, first.boundary, len(X)
    shift = Shift(first.shift.features, y[keep].mean(axis=0, dtype=np.float64).astype(y.dtype))
    out = []
    for bounds, all_rows in zip(parts, everything, strict=True):
        kept, _ = row_ranges(bounds, lags, boundary, n, keep, segments)
        lacking, owner = row_ranges(bounds, lags, boundary, n, ~keep, segments)
        cross, target_sums, totals = X.targets(y, kept, lags, shift.features, shift.targets)
        less = row_sums(X, y[:, :0], lacking, owner, lags, first.shift)
        counts = [len(all_rows.owner), len(owner)]
        before, inside, after = less["room"].T
        out.append(
            replace(
                all_rows,
                shift=shift,
                n_rows=all_rows.n_rows - less["n_rows"],
                first_column=all_rows.first_column - less["first_column"],
                pair_sums=all_rows.pair_sums - less["pair_sums"],
                pair_counts=all_rows.pair_counts - less["pair_counts"],
                cross=cross,
                target_sums=target_sums,
                totals=totals,
                # What is taken away leaves where it entered and the other way round: a range from its end to its begin.
                leaving=joined_edges([all_rows.leaving, less["entering"]], counts),
                entering=joined_edges([all_rows.entering, less["leaving"]], counts),
                owner=np.concatenate([all_rows.owner, owner]),
                room=np.concatenate([all_rows.room, np.stack([before + inside, -inside, inside + after], axis=1)]),
            )
        )
    return out
