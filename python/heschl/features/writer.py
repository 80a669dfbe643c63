"""Adding stimuli to a feature set: rows first, then, once they are on the disk, the index that makes them count."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.features.stored_rows import CHECKSUM_BYTES, Description, Entry, read_index, write_index
from heschl.files import sync_one, writing_to

FLUSH_BYTES, FLUSH_SECONDS = 1 << 28, 30.0
"""What waits in memory is written when it is so much, or so old; a killed process loses no more."""


class Writer:
    """Adds stimuli to a feature set; see `FeatureSet.writing`."""

    def __init__(self, path: Path, about: Description) -> None:
        import zarr

        self._path, self._about, self._index = path, about, read_index(path)
        self._arrays: list[Any] = [zarr.open_array(path / str(i), mode="r+") for i in range(len(about.layers))]
        self._n_rows = self._after(max((first + n for first, n, _ in self._index.values()), default=0))
        self._synced = self._n_rows
        self._waiting: list[NDArray[Any]] = []
        self._finished: dict[str, Entry] = {}
        self._flushed = time.monotonic()

    def _after(self, n_rows: int) -> int:
        """Return the row to go on with: beyond a last chunk that cannot be read, which zarr would read to add to it."""
        chunk = int(self._arrays[0].chunks[0])
        if n_rows % chunk == 0:
            return n_rows
        try:
            for array in self._arrays:
                array[n_rows - 1 : n_rows]
        except Exception:  # as in reading
            return -(-n_rows // chunk) * chunk
        return n_rows

    def missing(self, stimuli: Sequence[str]) -> list[str]:
        """Return those of some stimuli that the set does not hold yet, each once."""
        return [key for key in dict.fromkeys(stimuli) if key not in self._index and key not in self._finished]

    def add(self, stimulus: str, blocks: Iterable[NDArray[np.floating[Any]]]) -> None:
        """Add the rows of one stimulus, block after block of (n_layers, n_rows, width).

        It counts when the last block is there: whatever `blocks` raises, the set is as before.

        Raises
        ------
        InputError
            For another number of layers or features, values that are not finite, or too large for float16; for a full
            disk.
        """
        written, waiting = self._n_rows, len(self._waiting)
        first = last = written + sum(block.shape[1] for block in self._waiting)
        sums = [hashlib.blake2b(digest_size=CHECKSUM_BYTES) for _ in self._arrays]
        try:
            for values in blocks:
                stored = self._checked(values)
                for total, rows in zip(sums, stored, strict=True):
                    total.update(np.ascontiguousarray(rows).data)
                self._waiting.append(stored)
                last += values.shape[1]
                if sum(block.nbytes for block in self._waiting) >= FLUSH_BYTES:
                    self._write()
        except BaseException:
            # What was written of it meanwhile took along all that waited before it.
            del self._waiting[waiting if self._n_rows == written else 0 :]
            self._n_rows = min(self._n_rows, first)
            raise
        self._finished[stimulus] = first, last - first, [total.hexdigest() for total in sums]
        if not self._waiting or time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def _checked(self, values: NDArray[np.floating[Any]]) -> NDArray[Any]:
        """Return a block as it is stored."""
        about = self._about
        if values.ndim != 3 or (values.shape[0], values.shape[2]) != (len(about.layers), about.width):
            raise InputError(
                f"features of {about.name!r}", f"shape {values.shape}",
                f"({len(about.layers)} layers, rows, {about.width} features)",
            )  # fmt: skip
        if not np.isfinite(values).all():
            raise InputError(
                f"features of {about.name!r}", "NaN or infinite values", "finite ones", "Is the model whole?"
            )
        with np.errstate(over="ignore"):
            stored = values.astype(about.dtype)
        if not np.isfinite(stored).all():
            raise InputError(
                f"features of {about.name!r}", f"values up to {np.abs(values).max():.4g}",
                "at most 65504 in float16", "Store them as float32.",
            )  # fmt: skip
        return stored

    def flush(self) -> None:
        """Write what waits: first the rows, then the index that makes them count."""
        self._write()
        if self._finished:
            self._sync()
            write_index(self._path, self._index | self._finished)
            self._index |= self._finished
            self._finished = {}
        self._flushed = time.monotonic()

    def _write(self) -> None:
        """Write the rows that wait; they do not count yet."""
        if not self._waiting:
            return
        block = np.concatenate(self._waiting, axis=1)
        end = self._n_rows + block.shape[1]
        with writing_to(self._path):
            for array, rows in zip(self._arrays, block, strict=True):
                if array.shape[0] < end:
                    array.resize((end, array.shape[1]))
                array[self._n_rows : end] = rows
        self._n_rows, self._waiting = end, []

    def _sync(self) -> None:
        """Bring the rows onto the disk, before the index says that they are there."""
        chunk = int(self._arrays[0].chunks[0])
        for i in range(len(self._arrays)):
            folder = self._path / str(i)
            files = [folder / "c" / str(at) / "0" for at in range(self._synced // chunk, -(-self._n_rows // chunk))]
            for path in (*files, folder / "zarr.json", folder / "c"):
                if path.exists():
                    sync_one(path)
        self._synced = self._n_rows
