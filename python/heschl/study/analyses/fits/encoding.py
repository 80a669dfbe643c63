"""The fit of one layer to one group of subjects by nested cross-validation; then the best layer of a space.

What is kept of a fit is small: its scores, and the squared errors of its out-of-fold predictions summed over
each stimulus, from which every later statistic over stimuli can be made; of the predictions themselves, one
stimulus' worth.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear import Repeated, nested_cv
from heschl.linear.crossval.scores import pooled_of_folds
from heschl.study.analyses.fits.reduced import nested_cv_reduced, standardized
from heschl.study.config.encoding import Encoding
from heschl.study.extraction.features import Features
from heschl.study.inputs.groups import FitGroup
from heschl.study.kinds.base import FeatureSpace
from heschl.study.work.cache import Progress, save_arrays

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LayerFit:
    """What is kept of the fit of one layer to all c targets of a group.

    Attributes
    ----------
    r2, r, alpha, inner_r2 : arrays of shape (n_folds, c)
        Scores on the outer test folds, λ as chosen on the inner folds, and the mean inner R² at that λ.
    inner_score : array of shape (n_folds, c)
        The inner folds' score by which λ was chosen, and a layer is; the higher, the better.
    edge : bool array of shape (n_folds, c)
        Whether that λ lies at an end of the grid.
    pooled_r2 : array of shape (c,)
        1 − ΣSSE/ΣSST over folds.
    sse : array of shape (n_stimuli, c)
        Squared errors of the out-of-fold predictions, summed over each stimulus.
    example : array of shape (n_example_frames, c)
        Out-of-fold predictions of the group's example stimulus.
    """

    r2: Floats
    r: Floats
    alpha: Floats
    inner_r2: Floats
    inner_score: Floats
    edge: NDArray[np.bool_]
    pooled_r2: Floats
    sse: Floats
    example: NDArray[np.float32]

    def save(self, path: Path) -> None:
        """Write to one file."""
        save_arrays(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> LayerFit:
        """Read what `save` wrote."""
        with np.load(path) as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})


@dataclass(frozen=True)
class BestFit:
    """The best layer of one space, for each outer fold and target, chosen on the inner folds.

    Attributes
    ----------
    layer : int array of shape (n_folds, c)
        Index of the layer; −1 where no layer has an inner score.
    r2, r, alpha : arrays of shape (n_folds, c)
        As of the layer chosen.
    pooled_r2 : array of shape (c,)
        Over all folds, each with the layer chosen for it.
    sse : array of shape (n_stimuli, c)
        Squared errors of the predictions by the layers chosen.
    example : array of shape (n_example_frames, c)
        These predictions of the example stimulus.
    """

    layer: NDArray[np.intp]
    r2: Floats
    r: Floats
    alpha: Floats
    pooled_r2: Floats
    sse: Floats
    example: NDArray[np.float32]


@dataclass(frozen=True)
class GroupFits:
    """All fits of one group of subjects.

    Attributes
    ----------
    group : FitGroup
        Targets, segments, folds.
    layers : dict of (space, layer name) to Path
        Where each `LayerFit` is; they are many, and are loaded one at a time.
    best : dict of space to BestFit
        The best layers.
    mean_sse : array of shape (n_stimuli, c)
        Squared errors of the model that predicts the training folds' mean.
    """

    group: FitGroup
    layers: dict[tuple[str, str], Path]
    best: dict[str, BestFit]
    mean_sse: Floats


def write_layer_fit(
    features: Features,
    layer: int,
    group: FitGroup,
    settings: Encoding,
    rate: float,
    path: Path,
    progress: Progress,
) -> None:
    """Fit one layer to one group and write what is kept.

    Parameters
    ----------
    features : Features
        Of one space.
    layer : int
        Which of its layers.
    group : FitGroup
        Targets.
    settings : Encoding
        Lags, λ grid, folds.
    rate : float
        Frames per second, Hz.
    path : Path
        The file.
    progress : callable
    """
    X = features.layer(layer, group.segments)
    fit_layer(X, group, settings, rate, progress, space=features.space).save(path)


def fit_layer(
    X: NDArray[np.float32] | Repeated,
    group: FitGroup,
    settings: Encoding,
    rate: float,
    progress: Progress | None = None,
    *,
    space: FeatureSpace | None = None,
) -> LayerFit:
    """Fit one layer, X (n_frames, width), to all targets of a group by nested cross-validation.

    With one λ for all electrodes the shuffled responses are fitted apart, so that they have no say in it. `space` says
    whether the layer is z-scored and reduced to principal components.
    """
    score = nested_cv if space is None or space.pca is None else partial(nested_cv_reduced, keep=space.pca)
    apart = not settings.alpha_per_target and group.y_shuffled.shape[1] > 0
    blocks = [group.y, group.y_shuffled] if apart else [group.targets]
    scores = [
        score(
            X,
            y,
            segments=group.lengths,
            folds=group.folds,
            lags=settings.lags(rate),
            alphas=settings.alpha_grid(),
            standardize=standardized(space, settings.standardize),
            alpha_per_target=settings.alpha_per_target,
            scoring=settings.scoring,
            device=settings.device,
            missing="mask",  # what may be missing was asked when the responses were read
            progress=progress,
        )
        for y in blocks
    ]

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(block, name) for block in scores], axis=-1)

    predictions = joined("predictions")
    _, rows = group.example()
    return LayerFit(
        **{name: joined(name) for name in ("r2", "r", "alpha", "inner_r2", "inner_score", "edge", "pooled_r2")},
        sse=group.by_stimulus(np.square(group.targets - predictions, dtype=np.float64)),
        example=np.asarray(predictions[rows], dtype=np.float32),
    )


def best_layers(layers: Iterable[LayerFit], group: FitGroup) -> BestFit:
    """Choose for each outer fold and target the layer with the highest inner score; test scores have no say.

    Layers go by one at a time; only the best so far is held.
    """
    fold_of = dict(zip((name for name, _ in group.segments), group.folds, strict=True))
    stimulus_fold = np.array([fold_of[name] for name in group.stimuli])
    example_fold = fold_of[group.example()[0]]
    inner = best = None
    for i, fit in enumerate(layers):
        if inner is None or best is None:
            inner = np.full_like(fit.inner_score, -np.inf)
            nowhere = np.full_like(fit.r2, np.nan)
            best = BestFit(
                np.full(fit.r2.shape, -1),
                nowhere,
                nowhere.copy(),
                nowhere.copy(),
                np.empty(0),
                np.full_like(fit.sse, np.nan),
                np.full_like(fit.example, np.nan),
            )
        better = fit.inner_score > inner  # False where there is no inner score (NaN)
        inner[better] = fit.inner_score[better]
        best.layer[better] = i
        for kept, new in ((best.r2, fit.r2), (best.r, fit.r), (best.alpha, fit.alpha)):
            kept[better] = new[better]
        best.sse[better[stimulus_fold]] = fit.sse[better[stimulus_fold]]
        best.example[:, better[example_fold]] = fit.example[:, better[example_fold]]
    assert best is not None, "a space has at least one layer"
    pooled = pooled_of_folds(best.r2, _fold_squares(group))
    return BestFit(best.layer, best.r2, best.r, best.alpha, pooled, best.sse, best.example)


def most_chosen(fits: GroupFits, n_layers: Mapping[str, int]) -> dict[str, int]:
    """Return for each space the layer that inner folds chose most often, over outer folds and electrodes."""
    n = len(fits.group.electrodes)
    return {
        space: int(np.bincount(best.layer[:, :n][best.layer[:, :n] >= 0], minlength=n_layers[space]).argmax())
        for space, best in fits.best.items()
    }


def layers_of_folds(fits: GroupFits, space: str, layers: Sequence[str]) -> list[int]:
    """Return for each outer fold the layer of a space with the best mean inner score over electrodes."""
    return [int(layer) for layer in inner_scores(fits, space, layers).argmax(axis=0)]


def inner_scores(fits: GroupFits, space: str, layers: Sequence[str]) -> Floats:
    """Return the mean inner score over electrodes of the layers of a space, (layers, folds)."""
    n = len(fits.group.electrodes)
    inner = [LayerFit.load(fits.layers[space, layer]).inner_score[:, :n] for layer in layers]
    return np.asarray(np.nanmean(np.stack(inner), axis=2))


def _row_folds(group: FitGroup) -> NDArray[np.intp]:
    return np.repeat(group.folds, group.lengths)


def _fold_squares(group: FitGroup) -> Floats:
    """Return each fold's squares about its own mean, (n_folds, c)."""
    y, folds = group.targets.astype(np.float64), _row_folds(group)
    parts = [y[folds == k] for k in np.unique(folds)]
    return np.stack([np.nansum(np.square(part - np.nanmean(part, axis=0)), axis=0) for part in parts])


def mean_errors(group: FitGroup) -> Floats:
    """Return the squared errors of the mean of each fold's training rows, summed over each stimulus."""
    y, folds = group.targets.astype(np.float64), _row_folds(group)
    residuals = np.empty_like(y)
    for k in np.unique(folds):
        residuals[folds == k] = y[folds == k] - np.nanmean(y[folds != k], axis=0)
    return group.by_stimulus(np.square(residuals))
