"""Sound files come in at the rate asked for, without delay."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

from heschl.checks import InputError
from heschl.timing.audio import duration, read_audio
from tolerances import worst

DATA = Path(__file__).parents[3] / "shared" / "data"


def write(path: Path, sound: np.ndarray, rate: int) -> Path:
    soundfile.write(path, sound, rate, subtype="FLOAT")
    return path


def test_the_same_rate_is_the_file_itself(tmp_path: Path) -> None:
    sound = np.random.default_rng(0).uniform(-1, 1, 1000).astype(np.float32)
    path = write(tmp_path / "a.wav", sound, 16000)
    found = read_audio(path, 16000)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, sound)
    assert duration(path) == 1000 / 16000


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_a_click_stays_where_it_was(tmp_path: Path, rate: int) -> None:
    sound = np.zeros(rate, dtype=np.float32)
    sound[rate // 4] = 1
    found = read_audio(write(tmp_path / "a.wav", sound, rate), 16000)
    assert len(found) == 16000
    assert abs(np.argmax(found) / 16000 - (rate // 4) / rate) <= 0.5 / 16000 + 1e-9


@pytest.mark.parametrize("rate", [22050, 44100])
@pytest.mark.parametrize("n", [1, 2, 999, 10000, 12345])
def test_length_is_the_duration_rounded(tmp_path: Path, rate: int, n: int) -> None:
    path = write(tmp_path / "a.wav", np.full(n, 0.5, dtype=np.float32), rate)
    assert len(read_audio(path, 16000)) == max(1, round(duration(path) * 16000))


def test_a_tone_keeps_its_phase(tmp_path: Path) -> None:
    times_in, times_out = np.arange(44100) / 44100, np.arange(16000) / 16000
    path = write(tmp_path / "a.wav", np.sin(2 * np.pi * 1000 * times_in), 44100)
    inner = slice(800, -800)
    expected = np.sin(2 * np.pi * 1000 * times_out)[inner]
    assert worst(read_audio(path, 16000)[inner], expected) < 1e-4  # soxr's "HQ" is good to about 20 bits


def test_channels_are_mixed_with_one_warning(tmp_path: Path) -> None:
    sound = np.stack([np.full(100, 0.5), np.full(100, -0.25)], axis=1)
    paths = [write(tmp_path / name, sound, 16000) for name in ("a.wav", "b.wav")]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        found = [read_audio(path, 16000) for path in paths]
    assert [str(one.message) for one in caught] == ["a sound with several channels was mixed to one"]
    assert worst(found[1], np.full(100, 0.125)) < 1e-6


def test_silence_stays_silence(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", np.zeros(44100), 44100)
    assert not read_audio(path, 16000).any()


@pytest.mark.parametrize("read", [duration, lambda path: read_audio(path, 16000)])
def test_files_that_are_no_sounds(tmp_path: Path, read: object) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    for name in ("absent.wav", "text.wav"):
        with pytest.raises(InputError, match=name):
            read(tmp_path / name)  # type: ignore[operator]


def test_sounds_that_hold_nothing_of_use(tmp_path: Path) -> None:
    empty = write(tmp_path / "empty.wav", np.zeros(0), 16000)
    assert duration(empty) == 0
    with pytest.raises(InputError, match="without samples"):
        read_audio(empty, 16000)
    with pytest.raises(InputError, match="NaN"):
        read_audio(write(tmp_path / "nan.wav", np.array([0, np.nan]), 16000), 16000)


@pytest.mark.parametrize("sfreq", [0, -1, float("nan")])
def test_a_rate_that_is_none(tmp_path: Path, sfreq: float) -> None:
    with pytest.raises(InputError, match="sfreq"):
        read_audio(write(tmp_path / "a.wav", np.zeros(10), 16000), sfreq)


@pytest.mark.skipif(not DATA.exists(), reason="the real data (../shared/data) are not here")
def test_real_speech() -> None:
    paths = sorted((DATA / "timit_sample").glob("*/sa1.wav"))[:3] + sorted((DATA / "librivox").glob("*.wav"))[:2]
    assert len(paths) == 5
    for path in paths:
        sound = read_audio(path, 16000)
        assert len(sound) == round(duration(path) * 16000)
        assert np.isfinite(sound).all()
        assert 0.01 < np.abs(sound).max() <= 1.0
        half = read_audio(path, 8000)
        # what lies below 3 kHz is the same sound at either rate
        spectra = [np.abs(np.fft.rfft(x, 2**17 * r)[: 2**17 * 3 // 8]) / r for x, r in ((sound, 2), (half, 1))]
        assert worst(spectra[1], spectra[0]) < 1e-3
