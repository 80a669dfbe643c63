"""Frames are where the mathematics says, to the last bit, and words lie on the frames they sound in."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heschl.checks import InputError
from heschl.timing.grid import FrameGrid

WAV2VEC2 = FrameGrid(unit_hz=16000.0, stride=320, centre=200, width=400)


@pytest.mark.parametrize("samples, frames", [(0, 0), (399, 0), (400, 1), (719, 1), (720, 2), (16000, 49)])
def test_wav2vec2_counts(samples: int, frames: int) -> None:
    assert WAV2VEC2.n_frames(samples / 16000) == frames


@given(
    st.integers(0, 10**7),
    st.sampled_from([8000, 16000, 22050, 44100]),
    st.integers(1, 999),
    st.integers(1, 999),
)
def test_a_duration_computed_from_samples_loses_no_frame(n: int, sfreq: int, stride: int, width: int) -> None:
    grid = FrameGrid(float(sfreq), stride, 0, width)
    assert grid.n_frames(n / sfreq) == (0 if n < width else (n - width) // stride + 1)


@given(st.integers(1, 400), st.integers(0, 2000))
def test_a_rate_tiles_time(rate: int, n: int) -> None:
    grid = FrameGrid.from_rate(float(rate))
    assert grid.n_frames(n / rate) == n
    assert grid.rate == rate
    expected = [float(Fraction(2 * i + 1, 2 * rate)) for i in range(n)]
    assert grid.times(n).tolist() == expected  # correctly rounded: no error accumulates


def test_wav2vec2_times() -> None:
    assert WAV2VEC2.times(3).tolist() == [200 / 16000, 520 / 16000, 840 / 16000]
    assert WAV2VEC2.rate == 50.0


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_is_none(rate: float) -> None:
    with pytest.raises(InputError, match="above 0 Hz"):
        FrameGrid.from_rate(rate)


@pytest.mark.parametrize("duration", [-0.1, float("nan"), float("inf")])
def test_a_duration_that_is_none(duration: float) -> None:
    with pytest.raises(InputError, match="duration"):
        WAV2VEC2.n_frames(duration)


@pytest.mark.parametrize("stride, width, name", [(0, 1, "stride"), (1, 0, "width")])
def test_a_grid_that_does_not_advance(stride: int, width: int, name: str) -> None:
    with pytest.raises(InputError, match=name):
        FrameGrid(1.0, stride, 0, width)
