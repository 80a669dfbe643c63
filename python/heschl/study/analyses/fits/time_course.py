"""What a space predicts over and above what all stimuli evoke alike, and what that alone predicts.

The common time course is a nuisance space of its own: the mean over training stimuli at each time since onset. Taken
out of responses and of features alike, by the training stimuli of each outer fold, what is left of a response is
predicted by what is left of the features, as in a model of both in which the time course is not penalised.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear import mean_time_course, nested_cv_learned
from heschl.study.analyses.fits.encoding import GroupFits, LayerFit
from heschl.study.analyses.fits.reduced import prepared, standardized
from heschl.study.config.encoding import Encoding
from heschl.study.extraction.features import Features
from heschl.study.inputs.groups import FitGroup
from heschl.study.work.cache import Progress, save_arrays


def write_beyond(
    features: Features,
    layers: list[int],
    group: FitGroup,
    settings: Encoding,
    rate: float,
    path: Path,
    progress: Progress,
) -> None:
    """Write ``sse``, (stimuli, electrodes): errors of the time course and a space's features together.

    Parameters
    ----------
    features : Features
        Of one space.
    layers : list of int
        Its layer of each outer fold.
    group : FitGroup
        Responses.
    settings : Encoding
        Lags, λ grid, folds.
    rate : float
        Frames per second, Hz.
    path : Path
        The file.
    progress : callable
    """
    space = features.space
    z_scored = standardized(space, settings.standardize)

    def learn(k: int, train: NDArray[np.bool_]) -> dict[str, Any]:
        X = features.layer(layers[k], group.segments)
        return {"both": lambda: X if space.pca is None else prepared(X, train, space.pca, standardize=z_scored)}

    scores = nested_cv_learned(
        learn, group.y, segments=group.lengths, folds=group.folds, lags=settings.lags(rate),
        alphas=settings.alpha_grid(), standardize=z_scored and space.pca is None,
        alpha_per_target=settings.alpha_per_target, scoring=settings.scoring, missing="mask", device=settings.device,
        over_time_course=True, progress=progress,
    )["both"]  # fmt: skip
    save_arrays(path, {"sse": errors(group, scores.predictions)})


def errors(group: FitGroup, predictions: NDArray[Any]) -> NDArray[np.float64]:
    """Sum the squared errors of predictions (n, c) over each stimulus."""
    return group.by_stimulus(np.square(group.y - predictions, dtype=np.float64))


def course_errors(group: FitGroup) -> NDArray[np.float64]:
    """Sum the squared errors of the mean time course of each fold's training stimuli over each stimulus."""
    predicted = np.empty(group.y.shape)
    row_fold = np.repeat(group.folds, group.lengths)
    for k in np.unique(group.folds):
        course = mean_time_course(group.y, segments=group.lengths, train=group.folds != k)
        predicted[row_fold == k] = course[row_fold == k]
    return errors(group, predicted)


def layer_errors(fits: GroupFits, space: str, names: list[str]) -> NDArray[np.float64]:
    """Return the squared errors by stimulus of one layer for each outer fold, named, of a group's electrodes."""
    group = fits.group
    fold_of = dict(zip((name for name, _ in group.segments), group.folds.tolist(), strict=True))
    fold = np.array([fold_of[name] for name in group.stimuli])
    out = np.empty((len(fold), len(group.electrodes)))
    for k, layer in enumerate(names):
        out[fold == k] = LayerFit.load(fits.layers[space, layer]).sse[fold == k, : len(group.electrodes)]
    return out
