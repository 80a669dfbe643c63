"""Finished pieces of work, each kept under the hash of all that it depends on.

This is how a study that was interrupted goes on, and why a changed setting never meets an old result: a piece
(the features of a space, the fit of a layer) is made under a temporary name, renamed when it is whole, and
looked up by the hash of its settings and of the content of its inputs. What exists under its name is finished
and right; nothing else has to be kept in mind. The folder may be deleted at any time.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError


class Cache:
    """A folder of finished pieces.

    Parameters
    ----------
    folder : Path
        Where the pieces lie; made with the first of them.

    Examples
    --------
    >>> import tempfile
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

    def get(self, name: str, key: str, make: Callable[[Path], object]) -> Path:
        """Give the path of a piece; ``make(path)`` writes it, file or folder, where it is not there yet."""
        path = self.path(name, key)
        if not path.exists():
            with replacing(path) as temporary:
                make(temporary)
        return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path to write a file or folder to; it takes the place of ``path`` once it is whole.

    Whatever goes wrong, an interruption from the keyboard too, ``path`` is left as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".partial-{path.name}")
    _remove(temporary)  # left by a process that was killed
    try:
        yield temporary
        if path.is_dir():  # a folder cannot be renamed over one that is not empty
            old = path.with_name(f".old-{path.name}")
            _remove(old)
            os.replace(path, old)
            os.replace(temporary, path)
            _remove(old)
        else:
            os.replace(temporary, path)
    finally:
        _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold a folder for this process alone; the system lets go of it when the process ends, however it ends.

    Raises
    ------
    InputError
        Where another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                str(folder),
                "another run at work in this folder",
                "one run at a time",
                "Wait for it, or give this one another --out.",
            ) from None
        yield


def digest(*parts: object) -> str:
    """Hash settings (anything JSON can say) and arrays into 16 letters."""
    total = hashlib.blake2b(digest_size=8)
    for part in parts:
        if isinstance(part, np.ndarray):
            total.update(f"{part.dtype.str}{part.shape}".encode())
            total.update(np.ascontiguousarray(part).data)
        else:
            total.update(json.dumps(part, sort_keys=True).encode())
        total.update(b"\0")
    return total.hexdigest()


def digest_files(paths: Iterable[Path]) -> str:
    """Hash the names and the content of files."""
    total = hashlib.blake2b(digest_size=8)
    for path in sorted(paths):
        with open(path, "rb") as file:
            total.update(path.name.encode() + hashlib.file_digest(file, "blake2b").digest())
    return total.hexdigest()


def digest_code(*modules: str) -> str:
    """Hash heschl's own code, of rooms ("linear") and modules ("study.spaces"): other code never meets old work."""
    paths: list[Path] = []
    for module in modules:
        spec = importlib.util.find_spec(f"heschl.{module}")
        assert spec is not None and spec.origin is not None, module
        origin = Path(spec.origin)
        paths += origin.parent.rglob("*.py") if origin.name == "__init__.py" else [origin]
    return digest_files(paths)


def save_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write arrays to one file, under exactly this name."""
    with open(path, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
