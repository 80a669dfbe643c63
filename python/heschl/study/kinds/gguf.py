"""The head of a GGUF file: what it says of its model, without any of its weights."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

MOST_ENTRIES = 10_000
_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_TEXT, _ARRAY = 8, 9


def read_head(path: Path) -> dict[str, Any]:
    """Return the entries of a GGUF file's head that are numbers or texts; none for what is no such file.

    Lists (a vocabulary) are passed over.
    """
    try:
        with open(path, "rb") as file:
            if file.read(4) != b"GGUF":
                return {}
            _, _, n_entries = _take(file, "<IQQ")
            return dict(filter(None, (_entry(file) for _ in range(min(n_entries, MOST_ENTRIES)))))
    except (OSError, struct.error, UnicodeDecodeError, KeyError, MemoryError, OverflowError):
        return {}


def _take(file: BinaryIO, form: str) -> tuple[Any, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _text(file: BinaryIO) -> str:
    (size,) = _take(file, "<Q")
    return file.read(size).decode("utf-8")


def _entry(file: BinaryIO) -> tuple[str, Any] | None:
    name = _text(file)
    (kind,) = _take(file, "<I")
    if kind == _TEXT:
        return name, _text(file)
    if kind != _ARRAY:
        return name, _take(file, _NUMBERS[kind])[0]
    of, n = _take(file, "<IQ")
    if of == _TEXT:
        skip: Callable[[], object] = lambda: file.seek(_take(file, "<Q")[0], 1)  # noqa: E731
        for _ in range(n):
            skip()
    else:
        file.seek(n * struct.calcsize(_NUMBERS[of]), 1)
    return None
