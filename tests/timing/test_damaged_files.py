"""Files with bytes changed, cut out or put in are read or refused by an `InputError`: nothing else comes of them."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from heschl.checks import InputError
from heschl.timing.audio import duration, read_audio
from heschl.timing.transcripts import read_events, read_table, read_textgrid, read_timit
from heschl.timing.validate import validate

TRIES = 150
GRID = '"ooTextFile"\n"TextGrid"\n0 2 <exists> 1\n"IntervalTier" "words" 0 2 3\n0 0.25 ""\n0.25 1 "so"\n1 2 "it"\n'
NUMBERS = (b"\xff" * 4, bytes(4), b"\xff\xff\xff\x7f", b"9999", b"-1  ", b"1e99", b"nan ", b"\xf0\x9f\x98\x80")
TEXTS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "w.csv": ('stimulus,word,start,end\ns1,so,0.1,0.3\ns1,"a,b",0.3,0.5\n', read_table),
    "w.tsv": ("stimulus\tword\tstart\tend\ns1\tso\t0.1\t0.3\ns1\t\"a\t0.3\t0.5\n", read_table),
    "e_events.tsv": (
        "onset\tduration\tstim_file\tword\n10.0\t2.0\ts1.wav\tn/a\n10.5\t0.25\ts1.wav\tso\n11\t.2\t\tit\n", read_events,
    ),
    "a.wrd": ("3200 4800 she\n4800 8000 had\n8000 9000 it\n", read_timit),
    "a.TextGrid": (GRID, read_textgrid),
}  # fmt: skip


def mutated(raw: bytes, rng: random.Random) -> bytes:
    """Return bytes with a few changes at random."""
    found = bytearray(raw)
    if rng.random() < 0.1:
        return raw[: rng.randrange(len(raw) + 1)]
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        at, kind = rng.randrange(max(1, min(len(found), 700))), rng.randrange(5)
        if kind == 0:
            found[at : at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            found[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9)))
        elif kind == 2:
            del found[at : at + rng.randrange(1, 40)]
        elif kind == 3:
            found[at : at + 4] = rng.choice(NUMBERS)
        else:
            found[at:at] = found[at : at + rng.randrange(1, 60)]
    return bytes(found)


def try_all(path: Path, raw: bytes, read: Callable[[Path], object]) -> int:
    """Read mutations of a file; return how many could be read."""
    path.write_bytes(raw)
    read(path)
    readable = 0
    for seed in range(TRIES):
        path.write_bytes(mutated(raw, random.Random(f"{path.name}{seed}")))
        try:
            read(path)
            readable += 1
        except InputError as error:
            assert str(path) in str(error)
    return readable


@pytest.mark.parametrize("name", TEXTS)
def test_transcripts(tmp_path: Path, name: str) -> None:
    text, read = TEXTS[name]

    def look(path: Path) -> None:
        found = read(path)
        validate(found if isinstance(found, dict) else {"a": found}, {"s1": 2.0}, {"s1": "so it"})  # type: ignore[dict-item]

    assert try_all(tmp_path / name, text.encode(), look) < TRIES


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg", "aiff"])
def test_sounds(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, np.random.default_rng(0).standard_normal(1500) * 0.1, 16000)

    def look(path: Path) -> None:
        seconds = duration(path)
        if seconds:
            assert len(read_audio(path, 8000.0)) == max(1, round(seconds * 8000))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of channels that were mixed
        try_all(path, path.read_bytes(), look)
