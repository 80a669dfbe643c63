"""Write recordings in the formats that `read_recording` reads: for tests, for examples, and to share."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import check_choice
from heschl.ecog.recording.recording import Recording
from heschl.names import plain_table

TASK = "listen"


def write_recording(recording: Recording, folder: str | Path, format: str = "bids", *, name: str = "recording") -> Path:
    """Write a whole recording to one file, or a BIDS dataset.

    Parameters
    ----------
    recording : Recording
        It is read into memory.
    folder : str or Path
        Created if it does not exist.
    format : {"bids", "nwb", "edf", "fif", "npz", "mat"}
        iEEG-BIDS (BrainVision, by MNE-BIDS), NWB (by PyNWB), EDF and FIF (by MNE), NumPy or MATLAB arrays. The last two
        hold samples and names only; events and electrodes are written beside them as tables.
    name : str
        Name of the file; in BIDS that of the subject.

    Returns
    -------
    Path
        What `read_recording` takes. Audio and trigger channels have to be named there again. Artefacts are written as
        events named "BAD".

    Raises
    ------
    InputError
        For an unknown format.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import Recording, write_recording
    >>> import tempfile
    >>> import pandas as pd
    >>> from heschl.ecog import ArraySource, read_recording
    >>> table = pd.DataFrame(
    ...     {"x": 0.0, "y": 0.0, "z": 0.0, "region": "", "group": "", "bad": False, "reason": ""}, index=["e1"])
    >>> events = pd.DataFrame({"onset": [1.0], "duration": [0.5], "stimulus": ["a"]})
    >>> source = ArraySource(np.ones((3000, 1)))
    >>> recording = Recording("S1", 1000.0, 3000, ("e1",), table, events, np.zeros((0, 2)), source)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_recording(recording, folder, "npz", name="S1")
    ...     read_recording(path, events=folder + "/S1_events.csv").events.values.tolist()
    [[1.0, 0.5, 'a']]
    """
    check_choice("format", format, tuple(WRITERS))
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return WRITERS[format](recording, folder, name)


def _samples(recording: Recording) -> NDArray[np.float64]:
    return recording.read(0, recording.n_samples, recording.names)


def _rows(recording: Recording) -> list[tuple[float, float, str]]:
    """Return events, and artefacts as bad spans: onset and duration in s, and a name."""
    events = recording.events[["onset", "duration", "stimulus"]].itertuples(index=False)
    rows = [(float(onset), float(duration), str(stimulus)) for onset, duration, stimulus in events]
    return rows + [(float(begin), float(end - begin), "BAD") for begin, end in recording.artefacts]


def _mne(recording: Recording) -> Any:
    """Return the recording as MNE has it."""
    import mne

    others = (recording.audio, recording.trigger)
    kinds = ["misc" if name in others else "ecog" for name in recording.names]
    info = mne.create_info(list(recording.names), recording.sfreq, kinds, verbose="error")
    raw = mne.io.RawArray(_samples(recording).T, info, verbose="error")
    onsets, durations, names = ([row[i] for row in _rows(recording)] for i in range(3))
    raw.set_annotations(mne.Annotations(onsets, durations, names))
    raw.info["bads"] = [str(name) for name in recording.electrodes.index[recording.electrodes["bad"]]]
    raw.info["line_freq"] = recording.mains  # BIDS: "n/a" where it is not known
    return raw


def _write_bids(recording: Recording, folder: Path, name: str) -> Path:
    import mne
    import mne_bids

    raw = _mne(recording)
    table = recording.electrodes
    positions = {str(n): table.loc[n, ["x", "y", "z"]].to_list() for n in table.index}
    if not table[["x", "y", "z"]].isna().any(axis=None):
        raw.set_montage(mne.channels.make_dig_montage(positions, coord_frame="mni_tal"), verbose="error")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = mne_bids.write_raw_bids(
            raw, mne_bids.BIDSPath(subject=name.replace("_", ""), task=TASK, datatype="ieeg", root=folder),
            allow_preload=True, format="BrainVision", overwrite=True, verbose="error",
        )  # fmt: skip
    return Path(path.fpath)


def _export(suffix: str) -> Callable[[Recording, Path, str], Path]:
    def write(recording: Recording, folder: Path, name: str) -> Path:
        import mne

        path, raw = folder / f"{name}{suffix}", _mne(recording)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if suffix == ".fif":
                raw.save(path, fmt="double", overwrite=True, verbose="error")
            else:  # EDF has one kind of channel
                raw.set_channel_types(dict.fromkeys(recording.names, "ecog"), verbose="error")
                mne.export.export_raw(path, raw, physical_range="channelwise", overwrite=True, verbose="error")
        return path

    return write


def _write_nwb(recording: Recording, folder: Path, name: str) -> Path:
    import pynwb

    nwb = pynwb.NWBFile(name, name, datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
    device = nwb.create_device("grid")
    nwb.add_electrode_column("channel_name", "name")
    nwb.add_electrode_column("bad", "a bad channel")
    table = recording.electrodes
    groups = {g: nwb.create_electrode_group(g or "all", g or "all", "cortex", device) for g in table["group"].unique()}
    for own, row in table.iterrows():
        nwb.add_electrode(
            x=row["x"], y=row["y"], z=row["z"], location=row["region"] or "unknown", group=groups[row["group"]],
            channel_name=str(own), bad=bool(row["bad"]),
        )  # fmt: skip
    region = nwb.create_electrode_table_region(list(range(len(table))), "all electrodes")
    neural = recording.read(0, recording.n_samples, [str(n) for n in table.index])
    nwb.add_acquisition(
        pynwb.ecephys.ElectricalSeries(name="voltage", data=neural, electrodes=region, rate=recording.sfreq)
    )
    for role in (recording.audio, recording.trigger):
        if role is not None:
            values = recording.read(0, recording.n_samples, [role])[:, 0]
            nwb.add_acquisition(pynwb.TimeSeries(name=role, data=values, unit="V", rate=recording.sfreq))
    nwb.add_trial_column("stimulus", "the sound")
    for onset, duration, stimulus in _rows(recording)[: len(recording.events)]:
        nwb.add_trial(start_time=onset, stop_time=onset + duration, stimulus=stimulus)
    for begin, end in recording.artefacts:
        nwb.add_invalid_time_interval(start_time=float(begin), stop_time=float(end))
    with pynwb.NWBHDF5IO(str(folder / f"{name}.nwb"), "w") as file:
        file.write(nwb)
    return folder / f"{name}.nwb"


def _write_arrays(suffix: str) -> Callable[[Recording, Path, str], Path]:
    def write(recording: Recording, folder: Path, name: str) -> Path:
        import pandas as pd

        path = folder / f"{name}{suffix}"
        if suffix == ".npz":
            np.savez(path, data=_samples(recording), sfreq=recording.sfreq, names=np.array(recording.names))
        else:
            from scipy import io

            names = np.array(recording.names, dtype=object)
            io.savemat(path, {"data": _samples(recording), "sfreq": recording.sfreq, "names": names})
        table = pd.DataFrame(_rows(recording), columns=["onset", "duration", "stimulus"])
        plain_table(table).to_csv(folder / f"{name}_events.csv", index=False)
        plain_table(recording.electrodes.rename_axis("name")).to_csv(folder / f"{name}_electrodes.csv")
        return path

    return write


WRITERS: Mapping[str, Callable[[Recording, Path, str], Path]] = {
    "bids": _write_bids,
    "nwb": _write_nwb,
    "edf": _export(".edf"),
    "fif": _export(".fif"),
    "npz": _write_arrays(".npz"),
    "mat": _write_arrays(".mat"),
}
