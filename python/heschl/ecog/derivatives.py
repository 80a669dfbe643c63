"""High gamma for others: as an iEEG-BIDS derivative, and as a processing module of an NWB file."""

from __future__ import annotations

import datetime
import json
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from heschl.checks import InputError, check_choice
from heschl.ecog.high_gamma import HighGamma
from heschl.ecog.to_mne import to_raw
from heschl.files import replacing

if TYPE_CHECKING:
    import pandas as pd

SERIES = "high_gamma"
DESCRIPTION = "highgamma"


def write_derivative(
    gamma: HighGamma,
    events: pd.DataFrame,
    folder: str | Path,
    *,
    subject: str,
    format: str = "bids",
    task: str = "listening",
) -> Path:
    """Write high gamma as other tools look for it; `read_recording` reads the same numbers back.

    Parameters
    ----------
    gamma : HighGamma
        In float32; NWB keeps every bit, BrainVision's µV may cost the last one. What is missing is NaN in NWB, and in
        BIDS 0 within an event "BAD_missing".
    events : pandas.DataFrame
        ``onset`` and ``duration`` (s from the first sample) and ``stimulus``.
    folder : str or Path
        Of the derivative's data set (BIDS), or of the file (NWB); created if it does not exist.
    subject : str
        The subject's name, letters and digits in BIDS.
    format : {"bids", "nwb"}
        A BIDS derivative (BrainVision, "desc-highgamma", with its sidecars and dataset_description.json); or
        ``SUBJECT_highgamma.nwb`` with the series "high_gamma" in the processing module "ecephys".
    task : str
        BIDS's name of the task.

    Returns
    -------
    Path
        The file, which `read_recording` takes.

    Raises
    ------
    InputError
        For another format, and a subject or task that BIDS cannot name.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np, pandas as pd
    >>> from heschl.ecog import HighGamma, read_recording, write_derivative
    >>> table = pd.DataFrame(
    ...     {"x": 0.05, "y": 0.0, "z": 0.0, "region": "STG", "group": "G", "bad": False, "reason": ""}, index=["G1"])
    >>> gamma = HighGamma(np.ones((300, 1), np.float32), 100.0, table, ("eight bands",))
    >>> events = pd.DataFrame({"onset": [1.0], "duration": [0.5], "stimulus": ["a"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_derivative(gamma, events, folder, subject="S1", format="nwb")
    ...     recording = read_recording(path, series="high_gamma")
    ...     recording.sfreq, float(recording.read(0, 1, ["G1"])[0, 0]), recording.events["stimulus"].tolist()
    (100.0, 1.0, ['a'])
    """
    check_choice("format", format, tuple(WRITERS))
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return WRITERS[format](gamma, events, folder, subject, task)


def _write_bids(gamma: HighGamma, events: pd.DataFrame, folder: Path, subject: str, task: str) -> Path:
    import mne
    import mne_bids

    label = "".join(character for character in subject if character.isalnum())
    for name, text in (("subject", label), ("task", task)):
        if not text or not text.isalnum():
            raise InputError(name, repr(text), "letters and digits")
    raw = to_raw(gamma)
    notes = mne.Annotations(events["onset"], events["duration"], events["stimulus"].astype(str))
    raw.set_annotations(raw.annotations + notes)
    path = mne_bids.BIDSPath(
        subject=label, task=task, datatype="ieeg", suffix="ieeg", description=DESCRIPTION, root=folder, check=False
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        written = mne_bids.write_raw_bids(
            raw, path, allow_preload=True, format="BrainVision", overwrite=True, verbose="error"
        )
    about = {
        "Name": "High gamma by heschl",
        "BIDSVersion": mne_bids.BIDS_VERSION if hasattr(mne_bids, "BIDS_VERSION") else "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "heschl", "Version": version("heschl"), "Description": " ".join(gamma.provenance)}],
    }
    with replacing(folder / "dataset_description.json") as temporary:
        temporary.write_text(json.dumps(about, indent=2), encoding="utf-8")
    return Path(written.fpath)


def _write_nwb(gamma: HighGamma, events: pd.DataFrame, folder: Path, subject: str, task: str) -> Path:
    import pynwb

    about = f"High gamma of {subject}, task {task}, by heschl {version('heschl')}"
    start = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)  # of a recording whose date is not known
    nwb = pynwb.NWBFile(about, f"{subject}_{task}_{DESCRIPTION}", start, subject=pynwb.file.Subject(subject_id=subject))
    device = nwb.create_device("electrodes")
    table = gamma.electrodes
    nwb.add_electrode_column("channel_name", "name")
    nwb.add_electrode_column("bad", "a bad channel")
    groups = table["group"] if "group" in table else table.index.map(lambda _: "")
    made = {g: nwb.create_electrode_group(g or "all", g or "all", "cortex", device) for g in dict.fromkeys(groups)}
    for (name, row), group in zip(table.iterrows(), groups, strict=True):
        places = {axis: float(row.get(axis, np.nan)) for axis in ("x", "y", "z")}
        nwb.add_electrode(
            **places, location=str(row.get("region", "") or "unknown"), group=made[group], channel_name=str(name),
            bad=bool(row.get("bad", False)),
        )  # fmt: skip
    region = nwb.create_electrode_table_region(list(range(len(table))), "electrodes of the series")
    series = pynwb.ecephys.ElectricalSeries(
        name=SERIES, data=gamma.values, electrodes=region, rate=float(gamma.rate),
        description="amplitude of high gamma",
        comments=" ".join(gamma.provenance) or "no comments",
    )  # fmt: skip
    nwb.create_processing_module("ecephys", "amplitudes of bands of the voltage").add(series)
    nwb.add_trial_column("stimulus", "the sound")
    for trial in events[["onset", "duration", "stimulus"]].to_dict("records"):
        onset = float(trial["onset"])
        nwb.add_trial(start_time=onset, stop_time=onset + float(trial["duration"]), stimulus=str(trial["stimulus"]))
    path = folder / f"{subject}_{DESCRIPTION}.nwb"
    with replacing(path) as temporary, pynwb.NWBHDF5IO(str(temporary), "w") as file:
        file.write(nwb)
    return path


WRITERS: Mapping[str, Callable[[HighGamma, pd.DataFrame, Path, str, str], Path]] = {
    "bids": _write_bids,
    "nwb": _write_nwb,
}
