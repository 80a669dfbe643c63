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
from heschl.ecog.recording.contents import SLOWEST_HZ, VOLTS, Contents, check_real
from heschl.names import plain_names
from heschl.notices import warn

CHANNEL = ("channel", "channels", "electrode", "electrodes", "ch", "sensor", "contact")
"""Names of the dimension of channels."""


@dataclass(frozen=True)
class XarraySource:
    """Samples of an xarray.DataArray (time, channel), read when asked for."""

    values: Any = field(repr=False)
    scale: float = 1.0

    def read(self, start: int, stop: int, channels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return samples [start, stop) of channels given by index, (stop - start, n), in V."""
        return np.asarray(self.values[start:stop].values, dtype=np.float64)[:, channels] * self.scale


def read_xarray(path: Path) -> Contents:
    """Open a dataset of ``data`` (time, channel), in any order.

    Returns
    -------
    Contents
        Samples by the unit that the attribute ``units`` of the data states, in V where it states none. The rate by the
        coordinate ``time``: in s, or in the unit that its attribute ``units`` states (xarray writes it for datetime64
        and timedelta64). Pauses are missing samples.

    Raises
    ------
    InputError
        For other variables or dimensions, times without a known unit or that are not uniform, and an attribute
        ``sfreq`` that is not their rate.
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
    if runs.sfreq < SLOWEST_HZ:
        raise InputError(
            f"{path}: time", f"{runs.sfreq:g} samples per second", f"{SLOWEST_HZ:g} or more",
            "Are the times in s? Otherwise state their unit in the attribute 'units', such as 'ms'.",
        )  # fmt: skip
    stated = found.attrs.get("sfreq", runs.sfreq)
    if not (isinstance(stated, float | int | np.number) and abs(float(stated) - runs.sfreq) <= 1e-3 * runs.sfreq):
        raise InputError(f"{path}: sfreq", f"{stated}, and times that run at {runs.sfreq:g} Hz", "the same in both")
    unit = str(data.attrs.get("units", "V"))
    if unit.lower() not in VOLTS:
        warn(f"{path}: data in the unit {unit!r}: its numbers are taken as V")
    if channel in found.variables:
        names = list(plain_names(found[channel].values, f"{path}: {channel}"))
    else:
        names = [f"e{i}" for i in range(data.sizes[channel])]
    return Contents(
        runs.sfreq, runs.n_samples, names, with_pauses(XarraySource(data, VOLTS.get(unit.lower(), 1.0)), runs)
    )
