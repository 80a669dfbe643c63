"""Bad channels: which electrodes are flat, saturated, missing or unlike all others, and why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog.cleaning.blocks import blocks_of
from heschl.ecog.cleaning.flat import FLAT_S, flat_samples
from heschl.ecog.cleaning.line_noise import MAINS, line_shares
from heschl.ecog.recording.recording import Recording

Double = NDArray[np.float64]

MAD_TO_STD = 1.4826
"""Median absolute deviation of a normal distribution to its standard deviation."""
LEAST_SPREAD = 0.1
"""Of log variances: channels more alike than that do not make a slightly different one bad."""
LEAST_TO_COMPARE = 8
"""Channels below which none is told from the others."""
MOST_FLAT = 0.05
"""Share of a recording that a channel may keep one value, while others do not."""


def mark_bad_channels(
    recording: Recording, *, threshold: float = 5.0, line: float = 10.0, block: float = 30.0
) -> Recording:
    """Mark electrodes that are flat, saturated, mostly missing, or unlike all others.

    Parameters
    ----------
    recording : Recording
        Electrodes that are marked already stay so, and are not compared with.
    threshold : float
        Robust standard deviations of the logarithm of the variance, either way, beyond which a channel is bad.
    line : float
        Power at the mains frequency over that beside it, relative to the median channel's, beyond which a channel is
        bad.
    block : float
        Seconds read at a time.

    Returns
    -------
    Recording
        ``electrodes`` with ``bad`` and ``reason`` (with the figure), and in ``provenance`` how many.

    Raises
    ------
    InputError
        Where no electrode is left.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import Recording, mark_bad_channels
    >>> import pandas as pd
    >>> from heschl.ecog import ArraySource
    >>> values = np.random.default_rng(0).standard_normal((4000, 10))
    >>> values[:, 3] *= 100
    >>> names = tuple(f"e{i}" for i in range(10))
    >>> table = pd.DataFrame({"bad": False, "reason": ""}, index=list(names))
    >>> events = pd.DataFrame(columns=["onset", "duration", "stimulus"])
    >>> marked = mark_bad_channels(
    ...     Recording("S1", 1000.0, 4000, names, table, events, np.zeros((0, 2)), ArraySource(values)))
    >>> [str(name) for name in marked.electrodes.index[marked.electrodes["bad"]]]
    ['e3']
    """
    table = recording.electrodes.copy()
    names = recording.good
    if not names:
        raise InputError(f"recording of {recording.subject}", "no good electrode", "at least one")
    statistics = _statistics(recording, names, block)
    reasons: dict[str, str] = {}
    shares = (statistics[key] for key in ("missing", "constant", "flat", "saturated"))
    for name, missing, constant, flat, saturated in zip(names, *shares, strict=True):
        if missing > 0.5:
            reasons[name] = f"{missing:.0%} of its samples missing"
        elif constant:
            reasons[name] = "flat"
        elif flat > MOST_FLAT:
            reasons[name] = f"flat for {flat:.0%} of the recording"
        elif saturated > 0.01:
            reasons[name] = f"{saturated:.1%} of its samples at its extremes"
    rest = np.array([i for i, name in enumerate(names) if name not in reasons], dtype=np.int64)
    if len(rest) >= LEAST_TO_COMPARE:
        z = _robust_z(np.log(statistics["variance"][rest]))
        share = statistics["line"][rest] / np.median(statistics["line"][rest])
        for i, own, mains in zip(rest, z, share, strict=True):
            if abs(own) > threshold:
                reasons[names[i]] = f"variance {own:+.1f} robust standard deviations from the others'"
            elif mains > line:
                reasons[names[i]] = f"line noise {mains:.0f} times the median channel's"
    for name, reason in reasons.items():
        table.loc[name, "bad"] = True
        table.loc[name, "reason"] = reason
    if table["bad"].all():
        raise InputError(
            f"recording of {recording.subject}", "every electrode bad", "at least one that is not",
            "Look at the reasons: " + "; ".join(f"{name}: {reason}" for name, reason in list(reasons.items())[:3]),
        )  # fmt: skip
    note = f"{len(reasons)} of {len(names)} electrodes found bad: {', '.join(reasons) or 'none'}"
    return replace(recording, electrodes=table, provenance=(*recording.provenance, note))


def _statistics(recording: Recording, names: list[str], block: float) -> dict[str, Double]:
    """Return variance about each block's mean; shares of missing, flat and extreme samples; line noise: (c,) each."""
    c = len(names)
    count, squares, held = np.zeros(c), np.zeros(c), np.zeros(c)
    least = max(3, round(FLAT_S * recording.sfreq))
    extremes, at_extremes = np.full((2, c), np.nan), np.zeros((2, c))
    for samples in blocks_of(recording, names, block):
        known = np.isfinite(samples)
        n = known.sum(axis=0)
        mean = np.where(known, samples, 0.0).sum(axis=0) / np.maximum(n, 1)
        squares += np.square(np.where(known, samples - mean, 0.0)).sum(axis=0)
        count += n
        flat = flat_samples(samples, least)
        if c >= LEAST_TO_COMPARE:
            flat[flat.mean(axis=1) > 0.5] = False  # all of them at once are no fault of one
        held += flat.sum(axis=0)
        for i, reduce in enumerate((np.fmin, np.fmax)):
            new = reduce.reduce(samples, axis=0)
            beyond = reduce(extremes[i], new)
            at_extremes[i] = np.where(beyond == extremes[i], at_extremes[i], 0) + (samples == beyond).sum(axis=0)
            extremes[i] = beyond
    return {
        "missing": 1 - count / recording.n_samples,
        "variance": squares / np.maximum(count, 1),
        "constant": (extremes[0] == extremes[1]).astype(np.float64),
        "flat": held / recording.n_samples,
        "saturated": at_extremes.max(axis=0) / np.maximum(count, 1),
        "line": line_shares(recording, MAINS, block, names).max(axis=0),
    }


def _robust_z(values: Double) -> Double:
    middle = np.median(values)
    spread = MAD_TO_STD * np.median(np.abs(values - middle))
    return np.asarray((values - middle) / max(spread, LEAST_SPREAD))
