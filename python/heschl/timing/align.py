"""Words and frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from heschl.timing.words import Word


def word_of_frames(words: Sequence[Word], times: NDArray[np.float64]) -> NDArray[np.int64]:
    """Give the index of the word that covers each time; -1 in silence."""
    starts = np.array([word.start for word in words], dtype=np.float64)
    ends = np.array([word.end for word in words], dtype=np.float64)
    word_of = np.searchsorted(starts, times, side="right") - 1
    spoken = np.flatnonzero(word_of >= 0)
    word_of[spoken[times[spoken] >= ends[word_of[spoken]]]] = -1
    return word_of
