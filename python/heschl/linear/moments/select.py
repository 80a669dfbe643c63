"""Moments of some features, lags or targets out of those of all: what a direct pass over the data would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heschl.checks import InputError, check_lags
from heschl.linear.design.frames import Frames
from heschl.linear.device.place import backend_of
from heschl.linear.moments.gather import ADDED, EDGES, joined_edges, row_sums
from heschl.linear.moments.shift import Shift
from heschl.linear.moments.sums import Sums


def selected(
    moments: Sums,
    features: ArrayLike | slice | None,
    lags: Sequence[int] | None,
    targets: ArrayLike | slice | None,
) -> Sums:
    """Select moments; see `LaggedMoments.select`."""
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


def _select_lags(moments: Sums, lags: range) -> Sums:
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
