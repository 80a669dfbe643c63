"""Responses of whole stimuli exchanged among stimuli of nearly the same length."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heschl.checks import InputError
from heschl.linear.design.segments import labels_of_segments
from heschl.linear.device.arrays import Bounds, Integers
from heschl.notices import warn

Move = tuple[Integers, Integers]  # of each segment: whose responses it gets, and their circular shift in frames

# Shares of the frames above which a permutation test says what it loses.
MUCH_CROPPED, MUCH_STAYING = 0.2, 0.34


class ExchangeWarning(UserWarning):
    """A permutation test that holds, but has little to exchange."""


@dataclass(frozen=True)
class Permuter:
    """Which responses may take whose place.

    Units are stimuli, each with the segments of its repeats in order. Units are sorted by length and cut into bins;
    the members of a bin are cropped at their end to the shortest of them, in the data as in every permutation, and
    exchange their responses. Cropped so, nothing distinguishes the true alignment from the others where the responses
    are exchangeable, whatever all stimuli evoke alike at a time since their onset: p values are exact. Bins are those
    that lose the fewest frames, cropped or expected to stay in place (one unit of each bin does, on average).

    A recording that is one single unit has no other to exchange with: it is circularly shifted.

    Attributes
    ----------
    bounds : ndarray of shape (n_segments, 2)
    bins : list of ndarray of shape (n_units, repeats)
        Segments of the units of each bin.
    length : ndarray of shape (n_segments,)
        Frames of each segment that take part.
    """

    bounds: Bounds
    bins: list[Integers]
    length: Integers

    @classmethod
    def of(
        cls, bounds: Bounds, fold: Integers, groups: ArrayLike | None, sessions: ArrayLike | None = None
    ) -> Permuter:
        """Bin units that were repeated as often in the same sessions.

        Parameters
        ----------
        bounds : ndarray of shape (n_segments, 2)
        fold : ndarray of shape (n_segments,)
        groups : array-like of shape (n_segments,), optional
            Stimulus of each segment. None: each by itself.
        sessions : array-like of shape (n_segments,), optional
            Session of each segment: responses stay in their session. None: one session.
        """
        n, lengths = len(bounds), bounds[:, 1] - bounds[:, 0]
        unit = labels_of_segments("groups", groups, n)
        session = labels_of_segments("sessions", np.zeros(n, np.int64) if sessions is None else sessions, n)
        members: dict[Any, list[int]] = {}
        for s, label in enumerate(unit.tolist()):
            members.setdefault(label, []).append(s)
        alike: dict[tuple[Any, ...], list[list[int]]] = {}
        for label, segments in members.items():
            if len(set(fold[segments].tolist())) > 1:
                raise InputError(
                    "folds", f"stimulus {label!r} in folds {sorted(set(fold[segments].tolist()))}",
                    "all repeats of a stimulus in one fold", "See group_folds.",
                )  # fmt: skip
            alike.setdefault(tuple(session[segments].tolist()), []).append(segments)
        bins: list[Integers] = []
        for units in alike.values():
            several = np.array(units, dtype=np.int64)
            shortest = lengths[several].min(axis=1)
            order = np.argsort(shortest, kind="stable")
            bins += [several[order[first:last]] for first, last in length_bins(shortest[order])]
        kept = lengths.copy()
        for members_of_bin in bins:
            if len(members_of_bin) > 1:
                kept[members_of_bin] = lengths[members_of_bin].min()
        found = cls(bounds, bins, kept)
        if all(len(own) == 1 for own in bins) and not (found.shifted and lengths.max() > 1):
            raise InputError(
                "segments", f"{len(members)} stimuli and nothing to exchange among them",
                "two or more stimuli heard equally often in the same sessions", "Give fewer `sessions`, or none.",
            )  # fmt: skip
        return found

    @property
    def shifted(self) -> bool:
        """Whether all is one unit, which is shifted."""
        return len(self.bins) == 1 and len(self.bins[0]) == 1

    @property
    def keep(self) -> NDArray[np.bool_]:
        """Rows that take part, (n,)."""
        lengths = self.bounds[:, 1] - self.bounds[:, 0]
        return _times(self.bounds) < np.repeat(self.length, lengths)

    @property
    def cropped(self) -> float:
        """Share of the frames that do not take part."""
        return 1.0 - float(self.length.sum()) / float((self.bounds[:, 1] - self.bounds[:, 0]).sum())

    @property
    def staying(self) -> float:
        """Share of the frames that a permutation leaves in place, on average."""
        if self.shifted:
            return 1.0 / float(self.length.max())
        return sum(float(self.length[own].sum()) / len(own) for own in self.bins) / float(self.length.sum())

    @property
    def arrangements(self) -> float:
        """How many different permutations there are; infinite above 1e300."""
        if self.shifted:
            return float(self.length.max())
        log = sum(math.lgamma(len(own) + 1) for own in self.bins)
        return math.exp(log) if log < 690 else math.inf

    def tell(self, n_permutations: int) -> None:
        """Warn where much is cropped or stays, or where there are fewer arrangements than permutations."""
        notes = []
        if self.cropped > MUCH_CROPPED:
            share = f"{self.cropped:.0%}"
            notes.append(f"{share} of the frames are left out, for few stimuli are of nearly the same length")
        if self.staying > MUCH_STAYING:
            notes.append(
                f"a permutation leaves {self.staying:.0%} of the frames in place, for few stimuli can take each "
                "other's place: the test is weak"
            )
        if self.arrangements < n_permutations:
            notes.append(f"there are only {self.arrangements:.0f} different permutations")
        if notes:
            warn("; ".join(notes) + ".", ExchangeWarning)

    def identity(self) -> Move:
        """Return the true alignment."""
        return np.arange(len(self.bounds)), np.zeros(len(self.bounds), dtype=np.int64)

    def draw(self, rng: np.random.Generator) -> Move:
        """Draw a permutation: units at random within their bins, all repeats of a unit together."""
        source, shift = self.identity()
        if self.shifted:
            own = self.bounds[:, 1] - self.bounds[:, 0]
            return source, np.floor(rng.random() * own).astype(np.int64)
        for units in self.bins:
            source[units] = units[rng.permutation(len(units))]
        return source, shift

    def rows(self, move: Move) -> Integers:
        """Return the row of the responses that each frame gets, (n,); its own where it takes no part."""
        source, shift = move
        lengths = self.bounds[:, 1] - self.bounds[:, 0]
        time = _times(self.bounds)
        if self.shifted:
            time = (time - np.repeat(shift, lengths)) % np.repeat(lengths, lengths)
        moved = np.repeat(self.bounds[source, 0], lengths) + time
        return np.asarray(np.where(self.keep, moved, np.arange(len(moved))))


def length_bins(lengths: Integers) -> list[tuple[int, int]]:
    """Cut lengths in ascending order into bins, as (first, one past the last).

    A bin of lengths l₁ ≤ … ≤ l_b costs the frames cropped from it, Σ (l_i - l₁), and those expected to stay in place,
    l₁: the cheapest bins of all, by dynamic programming.

    Examples
    --------
    >>> length_bins(np.array([50, 50, 51, 51, 90, 92, 93]))
    [(0, 4), (4, 7)]
    """
    n = len(lengths)
    total = np.concatenate([[0], np.cumsum(lengths, dtype=np.float64)])
    cost, start = np.zeros(n + 1), np.zeros(n + 1, dtype=np.int64)
    first = np.arange(n)
    for last in range(1, n + 1):
        begin = first[:last]
        each = cost[begin] + total[last] - total[begin] - (last - begin - 1) * lengths[begin]
        start[last] = int(np.argmin(each))
        cost[last] = each[start[last]]
    bins, last = [], n
    while last > 0:
        bins.append((int(start[last]), last))
        last = int(start[last])
    return bins[::-1]


def _times(bounds: Bounds) -> Integers:
    """Return the frames since the onset of its segment, for each row."""
    lengths = bounds[:, 1] - bounds[:, 0]
    return np.arange(int(lengths.sum())) - np.repeat(bounds[:, 0], lengths)
