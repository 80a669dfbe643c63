"""The reference: what electrodes share with others is taken from each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError, check_choice
from heschl.ecog.recording.recording import Recording, Source

Double = NDArray[np.float64]

REFERENCES = ("group", "all", "bipolar", "none")


def rereference(recording: Recording, how: str = "group") -> Recording:
    """Subtract a reference from each electrode: a common average, or a neighbour.

    Parameters
    ----------
    recording : Recording
        Bad electrodes have no part in any mean.
    how : {"group", "all", "bipolar", "none"}
        What to subtract: the mean of the good electrodes of the same ``group`` (grid, strip, device); the mean of all
        good electrodes; the next electrode in the table, within the group (the last of a group is dropped); or nothing.

    Returns
    -------
    Recording
        With "bipolar", electrodes are named "a-b" and lie midway; others keep their names. A missing sample has no part
        in a mean; a bipolar sample is missing if either of the two is.

    Raises
    ------
    InputError
        For groups with one good electrode (its mean is itself), or none of two for "bipolar".

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import Recording, rereference
    >>> import pandas as pd
    >>> from heschl.ecog import ArraySource
    >>> values = np.random.default_rng(0).standard_normal((1000, 3)) + 10 * np.ones((1000, 3))
    >>> table = pd.DataFrame({"bad": False, "reason": "", "group": "G"}, index=["G1", "G2", "G3"])
    >>> events = pd.DataFrame(columns=["onset", "duration", "stimulus"])
    >>> recording = Recording(
    ...     "S1", 1000.0, 1000, ("G1", "G2", "G3"), table, events, np.zeros((0, 2)), ArraySource(values))
    >>> bool(abs(rereference(recording, "all").read(0, 1000, ["G1", "G2", "G3"]).sum()) < 1e-9)
    True
    >>> list(rereference(recording, "bipolar").electrodes.index)
    ['G1-G2', 'G2-G3']
    """
    check_choice("how", how, REFERENCES)
    if how == "none":
        return recording
    table = recording.electrodes
    groups = (
        table["group"].fillna("").astype(str) if how != "all" and "group" in table else table["bad"].map(lambda _: "")
    )
    members = {
        str(group): [str(name) for name in table.index[(groups == group) & ~table["bad"].astype(bool)]]
        for group in dict.fromkeys(groups)
    }
    if how == "bipolar":
        return _bipolar(recording, members)
    for group, names in members.items():
        if len(names) == 1:
            raise InputError(
                f"recording of {recording.subject}: group {group!r}", "one good electrode", "two or more",
                "Its mean would be itself: choose how = 'all', or mark it as bad.",
            )  # fmt: skip
    average = {name: [recording.names.index(n) for n in names] for names in members.values() for name in names}
    source = Referenced(recording.source, recording.names, {n: np.array(m) for n, m in average.items()})
    note = f"common average over {len(members)} group(s)" if how == "group" else "common average over all"
    return replace(recording, source=source, provenance=(*recording.provenance, note))


@dataclass(frozen=True)
class Referenced:
    """A source from which the mean of some of its channels is subtracted."""

    source: Source
    names: tuple[str, ...]
    average: dict[str, NDArray[np.int64]] = field(repr=False)

    def read(self, start: int, stop: int, channels: NDArray[np.int64]) -> Double:
        """Return samples [start, stop); channels without an average as they are."""
        out = self.source.read(start, stop, channels)
        groups = {self.average[self.names[c]].tobytes(): self.average[self.names[c]] for c in channels if self._has(c)}
        means = {key: _mean_of_known(self.source.read(start, stop, group)) for key, group in groups.items()}
        for i, c in enumerate(channels):
            if self._has(c):
                out[:, i] -= means[self.average[self.names[c]].tobytes()]
        return out

    def _has(self, channel: Any) -> bool:
        return self.names[channel] in self.average


@dataclass(frozen=True)
class Differences:
    """Differences of pairs of channels of a source; other channels as they are."""

    source: Source
    pairs: NDArray[np.int64] = field(repr=False)  # (n_channels, 2); −1 where there is no second

    def read(self, start: int, stop: int, channels: NDArray[np.int64]) -> Double:
        """Return samples [start, stop) of channels given by index."""
        first, second = self.pairs[channels].T
        out = self.source.read(start, stop, first)
        has = second >= 0
        out[:, has] -= self.source.read(start, stop, second[has])
        return out


def _bipolar(recording: Recording, members: dict[str, list[str]]) -> Recording:
    table = recording.electrodes
    pairs = [(a, b) for names in members.values() for a, b in pairwise(names)]
    if not pairs:
        raise InputError(f"recording of {recording.subject}", "no two good electrodes in a group", "pairs")
    rows = table.loc[[a for a, _ in pairs]].copy()
    second = table.loc[[b for _, b in pairs]]
    for axis in ("x", "y", "z"):
        if axis in table:
            rows[axis] = (rows[axis].to_numpy(float) + second[axis].to_numpy(float)) / 2
    rows.index = [f"{a}-{b}" for a, b in pairs]
    others = [name for name in recording.names if name not in table.index]
    place = {name: i for i, name in enumerate(recording.names)}
    index = [[place[a], place[b]] for a, b in pairs] + [[place[name], -1] for name in others]
    source = Differences(recording.source, np.array(index, dtype=np.int64))
    note = f"bipolar reference, {len(pairs)} pairs"
    names = (*rows.index, *others)
    return replace(recording, names=names, electrodes=rows, source=source, provenance=(*recording.provenance, note))


def _mean_of_known(samples: Double) -> Double:
    known = np.isfinite(samples)
    n = known.sum(axis=1)
    total = np.where(known, samples, 0.0).sum(axis=1)
    return np.asarray(np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0))
