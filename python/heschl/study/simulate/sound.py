"""Speech-like sound: a buzzing source through formants for vowels, bursts of shaped noise for consonants."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from heschl.study.simulate.text import CONSONANTS, VOWELS
from heschl.timing.words import Word

SFREQ = 16_000
# First three formants of each vowel in Hz (after the classic vowel chart), and a band of noise for each consonant.
FORMANTS = {"a": (730, 1090, 2440), "e": (530, 1840, 2480), "i": (270, 2290, 3010), "o": (570, 840, 2410),
            "u": (300, 870, 2240)}  # fmt: skip
BANDS = {name: 300.0 * 1.27**i for i, name in enumerate(CONSONANTS)}
BANDWIDTH = 110.0
LEAD = (0.1, 0.6)  # s of silence before the first word, another one each time, so that sentences are out of step
ACCENT = 0.8  # log amplitude
TRAIL = 0.15  # s of silence after the last word


def speak(
    words: list[str], accents: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float32], list[Word]]:
    """Say words one after another, at a pitch and a pace of this sentence's own, louder where there is an accent.

    Returns
    -------
    sound : array of shape (n,), float32
        At `SFREQ`, within ±0.5.
    words : list of Word
        With their times in s.
    """
    pitch, pace = rng.uniform(95, 200), rng.uniform(0.85, 1.15)
    now = int(rng.uniform(*LEAD) * SFREQ)
    parts, times = [np.zeros(now)], []
    for at, word in enumerate(words):
        declination = 1.0 - 0.25 * at / len(words)
        sound = np.concatenate([_phone(phone, pitch * declination, pace, rng) for phone in word])
        sound *= np.exp(ACCENT * accents[at])
        times.append(Word(word, round(now / SFREQ, 6), round((now + len(sound)) / SFREQ, 6)))
        parts.append(sound)
        now += len(sound)
        gap = np.zeros(int(rng.uniform(0.0, 0.04) * SFREQ))
        parts.append(gap)
        now += len(gap)
    parts.append(np.zeros(int(TRAIL * SFREQ)))
    sound = np.concatenate(parts) + 1e-4 * rng.standard_normal(sum(map(len, parts)))
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32), times


@cache
def _band(centre: float) -> NDArray[np.float64]:
    edges = 0.8 * centre, min(1.25 * centre, 0.49 * SFREQ)
    return np.asarray(butter(2, edges, "bandpass", fs=SFREQ, output="sos"))


def _phone(phone: str, pitch: float, pace: float, rng: np.random.Generator) -> NDArray[np.float64]:
    if phone in VOWELS:
        n = int(0.11 * pace * rng.uniform(0.8, 1.25) * SFREQ)
        t = np.arange(n) / SFREQ
        harmonics = pitch * np.arange(1, int(4000 / pitch) + 1)
        gain = sum(0.7**k / (1 + ((harmonics - formant) / BANDWIDTH) ** 2) for k, formant in enumerate(FORMANTS[phone]))
        sound = (np.asarray(gain)[:, None] * np.sin(2 * np.pi * harmonics[:, None] * t)).sum(axis=0)
        level = rng.uniform(0.6, 1.0)
    else:
        n = int(0.07 * pace * rng.uniform(0.8, 1.25) * SFREQ)
        centre = BANDS[phone]
        sound = sosfiltfilt(_band(centre), rng.standard_normal(n + 400))[200:-200]
        level = rng.uniform(0.15, 0.4)
    return np.asarray(level * np.hanning(n) * sound / np.sqrt(np.mean(sound**2)))
