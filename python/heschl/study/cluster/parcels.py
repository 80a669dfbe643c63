"""Pieces as they travel: a function and its arguments, what is large in them sent once, known by its content.

A piece's arguments are plain data, but they share much: all layers of a space are fitted to the same responses. So
every argument is pickled apart, large arrays apart from it, and both are named by their hash. Where the machines share
the results folder they lie there, and arrays are mapped into memory; else Dask carries them.
"""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from heschl.files import digest, replacing
from heschl.study.extraction.features import Features

LARGE = 1 << 16
"""Bytes from which something is sent apart, once."""
PROTOCOL = 5
OPENED = 8
"""Arguments that a worker keeps unpickled: pieces in a row have the same."""


class Delivered(Protocol):
    """Where a worker finds what was sent apart."""

    def __call__(self, name: str) -> Any:
        """Return an array, or the bytes of a pickled argument, by the hash of its content."""


@dataclass(frozen=True)
class Parcel:
    """A call that can be sent.

    Attributes
    ----------
    function : callable
        Of a module of heschl.
    arguments : tuple of bytes or str
        Pickled; or the name of what was sent apart.
    spaces : frozenset of str
        Names of the feature spaces among the arguments: what the call reads from the store.
    apart : frozenset of str
        Names of all that was sent apart and is needed.
    """

    function: Callable[..., object]
    arguments: tuple[bytes | str, ...]
    spaces: frozenset[str]
    apart: frozenset[str]

    def open(self, delivered: Delivered, root: Path | None) -> Callable[..., object]:
        """Return the function with its arguments bound, paths of the sender put below `root` where there is one."""
        return partial(self.function, *self.arguments_of(delivered, root))

    def arguments_of(self, delivered: Delivered, root: Path | None) -> list[Any]:
        """Return the arguments alone."""
        return [_opened(argument, delivered, root) for argument in self.arguments]


class Packer:
    """Packs calls, and keeps what is to be sent apart.

    Parameters
    ----------
    keep : callable
        keep(name, value) is told once of each array (or bytes) that is sent apart.
    """

    def __init__(self, keep: Callable[[str, NDArray[Any] | bytes], None]) -> None:
        self._keep = keep
        self._arrays: dict[int, tuple[NDArray[Any], str]] = {}  # by identity; kept, so that it stays theirs
        self._arguments: dict[int, tuple[Any, tuple[bytes | str, frozenset[str], frozenset[str]]]] = {}
        self._kept: set[str] = set()

    def pack(self, call: Callable[..., object]) -> Parcel:
        """Pack a function of a module, or a `functools.partial` of one with arguments by position."""
        bound = call if isinstance(call, partial) else partial(call)
        assert not bound.keywords, "pieces bind their arguments by position"
        packed = [self._argument(argument) for argument in bound.args]
        return Parcel(
            bound.func,
            tuple(content for content, _, _ in packed),
            frozenset().union(*(spaces for _, spaces, _ in packed)),
            frozenset().union(*(apart for _, _, apart in packed)),
        )

    def _argument(self, value: Any) -> tuple[bytes | str, frozenset[str], frozenset[str]]:
        if id(value) not in self._arguments:
            file = io.BytesIO()
            pickler = _Pickler(file, self._array)
            pickler.dump(value)
            pickled = file.getvalue()
            content: bytes | str = pickled
            if len(pickled) >= LARGE:
                content = self._apart(pickled)
                pickler.apart.add(content)
            self._arguments[id(value)] = value, (content, frozenset(pickler.spaces), frozenset(pickler.apart))
        return self._arguments[id(value)][1]

    def _array(self, array: NDArray[Any]) -> str:
        if id(array) not in self._arrays:
            self._arrays[id(array)] = array, self._apart(array)
        return self._arrays[id(array)][1]

    def _apart(self, value: NDArray[Any] | bytes) -> str:
        array = np.frombuffer(value, np.uint8) if isinstance(value, bytes) else value
        name = digest(array) + (".pickle" if isinstance(value, bytes) else ".npy")
        if name not in self._kept:
            self._keep(name, value)
            self._kept.add(name)
        return name


class _Pickler(pickle.Pickler):
    """Leaves large arrays out, names paths in full, and notes which feature spaces it meets."""

    def __init__(self, file: io.BytesIO, keep: Callable[[NDArray[Any]], str]) -> None:
        super().__init__(file, PROTOCOL)
        self._keep = keep
        self.spaces: set[str] = set()
        self.apart: set[str] = set()

    def persistent_id(self, value: Any) -> tuple[str, str] | None:
        if type(value) is np.ndarray and value.nbytes >= LARGE and not value.dtype.hasobject:
            name = self._keep(value)
            self.apart.add(name)
            return "array", name
        if isinstance(value, Path):
            return "path", os.path.abspath(value)
        if isinstance(value, Features):
            self.spaces.add(value.description.name)
        return None


class _Unpickler(pickle.Unpickler):
    def __init__(self, content: bytes, delivered: Delivered, root: Path | None) -> None:
        super().__init__(io.BytesIO(content))
        self._delivered, self._root = delivered, root

    def persistent_load(self, found: tuple[str, str]) -> Any:
        kind, name = found
        return self._delivered(name) if kind == "array" else placed(name, self._root)


def placed(path: str | Path, root: Path | None) -> Path:
    """Return a path of the client's as a worker has it: the same, or below a folder of the worker's own."""
    return Path(path) if root is None else root / str(path).lstrip("/")


_open: dict[tuple[str, Path | None], Any] = {}  # arguments that were sent apart, the last ones used


def _opened(argument: bytes | str, delivered: Delivered, root: Path | None) -> Any:
    if isinstance(argument, bytes):
        return _Unpickler(argument, delivered, root).load()
    at = argument, root
    value = _open.pop(at) if at in _open else _Unpickler(delivered(argument), delivered, root).load()
    _open[at] = value  # the last used stands last
    while len(_open) > OPENED:
        del _open[next(iter(_open))]
    return value


@dataclass(frozen=True)
class Folder:
    """A folder that client and workers share, for what is sent apart.

    Attributes
    ----------
    path : str
    """

    path: str

    def keep(self, name: str, value: NDArray[Any] | bytes) -> None:
        """Write a value, unless it is there."""
        path = Path(self.path, name)
        if path.exists():
            return
        with replacing(path) as temporary, open(temporary, "wb") as file:
            if isinstance(value, bytes):
                file.write(value)
            else:
                np.save(file, value, allow_pickle=False)

    def __call__(self, name: str) -> Any:
        """Return a value; arrays are read from the disk as they are used."""
        path = Path(self.path, name)
        return path.read_bytes() if path.suffix == ".pickle" else np.asarray(np.load(path, mmap_mode="r"))


@dataclass(frozen=True)
class Carried:
    """What Dask has brought to a worker, by name."""

    values: Mapping[str, Any]

    def __call__(self, name: str) -> Any:
        """Return a value."""
        return self.values[name]
