"""Cleaning: planted faults are found and said, references and notches do what they say, in blocks as on the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog.cleaning import mark_bad_channels, remove_line_noise, rereference
from heschl.ecog.recording.recording import ArraySource, Recording

SFREQ = 500.0


def recording(values: NDArray[np.float64], groups: str = "aaaaaaaabbbbbbbb") -> Recording:
    names = tuple(f"{group}{i}" for i, group in enumerate(groups))
    table = pd.DataFrame(
        {"x": np.arange(len(names)) / 100, "group": list(groups), "bad": False, "reason": ""}, index=list(names)
    )
    events = pd.DataFrame(columns=["onset", "duration", "stimulus"])
    all_names = (*names, *(f"other{i}" for i in range(values.shape[1] - len(names))))
    return Recording("S1", SFREQ, len(values), all_names, table, events, np.zeros((0, 2)), ArraySource(values))


def noise(seed: int = 0, seconds: float = 40, c: int = 17) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return 1e-4 * (rng.standard_normal((int(seconds * SFREQ), c)) + rng.standard_normal((int(seconds * SFREQ), 1)))


def test_planted_faults_are_found_and_no_others() -> None:
    values = noise()
    t = np.arange(len(values)) / SFREQ
    values[:, 1] = 0.002  # flat
    values[:, 3] *= 40
    values[:, 5] = np.clip(values[:, 5], -2e-4, 2e-4)
    values[:, 7] += 2e-3 * np.sin(2 * np.pi * 60 * t)
    values[: int(0.7 * len(values)), 9] = np.nan
    values[:, 11] *= 1e-3
    made = recording(values)
    made.electrodes.loc["b12", ["bad", "reason"]] = [True, "marked in the file"]
    found = mark_bad_channels(made, block=7.0)
    bad = found.electrodes[found.electrodes["bad"]]["reason"]
    assert set(bad.index) == {"a1", "a3", "a5", "a7", "b9", "b11", "b12"}
    for name, words in {
        "a1": "flat",
        "a3": "variance",
        "a5": "extremes",
        "b9": "70% of its samples",
        "b11": "variance",
    }.items():
        assert words in bad[name]
    assert "variance" in bad["a7"] or "line noise" in bad["a7"]
    assert bad["b12"] == "marked in the file" and "6 of 15 electrodes found bad: a1" in found.provenance[-1]
    assert not made.electrodes["bad"].drop("b12").any()  # the one given is as it was
    assert mark_bad_channels(recording(noise(1))).electrodes["bad"].sum() == 0


def test_artefacts_have_no_say() -> None:
    values = noise()
    values[5000:5500, 2] += 1.0
    made = recording(values)
    assert mark_bad_channels(made).electrodes["bad"].sum() == 1
    spans = np.array([[5000, 5500]]) / SFREQ
    assert mark_bad_channels(replace(made, artefacts=spans)).electrodes["bad"].sum() == 0


def test_line_noise_by_itself() -> None:
    values = noise()
    values[:, 4] += 1e-4 * np.sin(2 * np.pi * 50 * np.arange(len(values)) / SFREQ)
    found = mark_bad_channels(recording(values)).electrodes
    assert found.index[found["bad"]].tolist() == ["a4"] and "line noise" in found.loc["a4", "reason"]


def test_nothing_left() -> None:
    with pytest.raises(InputError, match=r"every electrode bad.*flat"):
        mark_bad_channels(recording(np.zeros((5000, 17))))


@pytest.mark.parametrize("how", ["group", "all"])
def test_common_averages(how: str) -> None:
    values = noise()
    values[100:200, 2] = np.nan
    made = recording(values)
    made.electrodes.loc["a5", "bad"] = True
    found = rereference(made, how)
    read = found.read(0, 3000, ["a0", "b9", "a5", "other0"])
    members = {"group": [[0, 1, 2, 3, 4, 6, 7], list(range(8, 16))], "all": [[0, 1, 2, 3, 4, *range(6, 16)]] * 2}[how]
    expected = values[:3000, [0, 9]] - np.stack([np.nanmean(values[:3000, m], axis=1) for m in members], axis=1)
    np.testing.assert_allclose(read[:, :2], expected, atol=1e-15)
    np.testing.assert_array_equal(read[:, 2:], values[:3000, [5, 16]])  # bad ones and others as they are
    np.testing.assert_array_equal(found.read(1000, 1100, ["b9"]), read[1000:1100, [1]])
    assert "common average" in found.provenance[-1]


def test_bipolar() -> None:
    values = noise()
    made = recording(values)
    made.electrodes.loc["a1", "bad"] = True
    found = rereference(made, "bipolar")
    assert found.good[:2] == ["a0-a2", "a2-a3"] and len(found.good) == 6 + 7
    np.testing.assert_allclose(
        found.read(5, 50, ["a0-a2", "other0"]), np.stack([values[5:50, 0] - values[5:50, 2], values[5:50, 16]], axis=1)
    )
    assert found.electrodes.loc["a0-a2", "x"] == pytest.approx(0.01)


def test_references_that_cannot_be() -> None:
    made = recording(noise(), "a" * 15 + "b")
    assert rereference(made, "none") is made
    with pytest.raises(InputError, match=r"group 'b'.*one good electrode"):
        rereference(made)
    with pytest.raises(InputError, match="no two good"):
        rereference(recording(noise(), "abcdefghijklmnop"), "bipolar")
    with pytest.raises(InputError, match="how"):
        rereference(made, "median")


@pytest.mark.parametrize("mains", [50.0, 60.0])
def test_line_noise_is_found_and_removed_and_the_rest_stays(mains: float) -> None:
    values = noise()[:, :3]
    t = np.arange(len(values)) / SFREQ
    hum = 1e-3 * sum(np.sin(2 * np.pi * k * mains * t)[:, None] / k for k in (1, 2, 3))
    made = recording(values + hum, "aaa")
    found = remove_line_noise(made)
    assert f"{mains:g} Hz" in found.provenance[-1]
    clean = found.read(0, len(values), found.good)
    inner = slice(2000, -2000)
    power = np.abs(np.fft.rfft(clean[inner] * np.hanning(len(t) - 4000)[:, None], axis=0)) ** 2
    before = np.abs(np.fft.rfft((values + hum)[inner] * np.hanning(len(t) - 4000)[:, None], axis=0)) ** 2
    frequencies = np.fft.rfftfreq(len(t) - 4000, 1 / SFREQ)
    for k in (1, 2, 3):
        at = np.abs(frequencies - k * mains) < 0.3
        assert (power[at].max(axis=0) < 1e-4 * before[at].max(axis=0)).all()
    away = np.min([np.abs(frequencies - k * mains) for k in range(1, 6)], axis=0) > 3
    np.testing.assert_allclose(power[away].sum(axis=0), before[away].sum(axis=0), rtol=0.01)
    for start, stop in ((0, 5000), (5000, 5200), (9000, 20000)):  # blocks make no seams
        np.testing.assert_allclose(found.read(start, stop, found.good), clean[start:stop], atol=1e-8)


def test_notches_keep_what_is_missing() -> None:
    values = noise()[:, :2]
    values[3000:3050, 1] = np.nan
    found = remove_line_noise(recording(values, "aa"), 50)
    read = found.read(2500, 3500, found.good)
    assert np.isnan(read[500:550, 1]).all() and np.isnan(read).sum() == 50
    assert remove_line_noise(found, None) is found
    with pytest.raises(InputError, match="mains"):
        remove_line_noise(found, 55.0)
    with pytest.raises(InputError, match="8 s"):
        remove_line_noise(recording(values[:3000], "aa"), 50)
