"""Onsets are found in a recorded sound to well under 2 ms, whatever the clock, level and polarity; others are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import signal

from heschl.checks import InputError
from heschl.ecog.onsets import Drift, corrected, find_onsets, fit_drift

HIGH = 16000


def speechlike(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Noise below 1 kHz with a syllable's rhythm, at 16 kHz."""
    n = int(seconds * HIGH)
    carrier = signal.sosfilt(signal.butter(2, [100, 1000], "bandpass", fs=HIGH, output="sos"), rng.standard_normal(n))
    return carrier * (1 + np.sin(2 * np.pi * 4 * np.arange(n) / HIGH + rng.uniform(0, 6)))


def recorded(
    seed: int, ppm: float, delay: float, sfreq: float, *, n: int = 12, noise: float = 0.3, gain: float = -0.2
) -> tuple[np.ndarray, dict[str, np.ndarray], pd.DataFrame, np.ndarray]:
    """An audio channel on a clock of its own, the sounds at its rate, nominal events and true onsets."""
    rng = np.random.default_rng(seed)
    high = {f"s{i}": speechlike(rng, 1.5 + 0.1 * i) for i in range(4)}
    names = [f"s{i % 4}" for i in range(n)]
    nominal = 5.0 + 30.0 * np.arange(n) + rng.uniform(0, 3, n)
    true = delay + nominal * (1 + ppm * 1e-6)
    t = np.arange(int((true[-1] + 10) * sfreq)) / sfreq
    audio = np.zeros(len(t))
    low = signal.butter(8, 0.8 * sfreq / 2, fs=HIGH, output="sos")
    for name, onset in zip(names, true, strict=True):
        smooth = signal.sosfiltfilt(low, high[name])
        its = np.arange(len(smooth)) / HIGH * (1 + ppm * 1e-6)
        inside = (t >= onset) & (t < onset + its[-1])
        audio[inside] += gain * np.interp(t[inside] - onset, its, smooth)
    audio += noise * audio.std() * rng.standard_normal(len(audio)) + 0.01
    sounds = {}
    for name, sound in high.items():
        its = np.arange(int(len(sound) / HIGH * sfreq)) / sfreq
        sounds[name] = np.interp(its, np.arange(len(sound)) / HIGH, signal.sosfiltfilt(low, sound))
    return audio, sounds, pd.DataFrame({"onset": nominal, "stimulus": names}), true


@pytest.mark.parametrize("sfreq", [1000.0, 1024.0, 3051.7578125])
@pytest.mark.parametrize("ppm", [-50.0, 0.0, 50.0])
def test_onsets_within_2_ms_under_drift(sfreq: float, ppm: float) -> None:
    audio, sounds, events, true = recorded(0, ppm, 0.37, sfreq)
    found = find_onsets(audio, sfreq, sounds, events)
    assert np.abs(found["onset"] - true).max() < 0.001
    assert (found["confidence"] > 0.65).all() and (found["rival"] < found["confidence"]).all()
    drift = fit_drift(found["nominal"].to_numpy(), found["onset"].to_numpy())
    assert abs(drift.ppm - ppm) < 3 and abs(drift.offset - 0.37) < 0.001 and drift.residual < 0.0005
    np.testing.assert_allclose(drift(events["onset"].to_numpy()), true, atol=5e-4)


def test_a_stimulus_that_was_not_played() -> None:
    audio, sounds, events, true = recorded(1, 20.0, 0.2, 1000.0)
    silent = slice(int((true[5] - 0.5) * 1000), int((true[5] + 3) * 1000))
    audio[silent] = np.random.default_rng(0).standard_normal(audio[silent].size) * 1e-3
    found = find_onsets(audio, 1000.0, sounds, events)
    assert found["onset"].isna().tolist() == [i == 5 for i in range(12)] and found.loc[5, "confidence"] < 0.3
    drift = fit_drift(found["nominal"].to_numpy(), found["onset"].to_numpy())
    mended = corrected(found, drift)
    np.testing.assert_allclose(mended["onset"], true, atol=1e-3)
    assert mended["corrected"].tolist() == [i == 5 for i in range(12)]


def test_another_sound_than_was_said() -> None:
    audio, sounds, events, true = recorded(2, 0.0, 0.0, 1000.0)
    events.loc[3, "stimulus"] = "s0"  # s3 was played
    found = find_onsets(audio, 1000.0, sounds, events)
    assert np.isnan(found.loc[3, "onset"]) or found.loc[3, "confidence"] < 0.5
    assert np.abs(found["onset"] - true).drop(3).max() < 0.001


def test_a_line_heeds_no_outliers() -> None:
    rng = np.random.default_rng(0)
    here = np.arange(30) * 20.0
    there = 1.5 + here * (1 - 35e-6) + rng.normal(0, 2e-4, 30)
    there[[3, 9, 20]] += [0.4, -0.2, 5.0]
    there[7] = np.nan
    drift = fit_drift(here, there)
    assert abs(drift.ppm + 35) < 2 and abs(drift.offset - 1.5) < 5e-4
    for bad in (rng.uniform(0, 600, 30), np.full(30, np.nan)):
        with pytest.raises(InputError, match=r"line|pairs"):
            fit_drift(here, bad)
    assert Drift(0.0, 1.0, 0.0).ppm == 0


@pytest.mark.parametrize(
    ("events", "audio", "match"),
    [
        ({"onset": [1.0]}, np.ones(5000), "'stimulus'"),
        ({"onset": [1.0], "stimulus": ["b"]}, np.ones(5000), r"row 0 \(b\).*no sound"),
        ({"onset": [90.0], "stimulus": ["a"]}, np.ones(5000), "within the recording of 5 s"),
        ({"onset": [1.0], "stimulus": ["silence"]}, np.ones(5000), "silence"),
        ({"onset": [1.0], "stimulus": ["a"]}, np.full(5000, np.nan), "audio"),
    ],
)
def test_bad_input(events: dict[str, list[object]], audio: np.ndarray, match: str) -> None:
    sounds = {"a": np.sin(np.arange(500.0)), "silence": np.zeros(500)}
    with pytest.raises(InputError, match=match):
        find_onsets(audio, 1000.0, sounds, pd.DataFrame(events))
