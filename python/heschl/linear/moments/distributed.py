"""Moments of dask arrays and of delayed recordings: a task for each part of the data, added up in a tree.

No task holds more than a part of the data (`heschl.linear.design.chunks.CHUNK_BYTES`, or a chunk of the array) and the
moments of a few parts, and what comes back is the sum alone. A segment longer than a part is cut: each block of it is
read with the frames that its lags look at on either side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from heschl.checks import InputError, check_design_size, check_matrix, check_same_length
from heschl.linear.design.chunks import CHUNK_BYTES, fingerprints
from heschl.linear.design.entrance import check_fit
from heschl.linear.design.frames import Frames
from heschl.linear.device.arrays import Bounds, Float
from heschl.linear.moments.shift import Shift
from heschl.linear.moments.sums import LaggedSums

Sums = TypeVar("Sums", bound=LaggedSums)
BRANCHES = 4
"""Sums that one task of the tree adds up."""


def is_dask(value: Any) -> bool:
    """Return whether this is a dask array, without importing Dask."""
    return type(value).__module__.startswith("dask.") and hasattr(value, "dask")


def is_delayed(value: Any) -> bool:
    """Return whether this is a list of recordings that are delayed, or dask arrays."""
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(map(is_dask, value))


@dataclass(frozen=True)
class Part:
    """Rows of the data that one task reads.

    Attributes
    ----------
    first, last : int
        Frames that are read: the rows, and what their lags look at.
    bounds : ndarray of shape (b, 2)
        Of the blocks of segments whose rows count, from `first`.
    segments : ndarray of shape (b, 2) or None
        The segment of each, as far as it is read; None where the blocks are whole segments.
    names : ndarray of shape (b,) or None
    """

    first: int
    last: int
    bounds: Bounds
    segments: Bounds | None
    names: NDArray[Any] | None


def parts_of(
    bounds: Bounds, lags: range, boundary: str, n: int, most: int, *, segments: Bounds | None = None,
    names: NDArray[Any] | None = None,
) -> list[Part]:  # fmt: skip
    """Cut the data into what one task each reads.

    Parameters
    ----------
    bounds : ndarray of shape (b, 2)
        Segments, or blocks of `segments`, in the order of time.
    lags : range
    boundary : {"zero", "drop", "cross"}
    n : int
        Frames in all.
    most : int
        Rows of one part: short blocks go together, long ones are cut.
    segments : ndarray of shape (s, 2), optional
    names : ndarray of shape (b,), optional
        What `-` knows blocks by.
    """
    within = bounds if segments is None else segments[np.searchsorted(segments[:, 0], bounds[:, 0], side="right") - 1]
    pieces = [
        (start, min(start + most, int(end)), at)
        for at, (begin, end) in enumerate(bounds)
        for start in range(int(begin), int(end), most)
    ]
    groups: list[list[tuple[int, int, int]]] = []
    for piece in pieces:
        if not groups or piece[0] != groups[-1][-1][1] or piece[1] - groups[-1][0][0] > most:
            groups.append([])
        groups[-1].append(piece)
    back, ahead = max(0, lags[-1]), max(0, -lags[0])
    out = []
    for group in groups:
        rows, of = np.array([piece[:2] for piece in group], dtype=np.int64), [at for _, _, at in group]
        low, high = (0, n) if boundary == "cross" else (int(within[of[0], 0]), int(within[of[-1], 1]))
        first, last = max(low, group[0][0] - back), min(high, group[-1][1] + ahead)
        cut = boundary != "cross" and bool((within[of] != rows).any())
        out.append(
            Part(
                first, last, rows - first, np.clip(within[of], first, last) - first if cut else None,
                None if names is None else names[of],
            )
        )  # fmt: skip
    return out


def n_rows_of(X: Any, argument: str = "X") -> int:
    """Return the frames of a dask array, and refuse one whose shape is not known, or not that of a matrix.

    Raises
    ------
    InputError
    """
    if len(X.shape) != 2 or any(np.isnan(size) for size in X.shape):
        raise InputError(
            argument, f"a dask array of shape {X.shape}", "(n_frames, n_features), both known",
            "`X.compute_chunk_sizes()` finds sizes out.",
        )  # fmt: skip
    return int(X.shape[0])


def rows_at_a_time(X: Any, *others: Any) -> int:
    """Return the rows that one task reads: a chunk of the array, or so many as take `CHUNK_BYTES`."""
    row_bytes = sum(int(np.prod(a.shape[1:])) * a.dtype.itemsize for a in (X, *others) if a is not None)
    return int(max(1, *X.chunks[0], CHUNK_BYTES // max(1, row_bytes)))


def moments_of_dask(
    cls: type[Sums], X: Any, y: Any, lags: Any, segments: Any, boundary: str, ids: Any, dtype: DTypeLike | None
) -> Sums:
    """Gather the moments of a dask array, wherever its chunks are; see `LaggedMoments.from_data`."""
    n = n_rows_of(X)
    given = check_fit(n_frames=n, lags=lags, segments=segments, boundary=boundary)
    names = None if ids is None else np.asarray(ids)
    parts = parts_of(given.bounds, given.lags, boundary, n, rows_at_a_time(X, y), names=names)
    found: Sums = added(cls, delayed_sums(cls, X, y, given.lags, boundary, parts, dtype)).compute()
    return found


def moments_of_recordings(
    cls: type[Sums], X: Sequence[Any], y: Any, lags: Any, segments: Any, boundary: str, dtype: DTypeLike | None
) -> Sums:
    """Gather the moments of recordings that are delayed, a task each; see `LaggedMoments.from_data`."""
    import dask

    window = check_fit(n_frames=1, lags=lags, boundary=boundary).lags
    lists = [[None] * len(X) if given is None else list(given) for given in (y, segments)]
    for name, given in zip(("y", "segments"), lists, strict=True):
        if len(given) != len(X):
            raise InputError(name, f"{len(given)} entries", f"{len(X)}, one for each recording of X")
    load, sums, near, cut = (dask.delayed(f, pure=False) for f in (_loaded, _sums, _near_mean, _whole_recording))
    data = [load(features, responses, dtype) for features, responses in zip(X, lists[0], strict=True)]
    shift = near(data[0])
    parts = [cut(each, own, window, boundary) for each, own in zip(data, lists[1], strict=True)]
    found: Sums = added(
        cls, [sums(cls, each, part, window, boundary, shift) for each, part in zip(data, parts, strict=True)]
    ).compute()
    return found


def delayed_sums(
    cls: type[Sums], X: Any, y: Any, window: range, boundary: str, parts: Sequence[Part], dtype: DTypeLike | None,
    shift: Any = None,
) -> list[Any]:  # fmt: skip
    """Return the moments of each part, delayed; all about one shift, by default one near the mean of the first."""
    import dask

    load, sums, near = (dask.delayed(function, pure=False) for function in (_loaded, _sums, _near_mean))
    data = [load(X[part.first : part.last], None if y is None else y[part.first : part.last], dtype) for part in parts]
    shift = near(data[0]) if shift is None else shift
    return [sums(cls, each, part, window, boundary, shift) for each, part in zip(data, parts, strict=True)]


def shift_of(X: Any, y: Any, part: Part, dtype: DTypeLike | None) -> Any:
    """Return the shift of one part, delayed."""
    import dask

    load, near = (dask.delayed(function, pure=False) for function in (_loaded, _near_mean))
    return near(load(X[part.first : part.last], None if y is None else y[part.first : part.last], dtype))


def added(cls: type[Sums], values: Sequence[Any]) -> Any:
    """Add delayed moments up in a tree: no task holds more than a few of them."""
    import dask

    total = dask.delayed(cls.total, pure=False)
    values = list(values)
    while len(values) > 1:
        values = [total(values[at : at + BRANCHES]) for at in range(0, len(values), BRANCHES)]
    return values[0]


Data = tuple[Frames, Float]


def _loaded(X: Any, y: Any, dtype: DTypeLike | None) -> Data:
    """Check the features and responses of a part, which are here now."""
    H = Frames.of(X, dtype)
    Y = np.empty((len(H), 0), H.dtype) if y is None else check_matrix("y", np.asarray(y).reshape(len(y), -1), H.dtype)
    check_same_length("y", len(Y), len(H), "X")
    return H, Y


def _near_mean(data: Data) -> Shift:
    return Shift.near_mean(*data)


def _sums(cls: Any, data: Data, part: Part, window: range, boundary: str, shift: Shift) -> Any:
    H, Y = data
    check_design_size(len(window), H.shape[1])
    names = fingerprints(H, Y, part.bounds) if part.names is None else part.names
    return cls.of_rows(H, Y, part.bounds, window, boundary, shift, segments=part.segments, ids=names)


def _whole_recording(data: Data, segments: Any, window: range, boundary: str) -> Part:
    n = len(data[0])
    return Part(0, n, check_fit(n_frames=n, lags=window, segments=segments, boundary=boundary).bounds, None, None)
