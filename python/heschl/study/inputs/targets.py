"""Stage 2, targets: the responses on the study's grid, and the subjects whose responses one fit can share.

Subjects who heard the same stimuli over the same frames are targets of one fit, all their electrodes side by
side: the features are then gone through once for all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog import Responses
from heschl.linear import group_folds
from heschl.study.inputs.load import Inputs
from heschl.timing.grid import FrameGrid
from heschl.timing.resample import resample_known

Segments = tuple[tuple[str, int], ...]
"""(stimulus, frames) of each segment, in the order of the rows."""


@dataclass(frozen=True)
class FitGroup:
    """Targets that share their segments, and so one fit per layer.

    Attributes
    ----------
    subjects, electrodes : tuple of str, one per electrode
        Whose electrode, and its name.
    segments : tuple of (stimulus, frames)
        In the order of the rows.
    y : array of shape (n_frames, n_electrodes), float32
        The responses; NaN where one is missing.
    y_shuffled : array of shape (n_frames, n_electrodes) or (n_frames, 0), float32
        Each stimulus with the response to another one; no column where this control was not asked for.
    folds : array of shape (n_segments,), int
        The outer fold in which each segment is the test; all segments of a stimulus share theirs.
    """

    subjects: tuple[str, ...]
    electrodes: tuple[str, ...]
    segments: Segments
    y: NDArray[np.float32]
    y_shuffled: NDArray[np.float32]
    folds: NDArray[np.intp]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Frames of each segment."""
        return np.array([n for _, n in self.segments], dtype=np.int64)

    @property
    def stimuli(self) -> list[str]:
        """Give the different stimuli, in sorted order."""
        return sorted({name for name, _ in self.segments})

    @property
    def targets(self) -> NDArray[np.float32]:
        """All columns to fit: the responses, then the shuffled ones."""
        return np.concatenate([self.y, self.y_shuffled], axis=1)

    def by_stimulus(self, squares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum rows (n_frames, c) over each stimulus, all its segments together: (n_stimuli, c); NaN counts as 0."""
        starts = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        sums = np.add.reduceat(np.nan_to_num(squares), starts, axis=0)
        _, stimulus = np.unique([name for name, _ in self.segments], return_inverse=True)
        out = np.zeros((len(self.stimuli), squares.shape[1]))
        np.add.at(out, stimulus, sums)
        return out

    def example(self) -> tuple[str, slice]:
        """Give the stimulus that figures show, and the rows of one segment of it.

        Of the segments at least as long as the median it is the one in which the responses vary most, each electrode in
        units of its own variance. How well it is predicted has no say.
        """
        ends = np.cumsum(self.lengths)
        rows = [slice(int(end - n), int(end)) for end, n in zip(ends, self.lengths, strict=True)]
        scale = np.nanstd(self.y, axis=0, dtype=np.float64)
        known = np.isfinite(self.y)
        spread = [np.std(self.y[part], axis=0, where=known[part]) for part in rows]  # NaN where nothing is known
        varies = [np.nan_to_num(std[scale > 0] / scale[scale > 0]).mean() for std in spread]
        at = int(np.argmax(np.where(self.lengths >= np.median(self.lengths), np.nan_to_num(varies), -1.0)))
        return self.segments[at][0], rows[at]


Resample = Callable[[NDArray[Any], NDArray[np.float64], NDArray[np.float64]], NDArray[Any]]
"""Brings a trial (n, c) from its times to others, s."""


def fit_groups(inputs: Inputs, grid: FrameGrid, resample: Resample = resample_known) -> list[FitGroup]:
    """Bring all responses onto the grid and put together the subjects who share their segments.

    Parameters
    ----------
    inputs : Inputs
        The study.
    grid : FrameGrid
        The study's frames.
    resample : callable
        What brings a trial onto them.

    Returns
    -------
    list of FitGroup
        In the order of the subjects.

    Raises
    ------
    InputError
        For a trial that covers no frame, lags longer than every trial, and an electrode of which a fold knows nothing.
    """
    study = inputs.study
    found: dict[Segments, list[tuple[Responses, NDArray[np.float32]]]] = defaultdict(list)
    for subject in inputs.subjects:
        segments, y = _segments(subject, inputs, grid, resample)
        found[segments].append((subject, y))
    groups = []
    for segments, members in found.items():
        lengths = np.array([n for _, n in segments])
        lags = study.encoding.lags(grid.rate)
        first, last, longest = lags.start, lags.stop - 1, int(lengths.max())
        if first <= -longest or last >= longest:
            raise InputError(
                "encoding.tmin, encoding.tmax",
                f"lags of {first:.6g} to {last:.6g} frames",
                f"lags shorter than the longest trial, {longest} frames",
                "They are in seconds.",
            )
        names = [name for name, _ in segments]
        y = np.concatenate([columns for _, columns in members], axis=1)
        groups.append(
            FitGroup(
                subjects=tuple(subject.subject for subject, _ in members for _ in subject.electrodes),
                electrodes=tuple(name for subject, _ in members for name in subject.electrodes),
                segments=segments,
                y=y,
                y_shuffled=_shuffled(y, segments, study.seed) if study.controls.shuffle else y[:, :0],
                folds=np.asarray(group_folds(names, lengths, study.encoding.folds), dtype=np.intp),
            )
        )
    for group in groups:
        _check_known(group)
    return groups


def on_grid(subject: Responses, inputs: Inputs, grid: FrameGrid, resample: Resample = resample_known) -> Responses:
    """Give a subject's trials as they are analysed: at the grid's frames, as long as the study takes them."""
    responses, trials = inputs.study.responses, []
    for i, name in enumerate(subject.stimuli):
        end = subject.covered(i)
        if responses.tail == "crop":
            end = min(end, inputs.stimuli[name].duration)
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


def _segments(
    subject: Responses, inputs: Inputs, grid: FrameGrid, resample: Resample
) -> tuple[Segments, NDArray[np.float32]]:
    """Give a subject's segments, by stimulus in sorted order, and their frames joined."""
    trials: dict[str, list[NDArray[Any]]] = defaultdict(list)
    analysed = on_grid(subject, inputs, grid, resample)
    for name, trial in zip(analysed.stimuli, analysed.trials, strict=True):
        trials[name].append(trial)
    segments, rows = [], []
    for name in sorted(trials):
        repeats = trials[name]
        if inputs.study.responses.repeats == "average":
            shortest = min(len(trial) for trial in repeats)
            repeats = [_mean_of_known(np.stack([trial[:shortest] for trial in repeats]))]
        segments += [(name, len(trial)) for trial in repeats]
        rows += repeats
    return tuple(segments), np.concatenate(rows).astype(np.float32)


def _mean_of_known(repeats: NDArray[Any]) -> NDArray[Any]:
    """Average over the first axis; NaN where no repeat is known."""
    known = np.isfinite(repeats)
    count = known.sum(axis=0)
    total = np.where(known, repeats, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def _check_known(group: FitGroup) -> None:
    """Refuse an electrode of which a fold knows no response."""
    row_fold = np.repeat(group.folds, group.lengths)
    for fold in np.unique(group.folds):
        unknown = np.flatnonzero(~np.isfinite(group.y[row_fold == fold]).any(axis=0))
        if len(unknown):
            at = int(unknown[0])
            raise InputError(
                f"subject {group.subjects[at]}, electrode {group.electrodes[at]}",
                f"no known response in fold {fold} of {len(np.unique(group.folds))}",
                "some in every fold", "Leave this electrode out.",
            )  # fmt: skip


def _shuffled(y: NDArray[np.float32], segments: Segments, seed: int) -> NDArray[np.float32]:
    """Give each stimulus the response to another one, cropped, or wrapped round where that one is shorter.

    The stimuli stand on a circle in a random order, and each takes from the next: none keeps its own.
    """
    bounds = np.cumsum([0, *(n for _, n in segments)])
    trials = defaultdict(list)
    for (name, _), start, stop in zip(segments, bounds[:-1], bounds[1:], strict=True):
        trials[name].append(y[start:stop])
    circle = list(np.random.default_rng(seed).permutation(sorted(trials)))
    giver = dict(zip(circle, circle[1:] + circle[:1], strict=True))
    seen: dict[str, int] = defaultdict(int)
    rows = []
    for name, n_frames in segments:
        given = trials[giver[name]]
        source = given[seen[name] % len(given)]
        seen[name] += 1
        rows.append(source[np.arange(n_frames) % len(source)])
    return np.concatenate(rows)
