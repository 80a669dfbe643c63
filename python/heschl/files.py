"""Files that are whole or not there at all, folders with one writer, and hashes of what a result depends on."""

from __future__ import annotations

import errno
import fcntl
import hashlib
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

_FULL = {errno.ENOSPC: "no space left on the disk", errno.EDQUOT: "no space left in this user's share of the disk"}
_CLOSED = {errno.EROFS: "a file system that is read-only", errno.EACCES: "a folder that may not be written to",
           errno.EPERM: "a folder that may not be written to"}  # fmt: skip


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Make one message of what the system says when a disk is full or a folder may not be written to.

    Raises
    ------
    InputError
        In place of such an `OSError`; any other goes on.
    """
    try:
        yield
    except OSError as error:
        where = str(path)
        if error.errno in _FULL:
            advice = "Free some, or choose another folder: what was finished before is kept, and the next run goes on."
            raise InputError(where, _FULL[error.errno], "room to write", advice) from error
        if error.errno in _CLOSED:
            raise InputError(where, _CLOSED[error.errno], "one to write to", "Choose another folder.") from error
        raise


def as_one_line(error: BaseException) -> str:
    """Return an error as one line that says what to do about it."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or "").split(".")[0]
        return f"the package {package!r} is not installed. Install it: pip install 'heschl[study]'"
    if isinstance(error, OSError) and error.errno in _CLOSED:
        return (
            f"{error.filename}: no permission to read or write it. Choose another file or folder, or mend its rights."
        )
    if isinstance(error, OSError) and error.errno in _FULL:
        return f"no space left for {error.filename or 'a file'}. Free some: what was finished is kept."
    if isinstance(error, MemoryError):
        return f"out of memory ({error}). `heschl plan` says what a study takes, and what would take less."
    return f"{type(error).__name__}: {error} (--traceback shows where)"


def sync(path: Path) -> None:
    """Bring a file, or all files of a folder, from the system's memory onto the disk."""
    if path.is_dir():
        for below in path.iterdir():
            sync(below)
    sync_one(path)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write a file or folder to; it takes the place of ``path`` once it is whole.

    Whatever goes wrong, an interruption from the keyboard or a loss of power too, ``path`` is as it was or whole.

    Raises
    ------
    InputError
        For a full disk, and a folder that may not be written to.
    """
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".partial-{path.name}")
        _remove(temporary)  # left by a process that was killed
        try:
            yield temporary
            sync(temporary)  # before the name: else a loss of power may leave the name and not the content
            if path.is_dir():  # a folder cannot be renamed over one that is not empty
                old = path.with_name(f".old-{path.name}")
                _remove(old)
                os.replace(path, old)
                os.replace(temporary, path)
                _remove(old)
            else:
                os.replace(temporary, path)
            sync_one(path.parent)
        finally:
            _remove(temporary)


def sync_one(path: Path) -> None:
    """Bring a file onto the disk, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that cannot, for folders
            raise
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def claimed(lock: Path, wait: Callable[[], object] | None = None) -> Iterator[bool]:
    """Lock a file for this process; the system lets go of it when the process ends, however it ends.

    Where another process holds it, `wait` is called once and its end waited for; without `wait`, yield False at once.
    Processes on one machine see each other's locks; on several machines they do where the file system carries `flock`
    (NFS 4 and most cluster file systems do). Where it does not, two may do the same work: files stay whole.
    """
    with writing_to(lock.parent):
        lock.parent.mkdir(parents=True, exist_ok=True)
        opened = open(lock, "w")  # noqa: SIM115
    with opened as file:
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
    """Lock a folder for this process alone; the system lets go of it when the process ends, however it ends.

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


def read_npy(path: Path, *, mapped: bool = False) -> NDArray[Any]:
    """Return the array of a .npy file, never unpickled; with `mapped` read from the disk as it is used.

    Raises
    ------
    InputError
        For a file that is not there, or not what `numpy.save` writes.
    """
    try:
        return np.asarray(np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False))
    except FileNotFoundError:
        raise InputError(str(path), "no such file", "an array as numpy.save writes it") from None
    except Exception as error:  # NumPy's parser of headers lets through whatever Python's own raises
        raise InputError(
            str(path), f"no readable array ({type(error).__name__}: {error})", "an array as numpy.save writes it"
        ) from None


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
