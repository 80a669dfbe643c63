"""Stretches in which a channel keeps one value: an amplifier that dropped out, not a brain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FLAT_S = 0.1
"""Length from which the same value counts as a dropout, s."""


def flat_samples(samples: NDArray[np.float64], least: int) -> NDArray[np.bool_]:
    """Tell which samples lie in a stretch of one value.

    Parameters
    ----------
    samples : (n_samples, n_channels) array
        NaN, a missing sample, equals nothing.
    least : int
        Samples from which a stretch counts.

    Returns
    -------
    (n_samples, n_channels) array of bool

    Examples
    --------
    >>> flat_samples(np.array([[1.0], [0.0], [0.0], [0.0], [2.0], [2.0]]), 3)[:, 0].tolist()
    [False, True, True, True, False, False]
    """
    n, c = samples.shape
    least = max(2, least)
    if n < least:
        return np.zeros((n, c), dtype=bool)
    same = np.zeros((n, c), dtype=np.int32)  # same[i]: sample i is that before it
    same[1:] = samples[1:] == samples[:-1]
    total = np.cumsum(same, axis=0)
    begins = total[least - 1 :] - total[: n - least + 1] == least - 1
    change = np.zeros((n + 1, c), dtype=np.int32)
    change[: n - least + 1] += begins
    change[least : n + 1] -= begins
    return np.asarray(np.cumsum(change, axis=0)[:n] > 0)
