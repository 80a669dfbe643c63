"""Files that are whole or not there at all, folders with one writer, and hashes of what a result depends on."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from heschl.checks import InputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write a file or folder to; it takes the place of ``path`` once it is whole.

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
def claimed(lock: Path, wait: Callable[[], object] | None = None) -> Iterator[bool]:
    """Hold a lock file for this process; the system lets go of it when the process ends, however it ends.

    Where another process holds it, `wait` is called once and its end waited for; without `wait` False is given at once.
    Processes on one machine see each other's locks; on several machines they do where the file system carries `flock`
    (NFS 4 and most cluster file systems do). Where it does not, two may do the same work: files stay whole.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if wait is None:
                yield False
                return
            wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield True


@contextmanager
def only_writer(folder: Path, wait: Callable[[], object] | None = None) -> Iterator[None]:
    """Hold a folder for this process alone; the system lets go of it when the process ends, however it ends.

    Where another process holds it, `wait` is called once, and its end waited for; without `wait` it is an error.

    Raises
    ------
    InputError
        Where another process holds it, and this one is not to wait.
    """
    with claimed(folder / ".lock", wait) as mine:
        if not mine:
            raise InputError(
                str(folder),
                "another run at work in this folder",
                "one run at a time",
                "Wait for it, or give this one another --out.",
            )
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
