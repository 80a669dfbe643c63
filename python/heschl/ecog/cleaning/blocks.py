"""A recording, a block at a time: what is missing or an artefact is NaN, and may be bridged for a filter."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from heschl.ecog.recording.recording import Recording

Double = NDArray[np.float64]


def blocks_of(recording: Recording, names: list[str], block: float) -> Iterator[Double]:
    """Yield the samples of some channels, `block` s at a time, (n, n_channels) in V; NaN in artefacts."""
    size = max(1, round(block * recording.sfreq))
    for start in range(0, recording.n_samples, size):
        stop = min(recording.n_samples, start + size)
        samples = recording.read(start, stop, names)
        times = np.arange(start, stop) / recording.sfreq
        for begin, end in recording.artefacts:
            samples[(times >= begin) & (times < end)] = np.nan
        yield samples


def bridged(samples: Double) -> Double:
    """Replace missing samples, in place, by straight lines: a step would ring in a filter."""
    known = np.isfinite(samples)
    at = np.arange(len(samples))
    for c in np.flatnonzero(~known.all(axis=0)):
        own = known[:, c]
        samples[~own, c] = np.interp(at[~own], at[own], samples[own, c]) if own.any() else 0.0
    return samples
