"""One clock: from times of samples to a rate, and recordings with pauses as missing samples."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog.recording.recording import Source

LONGEST_S = 366 * 86400.0
"""A recording with its pauses is no longer than that: times beyond it are damaged."""


@dataclass(frozen=True)
class Runs:
    """Stretches without a pause.

    Attributes
    ----------
    sfreq : float
        Samples per second, Hz.
    starts : (n_runs,) array of int64
        Sample at which each stretch begins, counted from the first sample held, pauses included.
    rows : (n_runs + 1,) array of int64
        Rows of the file that each stretch holds: [rows[i], rows[i + 1]).
    """

    sfreq: float
    starts: NDArray[np.int64]
    rows: NDArray[np.int64]

    @property
    def n_samples(self) -> int:
        """Samples, those missing in pauses included."""
        return int(self.starts[-1] + self.rows[-1] - self.rows[-2])


def runs_of(times: NDArray[np.float64], where: str, *, resolution: float = 0.0) -> Runs:
    """Find the sampling rate, and pauses, from the times of all samples.

    Parameters
    ----------
    times : (n_samples,) array of float64
        In s, on any clock.
    where : str
        The file and array, for messages.
    resolution : float
        Of the times, s: how far rounding may have moved each.

    Returns
    -------
    Runs
        A pause is a whole number of samples long, to a twentieth.

    Raises
    ------
    InputError
        For times that do not rise, and samples that are not uniform between pauses.

    Examples
    --------
    >>> runs = runs_of(np.array([5.0, 5.01, 5.02, 5.05, 5.06]), "times")
    >>> round(runs.sfreq), runs.starts.tolist(), runs.rows.tolist(), runs.n_samples
    (100, [0, 5], [0, 3, 5], 7)
    """
    steps = np.diff(times)
    if len(steps) == 0 or not np.isfinite(times).all() or not steps.min() > 0:
        raise InputError(where, "times that do not rise", "the times of two samples or more, in order")
    typical = float(np.median(steps))
    # A median of rounded times is a rounded step; the mean over steps that are no pauses is not.
    ordinary = steps < 1.5 * typical + 2 * resolution
    step = float(steps[ordinary].mean()) if ordinary.any() else typical
    tolerance = 0.05 * step + resolution + 4 * np.finfo(np.float64).eps * float(np.abs(times).max())
    breaks = np.flatnonzero(np.abs(steps - step) > 2 * tolerance) + 1
    rows = np.concatenate([[0], breaks, [len(times)]]).astype(np.int64)
    firsts = times[rows[:-1]] - times[0]
    starts = np.rint(firsts / step).astype(np.int64)
    # From the start of its stretch on, every sample must lie where the rate puts it.
    index = np.arange(len(times)) - np.repeat(rows[:-1], np.diff(rows))
    off = np.abs(times - np.repeat(times[rows[:-1]], np.diff(rows)) - index * step)
    limit = tolerance + 1e-5 * step * index
    pauses = np.diff(starts) - np.diff(rows)[:-1]
    whole = np.abs(firsts / step - starts) <= 0.05 + 1e-5 * starts + tolerance / step
    if (off > limit).any() or (pauses < 0).any() or not whole.all() or len(breaks) > max(1.0, 0.1 * len(times)):
        at = int(np.argmax(off - limit))
        raise InputError(
            where, f"times that are not uniform (sample {at}, {times[at]:g} s)", "one sampling rate, with whole pauses",
            "Resample it to uniform samples.",
        )  # fmt: skip
    if float(times[-1] - times[0]) > LONGEST_S:
        raise InputError(where, f"times over {times[-1] - times[0]:.3g} s", "at most a year", "Are they in s?")
    rate, within = 1.0 / step, (2 * resolution + np.spacing(np.abs(times).max())) / (step * len(steps)) + 1e-12
    whole_rate = float(np.rint(rate))  # is meant where the rounding of times hides the difference
    return Runs(whole_rate if abs(whole_rate - rate) <= rate * within else rate, starts, rows)


@dataclass(frozen=True)
class WithPauses:
    """A source of stretches, in which the samples between them are NaN."""

    source: Source
    runs: Runs = field(repr=False)

    def read(self, start: int, stop: int, channels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return samples [start, stop) of channels given by index, (stop - start, n); NaN in pauses."""
        out = np.full((stop - start, len(channels)), np.nan)
        lengths = np.diff(self.runs.rows)
        for first, row, n in zip(self.runs.starts, self.runs.rows[:-1], lengths, strict=True):
            begin, end = max(start, int(first)), min(stop, int(first + n))
            if begin < end:
                shift = int(row - first)
                out[begin - start : end - start] = self.source.read(begin + shift, end + shift, channels)
        return out


def with_pauses(source: Source, runs: Runs) -> Source:
    """Return the source itself where there is no pause."""
    return source if len(runs.starts) == 1 else WithPauses(source, runs)
