"""The recordings of one subject put together: each file is a session of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from heschl.checks import InputError
from heschl.ecog.responses.read import read_responses
from heschl.ecog.responses.trials import Responses
from heschl.notices import warn


def read_sessions(folder: Path, files: Sequence[str], subject: str, *, missing: str = "raise") -> Responses:
    """Read the responses of a subject, from one file or from a file for each session.

    Parameters
    ----------
    folder : Path
        Where the files' names begin.
    files : sequence of str
        As `read_responses` reads them.
    subject : str
        The subject's name.
    missing : {"raise", "mask"}
        What NaN means.

    Returns
    -------
    Responses
        All trials, file after file, at the electrodes that every file has. Where there are several files, the session
        of a trial is its file, and the session within the file where it names some.

    Raises
    ------
    InputError
        As `read_responses`; for files at different rates or that begin at different times before the sound, and files
        without an electrode in common.

    Warns
    -----
    UserWarning
        For electrodes that some files lack.
    """
    parts = [read_responses(folder / file, subject, missing=missing) for file in files]
    first = parts[0]
    if len(parts) == 1:
        return first
    for file, part in zip(files, parts, strict=True):
        if not np.isclose(part.sfreq, first.sfreq, rtol=1e-6) or abs(part.onset - first.onset) * first.sfreq > 1e-3:
            raise InputError(
                f"subject {subject} ({folder / file})", f"{part.sfreq:g} Hz from {part.onset:g} s on",
                f"{first.sfreq:g} Hz from {first.onset:g} s on, as in {files[0]}", "Prepare all sessions alike.",
            )  # fmt: skip
    common = [name for name in first.electrodes if all(name in part.electrodes for part in parts)]
    every = list(dict.fromkeys(name for part in parts for name in part.electrodes))
    if not common:
        raise InputError(
            f"subject {subject}", f"{len(files)} files without an electrode in common", "the same electrodes in each"
        )
    if len(common) < len(every):
        lacking = [name for name in every if name not in common]
        warn(
            f"subject {subject}: {len(lacking)} of {len(every)} electrodes are not in every file and are left out: "
            f"{', '.join(lacking[:8])}{' …' if len(lacking) > 8 else ''}. Electrodes chosen for each session apart? "
            "Choose them for all together (select.method = 'none' in preparation, then [responses.electrodes])."
        )
    trials = []
    for part in parts:
        columns = [part.electrodes.index(name) for name in common]
        trials += [trial if columns == list(range(trial.shape[1])) else trial[:, columns] for trial in part.trials]
    at = [first.electrodes.index(name) for name in common]
    sessions = tuple(
        f"{file}: {part.sessions[i]}" if part.sessions else file
        for file, part in zip(files, parts, strict=True) for i in range(len(part.trials))
    )  # fmt: skip
    return Responses(
        subject, tuple(common), first.sfreq, first.onset, tuple(name for part in parts for name in part.stimuli),
        tuple(trials), {key: values[at] for key, values in first.anatomy.items()}, sessions,
    )  # fmt: skip
