"""A kept file that is not what was written is found out, whatever happened to it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr

from heschl.seals import is_sealed, is_whole_group, seal, seal_group, without_seal
from heschl.study.work.cache import Cache, Piece, load_arrays, save_arrays
from heschl.study.work.progress import Reporter


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 3] ^= 4
    path.write_bytes(raw)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "flip": flip,
    "delete": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "cut by one": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_sealed_array_reads_as_ever_and_tells_of_damage(tmp_path: Path, damage: str) -> None:
    values = np.arange(12.0).reshape(3, 4)
    np.save(tmp_path / "a.npy", values)
    np.savez(tmp_path / "a.npz", values=values)
    for path in (tmp_path / "a.npy", tmp_path / "a.npz"):
        assert not is_sealed(path)
        seal(path, path.name)
        assert is_sealed(path, path.name) and not is_sealed(path) and not is_sealed(path, "other")
        found = np.load(path)
        np.testing.assert_array_equal(found if isinstance(found, np.ndarray) else found["values"], values)
        DAMAGE[damage](path)
        assert not is_sealed(path, path.name)


@pytest.mark.parametrize("damage", DAMAGE)
def test_every_file_of_a_group(tmp_path: Path, damage: str) -> None:
    for name in ("kept", "other"):
        group = zarr.create_group(tmp_path / name, attributes={"schema": 1})
        group.create_array("x", data=np.arange(6.0) + len(name), chunks=(2,))
        assert not is_whole_group(tmp_path / name)
        seal_group(tmp_path / name)
    files = sorted(path for path in (tmp_path / "kept").rglob("*") if path.is_file())
    assert len(files) == 5
    for file in files:
        assert is_whole_group(tmp_path / "kept")
        before = file.read_bytes()
        DAMAGE[damage](file)
        assert not is_whole_group(tmp_path / "kept"), file
        file.write_bytes(before)
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "kept")["x"][:], np.arange(6.0) + 4)
    assert without_seal(dict(zarr.open_group(tmp_path / "kept").attrs)) == {"schema": 1}
    os.replace(tmp_path / "other" / "x" / "c" / "0", tmp_path / "kept" / "x" / "c" / "0")
    assert not is_whole_group(tmp_path / "kept")


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_piece_is_named_set_aside_and_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    cache, said = Cache(tmp_path), []
    monkeypatch.setattr(Reporter, "say", lambda self, text: said.append(text))

    def piece(key: str) -> Piece:
        return Piece("fits/mel.npz", key, lambda path, progress: save_arrays(path, {"r2": np.array([len(key)])}))

    (path,), (other,) = cache.paths([piece("k")], Reporter(None)), cache.paths([piece("kk")], Reporter(None))
    for harm in (DAMAGE[damage], lambda path: path.write_bytes(other.read_bytes())):  # or another piece in its place
        harm(path)
        there = path.exists()
        cache.share([piece("k")], lambda done: None)
        assert cache.paths([piece("k")], Reporter(None)) == [path]
        assert load_arrays(path)["r2"].tolist() == [1]
        assert (path.with_name(f".damaged-{path.name}") in path.parent.iterdir()) == there
        assert len(said) == there and all(str(path) in line and "made again" in line for line in said)
        cache.paths([piece("k"), piece("kk")], Reporter(None))
        assert len(said) == there
        path.with_name(f".damaged-{path.name}").unlink(missing_ok=True)
        said.clear()
