"""Trials are the signal at the very times that they say; what is missing stays missing, and nothing else is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heschl.checks import InputError
from heschl.ecog.epochs import epoch


def signal(times: np.ndarray) -> np.ndarray:
    """Three electrodes, below 8 Hz."""
    return np.stack([np.sin(2 * np.pi * f * times + f) for f in (1.0, 3.3, 7.9)], axis=1)


def events(*rows: tuple[float, float, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["onset", "duration", "stimulus"])


@settings(max_examples=25)
@given(
    onset=st.floats(2, 15), duration=st.floats(0.2, 3), start=st.floats(-5, 5),
    rate=st.sampled_from([100.0, 200.0, 512.0]), sfreq=st.sampled_from([None, 50.0, 100.0, 128.0]),
)  # fmt: skip
def test_every_sample_is_the_signal_at_its_time(
    onset: float, duration: float, start: float, rate: float, sfreq: float | None
) -> None:
    values = signal(start + np.arange(int(20 * rate)) / rate)
    found = epoch(values, rate, events((start + onset, duration, "a")), start=start, pre=0.4, post=0.3, sfreq=sfreq)
    times = start + onset + found.times(0)
    assert (
        abs(found.times(0)[0] + 0.4) <= 0.5 / found.sfreq and abs(found.covered(0) - duration - 0.3) <= 1 / found.sfreq
    )
    np.testing.assert_allclose(found.trials[0], signal(times), atol=5e-3)


def test_repeats_stay_apart_and_in_order() -> None:
    values = signal(np.arange(2000) / 100)
    found = epoch(values, 100.0, events((3, 1, "a.wav"), (6, 2, "b"), (10, 1, "a")), subject="S1")
    assert found.stimuli == ("a", "b", "a") and [len(trial) for trial in found.trials] == [200, 300, 200]
    assert found.electrodes == ("e0", "e1", "e2") and found.subject == "S1" and found.onset == -0.5


def test_gaps_stay_gaps_of_their_electrode() -> None:
    values = signal(np.arange(2000) / 100)
    values[500:520, 1] = np.nan
    values[700:710, 2] = 1e9
    values[690:720, 2] = np.nan  # an artefact, masked with a margin
    found = epoch(values, 100.0, events((4.0, 2.0, "a"), (6.0, 2.0, "b")), sfreq=50.0, pre=0, post=0)
    times = [4.0 + found.times(0), 6.0 + found.times(1)]
    first, second = found.trials
    assert np.isfinite(first[:, [0, 2]]).all() and np.isnan(first[(times[0] >= 5.0) & (times[0] < 5.2), 1]).all()
    far = np.abs(times[0] - 5.1) > 0.25
    np.testing.assert_allclose(first[far, 1], signal(times[0])[far, 1], atol=0.02)
    assert np.nanmax(np.abs(second[:, 2])) < 1.2  # nothing of it leaks


def test_margins_beyond_the_recording_are_missing() -> None:
    values = signal(np.arange(500) / 100)
    found = epoch(values, 100.0, events((0.2, 1.0, "a"), (4.5, 1.0, "b")), pre=0.5, post=0.5)
    assert np.isnan(found.trials[0][:30]).all() and np.isfinite(found.trials[0][31:]).all()
    assert np.isnan(found.trials[1][101:]).all() and np.isfinite(found.trials[1][:99]).all()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"events": events()}, "no event"),
        ({"events": pd.DataFrame({"onset": [1.0]})}, "'duration'"),
        ({"events": events((np.nan, 1, "a"))}, r"row 0 \(a\)"),
        ({"events": events((1, 0, "a"))}, "duration above 0"),
        ({"events": events((1, 1, "a"), (50, 1, "b"))}, r"row 1 \(b\).*within the recording, 0 to 5 s"),
        ({"pre": -1.0}, "pre"),
        ({"rate": 0.0}, "rate"),
        ({"sfreq": np.inf}, "sfreq"),
        ({"electrodes": ("a",)}, "1 names"),
        ({"values": np.zeros(5)}, "shape"),
    ],
)
def test_bad_input(changes: dict[str, object], match: str) -> None:
    arguments = {"values": np.zeros((500, 2)), "rate": 100.0, "events": events((1, 1, "a"))} | changes
    with pytest.raises(InputError, match=match):
        epoch(**arguments)  # type: ignore[arg-type]


def test_progress() -> None:
    calls: list[tuple[int, int]] = []
    epoch(np.zeros((500, 1)), 100.0, events((1, 1, "a"), (2, 1, "b")), progress=lambda i, n: calls.append((i, n)))
    assert calls == [(1, 2), (2, 2)]
