"""Dropouts are artefacts, or make a channel bad; the mains is what the file states, what is found, or none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heschl.ecog import ArraySource, Recording, mark_artefacts, mark_bad_channels, remove_line_noise
from heschl.ecog.cleaning.flat import flat_samples

SFREQ, SECONDS, C = 512, 40, 16


def brainlike(seed: int = 0) -> np.ndarray:
    rng, n = np.random.default_rng(seed), SFREQ * SECONDS
    spectrum = np.fft.rfft(rng.standard_normal((n, C)), axis=0)
    spectrum /= np.maximum(np.fft.rfftfreq(n, 1 / SFREQ), 1)[:, None] ** 0.8
    values = np.fft.irfft(spectrum, n, axis=0)
    return np.round(values / values.std(axis=0) * 50, 1)  # µV, in steps of an amplifier


def recording(values: np.ndarray) -> Recording:
    names = tuple(f"e{i}" for i in range(values.shape[1]))
    table = pd.DataFrame({"bad": False, "reason": ""}, index=list(names))
    empty = pd.DataFrame(columns=["onset", "duration", "stimulus"])
    return Recording("S1", SFREQ, len(values), names, table, empty, np.zeros((0, 2)), ArraySource(values))


@given(st.lists(st.integers(0, 2), min_size=1, max_size=60), st.integers(2, 6))
def test_flat_samples(values: list[int], least: int) -> None:
    expected = []
    for i, value in enumerate(values):
        first = last = i
        while first > 0 and values[first - 1] == value:
            first -= 1
        while last < len(values) - 1 and values[last + 1] == value:
            last += 1
        expected.append(last - first + 1 >= least)
    found = flat_samples(np.array(values, dtype=np.float64)[:, None], least)
    assert found[:, 0].tolist() == expected


@pytest.mark.parametrize("share", [0.4, 1.0])
@pytest.mark.parametrize("value", ["zero", "held"])
@pytest.mark.parametrize(("begin", "end"), [(20.0, 20.5), (0.0, 0.2), (29.9, 30.1), (39.5, 40.0), (7.3, 12.0)])
def test_a_dropout_of_many_is_an_artefact(share: float, value: str, begin: float, end: float) -> None:
    values = brainlike()
    first, last = round(begin * SFREQ), round(end * SFREQ)
    some = slice(0, round(share * C))
    values[first:last, some] = 0.0 if value == "zero" else values[first, some]
    found = mark_artefacts(recording(values), block=10.0)
    ((start, stop),) = found.artefacts
    assert start == pytest.approx(max(0.0, begin - 0.25), abs=0.3) and start <= begin
    assert stop == pytest.approx(min(SECONDS, end + 0.25), abs=0.3) and stop >= end - 1 / SFREQ
    assert "flat" in found.provenance[-1]
    assert mark_bad_channels(found).good == list(found.names)


def test_nothing_is_found_where_nothing_is() -> None:
    found = mark_artefacts(mark_bad_channels(recording(brainlike())))
    assert len(found.artefacts) == 0 and found.good == list(found.names)


@pytest.mark.parametrize(("seconds", "bad"), [(13.0, True), (3.0, True), (1.0, False)])
def test_a_channel_that_is_flat_for_long_is_bad(seconds: float, bad: bool) -> None:
    values = brainlike()
    values[round((SECONDS - seconds) * SFREQ) :, 3] = 7.0
    found = mark_bad_channels(recording(values))
    assert ("e3" not in found.good) == bad and len(found.good) >= C - 1
    assert not bad or "flat for" in found.electrodes.loc["e3", "reason"]


def hum(hz: float, amplitude: float) -> Recording:
    t = np.arange(SFREQ * SECONDS) / SFREQ
    return recording(brainlike() + amplitude * np.sin(2 * np.pi * hz * t)[:, None])


@pytest.mark.parametrize(("hz", "mains"), [(50, 50), (60, 60), (100, 50), (120, 60), (180, 60), (150, 50)])
def test_the_mains_is_found(hz: float, mains: int) -> None:
    found = remove_line_noise(hum(hz, 10.0))
    assert f"at {mains} Hz" in found.provenance[-1]


def test_the_mains_is_stated_or_not_there() -> None:
    nothing = remove_line_noise(hum(60, 0.0))
    assert "no line noise" in nothing.provenance[-1]
    np.testing.assert_array_equal(nothing.read(0, 100, ["e1"]), hum(60, 0.0).read(0, 100, ["e1"]))
    stated = remove_line_noise(replace(hum(60, 10.0), mains=50.0))
    assert "at 50 Hz" in stated.provenance[-1] and "states" in stated.provenance[-1]
    assert "at 60 Hz" in remove_line_noise(replace(hum(60, 10.0), mains=17.0)).provenance[-1]
