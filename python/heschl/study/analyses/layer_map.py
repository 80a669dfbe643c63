"""The map of layers: canonical correlations of every speech layer with every language layer.

It adds to the results ``layer_correlation`` (layer_a, layer_b, kept), speech by language, fitted to all stimuli of the
first cohort as published; and ``layer_held_out``, of the same shape: the variates are found without the first outer
fold and correlated on it, so that wide layers do not gain by being wide.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from heschl.files import digest
from heschl.linear import cca_grid
from heschl.linear.cca.costs import device_of_pairs, map_operations
from heschl.sources import code_key
from heschl.study.analyses.analysis import Analysis, Stage, StageCost
from heschl.study.analyses.fits.layer_map import CORRELATIONS, write_layer_map
from heschl.study.config.analyses import Shared
from heschl.study.config.study import Study
from heschl.study.session import Session
from heschl.study.work.cache import Piece, load_arrays

if TYPE_CHECKING:
    import xarray as xr

TITLE = "layers with layers"
TOGETHER = 8
"""Language layers of a piece, which whitens all speech layers anew."""


class LayerMap(Analysis):
    """[shared] with ``layer_map``: adds the variables above."""

    name: ClassVar[str] = "layer_map"
    variable: ClassVar[str] = "layer_correlation"

    def wanted(self, study: Study) -> bool:
        """Return whether [shared] asks for it."""
        return study.shared is not None and study.shared.layer_map

    def stages(self, session: Session) -> list[Stage]:
        """Return pieces of some language layers each, fitted and held out, of the first group's stimuli."""
        settings, group = _settings(session), session.groups[0]
        speech, language = (session.features[name] for name in (settings.speech, settings.language))
        inputs = [
            speech.key,
            language.key,
            group.segments,
            group.folds,
            settings.model_dump(),
            speech.chosen,
            language.chosen,
        ]
        pairs = session.cache.path(f"{self.name}/pairs", digest(code_key(write_layer_map.__module__), *inputs))
        device = session.study.encoding.device
        pieces: list[Piece] = []
        for held_out in (False, True):
            for first in range(0, len(language.layers), TOGETHER):
                some = tuple(range(first, min(first + TOGETHER, len(language.layers))))
                make = partial(write_layer_map, group, speech, language, settings, device, pairs, some, held_out)
                name = f"{self.name}/{'held-out' if held_out else 'fitted'}-{language.layers[first]}.npz"
                pieces.append(Piece.of(name, make, *inputs, some, held_out))
        return [Stage(TITLE, tuple(pieces))]

    def costs(self, session: Session, known: Mapping[str, StageCost]) -> list[StageCost]:
        """Time one pair of layers of noise, of fewer rows than the study's where these are many."""
        settings = _settings(session)
        a, b = (session.features[name] for name in (settings.speech, settings.language))
        n = int(session.groups[0].lengths.sum())
        widths = a.description.width, b.description.width
        m = min(n, 4 * max(widths))
        rng = np.random.default_rng(0)
        x, y = (rng.standard_normal((m, width)) for width in widths)
        shapes = (len(a.layers), widths[0]), (len(b.layers), widths[1])
        device = device_of_pairs(session.study.encoding.device, *shapes, n)
        took = 0.0
        for _ in range(2):  # the first one loads libraries
            begin = time.perf_counter()
            for test in (None, np.arange(m) < m // 5):
                cca_grid({"0": x}, {"0": y}, n_components=min(settings.n_components, *widths), test=test, device=device)
            took = time.perf_counter() - begin
        seconds = took * map_operations(*shapes, n) / map_operations((1, widths[0]), (1, widths[1]), m)
        memory = 8.0 * n * (len(a.layers) * widths[0] + 3 * widths[1])
        return [StageCost(TITLE, len(a.layers) * len(b.layers), seconds, memory, 1e6, "timed on one pair")]

    def add(self, results: xr.Dataset, session: Session) -> xr.Dataset:
        """Return the results with the map."""
        settings = _settings(session)
        (stage,) = self.stages(session)
        blocks = [load_arrays(path)[CORRELATIONS] for path in session.cache.paths(stage.pieces, session.report)]
        half = len(blocks) // 2
        fitted, held_out = (np.concatenate(part, axis=1) for part in (blocks[:half], blocks[half:]))
        dims = ("layer_a", "layer_b", "kept")
        found = {"layer_correlation": (dims, fitted), "layer_held_out": (dims, held_out)}
        return results.assign(found).assign_coords(
            layer_a=list(session.features[settings.speech].layers),
            layer_b=list(session.features[settings.language].layers),
        )


def _settings(session: Session) -> Shared:
    assert session.study.shared is not None, "the study asks for it"
    return session.study.shared
