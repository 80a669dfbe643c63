"""Before high gamma: which channels are bad and why, line noise, the reference. Each step gives a recording again.

Nothing is computed until samples are read: a cleaned recording is the old one with another source, so that hours of it
take no memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError, check_choice
from heschl.ecog.recording.recording import Recording, Source

Double = NDArray[np.float64]

REFERENCES = ("group", "all", "bipolar", "none")
MAINS = (50.0, 60.0)
MAD_TO_STD = 1.4826
"""Median absolute deviation of a normal distribution to its standard deviation."""
LEAST_SPREAD = 0.1
"""Of log variances: channels more alike than that do not make a slightly different one bad."""
LEAST_TO_COMPARE = 8
"""Channels below which none is told from the others."""


def mark_bad_channels(
    recording: Recording, *, threshold: float = 5.0, line: float = 10.0, block: float = 30.0
) -> Recording:
    """Mark electrodes that are flat, saturated, mostly missing, or unlike all others.

    Parameters
    ----------
    recording : Recording
        Those that are marked already stay so, and are not compared with.
    threshold : float
        Robust standard deviations of the logarithm of the variance, either way, beyond which a channel is bad.
    line : float
        Power at the mains frequency over that beside it, relative to the median channel's, beyond which one is bad.
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
    >>> import pandas as pd
    >>> from heschl.ecog.recording.recording import ArraySource
    >>> values = np.random.default_rng(0).standard_normal((4000, 10))
    >>> values[:, 3] *= 100
    >>> names = tuple(f"e{i}" for i in range(10))
    >>> table = pd.DataFrame({"bad": False, "reason": ""}, index=list(names))
    >>> events = pd.DataFrame(columns=["onset", "duration", "stimulus"])
    >>> found = mark_bad_channels(
    ...     Recording("S1", 1000.0, 4000, names, table, events, np.zeros((0, 2)), ArraySource(values)))
    >>> [str(name) for name in found.electrodes.index[found.electrodes["bad"]]]
    ['e3']
    """
    table = recording.electrodes.copy()
    names = recording.good
    if not names:
        raise InputError(f"recording of {recording.subject}", "no good electrode", "at least one")
    found = _statistics(recording, names, block)
    reasons: dict[str, str] = {}
    for name, missing, saturated, flat in zip(names, found["missing"], found["saturated"], found["flat"], strict=True):
        if missing > 0.5:
            reasons[name] = f"{missing:.0%} of its samples missing"
        elif flat:
            reasons[name] = "flat"
        elif saturated > 0.01:
            reasons[name] = f"{saturated:.1%} of its samples at its extremes"
    rest = np.array([i for i, name in enumerate(names) if name not in reasons], dtype=np.int64)
    if len(rest) >= LEAST_TO_COMPARE:
        z = _robust_z(np.log(found["variance"][rest]))
        share = found["line"][rest] / np.median(found["line"][rest])
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
    said = f"{len(reasons)} of {len(names)} electrodes found bad: {', '.join(reasons) or 'none'}"
    return replace(recording, electrodes=table, provenance=(*recording.provenance, said))


def rereference(recording: Recording, how: str = "group") -> Recording:
    """Take from each electrode what it shares with others.

    Parameters
    ----------
    recording : Recording
        Bad electrodes have no part in any mean.
    how : {"group", "all", "bipolar", "none"}
        Subtract the mean of the good electrodes of its ``group`` (grid, strip, device), or of all; from each electrode
        its successor in the table, within the group (the last of a group is left out); or nothing.

    Returns
    -------
    Recording
        With "bipolar", electrodes are named "a-b" and lie midway; others keep their names. A sample that is missing has
        no part in a mean, and makes a bipolar one missing.

    Raises
    ------
    InputError
        For groups with one good electrode (its mean is itself), or none of two for "bipolar".
    """
    check_choice("how", how, REFERENCES)
    if how == "none":
        return recording
    table = recording.electrodes
    groups = (
        table["group"].fillna("").astype(str) if how != "all" and "group" in table else table["bad"].map(lambda _: "")
    )
    members = {
        str(group): [str(name) for name in table.index[(groups == group) & ~table["bad"].astype(bool)]]
        for group in dict.fromkeys(groups)
    }
    if how == "bipolar":
        return _bipolar(recording, members)
    for group, names in members.items():
        if len(names) == 1:
            raise InputError(
                f"recording of {recording.subject}: group {group!r}", "one good electrode", "two or more",
                "Its mean would be itself: choose how = 'all', or mark it as bad.",
            )  # fmt: skip
    average = {name: [recording.names.index(n) for n in names] for names in members.values() for name in names}
    source = Referenced(recording.source, recording.names, {n: np.array(m) for n, m in average.items()})
    said = f"common average over {len(members)} group(s)" if how == "group" else "common average over all"
    return replace(recording, source=source, provenance=(*recording.provenance, said))


def remove_line_noise(recording: Recording, mains: float | str | None = "auto", *, block: float = 30.0) -> Recording:
    """Remove the mains and its harmonics by MNE's zero-phase notch filters.

    Parameters
    ----------
    recording : Recording
        Missing samples are bridged for the filter, and stay missing.
    mains : {"auto", 50, 60} or None
        Frequency, Hz; "auto" takes the one that stands out more from its neighbourhood; None does nothing.
    block : float
        Seconds read at a time to find it.

    Returns
    -------
    Recording
        Filtered as it is read, with enough on either side that blocks make no seams.

    Raises
    ------
    InputError
        For another frequency, and a recording shorter than the filter (8 s).
    """
    if mains is None:
        return recording
    if mains == "auto":
        shares = {hz: float(np.median(_line_share(recording, hz, block))) for hz in MAINS}
        mains = max(shares, key=lambda hz: shares[hz])
    if mains not in MAINS:
        raise InputError("mains", repr(mains), "50 or 60 Hz, 'auto' or None")
    if recording.duration < 2 * NOTCH_REACH_S:
        raise InputError(f"recording of {recording.subject}", f"{recording.duration:.3g} s", f"{2 * NOTCH_REACH_S:g} s")
    notches = np.arange(float(mains), recording.sfreq / 2 - 2, float(mains))
    source = Notched(recording.source, recording.sfreq, recording.n_samples, notches)
    said = f"notch filters at {float(mains):g} Hz and {len(notches) - 1} harmonics"
    return replace(recording, source=source, provenance=(*recording.provenance, said))


NOTCH_REACH_S = 4.0
"""Beyond which a sample has no part in a notch filter's output: half of MNE's 6.6 s, and some."""


@dataclass(frozen=True)
class Referenced:
    """A source less the mean of other channels of it."""

    source: Source
    names: tuple[str, ...]
    average: dict[str, NDArray[np.int64]] = field(repr=False)

    def read(self, start: int, stop: int, channels: NDArray[np.int64]) -> Double:
        """Give samples; channels without an average as they are."""
        out = self.source.read(start, stop, channels)
        groups = {self.average[self.names[c]].tobytes(): self.average[self.names[c]] for c in channels if self._has(c)}
        means = {key: _mean_of_known(self.source.read(start, stop, group)) for key, group in groups.items()}
        for i, c in enumerate(channels):
            if self._has(c):
                out[:, i] -= means[self.average[self.names[c]].tobytes()]
        return out

    def _has(self, channel: Any) -> bool:
        return self.names[channel] in self.average


@dataclass(frozen=True)
class Differences:
    """Pairs of channels of a source, the first less the second; others as they are."""

    source: Source
    pairs: NDArray[np.int64] = field(repr=False)  # (n_channels, 2); −1 where there is no second

    def read(self, start: int, stop: int, channels: NDArray[np.int64]) -> Double:
        """Give samples."""
        first, second = self.pairs[channels].T
        out = self.source.read(start, stop, first)
        has = second >= 0
        out[:, has] -= self.source.read(start, stop, second[has])
        return out


@dataclass(frozen=True)
class Notched:
    """A source through notch filters."""

    source: Source
    sfreq: float
    n_samples: int
    notches: Double

    def read(self, start: int, stop: int, channels: NDArray[np.int64]) -> Double:
        """Give samples, filtered with what surrounds them."""
        from mne.filter import notch_filter

        reach = int(NOTCH_REACH_S * self.sfreq)
        first, last = max(0, start - reach), min(self.n_samples, stop + reach)
        if last - first < 2 * reach:  # the whole filter needs so much
            first, last = max(0, last - 2 * reach), min(self.n_samples, max(last, first + 2 * reach))
        samples = self.source.read(first, last, channels)
        missing = ~np.isfinite(samples)
        filtered = notch_filter(
            bridged(samples).T, self.sfreq, self.notches, notch_widths=1.0, trans_bandwidth=1.0, pad="reflect_limited",
            filter_length=f"{2 * NOTCH_REACH_S - 1:g}s", verbose="error",
        ).T  # fmt: skip
        filtered[missing] = np.nan
        return np.ascontiguousarray(filtered[start - first : stop - first])


def bridged(samples: Double) -> Double:
    """Draw, in place, a line through what is missing: a step there would ring in a filter."""
    known = np.isfinite(samples)
    at = np.arange(len(samples))
    for c in np.flatnonzero(~known.all(axis=0)):
        own = known[:, c]
        samples[~own, c] = np.interp(at[~own], at[own], samples[own, c]) if own.any() else 0.0
    return samples


def _bipolar(recording: Recording, members: dict[str, list[str]]) -> Recording:
    table = recording.electrodes
    pairs = [(a, b) for names in members.values() for a, b in pairwise(names)]
    if not pairs:
        raise InputError(f"recording of {recording.subject}", "no two good electrodes in a group", "pairs")
    rows = table.loc[[a for a, _ in pairs]].copy()
    second = table.loc[[b for _, b in pairs]]
    for axis in ("x", "y", "z"):
        if axis in table:
            rows[axis] = (rows[axis].to_numpy(float) + second[axis].to_numpy(float)) / 2
    rows.index = [f"{a}-{b}" for a, b in pairs]
    others = [name for name in recording.names if name not in table.index]
    place = {name: i for i, name in enumerate(recording.names)}
    index = [[place[a], place[b]] for a, b in pairs] + [[place[name], -1] for name in others]
    source = Differences(recording.source, np.array(index, dtype=np.int64))
    said = f"bipolar reference, {len(pairs)} pairs"
    names = (*rows.index, *others)
    return replace(recording, names=names, electrodes=rows, source=source, provenance=(*recording.provenance, said))


def _blocks(recording: Recording, names: list[str], block: float) -> Iterator[Double]:
    size = max(1, round(block * recording.sfreq))
    for start in range(0, recording.n_samples, size):
        stop = min(recording.n_samples, start + size)
        samples = recording.read(start, stop, names)
        times = np.arange(start, stop) / recording.sfreq
        for begin, end in recording.artefacts:
            samples[(times >= begin) & (times < end)] = np.nan
        yield samples


def _statistics(recording: Recording, names: list[str], block: float) -> dict[str, Double]:
    """Variance about each block's mean, share of missing samples and of samples at the extremes, line noise."""
    c = len(names)
    count, squares = np.zeros(c), np.zeros(c)
    extremes, at_extremes = np.full((2, c), np.nan), np.zeros((2, c))
    for samples in _blocks(recording, names, block):
        known = np.isfinite(samples)
        n = known.sum(axis=0)
        mean = np.where(known, samples, 0.0).sum(axis=0) / np.maximum(n, 1)
        squares += np.square(np.where(known, samples - mean, 0.0)).sum(axis=0)
        count += n
        for i, reduce in enumerate((np.fmin, np.fmax)):
            new = reduce.reduce(samples, axis=0)
            beyond = reduce(extremes[i], new)
            at_extremes[i] = np.where(beyond == extremes[i], at_extremes[i], 0) + (samples == beyond).sum(axis=0)
            extremes[i] = beyond
    return {
        "missing": 1 - count / recording.n_samples,
        "variance": squares / np.maximum(count, 1),
        "flat": (extremes[0] == extremes[1]).astype(np.float64),
        "saturated": at_extremes.max(axis=0) / np.maximum(count, 1),
        "line": np.max([_line_share(recording, hz, block, names) for hz in MAINS], axis=0),
    }


def _line_share(recording: Recording, hz: float, block: float, names: list[str] | None = None) -> Double:
    """Power within 1 Hz of a frequency over that 3 to 8 Hz beside it, of each channel."""
    names = recording.good if names is None else names
    at, beside = np.zeros(len(names)), np.zeros(len(names))
    for samples in _blocks(recording, names, block):
        n = len(samples)
        if n < recording.sfreq:
            continue
        samples = bridged(samples)
        power = np.abs(np.fft.rfft((samples - samples.mean(axis=0)) * np.hanning(n)[:, None], axis=0)) ** 2
        off = np.abs(np.fft.rfftfreq(n, 1 / recording.sfreq) - hz)
        at += power[off <= 1].mean(axis=0)
        beside += power[(off >= 3) & (off <= 8)].mean(axis=0)
    return np.divide(at, beside, out=np.ones(len(names)), where=beside > 0)


def _mean_of_known(samples: Double) -> Double:
    known = np.isfinite(samples)
    n = known.sum(axis=1)
    total = np.where(known, samples, 0.0).sum(axis=1)
    return np.asarray(np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0))


def _robust_z(values: Double) -> Double:
    middle = np.median(values)
    spread = MAD_TO_STD * np.median(np.abs(values - middle))
    return np.asarray((values - middle) / max(spread, LEAST_SPREAD))
