"""Trials on the study's frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog import Responses
from heschl.timing.grid import FrameGrid
from heschl.timing.resample import resample_known

Resample = Callable[[NDArray[Any], NDArray[np.float64], NDArray[np.float64]], NDArray[Any]]
"""Brings a trial (n, c) from its times to others, s."""


def on_grid(
    subject: Responses,
    grid: FrameGrid,
    durations: Mapping[str, float],
    tail: str,
    resample: Resample = resample_known,
) -> Responses:
    """Return a subject's trials as they are analysed: at the grid's frames, as long as the study takes them.

    Parameters
    ----------
    subject : Responses
    grid : FrameGrid
        The study's frames.
    durations : mapping of stimulus to float
        Of the sounds, s.
    tail : {"silence", "crop"}
        Whether a response that outlasts its sound is kept or cropped.
    resample : callable
        What brings a trial onto the frames.

    Raises
    ------
    InputError
        For a trial that covers no frame.
    """
    trials = []
    for i, name in enumerate(subject.stimuli):
        end = subject.covered(i)
        if tail == "crop":
            end = min(end, durations[name])
        n_frames = grid.n_frames(end) if end > 0 else 0
        if n_frames < 1:
            raise InputError(
                f"subject {subject.subject}, trial {i} ({name})",
                f"{end:g} s of sound and response",
                f"at least one frame of the grid ({grid.rate:g} Hz)",
                "Leave this trial out.",
            )
        trials.append(resample(subject.trials[i], subject.times(i), grid.times(n_frames)))
    return replace(subject, sfreq=grid.rate, onset=float(grid.times(1)[0]), trials=tuple(trials))
