"""Checksums of kept files: whether a file is what was written, found out before anything in it is believed.

A seal is a line at the end of a file: a checksum of all that comes before it, and of the name that the file was made
under where it has one. NumPy reads .npy and .npz files with such a line as it does without. A folder (zarr) keeps the
checksum of its files in an attribute of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

_MARK = b"\nheschl "
_DIGITS = 32
_LENGTH = len(_MARK) + _DIGITS
_BLOCK = 1 << 20
_ATTRIBUTE = "heschl checksum"


def seal(path: Path, name: str = "") -> None:
    """Append a seal to a file that is finished.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        What it is kept as, such as its name in a cache; under another one it does not count.

    Examples
    --------
    >>> import tempfile
    >>> from heschl.seals import is_sealed, seal
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.txt"
    ...     _ = path.write_text("nine")
    ...     seal(path, "a.txt")
    ...     before = is_sealed(path, "a.txt"), is_sealed(path, "b.txt")
    ...     _ = path.write_bytes(path.read_bytes().replace(b"nine", b"five"))
    ...     before, is_sealed(path, "a.txt")
    ((True, False), False)
    """
    total = _checksum(path, name, path.stat().st_size)
    with open(path, "ab") as file:
        file.write(_MARK + total)


def is_sealed(path: Path, name: str = "") -> bool:
    """Return whether a file is there and is what was sealed under a name.

    Parameters
    ----------
    path : Path
    name : str
        As given to `seal`.

    Raises
    ------
    OSError
        Where the file may not be read.
    """
    try:
        size = path.stat().st_size - _LENGTH
        if size < 0:
            return False
        with open(path, "rb") as file:
            file.seek(size)
            return file.read() == _MARK + _checksum(path, name, size)
    except (FileNotFoundError, IsADirectoryError):
        return False


def _checksum(path: Path, name: str, size: int) -> bytes:
    """Return the checksum of a name and of the first `size` bytes of a file, in hexadecimal digits."""
    total = hashlib.blake2b(name.encode() + b"\0", digest_size=_DIGITS // 2)
    with open(path, "rb") as file:
        while size > 0 and (block := file.read(min(size, _BLOCK))):
            total.update(block)
            size -= len(block)
    return total.hexdigest().encode()


def set_aside(path: Path) -> Path:
    """Rename a damaged file or folder, so that it no longer counts and can still be looked at; return where it lies."""
    aside = path.with_name(f".damaged-{path.name}")
    os.replace(path, aside)
    return aside


def seal_group(folder: Path) -> None:
    """Put the checksum of a finished zarr group (format 3) into its attributes.

    Parameters
    ----------
    folder : Path
        The group's folder. Changed files, missing ones and others are found by `is_whole_group`.
    """
    about = _about(folder)
    about.setdefault("attributes", {})[_ATTRIBUTE] = _group_checksum(folder, about)
    (folder / "zarr.json").write_text(json.dumps(about), encoding="utf-8")


def is_whole_group(folder: Path) -> bool:
    """Return whether a zarr group is as it was when it was sealed."""
    try:
        about = _about(folder)
        expected = about["attributes"].pop(_ATTRIBUTE)
        return bool(expected == _group_checksum(folder, about))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def group_attributes(folder: Path) -> dict[str, Any]:
    """Return what a zarr group says of itself; nothing where that cannot be read."""
    try:
        return dict(_about(folder)["attributes"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def without_seal(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return a group's attributes as they were before it was sealed."""
    return {name: value for name, value in attributes.items() if name != _ATTRIBUTE}


def _about(folder: Path) -> dict[str, Any]:
    about: dict[str, Any] = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))
    return about


def _group_checksum(folder: Path, about: dict[str, Any]) -> str:
    """Return the checksum of what a group says of itself and of all files below it."""
    total = hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=_DIGITS // 2)
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / "zarr.json"):
        with open(path, "rb") as file:
            content = hashlib.file_digest(file, "blake2b").digest()
        total.update(path.relative_to(folder).as_posix().encode() + b"\0" + content)
    return total.hexdigest()
