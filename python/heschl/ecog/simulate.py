"""Raw recordings of known truth: 1/f noise, the mains, bad channels, bursts of high gamma that follow sounds.

They hold the recorded sound, too, delayed and on a clock that drifts, and triggers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog.recording.recording import ArraySource, Recording

if TYPE_CHECKING:
    import pandas as pd

Double = NDArray[np.float64]
UNIT = 1e-4
"""V: standard deviation of a channel's background."""
AUDIO, TRIGGER = "mic", "trigger"


@dataclass(frozen=True)
class Truth:
    """What was planted in a simulated recording.

    Attributes
    ----------
    onsets : (n_events,) array
        Of the sounds, s on the recording's clock; the recording's own `events` are those that the stimulus computer
        meant, on its clock.
    driven, silent, bad : tuple of str
        Electrodes that follow the sounds, that do not, and that are broken.
    envelopes : (n_samples, n_driven) array
        Amplitude of the driven electrodes' bursts, at the recording's rate.
    latencies : (n_driven,) array
        By which they follow the sound, s.
    drift_ppm, offset : float
        Of the clocks: onset = offset + (1 + drift · 1e-6) nominal; in parts per million and s.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import simulate_recording
    >>> import numpy as np
    >>> from heschl.ecog import simulate_recording
    >>> sounds = {"a": np.random.default_rng(0).standard_normal(8000)}
    >>> recording, truth = simulate_recording(sounds, 8000.0, n_repeats=2, sfreq=500.0)
    >>> truth.bad, [round(float(onset), 4) for onset in truth.onsets]
    (('E12', 'E13'), [3.1201, 5.6202])
    """

    onsets: Double
    driven: tuple[str, ...]
    silent: tuple[str, ...]
    bad: tuple[str, ...]
    envelopes: Double = field(repr=False)
    latencies: Double
    drift_ppm: float
    offset: float


def simulate_recording(
    sounds: Mapping[str, NDArray[np.floating]],
    sound_rate: float,
    *,
    n_repeats: int = 3,
    n_driven: int = 4,
    n_silent: int = 8,
    n_bad: int = 2,
    sfreq: float = 1000.0,
    snr_db: float = 0.0,
    mains: float = 60.0,
    drift_ppm: float = 40.0,
    offset: float = 0.12,
    pause: float = 1.5,
    envelope_hz: float = 6.0,
    seed: int = 0,
) -> tuple[Recording, Truth]:
    """Simulate one subject who hears sounds, several times each, in random order.

    Parameters
    ----------
    sounds : mapping of name to (n,) array
        Samples of each sound.
    sound_rate : float
        Of the sounds, Hz.
    n_repeats : int
        Presentations of each sound.
    n_driven, n_silent, n_bad : int
        Electrodes, in groups of up to 16; of the bad ones the first is flat, the second noisy, and so on in turn.
    sfreq : float
        Samples per second of the recording, Hz; above 400, so that high gamma is in it.
    snr_db : float
        Power of a driven electrode's bursts in 70–150 Hz over that of its background there, dB.
    mains : float
        Frequency of the mains, Hz.
    drift_ppm, offset : float
        Of the stimulus computer's clock against the recording's, 1e-6 and s.
    pause : float
        Between sounds, s.
    envelope_hz : float
        Up to which bursts follow the sound's level, Hz.
    seed : int
        Of all random numbers.

    Returns
    -------
    recording : Recording
        With channels "mic" (the sound) and "trigger" (codes 1 … at the true onsets, in the order of `sounds`).
    truth : Truth
        What was planted.

    Raises
    ------
    InputError
        For no sound, and a rate that leaves no room for high gamma.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import simulate_recording
    >>> rng = np.random.default_rng(0)
    >>> sounds = {"a": rng.standard_normal(8000), "b": rng.standard_normal(8000)}
    >>> recording, truth = simulate_recording(sounds, 8000.0, n_repeats=2, sfreq=500.0)
    >>> len(recording.names), len(recording.events), truth.driven
    (16, 4, ('E00', 'E01', 'E02', 'E03'))
    """
    import pandas as pd

    if not sounds:
        raise InputError("sounds", "none", "one or more")
    if sfreq <= 400:
        raise InputError("sfreq", f"{sfreq:g} Hz", "above 400 Hz, so that 150 Hz are well below half of it")
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.repeat(np.array(list(sounds)), n_repeats))
    lengths = {name: len(sound) / sound_rate for name, sound in sounds.items()}
    nominal = 3.0 + np.concatenate([[0.0], np.cumsum([lengths[name] + pause for name in order[:-1]])])
    onsets = offset + nominal * (1 + drift_ppm * 1e-6)
    n = int((onsets[-1] + lengths[order[-1]] + 4.0) * sfreq)
    t = np.arange(n) / sfreq

    names = [f"E{i:02d}" for i in range(n_driven + n_silent + n_bad)]
    background = UNIT * _pink(rng, n, len(names))
    level, mic = _heard(sounds, sound_rate, order, onsets, t, drift_ppm, sfreq)
    level = np.maximum(_low_pass(level, envelope_hz, sfreq), 0.0)
    latencies = rng.uniform(0.04, 0.15, n_driven)
    envelopes = np.stack([np.interp(t - latency, t, level, left=0.0) for latency in latencies], axis=1)
    for i in range(n_driven):
        burst = envelopes[:, i] * _band_noise(rng, n, sfreq)
        loud = envelopes[:, i] > 0.05 * envelopes[:, i].max()
        own = _band(background[:, i], sfreq)
        gain = 10 ** (snr_db / 20) * own.std() / burst[loud].std()
        background[:, i] += gain * burst
    background += 0.3 * UNIT * np.sin(2 * np.pi * mains * t)[:, None] * rng.uniform(0.5, 1.5, len(names))
    for j in range(n_bad):
        at = n_driven + n_silent + j
        background[:, at] = 3e-5 if j % 2 == 0 else 30 * background[:, at]
    codes = np.zeros(n)
    number = {name: i + 1 for i, name in enumerate(sounds)}
    for name, onset in zip(order, onsets, strict=True):
        first = int(np.ceil(onset * sfreq))
        codes[first : first + max(2, int(0.02 * sfreq))] = number[name]
    values = np.concatenate([background, mic[:, None], codes[:, None]], axis=1)
    recording = Recording(
        subject="simulated",
        sfreq=sfreq,
        n_samples=n,
        names=(*names, AUDIO, TRIGGER),
        electrodes=_electrodes(names, rng),
        events=pd.DataFrame({"onset": nominal, "duration": [lengths[name] for name in order], "stimulus": order}),
        artefacts=np.zeros((0, 2)),
        source=ArraySource(values),
        audio=AUDIO,
        trigger=TRIGGER,
        provenance=(f"simulated, seed {seed}",),
    )
    parts = np.split(np.array(names), [n_driven, n_driven + n_silent])
    driven, silent, bad = (tuple(str(name) for name in part) for part in parts)
    return recording, Truth(onsets, driven, silent, bad, envelopes, latencies, drift_ppm, offset)


def _heard(
    sounds: Mapping[str, NDArray[np.floating]],
    rate: float,
    order: NDArray[np.str_],
    onsets: Double,
    t: Double,
    drift_ppm: float,
    sfreq: float,
) -> tuple[Double, Double]:
    """Return the level of the sounds and the sound as a microphone records it, on the recording's clock."""
    from scipy import signal

    level, mic = np.zeros(len(t)), np.zeros(len(t))
    for name, onset in zip(order, onsets, strict=True):
        sound = np.asarray(sounds[str(name)], dtype=np.float64)
        low = signal.sosfiltfilt(signal.butter(4, min(0.4 * sfreq, 0.45 * rate), fs=rate, output="sos"), sound)
        its = onset + np.arange(len(sound)) / rate * (1 + drift_ppm * 1e-6)
        first, last = np.searchsorted(t, (its[0], its[-1]))
        mic[first:last] += np.interp(t[first:last], its, low)
        amplitude = np.abs(signal.hilbert(sound, 2 ** int(np.ceil(np.log2(len(sound))))))[: len(sound)]
        level[first:last] += np.interp(t[first:last], its, amplitude)
    return level, mic + 1e-4 * np.abs(mic).max() * np.random.default_rng(0).standard_normal(len(mic))


def _pink(rng: np.random.Generator, n: int, count: int) -> Double:
    """Noise of power 1/f² above 1 Hz … of unit variance."""
    out = np.empty((n, count))
    for i in range(count):
        spectrum = np.fft.rfft(rng.standard_normal(n))
        frequency = np.arange(len(spectrum)) / n
        noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(frequency, 1e-3)), n)
        out[:, i] = noise / noise.std()
    return out


def _band(x: Double, sfreq: float) -> Double:
    from scipy import signal

    return np.asarray(signal.sosfiltfilt(signal.butter(4, (70, 150), "bandpass", fs=sfreq, output="sos"), x))


def _band_noise(rng: np.random.Generator, n: int, sfreq: float) -> Double:
    """Noise of 70–150 Hz whose amplitude does not vary: what varies is the burst's own envelope."""
    from scipy import signal

    noise = _band(rng.standard_normal(n), sfreq)
    return np.asarray(noise / np.maximum(np.abs(signal.hilbert(noise)), 1e-3 * noise.std()))


def _low_pass(x: Double, hz: float, sfreq: float) -> Double:
    from scipy import signal

    return np.asarray(signal.sosfiltfilt(signal.butter(3, hz, fs=sfreq, output="sos"), x))


def _electrodes(names: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """Return a table of a grid over the left temporal lobe, in m (MNI)."""
    import pandas as pd

    n = len(names)
    table = pd.DataFrame(index=names)
    table["x"] = -0.066 + 0.002 * rng.uniform(-1, 1, n)
    table["y"] = -0.045 + 0.01 * (np.arange(n) % 8)
    table["z"] = -0.005 + 0.01 * (np.arange(n) // 8)
    table["region"] = np.where(np.arange(n) // 8 == 0, "STG", "SMG")
    table["group"] = [f"G{i // 16}" for i in range(n)]
    table["bad"], table["reason"] = False, ""
    return table
