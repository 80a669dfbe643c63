"""The sidecars of iEEG-BIDS: what they say of a recording takes the place of what its file says.

A sidecar belongs to a file if every part of its name ("sub-01", "task-listen" …) is a part of the file's name, in the
file's folder or one above it up to the dataset's root; the most specific one counts (BIDS's inheritance principle).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from heschl.checks import InputError
from heschl.ecog.recording.contents import VOLTS, Contents
from heschl.ecog.recording.tables import (
    COLUMNS,
    POSITIONS,
    STIMULUS,
    Table,
    check_names,
    electrode_table,
    event_rows,
    read_table,
    read_text,
    truth,
)
from heschl.notices import warn

NEURAL = ("ECOG", "SEEG", "DBS", "EEG")
TEMPLATES = ("MNI", "TALAIRACH", "FSAVERAGE", "ICBM")
SPACES = (*TEMPLATES, "ACPC", "SCANRAS", "T1W", "ORIG")
"""Coordinate systems by how their names begin, those of a template before those of a subject."""
UNITS_IN_M = {"m": 1.0, "cm": 0.01, "mm": 0.001}


def is_bids(path: Path) -> bool:
    """Tell whether a file is named as an iEEG-BIDS recording is."""
    return path.name.startswith("sub-") and path.stem.endswith("_ieeg")


def read_bids(path: Path, read: Callable[[Path], Contents]) -> Contents:
    """Read a recording and its sidecars.

    Parameters
    ----------
    path : Path
        "sub-…_ieeg.edf" (.bdf, .vhdr, .nwb …).
    read : callable
        Reads the file by itself.

    Returns
    -------
    Contents
        Types, units and bad marks by ``channels.tsv``; events by ``events.tsv``; positions (in the coordinate system of
        a template before the subject's own, with the unit of the very file) and regions by ``electrodes.tsv``; the
        mains by ``PowerLineFrequency``.

    Raises
    ------
    InputError
        For a sampling rate that is not the file's, channels that the file does not have, sidecars that cannot be read.
    """
    contents = read(path)
    about = _json(path, "_ieeg.json")
    rate = about.get("SamplingFrequency", contents.sfreq)
    if not isinstance(rate, int | float) or abs(rate - contents.sfreq) > 1e-3 * contents.sfreq:
        raise InputError(
            f"{_sidecars(path, '_ieeg.json')[0]}: SamplingFrequency",
            f"{rate} Hz, and {contents.sfreq:g} Hz in {path.name}", "the same in both",
            "Correct the one that is wrong.",
        )  # fmt: skip
    contents = replace(contents, mains=_mains(about.get("PowerLineFrequency"), contents.mains))
    contents = _with_channels(path, contents)
    found = _sidecars(path, "_events.tsv")
    if found:
        table = read_table(found[0])
        if not any(column in table for column in STIMULUS):
            warn(f"{found[0]}: no column names a stimulus ({', '.join(STIMULUS)}): no events")
            table["stimulus"] = [None] * len(table["onset"]) if "onset" in table else []
        contents = replace(contents, events=event_rows(table, str(found[0])))
    return _with_electrodes(path, contents)


def _sidecars(path: Path, suffix: str) -> list[Path]:
    """Return the sidecars of a file that end in a suffix such as "_events.tsv", the most specific first."""
    own = set(path.stem.split("_"))
    found = []
    folder = path.resolve().parent
    for height, above in enumerate((folder, *folder.parents)):
        for file in sorted(above.glob(f"*{suffix}")):
            parts = file.name.removesuffix(suffix).split("_") if file.name != suffix[1:] else []
            if {part for part in parts if not part.startswith("space-")} <= own and file.is_file():
                found.append((height, -len(parts), file))
        if height == 3 or (above / "dataset_description.json").is_file():
            break
    # root files such as "task-listen_ieeg.json", and "events.tsv" for all
    return [file for *_, file in sorted(found)]


def _json(path: Path, suffix: str) -> dict[str, Any]:
    """Return all keys of a file's JSON sidecars, those of the most specific one before others'."""
    merged: dict[str, Any] = {}
    for file in reversed(_sidecars(path, suffix)):
        merged |= read_json(file)
    return merged


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; refuse what is none."""
    try:
        value = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(str(path), f"no readable JSON ({error})", "a JSON object") from None
    if not isinstance(value, dict):
        raise InputError(str(path), f"a JSON {type(value).__name__}", "a JSON object")
    return value


def _mains(stated: object, of_file: float | None) -> float | None:
    """Return the mains in Hz; "n/a" says that it is not known."""
    if isinstance(stated, int | float) and not isinstance(stated, bool) and 0 < stated < 1000:
        return float(stated)
    return of_file


def _with_channels(path: Path, contents: Contents) -> Contents:
    """Apply channels.tsv: which channels are electrodes, which are bad, and the units of the rest."""
    found = _sidecars(path, "_channels.tsv")
    if not found:
        return contents
    where, table = str(found[0]), read_table(found[0])
    if "name" not in table:
        raise InputError(where, f"the columns {', '.join(table)}", "a column 'name' among them")
    names = check_names(table["name"], where)
    absent = [name for name in names if name not in contents.names]
    if absent:
        left_out = " ".join(contents.notes)
        if any(name not in left_out for name in absent):
            raise InputError(where, f"the channel {absent[0]!r}", f"channels of {path.name}")
        warn(f"{where}: {', '.join(absent)} were left out of {path.name}")
    row = {name: i for i, name in enumerate(names)}
    neural = contents.neural
    if "type" in table:
        kinds = {name: (table["type"][i] or "").upper() for name, i in row.items()}
        neural = [name for name in contents.names if kinds.get(name) in NEURAL]
        if not neural:
            raise InputError(
                f"{where}: type", f"no channel of {path.name} of {', '.join(NEURAL)}", "the types of its electrodes"
            )
    if "units" in table:
        odd = [n for n in neural or () if n in row and (table["units"][row[n]] or "V").lower() not in VOLTS]
        if odd:
            raise InputError(
                f"{where}, channel {odd[0]}", f"units {table['units'][row[odd[0]]]!r}", "a unit of voltage"
            )
    about = _frame(contents)
    if "status" in table:
        marks = {name: truth(table["status"][i], f"{where}, channel {name}: status") for name, i in row.items()}
        about["bad"] = [marks.get(name, False) for name in about.index]
        reasons = table.get("status_description", [None] * len(names))
        about["reason"] = [
            (reasons[row[name]] or "marked in channels.tsv") if marks.get(name) else "" for name in about.index
        ]
    if "group" in table:
        about["group"] = [(table["group"][row[name]] if name in row else None) or "" for name in about.index]
    return replace(contents, neural=neural, electrodes=about)


def _frame(contents: Contents) -> Any:
    import pandas as pd

    about = contents.electrodes
    return pd.DataFrame(index=contents.names) if about is None else about.reindex(contents.names)


def _with_electrodes(path: Path, contents: Contents) -> Contents:
    """Apply electrodes.tsv of the best known space, with the unit that the coordsystem.json of that space states."""
    found = _sidecars(path, "_electrodes.tsv")
    if not found:
        return contents
    systems = {file: _system(path, file) for file in found}
    chosen = min(found, key=lambda file: (_rank(systems[file][0]), found.index(file)))
    system, about = systems[chosen]
    unit = str(about.get("iEEGCoordinateUnits", "n/a"))
    table = read_table(chosen)
    own = electrode_table(_without_marks(table), str(chosen), UNITS_IN_M.get(unit, np.nan))
    notes = contents.notes
    if unit not in UNITS_IN_M and any(axis in own for axis in POSITIONS):
        warn(f"{chosen}: positions in the unit {unit!r} are not used: only m, cm, mm are known")
    elif _rank(system) >= len(TEMPLATES) and any(axis in own for axis in POSITIONS):
        warn(f"{chosen}: positions are of the coordinate system {system}, not of a template such as MNI")
    notes += (f"positions of {chosen.name}, coordinate system {system}, in {unit}",)
    others = [file.name for file in found if file != chosen]
    if others:
        notes += (f"not used: {', '.join(others)}",)
    frame = _frame(contents)
    for column in (*POSITIONS, *COLUMNS):
        if column in own:
            frame[column] = own[column].reindex(frame.index)
    return replace(contents, electrodes=frame, notes=notes)


def _without_marks(table: Table) -> Table:
    """Leave out what channels.tsv decides."""
    return {name: cells for name, cells in table.items() if name not in ("bad", "status")}


def _system(path: Path, electrodes: Path) -> tuple[str, dict[str, Any]]:
    """Return the coordinate system of an electrodes.tsv, and the coordsystem.json of its space."""
    space = _space(electrodes)
    about: dict[str, Any] = next(
        (read_json(file) for file in _sidecars(path, "_coordsystem.json") if _space(file) == space), {}
    )
    return space or str(about.get("iEEGCoordinateSystem", "n/a")), about


def _space(file: Path) -> str:
    """Return the space that a file's name states, "" where none."""
    return next((p.removeprefix("space-") for p in file.stem.split("_") if p.startswith("space-")), "")


def _rank(space: str) -> int:
    upper = space.upper()
    return next((i for i, known in enumerate(SPACES) if upper.startswith(known)), len(SPACES))
