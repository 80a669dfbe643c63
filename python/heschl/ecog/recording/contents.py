"""What the reader of one file format returns, and what all readers share: checked samples, orientation, bad spans."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog.recording.recording import Source

if TYPE_CHECKING:
    import pandas as pd

Event = tuple[float, float, str] | tuple[float, float, str, str]
"""Onset and duration in s (NaN where unknown), a name, and a session where events name one; onsets count from the first
sample held.
"""

BAD = re.compile(r"bad(?![^\W\d_])", re.IGNORECASE)
"""How the name of a span to leave out begins: "BAD", "bad_motion", "Bad 2", and not "badminton"."""
SLOWEST_HZ = 1.0
"""No recording has fewer samples per second. Times in ms without a unit would make one that has."""
FARTHEST_M = 1.0
"""From the origin of a head's coordinates; what lies farther away is in another unit than m."""
VOLTS = {"v": 1.0, "mv": 1e-3, "uv": 1e-6, "µv": 1e-6, "μv": 1e-6, "nv": 1e-9}
"""Units of voltage, in V; both Unicode letters that look like the micro sign are in use."""


@dataclass(frozen=True)
class Contents:
    """What a file holds, before tables and roles that the caller gives are applied.

    Attributes
    ----------
    sfreq : float
        Samples per second, Hz.
    n_samples : int
        Samples of each channel.
    names : list of str
        All channels.
    source : Source
        Their samples, in V where the file says so.
    electrodes : pandas.DataFrame or None
        What the file knows of its electrodes, by name.
    neural : list of str or None
        Channels that are electrodes; None where the file does not say.
    events : list of (onset, duration, name)
        Spans to leave out (see `BAD`) among them.
    mains : float or None
        Frequency of the mains where the file states it, Hz.
    notes : tuple of str
        What the reader had to decide, a sentence each.
    """

    sfreq: float
    n_samples: int
    names: list[str]
    source: Source
    electrodes: pd.DataFrame | None = None
    neural: list[str] | None = None
    events: list[Event] = field(default_factory=list)
    mains: float | None = None
    notes: tuple[str, ...] = ()


@contextmanager
def readable(path: Path, expected: str) -> Iterator[None]:
    """Turn whatever a library raises on a damaged file into an InputError that names the file.

    Libraries of file formats raise many types (OSError, KeyError, struct.error, zlib.error, AttributeError …), and each
    means the same to the user: this file cannot be read.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        found = f"no readable file ({type(error).__name__}: {str(error)[:200]})"
        raise InputError(str(path), found, expected) from error


@dataclass(frozen=True)
class CheckedSource:
    """The samples of a file; a fault that shows only when they are read is an InputError, too."""

    source: Source
    path: Path

    def read(self, start: int, stop: int, channels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return samples [start, stop) of channels given by index, (stop - start, n)."""
        if start == stop:
            return np.empty((0, len(channels)))
        with readable(self.path, "whole samples"):
            samples = self.source.read(start, stop, channels)
            if samples.shape != (stop - start, len(channels)):
                raise InputError(str(self.path), f"{len(samples)} samples from {start} on", f"{stop - start}")
            return samples


def is_transposed(shape: Sequence[int], n_channels: int | None, where: str) -> bool:
    """Tell whether a matrix is (n_channels, n_samples) rather than (n_samples, n_channels).

    Parameters
    ----------
    shape : (int, int)
        Of the matrix.
    n_channels : int or None
        Channels that names or electrodes count; None where nothing does.
    where : str
        The file and array, for messages.

    Raises
    ------
    InputError
        For a matrix that is neither, and one that may be either; the message gives both readings.
    """
    if len(shape) != 2 or 0 in shape:
        raise InputError(where, f"shape {tuple(shape)}", "(n_samples, n_channels), with samples and channels")
    rows, columns = shape
    both = f"{rows} samples of {columns} channels, or {columns} samples of {rows} channels"
    if n_channels is None:
        if rows > columns:
            return False
        raise InputError(
            where, f"shape ({rows}, {columns}) without names: {both}", "(n_samples, n_channels), or names",
            "Save the channels' names with the data, or transpose it.",
        )  # fmt: skip
    if n_channels not in shape:
        raise InputError(f"{where}: names", f"{n_channels} names", f"{columns}, one for each column of data")
    if rows == columns:
        raise InputError(
            where, f"shape ({rows}, {columns}) and {n_channels} names: {both}",
            "as many samples as tell them from the channels",
        )  # fmt: skip
    return columns != n_channels


def check_real(dtype: Any, where: str) -> None:
    """Refuse samples that are not real numbers."""
    if np.dtype(dtype).kind not in "fiu":
        advice = "Save its real part, or the amplitude." if np.dtype(dtype).kind == "c" else ""
        raise InputError(where, f"values of type {np.dtype(dtype)}", "real numbers", advice)


def check_rate(sfreq: Any, where: str) -> float:
    """Return one sampling rate above 0 Hz, or refuse it."""
    values = np.asarray(sfreq)
    if values.size != 1 or values.dtype.kind not in "fiu" or not 0 < float(values.reshape(-1)[0]) < 1e9:
        raise InputError(where, f"{np.ravel(values)[:3]} as the sampling rate", "one rate above 0 Hz")
    return float(values.reshape(-1)[0])
