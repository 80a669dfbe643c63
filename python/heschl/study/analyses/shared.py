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
shared_sse                                      (part, electrode, stimulus): squared errors
shared_beyond_r2                                (part, electrode): over the common time course, of top and rest
prediction_similarity                           (pair, electrode): r² of two models' out-of-fold predictions
prediction_similarity_beyond                    the same without the mean prediction at each time since onset
==============================================  ==================================================================

A part is "speech" or "language" and "layer" (as it is), "all" (in the coordinates of the split), "top" (the shared
components), "rest", "top k" (of a sweep); "acoustic layer"; or, as published, "probe" and "semantic", "acoustic",
"context", and the same "of noise". A cohort is a set of subjects who heard the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.linear import crossed_mean, mean_time_course
from heschl.linear.crossval.nested import n_training_sets
from heschl.linear.moments.formulas import quotient
from heschl.study.analyses.analysis import Analysis, Section, Stage, StageCost
from heschl.study.analyses.costs import per_fit
from heschl.study.analyses.encoding import encoding_done, encoding_title, group_fits
from heschl.study.analyses.fits.encoding import GroupFits
from heschl.study.analyses.fits.shared import (
    BEYOND,
    OF_NOISE,
    SIDES,
    Split,
    layer_index,
    part_names,
    shared_variance,
    write_correlations,
    write_part,
)
from heschl.study.analyses.fits.time_course import course_errors
from heschl.study.analyses.time_course import everywhere
from heschl.study.config.analyses import Shared
from heschl.study.config.study import Study
from heschl.study.inputs.groups import FitGroup
from heschl.study.session import Session
from heschl.study.statistics.contrasts import paired
from heschl.study.statistics.tests import quartiles
from heschl.study.work.cache import Piece, load_arrays

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

SCORES = ("r2", "r", "alpha", "edge")
PAIRS = (("speech", "language"), ("speech", "acoustic"), ("language", "acoustic"))
PARTS_TEXT = (
    "crossed, low, high, p_crossed: difference of R² for new subjects and new stimuli, subjects counting alike; t and "
    "p as published, which take electrodes to be independent."
)
SIZE_OF_SWEEP = 0.3
"""Time of a part of some components, against that of a layer."""


class SharedAnalysis(Analysis):
    """[shared]: what a speech and a language model share, and what that predicts."""

    name: ClassVar[str] = "shared"
    variable: ClassVar[str] = "shared_r2"
    needs: ClassVar[tuple[str, ...]] = ("encoding",)
    in_shares: ClassVar[bool] = True

    def wanted(self, study: Study) -> bool:
        """Return whether there is a [shared]."""
        return study.shared is not None

    def check(self, session: Session) -> None:
        """Check that the layers that are named exist, and count rows and columns."""
        settings = shared_settings(session)
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
        settings, folds = shared_settings(session), session.study.encoding.folds
        words = [word for name, _ in group.segments for word in session.inputs.stimuli[name].words]
        rows = len(words)
        if settings.level == "frames":
            rows = round(sum(word.end - word.start for word in words) * session.grid.rate)
        return rows if settings.scope == "all" else rows * (folds - 1) // folds

    def stages(self, session: Session) -> list[Stage]:
        """Return a piece per group for the correlations and each part."""
        settings = shared_settings(session)
        title = f"shared by {settings.speech} and {settings.language}"
        if not encoding_done(session):
            names = _piece_names(settings)
            unknown = tuple(Piece.unknown(name) for _ in session.groups for name in names)
            return [Stage(title, unknown, weights=self._weights(session))]
        pieces = []
        for split in splits(session):
            inputs = split_inputs(split)
            makers = [partial(write_correlations, split)]
            makers += [partial(write_part, split, name) for name in part_names(settings)]
            names = _piece_names(settings)
            pieces += [Piece.of(name, make, *inputs) for name, make in zip(names, makers, strict=True)]
        return [Stage(title, tuple(pieces), weights=self._weights(session))]

    def _weights(self, session: Session) -> tuple[float, ...]:
        """Return how long pieces take beside each other: as the squares of their features, twice where scored twice."""
        settings = shared_settings(session)
        weights = [settings.n_components**2.0]
        for name in part_names(settings):
            side, what, *_ = name.split()
            width = settings.n_components
            if what in ("layer", "all", "rest"):
                width = session.sources[getattr(settings, side)].description.width
            weights.append(width**2.0 * (1 + (name in BEYOND)))
        return tuple(weights) * len(session.groups)

    def costs(self, session: Session, known: Mapping[str, StageCost]) -> list[StageCost]:
        """Scale the cost of the layers: each part is fitted anew in each outer fold, 5 thirds as often for 5 folds."""
        settings, k = shared_settings(session), session.study.encoding.folds
        seconds = memory = 0.0
        for name in (settings.speech, settings.language):
            each, peak = per_fit(known, encoding_title(name))
            seconds += each * (3 + SIZE_OF_SWEEP * (2 + len(settings.sweep))) * k * k / n_training_sets(k)
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
        settings = shared_settings(session)
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
        fits, stimuli = group_fits(session), list(session.inputs.stimuli)
        by_name = [dict(zip(names, cohort[1:], strict=True)) for cohort in cohorts]
        for suffix, over in (("", False), ("_beyond", True)):
            similarity = [_similarities(own, fit, over) for own, fit in zip(by_name, fits, strict=True)]
            variables["prediction_similarity" + suffix] = (("pair", "electrode"), np.concatenate(similarity, axis=1))

        def errors(name: str, kept: str) -> NDArray[np.float64]:
            return everywhere([own[name][kept] for own in by_name], fits, stimuli)

        sse = np.stack([errors(name, "sse") for name in names])
        variables["shared_sse"] = (("part", "electrode", "stimulus"), sse)
        course = everywhere([course_errors(fit.group) for fit in fits], fits, stimuli)
        whole = np.nansum(results["mean_sse"].values, axis=-1)
        beyond = np.full(sse.shape[:2], np.nan)
        for at, name in enumerate(names):
            if name in BEYOND:
                beyond[at] = quotient(np.nansum(course - errors(name, "beyond"), axis=-1), whole)
        variables["shared_beyond_r2"] = (("part", "electrode"), beyond)
        coords: dict[str, Any] = {"part": names, "side": list(SIDES), "pair": [" ~ ".join(pair) for pair in PAIRS]}
        return results.assign(variables).assign_coords(coords)

    def tables(self, results: xr.Dataset) -> dict[str, pd.DataFrame]:
        """Return shared.csv, shared_contrasts.csv."""
        return {"shared": shared_table(results), "shared_contrasts": part_contrasts(results)}

    def sections(self, results: xr.Dataset) -> list[Section]:
        """Return the median of each part."""
        table = shared_table(results).groupby("part", sort=False)[["r2", "r", "pooled_r2", "beyond_r2"]]
        text = (
            "Median over electrodes of each part's score; beyond_r2: over and above the common time course. In "
            "coordinates of variates top and rest are penalised each by itself and need not add up to all: either over "
            "all may pass 1. Parts add up in commonality, below."
        )
        found = [Section("shared", "What the models share", table.median().reset_index(), text)]
        return [*found, Section("shared_contrasts", "Parts against each other", part_contrasts(results), PARTS_TEXT)]

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
    settings, encoding = shared_settings(session), session.study.encoding
    return session.kept(
        "shared splits", lambda: [Split(fits, session.features, settings, encoding) for fits in group_fits(session)]
    )


def shared_settings(session: Session) -> Shared:
    """Return the settings of [shared], which there are."""
    assert session.study.shared is not None, "the study asks for it"
    return session.study.shared


def split_inputs(split: Split) -> list[object]:
    """Return all that a piece of a split depends on, but for code."""
    return [
        split.settings.model_dump(), split.encoding.decides(), split.layers, [f.key for f in split.spaces.values()],
        split.group.y, split.group.segments, split.group.folds,
    ]  # fmt: skip


def _piece_names(settings: Shared) -> list[str]:
    names = ["correlations", *part_names(settings)]
    return [f"{SharedAnalysis.name}/{name.replace(' ', '-')}.npz" for name in names]


def _similarities(
    parts: Mapping[str, Mapping[str, NDArray[Any]]], fits: GroupFits, over_time_course: bool
) -> NDArray[np.float64]:
    """Return r² of the out-of-fold predictions of two models, (pairs, c); NaN where there is no acoustic space."""
    group = fits.group
    out = np.full((len(PAIRS), len(group.electrodes)), np.nan)
    fold = np.repeat(group.folds, group.lengths)

    def predictions(part: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        found = part["predictions"]
        if not over_time_course:
            return found
        left = np.empty_like(found)
        for k in np.unique(group.folds):  # each fold has models of its own
            course = mean_time_course(found, segments=group.lengths, train=group.folds == k, fewest=1)
            left[fold == k] = (found - course)[fold == k]
        return left

    for i, pair in enumerate(PAIRS):
        layers = [parts.get(f"{name} layer") for name in pair]
        if layers[0] is not None and layers[1] is not None:
            out[i] = shared_variance(predictions(layers[0]), predictions(layers[1]), fold)
    return out


def part_scores(results: xr.Dataset) -> NDArray[np.float64]:
    """Return the mean over folds of each part's R², (part, electrode)."""
    return np.asarray(results["shared_r2"].mean("fold", skipna=True).values)


def shared_table(results: xr.Dataset) -> pd.DataFrame:
    """Return a row per electrode and part: scores, R² over the time course, folds with λ at an end of the grid."""
    import pandas as pd

    parts, n = results["part"].values, results.sizes["electrode"]
    values = {
        "r2": part_scores(results),
        "r": results["shared_r"].mean("fold", skipna=True).values,
        "pooled_r2": results["shared_pooled_r2"].values,
        "beyond_r2": results["shared_beyond_r2"].values,
        "folds_at_edge": results["shared_edge"].sum("fold").values,
    }
    labels = {
        "subject": np.repeat(results["subject"].values, len(parts)),
        "electrode": np.repeat(results["name"].values, len(parts)),
        "part": np.tile(parts, n),
    }
    return pd.DataFrame(labels | {name: value.T.ravel() for name, value in values.items()})


def part_contrasts(results: xr.Dataset) -> pd.DataFrame:
    """Compare pairs of parts over subjects and stimuli; and, as published, by a paired t test over electrodes."""
    import pandas as pd

    parts = [str(part) for part in results["part"].values]
    pairs = [(f"{side} top", f"{side} rest") for side in SIDES]
    pairs += [("probe context", f"probe {other}") for other in ("semantic", "acoustic")]
    scores, sse, total = part_scores(results), results["shared_sse"].values, results["mean_sse"].values
    subjects = np.array([str(name) for name in results["subject"].values])
    rows = []
    for first, second in pairs:
        if first in parts and second in parts:
            i, j = parts.index(first), parts.index(second)
            found = paired(scores[i], scores[j], subjects)
            crossed = crossed_mean((sse[j] - sse[i]).T, total.T, subjects)
            rows.append(
                (
                    first,
                    second,
                    crossed.estimate,
                    crossed.low,
                    crossed.high,
                    crossed.p,
                    crossed.note,
                    found["t"],
                    found["p"],
                )
            )
    head = ["first", "second", "crossed", "low", "high", "p_crossed", "crossed_note", "t", "p"]
    return pd.DataFrame(rows, columns=head)


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
    literal = [str(part) for part in results["part"].values if str(part).endswith(OF_NOISE)]
    if literal:
        text.append(
            "\nThe published probes are variates of the probe with the shared part; where they are as many as the "
            "probe is wide they are the probe, whatever the shared part. 'of noise' is the same with noise in place of "
            "the shared part: what it scores is not shared. See what the shared part is made of, below."
        )
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
        f"correlation on test folds is {held:.2f} on average."
    )
