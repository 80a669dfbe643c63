"""The frame grid: at which times a space's frames lie, and how many fit into a sound, in exact integers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError

_ROUNDING_UNITS = 1e-6
"""A duration this close below a whole number of units is that number: rounding put it there."""


@dataclass(frozen=True)
class FrameGrid:
    """Frames at equal distances, counted in whole units of time.

    Frame i is centred ``centre + stride * i`` units after the sound's onset, and exists where the sound is at
    least ``width + stride * i`` units long.

    Parameters
    ----------
    unit_hz : float
        Units per second, Hz (for a model's frames: its sampling rate, so that a unit is one sample).
    stride : int
        Units from one frame to the next, at least 1.
    centre : int
        Units from the sound's onset to the middle of frame 0.
    width : int
        Units of sound that frame 0 needs, at least 1.

    Raises
    ------
    InputError
        For a rate that is not above 0, and a stride or width below 1.

    Examples
    --------
    >>> from heschl.timing import FrameGrid
    >>> wav2vec2 = FrameGrid(unit_hz=16000.0, stride=320, centre=200, width=400)
    >>> wav2vec2.n_frames(1.0), wav2vec2.rate
    (49, 50.0)
    >>> wav2vec2.times(2).tolist()
    [0.0125, 0.0325]
    """

    unit_hz: float
    stride: int
    centre: int
    width: int

    def __post_init__(self) -> None:
        """Refuse a grid that does not advance."""
        _check_rate("unit_hz", self.unit_hz)
        for name in ("stride", "width"):
            if getattr(self, name) < 1:
                raise InputError(f"FrameGrid: {name}", str(getattr(self, name)), "at least 1 unit")

    @classmethod
    def from_rate(cls, rate: float) -> FrameGrid:
        """Frames that tile time: frame i is [i / rate, (i + 1) / rate), centred in it.

        Parameters
        ----------
        rate : float
            Frames per second, Hz.

        Returns
        -------
        FrameGrid
            In units of half a frame.

        Raises
        ------
        InputError
            For a rate that is not a finite number above 0.

        Examples
        --------
        >>> from heschl.timing import FrameGrid
        >>> FrameGrid.from_rate(25.0).times(2).tolist()
        [0.02, 0.06]
        """
        _check_rate("rate", rate)
        return cls(unit_hz=2.0 * rate, stride=2, centre=1, width=2)

    @property
    def rate(self) -> float:
        """Frames per second, Hz."""
        return self.unit_hz / self.stride

    def n_frames(self, duration: float) -> int:
        """Count the frames that a sound holds whole.

        Parameters
        ----------
        duration : float
            Of the sound, in s.

        Returns
        -------
        int
            0 for a sound shorter than one frame.

        Raises
        ------
        InputError
            For a duration that is negative or not finite.

        Examples
        --------
        >>> from heschl.timing import FrameGrid
        >>> FrameGrid.from_rate(50.0).n_frames(1.01)
        50
        """
        if not (math.isfinite(duration) and duration >= 0):
            raise InputError("duration", str(duration), "a finite number of seconds, at least 0")
        units = math.floor(duration * self.unit_hz + _ROUNDING_UNITS)
        return 0 if units < self.width else (units - self.width) // self.stride + 1

    def times(self, n: int) -> NDArray[np.float64]:
        """Return the centres of the first n frames.

        Parameters
        ----------
        n : int
            How many frames.

        Returns
        -------
        (n,) array of float64
            Seconds from the sound's onset.

        Examples
        --------
        >>> from heschl.timing import FrameGrid
        >>> FrameGrid.from_rate(50.0).times(2).tolist()
        [0.01, 0.03]
        """
        return (self.centre + self.stride * np.arange(n, dtype=np.int64)) / self.unit_hz


def _check_rate(name: str, rate: float) -> None:
    if not (math.isfinite(rate) and rate > 0):
        raise InputError(name, f"{rate} Hz", "a finite rate above 0 Hz")
