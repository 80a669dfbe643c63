"""Resampling: zero delay, no aliasing, constants kept, at both ends and between any two uniform grids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heschl.checks import InputError
from heschl.timing.grid import FrameGrid
from heschl.timing.resample import resample, resample_known
from tolerances import worst

PAIRS = [(100.0, 25.0), (100.0, 50.0), (25.0, 100.0), (50.0, 49.0), (128.0, 50.0), (50.0, 50.0)]
rates = st.floats(5.0, 500.0)


def grids(rate_in: float, rate_out: float, seconds: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    one, two = FrameGrid.from_rate(rate_in), FrameGrid.from_rate(rate_out)
    return one.times(one.n_frames(seconds)), two.times(two.n_frames(seconds))


@settings(deadline=None)
@given(rates, rates, st.floats(-0.01, 0.01), st.floats(-1e3, 1e3))
def test_constants_stay_constant(rate_in: float, rate_out: float, shift: float, value: float) -> None:
    times_in, times_out = grids(rate_in, rate_out)
    out = resample(np.full((len(times_in), 2), value), times_in, times_out + shift)
    assert worst(out, np.full((len(times_out), 2), value)) < 1e-12  # weights sum to 1 but for rounding


@settings(deadline=None)
@given(rates, rates, st.integers(0, 2**32 - 1))
def test_a_slow_wave_is_found_at_the_exact_times(rate_in: float, rate_out: float, seed: int) -> None:
    times_in, times_out = grids(rate_in, rate_out, seconds=80 / min(rate_in, rate_out))
    frequency = 0.35 * min(rate_in, rate_out)  # 0.7 of the lower Nyquist
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi)
    out = resample(np.sin(2 * np.pi * frequency * times_in + phase)[:, None], times_in, times_out)[:, 0]
    reach = 17 / min(rate_in, rate_out)
    inner = (times_out > times_in[0] + reach) & (times_out < times_in[-1] - reach)
    expected = np.sin(2 * np.pi * frequency * times_out + phase)
    assert inner.any()
    assert np.abs(out - expected)[inner].max() < 1e-3  # the kernel's ripple


@pytest.mark.parametrize("rate_in, rate_out", PAIRS)
@pytest.mark.parametrize("where", ["first", "last", "middle"])
def test_an_impulse_is_not_moved(rate_in: float, rate_out: float, where: str) -> None:
    times_in, times_out = grids(rate_in, rate_out)
    at = {"first": 0, "last": len(times_in) - 1, "middle": len(times_in) // 2}[where]
    impulse = np.zeros((len(times_in), 1))
    impulse[at] = 1
    out = resample(impulse, times_in, times_out)[:, 0]
    peak = times_out[np.argmax(out)]
    assert abs(peak - times_in[at]) <= np.abs(times_out - times_in[at]).min() + 1e-9


def test_an_impulse_is_answered_evenly_in_time() -> None:
    times = np.arange(401) / 100
    impulse = np.zeros((401, 1))
    impulse[200] = 1
    out = resample(impulse, times, np.arange(101) / 25)[:, 0]
    assert worst(out, out[::-1]) < 1e-12


@pytest.mark.parametrize("rate_in, rate_out", PAIRS)
@pytest.mark.parametrize("end", ["first", "last"])
def test_a_chirp_that_fades_at_an_end_is_followed_to_it(rate_in: float, rate_out: float, end: str) -> None:
    times_in, times_out = grids(rate_in, rate_out)
    sweep = 0.35 * min(rate_in, rate_out) / 8  # Hz/s: 0 Hz at the end in question, 0.7 of the lower Nyquist 4 s from it
    origin = times_in[0] if end == "first" else times_in[-1]

    def chirp(times: np.ndarray) -> np.ndarray:
        return np.cos(2 * np.pi * sweep * (times - origin) ** 2)

    out = resample(chirp(times_in)[:, None], times_in, times_out)[:, 0]
    near = np.abs(times_out - origin) < 2.0
    assert np.abs(out - chirp(times_out))[near].max() < 2e-3  # mirrored about its stationary end, it is smooth there


@pytest.mark.parametrize("rate_in, rate_out", [(100.0, 25.0), (100.0, 50.0), (512.0, 50.0)])
def test_what_the_output_cannot_carry_disappears(rate_in: float, rate_out: float) -> None:
    times_in, times_out = grids(rate_in, rate_out)
    for frequency in np.linspace(1.2 * rate_out / 2, 0.99 * rate_in / 2, 9):
        tone = np.sin(2 * np.pi * frequency * times_in + 0.7)[:, None]
        out = resample(tone, times_in, times_out)[:, 0]
        reach = 17 / rate_out
        inner = (times_out > reach) & (times_out < times_in[-1] - reach)
        assert np.abs(out)[inner].max() < 10 ** (-70 / 20), frequency
        picked = tone[np.searchsorted(times_in, times_out).clip(max=len(tone) - 1), 0]
        assert np.abs(picked)[inner].max() > 0.5  # the check bites: samples picked without a filter hold the tone


def test_the_same_grid_gives_the_same_values() -> None:
    values = np.random.default_rng(0).normal(size=(60, 3))
    times = FrameGrid.from_rate(50.0).times(60)
    assert worst(resample(values, times, times), values) < 1e-12


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_short_inputs_are_finite_linear_and_bounded(n_in: int, n_out: int, seed: int) -> None:
    a, b = np.random.default_rng(seed).uniform(-1, 1, size=(2, n_in, 2))
    times_in, times_out = np.arange(n_in) / 50, np.linspace(0, max(n_in - 1, 1) / 50, n_out)
    out = resample(a + 2 * b, times_in, times_out)
    assert out.shape == (n_out, 2)
    parts = resample(a, times_in, times_out) + 2 * resample(b, times_in, times_out)
    assert worst(out, parts, scale=1.0) < 1e-12
    assert np.abs(out).max() < 12  # 3 times the l1 norm of the kernel: no weight explodes at an edge


def test_float32_stays_float32() -> None:
    values = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    times = np.arange(200) / 100
    out = resample(values, times, times[::4])
    assert out.dtype == np.float32
    assert worst(out, resample(values.astype(np.float64), times, times[::4])) < 1e-5  # float32 sums of 129 terms


def test_no_times_and_one_sample() -> None:
    assert resample(np.ones((5, 2)), np.arange(5.0), np.array([])).shape == (0, 2)
    assert resample(np.full((1, 2), 7.0), [0.0], [0.0, 0.1]).tolist() == [[7.0, 7.0], [7.0, 7.0]]


@pytest.mark.parametrize(
    "values, times_in, times_out, match",
    [
        (np.zeros(5), np.arange(5.0), np.arange(5.0), "shape"),
        (np.zeros((5, 1)), np.arange(4.0), np.arange(5.0), "one time for each"),
        (np.zeros((0, 1)), np.arange(0.0), np.arange(5.0), "n_in"),
        (np.full((5, 1), np.nan), np.arange(5.0), np.arange(5.0), "NaN"),
        (np.zeros((5, 1)), np.array([0, 1, 2, 3, 5.0]), np.arange(5.0), "times_in.*not uniform"),
        (np.zeros((5, 1)), np.arange(5.0), -np.arange(5.0), "times_out.*not uniform"),
        (np.zeros((5, 1)), np.arange(5.0), np.arange(5.0) + 30, "near the input"),
        (np.zeros((5, 1)), np.full(5, np.nan), np.arange(5.0), "times_in"),
    ],
)
def test_bad_input(values: np.ndarray, times_in: np.ndarray, times_out: np.ndarray, match: str) -> None:
    with pytest.raises(InputError, match=match):
        resample(values, times_in, times_out)


@pytest.mark.parametrize("rate_out", [25.0, 100.0, 170.0])
def test_what_is_missing_has_no_part_in_what_is_known(rate_out: float) -> None:
    rng = np.random.default_rng(0)
    times_in, times_out = grids(100.0, rate_out)
    values = np.cumsum(rng.standard_normal((len(times_in), 3)), axis=0)
    values[:, 2] = 5.0
    holed = values.copy()
    for start in (0, 100, 250):
        holed[start : start + 20, [0, 2]] = np.nan
    found = resample_known(holed, times_in, times_out)
    whole = resample(values, times_in, times_out)
    np.testing.assert_allclose(found[:, 1], whole[:, 1], rtol=1e-12)
    inside = np.isnan(holed[:, 0])[np.abs(times_out[:, None] - times_in).argmin(axis=1)]
    assert np.isnan(found[inside, 0]).mean() > 0.9  # within a gap nothing is made up
    known = np.isfinite(found[:, 0])
    assert known.sum() > (~inside).sum() * 0.7  # beyond a kernel's length of it all is there
    np.testing.assert_allclose(found[known, 2], 5.0, rtol=1e-9)
    error = np.abs(found[known, 0] - whole[known, 0]).max()
    assert error < 0.1 * values[:, 0].std()
    np.testing.assert_array_equal(np.isnan(found[:, 0]), np.isnan(found[:, 2]))
    assert np.isnan(resample_known(holed * np.nan, times_in, times_out)).all()
    with pytest.raises(InputError, match="infinite"):
        resample_known(np.full((10, 1), np.inf), np.arange(10.0), np.arange(10.0))
