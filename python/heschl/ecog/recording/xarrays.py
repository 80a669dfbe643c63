"""Recordings as xarray datasets (.zarr, .nc): `data` over time and channel, with the times of the samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog.files.datasets import open_dataset, seconds_of
from heschl.ecog.recording.clock import runs_of, with_pauses
from heschl.ecog.recording.contents import Contents, check_real
from heschl.names import plain_names

CHANNEL = ("channel", "channels", "electrode", "electrodes", "ch", "sensor", "contact")
"""Names of the dimension of channels."""
SLOWEST = 1.0
"""Hz: no recording has fewer samples per second. Times in ms without a unit would make one that has."""


@dataclass(frozen=True)
class XarraySource:
    """Samples of an xarray.DataArray (time, channel), read when asked for."""

    values: Any = field(repr=False)

    def read(self, start: int, stop: int, channels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return samples [start, stop) of channels given by index, (stop - start, n), in V."""
        return np.asarray(self.values[start:stop].values, dtype=np.float64)[:, channels]


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
