"""High gamma: the amplitude of 70–150 Hz, by Gaussian filters and the analytic signal, block by block.

A block's spectrum is computed once. Each band's few lines of it, weighted, transform back to the band's analytic signal
at a low rate: shifting a band in frequency leaves its amplitude. So a band costs a short transform instead of a long
one, and filtering and decimation are one step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError, check_choice
from heschl.ecog.cleaning.blocks import bridged
from heschl.ecog.recording.recording import Recording
from heschl.timing.resample import ZERO_CROSSINGS, resample

if TYPE_CHECKING:
    import pandas as pd

Double = NDArray[np.float64]

BANDS = ("eight", "single")
NORMALIZE = ("z", "log", "none")
WIDTHS = 5.0
"""Standard deviations of a Gaussian filter, either way, that are computed: below, it is 4e-6."""
AMPLITUDE_HZ = 400.0
"""Rate at least at which amplitudes are taken before they are decimated to the rate asked for."""
AMPLITUDE_SIGMAS = 60.0
"""The same in standard deviations of the widest filter: an amplitude has cusps, of higher frequencies than its band."""
CHANNELS = 32
"""Channels that are transformed together."""


@dataclass(frozen=True)
class HighGamma:
    """High gamma of a recording, as `high_gamma` computes it.

    Attributes
    ----------
    values : (n_samples, n_electrodes) array of float32
        In standard deviations, or V (``normalize="none"``); NaN near artefacts, missing samples and both ends.
    rate : float
        Samples per second, Hz; sample i lies i / rate s after the recording's first.
    electrodes : pandas.DataFrame
        The recording's, good ones alone, in the order of the columns.
    provenance : tuple of str
        What was done, a sentence each.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import HighGamma
    >>> import pandas as pd
    >>> gamma = HighGamma(np.zeros((100, 1), np.float32), 50.0, pd.DataFrame({"bad": [False]}, index=["e1"]), ())
    >>> len(gamma.values) / gamma.rate  # s
    2.0
    """

    values: NDArray[np.float32]
    rate: float
    electrodes: pd.DataFrame
    provenance: tuple[str, ...]


@dataclass(frozen=True)
class GaussianBands:
    """Filters with Gaussian gain exp(−(f − centre)² / 2σ²).

    Attributes
    ----------
    centres, sigmas : (n_bands,) arrays of float64
        In Hz.
    """

    centres: Double = field(repr=False)
    sigmas: Double = field(repr=False)

    @classmethod
    def of(cls, bands: str, low: float, high: float) -> GaussianBands:
        """Return eight bands from low to high, or a single one.

        The eight have log-spaced centres (73 … 144 Hz for 70–150) and σ = 0.39 √2 √(centre/Hz) Hz, the rule of the
        filter bank in use at UCSF (Edwards et al. 2009, J. Neurophysiol. 102:377; Moses et al. 2016, J. Neural Eng.
        13:056004). The single one is centred between low and high, each 2 σ away.
        """
        if bands == "single":
            return cls(np.array([(low + high) / 2]), np.array([(high - low) / 4]))
        centres = np.geomspace(low * 73 / 70, high * 144 / 150, 8)
        return cls(centres, 0.39 * math.sqrt(2) * np.sqrt(centres))

    @property
    def reach(self) -> float:
        """Time, s, beyond which a sample has no part in the filters' output (6 σ of the narrowest in frequency)."""
        return float(6 / (2 * math.pi * self.sigmas.min()))


def high_gamma(
    recording: Recording,
    *,
    rate: float = 100.0,
    bands: str = "eight",
    low: float = 70.0,
    high: float = 150.0,
    normalize: str = "z",
    block: float = 30.0,
    progress: Callable[[int, int], None] | None = None,
) -> HighGamma:
    """Compute the high-gamma amplitude of all good electrodes.

    Each band is filtered in the frequency domain (zero phase), its amplitude is that of the analytic signal, the mean
    over bands is decimated without delay or aliasing (`heschl.timing.resample`). A recording is gone through in blocks
    that overlap by more than the filters reach: the result is that of one transform of the whole.

    Parameters
    ----------
    recording : Recording
        Its ``bad`` electrodes are left out.
    rate : float
        Samples per second wanted, Hz.
    bands : {"eight", "single"}
        See `GaussianBands.of`.
    low, high : float
        Edges of high gamma, Hz.
    normalize : {"z", "log", "none"}
        Mean 0 and variance 1 of each electrode over all that is known of the recording; the same of the logarithm; V.
    block : float
        Seconds computed at a time.
    progress : callable, optional
        Called with (blocks done, blocks in all).

    Returns
    -------
    HighGamma
        NaN within the filters' reach of the recording's ends, of an artefact, and of a sample that is missing.

    Raises
    ------
    InputError
        For a band beyond what the sampling rate carries, a rate above 200 Hz (amplitudes change no faster), a recording
        shorter than the filters, no good electrode.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import Recording, high_gamma
    >>> import pandas as pd
    >>> from heschl.ecog import ArraySource
    >>> t = np.arange(10_000) / 1000
    >>> voltage = ((1 + np.sin(2 * np.pi * t)) * np.sin(2 * np.pi * 107 * t))[:, None]
    >>> table = pd.DataFrame({"bad": [False]}, index=["e1"])
    >>> empty = pd.DataFrame(columns=["onset", "duration", "stimulus"])
    >>> gamma = high_gamma(
    ...     Recording("S1", 1000.0, 10_000, ("e1",), table, empty, np.zeros((0, 2)), ArraySource(voltage)))
    >>> gamma.values.shape, int(np.nanargmax(gamma.values[100:190, 0]))  # the sine's peak, at 1.25 s
    ((1000, 1), 25)
    """
    check_choice("bands", bands, BANDS)
    check_choice("normalize", normalize, NORMALIZE)
    filters = GaussianBands.of(bands, low, high)
    names = recording.good
    _check(recording, filters, rate, low, high, block, names)
    amplitude_rate = max(AMPLITUDE_HZ, AMPLITUDE_SIGMAS * float(filters.sigmas.max()))
    step = max(1, int(recording.sfreq / amplitude_rate))  # samples from one amplitude to the next
    margin = filters.reach + ZERO_CROSSINGS / min(rate, recording.sfreq / step) + step / recording.sfreq
    n_out = int(recording.n_samples / recording.sfreq * rate + 1e-6)
    values = np.empty((n_out, len(names)), dtype=np.float32)
    starts = range(0, n_out, max(1, int(block * rate)))
    for done, first in enumerate(starts):
        times = np.arange(first, min(n_out, first + int(block * rate))) / rate
        begin = math.floor((times[0] - margin) * recording.sfreq / step) * step
        end = math.ceil((times[-1] + margin) * recording.sfreq / step) * step
        for some in range(0, len(names), CHANNELS):
            samples = _read(recording, names[some : some + CHANNELS], begin, end)
            missing = ~np.isfinite(samples)
            amplitudes = _amplitudes(bridged(samples), recording.sfreq, filters, step)
            at = (begin + step * np.arange(len(amplitudes))) / recording.sfreq
            out = resample(amplitudes, at, times)
            out[_near(missing, begin, recording.sfreq, times, filters.reach)] = np.nan
            values[first : first + len(times), some : some + CHANNELS] = out
        if progress is not None:
            progress(done + 1, len(starts))
    note = (
        f"high gamma {low:g}–{high:g} Hz, {len(filters.centres)} Gaussian band(s), amplitude of the analytic signal at "
        f"{rate:g} Hz, normalised: {normalize}; {np.isnan(values).mean():.2%} of it not to be trusted"
    )
    table = recording.electrodes.loc[names]
    return HighGamma(_normalized(values, normalize), rate, table, (*recording.provenance, note))


def _check(
    recording: Recording, filters: GaussianBands, rate: float, low: float, high: float, block: float, names: list[str]
) -> None:
    if not 0 < low < high:
        raise InputError("low, high", f"{low:g} and {high:g} Hz", "0 < low < high")
    top = float((filters.centres + 3 * filters.sigmas).max())
    if recording.sfreq < 2 * top:
        raise InputError(
            f"recording of {recording.subject}", f"{recording.sfreq:g} samples per second",
            f"at least {2 * top:.4g}, for a band up to {high:g} Hz",
        )  # fmt: skip
    if not 0 < rate <= AMPLITUDE_HZ / 2:
        raise InputError("rate", f"{rate:g} Hz", f"above 0 and at most {AMPLITUDE_HZ / 2:g} Hz")
    if recording.duration < 4 * filters.reach:
        raise InputError(
            f"recording of {recording.subject}", f"{recording.duration:.3g} s", f"at least {4 * filters.reach:.3g} s"
        )
    if not block >= 1:
        raise InputError("block", f"{block:g} s", "1 s or more")
    if not names:
        raise InputError(f"recording of {recording.subject}", "no good electrode", "at least one")


def _read(recording: Recording, names: list[str], begin: int, end: int) -> Double:
    """Return samples [begin, end), NaN in artefacts and beyond the recording."""
    first, last = max(0, begin), min(recording.n_samples, end)
    out = np.full((end - begin, len(names)), np.nan)
    out[first - begin : last - begin] = recording.read(first, last, names)
    for start, stop in np.round(recording.artefacts * recording.sfreq).astype(np.int64) - begin:
        out[max(0, start) : max(0, stop)] = np.nan
    return out


def _amplitudes(samples: Double, sfreq: float, filters: GaussianBands, step: int) -> Double:
    """Mean over bands of the analytic amplitude at every `step`-th sample."""
    from scipy import fft

    n = fft.next_fast_len(-(-len(samples) // step), real=False) * step
    spectrum = fft.rfft(samples, n, axis=0, workers=-1)
    short = n // step
    total: Double = np.zeros((-(-len(samples) // step), samples.shape[1]))
    resolution = sfreq / n
    for centre, sigma in zip(filters.centres, filters.sigmas, strict=True):
        first = max(1, math.ceil((centre - WIDTHS * sigma) / resolution))
        last = min(len(spectrum) - 1, math.floor((centre + WIDTHS * sigma) / resolution))
        gain = np.exp(-0.5 * ((np.arange(first, last + 1) * resolution - centre) / sigma) ** 2)
        lines = spectrum[first : last + 1] * (2 * gain / step)[:, None]
        total += np.abs(fft.ifft(lines, short, axis=0, workers=-1))[: len(total)]
    return total / len(filters.centres)


def _near(missing: NDArray[np.bool_], begin: int, sfreq: float, times: Double, reach: float) -> NDArray[np.bool_]:
    """Return which outputs (n_times, c) have a missing sample within reach."""
    before = np.concatenate([np.zeros((1, missing.shape[1]), dtype=np.int64), np.cumsum(missing, axis=0)])
    n = len(missing)
    first = np.clip(np.floor((times - reach) * sfreq).astype(np.int64) - begin, 0, n)
    last = np.clip(np.ceil((times + reach) * sfreq).astype(np.int64) - begin + 1, 0, n)
    return np.asarray(before[last] > before[first])


def _normalized(values: NDArray[np.float32], how: str) -> NDArray[np.float32]:
    if how == "none":
        return values
    if how == "log":
        values = np.log(np.maximum(values, np.finfo(np.float32).tiny))
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0.0).sum(axis=0, dtype=np.float64) / count
    square = np.square(np.where(known, values - mean, 0.0)).sum(axis=0, dtype=np.float64) / count
    return np.asarray((values - mean) / np.where(square > 0, np.sqrt(square), 1.0), dtype=np.float32)
