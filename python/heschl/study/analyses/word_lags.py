"""Words at lags: the response about each word's onset, predicted at each of many lags from the word's features."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from heschl.study.analyses.analysis import Analysis, Stage, StageCost
from heschl.study.analyses.costs import fit_seconds
from heschl.study.analyses.encoding import encoding_done, group_fits
from heschl.study.analyses.fits.encoding import most_chosen
from heschl.study.analyses.fits.word_lags import write_word_lags
from heschl.study.config.analyses import WordLags
from heschl.study.config.study import Study
from heschl.study.session import Session
from heschl.study.work.cache import Piece, load_arrays

if TYPE_CHECKING:
    import xarray as xr

TITLE = "words at lags"


class WordLagAnalysis(Analysis):
    """[word_lags]: adds ``word_lag_r2`` and ``word_lag_r`` (word_space, electrode, word_lag), lags in s."""

    name: ClassVar[str] = "words"
    variable: ClassVar[str] = "word_lag_r"
    needs: ClassVar[tuple[str, ...]] = ("encoding",)

    def wanted(self, study: Study) -> bool:
        """Return whether there is a [word_lags]."""
        return study.word_lags is not None

    def stages(self, session: Session) -> list[Stage]:
        """Return a piece per group and space, each with the layer that inner folds chose most often."""
        settings, encoding, features = _settings(session), session.study.encoding, session.features
        if not encoding_done(session):
            names = [f"{self.name}/{space}.npz" for space in settings.spaces]
            return [Stage(TITLE, tuple(Piece.unknown(name) for _ in session.groups for name in names))]
        n_layers = {space: len(found.layers) for space, found in features.items()}
        timing = next(iter(features.values()))
        pieces = []
        for fits in group_fits(session):
            group, chosen = fits.group, most_chosen(fits, n_layers)
            for space in settings.spaces:
                make = partial(write_word_lags, features[space], chosen[space], timing, group, settings, encoding)
                words = {
                    name: [[word.start, word.end] for word in timing.stimuli[name].words] for name in group.stimuli
                }
                inputs = [
                    features[space].key, chosen[space], settings.model_dump(), encoding.decides(), group.y,
                    group.segments, group.folds, words, timing.grid.rate,
                ]  # fmt: skip
                pieces.append(Piece.of(f"{self.name}/{space}.npz", make, *inputs))
        return [Stage(TITLE, tuple(pieces))]

    def costs(self, session: Session, known: Mapping[str, StageCost]) -> list[StageCost]:
        """Time a fit of words by their components to all electrodes at all lags."""
        settings, encoding = _settings(session), session.study.encoding
        seconds = memory = 0.0
        for group in session.groups:
            n_words = sum(len(session.inputs.stimuli[name].words) for name, _ in group.segments)
            n_targets = len(settings.lags()) * len(group.electrodes)
            for space in settings.spaces:
                width = session.sources[space].description.width
                width = min(width, settings.pca or width)
                seconds += fit_seconds(encoding, n_words, width, n_targets)
                memory = max(memory, 8.0 * n_words * (width + 4 * n_targets))
        n_pieces = len(session.groups) * len(settings.spaces)
        return [StageCost(TITLE, n_pieces, seconds, memory, 1e5 * n_pieces, "timed on fewer electrodes")]

    def add(self, results: xr.Dataset, session: Session) -> xr.Dataset:
        """Return the results with the scores at all lags."""
        settings = _settings(session)
        (stage,) = self.stages(session)
        arrays = [load_arrays(path) for path in session.cache.paths(stage.pieces, session.report)]
        n_spaces = len(settings.spaces)
        by_group = [arrays[at : at + n_spaces] for at in range(0, len(arrays), n_spaces)]
        dims = ("word_space", "electrode", "word_lag")
        joined = {
            f"word_lag_{name}": (
                dims,
                np.concatenate([np.stack([space[name] for space in group]) for group in by_group], axis=1),
            )
            for name in ("r2", "r")
        }
        coords: dict[str, Any] = {
            "word_space": list(settings.spaces),
            "word_lag": ("word_lag", settings.lags(), {"units": "s"}),
        }
        n_words = [int(group[0]["n_words"]) for group in by_group]
        return results.assign(joined).assign_coords(coords).assign_attrs(n_words=n_words)


def _settings(session: Session) -> WordLags:
    assert session.study.word_lags is not None, "the study asks for it"
    return session.study.word_lags
