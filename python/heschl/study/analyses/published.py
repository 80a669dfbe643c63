"""The published practice beside the sound one: the same layers, scored as the code published with the paper does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from heschl.checks import InputError
from heschl.linear.crossval.joined import ALPHAS, published_folds
from heschl.linear.crossval.nested import n_training_sets
from heschl.study.analyses.analysis import Analysis, Section, Stage, StageCost
from heschl.study.analyses.encoding import encoding_title
from heschl.study.analyses.fits.published import MEAN_SQUARED_R, fft_resampled, write_published
from heschl.study.config.study import Study
from heschl.study.inputs.audit import Finding, audit_folds
from heschl.study.inputs.groups import FitGroup
from heschl.study.inputs.targets import fit_groups
from heschl.study.session import Session
from heschl.study.work.cache import Piece, load_arrays

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

TITLE = "as published"
PUBLISHED_FOLDS = 5
IN_FLOAT64 = 2.0
"""What an operation in float64 takes, in those in float32."""
DIFFERENCES = (
    "sentences are joined in the order of their presentation before lagging, so that a sentence's first frames see the "
    "one before it",
    "folds are contiguous fifths of the joined frames: a sentence may lie on both sides of a cut",
    "there is no intercept, and features enter as they are, not z-scored",
    "\N{GREEK SMALL LETTER LAMDA} comes from 1e2 to 1e7 by the correlation on half of the held-out fifth",
    "responses are brought to the frames of features by FFT, sentence by sentence, as if each went round in a circle",
    "the score is the mean over folds of r\N{SUPERSCRIPT TWO}, undefined ones counted as 0: never below 0",
    "the layer is the one with the highest score",
)
"""What the published practice does otherwise than heschl by default."""
ON_PURPOSE = (
    "sums and solutions are in float64, the published code's in float32",
    "lags and the frames of features are those of the study",
    "responses are taken as they are given: z-score them by block, if that is not done, as the paper does",
)
"""What is not as in the published code here either."""


class Published(Analysis):
    """``preset = "chen2024"``: adds ``published_r2`` (model, electrode) and ``published_max`` (space, electrode)."""

    name: ClassVar[str] = "published"
    variable: ClassVar[str] = "published_max"

    def wanted(self, study: Study) -> bool:
        """Return whether the preset is named."""
        return study.preset is not None

    def check(self, session: Session) -> None:
        """Check that no response is missing: the published code knows no masks."""
        if not all(np.isfinite(group.y).all() for group in session.groups):
            raise InputError(
                "preset", "missing responses", "none, with 'chen2024'", "Leave out the preset, or the gaps."
            )

    def stages(self, session: Session) -> list[Stage]:
        """Return a piece per layer and group."""
        encoding, groups = session.study.encoding, published_groups(session)
        lags, pieces = encoding.lags(session.grid.rate), []
        for space, features in session.features.items():
            features_key = features.key
            for i, layer in enumerate(features.layers):
                for group in groups:
                    make = partial(write_published, features, i, group, lags, encoding.device)
                    inputs = features_key, features.chosen[i], group.y, group.segments, list(lags)
                    pieces.append(Piece.of(f"{self.name}/{space}/{layer}.npz", make, *inputs))
        return [Stage(TITLE, tuple(pieces))]

    def costs(self, session: Session, known: Mapping[str, StageCost]) -> list[StageCost]:
        """Scale the cost of the same layers by training sets and penalties."""
        encoding = session.study.encoding
        share = PUBLISHED_FOLDS * len(ALPHAS) / (n_training_sets(encoding.folds) * len(encoding.alpha_grid()))
        share *= IN_FLOAT64
        layers = [known[title] for space in session.sources if (title := encoding_title(space)) in known]
        seconds, memory = share * sum(cost.seconds for cost in layers), max(cost.memory for cost in layers)
        n_pieces = sum(len(found.layers) for found in session.features.values()) * len(published_groups(session))
        return [StageCost(TITLE, n_pieces, seconds, memory, 1e4 * n_pieces, "as the layers, by count")]

    def add(self, results: xr.Dataset, session: Session) -> xr.Dataset:
        """Return the results with the published scores."""
        (stage,) = self.stages(session)
        scores = [load_arrays(path)[MEAN_SQUARED_R] for path in session.cache.paths(stage.pieces, session.report)]
        groups = published_groups(session)
        names = [f"{s}/{e}" for group in groups for s, e in zip(group.subjects, group.electrodes, strict=True)]
        order = [names.index(str(name)) for name in results["electrode"].values]  # groups may be others than the fits'
        layers = range(0, len(scores), len(groups))
        rows = np.stack([np.concatenate(scores[at : at + len(groups)])[order] for at in layers])
        best = [rows[results["model_space"].values == space].max(axis=0) for space in results["space"].values]
        return results.assign(
            published_r2=(("model", "electrode"), rows), published_max=(("space", "electrode"), np.stack(best))
        )

    def audit(self, session: Session) -> list[Finding]:
        """Look for test data among the training data of the published folds, which are cut through sentences."""
        folds = [folds_of_stimuli(group) for group in published_groups(session)]
        joined = sum(len(group.segments) - 1 for group in published_groups(session))
        reach = session.study.encoding.lags(session.grid.rate)
        sees = f"{joined} segments see the one before or after them" if reach[0] < 0 or reach[-1] > 0 else ""
        return [
            *(replace(finding, what=f"{TITLE}: {finding.what}") for finding in audit_folds(session.inputs, folds)),
            Finding(f"{TITLE}: lags across the joints of sentences", sees or "none", not sees),
        ]

    def sections(self, results: xr.Dataset) -> list[Section]:
        """Return the published scores beside the sound ones."""
        text = f"Medians over electrodes. As published: {'; '.join(DIFFERENCES)}. Not as published, on purpose: "
        text += "; ".join(ON_PURPOSE) + "."
        return [Section("published", "As published, and by default", published_table(results), text)]

    def lines(self, results: xr.Dataset) -> Sequence[str]:
        """Return a line per space."""
        return [
            f"{space}: {then:.3f} as published (maximum over layers, mean r²), R² {now:.3f} by default"
            for space, then, now, _ in published_table(results).itertuples(index=False)
        ]


def published_groups(session: Session) -> list[FitGroup]:
    """Return the responses as the published code joins them: resampled by FFT, in the order of presentation."""
    return session.kept(
        "groups as published", lambda: fit_groups(session.inputs, session.grid, fft_resampled, as_presented=True)
    )


def folds_of_stimuli(group: FitGroup) -> dict[str, set[int]]:
    """Return the published folds in which frames of each stimulus lie."""
    ends = np.cumsum(group.lengths)
    found: dict[str, set[int]] = {name: set() for name, _ in group.segments}
    for fold, (begin, _, end) in enumerate(published_folds(int(ends[-1]), PUBLISHED_FOLDS)):
        for at in np.flatnonzero((ends > begin) & (ends - group.lengths < end)).tolist():
            found[group.segments[at][0]].add(fold)
    return found


def published_table(results: xr.Dataset) -> pd.DataFrame:
    """Return for each space the published score, the sound one, and what lies between; medians over electrodes."""
    import pandas as pd

    sound = results["best_r2"].mean("fold", skipna=True).values
    published = results["published_max"].values
    return pd.DataFrame(
        {
            "space": [str(space) for space in results["space"].values],
            "as published": np.nanmedian(published, axis=1),
            "sound R2": np.nanmedian(sound, axis=1),
            "difference": np.nanmedian(published - sound, axis=1),
        }
    )
