"""What [shared] adds to the results: variables, a table, a part of the summary.

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
layer_correlation                               (layer_a, layer_b, kept): all stimuli; speech by language
==============================================  ==================================================================

A part is "speech" or "language" and "layer" (as it is), "all" (in the coordinates of the split), "top" (the shared
components), "rest", "top k" (of a sweep); "acoustic layer"; or "probe" and "semantic", "acoustic", "context". A cohort
is a set of subjects who heard the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heschl.study.analyses.shared import PAIRS, SIDES, SharedFits
from heschl.study.config.analyses import Shared
from heschl.study.extraction.features import Features
from heschl.study.statistics.tests import quartiles

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


def add_shared(
    results: xr.Dataset,
    fits: Sequence[SharedFits],
    settings: Shared,
    features: Mapping[str, Features],
    layers: NDArray[np.float64] | None,
) -> xr.Dataset:
    """Give the results with the variables above."""
    names = list(fits[0].parts)

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([np.stack([fit.parts[part][name].T for part in names]) for fit in fits], axis=1)

    variables: dict[str, Any] = {
        f"shared_{name}": (("part", "electrode", "fold"), joined(name)) for name in ("r2", "r", "alpha", "edge")
    }
    variables["shared_pooled_r2"] = (("part", "electrode"), joined("pooled_r2"))
    for name, of in (("canonical_correlation", "correlations"), ("held_out_correlation", "held_out")):
        variables[name] = (("cohort", "fold", "component"), np.stack([getattr(fit, of) for fit in fits]))
    chosen = np.array([fit.layers for fit in fits], dtype=object)
    variables["shared_layer"] = (("cohort", "fold", "side"), chosen)
    similarity = np.concatenate([fit.similarity for fit in fits], axis=1)
    variables["prediction_similarity"] = (("pair", "electrode"), similarity)
    coords: dict[str, Any] = {"part": names, "side": list(SIDES), "pair": [" ~ ".join(pair) for pair in PAIRS]}
    unique = [fit.unique for fit in fits if fit.unique is not None]
    if len(unique) == len(fits):
        variables["probe_unique_r2"] = (("probe", "electrode"), np.concatenate(unique, axis=1))
        coords["probe"] = [*(name.removeprefix("probe ") for name in names if name.startswith("probe ")), "all"]
    if layers is not None:
        variables["layer_correlation"] = (("layer_a", "layer_b", "kept"), layers)
        coords["layer_a"] = list(features[settings.speech].layers)
        coords["layer_b"] = list(features[settings.language].layers)
    return results.assign(variables).assign_coords(coords)


def part_scores(results: xr.Dataset) -> NDArray[np.float64]:
    """Mean over folds of each part's R², (part, electrode)."""
    return np.asarray(results["shared_r2"].mean("fold", skipna=True).values)


def shared_table(results: xr.Dataset) -> pd.DataFrame:
    """Give a row per electrode and part: mean R² and r over folds, pooled R², folds with λ at an end of the grid."""
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


def shared_summary(results: xr.Dataset, settings: Shared) -> str:
    """Say in Markdown what the models share and what it predicts."""
    text = [f"## What {settings.speech} and {settings.language} share\n"]
    how = "all stimuli, the test folds among them (as published)" if settings.scope == "all" else "the training folds"
    layers = sorted({" and ".join(pair) for pair in results["shared_layer"].values.reshape(-1, 2).tolist()})
    of = "words" if settings.level == "words" else "frames with a word"
    text.append(
        f"Canonical correlations of {of}, weights learned on {how}; layers {', '.join(layers)}; "
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
        text.append("\n| of the probes | R² that it alone can say, median |\n| --- | --- |")
        for name, r2 in zip(results["probe"].values, results["probe_unique_r2"].values, strict=True):
            text.append(f"| {'all together' if name == 'all' else name} | {quartiles(r2)[0]:.3f} |")
    return "\n".join(text)
