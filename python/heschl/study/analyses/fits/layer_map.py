"""Every speech layer correlated with every language layer: fitted to all stimuli of one group, and held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear import cca_grid
from heschl.linear.cca.costs import device_of_pairs
from heschl.linear.cca.parts import level
from heschl.study.config.analyses import Shared
from heschl.study.extraction.features import Features, expanded, spoken_rows
from heschl.study.inputs.groups import FitGroup
from heschl.study.work.cache import Progress, save_arrays

CORRELATIONS = "correlations"
FOLD = 0
"""The outer fold that is held out."""


def write_layer_map(
    group: FitGroup,
    speech: Features,
    language: Features,
    settings: Shared,
    device: str,
    pairs: Path,
    layers: Sequence[int],
    held_out: bool,
    path: Path,
    progress: Progress,
) -> None:
    """Write canonical ``correlations`` of pairs: (speech layers, some language layers, components).

    They are fitted to all stimuli; or, held out, those of the first outer fold's stimuli, of variates that were found
    on all others.

    Parameters
    ----------
    group : FitGroup
        Whose segments.
    speech, language : Features
        The two models.
    settings : Shared
        Level, components, principal components, standardisation.
    device : {"auto", "cpu", "cuda"}
    pairs : Path
        A folder where finished pairs are kept, so that an interrupted map continues.
    layers : sequence of int
        The language layers.
    held_out : bool
    path : Path
        The file.
    progress : callable
    """
    spoken, words = spoken_rows(language, group)
    chosen = words if settings.level == "words" else None

    def loader(space: Features, index: int) -> Callable[[], NDArray[Any]]:
        return lambda: level(expanded(space.layer(index, group.segments)), spoken, chosen)

    folds = np.repeat(group.folds, group.lengths)
    test = folds[spoken] == FOLD if chosen is None else folds[chosen[:, 0]] == FOLD
    shapes = [(len(space.layers), space.description.width) for space in (speech, language)]
    found = cca_grid(
        {name: loader(speech, i) for i, name in enumerate(speech.layers)},
        {language.layers[i]: loader(language, i) for i in layers},
        n_components=settings.n_components, pca=settings.principal_components(), standardize=settings.standardize,
        test=test if held_out else None,
        device=device_of_pairs(device, shapes[0], shapes[1], int(group.lengths.sum())), resume=pairs, progress=progress,
    )  # fmt: skip
    save_arrays(path, {CORRELATIONS: np.asarray(found)[1] if held_out else np.asarray(found)})
