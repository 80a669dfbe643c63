"""Word-lag encoding: one row for each word, the response averaged in a window at each of many lags about its onset.

As in the paper's published code and in work on podcasts (Goldstein et al. 2022, Nature Neuroscience 25:369), but words
of one stimulus stay in one fold, and principal components, λ and standardisation are learned on training folds. All
lags share the features: lags × electrodes are targets of one fit, each with its own λ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.files import digest, digest_code
from heschl.linear import Repeated, nested_cv_learned
from heschl.study.config.analyses import WordLags
from heschl.study.config.study import Encoding
from heschl.study.extraction.features import Features, spoken_rows
from heschl.study.inputs.targets import FitGroup
from heschl.study.work.cache import Cache, Piece, load_arrays, save_arrays
from heschl.study.work.progress import Reporter

if TYPE_CHECKING:
    import xarray as xr

LEAST_WORDS = 20
"""Known words at a lag, below which an electrode has no score there."""


@dataclass(frozen=True)
class WordLagFits:
    """Scores of one group; m spaces, L lags, c electrodes.

    Attributes
    ----------
    r2, r : arrays of shape (m, c, L)
        Mean over folds.
    n_words : int
    """

    r2: NDArray[np.float64]
    r: NDArray[np.float64]
    n_words: int


def fit_word_lags(
    groups: Sequence[FitGroup],
    features: Mapping[str, Features],
    layers: Sequence[Mapping[str, int]],
    settings: WordLags,
    encoding: Encoding,
    rate: float,
    cache: Cache,
    report: Reporter,
) -> list[WordLagFits]:
    """Fit all lags of each space to every group, but for what the cache holds.

    Parameters
    ----------
    groups : sequence of FitGroup
    features : mapping of space to Features
    layers : sequence of mapping of space to int
        For each group, the layer of each space: the one most often best on inner folds.
    settings, encoding : WordLags, Encoding
    rate : float
        Frames per second, Hz.
    cache : Cache
    report : Reporter

    Returns
    -------
    list of WordLagFits
        One per group.
    """
    code = digest_code("_core", "linear", "study.analyses.word_lags")
    out = []
    for group, own in zip(groups, layers, strict=True):
        onsets, ends = word_rows(features, group)
        y = lagged_responses(group.y, group.lengths, onsets, settings, rate)
        pieces = []
        with report.stage("words at lags", len(settings.spaces)) as advance:
            for space in settings.spaces:
                found = features[space]
                key = digest(
                    code, found.key, own[space], settings.model_dump(), encoding.decides(), group.y, group.segments,
                    group.folds,
                )  # fmt: skip
                make = partial(_write, found, own[space], group, (onsets, ends), y, settings, encoding)
                pieces.append(Piece(f"words/{space}.npz", key, make))
            cache.share(pieces, advance)
        found_arrays = [load_arrays(path) for path in cache.paths(pieces, report)]
        r2, r = (np.stack([arrays[name] for arrays in found_arrays]) for name in ("r2", "r"))
        out.append(WordLagFits(r2, r, len(onsets)))
    return out


def word_rows(features: Mapping[str, Features], group: FitGroup) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First row, and one past the last, of each word in a group's frames."""
    _, words = spoken_rows(next(iter(features.values())), group)
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


def _write(
    found: Features,
    layer: int,
    group: FitGroup,
    words: tuple[NDArray[np.int64], NDArray[np.int64]],
    y: NDArray[np.float32],
    settings: WordLags,
    encoding: Encoding,
    path: Path,
) -> None:
    values = found.layer(layer, group.segments)
    frames = np.repeat(values.values, values.counts, axis=0) if isinstance(values, Repeated) else values
    onsets, ends = words
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
        standardize=False, missing="mask", device=encoding.device,
    )["words"]  # fmt: skip
    n_lags, c = len(settings.lags()), group.y.shape[1]
    out = {}
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


def add_word_lags(results: xr.Dataset, fits: Sequence[WordLagFits], settings: WordLags) -> xr.Dataset:
    """Give the results with ``word_lag_r2`` and ``word_lag_r`` (word_space, electrode, word_lag), lags in s."""
    dims = ("word_space", "electrode", "word_lag")
    joined = {f"word_lag_{n}": (dims, np.concatenate([getattr(f, n) for f in fits], axis=1)) for n in ("r2", "r")}
    coords: dict[str, Any] = {
        "word_space": list(settings.spaces),
        "word_lag": ("word_lag", settings.lags(), {"units": "s"}),
    }
    return results.assign(joined).assign_coords(coords).assign_attrs(n_words=[fit.n_words for fit in fits])
