"""MATLAB files of every version: what SciPy and MATLAB write is read, what only MATLAB can read is said."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy import io

from heschl.checks import InputError
from heschl.ecog import read_recording
from heschl.ecog.recording.matlab5 import read_matlab5

DATA = np.random.default_rng(0).standard_normal((60, 3))
NAMES = ["G1", "Gé", "G10"]


def cells(names: list[str]) -> np.ndarray:
    out = np.empty(len(names), dtype=object)
    out[:] = names
    return out


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    "value",
    [DATA, DATA.astype("f4"), np.arange(12).reshape(3, 4).astype("i2"), np.array([[200, 3]], "u1"), np.array(500.0),
     np.zeros((0, 0)), np.arange(24.0).reshape(2, 3, 4), DATA + 1j, np.array([[1, 2**40]], "i8"), DATA > 0],
)  # fmt: skip
def test_numbers_are_those_that_scipy_reads(tmp_path: Path, compressed: bool, value: np.ndarray) -> None:
    io.savemat(tmp_path / "x.mat", {"a": value, "other": [1.0]}, do_compression=compressed)
    found = read_matlab5(tmp_path / "x.mat", ["a"])
    np.testing.assert_array_equal(found["a"], io.loadmat(tmp_path / "x.mat")["a"])
    assert found["other"] is None


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("names", [cells(NAMES), np.array(NAMES), cells(["a"] * 3)])
def test_texts_are_those_that_scipy_reads(tmp_path: Path, compressed: bool, names: np.ndarray) -> None:
    io.savemat(tmp_path / "x.mat", {"names": names}, do_compression=compressed)
    found, theirs = read_matlab5(tmp_path / "x.mat", ["names"])["names"], io.loadmat(tmp_path / "x.mat")["names"]
    texts = [str(np.ravel(cell)[0]) if isinstance(cell, np.ndarray) else cell for cell in np.ravel(theirs)]
    assert [str(np.ravel(cell)[0]) for cell in found] == texts


def v73(path: Path, names: Any, data: np.ndarray = DATA, **attributes: Any) -> Path:
    """Write as MATLAB's -v7.3 does: transposed, a text as its letters, a cell as references."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file["data"], file["sfreq"] = data.T, np.array([[100.0]])
        if isinstance(names, list):
            references = []
            for i, name in enumerate(names):
                letters = np.array([[ord(c)] for c in name], "u2") if name else np.zeros(2, "u8")
                file[f"#refs#/{i}"] = letters
                if not name:
                    file[f"#refs#/{i}"].attrs["MATLAB_empty"] = np.uint8(1)
                references.append(file[f"#refs#/{i}"].ref)
            file.create_dataset("names", data=np.array(references, dtype=h5py.ref_dtype)[None])
        else:
            file["names"] = names
        for key, value in attributes.items():
            file["names"].attrs[key] = value
    return path


@pytest.mark.parametrize("kind", ["v5 cell", "v5 matrix", "v7.3 cell", "v7.3 matrix"])
def test_names(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.mat"
    if kind.startswith("v5"):
        names = cells(NAMES) if "cell" in kind else np.array(NAMES)
        io.savemat(path, {"data": DATA, "sfreq": 100.0, "names": names})
    elif "cell" in kind:
        v73(path, NAMES)
    else:
        letters = np.array([[ord(c) for c in name.ljust(3)] for name in NAMES], dtype=np.uint16)
        v73(path, letters.T, MATLAB_class=np.bytes_("char"))
    recording = read_recording(path)
    assert recording.names == tuple(NAMES)
    np.testing.assert_array_equal(recording.read(5, 50, ["G10", "G1"]), DATA[5:50][:, [2, 0]])


def test_names_tell_channels_from_samples(tmp_path: Path) -> None:
    io.savemat(tmp_path / "a.mat", {"data": DATA.T, "sfreq": 100.0, "names": cells(NAMES)})
    for path in (tmp_path / "a.mat", v73(tmp_path / "b.mat", NAMES, DATA.T)):
        recording = read_recording(path)
        assert recording.n_samples == 60 and "read as (channel, sample)" in recording.provenance[1]
        np.testing.assert_array_equal(recording.read(5, 9, ["G10", "G1"]), DATA[5:9][:, [2, 0]])


def struct_array() -> dict[str, Any]:
    return {"data": DATA, "sfreq": 100.0, "names": {"a": 1.0}}


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ({"data": DATA, "sfreq": 100.0, "names": cells(["a", "", "b"])}, "an empty name"),
        ({"data": DATA, "sfreq": 100.0, "names": cells(["a", "a", "b"])}, "'a' more than once"),
        ({"data": DATA, "sfreq": 100.0, "names": cells(["a", 3.0, "b"])}, "a cell that is no text"),
        ({"data": DATA, "sfreq": 100.0, "names": [1.0, 2.0, 3.0]}, "cellstr"),
        ({"data": DATA + 1j, "sfreq": 100.0}, "complex128"),
        ({"data": DATA, "sfreq": [100.0, 200.0]}, "one rate"),
        ({"data": DATA, "sfreq": "fast"}, "text"),
        ({"data": np.zeros((3, 60)), "sfreq": 1.0}, "3 samples of 60 channels, or 60 samples of 3 channels"),
        (struct_array(), "a struct"),
        ({"data": DATA}, "'sfreq'"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, content: dict[str, Any], match: str) -> None:
    io.savemat(tmp_path / "x.mat", content)
    with pytest.raises(InputError, match=match):
        read_recording(tmp_path / "x.mat")


def test_string_arrays_and_complex_numbers_of_version_73(tmp_path: Path) -> None:
    handle = np.array([[0xDD000000, 2, 1, 1, 1, 1]], dtype=np.uint32).T
    with pytest.raises(InputError, match=r"string array.*cellstr"):
        read_recording(v73(tmp_path / "a.mat", handle, MATLAB_class=np.bytes_("string"), MATLAB_object_decode=3))
    with pytest.raises(InputError, match="an empty name"):
        read_recording(v73(tmp_path / "b.mat", ["a", "", "b"]))
    pairs = np.zeros((60, 3), dtype=[("real", "f8"), ("imag", "f8")])
    with pytest.raises(InputError, match="complex"):
        read_recording(v73(tmp_path / "c.mat", NAMES, pairs))


def opaque(name: bytes) -> bytes:
    """A string array as -v7 writes it: an object without lengths, its text elsewhere in the file."""
    parts = struct.pack("<IIII", 6, 8, 17, 0)
    for text in (name, b"MCOS", b"string"):
        parts += struct.pack("<II", 1, len(text)) + text + bytes(-len(text) % 8)
    return struct.pack("<II", 14, len(parts) + 8) + parts + struct.pack("<II", 14, 0)


def test_string_arrays_of_version_7_and_strings_in_cells(tmp_path: Path) -> None:
    io.savemat(tmp_path / "a.mat", {"data": DATA, "sfreq": 100.0})
    whole = (tmp_path / "a.mat").read_bytes()
    (tmp_path / "a.mat").write_bytes(whole + opaque(b"notes"))
    assert read_recording(tmp_path / "a.mat").names == ("e0", "e1", "e2")  # one that is not asked for is no matter
    (tmp_path / "a.mat").write_bytes(whole + opaque(b"names"))
    with pytest.raises(InputError, match=r"names: found a MATLAB object \(a string array\).*cellstr"):
        read_recording(tmp_path / "a.mat")
    with h5py.File(v73(tmp_path / "b.mat", NAMES), "r+") as file:  # {"G1", "Gé", "G10"}: handles, not letters
        for i in range(3):
            del file[f"#refs#/{i}"]
            file[f"#refs#/{i}"] = np.array([[0xDD000000, 2, 1, 1, i + 1, 1]], dtype=np.uint32).T
            file[f"#refs#/{i}"].attrs["MATLAB_class"] = np.bytes_("string")
        file["names"][...] = np.array([file[f"#refs#/{i}"].ref for i in range(3)], dtype=h5py.ref_dtype)[None]
    with pytest.raises(InputError, match=r"string array.*cellstr"):
        read_recording(tmp_path / "b.mat")
    with h5py.File(v73(tmp_path / "c.mat", NAMES), "r+") as file:  # a cell of numbers is no cell of letters
        file["#refs#/1"].attrs["MATLAB_class"] = np.bytes_("uint16")
    with pytest.raises(InputError, match="names: found a cell"):
        read_recording(tmp_path / "c.mat")


def variable(shape: tuple[int, int], content: bytes, kind: int = 9, flags: int = 6) -> bytes:
    name = struct.pack("<II", 1, 4) + b"data" + bytes(4)
    parts = struct.pack("<IIII", 6, 8, flags, 0) + struct.pack("<IIii", 5, 8, *shape) + name
    parts += struct.pack("<II", kind, len(content)) + content
    return struct.pack("<II", 14, len(parts)) + parts


def test_sizes_that_a_file_does_not_hold(tmp_path: Path) -> None:
    head = b"x".ljust(124) + b"\x00\x01IM"
    bodies = {
        "numbers": variable((2**31 - 1, 2**31 - 1), bytes(16)),
        "an element": struct.pack("<II", 14, 2**32 - 1) + bytes(64),
        "claim": struct.pack("<II", 15, 64) + zlib.compress(struct.pack("<II", 14, 2**31)).ljust(64, b"\0"),
        "class": variable((1, 1), bytes(8), flags=77),
        "kind": variable((1, 1), bytes(8), kind=99),
        "too many": variable((1, 1), bytes(8)) + b"abc",
        "shape": variable((-1, 1), bytes(8)),
    }
    for match, body in bodies.items():
        (tmp_path / "x.mat").write_bytes(head + body)
        with pytest.raises(InputError, match=match):
            read_matlab5(tmp_path / "x.mat", ["data"])
    for content in (b"", b"version https://git-lfs.github.com/spec/v1\n", bytes(200)):
        (tmp_path / "x.mat").write_bytes(content)
        with pytest.raises(InputError):
            read_recording(tmp_path / "x.mat")


def test_big_endian_files(tmp_path: Path) -> None:
    parts = struct.pack(">IIII", 6, 8, 6, 0) + struct.pack(">IIii", 5, 8, 2, 1) + struct.pack(">II", 0x10001, 0)[:4]
    parts += b"a\0\0\0" + struct.pack(">II", 9, 16) + struct.pack(">dd", 1.5, -2.0)
    body = struct.pack(">II", 14, len(parts)) + parts
    (tmp_path / "x.mat").write_bytes(b"x".ljust(124) + b"\x01\x00MI" + body)
    assert read_matlab5(tmp_path / "x.mat", ["a"])["a"].tolist() == [[1.5], [-2.0]]
