"""The responses of one subject, trial by trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Responses:
    """The responses of one subject.

    Attributes
    ----------
    subject : str
        The subject's name.
    electrodes : tuple of str
        Names of the electrodes, all different.
    sfreq : float
        Samples per second, Hz.
    onset : float
        Time of every trial's first sample, in s from the sound's onset (0, or before it).
    stimuli : tuple of str, one per trial
        Names without ".wav".
    trials : tuple of arrays, each (n_samples, n_electrodes)
        In the file's floating type; in the file's order; NaN where a response is missing.
    anatomy : mapping of str to (n_electrodes,) array
        ``region``, ``x``, ``y``, ``z`` (m, MNI): what is known of where the electrodes are.
    """

    subject: str
    electrodes: tuple[str, ...]
    sfreq: float
    onset: float
    stimuli: tuple[str, ...]
    trials: tuple[Array, ...]
    anatomy: Mapping[str, Array] = field(default_factory=dict)

    def times(self, trial: int) -> NDArray[np.float64]:
        """Give the times of a trial's samples, (n_samples,), in s from the sound's onset."""
        return self.onset + np.arange(len(self.trials[trial])) / self.sfreq

    def covered(self, trial: int) -> float:
        """Give the time up to which a trial was recorded, in s from the sound's onset."""
        return self.onset + len(self.trials[trial]) / self.sfreq
