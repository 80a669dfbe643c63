"""Line noise: whether the mains is in a recording, and notch filters that remove it as samples are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog.cleaning.blocks import blocks_of, bridged
from heschl.ecog.recording.recording import Recording, Source

Double = NDArray[np.float64]

MAINS = (50.0, 60.0)
HARMONICS = 3
"""The mains, and its multiples, by which it is looked for."""
STANDS_OUT = 2.0
"""Power at a frequency over that beside it, of the median channel, from which the mains is there."""
NOTCH_REACH_S = 4.0
"""Beyond which a sample has no part in a notch filter's output: half of MNE's 6.6 s, and some."""


def remove_line_noise(recording: Recording, mains: float | str | None = "auto", *, block: float = 30.0) -> Recording:
    """Remove line noise and its harmonics by MNE's zero-phase notch filters.

    Parameters
    ----------
    recording : Recording
        Missing samples are bridged for the filter, and stay missing.
    mains : {"auto", 50, 60} or None
        Frequency, Hz. "auto" takes what the recording's file states (`Recording.mains`), else the one that, or a
        multiple of which, stands out from its neighbourhood, and does nothing where neither does; None does nothing.
    block : float
        Seconds read at a time to find it.

    Returns
    -------
    Recording
        Filtered as it is read, with enough samples on either side that there are no seams between blocks.

    Raises
    ------
    InputError
        For another frequency, and a recording shorter than the filter (8 s).

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import Recording, remove_line_noise
    >>> import pandas as pd
    >>> from heschl.ecog import ArraySource
    >>> t = np.arange(20_000) / 1000
    >>> hum = np.random.default_rng(0).standard_normal((20_000, 1)) + 5 * np.sin(2 * np.pi * 60 * t)[:, None]
    >>> table = pd.DataFrame({"bad": [False], "reason": [""]}, index=["e1"])
    >>> events = pd.DataFrame(columns=["onset", "duration", "stimulus"])
    >>> recording = Recording("S1", 1000.0, 20_000, ("e1",), table, events, np.zeros((0, 2)), ArraySource(hum))
    >>> clean = remove_line_noise(recording)
    >>> round(float(hum.std()), 1), round(float(clean.read(5000, 15_000, ["e1"]).std()), 1)
    (3.7, 1.0)
    """
    if mains is None:
        return recording
    evidence = f"{mains} Hz as given"
    if mains == "auto":
        mains, evidence = _mains_of(recording, block)
        if mains is None:
            return replace(recording, provenance=(*recording.provenance, evidence))
    if mains not in MAINS:
        raise InputError("mains", repr(mains), "50 or 60 Hz, 'auto' or None")
    if recording.duration < 2 * NOTCH_REACH_S:
        raise InputError(f"recording of {recording.subject}", f"{recording.duration:.3g} s", f"{2 * NOTCH_REACH_S:g} s")
    notches = np.arange(float(mains), recording.sfreq / 2 - 2, float(mains))
    source = Notched(recording.source, recording.sfreq, recording.n_samples, notches)
    note = f"notch filters at {float(mains):g} Hz and {len(notches) - 1} harmonics ({evidence})"
    return replace(recording, source=source, provenance=(*recording.provenance, note))


def _mains_of(recording: Recording, block: float) -> tuple[float | None, str]:
    """Return the mains frequency, None where there is none, and how it is known."""
    if recording.mains in MAINS:
        return recording.mains, "as the file or its sidecar states"
    multiples = [[hz * k for k in range(1, HARMONICS + 1) if hz * k < recording.sfreq / 2 - 2] for hz in MAINS]
    shares = np.median(line_shares(recording, [hz for own in multiples for hz in own], block), axis=1)
    sides = np.split(shares, [len(multiples[0])])
    highest = [float(side.max(initial=0.0)) for side in sides]
    best = int(np.argmax(highest))
    if highest[best] < STANDS_OUT:
        return None, "no line noise found at 50 or 60 Hz or their multiples: no notch filters"
    return MAINS[best], f"{highest[best]:.1f} times the power beside it"


@dataclass(frozen=True)
class Notched:
    """A source through notch filters."""

    source: Source
    sfreq: float
    n_samples: int
    notches: Double

    def read(self, start: int, stop: int, channels: NDArray[np.int64]) -> Double:
        """Return samples [start, stop), filtered together with those around them."""
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


def line_shares(
    recording: Recording, frequencies: Sequence[float], block: float, names: Sequence[str] | None = None
) -> Double:
    """Return the power within 1 Hz of frequencies over that 3 to 8 Hz beside them, (n_frequencies, n_channels)."""
    names = recording.good if names is None else list(names)
    at, beside = np.zeros((2, len(frequencies), len(names)))
    for samples in blocks_of(recording, names, block):
        n = len(samples)
        if n < recording.sfreq:
            continue
        samples = bridged(samples)
        power = np.abs(np.fft.rfft((samples - samples.mean(axis=0)) * np.hanning(n)[:, None], axis=0)) ** 2
        lines = np.fft.rfftfreq(n, 1 / recording.sfreq)
        for i, hz in enumerate(frequencies):
            off = np.abs(lines - hz)
            near, around = off <= 1, (off >= 3) & (off <= 8)
            if near.any() and around.any():
                at[i] += power[near].mean(axis=0)
                beside[i] += power[around].mean(axis=0)
    return np.divide(at, beside, out=np.ones(at.shape), where=beside > 0)
