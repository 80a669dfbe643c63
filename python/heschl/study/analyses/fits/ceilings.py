"""The noise ceiling of one subject's electrodes, of the responses as they are analysed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from heschl.checks import InputError
from heschl.ecog import Responses
from heschl.ecog.ceiling import noise_ceiling
from heschl.study.inputs.trials import on_grid
from heschl.study.work.cache import Progress, save_arrays
from heschl.timing.grid import FrameGrid

COLUMNS = ("r2", "low", "high", "reliable")
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
        Of the bootstrap.
    path : Path
        The file: arrays (n_electrodes,) named as in `COLUMNS`, or one text named "why".
    progress : callable
    """
    try:
        found = noise_ceiling(on_grid(subject, grid, durations, tail), of=of, random_state=seed)
    except InputError as error:
        save_arrays(path, {WHY: np.array(error.found)})
    else:
        save_arrays(path, {column: found[column].to_numpy() for column in COLUMNS})
