"""The envelope and the rise of a spectrum: what is known of a sound is found, at its time."""

from __future__ import annotations

import numpy as np
import pytest

from heschl.checks import InputError
from heschl.features.acoustic import envelope, mel_spectrogram, onset_spectrogram
from heschl.timing.grid import FrameGrid

SFREQ = 16000
T = np.arange(2 * SFREQ) / SFREQ


@pytest.mark.parametrize("hz", [2.0, 5.0, 8.0])
@pytest.mark.parametrize("carrier", [400.0, 3000.0])
def test_a_planted_envelope_is_found_without_delay(hz: float, carrier: float) -> None:
    planted = 0.3 + 0.2 * np.sin(2 * np.pi * hz * T)
    values, grid = envelope(planted * np.sin(2 * np.pi * carrier * T), SFREQ, rate=100.0)
    assert values.shape == (200, 1) and values.dtype == np.float32 and grid == FrameGrid.from_rate(100.0)
    times = grid.times(200)
    inner = (times > 0.2) & (times < 1.8)
    expected = 0.3 + 0.2 * np.sin(2 * np.pi * hz * times)
    # two passes of a third-order Butterworth take at most 1/(1 + (8/25)^6) of 8 Hz: a tenth of a percent
    np.testing.assert_allclose(values[inner, 0], expected[inner], atol=2e-3)


def test_faster_changes_than_the_cutoff_disappear() -> None:
    fast = (1 + np.sin(2 * np.pi * 80 * T)) * np.sin(2 * np.pi * 1000 * T)
    values, _ = envelope(fast, SFREQ, rate=200.0, cutoff=10.0)
    assert values[50:-50].std() < 1e-3 * values.mean()


def test_it_scales_with_the_sound_and_is_never_below_0() -> None:
    sound = np.random.default_rng(0).standard_normal(SFREQ)
    sound[4000:8000] = 0
    one, _ = envelope(sound, SFREQ)
    three, _ = envelope(3 * sound, SFREQ)
    np.testing.assert_allclose(three, 3 * one, rtol=1e-5, atol=1e-6)
    assert (one >= 0).all()
    assert np.isfinite(envelope(np.zeros(SFREQ), SFREQ)[0]).all()


@pytest.mark.parametrize("n", [160, 161, 400, 1000])
def test_short_sounds(n: int) -> None:
    values, grid = envelope(np.ones(n), SFREQ)
    assert values.shape == (grid.n_frames(n / SFREQ), 1) and np.isfinite(values).all()


@pytest.mark.parametrize(
    ("sound", "settings", "match"),
    [
        (np.zeros(159), {}, "at least one frame"),
        (np.zeros((2, 1000)), {}, "shape"),
        (np.full(1000, np.nan), {}, "NaN"),
        (np.zeros(1000), {"cutoff": 60.0}, "cutoff"),
        (np.zeros(1000), {"cutoff": 0.0}, "cutoff"),
        (np.zeros(1000), {"rate": 1e6}, "cutoff"),
        (np.zeros(1000), {"rate": -1.0}, "rate"),
    ],
)
def test_bad_input(sound: np.ndarray, settings: dict[str, float], match: str) -> None:
    with pytest.raises(InputError, match=match):
        envelope(sound, SFREQ, **settings)


def test_a_spectrum_rises_where_a_tone_begins() -> None:
    sound = np.where(T >= 1.0, np.sin(2 * np.pi * 1000 * T), 0.0) + 1e-4 * np.sin(2 * np.pi * 1000 * T)
    values, grid = mel_spectrogram(sound, SFREQ, n_mels=20)
    rises = onset_spectrogram(values, grid)
    assert rises.shape == values.shape and rises.dtype == np.float32 and (rises >= 0).all()
    frame, band = np.unravel_index(rises.argmax(), rises.shape)
    assert abs(grid.times(len(values))[frame] - 1.0) <= 0.02 and band == values[-10].argmax()
    fall = onset_spectrogram(values[::-1], grid)
    assert fall[:95].max() < rises.max() / 10  # what falls does not rise


def test_a_ramp_rises_at_its_slope() -> None:
    ramp = np.arange(10.0)[:, None] * [1.0, -1.0]
    np.testing.assert_allclose(onset_spectrogram(ramp, FrameGrid.from_rate(50.0)), [[50.0, 0.0]] * 10)
    assert onset_spectrogram(ramp[:1], FrameGrid.from_rate(50.0)).tolist() == [[0.0, 0.0]]


def test_scales_of_the_mel_spectrum() -> None:
    sound = np.random.default_rng(0).standard_normal(SFREQ) * 0.1
    found = {scale: mel_spectrogram(sound, SFREQ, scale=scale)[0] for scale in ("db", "log", "power")}
    np.testing.assert_allclose(found["log"], found["db"] / (10 / np.log(10)), rtol=1e-5)
    np.testing.assert_allclose(10 * np.log10(found["power"]), found["db"], rtol=1e-4)
    with pytest.raises(InputError, match="scale"):
        mel_spectrogram(sound, SFREQ, scale="cubic")
