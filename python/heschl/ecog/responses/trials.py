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
    """The responses of one subject, trial by trial.

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
        Names of the sounds, without the suffix of a file.
    trials : tuple of arrays, each (n_samples, n_electrodes)
        In the file's floating type; in the file's order; NaN where a response is missing.
    anatomy : mapping of str to (n_electrodes,) array
        ``region``, ``x``, ``y``, ``z`` (m, MNI): what is known of where the electrodes are.
    sessions : tuple of str, one per trial, or empty
        The recording session (run, block) of each trial; empty where sessions are not known.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import Responses
    >>> trials = (np.zeros((60, 2)), np.zeros((50, 2)))
    >>> responses = Responses("S1", ("e1", "e2"), 100.0, -0.1, ("a", "b"), trials)
    >>> responses.times(0)[:2].tolist(), round(responses.covered(1), 3)
    ([-0.1, -0.09000000000000001], 0.4)
    """

    subject: str
    electrodes: tuple[str, ...]
    sfreq: float
    onset: float
    stimuli: tuple[str, ...]
    trials: tuple[Array, ...]
    anatomy: Mapping[str, Array] = field(default_factory=dict)
    sessions: tuple[str, ...] = ()

    def times(self, trial: int) -> NDArray[np.float64]:
        """Return the times of a trial's samples, (n_samples,), in s from the sound's onset."""
        return self.onset + np.arange(len(self.trials[trial])) / self.sfreq

    def covered(self, trial: int) -> float:
        """Return the time up to which a trial was recorded, in s from the sound's onset."""
        return self.onset + len(self.trials[trial]) / self.sfreq
