"""Parts of a fit that other machines may compute: the moments of a fold, a training set.

A fit does not know of machines. Where it comes to parts that do not depend on each other it asks here whether
somebody shares them out (`sharing`); nobody does so but the study on a cluster, and a fit is then whole where it
began.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

Result = TypeVar("Result")


class Sharing(Protocol):
    """Somebody who shares the parts of a fit out among machines."""

    def results(self, part: Callable[[int], Any], count: int) -> Iterable[Any]:
        """Return part(0) ... part(count - 1), wherever they are computed."""


_sharing: ContextVar[Sharing | None] = ContextVar("sharing", default=None)


def parts_elsewhere(part: Callable[[int], Any], count: int) -> Iterable[Any] | None:
    """Return part(0) ... part(count - 1) where they are shared out, else None; a single part is not.

    Parameters
    ----------
    part : callable
        Depends on nothing but its argument and the data, and gives what pickles.
    count : int
    """
    found = _sharing.get()
    return None if found is None or count < 2 else found.results(part, count)


def in_parts(part: Callable[[int], Result], count: int) -> Iterable[Result]:
    """Return part(0) ... part(count - 1), one after the other here or wherever they are shared out."""
    found = parts_elsewhere(part, count)
    return map(part, range(count)) if found is None else found


@contextmanager
def sharing(by: Sharing | None) -> Iterator[None]:
    """Let the parts of fits in this thread be shared out, or keep them here."""
    token = _sharing.set(by)
    try:
        yield
    finally:
        _sharing.reset(token)
