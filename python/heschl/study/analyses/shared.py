"""What two models share: canonical correlations, encoding from their parts, probes, similarity of predictions.

It adds to the results:

==============================================  ==================================================================
variable                                        what
==============================================  ==================================================================
shared_r2, shared_r, shared_alpha, shared_edge  (part, electrode, fold): scores of the lagged model of each part
shared_pooled_r2                                (part, electrode)
canonical_correlation                           (cohort, fold, component): on the rows that the weights were learned on
held_out_correlation                            (cohort, fold, component): of the same variates on the test rows
shared_layer                                    (cohort, fold, side): the layers correlated
prediction_similarity                           (pair, electrode): r² of two models' out-of-fold predictions
probe_unique_r2                                 (probe, electrode): held-out R² lost without a probe; "all": of all
==============================================  ==================================================================

A part is "speech" or "language" and "layer" (as it is), "all" (in the coordinates of the split), "top" (the shared
components), "rest", "top k" (of a sweep); "acoustic layer"; or "probe" and "semantic", "acoustic", "context". A cohort
is a set of subjects who heard the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.linear.crossval.nested import n_training_sets
from heschl.study.analyses.analysis import Analysis, Section, Stage, StageCost
from heschl.study.analyses.costs import per_fit
from heschl.study.analyses.encoding import encoding_done, encoding_title, group_fits
from heschl.study.analyses.fits.encoding import GroupFits
from heschl.study.analyses.fits.shared import (
    SIDES,
    Split,
    layer_index,
    part_names,
    probes,
    shared_variance,
    write_correlations,
    write_part,
    write_unique,
)
from heschl.study.config.analyses import Shared
from heschl.study.config.study import Study
from heschl.study.inputs.groups import FitGroup
from heschl.study.session import Session
from heschl.study.statistics.tests import quartiles
from heschl.study.work.cache import Piece, load_arrays

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

SCORES = ("r2", "r", "alpha", "edge")
PAIRS = (("speech", "language"), ("speech", "acoustic"), ("language", "acoustic"))
SIZE_OF_SWEEP = 0.3
"""Time of a part of some components, against that of a layer."""


class SharedAnalysis(Analysis):
    """[shared]: what a speech and a language model share, and what that predicts."""

    name: ClassVar[str] = "shared"
    variable: ClassVar[str] = "shared_r2"
    needs: ClassVar[tuple[str, ...]] = ("encoding",)

    def wanted(self, study: Study) -> bool:
        """Return whether there is a [shared]."""
        return study.shared is not None

    def check(self, session: Session) -> None:
        """Check that the layers that are named exist, and count rows and columns."""
        settings = _settings(session)
        sides = {"speech": settings.speech, "language": settings.language}
        chosen: dict[str, int] = {}
        if settings.layers != "best":
            for (side, space), layer in zip(sides.items(), settings.layers, strict=True):
                chosen[side] = layer_index(session.features[space].layers, layer, space)
        language = session.features[settings.language]
        context = settings.context and len(language.description.layers) > 1
        if context and (language.chosen == (0,) or ("language" in chosen and language.chosen[chosen["language"]] == 0)):
            raise InputError(
                "shared.layers", f"layer {language.description.layers[0]} of {settings.language}, its input",
                "a layer that has read the context", "Name another one, or write context = false.",
            )  # fmt: skip
        widths = {side: session.features[space].description.width for side, space in sides.items()}
        for group in session.groups:
            settings.check_counts(widths, self._n_rows(session, group))

    def _n_rows(self, session: Session, group: FitGroup) -> int:
        """Count the words, or frames with a word, of a training set of a group."""
        settings, folds = _settings(session), session.study.encoding.folds
        words = [word for name, _ in group.segments for word in session.inputs.stimuli[name].words]
        rows = len(words)
        if settings.level == "frames":
            rows = round(sum(word.end - word.start for word in words) * session.grid.rate)
        return rows if settings.scope == "all" else rows * (folds - 1) // folds

    def stages(self, session: Session) -> list[Stage]:
        """Return a piece per group for the correlations, each part, and the probes together."""
        settings, encoding = _settings(session), session.study.encoding
        title = f"shared by {settings.speech} and {settings.language}"
        if not encoding_done(session):
            names = _piece_names(settings)
            return [Stage(title, tuple(Piece.unknown(name) for _ in session.groups for name in names))]
        pieces = []
        for split in splits(session):
            inputs = [
                settings.model_dump(), encoding.decides(), split.layers, [f.key for f in split.spaces.values()],
                split.group.y, split.group.segments, split.group.folds,
            ]  # fmt: skip
            makers = [partial(write_correlations, split)]
            makers += [partial(write_part, split, name) for name in part_names(settings)]
            makers += [partial(write_unique, split)] if len(probes(settings)) > 1 else []
            names = _piece_names(settings)
            pieces += [Piece.of(name, make, *inputs) for name, make in zip(names, makers, strict=True)]
        return [Stage(title, tuple(pieces))]

    def costs(self, session: Session, known: Mapping[str, StageCost]) -> list[StageCost]:
        """Scale the cost of the layers: each part is fitted anew in each outer fold, 5 thirds as often for 5 folds."""
        settings, k = _settings(session), session.study.encoding.folds
        seconds = memory = 0.0
        for name in (settings.speech, settings.language):
            each, peak = per_fit(known, encoding_title(name))
            seconds += each * (3 + len(settings.sweep) * SIZE_OF_SWEEP) * k * k / n_training_sets(k)
            memory = max(memory, peak + 8.0 * session.sources[name].description.width ** 2 * 3)
        if settings.acoustic:
            seconds += 2 * per_fit(known, encoding_title(settings.acoustic))[0]
        (stage,) = self.stages(session)
        n_groups = len(session.groups)
        return [
            StageCost(
                stage.title, len(stage.pieces), n_groups * seconds, memory, 1e6 * n_groups,
                "as the layers that it splits",
            )
        ]  # fmt: skip

    def add(self, results: xr.Dataset, session: Session) -> xr.Dataset:
        """Return the results with the variables above."""
        settings = _settings(session)
        (stage,) = self.stages(session)
        paths = session.cache.paths(stage.pieces, session.report)
        names, per_group = part_names(settings), len(paths) // len(session.groups)
        cohorts = [[load_arrays(path) for path in paths[at : at + per_group]] for at in range(0, len(paths), per_group)]

        def joined(name: str) -> NDArray[Any]:
            parts = [cohort[1 : 1 + len(names)] for cohort in cohorts]
            return np.concatenate([np.stack([arrays[name].T for arrays in cohort]) for cohort in parts], axis=1)

        variables: dict[str, Any] = {f"shared_{name}": (("part", "electrode", "fold"), joined(name)) for name in SCORES}
        variables["shared_pooled_r2"] = (("part", "electrode"), joined("pooled_r2"))
        for name, of in (("canonical_correlation", "correlations"), ("held_out_correlation", "held_out")):
            variables[name] = (("cohort", "fold", "component"), np.stack([cohort[0][of] for cohort in cohorts]))
        chosen = np.array([split.layer_names() for split in splits(session)], dtype=object)
        variables["shared_layer"] = (("cohort", "fold", "side"), chosen)
        fits = group_fits(session)
        similarity = [
            _similarities(dict(zip(names, cohort[1:], strict=False)), fit)
            for cohort, fit in zip(cohorts, fits, strict=True)
        ]
        variables["prediction_similarity"] = (("pair", "electrode"), np.concatenate(similarity, axis=1))
        coords: dict[str, Any] = {"part": names, "side": list(SIDES), "pair": [" ~ ".join(pair) for pair in PAIRS]}
        if per_group > 1 + len(names):
            unique = np.concatenate([cohort[-1]["unique"] for cohort in cohorts], axis=1)
            variables["probe_unique_r2"] = (("probe", "electrode"), unique)
            coords["probe"] = [*probes(settings), "all"]
        return results.assign(variables).assign_coords(coords)

    def tables(self, results: xr.Dataset) -> dict[str, pd.DataFrame]:
        """Return shared.csv."""
        return {"shared": shared_table(results)}

    def sections(self, results: xr.Dataset) -> list[Section]:
        """Return the median of each part."""
        table = shared_table(results).groupby("part", sort=False)[["r2", "r", "pooled_r2"]].median().reset_index()
        return [Section("shared", "What the models share", table, "Median over electrodes of each part's score.")]

    def methods(self, results: xr.Dataset, study: Study) -> str:
        """Return how the shared part was found."""
        assert study.shared is not None, "there are shared results"
        return _methods(results, study.shared)

    def summary(self, results: xr.Dataset, study: Study) -> str:
        """Return what the models share and what it predicts."""
        assert study.shared is not None, "there are shared results"
        return _summary(results, study.shared)


def splits(session: Session) -> list[Split]:
    """Return the split of each group, by layers that the finished encoding chooses."""
    settings, encoding = _settings(session), session.study.encoding
    return session.kept(
        "shared splits", lambda: [Split(fits, session.features, settings, encoding) for fits in group_fits(session)]
    )


def _settings(session: Session) -> Shared:
    assert session.study.shared is not None, "the study asks for it"
    return session.study.shared


def _piece_names(settings: Shared) -> list[str]:
    names = ["correlations", *part_names(settings), *(["unique"] if len(probes(settings)) > 1 else [])]
    return [f"{SharedAnalysis.name}/{name.replace(' ', '-')}.npz" for name in names]


def _similarities(parts: Mapping[str, Mapping[str, NDArray[Any]]], fits: GroupFits) -> NDArray[np.float64]:
    """Return r² of the out-of-fold predictions of two models, (pairs, c); NaN where there is no acoustic space."""
    group = fits.group
    out = np.full((len(PAIRS), len(group.electrodes)), np.nan)
    fold = np.repeat(group.folds, group.lengths)
    for i, pair in enumerate(PAIRS):
        layers = [parts.get(f"{name} layer") for name in pair]
        if layers[0] is not None and layers[1] is not None:
            out[i] = shared_variance(layers[0]["predictions"], layers[1]["predictions"], fold)
    return out


def part_scores(results: xr.Dataset) -> NDArray[np.float64]:
    """Return the mean over folds of each part's R², (part, electrode)."""
    return np.asarray(results["shared_r2"].mean("fold", skipna=True).values)


def shared_table(results: xr.Dataset) -> pd.DataFrame:
    """Return a row per electrode and part: mean R² and r over folds, pooled R², folds with λ at an end of the grid."""
    import pandas as pd

    parts, n = results["part"].values, results.sizes["electrode"]
    values = {
        "r2": part_scores(results),
        "r": results["shared_r"].mean("fold", skipna=True).values,
        "pooled_r2": results["shared_pooled_r2"].values,
        "folds_at_edge": results["shared_edge"].sum("fold").values,
    }
    labels = {
        "subject": np.repeat(results["subject"].values, len(parts)),
        "electrode": np.repeat(results["name"].values, len(parts)),
        "part": np.tile(parts, n),
    }
    return pd.DataFrame(labels | {name: value.T.ravel() for name, value in values.items()})


def _summary(results: xr.Dataset, settings: Shared) -> str:
    """Write in Markdown what the models share and what it predicts."""
    text = [f"## What {settings.speech} and {settings.language} share\n"]
    rows = "all stimuli, the test folds among them (as published)" if settings.scope == "all" else "the training folds"
    layers = sorted({" and ".join(pair) for pair in results["shared_layer"].values.reshape(-1, 2).tolist()})
    of = "words" if settings.level == "words" else "frames with a word"
    text.append(
        f"Canonical correlations of {of}, weights learned on {rows}; layers {', '.join(layers)}; "
        f"{settings.n_components} components as top, what is left as rest, in coordinates of {settings.coords}.\n"
    )
    fitted, held = (
        results[name].mean(("cohort", "fold"), skipna=True).values
        for name in ("canonical_correlation", "held_out_correlation")
    )
    shown = [k for k in (0, 1, 4, 9, 24, 49) if k < len(fitted)]
    text.append("| component | correlation, fitted | on test folds |\n| --- | --- | --- |")
    text += [f"| {k + 1} | {fitted[k]:.3f} | {held[k]:.3f} |" for k in shown]
    if settings.scope == "all":
        text.append(
            "\nThe test folds had a part in the weights: their correlations are as optimistic as the fitted ones."
        )
    text.append("\n| part | R², median over electrodes (quartiles) |\n| --- | --- |")
    for part, r2 in zip(results["part"].values, part_scores(results), strict=True):
        median, low, high = quartiles(r2)
        text.append(f"| {part} | {median:.3f} ({low:.3f} to {high:.3f}) |")
    if "probe_unique_r2" in results:
        text.append("\n| of the probes | R² that it alone explains, median |\n| --- | --- |")
        for name, r2 in zip(results["probe"].values, results["probe_unique_r2"].values, strict=True):
            text.append(f"| {'all together' if name == 'all' else name} | {quartiles(r2)[0]:.3f} |")
    return "\n".join(text)


def _methods(results: xr.Dataset, settings: Shared) -> str:
    of = "averages over words" if settings.level == "words" else "frames with a word"
    on = "all stimuli, those of the test folds among them" if settings.scope == "all" else "the training folds alone"
    cut = ""
    if settings.pca is not None:
        kept = f"{settings.pca:.0%} of variance" if settings.pca <= 1 else f"{settings.pca:.0f} components"
        cut = f", each side cut to principal components ({kept})"
    top = "variate is" if settings.n_components == 1 else f"{settings.n_components} variates are"
    held = float(results["held_out_correlation"].isel(component=0).mean())
    return (
        f"What {settings.speech} and {settings.language} share: canonical correlations of {of}{cut}, weights learned "
        f"on {on}; the first "
        f"{top} the shared part, an orthonormal basis of the complement the rest. The first "
        f"correlation on test folds is {held:.2f} on average. The shared part was probed by the canonical variates "
        f"of other "
        "features with it."
    )
