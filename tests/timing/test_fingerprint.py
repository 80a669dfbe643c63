"""Copies of a sound are found among others, and other takes are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from heschl.timing.fingerprint import same_sounds

DATA = Path(__file__).parents[3] / "shared" / "data"


def speech_like(seed: int, rate: int = 16000, seconds: float = 2.0) -> np.ndarray:
    """Return noise in a few bands whose levels come and go as syllables do, over a noise floor."""
    rng = np.random.default_rng(seed)
    n = round(rate * seconds)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    hz = np.fft.rfftfreq(n, 1 / rate)
    sound = np.zeros(n)
    for centre in rng.uniform(200, 3500, 6):
        band = np.fft.irfft(spectrum * np.exp(-(((hz - centre) / 150) ** 2)), n)
        level = np.interp(np.arange(n), np.linspace(0, n, 12), rng.uniform(0, 1, 12))
        sound += band * level
    return 0.2 * sound / np.abs(sound).max() + 0.005 * rng.standard_normal(n)


COPIES = {
    "louder": lambda x: (1.7 * x, 16000),
    "inverted": lambda x: (-x, 16000),
    "resampled": lambda x: (soxr.resample(x, 16000, 22050), 22050),
    "from 8 kHz": lambda x: (soxr.resample(soxr.resample(x, 16000, 8000), 8000, 16000), 16000),
    "trimmed": lambda x: (x[3333:-2777], 16000),
    "padded": lambda x: (np.concatenate([np.zeros(1234), x, np.zeros(777)]), 16000),
    "noisy": lambda x: (x + 1e-3 * np.random.default_rng(9).standard_normal(len(x)), 16000),
    "24 bits": lambda x: (x, 16000),
}


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_is_found_among_others(tmp_path: Path, copy: str) -> None:
    sounds = {f"s{seed}": (speech_like(seed), 16000) for seed in range(6)}
    sounds["copy"] = COPIES[copy](speech_like(3))
    paths = {name: tmp_path / f"{name}.wav" for name in sounds}
    for name, (sound, rate) in sounds.items():
        subtype = "PCM_24" if copy == "24 bits" and name == "copy" else "PCM_16"
        soundfile.write(paths[name], sound, rate, subtype=subtype)
    assert same_sounds(paths) == [("s3", "copy")]


def test_a_coded_copy_is_found(tmp_path: Path) -> None:
    paths = {"a": tmp_path / "a.wav", "b": tmp_path / "b.wav", "coded": tmp_path / "coded.mp3"}
    for name, seed in (("a", 0), ("b", 1), ("coded", 0)):
        soundfile.write(paths[name], speech_like(seed), 16000)
    assert same_sounds(paths) == [("a", "coded")]


@pytest.mark.parametrize(("suffix", "level"), [("wav", 0.7), ("mp3", 1.0)])
def test_a_copy_of_tones_with_silence_between_them_is_found(tmp_path: Path, suffix: str, level: float) -> None:
    """What differs in the silent bands is rounding alone."""
    t = np.arange(32000) / 16000

    def melody(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        levels = (np.interp(t, np.linspace(0, 2, 20), rng.uniform(0, 0.05, 20)) for _ in range(12))
        hz, phases = rng.uniform(100, 3000, 12), rng.uniform(0, 6, 12)
        return sum(a * np.sin(2 * np.pi * f * t + p) for a, f, p in zip(levels, hz, phases, strict=True))

    paths = {"a": tmp_path / "a.wav", "b": tmp_path / "b.wav", "copy": tmp_path / f"copy.{suffix}"}
    for name, sound in (("a", melody(0)), ("b", melody(1)), ("copy", level * melody(0))):
        soundfile.write(paths[name], sound, 16000)
    assert same_sounds(paths) == [("a", "copy")]


def test_sets_of_several_and_sounds_that_say_little(tmp_path: Path) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    sounds = {
        "a": speech_like(0), "silence": np.zeros(16000), "b": speech_like(1), "a2": 0.5 * speech_like(0)[500:],
        "longer silence": np.zeros(20000), "tone": 0.1 * tone, "click": np.eye(1, 1600, 40)[0], "a3": speech_like(0),
        "other tone": 0.1 * np.sin(2 * np.pi * 700 * np.arange(16000) / 16000), "click again": np.eye(1, 1600, 40)[0],
    }  # fmt: skip
    paths = {name: tmp_path / f"{name}.wav" for name in sounds}
    for name, sound in sounds.items():
        soundfile.write(paths[name], sound, 16000)
    assert same_sounds(paths) == [("a", "a2", "a3"), ("click", "click again")]
    assert same_sounds({}) == []


@pytest.mark.skipif(not DATA.exists(), reason="the real data (../shared/data) are not here")
def test_other_takes_of_a_sentence_are_other_sounds() -> None:
    """The same two sentences by 16 speakers, and 128 others."""
    assert same_sounds({str(path): path for path in (DATA / "timit_sample").glob("*/*.wav")}) == []
