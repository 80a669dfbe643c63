"""Recordings from files: EDF, BDF, FIF and BrainVision by MNE, iEEG-BIDS by MNE-BIDS, NWB by PyNWB, and plain arrays.

======================  ==============================================================================================
arrays (.npz, .mat)     what
======================  ==============================================================================================
``data``                (n_samples, n_channels), in V
``sfreq``               samples per second, Hz
``names``               (n_channels,), optional
======================  ==============================================================================================

Nothing but .mat and .npz is read into memory; of those, .mat of version 7.3 is not either.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog.recording.readers_arrays import Contents, read_arrays, read_npy, read_xarray
from heschl.ecog.recording.recording import Recording

if TYPE_CHECKING:
    import pandas as pd

_MARKER = re.compile(r"^(Comment|Stimulus|Response)/")
"""What MNE puts before the names of BrainVision's markers."""
POSITIONS = ("x", "y", "z")
COLUMNS = {"region": ("region", "location", "anat", "label"), "group": ("group", "group_name", "device", "shank")}
"""Names that columns of electrode tables go by; the first is ours."""
UNITS_IN_M = {"m": 1.0, "cm": 0.01, "mm": 0.001, "n/a": np.nan}


def read_recording(
    path: str | Path,
    *,
    subject: str = "",
    electrodes: str | Path | None = None,
    events: str | Path | None = None,
    audio: str | None = None,
    trigger: str | None = None,
    sfreq: float | None = None,
) -> Recording:
    """Open a recording; samples are read when they are asked for.

    Parameters
    ----------
    path : str or Path
        ``.edf``, ``.bdf``, ``.fif``, ``.vhdr`` (if named as iEEG-BIDS does, "sub-…_ieeg…", with its sidecars),
        ``.nwb``, ``.mat``, ``.npz``, ``.npy`` (n_samples, n_channels), or an xarray dataset (``.zarr``, ``.nc``) with
        ``data`` (time, channel) and times in s.
    subject : str
        The subject's name.
    electrodes : str or Path, optional
        A CSV or TSV with a row per neural channel: ``name``; ``x``, ``y``, ``z`` in m, ``region``, ``group``, ``bad``,
        each optional. It takes the place of what the file says.
    events : str or Path, optional
        A CSV or TSV with ``onset``, ``duration`` (s) and ``stimulus`` (or BIDS's ``stim_file``). It takes the place of
        what the file says.
    audio, trigger : str, optional
        Channels that recorded the sound and trigger codes; these are no electrodes.
    sfreq : float, optional
        Samples per second of a ``.npy``, Hz, which does not say it.

    Returns
    -------
    Recording
        Annotations whose name begins with "bad" are artefacts, other ones events.

    Raises
    ------
    InputError
        For a file that is not there or cannot be read (truncated, no electrodes, missing arrays …), a sampling rate in
        a BIDS sidecar that is not the file's, channels that share a name, tables that do not fit.
    """
    import pandas as pd

    path = Path(path)
    if not path.exists():
        raise InputError(str(path), "no such file", f"a recording ({', '.join(READERS)})")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(str(path), f"the format {path.suffix!r}", f"one of {', '.join(READERS)}")
    if (sfreq is None) == (path.suffix.lower() == ".npy"):
        raise InputError("sfreq", repr(sfreq), f"{'a rate in Hz' if sfreq is None else 'None'} for {path.name}")
    found = read_npy(path, float(sfreq)) if sfreq is not None else reader(path)
    doubles = sorted({name for name in found.names if found.names.count(name) > 1})
    if doubles:
        raise InputError(str(path), f"the channel {doubles[0]!r} more than once", "a name of its own for each channel")
    for role, name in (("audio", audio), ("trigger", trigger)):
        if name is not None and name not in found.names:
            raise InputError(role, repr(name), f"one of the channels of {path}: {', '.join(found.names[:8])} …")
    neural = [name for name in found.neural or found.names if name not in (audio, trigger)]
    table = found.electrodes
    if electrodes is not None:
        table = _electrode_table(_read_table(Path(electrodes)), str(electrodes), 1.0)
        neural = [name for name in neural if name in table.index]
        lacking = [name for name in table.index if name not in found.names]
        if lacking or not neural:
            raise InputError(
                str(electrodes), f"the electrode {lacking[0] if lacking else 'none'!r}", f"channels of {path}"
            )
    said = f"{path.name}: {len(neural)} electrodes, {found.n_samples / found.sfreq:.1f} s at {found.sfreq:g} Hz"
    rows = _read_events(Path(events)) if events is not None else found.events
    artefacts = [(onset, onset + duration) for onset, duration, name in rows if name.lower().startswith("bad")]
    stimuli = [row for row in rows if not row[2].lower().startswith("bad")]
    return Recording(
        subject=subject,
        sfreq=found.sfreq,
        n_samples=found.n_samples,
        names=tuple(found.names),
        electrodes=_complete(table, neural),
        events=pd.DataFrame(stimuli, columns=["onset", "duration", "stimulus"]),
        artefacts=np.array(artefacts, dtype=np.float64).reshape(-1, 2),
        source=found.source,
        audio=audio,
        trigger=trigger,
        provenance=(said,),
    )


@dataclass(frozen=True)
class MneSource:
    """Samples of a file that MNE has open."""

    raw: Any = field(repr=False)

    def read(self, start: int, stop: int, channels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give samples [start, stop) of some channels."""
        picks, place = np.unique(channels, return_inverse=True)  # MNE gives channels in the file's order
        values = self.raw.get_data(picks=picks.tolist(), start=start, stop=stop, verbose="error")
        return np.ascontiguousarray(values[place].T)


def _read_mne(path: Path) -> Contents:
    import mne

    bids = path.name.startswith("sub-") and "_ieeg." in path.name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if bids:
                import mne_bids

                raw = mne_bids.read_raw_bids(mne_bids.get_bids_path_from_fname(path, verbose="error"), verbose="error")
            else:
                # MNE would give a channel named "trigger" of an EDF in steps of its converter.
                stim = {"stim_channel": None} if path.suffix.lower() == ".edf" else {}
                raw = mne.io.read_raw(path, preload=False, verbose="error", **stim)
    except Exception as error:  # readers raise many types; each means: not readable
        raise InputError(str(path), f"no readable recording ({type(error).__name__}: {error})", "a whole one") from None
    sfreq = float(raw.info["sfreq"])
    if bids:
        _check_sidecar(path, sfreq)
    kinds = raw.get_channel_types()
    neural = [n for n, kind in zip(raw.ch_names, kinds, strict=True) if kind in ("ecog", "seeg", "dbs", "eeg")]
    before = raw.first_time if raw.annotations.orig_time is not None else 0.0
    rows = [
        (float(note["onset"]) - before, float(note["duration"]), _MARKER.sub("", str(note["description"])))
        for note in raw.annotations
    ]
    return Contents(
        sfreq, int(raw.n_times), list(raw.ch_names), MneSource(raw), _table_of(raw, path, bids), neural or None,
        [(onset, duration, name.removesuffix(".wav")) for onset, duration, name in rows],
    )  # fmt: skip


def _table_of(raw: Any, path: Path, bids: bool) -> pd.DataFrame:
    """Give bad marks and, where the file or its sidecar has them, positions, regions and groups."""
    import pandas as pd

    table = pd.DataFrame({"bad": [name in raw.info["bads"] for name in raw.ch_names]}, index=list(raw.ch_names))
    table["reason"] = np.where(table["bad"], "marked in the file", "")
    if not bids:
        montage = raw.get_montage()
        positions = montage.get_positions()["ch_pos"] if montage is not None else {}
        for i, axis in enumerate(POSITIONS):
            table[axis] = [float(positions[n][i]) if n in positions else np.nan for n in raw.ch_names]
        return table
    sidecars = sorted(path.parent.glob(f"{path.name.split('_task')[0].split('_run')[0]}*_electrodes.tsv"))
    if sidecars:
        systems = sorted(path.parent.glob("*_coordsystem.json"))
        unit = json.loads(systems[0].read_text()).get("iEEGCoordinateUnits", "m") if systems else "m"
        own = _electrode_table(_read_table(sidecars[0]), str(sidecars[0]), UNITS_IN_M.get(unit, np.nan))
        for column in (*POSITIONS, *COLUMNS):
            if column in own:
                table[column] = own[column].reindex(table.index)
    return table


def _check_sidecar(path: Path, sfreq: float) -> None:
    sidecar = path.with_name(path.name.rsplit("_ieeg", 1)[0] + "_ieeg.json")
    if sidecar.is_file():
        said = json.loads(sidecar.read_text()).get("SamplingFrequency", sfreq)
        if abs(float(said) - sfreq) > 1e-3 * sfreq:
            raise InputError(
                f"{sidecar}: SamplingFrequency", f"{said} Hz, and {sfreq:g} Hz in {path.name}", "the same in both",
                "Correct the one that is wrong.",
            )  # fmt: skip


def _read_nwb(path: Path) -> Contents:
    import pynwb

    try:
        nwb = pynwb.NWBHDF5IO(str(path), "r").read()
    except Exception as error:  # HDF5 and PyNWB raise many types; each means: not readable
        raise InputError(str(path), f"no readable NWB file ({type(error).__name__}: {error})", "a whole one") from None
    series = [item for item in nwb.acquisition.values() if isinstance(item, pynwb.ecephys.ElectricalSeries)]
    if not series:
        return _processed(path, nwb)
    if series[0].rate is None:
        raise InputError(f"{path}: {series[0].name}", "timestamps", "a rate", "Resample it to uniform samples.")
    region = series[0].electrodes.to_dataframe() if series[0].electrodes is not None else None
    if region is None or region.empty:
        raise InputError(
            f"{path}: {series[0].name}", "no electrodes", "a row in the table of electrodes for each channel"
        )
    names = [
        str(n) for n in (region["channel_name"] if "channel_name" in region else region.get("label", region.index))
    ]
    region.index = names
    rows = _trials(nwb)
    others = {
        name: item for name, item in nwb.acquisition.items()
        if item is not series[0] and item.rate == series[0].rate and item.data.shape == series[0].data.shape[:1]
    }  # fmt: skip
    source = NwbSource(series[0].data, float(series[0].conversion), tuple(item.data for item in others.values()))
    return Contents(
        float(series[0].rate), int(series[0].data.shape[0]), [*names, *others], source,
        _electrode_table(region, str(path), 1.0), names, rows,
    )  # fmt: skip


def _trials(nwb: Any) -> list[tuple[float, float, str]]:
    rows = []
    for start, stop, *rest in nwb.trials.to_dataframe().itertuples(index=False) if nwb.trials is not None else ():
        rows.append((float(start), float(stop - start), str(rest[0]).removesuffix(".wav") if rest else ""))
    return rows


@dataclass(frozen=True)
class NwbSource:
    """Voltages in units of `scale` V, and other series of the same samples behind them."""

    values: Any = field(repr=False)
    scale: float
    others: tuple[Any, ...] = field(repr=False)

    def read(self, start: int, stop: int, channels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give samples [start, stop) of some channels."""
        voltages = np.asarray(self.values[start:stop], dtype=np.float64) * self.scale
        rest = [np.asarray(item[start:stop], dtype=np.float64)[:, None] for item in self.others]
        return np.concatenate([voltages, *rest], axis=1)[:, channels]


def _processed(path: Path, nwb: Any) -> Contents:
    """Read a processed (n_samples, n_channels) series, such as high gamma, where there are no raw voltages."""
    import pynwb

    found = [
        item for module in nwb.processing.values() for item in module.data_interfaces.values()
        if isinstance(item, pynwb.TimeSeries) and len(item.data.shape) == 2 and item.rate is not None
    ]  # fmt: skip
    if len(found) != 1:
        raise InputError(
            str(path), f"no ElectricalSeries among its acquisitions, and {len(found)} processed series of 2 dimensions",
            "raw voltages, or one processed series",
        )  # fmt: skip
    region = getattr(found[0], "electrodes", None)
    table = None if region is None else region.to_dataframe()
    names = [f"e{i}" for i in range(found[0].data.shape[1])]
    if table is not None:
        own = table["channel_name"] if "channel_name" in table else table.get("label", table.index)
        names = [str(name) for name in own]
        table.index = names
    source = NwbSource(found[0].data, float(found[0].conversion), ())
    about = None if table is None else _electrode_table(table, str(path), 1.0)
    return Contents(float(found[0].rate), len(found[0].data), names, source, about, None, _trials(nwb))


READERS: Mapping[str, Callable[[Path], Contents]] = {
    ".edf": _read_mne,
    ".bdf": _read_mne,
    ".fif": _read_mne,
    ".vhdr": _read_mne,
    ".nwb": _read_nwb,
    ".mat": read_arrays,
    ".npz": read_arrays,
    ".npy": read_arrays,
    ".zarr": read_xarray,
    ".nc": read_xarray,
}


def _read_table(path: Path) -> pd.DataFrame:
    import pandas as pd

    if not path.is_file():
        raise InputError(str(path), "no such file", "a CSV or TSV table")
    return pd.read_csv(path, sep="\t" if path.suffix.lower() == ".tsv" else ",", na_values=["n/a"])


def _electrode_table(table: pd.DataFrame, where: str, unit: float) -> pd.DataFrame:
    """Give a table by name, with our names for columns, and positions in m."""
    import pandas as pd

    if "name" in table:
        table = table.set_index(table["name"].astype(str))
    out = pd.DataFrame(index=[str(name) for name in table.index])
    for axis in POSITIONS:
        if axis in table:
            values = pd.to_numeric(table[axis], errors="coerce").to_numpy(np.float64)
            out[axis] = values * unit
    for ours, known in COLUMNS.items():
        found = next((name for name in known if name in table), None)
        if found is not None:
            out[ours] = table[found].fillna("").astype(str).to_numpy()
    if "bad" in table:
        out["bad"] = table["bad"].fillna(False).astype(bool).to_numpy()
    if out.index.duplicated().any():
        raise InputError(where, f"the electrode {out.index[out.index.duplicated()][0]!r} twice", "a row for each")
    return out


def _complete(table: pd.DataFrame | None, neural: list[str]) -> pd.DataFrame:
    """Give a row per neural channel, with every column that a recording has."""
    import pandas as pd

    found = pd.DataFrame(index=neural) if table is None else table.reindex(neural)
    for axis in POSITIONS:
        found[axis] = found.get(axis, np.nan)
    for column in ("region", "group", "reason"):
        found[column] = found[column].fillna("") if column in found else ""
    found["bad"] = found["bad"].fillna(False).astype(bool) if "bad" in found else False
    found.loc[found["bad"] & (found["reason"] == ""), "reason"] = "marked in the file"
    return found[[*POSITIONS, "region", "group", "bad", "reason"]]


def _read_events(path: Path) -> list[tuple[float, float, str]]:
    table = _read_table(path)
    stimulus = next((name for name in ("stimulus", "stim_file", "trial_type") if name in table), None)
    for column in ("onset", "duration"):
        if column not in table:
            raise InputError(str(path), f"the columns {', '.join(table.columns)}", f"a column {column!r} among them")
    if stimulus is None:
        raise InputError(str(path), f"the columns {', '.join(table.columns)}", "a column 'stimulus' among them")
    kept = table[table[stimulus].notna()]
    return [
        (float(onset), float(duration), str(name).removesuffix(".wav"))
        for onset, duration, name in kept[["onset", "duration", stimulus]].itertuples(index=False)
    ]
