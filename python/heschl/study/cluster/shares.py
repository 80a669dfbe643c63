"""A piece in shares: a long fit that several workers make together, to the same last digit as one.

Each of them goes through the whole piece. Where the fit comes to parts that do not depend on each other
(`heschl.linear.device.elsewhere`: moments of folds, training sets, outer folds) it takes what is known already; a
worker that is asked for one of the parts computes it and stops; and where nothing is known the piece stops, and says
how many parts there are. So the client learns part by part what a piece consists of, asks workers for the parts, and
in the end one worker goes through the piece with all of them at hand, and writes it. Parts stay in the memory of the
workers, and travel from one to the other by Dask.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from heschl.linear.device.elsewhere import sharing
from heschl.linear.ridge.normal import PrecisionError

Place = tuple[tuple[int, int], ...]
"""Where a part lies in a piece: at which of its steps, the how manieth; and so on inside of that part. () is all."""


@dataclass(frozen=True)
class Reached:
    """What comes back from a piece, or from a part of it, that does not know enough to go on.

    Attributes
    ----------
    seconds : float
        That it took, and the parts of the step before.
    count : int
        Of the parts of its next step.
    """

    seconds: float
    count: int


@dataclass(frozen=True)
class Share:
    """A part of a piece.

    Attributes
    ----------
    seconds : float
        That it took, and the parts that it consists of.
    value : object
        What was found, or a `Raised`.
    """

    seconds: float
    value: Any = field(repr=False)

    def __sizeof__(self) -> int:
        """Return the bytes of its arrays, by which Dask decides where to use it."""
        sizes: list[int] = []
        rest = pickle.dumps(self.value, protocol=5, buffer_callback=lambda buffer: sizes.append(buffer.raw().nbytes))
        return sum(sizes) + len(rest)


@dataclass(frozen=True)
class Raised:
    """A part that float32 is too coarse for: the whole fit is then one in float64, as it would be on one machine."""

    error: PrecisionError


@dataclass(frozen=True)
class Known:
    """What workers have found of a piece.

    Attributes
    ----------
    counts : mapping of Place to sequence of int
        Of each part that is not finished, the number of parts of each of its steps.
    shares : sequence of Share
        All of them, in this order.
    """

    counts: Mapping[Place, Sequence[int]]
    shares: Sequence[Share]

    def steps(self, place: Place) -> list[list[Share]]:
        """Return the parts of each step that is known of a part."""
        found: dict[Place, list[list[Share]]] = {}
        at = 0
        for other, counts in self.counts.items():
            found[other] = []
            for count in counts:
                found[other].append(list(self.shares[at : at + count]))
                at += count
        return found.get(place, [])

    def latest_seconds(self, place: Place) -> float:
        """Return the seconds of the last step: earlier ones have been told before."""
        steps = self.steps(place)
        return sum(share.seconds for share in steps[-1]) if steps else 0.0


class _Unknown(Exception):
    """Parts of which nothing is known."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count


class _Found(Exception):
    """The part that was asked for."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class _Replay:
    """Gives a fit what is known of it, up to the part that is asked for."""

    def __init__(self, known: Known, wanted: Place) -> None:
        self._known, self._wanted = known, wanted
        self._place: Place = ()
        self._step = 0

    def results(self, part: Callable[[int], Any], count: int) -> Iterable[Any]:
        place, step = self._place, self._step
        self._step += 1
        steps = self._known.steps(place)
        if step < len(steps):
            return map(_value, steps[step])
        inner = self._wanted[len(place) : len(place) + 1]
        if inner and inner[0][0] == step:
            self._place, self._step = (*place, inner[0]), 0
            try:
                value = part(inner[0][1])
            except PrecisionError as error:
                value = Raised(error)
            raise _Found(value)
        raise _Unknown(count)


def _value(share: Share) -> Any:
    if isinstance(share.value, Raised):
        raise share.value.error
    return share.value


def gone_through(work: Callable[[], object], known: Known | None, wanted: Place = ()) -> int | Share | None:
    """Go through a piece, as far as is known.

    Parameters
    ----------
    work : callable
        Makes the whole piece.
    known : Known or None
        None: it is not cut.
    wanted : Place
        The part that is asked for.

    Returns
    -------
    int, Share or None
        The number of parts of a step that is not known; or the part (its seconds not counted yet); or nothing, where
        the piece is made.
    """
    try:
        with sharing(None if known is None else _Replay(known, wanted)):
            work()
    except _Unknown as unknown:
        return unknown.count
    except _Found as found:
        return Share(0.0, found.value)
    return None
