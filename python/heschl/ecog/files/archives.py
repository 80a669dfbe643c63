"""NumPy's files, opened so that a damaged or hostile one costs no more than its own size: .npz and .npy."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from heschl.checks import InputError

LARGEST_RATIO = 1100
"""Bytes that a byte of deflate can become (1032), and some."""


def open_npz(path: Path, keys: Collection[str], where: str = "") -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Read some arrays of an .npz archive.

    Parameters
    ----------
    path : Path
        What `numpy.savez` or `numpy.savez_compressed` wrote.
    keys : collection of str
        Names of the arrays to read; those that are not there are left out.
    where : str
        What the file is, for messages; its path by default.

    Returns
    -------
    arrays : dict of str to array
    names : list of str
        Of all arrays in the archive.

    Raises
    ------
    InputError
        For a file that is no archive, a damaged one, arrays of Python objects (which are pickles, and could run code),
        and sizes in a head that the archive does not hold.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(folder + "/x.npz", data=np.zeros((2, 3)), notes=["a"])
    ...     arrays, names = open_npz(Path(folder, "x.npz"), ("data",))
    >>> arrays["data"].shape, names
    ((2, 3), ['data', 'notes'])
    """
    where = where or str(path)
    if not path.is_file():
        raise InputError(where, "no such file", "an archive (.npz)")
    if not zipfile.is_zipfile(path):
        raise InputError(where, "a file that is no .npz archive", "what numpy.savez writes")
    try:
        with zipfile.ZipFile(path) as archive:
            members = {item.filename.removesuffix(".npy"): item for item in archive.infolist()}
            return {key: _member(archive, members[key], f"{where}: {key}") for key in keys if key in members}, list(
                members
            )
    except InputError:
        raise
    except Exception as error:  # zipfile, zlib, NumPy and the file system each raise their own types
        found = f"a damaged archive ({type(error).__name__}: {error})"
        raise InputError(where, found, "what numpy.savez writes") from error


def _member(archive: zipfile.ZipFile, item: zipfile.ZipInfo, where: str) -> NDArray[Any]:
    if item.file_size > LARGEST_RATIO * item.compress_size + 1024:
        raise InputError(where, f"{item.compress_size} bytes that claim to hold {item.file_size}", "a whole archive")
    with archive.open(item) as file:
        shape, fortran, dtype = _head(file, where)
        size = _size(shape, dtype)
        if item.file_size - size not in range(16, 1 << 16):
            raise InputError(where, f"shape {shape} in {item.file_size} bytes", "an array as large as its head says")
        content = file.read(size)
        if len(content) != size or file.read(1):
            raise InputError(where, f"{len(content)} of {size} bytes", "a whole array")
    return np.frombuffer(content, dtype=dtype).reshape(shape, order="F" if fortran else "C")


def _head(file: Any, where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the head of an array; refuse one of Python objects."""
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise InputError(where, f"version {version} of NumPy's format", "version 1 or 2")
    shape, fortran, dtype = npy.read_array_header_1_0(file) if version[0] == 1 else npy.read_array_header_2_0(file)
    if dtype.hasobject:
        raise InputError(
            where, "an array of Python objects", "arrays of numbers and of strings",
            "Save names with np.array(names, dtype=str).",
        )  # fmt: skip
    if any(n < 0 for n in shape):
        raise InputError(where, f"shape {shape}", "lengths of 0 or more")
    return shape, fortran, dtype


def _size(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    size = dtype.itemsize
    for n in shape:
        size *= n  # in Python's numbers, which do not overflow
    return size


def open_npy(path: Path) -> NDArray[Any]:
    """Map an array of an .npy file into memory; see `open_npz` for what is refused."""
    try:
        with open(path, "rb") as file:
            shape, fortran, dtype = _head(file, str(path))
            at = file.tell()
        size, own = _size(shape, dtype), path.stat().st_size - at
        if size != own or size == 0:
            raise InputError(
                str(path), f"shape {shape} of {dtype} in {own} bytes", "an array as large as its head says"
            )
        return np.memmap(path, dtype=dtype, mode="r", offset=at, shape=shape, order="F" if fortran else "C")
    except InputError:
        raise
    except Exception as error:  # a damaged head fails in many ways, in tokenize and ast too
        found = f"no readable array ({type(error).__name__}: {error})"
        raise InputError(str(path), found, "what numpy.save writes") from error
