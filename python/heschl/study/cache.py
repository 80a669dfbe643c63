"""Finished pieces of work, each kept under the hash of all that it depends on.

This is how a study that was interrupted goes on, and why a changed setting never meets an old result: a piece
(the fit of a layer) is made under a temporary name, renamed when it is whole, and looked up by the hash of its
settings and of the content of its inputs. What exists under its name is finished and right; nothing else has to be
kept in mind. The folder may be deleted at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.files import replacing


class Cache:
    """A folder of finished pieces.

    Parameters
    ----------
    folder : Path
        Where the pieces lie; made with the first of them.

    Examples
    --------
    >>> import tempfile
    >>> from heschl.files import digest
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cache = Cache(Path(folder))
    ...     key = digest({"n": 3})
    ...     first = cache.get("squares/three.txt", key, lambda path: path.write_text("9"))
    ...     again = cache.get("squares/three.txt", key, lambda path: path.write_text("never called"))
    ...     first == again, again.read_text()
    (True, '9')
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str, key: str) -> Path:
        """Give where the piece ``name`` ("features/mel.zarr") made from ``key`` lies, or would lie."""
        target = self.folder / name
        return target.with_name(f"{target.stem}-{key}{target.suffix}")

    def get(self, name: str, key: str, make: Callable[[Path], object]) -> Path:
        """Give the path of a piece; ``make(path)`` writes it, file or folder, where it is not there yet."""
        path = self.path(name, key)
        if not path.exists():
            with replacing(path) as temporary:
                make(temporary)
        return path


def save_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write arrays to one file, under exactly this name."""
    with open(path, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
