"""Finished pieces of work, each kept under the hash of all that it depends on, and shared out among processes.

This is how an interrupted study continues, and why a changed setting, input or line of code never meets an old result:
a piece (the fit of a layer) is made under a temporary name, renamed when it is whole, and looked up by the hash of its
settings, of the content of its inputs, and of the code that makes it. What exists under its name is finished, and
sealed with a checksum (`heschl.seals`) that is verified when it is read: a piece that a disk has changed, or that was
put there by something else, is named, set aside and made again. The folder may be deleted at any time.

Processes at work on one study share its pieces out: each takes the next one that no other has claimed, and waits for
the others only when nothing else is left. A piece belongs to its process by a lock that ends with the process, so that
what a killed one had claimed is made by another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from heschl.files import claimed, digest, replacing, writing_to
from heschl.seals import is_sealed, seal, set_aside
from heschl.sources import code_key
from heschl.study.work.progress import Reporter

Progress = Callable[[int, int], None]
"""Told by what makes a piece how far it is: (steps done, steps in all)."""
Attempt = Callable[["Piece"], AbstractContextManager[object]]
"""What the making of a piece is wrapped in: it may note an error there and go on with the next piece."""


class Piece(NamedTuple):
    """A piece of work.

    Attributes
    ----------
    name : str
        Its file in the cache ("encoding/mel/0.npz"), without the hash.
    key : str or None
        Hash of all that it depends on; None where that is not known yet, because it follows from other pieces.
    make : callable
        make(path, progress) writes it.
    """

    name: str
    key: str | None
    make: Callable[[Path, Progress], object]

    @classmethod
    def of(cls, name: str, make: Callable[[Path, Progress], object], *inputs: object) -> Piece:
        """Define a piece by what it depends on: the code behind the function that makes it, and its inputs.

        Parameters
        ----------
        name : str
        make : callable
            A function of a module of heschl, arguments bound by `functools.partial`: all that it imports counts.
        *inputs
            Settings and arrays, as `heschl.files.digest` takes them: everything else that decides what is written.
        """
        function = make.func if isinstance(make, partial) else make
        return cls(name, digest(code_key(function.__module__), *inputs), make)

    @classmethod
    def unknown(cls, name: str) -> Piece:
        """Define a piece whose inputs are not known yet."""
        return cls(name, None, _cannot)


def _cannot(path: Path, progress: Progress) -> None:
    raise AssertionError("a piece is made only once it is known what it depends on")


class Cache:
    """A folder of finished pieces.

    Parameters
    ----------
    folder : Path
        Where the pieces lie; made with the first of them.

    Examples
    --------
    >>> import tempfile
    >>> from heschl.study.work.progress import Reporter
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cache = Cache(Path(folder))
    ...     first = Piece("three.npz", "6f21", lambda path, progress: save_arrays(path, {"square": np.array(9)}))
    ...     again = Piece("three.npz", "6f21", lambda path, progress: print("never called"))
    ...     paths = cache.paths([first, again], Reporter(None))
    ...     paths[0] == paths[1], int(load_arrays(paths[1])["square"]), cache.has(again)
    (True, 9, True)
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str, key: str) -> Path:
        """Return where the piece ``name`` ("features/mel.zarr") made from ``key`` lies, or would lie."""
        target = self.folder / name
        return target.with_name(f"{target.stem}-{key}{target.suffix}")

    def has(self, piece: Piece) -> bool:
        """Return whether a piece is finished; whether it is whole is found out when it is read."""
        return piece.key is not None and self.path(piece.name, piece.key).exists()

    def share(self, pieces: Sequence[Piece], advance: Callable[[float], None], attempt: Attempt = nullcontext) -> None:
        """Make every missing piece that no other process has claimed.

        ``advance`` is told how many pieces exist, whoever made them, and the part done of the one in hand.
        """
        for piece in pieces:
            path = self._path_of(piece)
            if not path.exists():
                with attempt(piece), claimed(self._lock(path)) as mine:
                    if mine:
                        self._make(path, partial(_report_within, piece, advance, sum(map(self.has, pieces))))
            advance(sum(map(self.has, pieces)))

    def paths(self, pieces: Sequence[Piece], report: Reporter, attempt: Attempt = nullcontext) -> list[Path]:
        """Return the paths of pieces once all exist and are verified; without those whose error ``attempt`` notes.

        Those of other processes are waited for, or made if abandoned; damaged ones are set aside and made again.
        """
        waited = False

        def wait() -> None:
            nonlocal waited
            if not waited:
                report.say("waiting for pieces that other processes have claimed")
            waited = True

        found = []
        for piece in pieces:
            path = self._path_of(piece)
            with attempt(piece):
                if not is_sealed(path, path.name):
                    with claimed(self._lock(path), wait):
                        self._set_aside(path, report)
                        self._make(path, partial(_report_within, piece, _ignore, 0))
                found.append(path)
        return found

    def _path_of(self, piece: Piece) -> Path:
        assert piece.key is not None, "its inputs are known before a piece is made"
        return self.path(piece.name, piece.key)

    def _make(self, path: Path, make: Callable[[Path], object]) -> None:
        if not path.exists():
            with replacing(path) as temporary:
                make(temporary)
                seal(temporary, path.name)

    def _set_aside(self, path: Path, report: Reporter) -> None:
        """Take away a piece that is damaged; one that another process has made again meanwhile stays."""
        if path.exists() and not is_sealed(path, path.name):
            with writing_to(path):
                aside = set_aside(path)
            report.say(f"{path} is not what was written there: it is set aside as {aside.name}, and made again")

    def _lock(self, path: Path) -> Path:
        return self.folder / ".locks" / path.relative_to(self.folder)


def _report_within(piece: Piece, advance: Callable[[float], None], before: int, path: Path) -> None:
    """Make a piece and report its progress on top of the pieces that exist."""
    piece.make(path, lambda done, total: advance(before + done / total))


def _ignore(done: float) -> None:
    """Do nothing."""


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read what `save_arrays` wrote."""
    with np.load(path) as arrays:
        return dict(arrays)


def save_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write arrays to one file, under exactly this name."""
    with open(path, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
