"""NWB, by PyNWB: voltages, clock, electrodes and trials as the schema names them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog.files.hdf5 import check_hdf5
from heschl.ecog.recording.clock import Runs, runs_of, with_pauses
from heschl.ecog.recording.contents import Contents, check_rate, check_real, is_transposed
from heschl.ecog.recording.nwb_tables import electrodes_of, events_of
from heschl.names import plain_name
from heschl.notices import warn

LARGEST_CHUNK = 1 << 22
"""Timestamps read at a time."""


@dataclass(frozen=True)
class Part:
    """Columns of one array of an NWB file: values × scale + offset is in V (or the series' unit)."""

    values: Any = field(repr=False)
    scale: NDArray[np.float64] = field(repr=False)
    offset: float
    transposed: bool

    def read(self, start: int, stop: int) -> NDArray[np.float64]:
        """Return rows [start, stop) of all columns."""
        rows = np.asarray(self.values[:, start:stop]).T if self.transposed else np.asarray(self.values[start:stop])
        rows = rows.reshape(stop - start, len(self.scale))
        return np.asarray(rows.astype(np.float64) * self.scale + self.offset)


@dataclass(frozen=True)
class NwbSource:
    """The columns of several series that share their clock, one series after another."""

    parts: tuple[Part, ...]
    file: Any = field(repr=False)  # kept open as long as the recording is

    def read(self, start: int, stop: int, channels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return samples [start, stop) of channels given by index, (stop - start, n), in V."""
        out = np.empty((stop - start, len(channels)))
        first = 0
        for part in self.parts:
            width = len(part.scale)
            own = (channels >= first) & (channels < first + width)
            if own.any():
                out[:, own] = part.read(start, stop)[:, channels[own] - first]
            first += width
        return out


def read_nwb(path: Path, series: str | None = None) -> Contents:
    """Open an NWB file.

    Parameters
    ----------
    path : Path
        The file.
    series : str, optional
        The series to read, by its name or by its path in the file ("processing/ecephys/LFP/lfp"). By default all
        ElectricalSeries among the acquisitions, if they share their clock; else the one processed series.

    Returns
    -------
    Contents
        In V: data × conversion × channel_conversion + offset. Onsets count from the first sample, whatever
        ``starting_time`` or ``timestamps`` say; pauses between timestamps are missing samples. Series of the same clock
        that hold one channel (a microphone, triggers) are channels, too. ``invalid_times`` are spans to leave out.

    Raises
    ------
    InputError
        For a file without such a series, several of which none is chosen, a series without electrodes, timestamps
        without a rate, electrodes that share a name.
    """
    import pynwb

    check_hdf5(path)
    file = pynwb.NWBHDF5IO(str(path), "r")
    try:
        return _contents(file, path, series)
    except BaseException:
        file.close()
        raise


def _contents(file: Any, path: Path, series: str | None) -> Contents:
    """Read what an open file holds."""
    import pandas as pd
    import pynwb

    nwb = file.read()
    available = _series(nwb)
    chosen = _chosen(available, path, series)
    runs, begin = _clock(chosen[0], path)
    parts, names, tables, notes = [], [], [], []
    for item in chosen:
        table = electrodes_of(item, path)
        width = None if table is None else len(table)
        parts.append(_part(item, width, f"{path}: {item.name}"))
        names += [f"e{i}" for i in range(len(parts[-1].scale))] if table is None else [str(n) for n in table.index]
        tables.append(table)
    neural, apart = list(names), []
    shape = (runs.rows[-1], begin, runs.sfreq)
    for name, item in nwb.acquisition.items():
        if isinstance(item, pynwb.TimeSeries) and not any(item is one for one in chosen):
            extra = _extra(item, name, shape, path)
            if extra is not None and not set(extra[1]) & set(names):
                parts.append(extra[0])
                names += extra[1]
            elif f"acquisition/{name}" not in available:
                apart.append(name)
    if apart:
        notes.append(f"left out, for they are not on the clock of the voltages: {', '.join(apart)}")
    left = [where for where, item in available.items() if not any(item is one for one in chosen)]
    if left:
        notes.append(f"series not read: {', '.join(left)}")
        if series is None:
            warn(f"{path}: {notes[-1]}; choose one by series=")
    known = [table for table in tables if table is not None]
    source = with_pauses(NwbSource(tuple(parts), file), runs)
    return Contents(
        runs.sfreq, runs.n_samples, names, source, pd.concat(known) if known else None, neural,
        events_of(nwb, begin, path), notes=tuple(notes),
    )  # fmt: skip


def _series(nwb: Any) -> dict[str, Any]:
    """Return all series that may be the recording, by their path: voltages, and processed ones of two dimensions."""
    import pynwb

    series: dict[str, Any] = {}

    def walk(item: Any, where: str) -> None:
        if isinstance(item, pynwb.ecephys.SpikeEventSeries):
            return  # snippets about spikes, no continuous recording
        if isinstance(item, pynwb.ecephys.ElectricalSeries):
            series[where] = item
        elif isinstance(item, pynwb.TimeSeries):
            if where.startswith("processing/") and item.data is not None and len(np.shape(item.data)) == 2:
                series[where] = item
        else:  # LFP, FilteredEphys, a module …
            for child in getattr(item, "children", ()):
                walk(child, f"{where}/{child.name}")

    for name, item in nwb.acquisition.items():
        walk(item, f"acquisition/{name}")
    for name, module in nwb.processing.items():
        walk(module, f"processing/{name}")
    return series


def _chosen(available: dict[str, Any], path: Path, series: str | None) -> list[Any]:
    """Return the series to read; several only if they share their clock."""
    import pynwb

    listed = ", ".join(available) or "none"
    if series is not None:
        named = [item for where, item in available.items() if series in (where, item.name)]
        if len(named) != 1:
            raise InputError("series", f"{series!r}, the name of {len(named)} series of {path}", f"one of: {listed}")
        return named
    raw = [item for where, item in available.items() if where.startswith("acquisition/")]
    if not raw:
        voltages = [item for item in available.values() if isinstance(item, pynwb.ecephys.ElectricalSeries)]
        raw = voltages if len(voltages) == 1 else list(available.values())
        if len(raw) != 1:
            raise InputError(
                str(path), f"no ElectricalSeries among its acquisitions, and {len(raw)} processed series of 2 "
                f"dimensions ({listed})", "raw voltages, or one processed series", "Choose one by series=.",
            )  # fmt: skip
    clocks = {(item.rate, item.starting_time, len(item.data)) for item in raw}
    if len(raw) > 1 and (len(clocks) > 1 or raw[0].rate is None):
        raise InputError(
            str(path), f"several series, not on one clock: {listed}", "one, or series of one rate, start and length",
            "Choose one by series=.",
        )  # fmt: skip
    return raw


def _clock(item: Any, path: Path) -> tuple[Runs, float]:
    """Return the rate and pauses of a series, and the session's time of its first sample."""
    n = _n_samples(item, path)
    if item.rate is not None:
        sfreq = check_rate(item.rate, f"{path}: {item.name}: rate")
        begin = 0.0 if item.starting_time is None else float(item.starting_time)
        return Runs(sfreq, np.zeros(1, dtype=np.int64), np.array([0, n])), begin
    where = f"{path}: {item.name}: timestamps"
    stamps = item.timestamps
    if stamps is None or len(stamps) != n:
        raise InputError(where, f"{0 if stamps is None else len(stamps)}", f"{n}, one for each sample, or a rate")
    parts = [np.asarray(stamps[i : i + LARGEST_CHUNK], dtype=np.float64) for i in range(0, n, LARGEST_CHUNK)]
    times = np.concatenate(parts)
    return runs_of(times, where), float(times[0])


def _n_samples(item: Any, path: Path) -> int:
    table = electrodes_of(item, path)
    shape = np.shape(item.data)
    if len(shape) == 2 and table is not None and is_transposed(shape, len(table), f"{path}: {item.name}"):
        return int(shape[1])
    return int(shape[0]) if shape else 0


def _part(item: Any, width: int | None, where: str) -> Part:
    """Return the samples of a series with its scale."""
    shape = np.shape(item.data)
    check_real(item.data.dtype, where)
    turned = False
    if len(shape) == 1 and width in (None, 1):
        n = 1
    elif len(shape) == 2 and 0 not in shape:
        turned = width is not None and is_transposed(shape, width, where)
        n = int(shape[0] if turned else shape[1])
        if turned:
            warn(f"{where}: shape {shape} for {n} electrodes: read as (electrode, sample)")
    else:
        raise InputError(where, f"shape {shape}", "(n_samples, n_channels)")
    scale = np.full(n, float(item.conversion if item.conversion is not None else 1.0))
    by_channel = getattr(item, "channel_conversion", None)
    if by_channel is not None:
        by_channel = np.asarray(by_channel[:], dtype=np.float64)
        if by_channel.shape != (n,):
            raise InputError(f"{where}: channel_conversion", f"shape {by_channel.shape}", f"({n},), one for a channel")
        scale = scale * by_channel
    offset = float(getattr(item, "offset", 0.0) or 0.0)
    if not np.isfinite(scale).all() or not np.isfinite(offset) or (scale == 0).any():
        raise InputError(f"{where}: conversion", f"{scale[:4]}, offset {offset}", "finite factors other than 0")
    return Part(item.data, scale, offset, turned)


def _extra(item: Any, name: str, shape: tuple[int, float, float], path: Path) -> tuple[Part, list[str]] | None:
    """Return a series of another kind as channels, if it is on the clock of the voltages."""
    size = np.shape(item.data)
    n, begin, sfreq = shape
    if item.rate is None or not size or len(size) > 2 or size[0] != n or getattr(item.data, "dtype", None) is None:
        return None
    if item.rate != sfreq or (item.starting_time or 0.0) != begin or item.data.dtype.kind not in "fiu":
        return None
    part = _part(item, None, f"{path}: {name}")
    own = plain_name(name)
    return part, [own] if len(part.scale) == 1 else [f"{own}_{i}" for i in range(len(part.scale))]
