"""What every stimulus evokes alike: its time course since onset and before its end, as features and as a mean."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heschl.checks import InputError, check_count
from heschl.linear.design.segments import segment_bounds
from heschl.linear.device.arrays import Bounds, Double

# Distance of the last knot before a stimulus' end, in seconds: responses to its end are over by then.
END_SECONDS = 1.0
# Whose course is taken out at a time.
COLUMNS = 64


def time_course(
    segments: ArrayLike, *, rate: float, n_frames: int | None = None, n_since: int = 10, n_until: int = 4
) -> NDArray[np.float32]:
    """Features of time alone: onset, time since the onset and time to the end of each segment.

    A feature space of its own beside those of a study: what it explains, any feature that follows the time since onset
    explains as well (an envelope, the place of a word in its sentence), without knowing anything of the content. Scores
    over and above it are those of both together less its own.

    Parameters
    ----------
    segments : array-like
        Lengths of the segments in frames, or one label per row.
    rate : float
        Frames per second.
    n_frames : int, optional
        Rows in all; needed where `segments` are labels.
    n_since : int
        Pieces of the course since onset: hat functions between knots at logarithmic distances, from the first frame to
        the longest segment, that add up to 1 before the last.
    n_until : int
        The same before the end, up to a second.

    Returns
    -------
    ndarray of shape (n_frames, 1 + n_since + n_until), float32
        The onset (1 at each first frame, else 0); pieces since onset; pieces before the end.

    Raises
    ------
    InputError
        For segments that do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import time_course
    >>> X = time_course([30, 50], rate=50.0, n_since=4, n_until=2)
    >>> X.shape, X[[0, 30], 0].tolist(), bool(np.allclose(X[:, 1:5].sum(axis=1), 1.0))
    ((80, 7), [1.0, 1.0], True)
    """
    if not (np.isfinite(rate) and rate > 0):
        raise InputError("rate", repr(rate), "frames per second, above 0")
    check_count("n_since", n_since, 1)
    check_count("n_until", n_until, 0)
    values = np.asarray(segments)
    bounds = segment_bounds(values, int(values.sum()) if n_frames is None else n_frames)
    since, until = _since(bounds), _until(bounds)
    longest = float((bounds[:, 1] - bounds[:, 0]).max())
    parts = [(since == 0)[:, None].astype(np.float64), _hats(since, _knots(longest, n_since))]
    if n_until:
        parts.append(_hats(until, _knots(max(2.0, min(END_SECONDS * rate, longest)), n_until + 1))[:, :-1])
    return np.concatenate(parts, axis=1).astype(np.float32)


def mean_time_course(y: ArrayLike, *, segments: ArrayLike, train: ArrayLike | None = None, fewest: int = 5) -> Double:
    """Mean response at each time since onset over training segments, for every frame.

    Taken from the responses it leaves what single stimuli evoke beyond what all do. To be unbiased it must come from
    training segments; of an inner fold that is one of many segments and in the mean itself, a little is then taken too
    much, which moves a choice of λ, but no score.

    Parameters
    ----------
    y : array-like of shape (n_frames, n_targets)
        Responses; NaN are left out.
    segments : array-like
        Lengths of the segments in frames, or one label per row.
    train : array-like of bool, shape (n_segments,), optional
        Segments that the mean is taken over. None: all.
    fewest : int
        Beyond the time that so many training segments last, the mean over the last frame that they do.

    Returns
    -------
    ndarray of shape (n_frames, n_targets)

    Raises
    ------
    InputError
        For shapes that do not fit, or no training segment.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import mean_time_course
    >>> y = np.r_[0.0, 1.0, 2.0, 2.0, 3.0, 5.0, 5.0][:, None]
    >>> mean_time_course(y, segments=[3, 4], fewest=2)[:, 0].tolist()
    [1.0, 2.0, 3.5, 1.0, 2.0, 3.5, 3.5]
    """
    responses = np.asarray(y, dtype=np.float64)
    if responses.ndim != 2:
        raise InputError("y", f"an array of shape {responses.shape}", "(n_frames, n_targets)")
    check_count("fewest", fewest, 1)
    bounds = segment_bounds(np.asarray(segments), len(responses))
    chosen = np.ones(len(bounds), dtype=bool) if train is None else np.asarray(train)
    if chosen.shape != (len(bounds),) or chosen.dtype != bool or not chosen.any():
        raise InputError(
            "train", f"an array of shape {chosen.shape} and type {chosen.dtype}",
            f"{len(bounds)} booleans, one per segment, some of them true",
        )  # fmt: skip
    lengths = bounds[:, 1] - bounds[:, 0]
    time = _since(bounds)
    rows = np.repeat(chosen, lengths)
    last = int(np.sort(lengths[chosen])[::-1][min(fewest, int(chosen.sum())) - 1])
    known = np.isfinite(responses) & rows[:, None] & (time < last)[:, None]
    sums, counts = np.zeros((2, last, responses.shape[1]))
    inside = time < last
    np.add.at(sums, time[inside], np.where(known, responses, 0.0)[inside])
    np.add.at(counts, time[inside], known[inside])
    overall = np.divide(sums.sum(axis=0), counts.sum(axis=0), out=np.zeros(sums.shape[1]), where=counts.sum(axis=0) > 0)
    course = np.where(counts > 0, sums / np.maximum(counts, 1), overall)
    return np.asarray(course[np.minimum(time, last - 1)])


def without_time_course(values: NDArray[Any], bounds: Bounds, train: NDArray[np.bool_]) -> tuple[Any, Any]:
    """Take the mean time course of training segments out of all, some columns at a time.

    Parameters
    ----------
    values : ndarray of shape (n, d)
        Responses or features.
    bounds : ndarray of shape (n_segments, 2)
    train : ndarray of bool, shape (n_segments,)

    Returns
    -------
    (n, d) arrays
        What is left, and what was taken, in the precision of the values.
    """
    course = np.empty(values.shape, dtype=values.dtype)
    lengths = bounds[:, 1] - bounds[:, 0]
    for first in range(0, values.shape[1], COLUMNS):
        some = slice(first, first + COLUMNS)
        course[:, some] = mean_time_course(values[:, some], segments=lengths, train=train)
    return values - course, course


def beyond_length(values: NDArray[Any], bounds: Bounds) -> NDArray[Any]:
    """Take out of responses what follows from the length of a stimulus and the time to its end, linearly.

    Stimuli that exchange responses are of nearly one length, not of one: what all evoke alike before their end, or as
    much more as they are longer, then holds for the true alignment a little better than for any other. Time since onset
    is fitted beside, and stays.

    Parameters
    ----------
    values : ndarray of shape (n, c)
        Responses; NaN is missing.
    bounds : ndarray of shape (n_segments, 2)

    Returns
    -------
    (n, c) array
        In the precision of the responses; constants as they are.
    """
    lengths = bounds[:, 1] - bounds[:, 0]
    if np.ptp(lengths) == 0:
        return values
    longest = float(lengths.max())
    since, until = _hats(_since(bounds), _knots(longest, 10)), _hats(_until(bounds), _knots(longest, 9))[:, :-1]
    size = np.repeat((lengths - lengths.mean()) / lengths.std(), lengths)[:, None]
    X = np.concatenate([until, size, size**2, since], axis=1)
    taken = X.shape[1] - since.shape[1]
    known = np.isfinite(values)
    out = np.array(values)
    # Targets that lack the same rows share a fit.
    _, alike = np.unique(np.packbits(known, axis=0), axis=1, return_inverse=True)
    for pattern in range(int(alike.max()) + 1):
        together = np.flatnonzero(alike.reshape(-1) == pattern)
        rows = known[:, together[0]]
        for first in range(0, len(together) if rows.any() else 0, COLUMNS):
            targets = together[first : first + COLUMNS]
            y = values[np.ix_(rows, targets)].astype(np.float64)
            varies = np.ptp(y, axis=0) > 0
            fit = np.linalg.lstsq(X[rows], y[:, varies], rcond=None)[0]
            out[:, targets[varies]] -= (X[:, :taken] @ fit[:taken]).astype(values.dtype)
    return out


def _since(bounds: Bounds) -> NDArray[np.int64]:
    """Frames since the first of its segment, of each row."""
    lengths = bounds[:, 1] - bounds[:, 0]
    return np.arange(int(lengths.sum())) - np.repeat(bounds[:, 0], lengths)


def _until(bounds: Bounds) -> NDArray[np.int64]:
    """Frames to the last of its segment, of each row."""
    lengths = bounds[:, 1] - bounds[:, 0]
    return np.repeat(bounds[:, 1], lengths) - 1 - np.arange(int(lengths.sum()))


def _knots(longest: float, count: int) -> Double:
    """`count` times from 0 to `longest`, at logarithmic distances."""
    return np.expm1(np.linspace(0.0, np.log1p(longest), count)) if count > 1 else np.zeros(1)


def _hats(time: NDArray[np.int64], knots: Double) -> Double:
    """Weights of linear interpolation between knots, (n, knots)."""
    return np.stack([np.interp(time, knots, unit) for unit in np.eye(len(knots))], axis=1)
