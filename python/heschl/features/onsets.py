"""Words and phones as events: impulses at their onsets, and which phone is being said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.timing.align import word_of_frames
from heschl.timing.words import Word


def onsets(words: Sequence[Word], times: NDArray[np.float64]) -> NDArray[np.float32]:
    """Count the words (or phones) that begin at each frame.

    Parameters
    ----------
    words : sequence of Word
        In any order.
    times : (n_frames,) array of float64
        Centres of the frames, s; rising.

    Returns
    -------
    (n_frames, 1) array of float32
        1 in the frame whose centre is nearest to the onset (of two, the later), 2 where two begin there. An onset more
        than half a frame before the first centre or after the last is in no frame.

    Examples
    --------
    >>> words = [Word("so", 0.1, 0.3), Word("it", 0.26, 0.5)]
    >>> onsets(words, np.array([0.0, 0.1, 0.2, 0.3, 0.4])).ravel().tolist()
    [0.0, 1.0, 0.0, 1.0, 0.0]
    """
    out = np.zeros((len(times), 1), dtype=np.float32)
    if len(times) == 0:
        return out
    half = (times[-1] - times[0]) / (2 * max(1, len(times) - 1)) or np.inf
    starts = np.array([word.start for word in words], dtype=np.float64)
    later = np.searchsorted(times, starts).clip(1, max(1, len(times) - 1))
    frame = np.where(starts - times[later - 1] < times[later % len(times)] - starts, later - 1, later % len(times))
    near = np.abs(starts - times[frame]) <= half * (1 + 1e-9)
    np.add.at(out[:, 0], frame[near], 1.0)
    return out


def labels_to_frames(phones: Sequence[Word], labels: Sequence[str], times: NDArray[np.float64]) -> NDArray[np.float32]:
    """Tell for each frame which of some labels (phones, words) is being said.

    Parameters
    ----------
    phones : sequence of Word
        In order, without overlap.
    labels : sequence of str
        The columns; every label that occurs is among them.
    times : (n_frames,) array of float64
        Centres of the frames, s.

    Returns
    -------
    (n_frames, n_labels) array of float32
        1 in the column of the label that covers the frame's centre; all 0 in silence.

    Raises
    ------
    InputError
        For a label that is no column, and phones that overlap or are not in order.

    Examples
    --------
    >>> phones = [Word("sh", 0.1, 0.2), Word("iy", 0.2, 0.4)]
    >>> labels_to_frames(phones, ["iy", "sh"], np.array([0.0, 0.1, 0.2])).tolist()
    [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    """
    column = {label: i for i, label in enumerate(labels)}
    for phone in phones:
        if phone.text not in column:
            raise InputError("phones", repr(phone.text), f"one of the {len(column)} labels")
    columns = np.array([column[phone.text] for phone in phones], dtype=np.int64)
    phone = word_of_frames(phones, times)
    out = np.zeros((len(times), len(labels)), dtype=np.float32)
    spoken = np.flatnonzero(phone >= 0)
    out[spoken, columns[phone[spoken]]] = 1.0
    return out
