"""The test of "this electrode follows these features" in a study: one layer under some of the permutations.

As `heschl.linear.exchange_test`, in pieces: the responses of whole stimuli are exchanged among stimuli of nearly the
same length and the analysis is repeated, λ chosen on inner folds for every permutation anew. What is kept of each
permutation, r of prediction and response in each outer fold and the inner score of the layer, is what chooses the
layer and makes the statistic once all layers are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear import nested_cv
from heschl.linear.design.permuter import Permuter
from heschl.linear.design.time_course import beyond_length
from heschl.linear.nulls.exchange import CHOSEN_BY
from heschl.study.analyses.fits.leading import leading_components
from heschl.study.analyses.fits.reduced import standardized
from heschl.study.config.encoding import Encoding
from heschl.study.extraction.features import Features
from heschl.study.inputs.groups import FitGroup
from heschl.study.work.cache import Progress, save_arrays

RESPONSE_BYTES = 1 << 30
"""That permuted responses and what is made of them may take at a time."""
COPIES = 6


@dataclass(frozen=True)
class Draws:
    """Some of a test's permutations: numbers `first` … `last` − 1, of which number 0 is the true alignment.

    Each is drawn from a seed of its own, so that all layers see the same ones, however they are shared out.

    Attributes
    ----------
    seed : tuple of int
        Of the study, and the number of the group.
    first, last : int
    """

    seed: tuple[int, int]
    first: int
    last: int

    def rows(self, permuter: Permuter) -> list[NDArray[np.int64]]:
        """Return for each permutation the row of the responses that each frame gets, (n,)."""
        moves = [
            permuter.draw(np.random.default_rng([*self.seed, number])) if number else permuter.identity()
            for number in range(self.first, self.last)
        ]
        return [permuter.rows(move) for move in moves]


def permuter_of(group: FitGroup, blocks: NDArray[np.intp] | None = None) -> Permuter:
    """Return which stimuli of a group may exchange their responses, within blocks of segments where there are any.

    Repeats of a stimulus move together.
    """
    ends = np.cumsum(group.lengths)
    bounds = np.stack([ends - group.lengths, ends], axis=1)
    return Permuter.of(bounds, group.folds, np.array([name for name, _ in group.segments], dtype=object), blocks)


def write_exchange(
    features: Features,
    layer: int,
    group: FitGroup,
    blocks: NDArray[np.intp],
    settings: Encoding,
    rate: float,
    draws: Draws,
    path: Path,
    progress: Progress,
) -> None:
    """Write ``r`` and ``inner``, (permutations, folds, electrodes), of one layer.

    Parameters
    ----------
    features : Features
        Of one space.
    layer : int
        Which of its layers.
    group : FitGroup
        Responses.
    blocks : array of shape (n_segments,)
        Segments of one number may exchange their responses.
    settings : Encoding
        Lags, λ grid, folds.
    rate : float
        Frames per second, Hz.
    draws : Draws
    path : Path
        The file.
    progress : callable
    """
    permuter = permuter_of(group, blocks)
    keep = features.space.pca
    X = leading_components(
        features.layer(layer, group.segments), group.lengths, settings.lags(rate),
        standardize=standardized(features.space, settings.standardize),
        features=int(keep) if keep is not None and keep > 1 else None,
    )  # fmt: skip
    arrays = exchanged(X, group, permuter, draws, settings, progress)
    save_arrays(path, {name: values.astype(np.float32) for name, values in arrays.items()})


def exchanged(
    X: NDArray[np.float32],
    group: FitGroup,
    permuter: Permuter,
    draws: Draws,
    settings: Encoding,
    progress: Progress | None = None,
) -> dict[str, NDArray[Any]]:
    """Score a design (n, r) against the responses under some permutations; see `write_exchange`."""
    keep, c = permuter.keep, group.y.shape[1]
    rows = draws.rows(permuter)
    starts = np.concatenate([[0], np.cumsum(group.lengths)[:-1]])
    lengths = np.add.reduceat(keep.astype(np.int64), starts)
    kept = np.ascontiguousarray(X[keep])
    together = max(1, RESPONSE_BYTES // (COPIES * max(1, 4 * int(keep.sum()) * c)))
    if not settings.alpha_per_target:
        together = 1  # permutations must not choose their one λ together
    responses = beyond_length(group.y, permuter.bounds)
    missing = "raise" if np.isfinite(responses).all() else "mask"
    found: dict[str, list[NDArray[Any]]] = {"r": [], "inner": []}
    for first in range(0, len(rows), together):
        some = rows[first : first + together]
        y = np.concatenate([responses[moved[keep]] for moved in some], axis=1)
        scores = nested_cv(
            kept, y, segments=lengths, folds=group.folds, lags=range(1), alphas=settings.alpha_grid(),
            standardize=False, alpha_per_target=settings.alpha_per_target, scoring=CHOSEN_BY, missing=missing,
            device=settings.device,
        )  # fmt: skip
        for name, values in (("r", scores.r), ("inner", scores.inner_score)):
            found[name].append(values.reshape(len(values), len(some), c).transpose(1, 0, 2))
        if progress is not None:
            progress(first + len(some), len(rows))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def best_statistic(layers: list[dict[str, NDArray[Any]]]) -> NDArray[np.float64]:
    """Return the statistic of the layer that inner folds choose, in each permutation anew: (permutations, electrodes).

    Mean over outer folds of Pearson's r of prediction and response.
    """
    inner = np.stack([np.nan_to_num(layer["inner"], nan=-np.inf) for layer in layers])
    chosen = inner.argmax(axis=0)[None]
    best = np.take_along_axis(np.stack([layer["r"] for layer in layers]), chosen, axis=0)[0]
    known = np.isfinite(best)
    total, count = np.where(known, best, 0.0).sum(axis=1, dtype=np.float64), known.sum(axis=1)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))
