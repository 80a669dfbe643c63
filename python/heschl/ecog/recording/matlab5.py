"""MATLAB files of version 5 to 7, read by their published layout ("MAT-File Format", MathWorks), every size checked.

A damaged file ends in an InputError: no size in it is taken before it is held against the bytes that are there.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError

_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {16: ("u1", "utf-8"), 17: ("u2", "utf-16"), 18: ("u4", "utf-32")}
_MATRIX, _COMPRESSED = 14, 15
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_CELL, _CHAR = 1, 4
_OTHERS = {
    2: "a struct",
    3: "an object",
    5: "a sparse matrix",
    16: "a function",
    17: "a MATLAB object (a string array)",
}
_COMPLEX = 0x08
DEEPEST = 8
"""Cells within cells."""
LARGEST_RATIO = 1100
"""Bytes that a byte of deflate can become (1032), and some."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Element:
    """A piece of a file: its kind and its bytes."""

    kind: int
    content: Bytes


def read_matlab5(path: Path, keys: Collection[str]) -> dict[str, Any]:
    """Read some variables of a file of version 5 to 7.

    Parameters
    ----------
    path : Path
        What MATLAB's ``save -v6`` or ``-v7``, Octave or SciPy wrote.
    keys : collection of str
        Variables to read.

    Returns
    -------
    dict of str to array, list or None
        Of every variable in the file: None where it is not among `keys`; numbers as an array in MATLAB's shape; text as
        a 1-D array of rows; a cell array as a list.

    Raises
    ------
    InputError
        For a file of another kind or a damaged one, and a variable among `keys` that is a struct, an object, or sparse.
    """
    size = path.stat().st_size
    if size < 128:
        raise InputError(str(path), f"{size} bytes", "a MATLAB file", "Is it damaged?")
    content = np.memmap(path, dtype=np.uint8, mode="r")
    mark = content[126:128].tobytes()
    if mark not in (b"IM", b"MI") or content[124:126].tobytes() not in (b"\x00\x01", b"\x01\x00"):
        raise InputError(
            str(path), "a head of no MATLAB file of version 5 to 7.3", "a .mat file",
            "Save it with save(…, '-v7'), or '-v7.3' for data over 2 GB.",
        )  # fmt: skip
    reader = _Reader("<" if mark == b"IM" else ">", str(path))
    out: dict[str, Any] = {}
    for element in reader.elements(content[128:], top=True):
        if element.kind == _COMPRESSED:
            inner = list(reader.elements(reader.inflated(element.content)))
            if len(inner) != 1:
                raise reader.damaged(f"{len(inner)} variables in one")
            element = inner[0]
        if element.kind != _MATRIX:
            raise reader.damaged(f"a variable of the kind {element.kind}")
        name = reader.name(element.content)
        out[name] = reader.matrix(element.content, name) if name in keys else None
    return out


@dataclass(frozen=True)
class _Reader:
    order: str
    where: str

    def damaged(self, found: str) -> InputError:
        """Make the error of a damaged file."""
        return InputError(self.where, f"damage ({found})", "a whole MATLAB file")

    def elements(self, content: Bytes, top: bool = False) -> Iterator[Element]:
        """Yield the elements that follow each other."""
        at, end = 0, len(content)
        while at < end:
            if end - at < 8:
                raise self.damaged(f"{end - at} bytes too many")
            kind, size = (int(n) for n in content[at : at + 8].view(f"{self.order}u4"))
            if kind >> 16:  # a small one: kind and size in one number, its bytes after it
                kind, size, first, step = kind & 0xFFFF, kind >> 16, at + 4, 8
                if size > 4:
                    raise self.damaged(f"a small element of {size} bytes")
            else:
                first, step = at + 8, 8 + size + (0 if kind == _COMPRESSED and top else -size % 8)
            if first + size > end:
                raise self.damaged(f"an element of {size} bytes where {end - first} are left")
            yield Element(kind, content[first : first + size])
            at += step

    def inflated(self, content: Bytes) -> Bytes:
        """Undo the compression of a variable, which says in its own head how large it is."""
        machine = zlib.decompressobj()
        try:
            head = machine.decompress(content.tobytes(), 8)
            if len(head) < 8:
                raise self.damaged("a variable without a head")
            size = int(np.frombuffer(head, f"{self.order}u4")[1])
            if size > LARGEST_RATIO * len(content):
                raise self.damaged(f"{len(content)} bytes that claim to hold {size}")
            body = machine.decompress(machine.unconsumed_tail, size) if size else b""
        except zlib.error as error:
            raise self.damaged(str(error)) from None
        return np.frombuffer(head + body, dtype=np.uint8)

    def _parts(self, content: Bytes) -> list[Element]:
        """Return flags, lengths and name of a variable, and what follows."""
        parts = []
        for part in self.elements(content):
            parts.append(part)
            if len(parts) > 1 << 20:
                raise self.damaged("too many parts")
        if len(parts) < 2 or parts[0].kind != 6 or len(parts[0].content) != 8:
            raise self.damaged("a variable without flags")
        return parts

    def name(self, content: Bytes) -> str:
        """Return the name of a variable."""
        parts = self._parts(content)
        place = 1 if int(parts[0].content.view(f"{self.order}u4")[0]) & 0xFF == 17 else 2  # an object has no lengths
        if len(parts) <= place or parts[place].kind not in (1, 2, 16):
            raise self.damaged("a variable without a name")
        return parts[place].content.tobytes().decode("latin-1")

    def matrix(self, content: Bytes, name: str, depth: int = 0) -> Any:
        """Return a variable: numbers, rows of text, or the list of a cell array's variables."""
        if len(content) == 0:
            return np.zeros((0, 0))
        parts = self._parts(content)
        flags = int(parts[0].content.view(f"{self.order}u4")[0])
        kind = flags & 0xFF
        if kind in _OTHERS:
            raise InputError(
                f"{self.where}: {name}", _OTHERS[kind], "numbers, text or a cell array of texts",
                "Save names as names = cellstr(names), data as full(double(data)).",
            )  # fmt: skip
        if len(parts) < 3 or parts[1].kind != 5 or len(parts[1].content) % 4 or len(parts[1].content) < 8:
            raise self.damaged("a variable without lengths")
        shape = tuple(int(n) for n in parts[1].content.view(f"{self.order}i4"))
        if min(shape) < 0:
            raise self.damaged(f"shape {shape}")
        count = 1
        for n in shape:
            count *= n
        data = parts[3:]
        if kind == _CELL:
            if depth >= DEEPEST or len(data) != count or any(item.kind != _MATRIX for item in data):
                raise self.damaged(f"{len(data)} cells in a cell array of {count}")
            return [self.matrix(item.content, name, depth + 1) for item in data]
        if kind == _CHAR:
            return self._text(data[0] if data else Element(16, content[:0]), shape)
        if kind not in _CLASSES or len(data) != (2 if flags >> 8 & _COMPLEX else 1):
            raise self.damaged(f"a variable of the class {kind} in {len(data)} parts")
        values = [self._numbers(item, count).reshape(shape, order="F") for item in data]
        if len(values) == 2:
            return values[0] + 1j * values[1]
        own = np.dtype(_CLASSES[kind])
        # MATLAB keeps whole numbers of any class in few bytes; they are real numbers all the same.
        return values[0] if values[0].dtype.kind == "f" or own.kind != "f" else values[0].astype(own)

    def _numbers(self, part: Element, count: int) -> NDArray[Any]:
        if part.kind not in _NUMBERS:
            raise self.damaged(f"numbers of the kind {part.kind}")
        dtype = np.dtype(self.order + _NUMBERS[part.kind])
        if len(part.content) != count * dtype.itemsize:
            raise self.damaged(f"{len(part.content)} bytes for {count} numbers")
        return np.asarray(part.content.view(dtype))

    def _text(self, part: Element, shape: tuple[int, ...]) -> NDArray[np.str_]:
        """Return rows of letters; they lie column by column."""
        rows = shape[0] if len(shape) == 2 else 0
        columns = shape[1] if len(shape) == 2 else 0
        if rows * columns == 0:
            return np.zeros(0, dtype=np.str_)
        if part.kind in _TEXTS:
            width, code = _TEXTS[part.kind]
            order = "" if width == "u1" else "-le" if self.order == "<" else "-be"
            letters = part.content.tobytes().decode(code + order, "replace")
        elif part.kind in (2, 4):
            codes = part.content[: len(part.content) // (part.kind // 2) * (part.kind // 2)]
            letters = "".join(map(chr, codes.view(f"{self.order}{_NUMBERS[part.kind]}").tolist()))
        else:
            raise self.damaged(f"text of the kind {part.kind}")
        if len(letters) != rows * columns:
            raise self.damaged(f"{len(letters)} letters for {rows} x {columns}")
        return np.array([letters[i::rows] for i in range(rows)], dtype=np.str_)
