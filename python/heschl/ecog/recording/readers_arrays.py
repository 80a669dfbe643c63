"""Recordings from plain arrays: NumPy, MATLAB and xarray files, and what every reader gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog.recording.recording import ArraySource, Source

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Contents:
    """What a file says of itself."""

    sfreq: float
    n_samples: int
    names: list[str]
    source: Source
    electrodes: pd.DataFrame | None = None
    neural: list[str] | None = None
    events: list[tuple[float, float, str]] = field(default_factory=list)


def read_arrays(path: Path) -> Contents:
    """Read `data`, `sfreq` and `names` of an .npz or .mat."""
    try:
        arrays = _open_arrays(path)
    except (OSError, ValueError, NotImplementedError) as error:
        raise InputError(str(path), f"no readable arrays ({error})", "data, sfreq and names") from None
    for key in ("data", "sfreq"):
        if key not in arrays:
            keys = sorted(name for name in arrays if not name.startswith("_"))
            raise InputError(str(path), f"the arrays {', '.join(keys)}", f"one named {key!r}")
    data, sfreq = arrays["data"], np.asarray(arrays["sfreq"], dtype=np.float64)
    if len(data.shape) != 2 or sfreq.size != 1 or not sfreq.item() > 0:
        found = f"data of shape {data.shape}, sfreq {sfreq.ravel()[:3]}"
        raise InputError(str(path), found, "data (n_samples, n_channels) and one rate above 0 Hz")
    names = (
        [str(n) for n in np.ravel(arrays["names"])] if "names" in arrays else [f"e{i}" for i in range(data.shape[1])]
    )
    if len(names) != data.shape[1]:
        raise InputError(f"{path}: names", f"{len(names)} names", f"{data.shape[1]}, one for each column of data")
    return Contents(float(sfreq.item()), int(data.shape[0]), [name.strip() for name in names], ArraySource(data))


def read_npy(path: Path, sfreq: float) -> Contents:
    """Map one array of (n_samples, n_channels)."""
    try:
        data = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(str(path), f"no readable array ({error})", "one of (n_samples, n_channels)") from None
    if data.ndim != 2 or not sfreq > 0:
        raise InputError(
            str(path), f"shape {data.shape}, sfreq {sfreq:g}", "(n_samples, n_channels), a rate above 0 Hz"
        )
    return Contents(sfreq, len(data), [f"e{i}" for i in range(data.shape[1])], ArraySource(data))


def read_xarray(path: Path) -> Contents:
    """Open a dataset of `data` (time, channel)."""
    import xarray as xr

    try:
        found = xr.open_zarr(path, consolidated=False, chunks=None) if path.suffix == ".zarr" else xr.open_dataset(path)
    except (OSError, ValueError) as error:
        raise InputError(str(path), f"no readable dataset ({error})", "one with data (time, channel)") from None
    if "data" not in found or set(found["data"].dims) != {"time", "channel"} or "time" not in found.coords:
        have = {str(name): tuple(map(str, values.dims)) for name, values in found.data_vars.items()}
        raise InputError(str(path), f"the variables {have}", "data (time, channel), with the times of samples in s")
    data, times = found["data"].transpose("time", "channel"), found["time"].values.astype(np.float64)
    steps = np.diff(times)
    if len(steps) == 0 or not steps.min() > 0 or np.ptp(steps) > 1e-3 * steps.mean():
        raise InputError(f"{path}: time", "times that do not rise evenly", "uniform samples", "Resample it.")
    sfreq = (len(times) - 1) / (times[-1] - times[0])
    names = [str(n) for n in (found["channel"].values if "channel" in found.coords else range(data.sizes["channel"]))]
    return Contents(float(sfreq), len(times), names, XarraySource(data))


@dataclass(frozen=True)
class XarraySource:
    """Samples of an xarray.DataArray (time, channel), read when asked for."""

    values: Any = field(repr=False)

    def read(self, start: int, stop: int, channels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give samples [start, stop) of some channels."""
        return np.asarray(self.values[start:stop].values, dtype=np.float64)[:, channels]


@dataclass(frozen=True)
class Transposed:
    """A matrix on disk, read as its transpose: MATLAB's order."""

    values: Any = field(repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns as MATLAB sees them."""
        return tuple(self.values.shape[::-1])

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Give some rows."""
        return np.asarray(self.values[:, rows]).T


def _open_arrays(path: Path) -> Mapping[str, Any]:
    if path.suffix.lower() == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    import h5py
    from scipy import io

    if not h5py.is_hdf5(path):
        found = io.loadmat(path)
        if "names" in found:
            found["names"] = np.array([str(np.ravel(name)[0]) for name in np.ravel(found["names"])])
        return dict(found)
    file = h5py.File(path, "r")  # version 7.3; open as long as the recording is
    arrays: dict[str, Any] = {key: np.asarray(value) for key, value in file.items() if key == "sfreq"}
    if "data" in file:
        arrays["data"] = Transposed(file["data"])
    if "names" in file:
        cells = np.ravel(file["names"][()])
        arrays["names"] = ["".join(map(chr, np.ravel(file[cell][()]))) for cell in cells]
    return arrays
