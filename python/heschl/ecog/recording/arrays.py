"""Recordings in plain arrays: .npz (`data`, `sfreq`, `names`) and .npy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heschl.checks import InputError
from heschl.ecog.files.archives import open_npy, open_npz
from heschl.ecog.recording.contents import Contents, check_rate, check_real, is_transposed
from heschl.ecog.recording.recording import ArraySource
from heschl.names import plain_names

KEYS = ("data", "sfreq", "names")


def read_npz(path: Path) -> Contents:
    """Read ``data``, ``sfreq`` and ``names`` of an .npz archive."""
    arrays, names = open_npz(path, KEYS)
    return contents_of(arrays, names, path)


def contents_of(arrays: Mapping[str, Any], keys: list[str], path: Path) -> Contents:
    """Check arrays of a recording, and tell samples from channels.

    Parameters
    ----------
    arrays : mapping
        Of `KEYS` what the file has; ``names`` an array of text, or a list of them.
    keys : list of str
        All that the file has, for messages.
    path : Path
        The file, for messages.

    Raises
    ------
    InputError
        For keys that are missing, complex numbers, no rate, names that do not fit, and a matrix that may be read both
        ways.
    """
    for key in ("data", "sfreq"):
        if key not in arrays:
            raise InputError(str(path), f"the arrays {', '.join(sorted(keys))}", f"one named {key!r}")
    data = arrays["data"]
    where = f"{path}: data"
    sfreq = check_rate(arrays["sfreq"], f"{path}: sfreq")
    if len(data.shape) != 2:
        raise InputError(where, f"shape {tuple(data.shape)}", "(n_samples, n_channels)")
    check_real(data.dtype, where)
    names = None
    if "names" in arrays:
        given = arrays["names"]
        names = plain_names(given.reshape(-1) if hasattr(given, "reshape") else given, f"{path}: names")
    turned = is_transposed(data.shape, None if names is None else len(names), where)
    rows, columns = data.shape[::-1] if turned else data.shape
    labels = [f"e{i}" for i in range(columns)] if names is None else list(names)
    note = (f"data of shape {tuple(data.shape)}: read as (channel, sample), by the number of names",)
    source = ArraySource(data, transposed=turned)
    return Contents(sfreq, int(rows), labels, source, notes=note if turned else ())


def read_npy(path: Path, sfreq: float) -> Contents:
    """Map one array of (n_samples, n_channels)."""
    return contents_of({"data": open_npy(path), "sfreq": sfreq}, ["data"], path)
