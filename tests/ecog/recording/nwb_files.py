"""NWB files with parts that real ones have: several series, clocks, tables beside the voltages."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pynwb
from pynwb.ecephys import ElectricalSeries


def new(n_electrodes: int, **columns: list[Any]) -> pynwb.NWBFile:
    """Make a file with a table of electrodes; `x`, `y`, `z` and own columns by name."""
    nwb = pynwb.NWBFile(
        session_description="x", identifier="x", session_start_time=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    )
    group = nwb.create_electrode_group("grid", "g", "cortex", nwb.create_device("amplifier"))
    own = {name: cells for name, cells in columns.items() if name not in ("x", "y", "z", "location")}
    for name in own:
        nwb.add_electrode_column(name, name)
    for i in range(n_electrodes):
        row = {name: cells[i] for name, cells in columns.items()}
        nwb.add_electrode(group=group, **{"x": 0.0, "y": 0.0, "z": 0.0, "location": "STG"} | row)
    return nwb


def series(
    nwb: pynwb.NWBFile, data: np.ndarray, name: str = "voltage", rows: list[int] | None = None, **given: Any
) -> Any:
    """Make an ElectricalSeries of the first electrodes, or of some."""
    rows = list(range(data.shape[1])) if rows is None else rows
    region = nwb.create_electrode_table_region(rows, "some")
    return ElectricalSeries(name=name, data=data, electrodes=region, **given)


def write(nwb: pynwb.NWBFile, path: Path) -> Path:
    """Write a file."""
    with pynwb.NWBHDF5IO(str(path), "w") as file:
        file.write(nwb)
    return path
