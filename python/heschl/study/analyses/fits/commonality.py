"""What the shared part is made of, by commonality: what it says of the responses and a probe says as well.

common(shared, probe) = R²(shared) + R²(probe) − R²(both), each of a model with penalties of its own. A probe that has
nothing to do with the shared part has nothing in common with it, however well it predicts.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear import common_variance, residual, time_course
from heschl.study.analyses.fits.leading import leading_components
from heschl.study.analyses.fits.shared import Split
from heschl.study.config.analyses import Shared
from heschl.study.extraction.features import tokens_of
from heschl.study.work.cache import Progress, save_arrays

WORD_TYPE, BEYOND_TYPE, TIME, NOISE = "word type", "beyond type", "time", "noise"
CONTROLS = (WORD_TYPE, BEYOND_TYPE, TIME, NOISE)
DESIGN = 128
"""Leading components of the lagged design of either side."""
NOISE_WIDTH = 50
NOISE_SEED = 18


def common_names(settings: Shared) -> list[str]:
    """Name all that the shared part is held against: what [shared] names, then controls."""
    named = [name for name in ("semantic", "acoustic", "context") if getattr(settings, name)]
    return [*named, *((WORD_TYPE, BEYOND_TYPE) if settings.context else ()), TIME, NOISE]


def write_common(split: Split, name: str, path: Path, progress: Progress) -> None:
    """Write squared errors of the shared part, a probe, and both, (3, stimuli, electrodes), of one group.

    ``sse``; and ``beyond``, with the common time course taken out first (of the time course itself, nothing is left).
    """
    group, settings, encoding = split.group, split.settings, split.encoding
    lags, lengths = encoding.lags(split.rate), group.lengths
    matched = settings.probe_dimensions

    @cache
    def designs(k: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        shared = leading_components(split.shared(k), lengths, lags, standardize=True, most=DESIGN)
        if name == TIME:
            return shared, leading_components(
                time_course(lengths, rate=split.rate), lengths, range(1), standardize=True, most=DESIGN
            )
        X = probe_features(split, name, k)
        return shared, leading_components(X, lengths, lags, standardize=True, most=DESIGN, features=matched)

    def learn(k: int, _: NDArray[np.bool_]) -> dict[str, Any]:
        return {"shared": lambda: designs(k)[0], "probe": lambda: designs(k)[1]}

    arrays = {}
    for done, (kept, over) in enumerate((("sse", False), ("beyond", True))):
        if over and name == TIME:
            continue
        found = common_variance(
            learn, group.y, segments=lengths, folds=group.folds, lags=range(1), alphas=encoding.alpha_grid()[::2],
            groups=np.array([segment for segment, _ in group.segments], dtype=object), missing="mask",
            standardize=False, device=encoding.device, over_time_course=over,
        )  # fmt: skip
        arrays[kept] = found.sse
        progress(done + 1, 2)
    save_arrays(path, arrays)


def probe_features(split: Split, name: str, k: int) -> NDArray[Any]:
    """Return the features (n, d) of a probe, as outer fold k has learned them.

    "context": the language layer less what is linear in its input layer. "word type": its mean over the other tokens of
    a word's type, which knows the word and nothing of where it stands. "beyond type": the layer less its mean over all
    tokens of the type: context, whatever a layer makes of a word by itself. "noise": of each word, as a floor.
    """
    states = split.pair(k)[1]
    if name == NOISE:
        rng = np.random.default_rng(NOISE_SEED)
        return _of_words(rng.standard_normal((len(split.words), NOISE_WIDTH)), split)
    if name == "context":
        train = split.train(k) & split.spoken
        return residual(states, split.input_layer(), train, reg=split.settings.context_reg)
    if name in (WORD_TYPE, BEYOND_TYPE):
        types, tokens = tokens_of(split.spaces[split.settings.language], split.group)
        others, own = type_means(states[split.words[:, 0]], types, tokens)
        return _of_words(others if name == WORD_TYPE else own, split)
    return split.load(getattr(split.settings, name), 0)


def type_means(
    states: NDArray[Any], types: NDArray[np.int64], tokens: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Split states of words (m, d) into what their type says and what is their own.

    Parameters
    ----------
    states : (m, d) array
    types, tokens : (m,) arrays of int
        Of each word; a token that was heard more than once counts once.

    Returns
    -------
    (m, d) arrays
        The mean over the other tokens of the type, 0 where there is none; the state less the mean over all tokens of
        its type. Both about the mean of all.
    """
    centred = np.asarray(states, dtype=np.float64)
    _, first = np.unique(tokens, return_index=True)
    centred = centred - centred[first].mean(axis=0)
    count = np.bincount(types[first], minlength=int(types.max()) + 1)[types][:, None]
    sums = np.zeros((int(types.max()) + 1, centred.shape[1]))
    np.add.at(sums, types[first], centred[first])
    others = np.where(count > 1, (sums[types] - centred) / np.maximum(count - 1, 1), 0.0)
    return others, centred - sums[types] / count


def _of_words(values: NDArray[np.float64], split: Split) -> NDArray[np.float32]:
    """Hold a row for each word through the word's frames; 0 elsewhere."""
    out = np.zeros((len(split.row_fold), values.shape[1]), dtype=np.float32)
    for (first, last), row in zip(split.words.tolist(), values, strict=True):
        out[first:last] = row
    return out
