"""How many components two models share: correlations on held-out stimuli, against those of exchanged stimuli.

The stimuli of one side are exchanged among those of nearly the same length, and everything is done again: weights
learned on the training folds, variates correlated on the test fold. The time course that all stimuli have in common is
taken out of both sides first: two models that follow the onset share that, and it would hide weaker components.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear import CCA, SharedParts
from heschl.linear.design.time_course import without_time_course
from heschl.study.analyses.fits.exchange import Draws, permuter_of
from heschl.study.analyses.fits.shared import Split
from heschl.study.work.cache import Progress, save_arrays

PERMUTATIONS = 39
"""The fewest but 19 that decide at 5 %."""
LEVEL, EACH = 0.05, 0.02
"""Of the false discovery rate, and of each component: estimated axes beyond the shared ones still hold a little."""
LEAST, TIMES = 20, 2
"""Components looked at: so many, or so many times those taken as shared."""


def write_components(split: Split, seed: tuple[int, int], path: Path, progress: Progress) -> None:
    """Write ``correlations`` (permutations + 1, components): mean over test folds, of the true alignment first.

    Parameters
    ----------
    split : Split
        Of one group.
    seed : tuple of int
        Of the study, and the number of the group.
    path : Path
        The file.
    progress : callable
    """
    permuter = permuter_of(split.group)
    rows = Draws(seed, 0, PERMUTATIONS + 1).rows(permuter)
    bounds = permuter.bounds

    @lru_cache(maxsize=4)
    def layers(pair: tuple[int, int]) -> tuple[NDArray[Any], NDArray[Any]]:
        every = np.ones(len(bounds), dtype=bool)
        a, b = (without_time_course(side, bounds, every)[0] for side in split.pair(split.layers.index(pair)))
        return a, b

    found = []
    for done, moved in enumerate(rows):
        found.append(held_out(split, layers, moved, permuter.keep))
        progress(done + 1, len(rows))
    save_arrays(path, {"correlations": np.stack(found)})


def held_out(
    split: Split,
    layers: Callable[[tuple[int, int]], tuple[NDArray[Any], NDArray[Any]]],
    moved: NDArray[np.int64],
    keep: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the mean over folds of correlations on test rows, the language side's rows exchanged, (components,)."""
    settings = split.settings
    count = min(max(LEAST, TIMES * settings.n_components), *(split.width(side) for side in ("speech", "language")))
    cca = CCA(**{**split.cca.get_params(), "n_components": count})
    spoken = split.spoken & split.spoken[moved] & keep
    words = split.counted_words()
    if words is not None:
        words = words[spoken[words[:, 0]] & spoken[words[:, 1] - 1]]
    out = np.full((split.encoding.folds, count), np.nan)
    for k in range(split.encoding.folds):
        a, b = layers(split.layers[k])
        b = b[moved]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # fewer components than asked for, where principal components were cut
            parts = SharedParts.learn(cca, a, b, split.row_fold != k, spoken=spoken, words=words)
            found = parts.held_out(a, b, split.row_fold == k, words)
        out[k, : len(found)] = found
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # components that no fold has
        return np.asarray(np.nanmean(out, axis=0))


def count_shared(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return how many components are shared, of p and q (..., components)."""
    return np.asarray(((q <= LEVEL) & (p <= EACH)).sum(axis=-1))


def component_p_values(correlations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of permuted correlations, of all components together, that reach each one, (components,).

    Parameters
    ----------
    correlations : (m + 1, K) array
        Of the true alignment first.
    """
    null = np.sort(correlations[1:][np.isfinite(correlations[1:])])
    reached = len(null) - np.searchsorted(null, np.nan_to_num(correlations[0], nan=-np.inf))
    return np.asarray((1.0 + reached) / (1.0 + len(null)))
