"""Artefacts that many electrodes have at once: spans that are left out, as gaps and not as zeros."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog.cleaning.flat import FLAT_S, flat_samples
from heschl.ecog.recording.recording import Recording

Double = NDArray[np.float64]


def mark_artefacts(
    recording: Recording, *, threshold: float = 12.0, share: float = 0.3, window: float = 0.25, block: float = 60.0
) -> Recording:
    """Find spans in which many electrodes move far more than they usually do, or do not move at all.

    A cable, a movement or a discharge makes them move: the range of each electrode in each window is compared with that
    of all its windows, as a robust z (median, MAD) of its logarithm. (Speech moves the electrodes that respond to it,
    by less and not together.) An amplifier that drops out holds them: one value for 0.1 s or more.

    Parameters
    ----------
    recording : Recording
        Its good electrodes are looked at.
    threshold : float
        Robust standard deviations above an electrode's median that are too far.
    share : float
        Of the good electrodes that must be too far, or held, at one time.
    window, block : float
        Length of a window, and of what is read at a time, s.

    Returns
    -------
    Recording
        The same with these spans, and a window to either side of them, among its `artefacts`: `high_gamma` leaves them
        out.

    Raises
    ------
    InputError
        For a share that is not in (0, 1], and where more than half of the recording is found.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import Recording, mark_artefacts
    >>> import pandas as pd
    >>> from heschl.ecog import ArraySource
    >>> values = np.random.default_rng(0).standard_normal((20_000, 8))
    >>> values[10_000:10_500] = 0.0  # a dropout of half a second
    >>> names = tuple(f"e{i}" for i in range(8))
    >>> table = pd.DataFrame({"bad": False, "reason": ""}, index=list(names))
    >>> events = pd.DataFrame(columns=["onset", "duration", "stimulus"])
    >>> recording = Recording("S1", 1000.0, 20_000, names, table, events, np.zeros((0, 2)), ArraySource(values))
    >>> mark_artefacts(recording).artefacts.tolist()
    [[9.75, 10.75]]
    """
    if not 0 < share <= 1:
        raise InputError("share", repr(share), "above 0 and up to 1")
    moved = _moved(recording, threshold, share, window, block)
    held = _held(recording, share, window, block)
    spans = _union(np.concatenate([moved, held]))
    seconds = float(np.diff(spans, axis=1).sum())
    if seconds > 0.5 * recording.duration:
        raise InputError(
            f"recording of {recording.subject}", f"{seconds / recording.duration:.0%} of it full of artefacts",
            "less than half", "Is the threshold too low?",
        )  # fmt: skip
    flat = f", {np.diff(held, axis=1).sum():.1f} s of them flat" if len(held) else ""
    note = f"{len(spans)} artefacts found, {seconds:.1f} s in all{flat}"
    artefacts = np.concatenate([recording.artefacts, spans])
    return replace(recording, artefacts=artefacts, provenance=(*recording.provenance, note))


def _moved(recording: Recording, threshold: float, share: float, window: float, block: float) -> Double:
    """Return spans (n, 2) in s in which many electrodes move too far, and a window to either side."""
    step = max(2, int(window * recording.sfreq))
    per_block = max(1, int(block / window))
    ranges = []
    for start in range(0, recording.n_samples - step + 1, step * per_block):
        stop = min(start + step * per_block, recording.n_samples - (recording.n_samples - start) % step)
        samples = recording.read(start, stop, recording.good)
        windows = samples.reshape(-1, step, samples.shape[1])
        # a missing sample has no part in a range; a window of nothing else has none
        highest, lowest = np.fmax.reduce(windows, axis=1), np.fmin.reduce(windows, axis=1)
        ranges.append(np.nan_to_num(highest - lowest))
    if not ranges:
        return np.zeros((0, 2))
    logs = np.log(np.maximum(np.concatenate(ranges), np.finfo(np.float64).tiny))
    middle = np.median(logs, axis=0)
    spread = 1.4826 * np.median(np.abs(logs - middle), axis=0)
    z = (logs - middle) / np.maximum(spread, 1e-12)
    # Half of a standard deviation in log range is a factor that means nothing in itself: ask for one of three, too.
    far = (z > threshold) & (logs - middle > np.log(3.0))
    return _spans(far.mean(axis=1) >= share, step / recording.sfreq, recording.duration)


def _held(recording: Recording, share: float, window: float, block: float) -> Double:
    """Return spans (n, 2) in s in which many electrodes keep one value, and a window to either side."""
    least = max(3, round(FLAT_S * recording.sfreq))
    size = max(least, round(block * recording.sfreq))
    held = np.zeros(recording.n_samples, dtype=bool)
    for start in range(0, recording.n_samples, size):
        first, stop = max(0, start - least), min(start + size, recording.n_samples)  # a stretch may cross a seam
        flat = flat_samples(recording.read(first, stop, recording.good), least)
        held[first:stop] |= flat.mean(axis=1) >= share
    edges = np.flatnonzero(np.diff(held.astype(np.int8), prepend=0, append=0)).reshape(-1, 2) / recording.sfreq
    spans = np.stack([np.maximum(edges[:, 0] - window, 0.0), np.minimum(edges[:, 1] + window, recording.duration)], 1)
    return _union(spans)


def _spans(bad: NDArray[np.bool_], window: float, duration: float) -> Double:
    """Return the spans of true windows with one more to either side, (n, 2) in s, joined where they meet."""
    wide = bad.copy()
    wide[:-1] |= bad[1:]
    wide[1:] |= bad[:-1]
    edges = np.flatnonzero(np.diff(wide.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    return np.asarray(np.minimum(edges * window, duration), dtype=np.float64)


def _union(spans: Double) -> Double:
    """Join spans (n, 2) that overlap or meet."""
    joined: list[list[float]] = []
    for begin, end in spans[np.argsort(spans[:, 0], kind="stable")].tolist():
        if joined and begin <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([begin, end])
    return np.array(joined, dtype=np.float64).reshape(-1, 2)
