"""The feature store: what was put in comes out, whoever writes, however a writer ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heschl.checks import InputError
from heschl.features import store as module
from heschl.features import writer as writing
from heschl.features.store import Description, FeatureStore
from heschl.timing.grid import FrameGrid

GRID = FrameGrid(unit_hz=16000.0, stride=320, centre=200, width=400)


def about(n_layers: int = 2, width: int = 3, **changes: object) -> Description:
    layers = tuple(str(i) for i in range(n_layers))
    return Description("wav", "frame", layers, width, GRID, {"model": "wav2vec2"}, **changes)  # type: ignore[arg-type]


def block(seed: int, n: int, n_layers: int = 2, width: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n_layers, n, width)).astype(np.float32)


@settings(max_examples=20)
@given(
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=8),
    n_layers=st.integers(1, 3),
    width=st.integers(1, 4),
    flush=st.integers(0, 400),
    order=st.randoms(use_true_random=False),
)
def test_what_goes_in_comes_out(
    tmp_path_factory: pytest.TempPathFactory,
    lengths: list[int], n_layers: int, width: int, flush: int, order: object,
) -> None:  # fmt: skip
    """Whatever the lengths, chunks and flushes; in any order, some stimuli twice."""
    blocks = {f"s{i}": block(i, n, n_layers, width) for i, n in enumerate(lengths)}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "CHUNK_BYTES", 8 * width)
        patched.setattr(writing, "FLUSH_BYTES", flush)
        store = FeatureStore(tmp_path_factory.mktemp("store"))
        for names in (list(blocks)[::2], list(blocks)):
            with store.create("k", about(n_layers, width)).writing() as writer:
                for name in writer.missing(names):
                    cut = blocks[name].shape[1] // 2
                    writer.add(name, [blocks[name][:, :cut], blocks[name][:, cut:]])
    found = store.find("k")
    assert found is not None and set(found.index()) == set(blocks)
    asked = [*blocks, *blocks]
    order.shuffle(asked)  # type: ignore[attr-defined]
    for i in range(n_layers):
        for name, rows in zip(asked, found.layer(i, asked), strict=True):
            np.testing.assert_array_equal(rows, blocks[name][i])


def test_a_set_says_what_it_is(tmp_path: Path) -> None:
    made = FeatureStore(tmp_path).create("k", about(note="one word without a vector"))
    (found,) = FeatureStore(tmp_path).sets()
    assert found.description == made.description == about(note="one word without a vector")
    assert found.key == "k" and found.created.startswith("20") and found.n_bytes() > 0
    assert found.layer(0, []) == []


def test_half_precision(tmp_path: Path) -> None:
    with FeatureStore(tmp_path).create("k", about(dtype="float16")).writing() as writer:
        writer.add("s", [block(0, 5)])
        with pytest.raises(InputError, match=r"float16.*float32"):
            writer.add("loud", [1e5 * block(0, 5)])
    found = FeatureStore(tmp_path).find("k")
    assert found is not None and list(found.index()) == ["s"]
    (rows,) = found.layer(1, ["s"])
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, block(0, 5)[1], rtol=2**-11)


@pytest.mark.parametrize(
    ("values", "match"),
    [(block(0, 4, 3), "shape"), (block(0, 4, 2, 2), "shape"), (np.full((2, 4, 3), np.nan, np.float32), "NaN")],
)
def test_what_does_not_fit_is_refused_and_harms_nothing(tmp_path: Path, values: np.ndarray, match: str) -> None:
    with FeatureStore(tmp_path).create("k", about()).writing() as writer:
        writer.add("good", [block(1, 4)])
        with pytest.raises(InputError, match=match):
            writer.add("bad", [values])
    found = FeatureStore(tmp_path).find("k")
    assert found is not None and list(found.index()) == ["good"]


def test_an_interruption_keeps_what_was_added(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), FeatureStore(tmp_path).create("k", about()).writing() as writer:
        writer.add("s", [block(0, 4)])
        raise KeyboardInterrupt
    found = FeatureStore(tmp_path).find("k")
    assert found is not None
    np.testing.assert_array_equal(found.layer(1, ["s"])[0], block(0, 4)[1])


@pytest.mark.parametrize("flush", [0, 1 << 28])
def test_what_fails_half_way_leaves_the_set_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flush: int
) -> None:
    monkeypatch.setattr(writing, "FLUSH_BYTES", flush)

    def blocks() -> Iterator[np.ndarray]:
        yield block(7, 3)
        yield block(8, 2)
        raise InputError("sound", "a scratch", "none")

    with FeatureStore(tmp_path).create("k", about()).writing() as writer:
        writer.add("first", [block(0, 4)])
        with pytest.raises(InputError, match="scratch"):
            writer.add("bad", blocks())
        writer.add("second", [block(1, 2), block(2, 5)])
    found = FeatureStore(tmp_path).find("k")
    assert found is not None and found.index() == {"first": (0, 4), "second": (4, 7)}
    first, second = found.layer(1, ["first", "second"])
    np.testing.assert_array_equal(first, block(0, 4)[1])
    np.testing.assert_array_equal(second, np.concatenate([block(1, 2)[1], block(2, 5)[1]]))


WRITE = """
import sys, time
from pathlib import Path
import numpy as np
from heschl.features import writer
from heschl.features.store import FeatureStore
writer.FLUSH_BYTES, first, last = 0, int(sys.argv[2]), int(sys.argv[3])
with FeatureStore(Path(sys.argv[1])).find("k").writing() as writer:
    for i in range(first, last):
        if f"s{i}" in writer.missing([f"s{i}"]):
            writer.add(f"s{i}", [np.full((2, 4, 3), i, np.float32), np.full((2, 3, 3), i, np.float32)])
"""


def start_writer(folder: Path, first: int, last: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(WRITE), str(folder), str(first), str(last)])


def assert_whole(folder: Path) -> set[str]:
    found = FeatureStore(folder).find("k")
    assert found is not None
    names = list(found.index())
    for i in range(2):
        for name, rows in zip(names, found.layer(i, names), strict=True):
            assert rows.shape == (7, 3) and (rows == int(name[1:])).all()
    return set(names)


def test_two_writers(tmp_path: Path) -> None:
    FeatureStore(tmp_path).create("k", about())
    writers = [start_writer(tmp_path, 0, 20), start_writer(tmp_path, 10, 30)]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert assert_whole(tmp_path) == {f"s{i}" for i in range(30)}


def test_a_killed_writer_leaves_what_it_finished(tmp_path: Path) -> None:
    FeatureStore(tmp_path).create("k", about())
    kills = 0
    for n in range(1, 4):
        writer = start_writer(tmp_path, 0, 100_000)
        deadline = time.monotonic() + 60
        before = len(assert_whole(tmp_path))
        while len(assert_whole(tmp_path)) < before + 5 * n and time.monotonic() < deadline:  # read while it grows
            time.sleep(0.01)
        os.kill(writer.pid, signal.SIGKILL)
        kills += writer.wait() == -signal.SIGKILL
        assert len(assert_whole(tmp_path)) >= before + 5 * n
    assert kills == 3
    n = len(assert_whole(tmp_path))
    assert start_writer(tmp_path, 0, n + 3).wait(60) == 0
    assert len(assert_whole(tmp_path)) == n + 3


def test_sets_are_removed_whole(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    for key in ("a", "b"):
        store.create(key, about())
    store.remove("a")
    assert [found.key for found in store.sets()] == ["b"] and store.find("a") is None
    assert not [path for path in tmp_path.iterdir() if "removed" in path.name]


def test_folders_that_are_no_sets(tmp_path: Path) -> None:
    (tmp_path / "odd.zarr").mkdir()
    (tmp_path / "odd.zarr" / "zarr.json").write_text('{"attributes": {"format": "heschl features 0"}}')
    with pytest.raises(InputError, match=r"another version.*delete this folder"):
        FeatureStore(tmp_path).find("odd")
    assert FeatureStore(tmp_path).sets() == []
    (tmp_path / "odd.zarr" / "zarr.json").unlink()
    with pytest.warns(UserWarning, match=r"no feature set.*set aside"):
        assert FeatureStore(tmp_path).find("odd") is None
    assert FeatureStore(tmp_path).create("odd", about()).index() == {}
