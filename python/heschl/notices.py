"""What the user is told while a call runs: warnings at their own line, and how far long work is."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO, TypeVar

Item = TypeVar("Item")

PATIENCE = 2.0
"""Seconds before anything is said."""
EVERY = {True: 0.2, False: 30.0}
"""Seconds between two lines on a terminal (or in a notebook), and in a pipe or file."""

_MACHINERY = {"heschl", "sklearn", "joblib", "contextlib", "concurrent", "threading"}
"""Packages whose frames are not the user's."""


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line of the user's that led here: the first outside of heschl and of the tools that call it."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _MACHINERY:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


class Progress:
    """A line on a stream: how many of some steps are done, and how long the others will take."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.rewrites = stream.isatty() or "ipykernel" in sys.modules
        self.began = self.said = time.monotonic()
        self.width = 0

    def step(self, what: str, done: int, total: int) -> None:
        """Say that `done` of `total` steps are done, unless it is too early or something was said just now."""
        now = time.monotonic()
        if now - self.began < PATIENCE or (now - self.said < EVERY[self.rewrites] and done < total):
            return
        self.said = now
        left = (now - self.began) / done * (total - done)
        text = f"{what}: {done} of {total}" + (
            f", {left:.0f} s left" if done < total else f", {now - self.began:.0f} s"
        )
        if self.rewrites:
            self.stream.write("\r" + text.ljust(self.width))
            self.width = len(text)
        else:
            self.stream.write(text + "\n")
        self.stream.flush()

    def close(self) -> None:
        """End the line, if there is one."""
        if self.width:
            self.stream.write("\n")
            self.stream.flush()


_current: ContextVar[bool] = ContextVar("heschl_verbose", default=False)


@contextmanager
def reporting(verbose: bool) -> Iterator[None]:
    """Let `followed` say how far things are, for as long as this lasts."""
    token = _current.set(bool(verbose))
    try:
        yield
    finally:
        _current.reset(token)


def followed(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """Yield the items; where the caller asked for it, say on stderr how many of them are done."""
    if not _current.get():
        yield from items
        return
    line = Progress(sys.stderr)
    try:
        for done, item in enumerate(items, start=1):
            line.step(what, done, total)
            yield item
    finally:
        line.close()
