"""Sound files by what they decode to: block after block, however long the header says that they are.

libsndfile stops where the header's count of samples does, and of an MP3 without a tag of its length it guesses that
count from the first frames. So FLAC is read with the count set aside, and such an MP3 as a stream; what was decoded is
then held against the header.
"""

from __future__ import annotations

import io
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.notices import warn

RATES_HZ = 1_000.0, 1_000_000.0
"""Sampling rates of sounds; a header that says otherwise is damaged."""
LONGEST_S = 86_400.0
BLOCK = 1 << 16
"""Samples of each channel that are decoded at a time."""
STATED = ("WAV", "WAVEX", "W64", "RF64", "AIFF", "AU", "NIST", "CAF", "VOC", "IRCAM", "SVX", "PVF", "MAT5", "MAT4")
"""Formats in which samples are of one size, so that the file's length gives their number."""
_SHORT = re.compile(r"^\s*(?:data|SSND|Data Size|riff)\s*: (?P<said>\d+) \(should be (?P<found>\d+)\)", re.MULTILINE)
_CHANNELS = re.compile(
    r"Format +: 0x(?:1|3|FFFE) .*?Channels +: (\d+)\n.*?Block Align +: (\d+)\n.*?Bit Width +: (\d+)\n", re.DOTALL
)
_BEHIND = re.compile(
    r"^data +: (\d+)$.*^\*\*\* Unknown chunk marker \(\w+\) at position (\d+)\.", re.DOTALL | re.MULTILINE
)
_UNKNOWN_LENGTH = 0x7FFFFFFF - 4096
"""What streams write for a length that they do not know is about this, or twice as much."""
_MP3_SLACK = 4
"""Frames by which an MP3 and its tag may differ: encoders count their own first and last ones in different ways."""
_FLAC_COUNT = slice(18, 26)
"""Of a FLAC file's bytes: rate, channels and depth in 28 bits, and in 36 how many samples there are."""
_FLAC_UNKNOWN = (1 << 36) - 1


@dataclass(frozen=True)
class Header:
    """What a sound file says of itself.

    Attributes
    ----------
    rate : int
        Samples per second, Hz.
    channels : int
        How many there are.
    frames : int or None
        Samples of each channel; None where the file does not say.
    stated : bool
        Whether the size of the file confirms `frames`, so that nothing need be decoded to know it.
    """

    rate: int
    channels: int
    frames: int | None
    stated: bool


@contextmanager
def opened(path: str | Path) -> Iterator[tuple[Header, Iterator[NDArray[np.float32]]]]:
    """Open a sound: its header, and its samples in blocks (n, n_channels), full scale ±1.

    Raises
    ------
    InputError
        For a file that is not there, is no sound, or has a rate that no sound has; from the blocks, for samples that
        cannot be decoded, for fewer or more of them than the header says, and for a sound of more than a day.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(str(path), "no such file", "a sound file")
    if path.suffix.lower() == ".raw":
        raise InputError(str(path), "samples without a header (.raw)", "a sound file with one", "Write it as WAV.")
    import soundfile

    class Forwards(soundfile.SoundFile):  # type: ignore[misc]
        """A file that is read on and on: soundfile would seek behind each block, which breaks decoders' state."""

        def seekable(self) -> bool:
            return False

    try:
        info = soundfile.info(str(path))
        _check(path, info.samplerate, info.channels, info.extra_info)
        frames, source, closing = _source(path, info)
        with closing, Forwards(source, closefd=False) as file:
            header = Header(info.samplerate, info.channels, frames, info.format in STATED)
            yield header, _blocks(path, file, header)
    except (soundfile.SoundFileError, OSError) as error:
        raise InputError(str(path), f"no readable sound ({error})", "a sound file that libsndfile reads") from None


def _source(path: Path, info: Any) -> tuple[int | None, Any, Any]:
    """Return the true count of samples, if the file has one, what to decode, and what to close in the end."""
    if info.format == "FLAC":
        raw = bytearray(path.read_bytes())
        start = raw.find(b"fLaC")  # a tag may stand before it
        field = slice(start + _FLAC_COUNT.start, start + _FLAC_COUNT.stop)
        value = int.from_bytes(raw[field], "big")
        raw[field] = (value | _FLAC_UNKNOWN).to_bytes(8, "big")
        stream = io.BytesIO(raw)
        return value & _FLAC_UNKNOWN or None, stream, stream
    if info.format in ("MP3", "MPEG"):
        counted, tagged = mp3_frames(path.read_bytes())
        if tagged is None:
            pipe = _Pipe(path)
            return None, pipe.end, pipe
        if abs(counted - tagged) > _MP3_SLACK + tagged // 100:
            raise InputError(
                str(path), f"{counted} frames, where its header says {tagged}", "a whole sound",
                "It may have been cut off in copying.",
            )  # fmt: skip
        return None, str(path), io.BytesIO()
    return info.frames, str(path), io.BytesIO()


def _blocks(path: Path, file: Any, header: Header) -> Iterator[NDArray[np.float32]]:
    total, longest = 0, int(LONGEST_S * header.rate)
    while True:
        block = np.empty((BLOCK, header.channels), dtype=np.float32)
        n = file.buffer_read_into(block, dtype="float32")
        total += n
        if total > longest:
            raise InputError(str(path), f"more than {LONGEST_S / 3600:g} hours of sound", "a sound of at most a day")
        if n:
            yield block[:n]
        if n < BLOCK:
            break
    if header.frames is not None and total != header.frames:
        raise InputError(
            str(path), f"{total} samples, where its header says {header.frames}", "a whole sound",
            "It may have been cut off in copying.",
        )  # fmt: skip


class _Pipe:
    """A file as a stream, written by a thread of its own: of a stream libsndfile reads all there is."""

    def __init__(self, path: Path) -> None:
        self.end, write = os.pipe()
        self._thread = threading.Thread(target=self._feed, args=(path, write), daemon=True)
        self._thread.start()

    @staticmethod
    def _feed(path: Path, write: int) -> None:
        with open(path, "rb") as source, os.fdopen(write, "wb") as stream:
            try:
                while part := source.read(BLOCK):
                    stream.write(part)
            except BrokenPipeError:  # whoever reads has seen enough
                pass

    def __enter__(self) -> _Pipe:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.end)
        self._thread.join()


def _check(path: Path, rate: float, channels: int, log: str) -> None:
    """Refuse a header that lies, and a file that ends before its header says so (which libsndfile only logs)."""
    if not RATES_HZ[0] <= rate <= RATES_HZ[1]:
        expected = f"a sampling rate above 0 Hz, from {RATES_HZ[0]:g} to {RATES_HZ[1]:g} Hz"
        raise InputError(str(path), f"a sampling rate of {rate:g} Hz", expected, "Its header may be damaged.")
    short = _SHORT.search(log)
    said, found = (int(short["said"]), int(short["found"])) if short else (0, 0)
    spoken = re.search(r"sample_count -i (\d+)", _nist_header(path))
    if spoken is not None:
        width = re.search(r"sample_n_bytes -i (\d+)", _nist_header(path))
        said = int(spoken[1][:12]) * channels * int(width[1][:2] if width else 2)
        found = path.stat().st_size - 1024
    if found < said < _UNKNOWN_LENGTH:
        raise InputError(
            str(path), f"{found} bytes of samples, where its header says {said}", "a whole sound",
            "It may have been cut off in copying.",
        )  # fmt: skip
    _check_wav(path, log)


def _check_wav(path: Path, log: str) -> None:
    """Refuse a WAV whose header contradicts itself, and one whose samples lie behind the end that it states."""
    described = _CHANNELS.search(log)
    if described is not None:
        channels, align, bits = map(int, described.groups())
        if align != channels * ((bits + 7) // 8):
            raise InputError(
                str(path), f"{channels} channels of {bits} bits in frames of {align} bytes",
                f"frames of {channels * ((bits + 7) // 8)} bytes", "Its header may be damaged.",
            )  # fmt: skip
    behind = _BEHIND.search(log)
    if behind is not None and (rest := path.stat().st_size - int(behind[2])) > 0:
        found = f"{rest} bytes behind the {behind[1]} bytes of samples that its header counts"
        if behind[1] == "0":
            raise InputError(
                str(path), found, "a whole sound", "A recorder that stopped early may have left it; copy it by ffmpeg."
            )
        warn(f"{path}: found {found}; they are not read")


def _nist_header(path: Path) -> str:
    with open(path, "rb") as file:
        head = file.read(1024)
    return head.decode("ascii", errors="replace") if head.startswith(b"NIST_1A") else ""


_BITRATES = {  # kbit/s by (version 1, layer)
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44100, 48000, 32000)


def mp3_frames(raw: bytes) -> tuple[int, int | None]:
    r"""Count the frames of an MP3 (ISO/IEC 11172-3 and 13818-3) by their headers.

    Parameters
    ----------
    raw : bytes
        The whole file.

    Returns
    -------
    counted : int
        Frames of sound; a tag's own is none.
    tagged : int or None
        What the tag ("Xing", "Info" or "VBRI") in the first frame says; None where there is no tag or no count in it.

    Examples
    --------
    >>> frame = b"\xff\xfb\x90\x00" + bytes(413)  # 128 kbit/s at 44.1 kHz
    >>> mp3_frames(3 * frame)
    (3, None)
    """
    at = 0
    if raw[:3] == b"ID3" and len(raw) > 10:
        size = 0
        for byte in raw[6:10]:
            size = size << 7 | byte & 0x7F
        at = 10 + size
    counted, tagged, first = 0, None, True
    while (at := raw.find(b"\xff", at)) >= 0 and at + 4 <= len(raw):
        length = _mp3_frame_length(raw[at : at + 4])
        if length == 0:
            at += 1
            continue
        tag = re.search(rb"(Xing|Info)(....)(....)|VBRI.{10}(....)", raw[at : at + 200], re.DOTALL) if first else None
        first = False
        if tag is None:
            counted += 1
        elif tag[4] is not None or tag[2][3] & 1:  # a flag says whether there is a count
            tagged = int.from_bytes(tag[4] or tag[3], "big")
        at += length
    return counted, tagged


def _mp3_frame_length(head: bytes) -> int:
    """Return the bytes of the frame with this header; 0 for what is no header."""
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bitrate, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if head[1] < 0xE0 or version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return 0
    hz = _RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    bits = 1000 * _BITRATES[version == 3, layer][bitrate - 1]
    if layer == 1:
        return 4 * (12 * bits // hz + padding)
    return (144 if layer == 2 or version == 3 else 72) * bits // hz + padding
