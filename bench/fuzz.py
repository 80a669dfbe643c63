"""Coverage-guided fuzzing of what heschl parses by itself: sounds, TextGrids, transcripts, moments, DLPack.

    pip install atheris
    python bench/fuzz.py [TARGET ...] [--minutes 60] [--keep FOLDER]

Every input must be read, or refused as bad input, within 10 s and 2 GB. The time is shared out evenly over the targets.
What else comes (another exception, a crash, a hang, a promise broken) is kept in the folder with its traceback, and the
exit code is 1. libFuzzer's corpus is kept there, too: given the same folder again, it goes on from there.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import os
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

LIMIT_S, LIMIT_MB = 10, 2048
Check = Callable[[Path], None]


def wav(path: Path) -> None:
    """Read a sound; its samples must be as many as its duration promises."""
    from heschl.timing import duration, read_audio, sound_digest

    seconds = duration(path)
    sound = read_audio(path, 8000.0)
    assert len(sound) == max(1, round(seconds * 8000)), (len(sound), seconds)
    assert np.isfinite(sound).all()
    sound_digest(path)


def _words(transcript: Any) -> None:
    assert all(np.isfinite((word.start, word.end)).all() and word.text for word in transcript.words)


def textgrid(path: Path) -> None:
    """Read a tier."""
    from heschl.timing import read_textgrid

    _words(read_textgrid(path))


def table(path: Path) -> None:
    """Read a table of words, and look for what is wrong with it."""
    from heschl.timing import read_table, validate

    found = read_table(path)
    for transcript in found.values():
        _words(transcript)
    validate.validate(found)


def events(path: Path) -> None:
    """Read words from a BIDS table."""
    from heschl.timing import read_events

    for transcript in read_events(path).values():
        _words(transcript)


def timit(path: Path) -> None:
    """Read words by samples."""
    from heschl.timing import read_timit

    _words(read_timit(path))


def moments(path: Path) -> None:
    """Read moments as they are; then with a checksum that fits, as someone with intent would write it, and fit."""
    from heschl import InputError, LaggedMoments
    from heschl.seals import seal

    try:
        LaggedMoments.load(path)
    except InputError:
        whole = path.read_bytes()
        path.write_bytes(whole.rpartition(b"\nheschl ")[0] or whole)
        seal(path)
    found = LaggedMoments.load(path)
    (found + found).select(lags=range(found.lags[0], found.lags[0] + 1), features=[0]).save(path)


def dlpack(path: Path) -> None:
    """Take in an array by its description; what is taken in holds the numbers that the description says."""
    os.environ["HESCHL_EMULATE_CUDA"] = "1"
    from heschl.linear.device.cuda import cuda_backend

    backend = cuda_backend()
    given = Described(path.read_bytes())
    try:
        found = backend.module.from_dlpack(backend.context, given.capsule)
    except (ValueError, MemoryError) as error:
        from heschl import InputError

        raise InputError("capsule", str(error), "an array that can be taken in") from None
    if given.values is not None:
        got = np.asarray(found.numpy()).reshape(given.values.shape)
        np.testing.assert_array_equal(got, given.values.astype(got.dtype))


class Described:
    """An array of another library, described by bytes; its numbers where the description stays within its memory."""

    class _Tensor(ctypes.Structure):
        _fields_ = [
            ("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
            ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
            ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)),
            ("byte_offset", ctypes.c_uint64), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p),
        ]  # fmt: skip

    LAYOUT = "<iiiBBHqqqqQB"  # device, its number, axes, code, bits, lanes, shape, strides, offset, what is left out
    KEPT: ClassVar[list[Any]] = []

    def __init__(self, content: bytes) -> None:
        from heschl import InputError

        size = struct.calcsize(self.LAYOUT)
        device, number, axes, code, bits, lanes, *rest = struct.unpack(self.LAYOUT, content[:size].ljust(size, b"\0"))
        rows, cols, row_step, column_step, offset, without = rest
        memory = np.arange(512, dtype=np.float64).view(np.uint8)
        shape, strides = (ctypes.c_int64 * 2)(rows, cols), (ctypes.c_int64 * 2)(row_step, column_step)
        tensor = self._Tensor(
            memory.ctypes.data, device, number, axes, code, bits, lanes, shape, strides, offset, None, None
        )
        if without & 1:
            tensor.strides = None
            row_step, column_step = (cols if axes == 2 else 1), 1
        if without & 2:
            tensor.data = None
        if without & 4:
            tensor.shape = None
        self.values: np.ndarray | None = None
        if axes == 1:
            cols, column_step = 1, 1
        width = bits // 8
        if axes in (1, 2) and rows > 0 and cols > 0 and not without & 6:
            reach = [(rows - 1) * row_step, (cols - 1) * column_step]
            first, last = (sum(f(0, x) for x in reach) for f in (min, max))
            if offset + first * width < 0 or offset + (last + 1) * width > memory.nbytes or offset % max(width, 1):
                raise InputError("capsule", "numbers outside of the memory", "what no reader could know of")
            if code == 2 and width in (4, 8) and rows * cols < 1 << 20:
                flat = memory.view(np.float64 if width == 8 else np.float32)
                at = offset // width + np.arange(rows)[:, None] * row_step + np.arange(cols) * column_step
                self.values = flat[at] if axes == 2 else flat[at][:, 0]
        new = ctypes.pythonapi.PyCapsule_New
        new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        self.capsule = new(ctypes.addressof(tensor), b"dltensor", None)
        self.KEPT[:] = [*self.KEPT[-16:], (tensor, memory, shape, strides)]


def _sounds(folder: Path) -> list[Path]:
    import soundfile

    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 64)
    out = []
    kinds = {"WAV": ("PCM_16", "PCM_24", "FLOAT", "ALAW", "MS_ADPCM"), "WAVEX": ("PCM_24",), "RF64": ("PCM_16",),
             "AIFF": ("PCM_16",), "NIST": ("PCM_16",), "AU": ("PCM_16",)}  # fmt: skip
    for form, subtypes in kinds.items():
        for subtype in subtypes:
            out.append(folder / f"{form}-{subtype}")
            soundfile.write(out[-1], sound, 16000, format=form, subtype=subtype)
    out.append(folder / "chunks")
    plain = (folder / "WAV-PCM_16").read_bytes()
    out[-1].write_bytes(plain[:12] + b"LIST\x05\0\0\0INFOx\0" + plain[12:])
    return out


def _texts(folder: Path, texts: list[bytes]) -> list[Path]:
    paths = [folder / f"seed{i}" for i in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text)
    return paths


_LONG = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 1\ntiers? <exists>\nsize = 1\nitem []:\n'
    '    item [1]:\n        class = "IntervalTier"\n        name = "words"\n        xmin = 0\n        xmax = 1\n'
    "        intervals: size = 2\n        intervals [1]:\n            xmin = 0\n            xmax = 0.5\n"
    '            text = "so ""it"""\n        intervals [2]:\n            xmin = 0.5\n            xmax = 1e0\n'
    '            text = ""\n'
)
_SHORT = '"ooTextFile" "TextGrid" 0 1 <exists> 1 ! a comment\n"IntervalTier" "words" 0 1 1\n0.5 1 "é"'


def _moments(folder: Path) -> list[Path]:
    from heschl import LaggedMoments

    rng = np.random.default_rng(0)
    found = LaggedMoments.from_data(
        rng.normal(size=(12, 2)), rng.normal(size=(12, 1)), lags=range(2), segments=[7, 5], boundary="drop"
    )
    found.save(folder / "seed")
    return [folder / "seed"]


_CSV = [
    b'stimulus,word,start,end\ns1,"a,""b",0.1,.3\r\ns1,so,0.3,0.5\n',
    b"\xef\xbb\xbffile,text,start,end\ns2,na,1e-1,2\n",
]
_TSV = [b'stimulus\tword\tstart\tend\ns1\t"so\t0.1\t0.3\n']
_EVENTS = [
    b"onset\tduration\tstim_file\tword\n1.0\t2.0\ts1.wav\tn/a\n1.5\t.25\ts1.wav\tso\n1.75\t0.1\tn/a\tit\n",
]
_DLPACK = [
    struct.pack(Described.LAYOUT, *fields)
    for fields in (
        (1, 0, 2, 2, 64, 1, 4, 3, 3, 1, 0, 0),
        (1, 0, 1, 2, 32, 1, 5, 1, 2, 1, 8, 1),
        (1, 0, 2, 2, 16, 1, 3, 4, 1, 3, 2, 0),
        (1, 0, 2, 4, 16, 1, 3, 4, -4, 1, 64, 0),
    )
]
TARGETS: dict[str, tuple[Check, str, Callable[[Path], list[Path]]]] = {
    "wav": (wav, ".wav", _sounds),
    "textgrid": (
        textgrid,
        ".TextGrid",
        lambda folder: _texts(folder, [text.encode(code) for text in (_LONG, _SHORT) for code in ("utf-8", "utf-16")]),
    ),
    "csv": (table, ".csv", lambda folder: _texts(folder, _CSV)),
    "tsv": (table, ".tsv", lambda folder: _texts(folder, _TSV)),
    "events": (events, ".tsv", lambda folder: _texts(folder, _EVENTS)),
    "timit": (timit, ".wrd", lambda folder: _texts(folder, [b"0 3200 h#\n3200 4800 she\n4800 8000 had\n"])),
    "moments": (moments, ".npz", _moments),
    "dlpack": (dlpack, ".bin", lambda folder: _texts(folder, _DLPACK)),
}


def one(name: str, seconds: float, folder: Path) -> None:
    """Fuzz one target in this process, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=["heschl", "wave"]):
        import heschl
        import heschl.linear.moments.storage
        import heschl.timing.audio
        import heschl.timing.decoding
        import heschl.timing.fingerprint
        import heschl.timing.textgrid
        import heschl.timing.transcripts
        import heschl.timing.validate

    warnings.simplefilter("ignore")
    check, suffix, seeds = TARGETS[name]
    corpus, found = folder / name / "corpus", folder / name / "found"
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(exist_ok=True)
    if not any(corpus.iterdir()):
        seeds(corpus)
    tried = folder / name / f"tried{os.getpid()}"
    scratch = Path(tempfile.mkdtemp(prefix="fuzz", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    path = scratch / f"input{suffix}"

    until, count = time.monotonic() + seconds, 0

    def one_input(content: bytes) -> None:
        nonlocal count
        count += 1
        if count % 500 == 0 or time.monotonic() > until:
            tried.write_text(str(count))
        if time.monotonic() > until:
            os._exit(0)  # libFuzzer's own way to end is taken for a crash where threads are at work
        path.write_bytes(content)
        try:
            check(path)
        except heschl.InputError:
            pass
        except BaseException as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            kept = hashlib.sha1(f"{type(error)} {place.filename} {place.lineno}".encode()).hexdigest()[:10]
            if not (found / kept).exists():
                (found / kept).write_bytes(content)
                (found / f"{kept}.txt").write_text("".join(traceback.format_exception(error)))

    options = [f"-timeout={LIMIT_S}", f"-rss_limit_mb={LIMIT_MB}", "-max_len=8192", f"-artifact_prefix={found}/"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one_input)
    atheris.Fuzz()


def main() -> int:
    """Fuzz each target for its share of the time, starting again where the process died; say what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(given.targets[0], 60 * given.minutes, given.keep)
    names = given.targets or list(TARGETS)
    folder = given.keep or Path(tempfile.mkdtemp(prefix="heschl-fuzz-"))
    faults = 0
    for name in names:
        until, starts = time.monotonic() + 60 * given.minutes / len(names), 0
        while (left := until - time.monotonic()) > 5 and starts < 50:
            command = [sys.executable, __file__, name, "--one", "--minutes", str(left / 60), "--keep", str(folder)]
            ended = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace")
            (folder / name / f"log{starts}").write_text(ended.stderr[-100_000:])
            starts += 1
        found = sorted(path for path in (folder / name / "found").glob("*") if path.suffix != ".txt")
        faults += len(found)
        tried = sum(int(path.read_text()) for path in (folder / name).glob("tried*"))
        kept = len(list((folder / name / "corpus").iterdir()))
        print(f"{name}: {tried} inputs, {kept} kept for what they reach, {len(found)} faults", flush=True)
        for path in found:
            text = path.with_name(f"{path.name}.txt")
            print(
                "   ", path, text.read_text().splitlines()[-1] if text.exists() else "(the process ended)", flush=True
            )
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
