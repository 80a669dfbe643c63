"""Whatever happens to the files of a feature set, it never gives other features than those that were put in."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from heschl.checks import InputError
from heschl.features import store as module
from heschl.features.store import DamagedFeatures, Description, FeatureSet, FeatureStore

N_LAYERS, WIDTH = 2, 8
BLOCKS = {
    f"s{i}": np.random.default_rng(i).standard_normal((N_LAYERS, 5 + i, WIDTH)).astype(np.float32) for i in range(6)
}


def about(name: str = "wav") -> Description:
    return Description(name, "word", ("0", "1"), WIDTH, None, {"model": "wav2vec2"})


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    """Give a store of small chunks (ten rows each) with a set "k" and another, "other"."""
    monkeypatch.setattr(module, "CHUNK_BYTES", 10 * WIDTH * 4)
    store = FeatureStore(tmp_path / "store")
    for key in ("k", "other"):
        with store.create(key, about()).writing() as writer:
            for name, values in BLOCKS.items():
                writer.add(name, [values if key == "k" else -values])
    return store


def read_or_make_again(store: FeatureStore) -> int:
    """Read everything; what is found damaged is made again. Return how often."""
    made = 0
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            features = store.create("k", about())
            with features.writing() as writer:
                for name in writer.missing(list(BLOCKS)):
                    writer.add(name, [BLOCKS[name]])
                    made += 1
        try:
            for layer in range(N_LAYERS):
                for values, expected in zip(features.layer(layer, list(BLOCKS)), BLOCKS.values(), strict=True):
                    np.testing.assert_array_equal(values, expected[layer])
        except DamagedFeatures as error:
            assert error.stimuli and set(error.stimuli) <= set(BLOCKS)
            continue
        return made


def flip(path: Path, rng: np.random.Generator) -> None:
    raw = bytearray(path.read_bytes())
    raw[rng.integers(len(raw))] ^= 1 << rng.integers(8)
    path.write_bytes(raw)


DAMAGE: dict[str, Callable[[Path, np.random.Generator], object]] = {
    "flip": flip,
    "delete": lambda path, rng: path.unlink(),
    "empty": lambda path, rng: path.write_bytes(b""),
    "cut": lambda path, rng: path.write_bytes(path.read_bytes()[: rng.integers(1, path.stat().st_size)]),
    "zeros": lambda path, rng: path.write_bytes(bytes(path.stat().st_size)),
    "longer": lambda path, rng: path.write_bytes(path.read_bytes() + b"x" * 7),
}


@pytest.mark.parametrize(("damage", "seed"), [(damage, 0) for damage in DAMAGE] + [("flip", 1)])
def test_every_file_damaged(store: FeatureStore, damage: str, seed: int) -> None:
    files = sorted(path for path in (store.folder / "k.zarr").rglob("*") if path.is_file() and path.name != ".lock")
    assert {path.name for path in files} == {"zarr.json", "index.json", "0"} and len(files) > 10
    rng = np.random.default_rng(seed)
    for file in files:
        DAMAGE[damage](file, rng)
        made = read_or_make_again(store)
        if damage in ("delete", "empty", "zeros") and file.name == "0":
            assert 0 < made < len(BLOCKS)  # those in the chunk, and no others
    assert read_or_make_again(store) == 0


def test_foreign_pieces(store: FeatureStore) -> None:
    """Rows of another layer, another set, or another place are not taken for those that were put in."""
    whole = shutil.copytree(store.folder / "k.zarr", store.folder / "whole")
    for foreign in (whole / "0/c/2/0", store.folder / "other.zarr/1/c/2/0", whole / "1/c/1/0"):
        shutil.copy(foreign, store.folder / "k.zarr/1/c/2/0")
        assert 0 < read_or_make_again(store) < len(BLOCKS)
        shutil.rmtree(store.folder / "k.zarr")
        shutil.copytree(whole, store.folder / "k.zarr")
    for file in ("index.json", "zarr.json"):
        shutil.copy(store.folder / "other.zarr" / file, store.folder / "k.zarr" / file)
        read_or_make_again(store)
    shutil.rmtree(store.folder / "k.zarr")
    shutil.copytree(store.folder / "other.zarr", store.folder / "k.zarr")
    with pytest.warns(UserWarning, match=r"it was made as other.zarr"):
        assert store.find("k") is None


def test_a_chunk_that_is_gone_is_named(store: FeatureStore) -> None:
    (store.folder / "k.zarr" / "1" / "c" / "0" / "0").unlink()
    features = store.find("k")
    assert features is not None
    with pytest.raises(DamagedFeatures, match=r"damaged rows in layer 1 of 2 stimuli, s0 first.*made again") as caught:
        features.layer(1, list(BLOCKS))
    assert caught.value.stimuli == ("s0", "s1") and set(features.index()) == set(BLOCKS) - {"s0", "s1"}
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    np.testing.assert_array_equal(features.layer(1, ["s5"])[0], BLOCKS["s5"][1])
    with pytest.raises(DamagedFeatures, match="no features of 1 stimuli, s0 first"):
        features.layer(0, ["s0"])


@pytest.mark.parametrize(("number", "match"), [(errno.ENOSPC, "no space left"), (errno.EROFS, "read-only")])
def test_a_full_disk_is_one_line_and_loses_nothing(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch, number: int, match: str
) -> None:
    features = store.find("k")
    assert isinstance(features, FeatureSet)
    replace = os.replace

    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match=match), features.writing() as writer:
        writer.add("new", [BLOCKS["s0"]])
    monkeypatch.setattr(os, "replace", replace)
    assert set(features.index()) == set(BLOCKS) and read_or_make_again(store) == 0
