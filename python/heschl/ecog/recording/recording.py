"""A continuous recording: what every file format is brought to, and what all later steps read, a piece at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError

if TYPE_CHECKING:
    import pandas as pd


class Source(Protocol):
    """Where samples come from: an open file, or an array in memory."""

    def read(self, start: int, stop: int, channels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give samples [start, stop) of some channels (by place in the file), (stop - start, n), in V."""
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
        Of each channel.
    names : tuple of str
        All channels of the file, in its order.
    electrodes : pandas.DataFrame
        One row per neural channel, indexed by its name: ``x``, ``y``, ``z`` (m; NaN where unknown), ``region`` and
        ``group`` (the grid, strip or device; "" where unknown), ``bad`` (bool) and ``reason`` ("" where it is good).
    events : pandas.DataFrame
        ``onset`` and ``duration`` (s from the first sample), ``stimulus`` (name without ".wav").
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

    @property
    def duration(self) -> float:
        """Length in s."""
        return self.n_samples / self.sfreq

    @property
    def good(self) -> list[str]:
        """Names of the electrodes that are not marked as bad."""
        return [str(name) for name in self.electrodes.index[~self.electrodes["bad"].to_numpy(bool)]]

    def read(self, start: int, stop: int, channels: Sequence[str]) -> NDArray[np.float64]:
        """Give samples [start, stop) of named channels, (stop - start, n_channels), in V.

        Raises
        ------
        InputError
            For a channel that is not there, and samples beyond the recording.
        """
        place = {name: i for i, name in enumerate(self.names)}
        for name in channels:
            if name not in place:
                raise InputError("channels", repr(name), f"one of the {len(place)} channels of {self.subject}")
        if not 0 <= start <= stop <= self.n_samples:
            raise InputError("start, stop", f"samples {start} to {stop}", f"samples within 0 to {self.n_samples}")
        return self.source.read(start, stop, np.array([place[name] for name in channels], dtype=np.int64))


@dataclass(frozen=True)
class ArraySource:
    """Samples in memory, or in anything sliced like an array: (n_samples, n_channels), in units of `scale` V."""

    values: NDArray[np.floating] = field(repr=False)
    scale: float = 1.0

    def read(self, start: int, stop: int, channels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give samples [start, stop) of some channels."""
        return np.asarray(self.values[start:stop], dtype=np.float64)[:, channels] * self.scale
