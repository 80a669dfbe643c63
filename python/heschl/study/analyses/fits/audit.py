"""What the audit measures: test rows are spoilt and nothing learned may move; words are moved and the score must fall.

A part of the study is enough, by the very code that fits the whole: some stimuli of every fold, some electrodes, the
first layer of a space.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from heschl.linear import Repeated
from heschl.study.analyses.fits.encoding import LayerFit, best_layers, fit_layer, mean_errors
from heschl.study.analyses.fits.shared import Split
from heschl.study.config.encoding import Encoding
from heschl.study.extraction.features import Features
from heschl.study.inputs.groups import FitGroup
from heschl.study.work.cache import Progress, save_arrays

STIMULI, ELECTRODES = 40, 32
"""At most, of the part that is measured on."""
SPOILT = 10.0
"""Standard deviation of what replaces features and responses, in units of theirs."""
OUTER = 0
"""The fold whose rows are spoilt."""


def part_of(group: FitGroup) -> FitGroup:
    """Return some stimuli of every fold, one segment each, and some electrodes that are known in all folds."""
    n_folds = len(np.unique(group.folds))
    first = {name: at for at, (name, _) in reversed(list(enumerate(group.segments)))}
    chosen: list[int] = []
    for k in range(n_folds):
        of_fold = [at for at in sorted(first.values()) if group.folds[at] == k]
        chosen += of_fold[: max(2, STIMULI // n_folds)]
    chosen.sort()
    ends = np.cumsum(group.lengths)
    rows = np.concatenate([np.arange(ends[at] - group.lengths[at], ends[at]) for at in chosen])
    y, fold = group.y[rows], np.repeat(group.folds[chosen], group.lengths[chosen])
    known = np.all([[_varies(y[fold == k, at]) for at in range(y.shape[1])] for k in range(n_folds)], axis=0)
    at = np.flatnonzero(known)
    picked = at[np.unique(np.linspace(0, len(at) - 1, min(ELECTRODES, len(at))).round().astype(int))]
    return FitGroup(
        tuple(group.subjects[i] for i in picked), tuple(group.electrodes[i] for i in picked),
        tuple(group.segments[i] for i in chosen), y[:, picked], y[:, :0], group.folds[chosen],
    )  # fmt: skip


def _varies(values: NDArray[np.float32]) -> bool:
    known = values[np.isfinite(values)]
    return bool(len(known) > 1 and np.ptp(known) > 0)


def write_space(features: Features, part: FitGroup, settings: Encoding, rate: float, path: Path, _: Progress) -> None:
    """Write what moved when test rows were spoilt, and what the score did when words were moved, for one space.

    Parameters
    ----------
    features : Features
        Of the space.
    part : FitGroup
        From `part_of`.
    settings : Encoding
    rate : float
        Frames per second, Hz.
    path : Path
        The file: ``moved`` and, of a space of words, ``shifted``: (2,), Student's t over stimuli of the loss by words
        one place late and one place early.
    """
    X = features.layer(0, part.segments)
    fit = fit_layer(X, part, settings, rate)
    arrays = {"moved": np.array(moved_by_test_rows(X, part, settings, rate, fit))}
    if isinstance(X, Repeated):
        arrays["shifted"] = np.array([loss_by_moved_words(X, part, settings, rate, fit, by) for by in (1, -1)])
    save_arrays(path, arrays)


def moved_by_test_rows(
    X: NDArray[np.float32] | Repeated, part: FitGroup, settings: Encoding, rate: float, fit: LayerFit
) -> float:
    """Return by how much what a fold has learned moves when its test rows are spoilt, all but those of one stimulus.

    What it has learned is seen in the inner score of the λ that it chose, and in its errors on that one stimulus: they
    are the same if weights, λ, means and deviations are.
    """
    tested = [name for (name, _), fold in zip(part.segments, part.folds, strict=True) if fold == OUTER]
    spoilt = np.repeat([name in tested[1:] for name, _ in part.segments], part.lengths)
    other = fit_layer(spoil(X, spoilt), replace(part, y=spoil_rows(part.y, spoilt)), settings, rate)
    kept = part.stimuli.index(tested[0])
    errors = np.abs(other.sse[kept] - fit.sse[kept]) / np.maximum(fit.sse[kept], np.finfo(np.float32).tiny)
    inner = np.abs(other.inner_score[OUTER] - fit.inner_score[OUTER])
    return float(np.nanmax([errors, inner], initial=0.0))


def loss_by_moved_words(X: Repeated, part: FitGroup, settings: Encoding, rate: float, fit: LayerFit, by: int) -> float:
    """Return Student's t over stimuli of how much larger errors are when each word has its neighbour's features.

    Each electrode counts by its errors relative to the training mean's. Above 0: words predict better where they are.
    """
    moved = fit_layer(moved_words(X, part, by), part, settings, rate)
    scale = mean_errors(part).sum(axis=0)
    loss = ((moved.sse - fit.sse) / np.where(scale > 0, scale, np.inf)).sum(axis=1)
    spread = loss.std(ddof=1) / np.sqrt(len(loss))
    return float(loss.mean() / spread) if spread > 0 else 0.0


def spoil(X: NDArray[np.float32] | Repeated, rows: NDArray[np.bool_]) -> NDArray[np.float32] | Repeated:
    """Return features with noise in the place of some frames."""
    if isinstance(X, Repeated):
        starts = np.cumsum(X.counts) - X.counts
        return Repeated(spoil_rows(X.values, rows[starts]), X.counts)
    return spoil_rows(X, rows)


def spoil_rows(values: NDArray[Any], rows: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return an array with noise in the place of some rows, ten times as large."""
    noise = np.random.default_rng(0).standard_normal((int(rows.sum()), values.shape[1]))
    out = np.array(values, dtype=np.float32)
    out[rows] = np.nanmean(values, axis=0) + SPOILT * np.nanstd(values, axis=0) * (1 + noise)
    return out


def moved_words(X: Repeated, part: FitGroup, by: int) -> Repeated:
    """Return features in which each word of a stimulus has those of the word ``by`` places before it, in a circle."""
    starts, ends = np.cumsum(X.counts) - X.counts, np.cumsum(part.lengths)
    segment = np.searchsorted(ends, starts, side="right")
    spoken, values = X.values.any(axis=1), np.array(X.values)
    for at in np.unique(segment):
        words = np.flatnonzero((segment == at) & spoken)
        values[words] = X.values[np.roll(words, by)]
    return Repeated(values, X.counts)


def layers_by_test_scores(layers: Sequence[LayerFit], group: FitGroup) -> int:
    """Return how many choices of a layer move when every score on test folds is turned upside down."""
    spoilt = (
        replace(fit, r2=-fit.r2, r=-fit.r, pooled_r2=-fit.pooled_r2, sse=1 / (1 + fit.sse), alpha=fit.alpha)
        for fit in layers
    )
    chosen, again = (_chosen(fits, group) for fits in (layers, spoilt))
    return int((chosen != again).sum())


def _chosen(fits: Iterable[LayerFit], group: FitGroup) -> NDArray[np.intp]:
    return best_layers(fits, group).layer


def write_shared(split: Split, other: Split, path: Path, _: Progress) -> None:
    """Write by how much the shared variates of training rows move when test rows are spoilt.

    Parameters
    ----------
    split, other : Split
        The same twice: a copy of the second is spoilt here.
    path : Path
        The file: ``moved``, the share of their size that lies outside of what they spanned before.
    """
    other = copy(other)  # pieces leave their arguments as they are: a worker of a cluster keeps them for the next one
    rows, load = split.row_fold == OUTER, other.load
    other.load = lambda space, layer: spoil_rows(load(space, layer), rows)  # type: ignore[assignment]
    moved = 0.0
    for side, X in zip("ab", split.pair(OUTER), strict=True):
        found, again = (each.parts(OUTER).features(side, X, "top", split.settings.coords) for each in (split, other))
        found, again = (np.asarray(values[~rows], dtype=np.float64) for values in (found, again))
        left = again - found @ np.linalg.lstsq(found, again, rcond=None)[0]  # components of one size may turn
        moved = max(moved, float(np.linalg.norm(left) / max(np.linalg.norm(again), np.finfo(np.float32).tiny)))
    save_arrays(path, {"moved": np.array(moved)})


def worse(t: float, n: int) -> bool:
    """Return whether words that were moved predict better, beyond one chance in a thousand."""
    return bool(stats.t.cdf(t, n - 1) < 1e-3)
