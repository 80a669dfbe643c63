"""Recordings as xarray datasets (.zarr, .nc): `data` over time and channel, with the times of the samples."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog.recording.clock import runs_of, with_pauses
from heschl.ecog.recording.contents import Contents, check_real
from heschl.names import plain_names

CHANNEL = ("channel", "channels", "electrode", "electrodes", "ch", "sensor", "contact")
"""Names of the dimension of channels."""
UNITS_IN_S = {
    "s": 1.0, "sec": 1.0, "second": 1.0, "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3, "us": 1e-6, "µs": 1e-6,
    "microsecond": 1e-6, "ns": 1e-9, "nanosecond": 1e-9, "min": 60.0, "minute": 60.0, "h": 3600.0, "hour": 3600.0,
    "day": 86400.0,
}  # fmt: skip
SLOWEST = 1.0
"""Hz: no recording has fewer samples per second. Times in ms without a unit would make one that has."""


@dataclass(frozen=True)
class XarraySource:
    """Samples of an xarray.DataArray (time, channel), read when asked for."""

    values: Any = field(repr=False)

    def read(self, start: int, stop: int, channels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return samples [start, stop) of channels given by index, (stop - start, n), in V."""
        return np.asarray(self.values[start:stop].values, dtype=np.float64)[:, channels]


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
        return xr.open_dataset(path, decode_times=False)
    except InputError:
        raise
    except Exception as error:  # zarr, numcodecs and each engine raise their own types
        with open(path, "rb") if path.is_file() else open("/dev/null", "rb") as file:
            is_hdf5 = file.read(8) == b"\x89HDF\r\n\x1a\n"
        if is_hdf5 and not {"h5netcdf", "netcdf4"} & set(xr.backends.list_engines()):
            raise InputError(
                str(path), "a netCDF-4 file, and no library that reads it", expected,
                "Install h5netcdf (or netCDF4), or write zarr with dataset.to_zarr.",
            ) from error  # fmt: skip
        raise InputError(str(path), f"no readable dataset ({type(error).__name__}: {error})", expected) from error


def _refuse_pickles(path: Path) -> None:
    """Refuse codecs that unpickle, which run what a file says."""
    for file in (*path.rglob(".zarray"), *path.rglob("zarr.json"), *path.rglob(".zmetadata")):
        text = json.dumps(json.loads(file.read_text(encoding="utf-8"))).lower()
        if '"pickle"' in text:
            raise InputError(str(file), "an array of pickled objects", "arrays of numbers and text")


def read_xarray(path: Path) -> Contents:
    """Open a dataset of ``data`` (time, channel), in any order.

    Returns
    -------
    Contents
        The rate by the coordinate ``time``: in s, or in the unit that its attribute ``units`` states (xarray writes it
        for datetime64 and timedelta64). Pauses are missing samples.

    Raises
    ------
    InputError
        For other variables or dimensions, times without a known unit or that are not uniform.
    """
    found = open_dataset(path)
    have = {str(name): tuple(map(str, values.dims)) for name, values in found.data_vars.items()}
    dims = have.get("data", ())
    channel = next((name for name in CHANNEL if name in dims), None)
    if set(dims) != {"time", channel} or "time" not in found.variables:
        raise InputError(str(path), f"the variables {have}", "data (time, channel), with the times of samples")
    check_real(found["data"].dtype, f"{path}: data")
    data = found["data"].transpose("time", channel)
    times, resolution = seconds_of(found["time"], f"{path}: time")
    runs = runs_of(times, f"{path}: time", resolution=resolution)
    if runs.sfreq < SLOWEST:
        raise InputError(
            f"{path}: time", f"{runs.sfreq:g} samples per second", f"{SLOWEST:g} or more",
            "Are the times in s? Otherwise state their unit in the attribute 'units', such as 'ms'.",
        )  # fmt: skip
    if channel in found.variables:
        names = list(plain_names(found[channel].values, f"{path}: {channel}"))
    else:
        names = [f"e{i}" for i in range(data.sizes[channel])]
    return Contents(runs.sfreq, runs.n_samples, names, with_pauses(XarraySource(data), runs))


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
    word = units.split(" since ")[0].strip()
    unit = UNITS_IN_S.get(word.lower(), UNITS_IN_S.get(word.lower().removesuffix("s")))
    if unit is None or values.ndim != 1 or values.dtype.kind not in "fiu":
        raise InputError(where, f"{values.dtype} in {units!r}", "times in s, or in a unit such as 'ms' that is stated")
    if values.dtype.kind in "iu":  # from the first on, in whole numbers, which lose nothing
        return (values - values[:1]).astype(np.float64) * unit, unit
    resolution = float(np.finfo(values.dtype).eps * np.abs(values).max(initial=0.0)) * unit
    return values.astype(np.float64) * unit, 0.0 if values.dtype == np.float64 else resolution
