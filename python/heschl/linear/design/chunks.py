"""Data larger than memory, read by chunks of whole segments; and what a segment is known by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear.design.frames import Frames
from heschl.linear.design.spaces import FeatureSpaces, Repeated
from heschl.linear.device.arrays import Bounds, Float

# Input that is not an array in memory is read by so many bytes at a time, cut where a segment ends.
CHUNK_BYTES = 64 << 20


def fingerprints(X: Frames, y: Float, bounds: Bounds) -> NDArray[Any]:
    """Name each segment by its length and a few of its frames."""
    names = []
    for begin, end in bounds:
        some = [begin, (begin + end) // 2, end - 1]
        content = X.rows(some).tobytes() + y[some].tobytes()
        names.append(hashlib.blake2b(content, digest_size=10, salt=str(end - begin).encode()[:16]).hexdigest())
    return np.array(names)


def chunks(X: Any, y: Any, bounds: Bounds, boundary: str) -> Iterator[tuple[tuple[Any, Any], slice]]:
    """Yield data in memory as one chunk, data on disk by chunks of whole segments; and which segments they are."""
    on_disk = [a for a in (X, y) if isinstance(a, np.memmap) or (a is not None and _is_lazy(a))]
    if not on_disk or boundary == "cross":
        everything = [np.asarray(a) if a is not None and _is_lazy(a) else a for a in (X, y)]
        yield (everything[0], everything[1]), slice(0, len(bounds))
        return
    row_bytes = sum(int(np.prod(a.shape[1:])) * a.dtype.itemsize for a in on_disk)
    limit = max(1, CHUNK_BYTES // max(1, row_bytes))
    start = 0
    while start < len(bounds):
        first = bounds[start, 0]
        stop = max(start + 1, int(np.searchsorted(bounds[:, 1], first + limit, side="right")))
        last = bounds[stop - 1, 1]
        yield (np.asarray(X[first:last]), None if y is None else np.asarray(y[first:last])), slice(start, stop)
        start = stop


def _is_lazy(value: Any) -> bool:
    """Return whether an array is read when sliced, such as zarr's or h5py's."""
    known = (np.ndarray, Repeated, FeatureSpaces, Frames)
    sliced = all(hasattr(value, name) for name in ("shape", "dtype", "__getitem__"))
    return sliced and not isinstance(value, known) and not hasattr(value, "__dlpack__")
