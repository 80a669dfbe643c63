"""Recordings from files: one reader a format, and what all formats share.

======================  ==============================================================================================
arrays (.npz, .mat)     what
======================  ==============================================================================================
``data``                (n_samples, n_channels), in V
``sfreq``               samples per second, Hz
``names``               (n_channels,), optional
======================  ==============================================================================================

Samples of .npz and of compressed .mat files are read into memory; those of all other files when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from heschl.checks import InputError, check_choice
from heschl.ecog.recording.arrays import read_npy, read_npz
from heschl.ecog.recording.bids import is_bids, read_bids
from heschl.ecog.recording.contents import BAD, FARTHEST_M, CheckedSource, Contents, Event, readable
from heschl.ecog.recording.edf import read_edf
from heschl.ecog.recording.matlab import read_matlab
from heschl.ecog.recording.mne_formats import raw_contents, read_mne
from heschl.ecog.recording.nwb import read_nwb
from heschl.ecog.recording.recording import Recording
from heschl.ecog.recording.tables import POSITIONS, check_names, electrode_table, event_rows, read_table
from heschl.ecog.recording.xarrays import read_xarray
from heschl.names import name_hint, plain_name
from heschl.notices import warn

if TYPE_CHECKING:
    import pandas as pd

READERS: Mapping[str, Callable[[Path], Contents]] = {
    ".edf": read_edf,
    ".bdf": read_edf,
    ".fif": read_mne,
    ".vhdr": read_mne,
    ".nwb": read_nwb,
    ".mat": read_matlab,
    ".npz": read_npz,
    ".zarr": read_xarray,
    ".nc": read_xarray,
}
FORMATS = (*READERS, ".npy")
OPEN_BAD = ("raise", "to_end")
EVENT_COLUMNS = ("onset", "duration", "stimulus", "session")


def read_recording(
    path: str | Path | Any,
    *,
    subject: str = "",
    electrodes: str | Path | None = None,
    events: str | Path | None = None,
    audio: str | None = None,
    trigger: str | None = None,
    sfreq: float | None = None,
    series: str | None = None,
    open_bad: str = "raise",
) -> Recording:
    """Open a recording; samples are read when they are asked for.

    Parameters
    ----------
    path : str, Path or mne.io.Raw
        ``.edf``, ``.bdf``, ``.fif``, ``.vhdr``, ``.nwb``, ``.mat``, ``.npz``, ``.npy`` (n_samples, n_channels), or an
        xarray dataset (``.zarr``, ``.nc``) with ``data`` (time, channel) and the times of its samples. A file that is
        named as iEEG-BIDS does ("sub-…_ieeg…") is read with its sidecars. Also a `Raw` object that MNE has open.
    subject : str
        The subject's name.
    electrodes : str or Path, optional
        A CSV or TSV with a row per neural channel: ``name``; ``x``, ``y``, ``z`` in m, ``region``, ``group``, ``bad``,
        each optional. It takes the place of what the file says.
    events : str or Path, optional
        A CSV or TSV with ``onset``, ``duration`` (s) and ``stimulus`` (or BIDS's ``stim_file``). It takes the place of
        what the file says. A row with a ``word`` tells of a part of a sound and is no presentation. A column
        ``session`` stays with the events.
    audio, trigger : str, optional
        Channels that recorded the sound and trigger codes; these are no electrodes.
    sfreq : float, optional
        Samples per second of a ``.npy``, Hz, which does not say it.
    series : str, optional
        The series of a ``.nwb`` to read, where it holds several; by name, or by path ("processing/ecephys/LFP/lfp").
    open_bad : {"raise", "to_end"}
        What becomes of a bad span without a duration: an error, or a span to the end of the recording.

    Returns
    -------
    Recording
        All times count from the first sample that the file holds. Spans named "bad", "BAD_motion" and the like are
        artefacts, other ones events. Samples in pauses of the recording are NaN.

    Raises
    ------
    InputError
        For a file that is not there or cannot be read (truncated, no electrodes, missing arrays …), a matrix that may
        be (n_samples, n_channels) or its transpose, sampling rates that differ where one is needed, channels that share
        a name, tables that do not fit, and bad spans without an end.

    Warns
    -----
    UserWarning
        What a file leaves open and how it was read; warnings of the libraries that read files pass through.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import read_recording
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(folder + "/S1.npz", data=np.ones((1000, 2)), sfreq=500.0, names=["G1", "G2"])
    ...     recording = read_recording(folder + "/S1.npz", subject="S1")
    >>> recording.sfreq, recording.duration, recording.good, recording.read(0, 3, ["G2"]).shape
    (500.0, 2.0, ['G1', 'G2'], (3, 1))
    """
    import pandas as pd

    check_choice("open_bad", open_bad, OPEN_BAD)
    if hasattr(path, "ch_names") and hasattr(path, "first_samp"):
        raw = cast(Any, path)
        contents, path = raw_contents(raw), Path((raw.filenames or [None])[0] or "Raw")
    else:
        path = Path(path)
        contents = _contents(path, sfreq, series)
    names = check_names(contents.names, str(path))
    roles = [None if name is None else plain_name(name) for name in (audio, trigger)]
    for role, name in zip(("audio", "trigger"), roles, strict=True):
        if name is not None and name not in names:
            left_out = "".join(f" ({note})" for note in contents.notes if name in note)
            advice = name_hint(name, names) if not left_out else "Bring it to the electrodes' rate, or leave it out."
            raise InputError(role, f"{name!r}{left_out}", f"a channel of {path}: {', '.join(names[:8])} …", advice)
    neural = [name for name in contents.neural or names if name not in roles]
    table = contents.electrodes
    if electrodes is not None:
        table = electrode_table(read_table(Path(electrodes)), str(electrodes))
        if (far := _farthest(table)) > FARTHEST_M:
            raise InputError(str(electrodes), f"positions of up to {far:g}", "m", "Are they in mm? Divide by 1000.")
        absent = [str(name) for name in table.index if name not in names]
        if absent:
            raise InputError(
                str(electrodes), f"the electrode {absent[0]!r}", f"channels of {path}", name_hint(absent[0], names)
            )
        neural = [name for name in names if name in table.index and name not in roles]
    elif table is not None and (far := _farthest(table)) > FARTHEST_M:
        warn(f"{path}: positions of up to {far:g} cannot be in m: they are not used")
        table = table.drop(columns=[axis for axis in POSITIONS if axis in table])
    if not neural:
        raise InputError(str(path if electrodes is None else electrodes), "no electrode", "one or more")
    rows = contents.events if events is None else event_rows(read_table(Path(events)), str(events))
    kept = [row for row in rows if not BAD.match(row[2])]
    where = str(path if events is None else events)
    _check_inside(kept, contents.n_samples, contents.sfreq, where, given=events is not None)
    recording = Recording(
        subject=subject,
        sfreq=contents.sfreq,
        n_samples=contents.n_samples,
        names=tuple(names),
        electrodes=_complete(table, neural),
        events=pd.DataFrame(kept, columns=EVENT_COLUMNS[: len(kept[0]) if kept else 3]),
        artefacts=np.zeros((0, 2)),
        source=CheckedSource(contents.source, path),
        audio=roles[0],
        trigger=roles[1],
        provenance=(
            f"{path.name}: {len(neural)} electrodes, {contents.n_samples / contents.sfreq:.1f} s at "
            f"{contents.sfreq:g} Hz",
            *contents.notes,
        ),
        mains=contents.mains,
    )
    return replace(recording, artefacts=_bad_spans(rows, recording, path if events is None else Path(events), open_bad))


def _farthest(table: pd.DataFrame) -> float:
    """Return the greatest coordinate of a table of electrodes, without its sign; 0 where there is none."""
    found = np.abs(table[[axis for axis in POSITIONS if axis in table]].to_numpy(np.float64))
    return float(np.nanmax(found)) if np.isfinite(found).any() else 0.0


def _check_inside(kept: list[Event], n_samples: int, sfreq: float, where: str, *, given: bool) -> None:
    """Say which events lie outside of the recording; refuse a table that was given for it where all do."""
    names = [f"{row[2]} at {row[0]:g} s" for row in kept if not 0 <= row[0] < n_samples / sfreq]
    if given and len(names) == len(kept) > 0:
        expected = f"times within its {n_samples / sfreq:g} s"
        raise InputError(where, f"no event within the recording ({names[0]} …)", expected, "Are they in s?")
    if names:
        warn(f"{where}: {len(names)} of {len(kept)} events begin outside of the recording ({', '.join(names[:3])} …)")


def _contents(path: Path, sfreq: float | None, series: str | None) -> Contents:
    """Read a file by the reader of its format."""
    suffix = path.suffix.lower()
    if not path.exists():
        raise InputError(str(path), "no such file", f"a recording ({', '.join(FORMATS)})")
    if suffix not in FORMATS:
        raise InputError(str(path), f"the format {path.suffix!r}", f"one of {', '.join(FORMATS)}")
    if (sfreq is None) == (suffix == ".npy"):
        raise InputError("sfreq", repr(sfreq), f"{'a rate in Hz' if sfreq is None else 'None'} for {path.name}")
    if series is not None and suffix != ".nwb":
        raise InputError("series", repr(series), f"None for {path.name}: only .nwb files hold series")
    with readable(path, f"a whole {suffix} file"):
        if sfreq is not None:
            return read_npy(path, sfreq)
        reader = READERS[suffix] if series is None else lambda file: read_nwb(file, series)
        return read_bids(path, reader) if is_bids(path) and suffix != ".fif" else reader(path)


def _bad_spans(rows: list[Event], recording: Recording, path: Path, open_bad: str) -> np.ndarray:
    """Return the spans [start, end) to leave out, (n, 2) in s, within the recording."""
    spans = []
    for onset, duration, name, *_ in rows:
        if not BAD.match(name):
            continue
        end = onset + duration
        if not duration > 1.001 / recording.sfreq:  # a marker: NaN, 0 or one sample
            if open_bad == "raise":
                raise InputError(
                    f"{path}: {name!r} at {onset:g} s", "a bad span without a duration", "one with a duration",
                    "Give it one, or read with open_bad='to_end' to leave out all that follows.",
                )  # fmt: skip
            end = recording.duration
        if end > 0 and onset < recording.duration:
            spans.append((max(0.0, onset), min(end, recording.duration)))
        else:
            warn(f"{path}: {name!r} at {onset:g} s lies outside the recording")
    return np.array(spans, dtype=np.float64).reshape(-1, 2)


def _complete(table: pd.DataFrame | None, neural: list[str]) -> pd.DataFrame:
    """Return a row per neural channel, with every column that a recording has."""
    import pandas as pd

    about = pd.DataFrame(index=neural) if table is None else table.reindex(neural)
    for axis in POSITIONS:
        about[axis] = about.get(axis, np.nan)
    for column in ("region", "group", "reason"):
        about[column] = about[column].fillna("").astype(str) if column in about else ""
    about["bad"] = [mark is True or mark is np.True_ for mark in about["bad"]] if "bad" in about else False
    about.loc[about["bad"] & (about["reason"] == ""), "reason"] = "marked in the file"
    return about[[*POSITIONS, "region", "group", "bad", "reason"]]
