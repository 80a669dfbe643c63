"""Targets: the responses on the study's grid, and the subjects whose responses one fit can share."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog import Responses
from heschl.ecog.responses.repeats import repeats_of, whole_presentations
from heschl.linear import group_folds
from heschl.study.inputs.groups import FitGroup, Segments
from heschl.study.inputs.load import Inputs
from heschl.study.inputs.trials import Resample, on_grid
from heschl.timing.grid import FrameGrid
from heschl.timing.resample import resample_known


def fit_groups(
    inputs: Inputs, grid: FrameGrid, resample: Resample = resample_known, *, as_presented: bool = False
) -> list[FitGroup]:
    """Bring all responses onto the grid and put together the subjects who share their segments.

    Parameters
    ----------
    inputs : Inputs
        The study.
    grid : FrameGrid
        The study's frames.
    resample : callable
        What brings a trial onto them.
    as_presented : bool
        Whether segments stand in the order of a subject's trials, and not by stimulus in sorted order. Only subjects
        of the same order share a group then.

    Returns
    -------
    list of FitGroup
        In the order of the subjects.

    Raises
    ------
    InputError
        For a trial that covers no frame, lags longer than every trial, fewer different stimuli than folds, and an
        electrode of which a fold knows nothing.
    """
    study = inputs.study
    by_segments: dict[Segments, list[tuple[Responses, NDArray[np.float32]]]] = defaultdict(list)
    sessions: dict[str, tuple[str, ...]] = {}
    for subject in inputs.subjects:
        segments, y, sessions[subject.subject] = _segments(subject, inputs, grid, resample, as_presented)
        by_segments[segments].append((subject, y))
    groups = []
    for segments, members in by_segments.items():
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
                folds=_folds(names, lengths, members[0][0].subject, inputs),
                sessions={subject.subject: sessions[subject.subject] for subject, _ in members},
            )
        )
    for group in groups:
        _check_known(group)
    return groups


def _folds(names: list[str], lengths: NDArray[np.int64], subject: str, inputs: Inputs) -> NDArray[np.intp]:
    """Return the fold of each segment; stimuli that are alike share theirs."""
    encoding = inputs.study.encoding
    alike = [inputs.identities[name] for name in names]
    different = len(set(alike))
    if different < encoding.folds:
        raise InputError(
            f"subject {subject}: stimuli",
            f"{different} that differ in what encoding.folds_by = {encoding.folds_by!r} keeps together",
            f"at least as many as encoding.folds = {encoding.folds}",
            "Folds are made of whole sets of stimuli that are alike: lower encoding.folds, or let the same sentence by "
            "other speakers stand on both sides of a fold (encoding.folds_by = 'sound').",
        )
    return np.asarray(group_folds(alike, lengths, encoding.folds), dtype=np.intp)


def _segments(
    subject: Responses, inputs: Inputs, grid: FrameGrid, resample: Resample, as_presented: bool
) -> tuple[Segments, NDArray[np.float32], tuple[str, ...]]:
    """Return a subject's segments, by stimulus in sorted order or as presented, their frames joined, and sessions.

    The mean over repeats stands where its stimulus was presented first; its sessions are those of all that it averages.
    """
    analysed = on_grid(subject, grid, inputs.durations, inputs.study.responses.tail, resample)
    sessions = analysed.sessions or ("",) * len(analysed.trials)
    trials = list(zip(analysed.stimuli, analysed.trials, sessions, strict=True))
    if inputs.study.responses.repeats == "average":
        whole = whole_presentations(analysed.stimuli, analysed.trials)
        trials = [
            (name, _mean_of_known(repeats), " + ".join(sorted(sessions[i] for i in whole[name][1])))
            for name, repeats in repeats_of(analysed).items()
        ]
    if not as_presented:
        trials.sort(key=lambda trial: trial[0])  # repeats stay in their order
    rows = np.concatenate([trial for _, trial, _ in trials]).astype(np.float32)
    return tuple((name, len(trial)) for name, trial, _ in trials), rows, tuple(labels for *_, labels in trials)


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
    """Pair each stimulus with the response to another one, cropped, or wrapped round where that one is shorter.

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
