"""Every speech layer correlated with every language layer, over all stimuli of one group."""

from __future__ import annotations

from collections.abc import Callable
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


def write_layer_map(
    group: FitGroup,
    speech: Features,
    language: Features,
    settings: Shared,
    device: str,
    pairs: Path,
    path: Path,
    progress: Progress,
) -> None:
    """Write the canonical correlations of all pairs: (speech layers, language layers, components).

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
    path : Path
        The file.
    progress : callable
    """
    spoken, words = spoken_rows(language, group)
    chosen = words if settings.level == "words" else None

    def loader(space: Features, index: int) -> Callable[[], NDArray[Any]]:
        return lambda: level(expanded(space.layer(index, group.segments)), spoken, chosen)

    shapes = [(len(space.layers), space.description.width) for space in (speech, language)]
    found = cca_grid(
        *({name: loader(space, i) for i, name in enumerate(space.layers)} for space in (speech, language)),
        n_components=settings.n_components, pca=settings.principal_components(), standardize=settings.standardize,
        device=device_of_pairs(device, shapes[0], shapes[1], int(group.lengths.sum())), resume=pairs,
        progress=progress,
    )  # fmt: skip
    save_arrays(path, {CORRELATIONS: np.asarray(found)})
