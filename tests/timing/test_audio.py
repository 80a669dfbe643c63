"""Sound files come in at the rate asked for, without delay."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

from heschl.checks import InputError
from heschl.timing.audio import duration, read_audio, sound_digest
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


def write_slowly(path: Path, sound: np.ndarray, rate: int, **how: object) -> Path:
    """Write a sound piece by piece: Vorbis and MP3 encoders of libsndfile crash on long ones."""
    with soundfile.SoundFile(path, "w", rate, 1, **how) as file:
        for at in range(0, len(sound), 4000):
            file.write(sound[at : at + 4000])
    return path


def loud_then_soft(seconds: int = 8, rate: int = 16000) -> np.ndarray:
    """Return noise that a coder of variable rate spends most of its bits on at the beginning."""
    sound = np.random.default_rng(0).normal(0, 0.1, seconds * rate)
    sound[rate:] *= 1e-3
    return sound


@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT"])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_an_mp3_without_its_length(tmp_path: Path, mode: str, rate: int) -> None:
    """Its duration is what decodes, not what libsndfile makes of the first frames and the size of the file."""
    sound = loud_then_soft(8, rate)
    path = write_slowly(tmp_path / "a.mp3", sound, rate, bitrate_mode=mode, compression_level=0.5)
    assert duration(path) == 8 and len(read_audio(path, 16000)) == 8 * 16000
    raw = path.read_bytes()
    tag = max(raw.find(b"Xing"), raw.find(b"Info"))
    begin = raw.find(b"\xff")
    path.write_bytes(raw[:begin] + raw[raw.find(raw[begin : begin + 2], tag) :])
    frame = 1152 / rate if rate > 24000 else 576 / rate
    assert 8 <= duration(path) < 8 + 5 * frame  # whole frames, and what the coder puts before the first
    assert len(read_audio(path, 16000)) == round(duration(path) * 16000)
    assert np.abs(read_audio(path, rate)[rate // 10 : rate]).mean() > 0.01


def test_an_mp3_that_ends_before_its_tag_says_so(tmp_path: Path) -> None:
    path = write_slowly(tmp_path / "a.mp3", loud_then_soft(), 16000)
    raw = path.read_bytes()
    for cut in (len(raw) // 2, len(raw) * 9 // 10):
        path.write_bytes(raw[:cut])
        for read in (duration, lambda p: read_audio(p, 16000)):
            with pytest.raises(InputError, match="frames, where its header says"):
                read(path)


@pytest.mark.parametrize("total", [5, 127_999, 128_001, 2**36 - 1])
def test_a_flac_whose_header_lies(tmp_path: Path, total: int) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, loud_then_soft(), 16000)
    raw = bytearray(path.read_bytes())
    field = int.from_bytes(raw[18:26], "big")
    for samples, fine in ((total, False), (0, True)):  # 0: a stream that does not know its length
        raw[18:26] = (field >> 36 << 36 | samples).to_bytes(8, "big")
        path.write_bytes(raw)
        if fine:
            assert duration(path) == 8
        else:
            with pytest.raises(InputError, match=f"128000 samples, where its header says {total}"):
                duration(path)


@pytest.mark.parametrize("suffix", ["wav", "aiff", "au", "w64", "nist", "flac", "mp3"])
def test_half_a_sound_is_none(tmp_path: Path, suffix: str) -> None:
    path = write_slowly(tmp_path / f"a.{suffix}", loud_then_soft(), 16000, format=suffix.upper())
    assert duration(path) == 8
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for read in (duration, lambda p: read_audio(p, 16000)):
        with pytest.raises(InputError, match=r"whole sound|lost sync"):
            read(path)


@pytest.mark.parametrize("rate", [0, 1, 44, 999, 2_000_000, 2**31 - 1, 2**32 - 1])
def test_a_rate_that_lies_is_refused_before_it_asks_for_memory(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(160_000), 16000)
    raw = bytearray(path.read_bytes())
    raw[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(raw)
    for read in (duration, lambda p: read_audio(p, 16000), sound_digest):
        with pytest.raises(InputError, match=r"a\.wav"):
            read(path)


SAMPLES = np.random.default_rng(1).integers(-3000, 3000, 4000).astype(np.int16)


def test_the_same_samples_in_another_file(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, SAMPLES, 16000)
    copies = [tmp_path / "copy.wav", tmp_path / "header.wav"]
    shutil.copy(path, copies[0])
    raw, extra = path.read_bytes(), b"LIST" + (4).to_bytes(4, "little") + b"INFO"
    copies[1].write_bytes(raw[:4] + (len(raw) - 8 + len(extra)).to_bytes(4, "little") + raw[8:] + extra)
    for name, how in {
        "24.wav": {"subtype": "PCM_24"}, "32.wav": {"subtype": "PCM_32"}, "float.wav": {"subtype": "FLOAT"},
        "double.wav": {"subtype": "DOUBLE"}, "a.flac": {}, "a.aiff": {}, "a.nist": {"format": "NIST"},
    }.items():  # fmt: skip
        copies.append(tmp_path / name)
        sound = SAMPLES / 2**15 if "subtype" in how and how["subtype"] in ("FLOAT", "DOUBLE") else SAMPLES
        soundfile.write(copies[-1], sound, 16000, **how)
    copies.append(tmp_path / "stereo.wav")
    soundfile.write(copies[-1], np.stack([SAMPLES, SAMPLES], axis=1), 16000)
    assert {sound_digest(copy) for copy in copies} == {sound_digest(path)}
    other = SAMPLES.copy()
    other[7] += 1
    soundfile.write(tmp_path / "other.wav", other, 16000)
    soundfile.write(tmp_path / "faster.wav", SAMPLES, 16001)
    assert len({sound_digest(tmp_path / name) for name in ("a.wav", "other.wav", "faster.wav")}) == 3


def test_a_stream_of_unknown_length(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.full(1600, 0.5), 16000)
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(bytes(content))
    assert len(read_audio(path, 16000)) == 1600 and duration(path) == 0.1


def changed_wav(path: Path, **fields: bytes) -> Path:
    """Write a WAV of 1,600 samples with other bytes in its header: `at22` is what stands from byte 22 on."""
    soundfile.write(path, np.full(1600, 0.5), 16000)
    content = bytearray(path.read_bytes())
    for at, value in fields.items():
        begin = int(at.removeprefix("at"))
        content[begin : begin + len(value)] = value
    path.write_bytes(bytes(content))
    return path


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"at22": b"\x02\0"}, "2 channels of 16 bits in frames of 2 bytes"),
        ({"at40": bytes(4)}, "3200 bytes behind the 0 bytes"),
    ],
)
def test_a_wav_whose_header_contradicts_its_samples(tmp_path: Path, fields: dict[str, bytes], match: str) -> None:
    path = changed_wav(tmp_path / "a.wav", **fields)
    for read in (duration, lambda p: read_audio(p, 16000)):
        with pytest.raises(InputError, match=match):
            read(path)


def test_samples_behind_the_end_that_a_wav_states(tmp_path: Path) -> None:
    """The rest of a recorder's file whose header was written early is not left out in silence."""
    path = changed_wav(tmp_path / "a.wav", at40=(1600).to_bytes(4, "little"))
    with pytest.warns(UserWarning, match="1600 bytes behind the 1600 bytes"):
        assert duration(path) == 0.05


def test_samples_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(3200))
    with pytest.raises(InputError, match="without a header"):
        duration(tmp_path / "a.raw")
