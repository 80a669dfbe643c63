"""Recordings in MATLAB files: `data`, `sfreq` and `names` of any version from 5 to 7.3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog.files.hdf5 import check_hdf5
from heschl.ecog.recording.arrays import KEYS, contents_of
from heschl.ecog.recording.contents import Contents
from heschl.ecog.recording.matlab5 import read_matlab5

ADVICE = "Save names as a cell array: names = cellstr(names)."


@dataclass(frozen=True)
class Transposed:
    """A matrix on disk, read as its transpose: MATLAB's order."""

    values: Any = field(repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns as MATLAB sees them."""
        return tuple(self.values.shape[::-1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Kind of number; MATLAB's complex ones are pairs in HDF5."""
        dtype = np.dtype(self.values.dtype)
        return np.dtype(np.complex128) if dtype.names == ("real", "imag") else dtype

    def __getitem__(self, index: slice | tuple[slice, slice]) -> NDArray[Any]:
        """Return some rows, or some rows and columns."""
        if isinstance(index, tuple):
            return np.asarray(self.values[index[::-1]]).T
        return np.asarray(self.values[:, index]).T


def read_matlab(path: Path) -> Contents:
    """Open a .mat file.

    Returns
    -------
    Contents
        ``data`` (n_samples, n_channels), ``sfreq`` in Hz, ``names`` a cell array of texts or a matrix of letters with a
        row for each channel.

    Raises
    ------
    InputError
        For a file of another kind, names in a MATLAB string array (which is an object that only MATLAB can read) or
        empty ones, complex numbers, and see `heschl.ecog.recording.arrays.contents_of`.
    """
    with open(path, "rb") as file:
        head = file.read(128)
    if head.startswith(b"version https://git-lfs"):
        raise InputError(str(path), "a pointer of git-lfs", "the file itself", "Run git lfs pull.")
    import h5py

    if h5py.is_hdf5(path):
        check_hdf5(path)
        file5 = h5py.File(path, "r")  # open as long as the recording is
        keys = list(file5)
        arrays = _arrays_73(file5, path)
    else:
        variables = read_matlab5(path, KEYS)
        keys = list(variables)
        arrays = {key: _array_5(key, value, path) for key, value in variables.items() if key in KEYS}
    return contents_of(arrays, keys, path)


def _array_5(key: str, value: Any, path: Path) -> Any:
    """Return numbers as an array, and names as a list of text."""
    if key != "names":
        if not isinstance(value, np.ndarray) or value.dtype.kind in "UO":
            raise InputError(f"{path}: {key}", "text or a cell array", "numbers")
        return value
    if isinstance(value, np.ndarray):
        if value.dtype.kind != "U":
            raise InputError(f"{path}: names", f"values of type {value.dtype}", "a cell array of texts", ADVICE)
        return [str(row) for row in value]
    names = []
    for i, item in enumerate(value):
        if not isinstance(item, np.ndarray) or item.dtype.kind != "U" or len(item) > 1:
            if isinstance(item, np.ndarray) and item.size == 0:
                names.append("")
                continue
            raise InputError(f"{path}: names{{{i + 1}}}", "a cell that is no text", "a name", ADVICE)
        names.append(str(item[0]) if len(item) else "")
    return names


def _arrays_73(file: Any, path: Path) -> Mapping[str, Any]:
    """Return the arrays of version 7.3, samples still on disk."""
    import h5py

    arrays: dict[str, Any] = {}
    for key in KEYS:
        if key in file:
            if not isinstance(file[key], h5py.Dataset):
                raise InputError(f"{path}: {key}", "a struct or a sparse matrix", "an array")
            arrays[key] = file[key]
    if "sfreq" in arrays:
        arrays["sfreq"] = np.asarray(arrays["sfreq"][()])
    if "data" in arrays:
        arrays["data"] = Transposed(arrays["data"])
    if "names" in arrays:
        arrays["names"] = _names_73(arrays["names"], file, path)
    return arrays


def _names_73(names: Any, file: Any, path: Path) -> list[str]:
    import h5py

    where = f"{path}: names"
    if names.size > 1 << 20:
        raise InputError(where, f"{names.size} values", "names of channels")
    kind = _class_73(names, where)
    if names.dtype == h5py.ref_dtype:
        return [_letters(file[reference], where) for reference in np.ravel(names[()])]
    if names.dtype.kind == "u" and names.ndim == 2 and kind in ("", "char"):  # letters, transposed: a row for each name
        return ["".join(map(chr, column)) for column in np.asarray(names[()]).T.tolist()]
    if h5py.check_string_dtype(names.dtype) is not None:
        return [str(name) for name in np.ravel(names.asstr()[()])]
    raise InputError(where, f"values of type {names.dtype}", "a cell array of texts", ADVICE)


def _class_73(value: Any, where: str) -> str:
    """Return the class that MATLAB gave a value, or nothing; refuse a string, whose text lies elsewhere in the file."""
    kind = value.attrs.get("MATLAB_class", b"")
    kind = kind.decode("latin-1") if isinstance(kind, bytes) else str(kind)
    if kind == "string" or "MATLAB_object_decode" in value.attrs:
        raise InputError(where, "a MATLAB string array, an object that only MATLAB can read", "a cell array", ADVICE)
    return kind


def _letters(cell: Any, where: str) -> str:
    """Return the text of one cell; an empty one holds its size instead."""
    kind = _class_73(cell, where)
    if cell.attrs.get("MATLAB_empty", 0):
        return ""
    if cell.dtype.kind != "u" or kind not in ("", "char") or cell.size > 1 << 12:
        raise InputError(where, f"a cell of {cell.size} values of type {cell.dtype}", "a name", ADVICE)
    return np.ravel(cell[()]).astype("<u2").tobytes().decode("utf-16-le", "replace")
