"""The feature store: features on disk, one zarr array per layer, found again by the content of what they come from.

A store is a folder of *feature sets*, one for each (model, settings), named by the hash of both. A set is a zarr group
with an array (n_rows, width) for each layer, in which each stimulus has its rows: frames of the model's own grid, or
words. A stimulus is known by the hash of its sound or text, so that another study, or the same with more stimuli, pays
for what is new alone. Rows are appended; ``index.json``, replaced as a whole after them, says which are finished, and
what lies beyond is overwritten. So a set may be read while it grows, and whenever a process is killed, it is right.
"""

from __future__ import annotations

import datetime
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.files import only_writer, replacing
from heschl.timing.grid import FrameGrid

FORMAT = "heschl features 1"
CHUNK_BYTES = 1 << 20
"""Of one layer in one file on disk."""
FLUSH_BYTES, FLUSH_SECONDS = 1 << 28, 30.0
"""What waits in memory is written when it is so much, or so old; a killed process loses no more."""

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


class FeatureSet:
    """The features of one model and its settings; see `FeatureStore`.

    Parameters
    ----------
    path : Path
        The set's folder, which exists.

    Attributes
    ----------
    description : Description
        Layers, width, settings.
    key : str
        Hash of the model's content and the settings.
    created : str
        When the set was begun, ISO 8601, UTC.

    Raises
    ------
    InputError
        For a folder that is no feature set, or of another version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            attributes = json.loads((path / "zarr.json").read_text(encoding="utf-8"))["attributes"]
        except (OSError, ValueError, KeyError):
            raise InputError(str(path), "no feature set", "a folder written by heschl's feature store") from None
        if attributes.get("format") != FORMAT:
            raise InputError(
                str(path), f"the format {attributes.get('format')!r}", FORMAT,
                "It is of another version of heschl; `heschl features prune` deletes it.",
            )  # fmt: skip
        self.key = str(attributes["key"])
        self.created = str(attributes["created"])
        stored = attributes["description"]
        grid = stored["grid"] and FrameGrid(**stored["grid"])
        self.description = Description(
            **stored | {"layers": tuple(stored["layers"]), "left_out": tuple(stored["left_out"]), "grid": grid}
        )

    def index(self) -> dict[str, tuple[int, int]]:
        """Give (first row, rows) of each finished stimulus, by its hash."""
        path = self.path / "index.json"
        return {key: tuple(rows) for key, rows in json.loads(path.read_text()).items()} if path.exists() else {}

    def n_bytes(self) -> int:
        """Give the space that the set takes on disk."""
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())

    def layer(self, layer: int, stimuli: Sequence[str]) -> list[NDArray[np.float32]]:
        """Read one layer of some stimuli.

        Parameters
        ----------
        layer : int
            Its place in ``description.layers``.
        stimuli : sequence of str
            Their hashes; all of them finished.

        Returns
        -------
        list of (n_rows, width) arrays of float32
            One for each of them, in their order.
        """
        import zarr

        index = self.index()
        array: Any = zarr.open_array(self.path / str(layer), mode="r")
        spans = [index[key] for key in stimuli]
        first = min((start for start, _ in spans), default=0)
        last = max((start + n for start, n in spans), default=0)
        block = np.asarray(array[first:last], dtype=np.float32)
        return [block[start - first : start - first + n] for start, n in spans]

    @contextmanager
    def writing(self, wait: Callable[[], object] | None = None) -> Iterator[Writer]:
        """Hold the set to add stimuli to it; another process that does is waited for, after calling `wait`.

        Whatever was added is on disk at the end, also where the end is an error or an interruption.
        """
        with only_writer(self.path, wait or _quietly):
            writer = Writer(self)
            try:
                yield writer
            finally:
                writer.flush()


class Writer:
    """Adds stimuli to a feature set; see `FeatureSet.writing`."""

    def __init__(self, features: FeatureSet) -> None:
        import zarr

        self._set, self._index = features, features.index()
        self._n_rows = max((start + n for start, n in self._index.values()), default=0)
        about = features.description
        self._arrays: list[Any] = [zarr.open_array(features.path / str(i), mode="r+") for i in range(len(about.layers))]
        self._waiting: list[NDArray[Any]] = []
        self._finished: dict[str, tuple[int, int]] = {}
        self._flushed = time.monotonic()

    def missing(self, stimuli: Sequence[str]) -> list[str]:
        """Give those of some stimuli that the set does not hold yet, each once."""
        return [key for key in dict.fromkeys(stimuli) if key not in self._index and key not in self._finished]

    def add(self, stimulus: str, blocks: Iterable[NDArray[np.floating[Any]]]) -> None:
        """Add the rows of one stimulus, block after block of (n_layers, n_rows, width).

        It counts when the last block is there: whatever `blocks` raises, the set is as before.

        Raises
        ------
        InputError
            For another number of layers or features, values that are not finite, or too large for float16.
        """
        written, waiting = self._n_rows, len(self._waiting)
        first = last = written + sum(block.shape[1] for block in self._waiting)
        try:
            for values in blocks:
                self._waiting.append(self._checked(values))
                last += values.shape[1]
                if sum(block.nbytes for block in self._waiting) >= FLUSH_BYTES:
                    self._write()
        except BaseException:
            # What was written of it meanwhile took along all that waited before it.
            del self._waiting[waiting if self._n_rows == written else 0 :]
            self._n_rows = min(self._n_rows, first)
            raise
        self._finished[stimulus] = (first, last - first)
        if not self._waiting or time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def _checked(self, values: NDArray[np.floating[Any]]) -> NDArray[Any]:
        """Give a block as it is stored."""
        about = self._set.description
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
            self._index |= self._finished
            self._finished = {}
            with replacing(self._set.path / "index.json") as temporary:
                temporary.write_text(json.dumps(self._index), encoding="utf-8")
        self._flushed = time.monotonic()

    def _write(self) -> None:
        """Write the rows that wait; they do not count yet."""
        if not self._waiting:
            return
        block = np.concatenate(self._waiting, axis=1)
        end = self._n_rows + block.shape[1]
        for array, rows in zip(self._arrays, block, strict=True):
            if array.shape[0] < end:
                array.resize((end, array.shape[1]))
            array[self._n_rows : end] = rows
        self._n_rows, self._waiting = end, []


class FeatureStore:
    """A folder of feature sets.

    Parameters
    ----------
    folder : str or Path
        Made with the first set.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     about = Description("glove", "word", ("0",), 2, None, {"file": "glove.txt"})
    ...     features = FeatureStore(folder).create("0af3", about)
    ...     with features.writing() as writer:
    ...         writer.add("a-sentence", [np.ones((1, 3, 2))])
    ...     features.layer(0, ["a-sentence"])[0].shape, [found.key for found in FeatureStore(folder).sets()]
    ((3, 2), ['0af3'])
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def find(self, key: str) -> FeatureSet | None:
        """Give the set of a key; None where there is none yet."""
        path = self.folder / f"{key}.zarr"
        return FeatureSet(path) if path.exists() else None

    def create(self, key: str, description: Description) -> FeatureSet:
        """Give the set of a key, which is made where there is none yet."""
        import zarr

        path = self.folder / f"{key}.zarr"
        about, width = description, description.width
        attributes = {
            "format": FORMAT,
            "key": key,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            "description": asdict(about),
        }
        chunks = (max(1, CHUNK_BYTES // (width * np.dtype(about.dtype).itemsize)), width)
        with only_writer(self.folder, wait=_quietly):
            if not path.exists():
                with replacing(path) as temporary:
                    group = zarr.create_group(temporary, attributes=attributes)
                    for i in range(len(about.layers)):
                        group.create_array(
                            str(i), shape=(0, width), chunks=chunks, dtype=about.dtype,
                            compressors=None,  # hidden states hardly compress
                            dimension_names=[about.rows, "feature"],
                        )  # fmt: skip
        return FeatureSet(path)

    def sets(self) -> list[FeatureSet]:
        """Give all sets, oldest first; folders that are none of this version are left out."""
        found = []
        for path in self.folder.glob("[!.]*.zarr"):
            try:
                found.append(FeatureSet(path))
            except InputError:
                continue
        return sorted(found, key=lambda features: (features.created, features.key))

    def remove(self, key: str) -> None:
        """Delete a set; a process that writes to it is waited for."""
        path = self.folder / f"{key}.zarr"
        gone = path.with_name(f".removed-{path.name}")
        with only_writer(path, wait=_quietly):
            path.rename(gone)  # all at once: there is no time at which half a set is there
        shutil.rmtree(gone)


def _quietly() -> None:
    """Wait without a word, for what takes no time."""
