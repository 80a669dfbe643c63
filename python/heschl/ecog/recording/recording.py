"""A continuous recording: what every file format is brought to, and what all later steps read, a piece at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.names import name_hint, plain_name

if TYPE_CHECKING:
    import pandas as pd


class Source(Protocol):
    """Where samples come from: an open file, or an array in memory."""

    def read(self, start: int, stop: int, channels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return samples [start, stop) of channels given by index, (stop - start, n), in V."""
        ...


@dataclass(frozen=True)
class Recording:
    """A recording of one subject and run.

    Attributes
    ----------
    subject : str
        The subject's name.
    sfreq : float
        Samples per second, Hz.
    n_samples : int
        Samples of each channel.
    names : tuple of str
        All channels of the file, in its order.
    electrodes : pandas.DataFrame
        One row per neural channel, indexed by its name: ``x``, ``y``, ``z`` (m; NaN where unknown), ``region`` and
        ``group`` (the grid, strip or device; "" where unknown), ``bad`` (bool) and ``reason`` ("" where it is good).
    events : pandas.DataFrame
        ``onset`` and ``duration`` (s from the first sample), ``stimulus`` (name without ".wav"); ``session`` where the
        table of events has it.
    artefacts : (n, 2) array of float64
        Spans [start, end) in s in which no neural channel is to be trusted.
    audio : str or None
        The channel that recorded the sound.
    trigger : str or None
        The channel of trigger codes.
    source : Source
        The samples.
    provenance : tuple of str
        What was read and done, a sentence each.
    mains : float or None
        Frequency of the mains as the file or its sidecar states it, Hz; None where it does not.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import ArraySource, Recording
    >>> import pandas as pd
    >>> table = pd.DataFrame({"bad": [False, True], "reason": ["", "flat"]}, index=["G1", "G2"])
    >>> events = pd.DataFrame({"onset": [0.5], "duration": [1.0], "stimulus": ["a"]})
    >>> source = ArraySource(np.zeros((2000, 2)))
    >>> recording = Recording("S1", 1000.0, 2000, ("G1", "G2"), table, events, np.zeros((0, 2)), source)
    >>> recording.duration, recording.good, recording.read(0, 10, ["G1"]).shape
    (2.0, ['G1'], (10, 1))
    """

    subject: str
    sfreq: float
    n_samples: int
    names: tuple[str, ...]
    electrodes: pd.DataFrame
    events: pd.DataFrame
    artefacts: NDArray[np.float64]
    source: Source = field(repr=False)
    audio: str | None = None
    trigger: str | None = None
    provenance: tuple[str, ...] = ()
    mains: float | None = None

    @property
    def duration(self) -> float:
        """Length in s."""
        return self.n_samples / self.sfreq

    @property
    def good(self) -> list[str]:
        """Names of the electrodes that are not marked as bad."""
        return [str(name) for name in self.electrodes.index[~self.electrodes["bad"].to_numpy(bool)]]

    def read(self, start: int, stop: int, channels: Sequence[str]) -> NDArray[np.float64]:
        """Return samples of some channels.

        Parameters
        ----------
        start, stop : int
            The samples [start, stop), counted from the recording's first.
        channels : sequence of str
            Names of channels, electrodes or not.

        Returns
        -------
        (stop - start, n_channels) array of float64
            In V; NaN where a sample is missing.

        Raises
        ------
        InputError
            For a channel that is not there, samples beyond the recording, and a file that turns out to be damaged.
        """
        place = {name: i for i, name in enumerate(self.names)}
        names = [plain_name(name, "channels") for name in channels]
        for name in names:
            if name not in place:
                expected = f"one of the {len(place)} channels of {self.subject}"
                raise InputError("channels", repr(name), expected, name_hint(name, place))
        if not 0 <= start <= stop <= self.n_samples:
            raise InputError("start, stop", f"samples {start} to {stop}", f"samples within 0 to {self.n_samples}")
        return self.source.read(start, stop, np.array([place[name] for name in names], dtype=np.int64))


@dataclass(frozen=True)
class ArraySource:
    """Samples in memory, or in anything sliced like an array.

    Attributes
    ----------
    values : (n_samples, n_channels) array
        Real numbers.
    scale : float
        The unit of `values`, V.
    transposed : bool
        Whether `values` is (n_channels, n_samples).

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import ArraySource
    >>> ArraySource(np.arange(6.0).reshape(3, 2), scale=0.5).read(1, 3, np.array([1])).tolist()
    [[1.5], [2.5]]
    """

    values: NDArray[np.floating] = field(repr=False)
    scale: float = 1.0
    transposed: bool = False

    def read(self, start: int, stop: int, channels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return samples [start, stop) of channels given by index, (stop - start, n), in V."""
        rows = self.values[:, start:stop].T if self.transposed else self.values[start:stop]
        return np.asarray(rows, dtype=np.float64)[:, channels] * self.scale
