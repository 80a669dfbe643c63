"""The noise ceiling of one subject's electrodes, of the responses as they are analysed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog import Responses, noise_ceiling, shared_noise
from heschl.ecog.ceiling import presentations
from heschl.study.inputs.groups import FitGroup
from heschl.study.inputs.trials import on_grid
from heschl.study.work.cache import Progress, save_arrays
from heschl.timing.grid import FrameGrid

Floats = NDArray[np.float64]

COLUMNS = ("r2", "low", "high", "reliable", "determined", "divisor", "snr")
SHARED = ("before", "before_p", "near", "near_p")
WHY = "why"


def write_ceiling(
    subject: Responses,
    grid: FrameGrid,
    durations: Mapping[str, float],
    tail: str,
    of: str,
    seed: int,
    path: Path,
    progress: Progress,
) -> None:
    """Write the ceiling of each electrode with its 95 % interval; or why there is none.

    Parameters
    ----------
    subject, grid, durations, tail
        As `heschl.study.inputs.trials.on_grid` takes them.
    of : {"mean", "single"}
        Whether repeats are averaged.
    seed : int
        Of random halves.
    path : Path
        The file: arrays (n_electrodes,) named as in `COLUMNS` and `SHARED`, and how often each stimulus was presented
        ("stimuli", "repeats"); or one text named "why".
    progress : callable
    """
    analysed = on_grid(subject, grid, durations, tail)
    try:
        found = noise_ceiling(analysed, of=of, random_state=seed)
    except InputError as error:
        save_arrays(path, {WHY: np.array(error.found)})
        return
    arrays = {column: found[column].to_numpy() for column in COLUMNS}
    beside = shared_noise(subject)
    arrays |= {column: beside[column].to_numpy() for column in SHARED}
    counts = presentations(analysed)
    arrays |= {"stimuli": np.array(list(counts)), "repeats": np.array([repeats for repeats, _ in counts.values()])}
    save_arrays(path, arrays)


def fold_squares(group: FitGroup) -> tuple[Floats, Floats, Floats]:
    """Return each fold's known frames, and the squares of its responses about the training folds' mean and its own.

    Each is (n_folds, n_electrodes).
    """
    y, rows = group.y.astype(np.float64), np.repeat(group.folds, group.lengths)
    frames, about_training, about_own = [], [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an electrode may be unknown in a whole fold
        for k in np.unique(rows):
            part, rest = y[rows == k], y[rows != k]
            frames.append(np.isfinite(part).sum(axis=0))
            about_training.append(np.nansum(np.square(part - np.nanmean(rest, axis=0)), axis=0))
            about_own.append(np.nansum(np.square(part - np.nanmean(part, axis=0)), axis=0))
    return np.array(frames, dtype=np.float64), np.array(about_training), np.array(about_own)


def fold_shares(group: FitGroup, repeats: Mapping[str, int]) -> Floats:
    """Return the mean over each fold's frames of 1 / R, given the presentations that each stimulus' mean is of."""
    shares = np.array([1 / repeats[name] for name, _ in group.segments])
    folds = np.unique(group.folds)
    return np.array([np.average(shares[group.folds == k], weights=group.lengths[group.folds == k]) for k in folds])
