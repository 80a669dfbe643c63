"""Word-lag encoding: one row for each word, the response averaged in a window at each of many lags about its onset.

As in the paper's published code and in work on podcasts (Goldstein et al. 2022, Nature Neuroscience 25:369), but words
of one stimulus stay in one fold, and principal components, λ and standardisation are learned on training folds. All
lags share the features: lags × electrodes are targets of one fit, each with its own λ.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.linear import nested_cv_learned
from heschl.study.config.analyses import WordLags
from heschl.study.config.encoding import Encoding
from heschl.study.extraction.features import Features, expanded, spoken_rows
from heschl.study.inputs.groups import FitGroup
from heschl.study.work.cache import Progress, save_arrays

LEAST_WORDS = 20
"""Known words at a lag, below which an electrode has no score there."""


def word_rows(timing: Features, group: FitGroup) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row, and one past the last, of each word in a group's frames."""
    _, words = spoken_rows(timing, group)
    return words[:, 0], words[:, 1]


def lagged_responses(
    y: NDArray[np.float32], lengths: NDArray[np.int64], onsets: NDArray[np.int64], settings: WordLags, rate: float
) -> NDArray[np.float32]:
    """Average responses in a window about each lag from each word's onset.

    Parameters
    ----------
    y : (n_frames, c) array
    lengths : (s,) array
        Frames of the segments.
    onsets : (m,) array
        Row of each word's first frame.
    settings : WordLags
        Lags and window, s.
    rate : float
        Hz.

    Returns
    -------
    (m, L · c) array
        Lag-major; NaN where the window reaches out of the word's own segment, or no response in it is known.
    """
    ends = np.cumsum(lengths)
    segment = np.searchsorted(ends, onsets, side="right")
    first, last = (ends - lengths)[segment], ends[segment]
    half = max(0, round(settings.window * rate / 2))
    known = np.isfinite(y)
    sums = np.zeros((len(y) + 1, y.shape[1]))
    counts = np.zeros((len(y) + 1, y.shape[1]))
    np.cumsum(np.where(known, y, 0.0), axis=0, out=sums[1:])
    np.cumsum(known, axis=0, out=counts[1:])
    parts = []
    for lag in settings.lags():
        middle = onsets + round(lag * rate)
        begin, end = middle - half, middle + half + 1
        inside = (begin >= first) & (end <= last)
        lower, upper = np.clip(begin, 0, len(y)), np.clip(end, 0, len(y))
        total, count = sums[upper] - sums[lower], counts[upper] - counts[lower]
        mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
        mean[~inside] = np.nan
        parts.append(mean.astype(np.float32))
    return np.concatenate(parts, axis=1)


def write_word_lags(
    features: Features,
    layer: int,
    timing: Features,
    group: FitGroup,
    settings: WordLags,
    encoding: Encoding,
    path: Path,
    progress: Progress,
) -> None:
    """Write ``r2`` and ``r`` of one space, (electrodes, lags), means over folds; and ``n_words``.

    Parameters
    ----------
    features : Features
        The space that predicts.
    layer : int
        Which of its layers.
    timing : Features
        A space whose grid and stimuli say where words are.
    group : FitGroup
        Responses.
    settings, encoding : WordLags, Encoding
    path : Path
        The file.
    progress : callable

    Raises
    ------
    InputError
        Where no lag has enough words.
    """
    frames = expanded(features.layer(layer, group.segments))
    onsets, ends = word_rows(timing, group)
    y = lagged_responses(group.y, group.lengths, onsets, settings, timing.grid.rate)
    X = np.stack([frames[a:b].mean(axis=0) for a, b in zip(onsets, ends, strict=True)]).astype(np.float32)
    row_segment = np.repeat(np.arange(len(group.lengths)), group.lengths)[onsets]
    heard, lengths = np.unique(row_segment, return_counts=True)
    folds, n_folds = group.folds[heard], encoding.folds
    row_fold = np.repeat(folds, lengths)
    known = np.stack([np.isfinite(y[row_fold == k]).sum(axis=0) for k in range(n_folds)])
    # A lag at which a fold knows next to nothing of an electrode has no score.
    usable = (known >= 2).all(axis=0) & (known.sum(axis=0) >= LEAST_WORDS)
    if not usable.any():
        raise InputError(
            "word_lags", f"no lag at which {LEAST_WORDS} words are known in all {n_folds} folds", "one or more",
            "Nearer lags (tmin, tmax) stay within the stimuli.",
        )  # fmt: skip

    def learn(_: int, train: NDArray[np.bool_]) -> dict[str, Any]:
        return {"words": lambda: _components(X, train, settings.pca)}

    scores = nested_cv_learned(
        learn, y[:, usable], segments=lengths, folds=folds, lags=range(1), alphas=encoding.alpha_grid(),
        standardize=False, scoring=encoding.scoring, missing="mask", device=encoding.device,
    )["words"]  # fmt: skip
    n_lags, c = len(settings.lags()), group.y.shape[1]
    out: dict[str, NDArray[Any]] = {"n_words": np.array(len(onsets))}
    for name in ("r2", "r"):
        whole = np.full(n_lags * c, np.nan)
        with np.errstate(invalid="ignore"):
            whole[usable] = np.nanmean(getattr(scores, name), axis=0)
        out[name] = whole.reshape(n_lags, c).T
    save_arrays(path, out)


def _components(X: NDArray[np.float32], train: NDArray[np.bool_], k: int | None) -> NDArray[np.float32]:
    """Standardise by the training words, and rotate to their first principal components."""
    mean, scale = X[train].mean(axis=0), X[train].std(axis=0)
    Z = (X - mean) / np.where(scale > 0, scale, 1.0)
    if k is None or k >= min(int(train.sum()), X.shape[1]):
        return np.asarray(Z, dtype=np.float32)
    _, _, vt = np.linalg.svd(Z[train].astype(np.float64), full_matrices=False)
    return np.asarray(Z @ vt[:k].T, dtype=np.float32)
