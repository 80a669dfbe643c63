"""The head of an EDF, EDF+ or BDF file, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heschl.checks import InputError
from heschl.ecog.recording.contents import VOLTS

_FIELDS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
"""Letters of each signal's label, transducer, unit, physical and digital minimum and maximum, filter, samples, rest."""
CODE = "code"
"""In place of a unit: BDF's Status, of whose 24 bits 16 are a trigger code."""


@dataclass(frozen=True)
class Signal:
    """One signal of an EDF: its name, unit, scale, and where its samples are in a data record."""

    name: str
    unit: str
    gain: float
    offset: float
    n: int
    first: int

    @property
    def is_annotation(self) -> bool:
        """Whether it holds text."""
        return self.name in ("EDF Annotations", "BDF Annotations")


@dataclass(frozen=True)
class Header:
    """What the head of an EDF says."""

    signals: tuple[Signal, ...]
    n_records: int
    seconds: float
    record: int
    first: int
    width: int
    paused: bool


def read_header(path: Path) -> Header:
    """Read and check the head of an EDF or BDF file."""
    with open(path, "rb") as file:
        fixed = file.read(256)
        if len(fixed) < 256 or not (fixed[:8].strip() == b"0" or fixed[:8] == b"\xffBIOSEMI"):
            raise InputError(str(path), f"a file that begins with {fixed[:8]!r}", "the head of an EDF or BDF file")
        width = 3 if fixed[:1] == b"\xff" else 2
        n = _whole(fixed[252:256], path, "number of signals", 1, 1 << 14)
        head = file.read(256 * n)
    if len(head) < 256 * n:
        raise InputError(str(path), f"{len(head) // 256} of {n} signals in its head", "all of them", "Is it truncated?")
    columns, at = [], 0
    for letters in _FIELDS:
        columns.append([head[at + i * letters : at + (i + 1) * letters] for i in range(n)])
        at += letters * n
    seconds = _number(fixed[244:252], path, "seconds of a data record")
    counts = [_whole(cell, path, f"samples of signal {i}", 1, 1 << 24) for i, cell in enumerate(columns[8])]
    firsts = np.concatenate([[0], np.cumsum(counts)])
    signals = tuple(_signal([c[i] for c in columns], counts[i], int(firsts[i]), path, width) for i in range(n))
    if not 0 < seconds <= 86400:
        raise InputError(str(path), f"data records of {seconds:g} s", "more than 0 s")
    n_records = _whole(fixed[236:244], path, "number of data records", -1, 1 << 31)
    first = _whole(fixed[184:192], path, "bytes of its head", 0, 1 << 24)
    if first != 256 * (n + 1):
        raise InputError(str(path), f"a head of {first} bytes", f"{256 * (n + 1)}, for {n} signals")
    paused = fixed[192:197] in (b"EDF+D", b"BDF+D")
    return Header(signals, n_records, seconds, int(firsts[-1]) * width, first, width, paused)


def _signal(cells: list[bytes], n: int, first: int, path: Path, width: int) -> Signal:
    name, unit = (_text(cells[i]) for i in (0, 2))
    if name in ("EDF Annotations", "BDF Annotations") or (width == 3 and name == "Status"):
        return Signal(name, CODE if name == "Status" else "", 1.0, 0.0, n, first)
    where = f"signal {name!r}"
    low, high, bottom, top = (
        _number(cells[i], path, f"{of} of {where}")
        for i, of in enumerate(("physical minimum", "physical maximum", "digital minimum", "digital maximum"), 3)
    )
    if low == high or bottom >= top:
        raise InputError(
            f"{path}: {where}", f"physical values {low:g} to {high:g}, digital {bottom:g} to {top:g}",
            "a minimum below the maximum, which give the scale", "Write the range of the amplifier into the head.",
        )  # fmt: skip
    scale = VOLTS.get(unit.lower(), 1.0)
    gain = (high - low) / (top - bottom)
    return Signal(name, unit, gain * scale, (low - gain * bottom) * scale, n, first)


def _text(cell: bytes) -> str:
    """Return a label: of letters beyond ASCII, which EDF does not know, writers use UTF-8 or Latin-1."""
    try:
        return cell.decode("utf-8").strip("\0 ")
    except UnicodeDecodeError:
        return cell.decode("latin-1").strip("\0 ")


def _number(cell: bytes, path: Path, of: str) -> float:
    text = cell.decode("latin-1").strip("\0 ").replace(",", ".")
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", text, re.ASCII):
        raise InputError(str(path), f"{text!r} as the {of}", "a number")
    return float(text)


def _whole(cell: bytes, path: Path, of: str, least: int, most: int) -> int:
    value = _number(cell, path, of)
    if value != int(value) or not least <= value <= most:
        raise InputError(str(path), f"{value:g} as the {of}", f"a whole number from {least} to {most}")
    return int(value)
