"""Peak memory of one call: what it needs above its arguments, its answer included.

Measured in a fresh process, which has loaded its libraries by a small call of the same kind before. `VmHWM` of
/proc/self/status, not `ru_maxrss`: the latter survives exec and so begins with the memory of the process that started
this one. Elsewhere than on Linux nothing is measured.
"""

from __future__ import annotations

import importlib
import multiprocessing
import pickle
import sys
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

HERE = str(Path(__file__).parent)


def _status(field: str) -> int:
    """A field of /proc/self/status, bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


class Watch:
    """Peak of this process's memory above what it held on entry, in bytes, as `peak` after the block."""

    peak: int

    def __enter__(self) -> Watch:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew at what is held now
        self._before = _status("VmRSS")
        return self

    def __exit__(self, *_: object) -> None:
        self.peak = _status("VmHWM") - self._before


def _store(folder: Path, name: str, arguments: tuple[Any, ...]) -> None:
    rest = []
    for i, argument in enumerate(arguments):
        if isinstance(argument, np.ndarray):
            np.save(folder / f"{name}{i}.npy", argument)
        rest.append(None if isinstance(argument, np.ndarray) else argument)
    (folder / f"{name}.pickle").write_bytes(pickle.dumps(rest))


def _load(folder: Path, name: str) -> list[Any]:
    rest = pickle.loads((folder / f"{name}.pickle").read_bytes())
    return [np.load(folder / f"{name}{i}.npy") if value is None else value for i, value in enumerate(rest)]


def _child(folder: Path, module: str, function: str, answer: Connection) -> None:
    sys.path.insert(0, HERE)
    call = getattr(importlib.import_module(module), function)
    call(*_load(folder, "warm"))
    arguments = _load(folder, "measured")
    with Watch() as watch:
        result = call(*arguments)
    del result
    answer.send(watch.peak)


def peak(function: Callable[..., Any], arguments: tuple[Any, ...], warm: tuple[Any, ...]) -> int | None:
    """Bytes that `function(*arguments)` takes at its peak above its arguments; None where that is not known.

    `function` stands in a module beside this one; no argument is None; `warm` are arguments of a small problem.
    """
    if not Path("/proc/self/clear_refs").exists():
        return None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _store(folder, "measured", arguments)
        _store(folder, "warm", warm)
        receive, send = multiprocessing.Pipe(duplex=False)
        child = multiprocessing.get_context("spawn").Process(
            target=_child, args=(folder, function.__module__, function.__name__, send)
        )
        child.start()
        send.close()
        try:
            return int(receive.recv())
        except EOFError:
            raise RuntimeError(f"{function.__name__} did not finish in the process that measures its memory") from None
        finally:
            child.join()
