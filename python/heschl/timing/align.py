"""Words and frames: which word each frame belongs to, and back.

A frame belongs to the word that covers its centre: start ≤ t < end, compared exactly. Times of frames, and of words
counted in samples, are quotients of whole numbers, rounded once, so that equal times are equal numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError, check_choice
from heschl.timing.validate import overlaps
from heschl.timing.words import Word

SILENCE = ("zero", "hold")


def word_of_frames(words: Sequence[Word], times: NDArray[np.float64], *, silence: str = "zero") -> NDArray[np.int64]:
    """Return the word that each frame belongs to.

    Parameters
    ----------
    words : sequence of Word
        In any order, without overlap. (Where two meet within 1 ms, the frame is the later one's.)
    times : (n_frames,) array of float64
        Centres of the frames, in s.
    silence : {"zero", "hold"}
        Frames between words: none ("zero"), or the word before ("hold").

    Returns
    -------
    (n_frames,) array of int64
        Places in `words`; −1 where there is none. A word in which no frame is centred is not among them.

    Raises
    ------
    InputError
        For words that overlap by more than 1 ms.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.timing import Word, words_to_frames
    >>> import numpy as np
    >>> from heschl.timing import Word, word_of_frames
    >>> words = [Word("so", 0.1, 0.3), Word("it", 0.4, 0.5)]
    >>> word_of_frames(words, np.array([0.0, 0.1, 0.2, 0.3, 0.4])).tolist()
    [-1, 0, 0, -1, 1]
    >>> word_of_frames(words, np.array([0.0, 0.1, 0.2, 0.3, 0.4]), silence="hold").tolist()
    [-1, 0, 0, 0, 1]
    """
    check_choice("silence", silence, SILENCE)
    for i, j in overlaps(words)[:1]:
        raise InputError(
            f"word {words[j].text!r} at {words[j].start} s",
            f"a start before {words[i].text!r} ends, at {words[i].end} s", "words that do not overlap",
        )  # fmt: skip
    starts = np.array([word.start for word in words], dtype=np.float64)
    order = np.argsort(starts, kind="stable")
    at = np.searchsorted(starts[order], times, side="right") - 1
    found = np.where(at >= 0, order[np.maximum(at, 0)], -1) if len(words) else at
    if silence == "zero" and len(words):
        ends = np.array([word.end for word in words], dtype=np.float64)
        found[times >= ends[found]] = -1  # before the first word it is −1 already
    return np.asarray(found, dtype=np.int64)


def words_to_frames(
    values: NDArray[Any], words: Sequence[Word], times: NDArray[np.float64], *, silence: str = "zero"
) -> NDArray[Any]:
    """Return each word's value in every frame of the word; 0 where there is none.

    Parameters
    ----------
    values : (..., n_words, width) array
        One row per word.
    words, times, silence
        See `word_of_frames`.

    Returns
    -------
    (..., n_frames, width) array of values' dtype
        A new array. `runs` keeps the same without repeating rows.

    Raises
    ------
    InputError
        Where there is not one value per word, or words overlap or are not in order.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.timing import Word, words_to_frames
    >>> words = [Word("so", 0.1, 0.3), Word("it", 0.4, 0.5)]
    >>> words_to_frames(np.array([[1.0], [2.0]]), words, np.array([0.0, 0.1, 0.2, 0.3, 0.4])).ravel().tolist()
    [0.0, 1.0, 1.0, 0.0, 2.0]
    """
    _check_values(values, words)
    word = word_of_frames(words, times, silence=silence)
    frames = np.zeros((*values.shape[:-2], len(times), values.shape[-1]), dtype=values.dtype)
    spoken = np.flatnonzero(word >= 0)
    frames[..., spoken, :] = values[..., word[spoken], :]
    return frames


def runs(word: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return frames of the same word as runs.

    Parameters
    ----------
    word : (n_frames,) array of int64
        The word of each frame, as `word_of_frames` returns it.

    Returns
    -------
    words, n_frames : (n_runs,) arrays of int64
        The word of each run (−1 for silence), and how many frames it lasts.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.timing import runs
    >>> [part.tolist() for part in runs(np.array([-1, 0, 0, -1, 1]))]
    [[-1, 0, -1, 1], [1, 2, 1, 1]]
    """
    starts = np.flatnonzero(np.diff(word, prepend=word[:1] - 1))
    return word[starts], np.diff(starts, append=len(word)).astype(np.int64)


def onset_frames(words: Sequence[Word], times: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the frame in which each word begins.

    Parameters
    ----------
    words : sequence of Word
        In any order.
    times : (n_frames,) array of float64
        Centres of the frames, s; evenly spaced.

    Returns
    -------
    (n_words,) array of int64
        The frame whose centre is nearest to the word's start (of two, the later; frame 0 for all before its centre); −1
        for a start more than half a frame after the last centre.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.timing import Word, words_to_onsets
    >>> import numpy as np
    >>> from heschl.timing import Word, words_to_onsets
    >>> import numpy as np
    >>> from heschl.timing import Word, onset_frames
    >>> words = [Word("so", 0.1, 0.3), Word("it", 0.26, 0.5), Word("late", 0.9, 1.0)]
    >>> onset_frames(words, np.array([0.0, 0.1, 0.2, 0.3, 0.4])).tolist()
    [1, 3, -1]
    """
    starts = np.array([word.start for word in words], dtype=np.float64)
    if len(times) == 0:
        return np.full(len(words), -1, dtype=np.int64)
    step = (times[-1] - times[0]) / max(1, len(times) - 1) or np.inf
    frame = np.floor((starts - times[0]) / step + 0.5 + 1e-9).astype(np.int64)  # a tie that rounding broke is a tie
    return np.where(frame < len(times), np.maximum(frame, 0), -1)


def words_to_onsets(values: NDArray[Any], words: Sequence[Word], times: NDArray[np.float64]) -> NDArray[Any]:
    """Return each word's value in the frame in which it begins, and 0 in all others.

    Parameters
    ----------
    values : (..., n_words, width) array
        One row per word; ones give the onsets themselves.
    words, times
        See `onset_frames`.

    Returns
    -------
    (..., n_frames, width) array of values' dtype
        Values of words that begin in the same frame add up.

    Raises
    ------
    InputError
        Where there is not one value per word.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.timing import Word, words_to_onsets
    >>> words = [Word("so", 0.1, 0.3), Word("it", 0.3, 0.5)]
    >>> words_to_onsets(np.array([[5.0], [2.0]]), words, np.array([0.0, 0.1, 0.2, 0.3, 0.4])).ravel().tolist()
    [0.0, 5.0, 0.0, 2.0, 0.0]
    """
    _check_values(values, words)
    frame = onset_frames(words, times)
    out = np.zeros((*values.shape[:-2], len(times), values.shape[-1]), dtype=values.dtype)
    for at in np.flatnonzero(frame >= 0).tolist():
        out[..., frame[at], :] += values[..., at, :]
    return out


def frames_to_words(values: NDArray[Any], words: Sequence[Word], times: NDArray[np.float64]) -> NDArray[Any]:
    """Return the mean of each word's frames.

    Parameters
    ----------
    values : (..., n_frames, width) array
        One row per frame.
    words, times
        See `word_of_frames`.

    Returns
    -------
    (..., n_words, width) array of values' dtype
        Of a word in which no frame is centred, the frame nearest to its middle.

    Raises
    ------
    InputError
        Where there is not one row per frame, no frame at all, or words overlap or are not in order.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.timing import Word, frames_to_words
    >>> frames = np.array([[1.0], [2.0], [4.0], [9.0]])
    >>> frames_to_words(frames, [Word("so", 0.1, 0.3), Word("a", 0.31, 0.32)], np.arange(4) / 10).ravel().tolist()
    [3.0, 9.0]
    """
    if values.ndim < 2 or values.shape[-2] != len(times) or len(times) == 0:
        raise InputError("values", f"shape {values.shape}", f"(..., {len(times)}, width), at least one frame")
    word = word_of_frames(words, times)
    out = np.empty((*values.shape[:-2], len(words), values.shape[-1]), dtype=values.dtype)
    for i, spoken in enumerate(words):
        frames = np.flatnonzero(word == i)
        if not len(frames):
            frames = np.argmin(np.abs(times - (spoken.start + spoken.end) / 2), keepdims=True)
        out[..., i, :] = values[..., frames, :].mean(axis=-2)
    return out


def check_frame_counts(features: Mapping[str, int], responses: Mapping[str, int], rate: float) -> dict[str, int]:
    """Compare how many frames features and responses have, stimulus by stimulus.

    Parameters
    ----------
    features, responses : mapping of stimulus to int
        Frames of each side.
    rate : float
        Frames per second, Hz, for the message.

    Returns
    -------
    dict of stimulus to int
        The smaller of both, which differ by one at most: the rest of one frame is cut.

    Raises
    ------
    InputError
        For a stimulus that one side lacks, and counts that differ by more than one frame; it says which.

    Examples
    --------
    >>> from heschl.timing import check_frame_counts
    >>> check_frame_counts({"s1": 50}, {"s1": 49}, 50.0)
    {'s1': 49}
    """
    sides = {"features": features, "responses": responses}
    for (name, own), (other, others) in (tuple(sides.items()), tuple(sides.items())[::-1]):
        lacking = sorted(own.keys() - others.keys())
        if lacking:
            raise InputError(other, f"nothing for stimulus {lacking[0]!r}, of which there are {name}", "both of each")
    for stimulus, n in features.items():
        m = responses[stimulus]
        if abs(n - m) > 1:
            longer = "the features" if n > m else "the responses"
            raise InputError(
                f"stimulus {stimulus!r}", f"{n} frames of features and {m} of responses",
                "as many of both, or one more on a side", f"{longer} go on for {abs(n - m) / rate:.3g} s.".capitalize(),
            )  # fmt: skip
    return {stimulus: min(n, responses[stimulus]) for stimulus, n in features.items()}


def _check_values(values: NDArray[Any], words: Sequence[Word]) -> None:
    if values.ndim < 2 or values.shape[-2] != len(words):
        raise InputError("values", f"shape {values.shape}", f"(..., {len(words)}, width), one row per word")
