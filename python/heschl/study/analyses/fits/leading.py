"""The leading principal components of a lagged design: a small space in which a fit can be repeated many times.

Tests and partitions of variance fit the same design hundreds of times over. With p lagged features each fit of one
target costs p² and more; in the first few hundred principal components of the design, which hold most of its variance,
a small share of that. They are learned from features alone, of all stimuli: responses have no say in them, so that a
test by exchanged responses stays exact, whatever they leave out.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from heschl.linear import Repeated, lagged_design
from heschl.study.extraction.features import expanded

MOST_COMPONENTS = 160
"""Of a lagged design."""
MOST_FEATURES = 96
"""Principal components of the features themselves, before they are lagged; more are never needed for so few of all."""
ROWS = 4096
"""Of the lagged design that are in memory at a time, but for whole segments."""


def leading_components(
    X: NDArray[np.float32] | Repeated,
    lengths: NDArray[np.int64],
    lags: range,
    *,
    standardize: bool,
    most: int = MOST_COMPONENTS,
    features: int | None = None,
) -> NDArray[np.float32]:
    """Return the lagged design of all segments in its leading principal components, (n, at most `most`).

    Parameters
    ----------
    X : (n, d) array or Repeated
        Features; lagged within segments, zeros before their first frame.
    lengths : (s,) array
        Frames of the segments.
    lags : range
    standardize : bool
        z-score features first, over all frames.
    most : int
        A design of no more columns is returned as it is, z-scored.
    features : int, optional
        Cut the features themselves to so many principal components first, whatever their number.

    Returns
    -------
    (n, r) array, float32
        Ridge regression on it is that on the lagged features, but for the components that are left out.
    """
    H = np.asarray(expanded(X), dtype=np.float32)
    mean = H.mean(axis=0, dtype=np.float64)
    if standardize:
        scale = H.std(axis=0, dtype=np.float64)
        H = ((H - mean) / np.where(scale > 0, scale, 1.0)).astype(np.float32)
    wide = H.shape[1] > MOST_FEATURES and H.shape[1] * len(lags) > most
    if features is not None or wide:
        H = H @ _axes(_gram([H]), min(features or MOST_FEATURES, MOST_FEATURES if wide else H.shape[1]))
    if H.shape[1] * len(lags) <= most:
        return np.asarray(lagged_design(H, lags, segments=lengths), dtype=np.float32)
    ends = np.cumsum(lengths)
    cuts = [0, *np.flatnonzero(np.diff(ends // ROWS)) + 1, len(lengths)]
    blocks = [(a, b) for a, b in pairwise(cuts) if b > a]

    def design(block: tuple[int, int]) -> NDArray[np.float32]:
        a, b = block
        rows = slice(int(ends[a] - lengths[a]), int(ends[b - 1]))
        return np.asarray(lagged_design(H[rows], lags, segments=lengths[a:b]), dtype=np.float32)

    axes = _axes(_gram(map(design, blocks)), most)
    return np.concatenate([design(block) @ axes for block in blocks])


def _gram(blocks: Iterable[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Sum X'X over blocks of rows, less what their mean adds."""
    total = sums = None
    n = 0
    for block in blocks:
        n += len(block)
        square, ones = (block.T @ block).astype(np.float64), block.sum(axis=0, dtype=np.float64)
        total, sums = (square, ones) if total is None else (total + square, sums + ones)
    assert total is not None and sums is not None, "a design has rows"
    return np.asarray(total - np.outer(sums, sums) / n)


def _axes(gram: NDArray[np.float64], most: int) -> NDArray[np.float32]:
    """Return the leading eigenvectors, (p, most)."""
    from scipy.linalg import eigh

    p = len(gram)
    _, vectors = eigh(gram, subset_by_index=(max(0, p - most), p - 1))
    return np.asarray(vectors[:, ::-1], dtype=np.float32)
