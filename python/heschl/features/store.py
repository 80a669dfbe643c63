"""The feature store: features on disk, one zarr array per layer, found again by the content of what they come from.

A store is a folder of *feature sets*, one for each (model, settings), named by the hash of both. A set is a zarr group
with an array (n_rows, width) for each layer, in which each stimulus has its rows: frames of the model's own grid, or
words. A stimulus is known by the hash of its sound or text, so that another study, or the same with more stimuli, pays
for what is new alone. Rows are appended; ``index.json``, replaced as a whole after them, says which are finished, and
what lies beyond is overwritten. So a set may be read while it grows, and whenever a process is killed, it is right.

The index holds a checksum of each stimulus' rows in each layer, made as they were added and verified whenever they are
read: rows that a disk has changed, or that were deleted or put there by something else, are taken out of the index, so
that they are made again, and `DamagedFeatures` names them.
"""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.features.stored_rows import (
    DamagedFeatures,
    DamagedSet,
    Description,
    Rows,
    StoredRows,
    checksum,
    read_index,
    write_index,
)
from heschl.features.writer import Writer
from heschl.files import claimed, digest, only_writer, replacing, writing_to
from heschl.notices import warn
from heschl.timing.grid import FrameGrid

__all__ = ["DamagedFeatures", "DamagedSet", "Description", "FeatureSet", "FeatureStore", "Rows", "Writer"]

FORMAT = "heschl features 2"
CHUNK_BYTES = 1 << 20
"""Of one layer in one file on disk."""


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
        For a folder that is no feature set, is damaged, or of another version.

    Examples
    --------
    >>> from heschl.features import Description, FeatureSet, FeatureStore
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = FeatureStore(folder).create("0af3", Description("glove", "word", ("0",), 2, None, {}))
    ...     found = FeatureSet(made.path)
    >>> found.key, found.description.width
    ('0af3', 2)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            attributes = json.loads((path / "zarr.json").read_text(encoding="utf-8"))["attributes"]
            format = attributes["format"]
        except (OSError, ValueError, KeyError, TypeError):
            raise DamagedSet(str(path), "no feature set", "a folder written by heschl's feature store") from None
        if format != FORMAT:
            raise InputError(
                str(path), f"the format {format!r}", FORMAT,
                "It is of another version of heschl: delete this folder to extract its features again.",
            )  # fmt: skip
        try:
            if attributes.pop("sum") != digest(attributes):
                raise ValueError("its description does not have its checksum")
            self.key = str(attributes["key"])
            if path.name != f"{self.key}.zarr":
                raise ValueError(f"it was made as {self.key}.zarr")
            self.created = str(attributes["created"])
            stored = attributes["description"]
            grid = stored["grid"] and FrameGrid(**stored["grid"])
            self.description = Description(
                **stored | {"layers": tuple(stored["layers"]), "left_out": tuple(stored["left_out"]), "grid": grid}
            )
            self._check_arrays()
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise DamagedSet(str(path), f"a damaged feature set ({error})", "one as heschl wrote it") from None

    def _check_arrays(self) -> None:
        """Compare what the arrays say of themselves with the description."""
        about = self.description
        for i in range(len(about.layers)):
            array = json.loads((self.path / str(i) / "zarr.json").read_text(encoding="utf-8"))
            if array["shape"][1:] != [about.width] or array["data_type"] != about.dtype:
                raise ValueError(f"layer {i} is of shape {array['shape']} and type {array['data_type']}")

    def index(self) -> dict[str, tuple[int, int]]:
        """Return (first row, rows) of each finished stimulus, by its hash.

        Examples
        --------
        See `FeatureStore`.
        """
        return {key: (first, n) for key, (first, n, _) in read_index(self.path).items()}

    def n_bytes(self) -> int:
        """Return the space that the set takes on disk, in bytes."""
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

        Raises
        ------
        DamagedFeatures
            For rows that are not those that were added. They do not count from now on, and are made again by the next
            `writing`.
        InputError
            For a stimulus that is not finished.
        """
        entries = read_index(self.path)
        absent = [key for key in stimuli if key not in entries]
        if absent:
            raise DamagedFeatures(self.path, absent, "no features")
        rows = StoredRows(self.path / str(layer), self.description)
        found: list[NDArray[np.float32]] = []
        damaged: list[str] = []
        for key in stimuli:
            first, n, sums = entries[key]
            values = rows.read(first, n)
            if values is None or layer >= len(sums) or checksum(values) != sums[layer]:
                damaged.append(key)
            else:
                found.append(values.astype(np.float32))
        if damaged:
            self._set_aside(damaged)
            raise DamagedFeatures(self.path, damaged, f"damaged rows in layer {self.description.layers[layer]}")
        return found

    def _set_aside(self, stimuli: Sequence[str]) -> None:
        """Take stimuli out of the index; while another process writes, it is left to a later reading."""
        with claimed(self.path / ".lock") as mine:
            if mine:
                kept = {key: entry for key, entry in read_index(self.path).items() if key not in set(stimuli)}
                write_index(self.path, kept)

    @contextmanager
    def writing(self, wait: Callable[[], object] | None = None) -> Iterator[Writer]:
        """Open the set for this process alone to add stimuli; wait for another that does so, after calling `wait`.

        Whatever was added is on disk at the end, also where the end is an error or an interruption.

        Raises
        ------
        InputError
            For a full disk, and a folder that may not be written to.

        Examples
        --------
        See `FeatureStore`.
        """
        with only_writer(self.path, wait or _quietly):
            writer = Writer(self.path, self.description)
            try:
                yield writer
            finally:
                writer.flush()


class FeatureStore:
    """A folder of feature sets.

    Parameters
    ----------
    folder : str or Path
        Made with the first set.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.features import Description, FeatureStore
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
        """Return the set of a key; None where there is none yet.

        A set whose own description is damaged is set aside, with a warning, under a name that begins with ".damaged".

        Raises
        ------
        InputError
            For a set of another version of heschl.
        """
        path = self.folder / f"{key}.zarr"
        if not path.exists():
            return None
        try:
            return FeatureSet(path)
        except DamagedSet as error:
            aside = path.with_name(f".damaged-{path.name}")
            warn(f"{error} It is set aside as {aside.name}, and made again.")
            with writing_to(self.folder):
                shutil.rmtree(aside, ignore_errors=True)
                path.rename(aside)
            return None

    def create(self, key: str, description: Description) -> FeatureSet:
        """Return the set of a key, which is made where there is none yet.

        Raises
        ------
        InputError
            For a set of another version of heschl, a full disk, and a folder that may not be written to.
        """
        import zarr

        path = self.folder / f"{key}.zarr"
        about, width = description, description.width
        attributes: dict[str, Any] = {
            "format": FORMAT,
            "key": key,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            "description": json.loads(json.dumps(asdict(about))),
        }
        attributes["sum"] = digest(attributes)
        chunks = (max(1, CHUNK_BYTES // (width * np.dtype(about.dtype).itemsize)), width)
        with only_writer(self.folder, wait=_quietly):
            if self.find(key) is None:
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
        """Return all sets, oldest first; folders that are none of this version are left out."""
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
