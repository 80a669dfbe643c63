"""Artefacts that many electrodes have at once: spans that are left out, as gaps and not as zeros."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog.recording.recording import Recording

Double = NDArray[np.float64]


def mark_artefacts(
    recording: Recording, *, threshold: float = 12.0, share: float = 0.3, window: float = 0.25, block: float = 60.0
) -> Recording:
    """Find spans in which many electrodes move far more than they usually do: a cable, a movement, a discharge.

    The range of each electrode in each window is compared with that of all its windows, as a robust z (median, MAD) of
    its logarithm. Speech moves the electrodes that respond to it, by less and not together.

    Parameters
    ----------
    recording : Recording
    threshold : float
        Robust standard deviations above an electrode's median that are too far.
    share : float
        Of the good electrodes that must be too far in one window.
    window, block : float
        s.

    Returns
    -------
    Recording
        The same with these spans, and a window to either side of them, among its `artefacts`: `high_gamma` leaves them
        out.

    Raises
    ------
    InputError
        For a share that is not in (0, 1], and where more than half of the recording is found.
    """
    if not 0 < share <= 1:
        raise InputError("share", repr(share), "above 0 and up to 1")
    step = max(2, int(window * recording.sfreq))
    per_block = max(1, int(block / window))
    ranges = []
    for start in range(0, recording.n_samples - step + 1, step * per_block):
        stop = min(start + step * per_block, recording.n_samples - (recording.n_samples - start) % step)
        samples = recording.read(start, stop, recording.good)
        windows = samples.reshape(-1, step, samples.shape[1])
        ranges.append(np.nan_to_num(np.nanmax(windows, axis=1) - np.nanmin(windows, axis=1)))
    found = np.concatenate(ranges)
    logs = np.log(np.maximum(found, np.finfo(np.float64).tiny))
    middle = np.median(logs, axis=0)
    spread = 1.4826 * np.median(np.abs(logs - middle), axis=0)
    z = (logs - middle) / np.maximum(spread, 1e-12)
    # Half of a standard deviation in log range is a factor that means nothing in itself: ask for one of three, too.
    far = (z > threshold) & (logs - middle > np.log(3.0))
    bad = far.mean(axis=1) >= share
    if bad.mean() > 0.5:
        raise InputError(
            f"recording of {recording.subject}", f"{bad.mean():.0%} of it full of artefacts", "less than half",
            "Is the threshold too low?",
        )  # fmt: skip
    spans = _spans(bad, step / recording.sfreq, recording.duration)
    said = f"{len(spans)} artefacts found, {np.diff(spans, axis=1).sum():.1f} s in all"
    artefacts = np.concatenate([recording.artefacts, spans])
    return replace(recording, artefacts=artefacts, provenance=(*recording.provenance, said))


def _spans(bad: NDArray[np.bool_], window: float, duration: float) -> Double:
    """Give the spans of true windows with one more to either side, (n, 2) in s, joined where they meet."""
    wide = bad.copy()
    wide[:-1] |= bad[1:]
    wide[1:] |= bad[:-1]
    edges = np.flatnonzero(np.diff(wide.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    return np.asarray(np.minimum(edges * window, duration), dtype=np.float64)
