"""The mel spectrum: exact frame times, the right bands, finite silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heschl.checks import InputError
from heschl.features.acoustic import mel_spectrogram
from heschl.timing.audio import read_audio

DATA = Path(__file__).parents[3] / "shared" / "data"


@settings(deadline=None, max_examples=25)
@given(st.integers(400, 5000), st.sampled_from([8000, 16000, 22050, 44100]), st.floats(0.004, 0.03))
def test_the_grid_counts_the_frames(n: int, sfreq: int, hop: float) -> None:
    values, grid = mel_spectrogram(np.ones(n + sfreq // 40), sfreq, hop=hop, n_mels=20)
    assert values.shape == (grid.n_frames((n + sfreq // 40) / sfreq), 20)
    assert values.dtype == np.float32


@pytest.mark.parametrize("sfreq", [16000, 22050, 44100])
@pytest.mark.parametrize("frame", [0, 17])
def test_an_impulse_peaks_in_the_frame_centred_on_it(sfreq: int, frame: int) -> None:
    _, grid = mel_spectrogram(np.zeros(sfreq), sfreq)
    sound = np.zeros(sfreq)
    at = round(float(grid.times(frame + 1)[frame]) * sfreq)  # the sample at the frame's centre
    assert at / sfreq == grid.times(frame + 1)[frame]
    sound[at] = 1
    values, _ = mel_spectrogram(sound, sfreq)
    power = values.mean(axis=1)
    assert np.argmax(power) == frame
    if frame:
        # the windows before and behind see it from equal distances
        np.testing.assert_allclose(values[frame - 1], values[frame + 1], atol=1e-3)


def test_a_tone_lies_in_its_band() -> None:
    t = np.arange(16000) / 16000
    peaks = [mel_spectrogram(np.sin(2 * np.pi * f * t), 16000)[0].mean(axis=0).argmax() for f in (300, 1000, 4000)]
    assert peaks == sorted(peaks)
    narrow = mel_spectrogram(np.sin(2 * np.pi * 1000 * t), 16000, n_mels=10, fmin=900, fmax=1100)[0]
    assert narrow.mean(axis=0).argmax() in (4, 5)


def test_ten_times_the_amplitude_is_20_db() -> None:
    sound = np.random.default_rng(0).normal(0, 0.01, 8000)
    low, high = mel_spectrogram(sound, 16000)[0], mel_spectrogram(10 * sound, 16000)[0]
    np.testing.assert_allclose(high - low, 20, atol=1e-3)


def test_silence_is_finite_and_no_deeper_than_the_range() -> None:
    assert (mel_spectrogram(np.zeros(8000), 16000)[0] == -100).all()
    sound = np.concatenate([np.random.default_rng(0).normal(0, 0.1, 8000), np.zeros(8000)])
    values, _ = mel_spectrogram(sound, 16000)
    assert np.isfinite(values).all()
    assert values.min() == pytest.approx(values.max() - 80, abs=1e-3)


@pytest.mark.parametrize(
    "n, settings, match",
    [
        (399, {}, "at least one frame, 400 samples"),
        (0, {}, "at least one frame"),
        (8000, {"n_mels": 0}, "n_mels"),
        (8000, {"n_mels": 10**6}, "n_mels"),
        (8000, {"n_mels": 200}, "narrower"),
        (8000, {"fmin": -1.0}, "fmin"),
        (8000, {"fmax": 9000.0}, "Nyquist"),
        (8000, {"fmin": 500.0, "fmax": 400.0}, "fmin"),
        (8000, {"window": 0.0}, "window"),
        (8000, {"hop": float("nan")}, "hop"),
    ],
)
def test_bad_input(n: int, settings: dict[str, float], match: str) -> None:
    with pytest.raises(InputError, match=match):
        mel_spectrogram(np.zeros(n), 16000, **settings)  # type: ignore[arg-type]


def test_bad_sounds() -> None:
    with pytest.raises(InputError, match="shape"):
        mel_spectrogram(np.zeros((8000, 2)), 16000)
    with pytest.raises(InputError, match="NaN"):
        mel_spectrogram(np.full(8000, np.nan), 16000)
    with pytest.raises(InputError, match="sfreq"):
        mel_spectrogram(np.zeros(8000), 0)


@pytest.mark.skipif(not DATA.exists(), reason="the real data (../shared/data) are not here")
def test_vowels_of_real_speech_are_louder_than_its_closures() -> None:
    folder = sorted((DATA / "timit_sample").iterdir())[0]
    phones = [line.split() for line in (folder / "sa1.phn").read_text().splitlines()]
    values, grid = mel_spectrogram(read_audio(folder / "sa1.wav", 16000), 16000)
    level, times = values.mean(axis=1), grid.times(len(values)) * 16000

    def mean(names: set[str]) -> float:
        inside = [(times >= int(a)) & (times < int(b)) for a, b, phone in phones if phone in names]
        return float(level[np.any(inside, axis=0)].mean())

    assert mean({"iy", "ae", "ao", "ih", "aa", "er"}) > mean({"h#", "dcl", "kcl", "tcl", "gcl", "pau"}) + 15
