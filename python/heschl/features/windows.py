"""Overlapping windows over what is too long for one pass of a model."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Window:
    """Frames [start, stop) go through the model; of these, frames [first, last) are kept."""

    start: int
    stop: int
    first: int
    last: int


def windows(n: int, size: int, overlap: int) -> list[Window]:
    """Cut n frames into windows of `size` that share `overlap` frames, each kept from middle to middle of these.

    The last window ends with the last frame and is as long as the others, so that no frame has little context.

    Examples
    --------
    >>> [(w.start, w.stop, w.first, w.last) for w in windows(10, 6, 2)]
    [(0, 6, 0, 5), (4, 10, 5, 10)]
    """
    if n <= size:
        return [Window(0, n, 0, n)]
    starts = [*range(0, n - size, size - overlap), n - size]
    seams = [0, *((before + size + after) // 2 for before, after in pairwise(starts)), n]
    return [Window(start, start + size, seams[i], seams[i + 1]) for i, start in enumerate(starts)]
