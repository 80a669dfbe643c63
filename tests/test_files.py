"""Finished work: whole or not there, found again by what it depends on."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from heschl.checks import InputError
from heschl.files import digest, digest_files, only_writer, replacing
from heschl.study.work.cache import Cache, Piece, Progress
from heschl.study.work.progress import Reporter


def made_once(cache: Cache, piece: Piece) -> str:
    (path,) = cache.paths([piece], Reporter(None))
    return path.read_bytes().split(b"\n")[0].decode()  # without its seal


def test_made_once_per_key(tmp_path: Path) -> None:
    cache, made = Cache(tmp_path), []

    def make(path: Path, progress: Progress) -> None:
        made.append(path)
        path.write_text("x")

    for key in ("a", "a", "b"):
        assert made_once(cache, Piece("kind/piece.txt", key, make)) == "x"
    assert len(made) == 2
    assert sorted(path.name for path in (tmp_path / "kind").iterdir()) == ["piece-a.txt", "piece-b.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_fails_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def make(path: Path, progress: Progress) -> None:
        path.mkdir()
        (path / "half").write_text("x")
        raise error

    with pytest.raises(error):
        made_once(Cache(tmp_path), Piece("piece", "a", make))
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.parent.name for path in left] == [".locks"] and left[0].stat().st_size == 0
    whole = Piece("piece", "a", lambda path, progress: path.write_text("whole"))
    assert made_once(Cache(tmp_path), whole) == "whole"


def test_what_a_killed_process_left_does_no_harm(tmp_path: Path) -> None:
    leftover = tmp_path / ".partial-piece"
    leftover.mkdir()
    (leftover / "half").write_text("x")
    with replacing(tmp_path / "piece") as path:
        path.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["piece"]


def test_a_folder_is_replaced_or_kept(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    for text in ("old", "new"):
        with replacing(target) as path:
            path.mkdir()
            (path / text).write_text(text)
    assert [path.name for path in target.iterdir()] == ["new"]
    with pytest.raises(ValueError), replacing(target) as path:
        path.mkdir()
        raise ValueError
    assert [path.name for path in target.iterdir()] == ["new"]


def test_digest_tells_apart() -> None:
    a = np.arange(4.0)
    values = [a, a.astype(np.float32), a.reshape(2, 2), a + 1, {"a": 1}, {"a": 2}, ["a", "b"], ["ab"], "a", 1, 1.5]
    assert len({digest(value) for value in values}) == len(values)
    assert digest(a, {"x": 1, "y": 2}) == digest(a.copy(), {"y": 2, "x": 1})
    assert digest("a", "b") != digest("ab")


def test_digest_of_files_follows_their_content(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"1")
    before = digest_files([path])
    path.write_bytes(b"2")
    assert digest_files([path]) != before


def test_one_writer(tmp_path: Path) -> None:
    with only_writer(tmp_path), pytest.raises(InputError, match="another run"), only_writer(tmp_path):
        pass
    with only_writer(tmp_path):
        pass


@pytest.mark.parametrize(
    ("number", "match"),
    [
        (errno.ENOSPC, r"piece: found no space left.*Free some"), (errno.EDQUOT, "share of the disk"),
        (errno.EROFS, r"read-only.*another folder"), (errno.EACCES, "may not be written"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_one_line_and_harms_nothing(tmp_path: Path, number: int, match: str) -> None:
    (tmp_path / "piece").write_text("as it was")
    with pytest.raises(InputError, match=match), replacing(tmp_path / "piece") as path:
        path.write_text("half")
        raise OSError(number, os.strerror(number))
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("piece", "as it was")]
    with pytest.raises(OSError, match="odd"), replacing(tmp_path / "piece"):
        raise OSError(errno.EIO, "odd")


def test_content_is_on_the_disk_before_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a loss of power a name without its content would be taken for a finished piece."""
    done: list[str] = []
    fsync, replace = os.fsync, os.replace
    names = {}
    monkeypatch.setattr(os, "fsync", lambda fd: (done.append(os.readlink(f"/proc/self/fd/{fd}")), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append("replace"), names.update({a: b}), replace(a, b)))
    with replacing(tmp_path / "piece") as path:
        path.mkdir()
        (path / "rows").write_text("x")
    at = done.index("replace")
    assert {Path(name).name for name in done[:at]} == {".partial-piece", "rows"}
    assert done[at + 1 :] == [str(tmp_path)]
