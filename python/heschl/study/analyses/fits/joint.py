"""Several spaces in one model, for one group of subjects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear import Repeated, joint_variance
from heschl.study.analyses.fits.encoding import GroupFits, LayerFit
from heschl.study.analyses.fits.reduced import prepared, standardized
from heschl.study.config.analyses import Joint
from heschl.study.config.encoding import Encoding
from heschl.study.extraction.features import Features
from heschl.study.inputs.groups import FitGroup
from heschl.study.work.cache import Progress, save_arrays


def joint_layers(fits: GroupFits, features: Mapping[str, Features], settings: Joint) -> dict[str, list[int]]:
    """Return the layer of each space for each outer fold: the named one, or the best on inner folds.

    The best is that with the highest mean inner score over electrodes.
    """
    n, n_folds = len(fits.group.electrodes), len(np.unique(fits.group.folds))
    found = {}
    for space in settings.spaces:
        layers = features[space].layers
        if space in settings.layers:
            found[space] = [layers.index(str(settings.layers[space]))] * n_folds
        else:
            inner = np.stack([LayerFit.load(fits.layers[space, layer]).inner_score[:, :n] for layer in layers])
            known = np.isfinite(inner)
            total = np.where(known, inner, 0.0).sum(axis=2) / np.maximum(known.sum(axis=2), 1)
            found[space] = [int(i) for i in total.argmax(axis=0)]
    return found


def write_joint(
    features: Mapping[str, Features],
    layers: Mapping[str, list[int]],
    group: FitGroup,
    settings: Joint,
    encoding: Encoding,
    rate: float,
    path: Path,
    progress: Progress,
) -> None:
    """Write ``sse`` (2^m - 1, stimuli of the group, electrodes), ``shares`` (m, electrodes), ``alphas``.

    Parameters
    ----------
    features : mapping of space to Features
        Those of the joint model, in its order.
    layers : mapping of space to list of int
        See `joint_layers`.
    group : FitGroup
    settings, encoding : Joint, Encoding
    rate : float
        Frames per second, Hz.
    path : Path
        The file.
    progress : callable
    """

    def make(space: str, k: int, train: NDArray[np.bool_]) -> Callable[[], NDArray[np.float32] | Repeated]:
        found = features[space]
        scale = standardized(found.space, encoding.standardize)
        return lambda: prepared(
            found.layer(layers[space][k], group.segments), train, found.space.pca, standardize=scale
        )

    def learn(k: int, train: NDArray[np.bool_]) -> dict[str, Any]:
        return {space: make(space, k, train) for space in settings.spaces}

    found = joint_variance(
        learn, group.y, segments=group.lengths, folds=group.folds, lags=encoding.lags(rate),
        alphas=settings.alpha_grid(encoding.alpha_grid()), groups=[name for name, _ in group.segments],
        n_iter=settings.n_iter, standardize=False, missing="mask", device=encoding.device, progress=progress,
    )  # fmt: skip
    save_arrays(path, {"sse": found.sse, "shares": found.shares, "alphas": found.alphas})
