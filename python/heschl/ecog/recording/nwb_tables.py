"""Tables of an NWB file: electrodes, trials and invalid times, by the names of their columns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from heschl.checks import InputError
from heschl.ecog.recording.contents import Event
from heschl.ecog.recording.tables import COLUMNS, POSITIONS, STIMULUS, check_names, truth
from heschl.names import plain_name, stimulus_name
from heschl.notices import warn

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("channel_name", "label", "electrode_name", "name")
"""Columns that name an electrode, the first that is there; else it is the row's id."""
SOUNDS = (*STIMULUS, "stimulus_id", "stim", "stimuli", "sound", "sound_file", "sentence_id")
"""Columns of trials that name a stimulus, the first that is there."""
HEAD_M = 0.3
"""No electrode lies farther than that from the origin of any coordinate system of a head, m."""


def electrodes_of(item: Any, path: Path) -> pd.DataFrame | None:
    """Return the electrodes of a series by name, or None for a processed series without any.

    Positions are brought to m: NWB files state no unit, but a head is 0.1 m wide, which tells m from mm and µm.

    Raises
    ------
    InputError
        For an ElectricalSeries without electrodes, electrodes that share a name, and marks whose words are not known.
    """
    import pandas as pd
    import pynwb

    region = getattr(item, "electrodes", None)
    if region is None or len(region) == 0:
        if isinstance(item, pynwb.ecephys.ElectricalSeries):
            raise InputError(
                f"{path}: {item.name}", "no electrodes", "a row in the table of electrodes for each channel"
            )
        return None
    table = region.to_dataframe()
    column = next((name for name in NAMES if name in table), None)
    where = f"{path}: electrodes"
    raw = table.index if column is None else table[column]
    if column == "name":  # PyNWB's frames have the name of the whole table there
        raw = [region.table["name"][row] for row in region.data[:]]
    names = check_names([plain_name(_text(name), where) for name in raw], where)
    out = pd.DataFrame(index=names)
    if all(axis in table for axis in POSITIONS):
        xyz = table[list(POSITIONS)].to_numpy(np.float64)
        out[list(POSITIONS)] = _in_m(xyz)
    for ours, known in COLUMNS.items():
        # An electrode's "label" may be its name; "group" is an object here, and "group_name" its name.
        usable = [name for name in known if name in table and name != column]
        if ours == "group":
            usable = sorted(usable, key=lambda name: name != "group_name")
        if usable:
            cells = [plain_name(_text(cell)) for cell in table[usable[0]]]
            out[ours] = np.array(["" if cell in ("unknown", "n/a", "nan") else cell for cell in cells], dtype=object)
    if "bad" in table:
        out["bad"] = [
            truth(_text(cell), f"{where}, {name}: bad") for cell, name in zip(table["bad"], names, strict=True)
        ]
    elif "good" in table:
        words = [_text(cell) for cell in table["good"]]
        out["bad"] = [
            word.lower() == "bad" or (word.lower() != "good" and not truth(word, f"{where}, {name}: good"))
            for word, name in zip(words, names, strict=True)
        ]
    return out


def _in_m(xyz: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    xyz = np.where(np.isfinite(xyz).all(axis=1, keepdims=True), xyz, np.nan)
    if not np.nan_to_num(xyz).any():  # what PyNWB writes where nothing is known
        return np.full(xyz.shape, np.nan)
    farthest = float(np.nanmax(np.abs(xyz)))
    unit = next((unit for unit in (1.0, 1e-3, 1e-6) if farthest * unit <= HEAD_M), np.nan)
    return np.asarray(xyz * unit)


def _text(cell: Any) -> Any:
    """Return a cell as text: an object (an electrode group) by its name, numbers as they are written."""
    if isinstance(cell, str | bytes):
        return cell
    return str(getattr(cell, "name", cell))


def events_of(nwb: Any, begin: float, path: Path) -> list[Event]:
    """Return trials, and invalid times as bad spans, in s from the first sample.

    Parameters
    ----------
    nwb : pynwb.NWBFile
        The open file; its tables are on the session's clock.
    begin : float
        The session's time of the first sample, s.
    path : Path
        For messages.
    """
    rows: list[Event] = []
    tables = [nwb.trials] if nwb.trials is not None else [
        table for table in (nwb.intervals or {}).values() if any(name in table.colnames for name in SOUNDS)
    ]  # fmt: skip
    for table in tables:
        if table is nwb.invalid_times:
            continue
        column = next((name for name in SOUNDS if name in table.colnames), None)
        if column is None:
            others = [name for name in table.colnames if name not in ("start_time", "stop_time")]
            if others:
                warn(f"{path}: no column of {table.name!r} names a stimulus ({', '.join(others)}): no events")
                continue
        names = [""] * len(table) if column is None else [_text(cell) for cell in table[column][:]]
        rows += _rows(table, [stimulus_name(name) for name in names], begin)
    if nwb.invalid_times is not None:
        rows += _rows(nwb.invalid_times, ["bad"] * len(nwb.invalid_times), begin)
    return sorted(rows, key=lambda row: row[0])


def _rows(table: Any, names: list[str], begin: float) -> list[Event]:
    starts, stops = (np.asarray(table[name][:], dtype=np.float64) for name in ("start_time", "stop_time"))
    return [
        (float(start) - begin, float(stop - start), name)
        for start, stop, name in zip(starts, stops, names, strict=True)
    ]
