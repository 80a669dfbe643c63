"""Planted responses: latents of sound and text through known temporal filters, to a known ceiling.

No electrode is driven by a feature that a study fits. "envelope" electrodes follow band envelopes of the sound, found
here by filters and Hilbert transforms; "word" electrodes the meaning of the word being heard; "context" electrodes the
word's place in the sentence and the number of its subject, heard words ago; "accent" ones the stress of the word, which
can be heard and can be read; "timbre" ones how bright the sound is, which cannot be read; "unmodelled" ones a process
that neither sound nor text knows; "silent" ones nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, hilbert, sosfiltfilt

from heschl.study.simulate.sound import SFREQ as SOUND_SFREQ
from heschl.study.simulate.text import Lexicon, Sentence, accents
from heschl.timing.words import Word

SFREQ = 100
Kind = Literal["envelope", "word", "context", "accent", "timbre", "unmodelled", "silent"]
COUNTS: dict[Kind, int] = {
    "envelope": 6,
    "word": 6,
    "context": 4,
    "accent": 4,
    "timbre": 4,
    "unmodelled": 4,
    "silent": 4,
}
BANDS = ((150.0, 450.0), (450.0, 1000.0), (1000.0, 2000.0), (2000.0, 3800.0))  # Hz
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Electrode:
    """What drives one electrode.

    Attributes
    ----------
    kind : str
    weights : array
        Of the latents of its kind.
    latency : float
        Peak of its temporal filter, s.
    ceiling : float
        Share of a single trial's variance that the stimulus drives.
    """

    kind: Kind
    weights: Floats
    latency: float
    ceiling: float


# Where each kind lies: a region, its middle on the left hemisphere (mm, MNI), and how far it reaches.
PLACES: dict[Kind, tuple[str, tuple[float, float, float]]] = {
    "envelope": ("STG", (-66.0, -20.0, 4.0)),
    "accent": ("STG", (-66.0, -28.0, 8.0)),
    "timbre": ("STG", (-65.0, -8.0, -2.0)),
    "word": ("MTG", (-66.0, -38.0, -8.0)),
    "context": ("MTG", (-64.0, -50.0, 0.0)),
    "unmodelled": ("SMC", (-58.0, -10.0, 34.0)),
    "silent": ("SMG", (-60.0, -40.0, 32.0)),
}
SPREAD = 6.0  # mm


def places(electrodes: list[Electrode], rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Draw regions (n,) and positions (n, 3) in m of one subject's electrodes, all on one side: left or right."""
    side = rng.choice([-1.0, 1.0])
    middles = np.array([PLACES[electrode.kind][1] for electrode in electrodes])
    positions = middles + SPREAD * np.array([0.2, 1.0, 1.0]) * rng.standard_normal(middles.shape)
    positions[:, 0] *= side
    return {"regions": np.array([PLACES[e.kind][0] for e in electrodes]), "positions": positions / 1e3}


def draw_electrodes(rng: np.random.Generator, n_meanings: int) -> list[Electrode]:
    """Draw one subject's electrodes."""
    n_latents = {
        "envelope": len(BANDS),
        "word": n_meanings,
        "context": 2,
        "accent": 1,
        "timbre": 1,
        "unmodelled": 1,
        "silent": 0,
    }
    out = []
    for kind, count in COUNTS.items():
        for _ in range(count):
            weights = rng.standard_normal(n_latents.get(kind, 1))
            if kind == "envelope":
                weights = np.abs(weights)
            if kind == "context":  # the dependency leads: position alone is already in a model's input embedding
                weights = np.sign(weights) * rng.uniform(0.7, 1.0, 2) * (0.6, 1.0)
            ceiling = 0.0 if kind == "silent" else float(rng.uniform(0.35, 0.6))
            out.append(Electrode(kind, weights, float(rng.uniform(0.06, 0.22)), ceiling))
    return out


def temporal_filter(latency: float, sfreq: float = SFREQ) -> Floats:
    """Return a gamma-shaped kernel over 0.4 s at `sfreq` Hz, causal, of unit sum, with its peak at `latency` (s)."""
    t = np.arange(round(0.4 * sfreq)) / sfreq
    shape = 8.0  # narrow enough that the peak can be told from its neighbours
    kernel = (t / latency) ** shape * np.exp(shape * (1 - t / latency))
    return np.asarray(kernel / kernel.sum())


def sound_latents(sound: NDArray[np.float32], n: int) -> Floats:
    """Return compressed band envelopes, (n, bands) at `SFREQ`: Hilbert amplitude, low-passed, to the power 0.4."""
    smooth = butter(4, 20.0, fs=SOUND_SFREQ, output="sos")
    step = SOUND_SFREQ // SFREQ
    bands = []
    for band in BANDS:
        filtered = sosfiltfilt(butter(3, band, "bandpass", fs=SOUND_SFREQ, output="sos"), sound)
        amplitude = np.abs(hilbert(filtered, next_fast_len(len(sound)))[: len(sound)])
        bands.append(np.maximum(sosfiltfilt(smooth, amplitude)[::step][:n], 0.0) ** 0.4)
    return np.stack([np.pad(band, (0, n - len(band))) for band in bands], axis=1)


def timbre_latent(bands: Floats) -> Floats:
    """Return the brightness (n, 1): the upper bands against the lower ones, whatever the loudness; 0 in silence."""
    low, high = bands[:, :2].sum(axis=1), bands[:, 2:].sum(axis=1)
    loud = low + high
    audible = loud > 0.2 * np.percentile(loud, 95)
    return np.where(audible, (high - low) / np.maximum(loud, 1e-9), 0.0)[:, None]


def text_latents(sentence: Sentence, words: list[Word], lexicon: Lexicon, n: int) -> tuple[Floats, Floats, Floats]:
    """Return latents of meaning (n, meanings), context (n, 2), accent (n, 1): constant in a word, 0 in silence.

    Context is the word's place in the sentence (odd or even: more than the mere time since the sentence began), and the
    number of the first noun phrase, carried along from the verb on.
    """
    meaning, context, accent = np.zeros((n, lexicon.meanings.shape[1])), np.zeros((n, 2)), np.zeros((n, 1))
    stress = accents(len(words))
    for at, (index, word) in enumerate(zip(sentence.words, words, strict=True)):
        during = slice(round(word.start * SFREQ), round(word.end * SFREQ))
        meaning[during] = lexicon.meanings[index]
        context[during] = (-1.0) ** at, sentence.subject if at >= sentence.verb_at else 0.0
        accent[during] = stress[at]
    return meaning, context, accent


def planted_signals(latents: dict[Kind, list[Floats]], electrodes: list[Electrode]) -> list[Floats]:
    """Return noiseless responses, one (n, electrodes) array per stimulus; each electrode of unit variance over all."""
    bounds = np.cumsum([0, *(len(part) for part in latents["envelope"])])
    out = np.zeros((bounds[-1], len(electrodes)))
    for e, electrode in enumerate(electrodes):
        if electrode.kind == "silent":
            continue
        kernel = temporal_filter(electrode.latency)
        for part, start, stop in zip(latents[electrode.kind], bounds[:-1], bounds[1:], strict=True):
            drive = part[:, e : e + 1] if electrode.kind == "unmodelled" else part @ electrode.weights[:, None]
            out[start:stop, e] = np.convolve(drive[:, 0], kernel)[: stop - start]
        out[:, e] = (out[:, e] - out[:, e].mean()) / out[:, e].std()
    return [out[start:stop] for start, stop in pairwise(bounds)]


def trial(signal: Floats, electrodes: list[Electrode], rng: np.random.Generator) -> Floats:
    """Draw one presentation: the signal to its ceiling, the rest noise with a memory of some 30 ms."""
    noise = gaussian_filter1d(rng.standard_normal(signal.shape), 0.03 * SFREQ, axis=0, mode="wrap")
    noise /= np.sqrt(1 / (2 * np.sqrt(np.pi) * 0.03 * SFREQ))  # the filter's own gain: unit variance again
    share = np.array([electrode.ceiling for electrode in electrodes])
    return np.asarray(np.sqrt(share) * signal + np.sqrt(1 - share) * noise)
