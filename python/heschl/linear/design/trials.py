"""Trials as people have them: a list of arrays, or one array trial × time × feature; brought to frames and lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError

TRIALS = 3
"""Axes of an array of trials."""


def joined_trials(name: str, values: Any) -> tuple[Any, NDArray[np.int64] | None]:
    """Return trials one after the other, and their lengths; anything else as it is, and None.

    Parameters
    ----------
    name : str
        Of the argument, for messages.
    values : object
        A list or tuple of 2-D arrays (time × feature), one per trial; or a 3-D NumPy array (trial × time × feature).

    Raises
    ------
    InputError
        For trials of different widths.

    Examples
    --------
    >>> joined, lengths = joined_trials("X", [np.zeros((3, 2)), np.ones((2, 2))])
    >>> joined.shape, lengths.tolist()
    ((5, 2), [3, 2])
    >>> joined_trials("X", np.zeros((4, 3, 2)))[1].tolist(), joined_trials("X", np.zeros((4, 3)))[1]
    ([3, 3, 3, 3], None)
    """
    if isinstance(values, np.ndarray) and values.ndim == TRIALS:
        n_trials, n_frames, width = values.shape
        return values.reshape(n_trials * n_frames, width), np.full(n_trials, n_frames, dtype=np.int64)
    if not isinstance(values, list | tuple) or not values:
        return values, None
    if not all(isinstance(trial, np.ndarray) and trial.ndim == TRIALS - 1 for trial in values):
        return values, None
    widths = sorted({trial.shape[1] for trial in values})
    if len(widths) > 1:
        raise InputError(
            name, f"trials of {widths[0]} and of {widths[-1]} columns", "trials (time, columns) of one width"
        )
    return np.concatenate(values), np.array([len(trial) for trial in values], dtype=np.int64)


def trials_and_segments(X: Any, y: Any, segments: Any) -> tuple[Any, Any, Any]:
    """Return features, responses and segments of trials in the form of frames; what has that form stays as it is.

    Raises
    ------
    InputError
        Where features and responses are of other trials.
    """
    X, lengths = joined_trials("X", X)
    y, of_responses = joined_trials("y", y)
    if lengths is not None and of_responses is not None and not np.array_equal(lengths, of_responses):
        raise InputError(
            "y", f"{len(of_responses)} trials of {of_responses.sum()} frames in all",
            f"those of X: {len(lengths)} trials of {lengths.sum()} frames", "Trials must be of equal length in both.",
        )  # fmt: skip
    lengths = of_responses if lengths is None else lengths
    return X, y, lengths if segments is None and lengths is not None else segments
