"""Segments (sentences, stories, runs) of the rows, and folds that keep them and their repeats whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heschl.checks import InputError, check_labels, check_same_length
from heschl.linear.design.labels import is_row_labels, runs_of


def segment_bounds(segments: ArrayLike | None, n: int, groups: NDArray[Any] | None = None) -> NDArray[np.int64]:
    """Find the first row and one past the last row of every segment.

    Parameters
    ----------
    segments : array-like or None
        Lengths of the segments in rows (their sum is `n`), or one label per row, constant within a segment and
        not used again later. (As many ones as rows are lengths; any other array with an entry for each row holds
        labels.) Labels by `segment_labels` say where rows are missing, too. None: the runs of equal `groups`, or one
        single segment.
    n : int
        Number of rows.
    groups : ndarray of shape (n,), optional
        Stimulus identity of each row.

    Returns
    -------
    ndarray of shape (n_segments, 2), int64
    """
    if segments is None:
        if groups is None:
            return np.array([[0, n]], dtype=np.int64)
        return _runs(groups)
    if is_row_labels(segments):
        segments = runs_of(np.asarray(segments))
    values = check_labels("segments", segments)
    if values.ndim != 1 or values.size == 0:
        raise InputError("segments", f"an array of shape {values.shape}", "a list of lengths or one label per row")
    if values.size == n and not (values.dtype.kind in "iu" and (values == 1).all()):
        bounds = _runs(values)
        if len(bounds) != np.unique(values).size:
            raise InputError(
                "segments",
                "a label that comes back after another one",
                "labels that are constant within a segment",
                "Number the segments in order of time; say which are the same stimulus by `groups`.",
            )
        return bounds
    if values.dtype.kind not in "iu":
        raise InputError(
            "segments",
            f"{values.size} values of type {values.dtype}",
            f"integer lengths, or {n} labels, one per row",
        )
    if (values <= 0).any():
        at = int(np.argmax(values <= 0))
        raise InputError("segments", f"length {values[at]} at position {at}", "at least one frame in every segment")
    total = sum(int(value) for value in values)
    if total != n:
        raise InputError(
            "segments", f"lengths that sum to {total}", f"a sum of {n}, the number of rows of X",
            "In scikit-learn's cross-validation, which hands on some of the rows, give a label for every row: "
            "heschl.linear.segment_labels(lengths).",
        )  # fmt: skip
    ends = np.cumsum(values.astype(np.int64))
    return np.stack([ends - values.astype(np.int64), ends], axis=1)


def _runs(labels: NDArray[Any]) -> NDArray[np.int64]:
    edges = np.flatnonzero(labels[1:] != labels[:-1]) + 1
    return np.stack([np.r_[0, edges], np.r_[edges, labels.size]], axis=1).astype(np.int64)


def segment_groups(groups: ArrayLike | None, bounds: NDArray[np.int64], n: int) -> NDArray[Any]:
    """Find the stimulus of each segment; its number where no groups are given."""
    if groups is None:
        return np.arange(len(bounds))
    labels = check_labels("groups", groups)
    check_same_length("groups", labels.size, n, "X")
    first = labels[bounds[:, 0]]
    for s, (begin, end) in enumerate(bounds):
        if (labels[begin:end] != first[s]).any():
            raise InputError(
                "groups",
                f"more than one label inside segment {s} (rows {begin} to {end - 1})",
                "one stimulus per segment",
                "Cut the segment where the stimulus changes.",
            )
    return first


def group_folds(groups: ArrayLike, lengths: ArrayLike, n_folds: int) -> NDArray[np.int64]:
    """Assign a fold to each segment: groups stay whole, folds are balanced by frames (scikit-learn's ``GroupKFold``).

    Parameters
    ----------
    groups : array-like of shape (n_segments,)
        Stimulus identity; repeats of a stimulus share a label and so a fold.
    lengths : array-like of shape (n_segments,)
        Frames in each segment.
    n_folds : int
        At least 2, at most the number of different groups.

    Returns
    -------
    ndarray of shape (n_segments,), int64
        Fold numbers 0 ... n_folds - 1.

    Raises
    ------
    InputError
        For fewer groups than folds.

    Examples
    --------
    >>> from heschl.linear import group_folds
    >>> group_folds(["a", "b", "a", "c"], [3, 2, 3, 4], 2).tolist()
    [0, 1, 0, 1]
    """
    from sklearn.model_selection import GroupKFold

    if isinstance(n_folds, bool) or not isinstance(n_folds, (int, np.integer)) or n_folds < 2:
        raise InputError("cv", repr(n_folds), "at least 2 folds")
    labels, counts = np.asarray(groups), np.asarray(lengths, dtype=np.int64)
    n_groups = np.unique(labels).size
    if n_groups < n_folds:
        raise InputError(
            "cv",
            f"{n_folds} folds for {n_groups} different stimuli or segments",
            "at most one fold per stimulus",
            "Say where segments begin by `segments` (lengths, or a label per row), or lower cv.",
        )
    rows = np.repeat(labels, counts)
    folds = np.empty(labels.size, dtype=np.int64)
    starts = np.cumsum(counts) - counts
    for fold, (_, test) in enumerate(GroupKFold(n_folds).split(rows, groups=rows)):
        held_out = np.zeros(rows.size, dtype=bool)
        held_out[test] = True
        folds[held_out[starts]] = fold
    return folds


def fold_numbers(folds: ArrayLike | None, n_segments: int, least: int) -> NDArray[np.int64]:
    """Check the fold of each segment, 0 ... K - 1 with K at least `least`; all 0 where none are given."""
    if folds is None:
        return np.zeros(n_segments, dtype=np.int64)
    labels = np.asarray(folds)
    if labels.shape != (n_segments,) or labels.dtype.kind not in "iu":
        raise InputError(
            "folds",
            f"an array of shape {labels.shape} and type {labels.dtype}",
            f"{n_segments} fold numbers, one per segment",
        )
    n_folds = int(labels.max()) + 1
    if labels.min() < 0 or n_folds < least or np.unique(labels).size != n_folds:
        raise InputError(
            "folds", f"fold numbers {np.unique(labels).tolist()}", f"0 ... K - 1, none empty, K >= {least}"
        )
    return labels.astype(np.int64)


def fold_members(folds: ArrayLike, n_segments: int, least: int = 1) -> list[NDArray[np.bool_]]:
    """Return which segments are in each fold."""
    labels = fold_numbers(folds, n_segments, least)
    return [labels == fold for fold in range(int(labels.max()) + 1)]


# A single segment may be cut by a splitter into so many blocks for each split; rows taken here and there may not.
MAX_BLOCKS_A_SPLIT = 10


def labels_of_segments(name: str, values: ArrayLike | None, n: int) -> NDArray[Any]:
    """Return a label of each of n segments: those given, else all different.

    Raises
    ------
    InputError
        For another number of them, by the name of the argument.
    """
    labels = np.arange(n) if values is None else np.asarray(values)
    if labels.shape != (n,):
        raise InputError(name, f"an array of shape {labels.shape}", f"{n} labels, one per segment")
    return labels


@dataclass(frozen=True)
class Splits:
    """Cross-validation over whole segments, cut into parts that every split either trains on, tests on or ignores.

    For K-fold the parts are the folds. Moments are gathered once per part; a training set is a sum of parts.
    """

    parts: list[NDArray[np.int64]]  # bounds (n_segments, 2) of each part
    train: list[list[int]]  # parts each split trains on
    test: list[list[int]]

    def test_bounds(self, split: int) -> NDArray[np.int64]:
        """Return the segments that a split is tested on."""
        return np.concatenate([self.parts[part] for part in self.test[split]])


def make_splits(cv: Any, bounds: NDArray[np.int64], groups: NDArray[Any], n: int) -> Splits:
    """Make splits of a number of folds, a scikit-learn splitter (called on rows with groups) or (train, test) rows.

    Segments stay whole. One single segment is cut into blocks instead.
    """
    lengths = bounds[:, 1] - bounds[:, 0]
    if isinstance(cv, (int, np.integer)) and not isinstance(cv, bool) and len(bounds) > 1:
        folds = group_folds(groups, lengths, int(cv))
        return _splits(bounds, np.where(folds[None, :] == np.arange(int(cv))[:, None], 2, 1))
    rows: Iterable[Any]
    if isinstance(cv, (int, np.integer)) and not isinstance(cv, bool):
        rows = _blocks(int(cv), n)
    elif hasattr(cv, "get_n_splits"):
        rows = cv.split(np.zeros((n, 1)), np.zeros(n), np.repeat(groups, lengths))
    elif isinstance(cv, Iterable) and not isinstance(cv, str):
        rows = cv
    else:
        raise InputError("cv", repr(cv), "a number of folds, a scikit-learn splitter or (train, test) row indices")
    roles = np.array([_row_roles(split, train, test, n) for split, (train, test) in enumerate(rows)])
    if roles.size == 0:
        raise InputError("cv", "no split at all", "at least one (train, test) pair")
    if len(bounds) == 1:
        changes = np.flatnonzero((roles[:, 1:] != roles[:, :-1]).any(axis=0)) + 1
        if len(changes) <= MAX_BLOCKS_A_SPLIT * len(roles):
            edges = np.concatenate([[0], changes, [n]])
            bounds = np.stack([edges[:-1], edges[1:]], axis=1).astype(np.int64)
    return _splits(bounds, np.stack([_segment_roles(split, role, bounds) for split, role in enumerate(roles)]))


def _blocks(n_folds: int, n: int) -> Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Cut one recording into contiguous blocks."""
    from sklearn.model_selection import KFold

    if n_folds < 2:
        raise InputError("cv", repr(n_folds), "at least 2 folds")
    if n < n_folds:
        raise InputError("cv", f"{n_folds} folds of n_samples = {n}", "at least one frame in every fold")
    return list(KFold(n_folds).split(np.empty(n)))


def _splits(bounds: NDArray[np.int64], roles: NDArray[np.int64]) -> Splits:
    """Make a part of the segments (or blocks) that have one role in every split: 1 train, 2 test, 0 neither."""
    kinds, member = np.unique(roles.T, axis=0, return_inverse=True)
    member = member.reshape(-1)
    return Splits(
        parts=[bounds[member == part] for part in range(len(kinds))],
        train=[np.flatnonzero(kinds[:, split] == 1).tolist() for split in range(len(roles))],
        test=[np.flatnonzero(kinds[:, split] == 2).tolist() for split in range(len(roles))],
    )


def _row_roles(split: int, train: Any, test: Any, n: int) -> NDArray[np.int64]:
    """Mark the rows that a split trains on by 1, those that it tests on by 2, others by 0."""
    role = np.zeros(n, dtype=np.int64)
    fitted, held_out = np.asarray(train), np.asarray(test)
    for rows in (fitted, held_out):
        if rows.size == 0 or rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= n:
            raise InputError("cv", f"split {split} with rows {rows}", f"row numbers from 0 to {n - 1}, at least one")
    role[fitted] = 1
    if (role[held_out] == 1).any():
        raise InputError("cv", f"rows both in train and test of split {split}", "disjoint rows")
    role[held_out] = 2
    return role


def _segment_roles(split: int, role: NDArray[np.int64], bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find the role of each segment, which all of its rows must have."""
    of_segment = role[bounds[:, 0]]
    for s, (begin, end) in enumerate(bounds):
        if (role[begin:end] != of_segment[s]).any():
            raise InputError(
                "cv",
                f"split {split} cuts segment {s} (rows {begin} to {end - 1})",
                "folds of whole segments",
                "Give an integer cv, or a group splitter such as GroupKFold with `segments` as the groups.",
            )
    if not (of_segment == 1).any() or not (of_segment == 2).any():
        raise InputError("cv", f"split {split} without training or without test segments", "both in every split")
    return of_segment


def partition(splits: Splits) -> Splits:
    """Return splits whose parts are their test sets, each of which is trained on by all others; else refuse."""
    parts = set(range(len(splits.parts)))
    tested = [part for test in splits.test for part in test]
    complete = all({*train, *test} == parts for train, test in zip(splits.train, splits.test, strict=True))
    if len(splits.test) < 3 or not complete or sorted(tested) != sorted(parts):
        raise InputError(
            "cv", f"{len(splits.test)} splits that are no partition into folds", "K >= 3 folds with nested=True",
            "Use a number, KFold or GroupKFold.",
        )  # fmt: skip
    n = len(splits.test)
    folds = [splits.test_bounds(split) for split in range(n)]
    return Splits(folds, [[part for part in range(n) if part != split] for split in range(n)], [[k] for k in range(n)])
