"""Responses exchanged among segments of one length, or shifted within their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from heschl.checks import InputError
from heschl.linear.device.arrays import Bounds, Integers

Move = tuple[Integers, Integers]  # of each segment: whose responses it gets, and their circular shift in frames


@dataclass(frozen=True)
class Permuter:
    """Which responses may go where: `classes` hold units of equal lengths, (n_units, segments of a unit) each."""

    bounds: Bounds
    unit: Integers  # (n_segments,)
    classes: list[Integers]

    @classmethod
    def of(cls, bounds: Bounds, fold: Integers, groups: ArrayLike | None) -> Permuter:
        """Units are segments, or the repeats of a stimulus."""
        n, lengths = len(bounds), bounds[:, 1] - bounds[:, 0]
        labels = np.arange(n) if groups is None else np.asarray(groups)
        if labels.shape != (n,):
            raise InputError("groups", f"an array of shape {labels.shape}", f"{n} labels, one per segment")
        unit = np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.int64)
        members: dict[int, list[int]] = {}
        for s, u in enumerate(unit.tolist()):
            members.setdefault(u, []).append(s)
        alike: dict[tuple[int, ...], list[list[int]]] = {}
        for segments in members.values():
            if len(set(fold[segments].tolist())) > 1:
                raise InputError(
                    "folds", f"stimulus {labels[segments[0]]!r} in folds {sorted(set(fold[segments].tolist()))}",
                    "all repeats of a stimulus in one fold", "See group_folds.",
                )  # fmt: skip
            alike.setdefault(tuple(lengths[segments].tolist()), []).append(segments)
        if lengths.max() == 1 and all(len(units) == 1 for units in alike.values()):
            raise InputError("segments", "nothing to exchange or to shift", "segments of equal length, or longer ones")
        classes = [np.array(units, dtype=np.int64) for units in alike.values()]
        return cls(bounds, unit, classes)

    def identity(self) -> Move:
        """The true alignment."""
        return np.arange(len(self.bounds)), np.zeros(len(self.bounds), dtype=np.int64)

    def draw(self, rng: np.random.Generator) -> Move:
        """One permutation. Repeats of a stimulus that nothing can be exchanged with are shifted together."""
        source, shift = self.identity()
        for units in self.classes:
            source[units] = units[rng.permutation(len(units))]
        alone = np.concatenate([units[0] for units in self.classes if len(units) == 1] or [source[:0]])
        lengths = self.bounds[alone, 1] - self.bounds[alone, 0]
        shift[alone] = np.floor(rng.random(int(self.unit.max()) + 1)[self.unit[alone]] * lengths)
        return source, shift

    def rows(self, move: Move) -> Integers:
        """Row of the responses that each frame gets, (n,)."""
        source, shift = move
        lengths = self.bounds[:, 1] - self.bounds[:, 0]
        time = np.arange(int(lengths.sum())) - np.repeat(self.bounds[:, 0] + shift, lengths)
        return np.asarray(np.repeat(self.bounds[source, 0], lengths) + time % np.repeat(lengths, lengths))
