"""Tasks as they are submitted; and pieces that are made in shares, as the client learns what they consist of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from heschl.study.cluster.shares import Place
from heschl.study.work.cache import Piece

if TYPE_CHECKING:
    from distributed import Future

LONG = 30.0
"""Seconds that a piece takes at least to be made in shares: each of them reads the features anew."""
LONG_PART = 0.25
"""Of the time that all work takes if it spreads evenly: a whole piece that takes so long is begun first."""
PIECES = 10.0
"""Of one stage for each worker: where all that is left are more of them, whole ones keep workers busy to the end."""


@dataclass
class Task:
    """One task that was submitted, and what it is of."""

    name: str
    title: str  # of its stage
    seconds: float  # expected
    piece: Piece | None = None  # none where it extracts features
    waits: list[Future] = field(default_factory=list)
    node: Node | None = None  # where the piece is made in shares


@dataclass
class Node:
    """A piece that is made in shares, or a part of one.

    Attributes
    ----------
    place : Place
    above : Node or None
        What it is a part of.
    submit : callable
        Submits a node: to be gone through with what is known.
    seconds : float
        Expected of what is left of it.
    steps : list of list of Future
        The parts of it, step by step.
    to_come : int
        Parts of the last step that are not there yet.
    failed : bool
        Of the whole piece: whether one of its parts failed.
    """

    place: Place
    above: Node | None
    submit: Callable[[Node], object]
    seconds: float
    steps: list[list[Future]] = field(default_factory=list)
    to_come: int = 0
    failed: bool = False

    @property
    def whole(self) -> Node:
        """The node of the whole piece."""
        return self if self.above is None else self.above.whole

    def known(self) -> tuple[dict[Place, list[int]], list[Future]]:
        """Return how many parts each step has of this node and those above, and all of these parts."""
        counts, shares = ({}, []) if self.above is None else self.above.known()
        if self.above is not None:  # of the one above, steps before this part's
            step = self.place[-1][0]
            later = sum(counts[self.above.place][step:])
            counts[self.above.place] = counts[self.above.place][:step]
            shares = shares[: len(shares) - later]
        counts[self.place] = [len(step) for step in self.steps]
        return counts, shares + [part for step in self.steps for part in step]

    def cut(self, count: int) -> None:
        """Submit the parts of the next step, unless another part of the piece has failed meanwhile."""
        if self.whole.failed:
            return
        step = len(self.steps)
        self.steps.append([None] * count)
        self.to_come, self.seconds = count, self.seconds / 2  # as if the step were half of what is left
        for i in range(count):
            part = Node((*self.place, (step, i)), self, self.submit, self.seconds / count)
            part.submit(part)

    def found(self, future: Future) -> None:
        """Take a part, this one, as found; with the last of its step the node above goes on."""
        assert self.above is not None, "the whole piece is written, not found"
        step, at = self.place[-1]
        self.above.steps[step][at] = future
        self.above.to_come -= 1
        if not self.above.to_come and not self.whole.failed:
            self.above.submit(self.above)


def in_shares(seconds: float, left: float, n_workers: int) -> bool:
    """Return whether a piece is made in shares: it is long, and there are too few for so many workers.

    Parameters
    ----------
    seconds : float
        Of the piece.
    left : float
        Seconds of all work that is left.
    n_workers : int

    Examples
    --------
    >>> in_shares(1300.0, 60 * 1300.0, 64), in_shares(1300.0, 60 * 1300.0, 4), in_shares(2.0, 120.0, 64)
    (True, False, False)
    """
    return n_workers > 1 and seconds >= LONG and seconds * PIECES > left / n_workers


def begun_first(seconds: float, left: float, n_workers: int) -> bool:
    """Return whether a whole piece is so long that, begun late, it would keep one worker busy after all others.

    Examples
    --------
    >>> begun_first(900.0, 64 * 1500.0, 64), begun_first(90.0, 64 * 1500.0, 64)
    (True, False)
    """
    return seconds * n_workers > LONG_PART * left
