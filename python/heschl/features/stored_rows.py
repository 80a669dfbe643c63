"""What a feature set is on disk: its description, its index with checksums, and its rows, verified as they are read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.files import digest, replacing
from heschl.notices import warn
from heschl.timing.grid import FrameGrid

CHECKSUM_BYTES = 8
READ_BYTES = 1 << 24
"""Of one layer, read at a time where stimuli lie one behind the other."""

Rows = Literal["frame", "word", "phone"]
Dtype = Literal["float32", "float16"]


@dataclass(frozen=True)
class Description:
    """What a feature set says of itself.

    Attributes
    ----------
    name : str
        For people: the space's name in the study that made the set first.
    rows : {"frame", "word", "phone"}
        What a row is.
    layers : tuple of str
        Names of the layers.
    width : int
        Features per layer.
    grid : FrameGrid or None
        The times of the frames; None where rows are words or phones.
    settings : mapping
        Every choice that was made, in plain values: model, context, pooling …
    note : str
        What a reader of results should know, such as words without a vector; or nothing.
    left_out : tuple of str
        Words that have no row.
    dtype : {"float32", "float16"}
        Of the numbers on disk.

    Examples
    --------
    >>> from heschl.features import Description
    >>> Description("glove", "word", ("0",), 300, None, {"file": "glove.txt"}).dtype
    'float32'
    """

    name: str
    rows: Rows
    layers: tuple[str, ...]
    width: int
    grid: FrameGrid | None
    settings: Mapping[str, Any]
    note: str = ""
    left_out: tuple[str, ...] = ()
    dtype: Dtype = "float32"


Entry = tuple[int, int, list[str]]
"""Of a stimulus: its first row, how many rows, and the checksum of them in each layer."""


class DamagedSet(InputError):
    """A folder in a feature store that is not, or is no longer, a feature set."""


class DamagedFeatures(InputError):
    """Stored features that are not those that were added; they no longer count, and are made again.

    Parameters
    ----------
    path : Path
        Where they are stored.
    stimuli : sequence of str
        The hashes of the stimuli, kept as an attribute.
    found : str
        What is wrong with them, for the message.

    Examples
    --------
    >>> from pathlib import Path
    >>> from heschl.features import DamagedFeatures
    >>> DamagedFeatures(Path("0af3.zarr"), ["9c1e"], "damaged rows in layer 0").stimuli
    ('9c1e',)
    """

    def __init__(self, path: Path, stimuli: Sequence[str], found: str) -> None:
        super().__init__(
            str(path), f"{found} of {len(stimuli)} stimuli, {stimuli[0]} first", "the features that were stored",
            "They are set aside and no longer count: run again, and they are made again.",
        )  # fmt: skip
        self.stimuli = tuple(stimuli)


def checksum(rows: NDArray[Any]) -> str:
    """Return the checksum of rows as they are stored."""
    return hashlib.blake2b(np.ascontiguousarray(rows).data, digest_size=CHECKSUM_BYTES).hexdigest()


class StoredRows:
    """The rows of one layer on disk, a stretch of them read ahead at a time."""

    def __init__(self, path: Path, about: Description) -> None:
        self._path, self._about = path, about
        self._array: Any = None
        self._first, self._block = 0, np.zeros((0, about.width), dtype=about.dtype)

    def read(self, first: int, n: int) -> NDArray[Any] | None:
        """Return rows [first, first + n) as stored; None where they cannot be read."""
        if min(first, n) < 0:
            return None
        if not (self._first <= first and first + n <= self._first + len(self._block)):
            ahead = max(n, READ_BYTES // max(1, self._about.width * self._block.itemsize))
            block = self._load(first, first + ahead)
            if block is None:
                block = self._load(first, first + n)  # what lies behind it may be what is damaged
            if block is None or len(block) < n:
                return None
            self._first, self._block = first, block
        return self._block[first - self._first : first - self._first + n]

    def _load(self, first: int, last: int) -> NDArray[Any] | None:
        import zarr

        try:
            if self._array is None:
                self._array = zarr.open_array(self._path, mode="r")
            block = np.asarray(self._array[first : min(last, self._array.shape[0])])
        except Exception:  # zarr raises many types of what is damaged; each means: not there
            return None
        return block if block.shape[1:] == (self._about.width,) and block.dtype == self._about.dtype else None


def read_index(folder: Path) -> dict[str, Entry]:
    """Return the entry of each finished stimulus, by its hash; none, with a warning, of an index that is damaged."""
    path = folder / "index.json"
    if not path.exists():
        return {}
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        if held["sum"] != digest(held["stimuli"]):
            raise ValueError
        return {key: (int(first), int(n), list(sums)) for key, (first, n, sums) in held["stimuli"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        warn(f"{path} is damaged: the features of this set are made again")
        return {}


def write_index(folder: Path, entries: Mapping[str, Entry]) -> None:
    """Replace the index as a whole."""
    stimuli = {key: list(entry) for key, entry in entries.items()}
    with replacing(folder / "index.json") as temporary:
        temporary.write_text(json.dumps({"sum": digest(stimuli), "stimuli": stimuli}), encoding="utf-8")
