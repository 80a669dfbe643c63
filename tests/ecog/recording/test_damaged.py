"""Damaged files: whatever is wrong in one, it is read or named, within bounds of time and memory."""

from __future__ import annotations

import random
import resource
import struct
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import io

from ecog.recording import nwb_files
from ecog.recording.edf_files import Edf, Signal
from ecog.recording.test_matlab import v73
from heschl.checks import InputError
from heschl.ecog import read_recording, read_responses

TRIES = 60
SECONDS, BYTES = 10.0, 2 << 30
DATA = 1e-4 * np.random.default_rng(0).standard_normal((400, 3))
NAMES = ["A1", "A2", "A3"]


def mat5(path: Path) -> None:
    io.savemat(path, {"data": DATA, "sfreq": 200.0, "names": np.array(NAMES, object)})


def edf(path: Path) -> None:
    signals = [Signal(name, 1e6 * x, 100) for name, x in zip(NAMES, DATA.T, strict=True)]
    Edf(signals, onsets=[0.0, 1.0, 5.0, 6.0], annotations=[(0.5, 0.5, "a"), (5.5, 0.5, "BAD x")]).write(path)


def nwb(path: Path) -> None:
    file = nwb_files.new(3, label=NAMES)
    file.add_acquisition(nwb_files.series(file, DATA, rate=200.0))
    file.add_trial_column("stimulus", "sound")
    file.add_trial(start_time=0.5, stop_time=1.0, stimulus="a")
    nwb_files.write(file, path)


def responses(path: Path) -> None:
    np.savez_compressed(
        path, responses=DATA[:58], stimuli=["a", "b.wav", "a"], electrodes=NAMES, times=np.arange(20) / 100.0,
        lengths=[20, 18, 20], positions=np.zeros((3, 3)),
    )  # fmt: skip


MAKE: dict[str, Callable[[Path], object]] = {
    "x.npz": lambda p: np.savez(p, data=DATA, sfreq=200.0, names=NAMES),
    "y.npz": responses,
    "x.npy": lambda p: np.save(p, DATA),
    "x.mat": mat5,
    "x73.mat": lambda p: v73(p, NAMES, DATA),
    "x.edf": edf,
    "x.nwb": nwb,
    "e.csv": lambda p: p.write_text("name,x,y,z,region,bad\nA1,0,0,0,STG,no\nA2,1,0,0,STG,yes\nA3,0,1,0,MTG,0\n"),
    "t.tsv": lambda p: p.write_text("onset\tduration\tstim_file\n0.1\t0.5\ta.wav\n0.8\t0.5\tBAD_x\n1.2\t.3\tb\n"),
}


def use(path: Path) -> None:
    """Read a file as its name says."""
    if path.name == "y.npz":
        read_responses(path, "S1")
        return
    beside = path.with_name("whole.npz")
    tables = {"e.csv": {"electrodes": path}, "t.tsv": {"events": path}}.get(path.name)
    options = {"sfreq": 200.0} if path.suffix == ".npy" else tables or {}
    recording = read_recording(path if tables is None else beside, **options)  # type: ignore[arg-type]
    n = recording.n_samples
    for start, stop in ((0, min(n, 100)), (max(0, n - 10), n)):
        recording.read(start, stop, recording.names)


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Cut a file, or change, insert and delete some of its bytes, mostly near its head."""
    out = bytearray(content)
    if rng.random() < 0.15:
        return bytes(out[: rng.randrange(len(out))])
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        at = rng.randrange(len(out) if rng.random() < 0.5 else min(len(out), 700))
        how = rng.randrange(6)
        if how == 0:
            out[at] = rng.randrange(256)
        elif how == 1:
            out[at] ^= 1 << rng.randrange(8)
        elif how == 2:
            out[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9)))
        elif how == 3:
            del out[at : at + rng.randrange(1, 40)]
        elif how == 4:
            out[at : at + 4] = rng.choice(
                [b"\xff\xff\xff\xff", bytes(4), b"\xff\xff\xff\x7f", b"9999", b"-1  ", b"nan "]
            )
        else:
            out[at:at] = out[at : at + rng.randrange(1, 60)]
        if not out:
            break
    return bytes(out)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MAKE)
def test_mutations_are_read_or_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    np.savez(tmp_path / "whole.npz", data=DATA, sfreq=200.0, names=NAMES)
    MAKE[name](path)
    whole = path.read_bytes()
    use(path)
    slowest = 0.0
    for seed in range(TRIES // 3 if name == "x.nwb" else TRIES):  # PyNWB takes a second a file
        path.write_bytes(mutated(whole, random.Random(f"{name} {seed}")))
        began = time.process_time()
        try:
            use(path)
        except InputError as error:
            assert name in str(error) or "channel" in str(error), error
        slowest = max(slowest, time.process_time() - began)
    assert slowest < SECONDS  # of the processor: a file that never ends, not a slow machine


def test_a_few_bytes_cannot_ask_for_much_memory(tmp_path: Path) -> None:
    """Sizes in heads, of which the files hold nothing: an archive, an array, an EDF."""
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118)
    about = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000), }"
    array = head + about.ljust(117) + b"\n"
    (tmp_path / "x.npy").write_bytes(array + bytes(64))
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("data.npy", array + bytes(64))
        archive.writestr("sfreq.npy", array)
    with zipfile.ZipFile(tmp_path / "y.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("responses.npy", array + bytes(1 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, options in (("x.npy", {"sfreq": 1.0}), ("x.npz", {})):
        with pytest.raises(InputError, match=r"1000000|x\.np"):
            read_recording(tmp_path / name, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"1000000|y\.npz"):
        read_responses(tmp_path / "y.npz", "S1")
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < BYTES / 8


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    names = np.array([{"a": 1}, None, "c"], dtype=object)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.savez(tmp_path / "x.npz", data=DATA, sfreq=200.0, names=names)
        np.save(tmp_path / "x.npy", names)
    with pytest.raises(InputError, match="Python objects"):
        read_recording(tmp_path / "x.npz")
    with pytest.raises(InputError, match="Python objects"):
        read_recording(tmp_path / "x.npy", sfreq=1.0)
