"""High gamma: equal to the direct computation, in blocks or whole; planted envelopes are found, at their time."""

from __future__ import annotations

import resource
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import signal

from heschl.checks import InputError
from heschl.ecog.high_gamma import GaussianBands, high_gamma
from heschl.ecog.recording.recording import ArraySource, Recording
from heschl.timing.resample import resample

NO_EVENTS = pd.DataFrame(columns=["onset", "duration", "stimulus"])


def recording(values: NDArray[np.float64], sfreq: float, **changes: object) -> Recording:
    names = tuple(f"e{i}" for i in range(values.shape[1]))
    table = pd.DataFrame({"bad": False, "reason": ""}, index=list(names))
    made = Recording("S1", sfreq, len(values), names, table, NO_EVENTS, np.zeros((0, 2)), ArraySource(values))
    return replace(made, **changes)  # type: ignore[arg-type]


def pink(rng: np.random.Generator, n: int, c: int, sfreq: float) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(rng.standard_normal((n, c)), axis=0)
    return np.fft.irfft(spectrum / np.maximum(1.0, np.fft.rfftfreq(n, 1 / sfreq))[:, None], n, axis=0)


def direct(values: NDArray[np.float64], sfreq: float, bands: str) -> NDArray[np.float64]:
    """What one would write with SciPy: filter the whole, channel by channel and band by band."""
    filters = GaussianBands.of(bands, 70.0, 150.0)
    frequencies = np.fft.rfftfreq(len(values), 1 / sfreq)
    out = np.zeros(values.shape)
    for c in range(values.shape[1]):
        for centre, sigma in zip(filters.centres, filters.sigmas, strict=True):
            gain = np.exp(-0.5 * ((frequencies - centre) / sigma) ** 2)
            out[:, c] += np.abs(signal.hilbert(np.fft.irfft(np.fft.rfft(values[:, c]) * gain, len(values))))
    return out / len(filters.centres)


@pytest.mark.parametrize("sfreq", [512.0, 1000.0, 1024.0, 3051.7578125])
@pytest.mark.parametrize("bands", ["eight", "single"])
def test_equal_to_a_direct_computation(sfreq: float, bands: str) -> None:
    rng = np.random.default_rng(0)
    values = pink(rng, int(12 * sfreq), 3, sfreq)
    found = high_gamma(recording(values, sfreq), normalize="none", bands=bands, rate=100.0, block=5.0)
    expected = direct(values, sfreq, bands)
    times = np.arange(len(found.values)) / 100
    expected = resample(expected, np.arange(len(values)) / sfreq, times)
    inner = slice(150, len(times) - 150)
    np.testing.assert_allclose(found.values[inner], expected[inner], atol=2e-3 * expected[inner].mean())


@pytest.mark.parametrize("sfreq", [512.0, 1017.25, 3000.0])
def test_blocks_are_the_whole(sfreq: float) -> None:
    values = np.random.default_rng(1).standard_normal((int(20 * sfreq), 2))
    values[5000:5010, 1] = np.nan
    whole = high_gamma(recording(values, sfreq), normalize="none", block=100.0).values
    for block in (1.0, 3.3, 7.0):
        part = high_gamma(recording(values, sfreq), normalize="none", block=block).values
        np.testing.assert_array_equal(np.isnan(part), np.isnan(whole))
        known = np.isfinite(whole)
        np.testing.assert_allclose(part[known], whole[known], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bands", ["eight", "single"])
def test_planted_envelopes_are_found_at_0_db(bands: str) -> None:
    """A burst carrier as strong, in its band, as the background; what noise there is in 80 Hz × 1 s bounds r at 0.9."""
    rng, sfreq, seconds = np.random.default_rng(2), 1000.0, 60
    n = int(seconds * sfreq)
    slow = signal.butter(2, 1.0, fs=sfreq, output="sos")
    envelope = signal.sosfiltfilt(slow, rng.standard_normal((n, 8)), axis=0)
    envelope = np.maximum(envelope / envelope.std(axis=0) + 1.0, 0.0)
    band = signal.butter(4, [70, 150], "bandpass", fs=sfreq, output="sos")
    carrier = signal.sosfiltfilt(band, rng.standard_normal((n, 8)), axis=0)
    background = pink(rng, n, 8, sfreq)
    in_band = signal.sosfiltfilt(band, background, axis=0)
    burst = envelope * carrier
    burst *= in_band.std(axis=0) / burst.std(axis=0)
    found = high_gamma(recording(background + burst, sfreq), bands=bands)
    smooth = signal.butter(2, 1.0, fs=100.0, output="sos")
    inner = slice(200, -200)
    truth = envelope[:: int(sfreq / 100)]
    values = signal.sosfiltfilt(smooth, np.nan_to_num(found.values), axis=0)
    r = [np.corrcoef(values[inner, c], truth[inner, c])[0, 1] for c in range(8)]
    assert np.median(r) > 0.88 and min(r) > 0.8
    lags = [np.argmax([np.corrcoef(np.roll(values[:, 0], k)[inner], truth[inner, 0])[0, 1] for k in range(-5, 6)])]
    assert lags == [5]  # no delay


def test_what_is_not_to_be_trusted_is_nan() -> None:
    sfreq = 1000.0
    values = np.random.default_rng(3).standard_normal((20_000, 3))
    clean = high_gamma(recording(values, sfreq), normalize="none").values
    spoiled = values.copy()
    spoiled[8000:8050, 1] = np.nan
    spoiled[12_000:12_500] = 1e6
    found = high_gamma(recording(spoiled, sfreq, artefacts=np.array([[12.0, 12.5]])), normalize="none").values
    reach = GaussianBands.of("eight", 70, 150).reach
    times = np.arange(len(found)) / 100
    edge = (times < reach - 0.02) | (times > 20 - reach + 0.02)
    assert np.isnan(found[edge]).all() and np.isnan(clean[edge]).all()
    gap = np.abs(times - 8.025) < 0.025 + reach - 0.01
    assert np.isnan(found[gap, 1]).all() and np.isfinite(found[gap, 0]).all()
    assert np.isnan(found[(times >= 12.0) & (times < 12.5)]).all()
    known = np.isfinite(found)
    assert known.mean() > 0.85 and np.isfinite(clean).mean() > 0.95
    np.testing.assert_allclose(found[known], clean[known], rtol=0.02, atol=0.01)
    far = known & (np.abs(times - 12.25) > 1.0)[:, None] & (np.abs(times - 8.0) > 1.0)[:, None]
    np.testing.assert_allclose(found[far], clean[far], rtol=1e-6)


def test_normalisation_heeds_what_is_known() -> None:
    values = np.random.default_rng(4).standard_normal((30_000, 2)) * [1.0, 50.0]
    values[10_000:12_000, 1] = np.nan
    for normalize in ("z", "log"):
        found = high_gamma(recording(values, 1000.0), normalize=normalize).values
        np.testing.assert_allclose(np.nanmean(found, axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(np.nanstd(found, axis=0), 1, rtol=1e-5)


def test_bad_electrodes_are_left_out_and_what_was_done_is_said() -> None:
    made = recording(np.random.default_rng(5).standard_normal((5000, 3)), 1000.0, provenance=("read",))
    made.electrodes.loc["e1", "bad"] = True
    calls: list[tuple[int, int]] = []
    found = high_gamma(made, block=2.0, progress=lambda done, total: calls.append((done, total)))
    assert found.electrodes.index.tolist() == ["e0", "e2"] and found.values.shape == (500, 2)
    assert found.provenance[0] == "read" and "8 Gaussian" in found.provenance[1]
    assert calls == [(1, 3), (2, 3), (3, 3)]


@dataclass(frozen=True)
class Generated:
    """A long recording that is never in memory."""

    n_channels: int

    def read(self, start: int, stop: int, channels: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.random.default_rng(start).standard_normal((stop - start, len(channels)))


def test_memory_does_not_grow_with_the_recording() -> None:
    def peak(seconds: int) -> float:
        names = tuple(f"e{i}" for i in range(40))
        table = pd.DataFrame({"bad": False}, index=list(names))
        made = Recording("S1", 1000.0, seconds * 1000, names, table, NO_EVENTS, np.zeros((0, 2)), Generated(40))
        high_gamma(made, block=10.0)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    short, long = peak(20), peak(200)
    answer = 40 * 180 * 100 * 4
    assert long - short < 6 * answer + 30e6


@pytest.mark.parametrize(
    ("changes", "settings", "match"),
    [
        ({"sfreq": 300.0}, {}, "300 samples per second"),
        ({}, {"rate": 300.0}, "rate"),
        ({}, {"low": 150.0, "high": 70.0}, "low, high"),
        ({}, {"bands": "three"}, "bands"),
        ({}, {"normalize": "max"}, "normalize"),
        ({}, {"block": 0.1}, "block"),
        ({"n_samples": 500}, {}, "0.5 s"),
    ],
)
def test_bad_input(changes: dict[str, object], settings: dict[str, object], match: str) -> None:
    made = replace(recording(np.zeros((5000, 1)), 1000.0), **changes)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=match):
        high_gamma(made, **settings)  # type: ignore[arg-type]


def test_no_good_electrode() -> None:
    made = recording(np.zeros((5000, 1)), 1000.0)
    made.electrodes["bad"] = True
    with pytest.raises(InputError, match="no good electrode"):
        high_gamma(made)
