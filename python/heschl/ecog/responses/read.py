"""Response files: one ``.npz`` (or a dataset, see `dataset.py`) per subject, read whole and checked whole.

======================  =====================================================================================
key                     what
======================  =====================================================================================
``responses``           (trial, time, electrode), with ``lengths`` where trials are shorter than the longest;
                        or (time of all trials joined, electrode), with ``lengths``; time and electrode may change
                        places, if the number of electrodes tells them apart
``lengths``             (trial,) valid samples of each trial
``stimuli``             (trial,) names, with or without ".wav"; a name that comes again is a repeat
``electrodes``          (electrode,) names
``sfreq`` or ``times``  samples per second; or (time,) the samples' times in s from the sound's onset
``regions``             (electrode,) names, optional
``positions``           (electrode, 3) x to the right, y to the front, z up, in m, MNI, optional
``sessions``            (trial,) names or numbers of the recording sessions (runs, blocks), optional
======================  =====================================================================================

Other keys are left alone. Sample i lies ``times[i]``, or ``i / sfreq``, seconds after the sound's onset.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from heschl.checks import InputError, check_choice
from heschl.ecog.recording.contents import SLOWEST_HZ
from heschl.ecog.responses.npz import read_npz
from heschl.ecog.responses.trials import Array, Responses


def read_responses(path: str | Path, subject: str, *, missing: str = "raise") -> Responses:
    """Read and check one subject's response file.

    Parameters
    ----------
    path : str or Path
        The ``.npz`` file, see the head of this module for what it holds; or a ``.zarr`` or ``.nc`` dataset.
    subject : str
        The subject's name, for messages and results.
    missing : {"raise", "mask"}
        What NaN means: an error, or a missing response.

    Returns
    -------
    Responses
        Trials in the file's order.

    Raises
    ------
    InputError
        For a file that does not exist or is no ``.npz``, a missing key, shapes or lengths that do not match or that may
        be read in two ways, a sampling rate that is not above 0, electrodes that share a name, an empty trial, and a
        response that is infinite or, unless missing ones are allowed, NaN (subject, electrode and trial are named).

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import read_responses
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(folder + "/S1.npz", responses=np.zeros((2, 50, 1)), stimuli=["a", "b.wav"],
    ...              electrodes=["e1"], sfreq=100.0)
    ...     read_responses(folder + "/S1.npz", "S1").stimuli
    ('a', 'b')
    """
    check_choice("missing", missing, ("raise", "mask"))
    path = Path(path)
    where = f"subject {subject} ({path})"
    if path.suffix.lower() in (".zarr", ".nc"):
        from heschl.ecog.responses.dataset import read_dataset

        responses = read_dataset(path, subject)
    else:
        responses = read_npz(path, subject, where)
    if responses.sfreq < SLOWEST_HZ:
        raise InputError(
            where, f"{responses.sfreq:g} samples per second", f"{SLOWEST_HZ:g} or more", "Are the times in s?"
        )
    for i, (stimulus, trial) in enumerate(zip(responses.stimuli, responses.trials, strict=True)):
        _check_trial(trial, responses.electrodes, f"{where}: trial {i} ({stimulus})", missing)
    return responses


def _check_trial(trial: Array, electrodes: tuple[str, ...], where: str, missing: str) -> None:
    bad = np.isinf(trial) if missing == "mask" else ~np.isfinite(trial)
    if bad.any():
        column = int(bad.any(axis=0).argmax())
        sample = int(bad[:, column].argmax())
        kind = "NaN" if np.isnan(trial[sample, column]) else "an infinite value"
        others = int(bad.any(axis=0).sum()) - 1
        raise InputError(
            f"{where}, electrode {electrodes[column]}, sample {sample}",
            kind + (f" (and {others} more electrodes with such values)" if others else ""),
            "finite responses",
            "Leave the electrode or the trial out, mend it, or take NaN as missing (missing = 'mask').",
        )
