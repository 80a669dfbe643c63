"""What one fit is about: the responses of all subjects who heard the same stimuli over the same frames, side by side.

The features are then gone through once for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

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
    sessions : mapping of subject to tuple of str, one per segment
        In which recording sessions each segment was heard; equal for segments that were heard equally often in the same
        ones.
    """

    subjects: tuple[str, ...]
    electrodes: tuple[str, ...]
    segments: Segments
    y: NDArray[np.float32]
    y_shuffled: NDArray[np.float32]
    folds: NDArray[np.intp]
    sessions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Frames of each segment."""
        return np.array([n for _, n in self.segments], dtype=np.int64)

    @property
    def stimuli(self) -> list[str]:
        """Return the different stimuli, in sorted order."""
        return sorted({name for name, _ in self.segments})

    @property
    def targets(self) -> NDArray[np.float32]:
        """All columns to fit: the responses, then the shuffled ones."""
        return np.concatenate([self.y, self.y_shuffled], axis=1)

    def by_sessions(self) -> list[tuple[FitGroup, NDArray[np.intp], NDArray[np.intp]]]:
        """Cut the group into subjects whose sessions part the segments in the same way.

        Returns
        -------
        list of (FitGroup, columns, blocks)
            The group itself where there is one part, else a part, without shuffled responses; its columns in `y`; and
            the block, (n_segments,), in which each segment may exchange its response for that of another.
        """
        columns: dict[tuple[int, ...], list[int]] = {}
        for at, subject in enumerate(self.subjects):
            labels = self.sessions.get(subject, ("",) * len(self.segments))
            number = {label: i for i, label in enumerate(dict.fromkeys(labels))}
            columns.setdefault(tuple(number[label] for label in labels), []).append(at)
        parts = []
        for blocks, own in columns.items():
            subjects = tuple(self.subjects[i] for i in own)
            part = self if len(own) == len(self.subjects) else replace(
                self, subjects=subjects, electrodes=tuple(self.electrodes[i] for i in own), y=self.y[:, own],
                y_shuffled=self.y_shuffled[:, :0],
                sessions={name: labels for name, labels in self.sessions.items() if name in subjects},
            )  # fmt: skip
            parts.append((part, np.array(own, dtype=np.intp), np.array(blocks, dtype=np.intp)))
        return parts

    def by_stimulus(self, squares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum rows (n_frames, c) over each stimulus, all its segments together: (n_stimuli, c); NaN counts as 0."""
        starts = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        sums = np.add.reduceat(np.nan_to_num(squares), starts, axis=0)
        _, stimulus = np.unique([name for name, _ in self.segments], return_inverse=True)
        out = np.zeros((len(self.stimuli), squares.shape[1]))
        np.add.at(out, stimulus, sums)
        return out

    def example(self) -> tuple[str, slice]:
        """Return the stimulus that figures show, and the rows of one segment of it.

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
