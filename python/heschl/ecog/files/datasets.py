"""xarray datasets on disk (.zarr, .nc): opened without running what they hold, and their times in s."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog.files.hdf5 import check_hdf5

UNITS_IN_S = {
    "s": 1.0, "sec": 1.0, "second": 1.0, "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3, "us": 1e-6, "µs": 1e-6,
    "microsecond": 1e-6, "ns": 1e-9, "nanosecond": 1e-9, "min": 60.0, "minute": 60.0, "h": 3600.0, "hour": 3600.0,
    "day": 86400.0,
}  # fmt: skip


def open_dataset(path: Path) -> Any:
    """Open a dataset with numbers for its times; nothing that could run code is decoded.

    Raises
    ------
    InputError
        For a file that is no dataset, arrays stored as pickles, and an .nc file of a kind for which no library is
        installed.
    """
    import xarray as xr

    expected = "a dataset (.zarr, .nc)"
    try:
        if path.suffix.lower() == ".zarr":
            _refuse_pickles(path)
            return xr.open_zarr(path, consolidated=False, chunks=None, decode_times=False)
        if _is_hdf5(path):
            check_hdf5(path)
        return xr.open_dataset(path, decode_times=False)
    except InputError:
        raise
    except Exception as error:  # zarr, numcodecs and each engine raise their own types
        if _is_hdf5(path) and not {"h5netcdf", "netcdf4"} & set(xr.backends.list_engines()):
            raise InputError(
                str(path), "a netCDF-4 file, and no library that reads it", expected,
                "Install h5netcdf (or netCDF4), or write zarr with dataset.to_zarr.",
            ) from error  # fmt: skip
        raise InputError(str(path), f"no readable dataset ({type(error).__name__}: {error})", expected) from error


def _is_hdf5(path: Path) -> bool:
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(8) == b"\x89HDF\r\n\x1a\n"


def _refuse_pickles(path: Path) -> None:
    """Refuse codecs that unpickle, which run what a file says."""
    for file in (*path.rglob(".zarray"), *path.rglob("zarr.json"), *path.rglob(".zmetadata")):
        text = json.dumps(json.loads(file.read_text(encoding="utf-8"))).lower()
        if '"pickle"' in text:
            raise InputError(str(file), "an array of pickled objects", "arrays of numbers and text")


def seconds_of(times: Any, where: str) -> tuple[NDArray[np.float64], float]:
    """Return a time coordinate in s, and how finely it is written, s.

    Examples
    --------
    >>> import xarray as xr
    >>> seconds, resolution = seconds_of(xr.DataArray([0, 2, 4], dims="time", attrs={"units": "ms"}), "time")
    >>> seconds.tolist(), resolution
    ([0.0, 0.002, 0.004], 0.001)
    """
    values = np.asarray(times.values)
    if values.dtype.kind in "mM":  # of a dataset in memory: xarray has decoded them
        return (values - values[:1]).astype("timedelta64[ns]").astype(np.float64) * 1e-9, 1e-9
    units = str(times.attrs.get("units", "s"))
    word, _, since = units.partition(" since ")
    word = word.strip()
    unit = UNITS_IN_S.get(word.lower(), UNITS_IN_S.get(word.lower().removesuffix("s")))
    if unit is None or values.ndim != 1 or values.dtype.kind not in "fiu":
        raise InputError(where, f"{values.dtype} in {units!r}", "times in s, or in a unit such as 'ms' that is stated")
    if since and len(values):  # from the first on: a date loses what a float cannot hold
        values = values - values[0]
    if values.dtype.kind in "iu":
        return values.astype(np.float64) * unit, unit
    resolution = float(np.finfo(values.dtype).eps * np.abs(values).max(initial=0.0)) * unit
    return values.astype(np.float64) * unit, 0.0 if values.dtype == np.float64 else resolution
