"""FIF and BrainVision, by MNE."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heschl.ecog.recording.contents import Contents, Event
from heschl.ecog.recording.tables import POSITIONS
from heschl.names import plain_name, stimulus_name
from heschl.notices import warn

if TYPE_CHECKING:
    import pandas as pd

_MARKER = re.compile(r"^(Comment|Stimulus|Response)/")
"""What MNE puts before the names of BrainVision's markers."""
_SEGMENT = re.compile(r"^New Segment/|^(BAD|EDGE) boundary$")
"""Marks where a recording begins (BrainVision), goes on after a pause, or is joined to another (MNE): no spans."""
NEURAL = ("ecog", "seeg", "dbs", "eeg")
NO_ELECTRODES = ("stim", "syst", "ecg", "eog", "emg", "resp", "bio", "exci", "temperature", "gsr", "ias")


@dataclass(frozen=True)
class MneSource:
    """Samples of a file that MNE has open."""

    raw: Any = field(repr=False)

    def read(self, start: int, stop: int, channels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return samples [start, stop) of channels given by index, (stop - start, n), in V."""
        picks, place = np.unique(channels, return_inverse=True)  # MNE reads channels in the file's order
        values = self.raw.get_data(picks=picks.tolist(), start=start, stop=stop, verbose="error")
        return np.ascontiguousarray(values[place].T)


def read_mne(path: Path) -> Contents:
    """Open a FIF or BrainVision file; MNE's warnings reach the user.

    Returns
    -------
    Contents
        Onsets count from the first sample held: in an MNE object they count from the first sample ever recorded, also
        where what lay before was cropped away, with or without a date of measurement.
    """
    import mne

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not conform to MNE naming conventions.*")
        raw = mne.io.read_raw(path, preload=False, verbose="warning")
    return raw_contents(raw)


def raw_contents(raw: Any) -> Contents:
    """Return the contents of a `Raw` object of MNE's; onsets count from its first sample."""
    kinds = raw.get_channel_types()
    neural = [plain_name(n) for n, kind in zip(raw.ch_names, kinds, strict=True) if kind in NEURAL]
    if not neural:
        neural = [plain_name(n) for n, kind in zip(raw.ch_names, kinds, strict=True) if kind not in NO_ELECTRODES]
        warn(f"no channel of the types {', '.join(NEURAL)}: taken as electrodes are {', '.join(neural[:8]) or 'none'}")
    events: list[Event] = []
    for note in raw.annotations:
        name = plain_name(str(note["description"]))
        onset = float(note["onset"]) - float(raw.first_time)
        if _SEGMENT.match(name):
            if onset > 0 and not name.startswith("EDGE"):  # of MNE's two for a joint, one word is enough
                warn(f"a new segment begins at {onset:g} s, joined to what was recorded before it")
        else:
            events.append((onset, float(note["duration"]), stimulus_name(_MARKER.sub("", name))))
    mains = raw.info["line_freq"]
    return Contents(
        float(raw.info["sfreq"]), int(raw.n_times), [plain_name(n) for n in raw.ch_names], MneSource(raw),
        _table(raw), neural, events, None if mains is None else float(mains),
    )  # fmt: skip


def _table(raw: Any) -> pd.DataFrame:
    """Return bad marks and, where the file has them, positions."""
    import pandas as pd

    names = list(raw.ch_names)
    table = pd.DataFrame({"bad": [name in raw.info["bads"] for name in names]}, index=[plain_name(n) for n in names])
    montage = raw.get_montage()
    positions = montage.get_positions()["ch_pos"] if montage is not None else {}
    for i, axis in enumerate(POSITIONS):
        table[axis] = [float(positions[n][i]) if n in positions else np.nan for n in names]
    table.attrs["coord_frame"] = montage.get_positions()["coord_frame"] if montage is not None else "unknown"
    return table
