"""Finished pieces of work, each kept under the hash of all that it depends on, and shared out among processes.

This is how a study that was interrupted goes on, and why a changed setting never meets an old result: a piece
(the fit of a layer) is made under a temporary name, renamed when it is whole, and looked up by the hash of its
settings and of the content of its inputs. What exists under its name is finished and right; nothing else has to be
kept in mind. The folder may be deleted at any time.

Processes at work on one study share its pieces out: each takes the next one that no other is at, and waits only for
what others hold when nothing else is left. A piece belongs to its process by a lock that ends with it, so that what a
killed one had in hand is made by another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from heschl.files import claimed, replacing
from heschl.study.work.progress import Reporter


class Piece(NamedTuple):
    """A piece of work: its name, the hash of what it depends on, and what writes it to a path."""

    name: str
    key: str
    make: Callable[[Path], object]


class Cache:
    """A folder of finished pieces.

    Parameters
    ----------
    folder : Path
        Where the pieces lie; made with the first of them.

    Examples
    --------
    >>> import tempfile
    >>> from heschl.files import digest
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cache = Cache(Path(folder))
    ...     key = digest({"n": 3})
    ...     first = cache.get("squares/three.txt", key, lambda path: path.write_text("9"))
    ...     again = cache.get("squares/three.txt", key, lambda path: path.write_text("never called"))
    ...     first == again, again.read_text()
    (True, '9')
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str, key: str) -> Path:
        """Give where the piece ``name`` ("features/mel.zarr") made from ``key`` lies, or would lie."""
        target = self.folder / name
        return target.with_name(f"{target.stem}-{key}{target.suffix}")

    def get(self, name: str, key: str, make: Callable[[Path], object], wait: Callable[[], object] = list) -> Path:
        """Give the path of a piece; ``make(path)`` writes it, file or folder, where it is not there yet.

        Where another process is at it, ``wait`` is called once, and its end waited for.
        """
        path = self.path(name, key)
        if not path.exists():
            with claimed(self._lock(path), wait):
                self._make(path, make)
        return path

    def share(self, pieces: Sequence[Piece], advance: Callable[[int], object]) -> None:
        """Make those of some pieces that are missing and that no other process is at.

        ``advance`` is told how many are there, whoever made them.
        """
        for piece in pieces:
            path = self.path(piece.name, piece.key)
            if not path.exists():
                with claimed(self._lock(path)) as mine:
                    if mine:
                        self._make(path, piece.make)
            advance(sum(self.path(each.name, each.key).exists() for each in pieces))

    def paths(self, pieces: Sequence[Piece], report: Reporter) -> list[Path]:
        """Give the paths of some pieces, once all are there: others' are waited for, and what they left is made."""
        said = False

        def wait() -> None:
            nonlocal said
            if not said:
                report.say("waiting for pieces that other processes are at")
            said = True

        return [self.get(piece.name, piece.key, piece.make, wait) for piece in pieces]

    def alone(self, name: str, report: Reporter) -> AbstractContextManager[bool]:
        """Hold what is made in many files, the folder ``name``, for this process."""
        lock = self._lock(self.folder / name)
        return claimed(lock, lambda: report.say(f"waiting for another process that is at {name}"))

    def _make(self, path: Path, make: Callable[[Path], object]) -> None:
        if not path.exists():
            with replacing(path) as temporary:
                make(temporary)

    def _lock(self, path: Path) -> Path:
        return self.folder / ".locks" / path.relative_to(self.folder)


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read what `save_arrays` wrote."""
    with np.load(path) as arrays:
        return dict(arrays)


def save_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write arrays to one file, under exactly this name."""
    with open(path, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
