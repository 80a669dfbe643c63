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


def test_nist_sphere(tmp_path: Path) -> None:
    """TIMIT's own files: a header of 1024 bytes, then samples, the low byte first."""
    samples = np.random.default_rng(0).integers(-(2**15), 2**15, 800).astype("<i2")
    fields = ["sample_count -i 800", "sample_n_bytes -i 2", "channel_count -i 1", "sample_byte_format -s2 01",
              "sample_rate -i 16000", "sample_coding -s3 pcm", "end_head"]  # fmt: skip
    header = "\n".join(["NIST_1A", "   1024", *fields, ""]).encode().ljust(1024)
    path = tmp_path / "sa1.wav"
    path.write_bytes(header + samples.tobytes())
    assert duration(path) == 0.05
    np.testing.assert_array_equal(read_audio(path, 16000), samples.astype(np.float32) / 2**15)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_truncated_sound(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    read_audio(path, 16000)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputError, match=rf"a\.{suffix}"):
        read_audio(path, 16000)


def test_a_stream_of_unknown_length(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.full(1600, 0.5), 16000)
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(bytes(content))
    assert len(read_audio(path, 16000)) == 1600 and duration(path) == 0.1
