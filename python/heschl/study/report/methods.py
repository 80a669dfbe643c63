"""The methods of a study in sentences, made of what was actually done."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from heschl.study.config.study import Study

if TYPE_CHECKING:
    import xarray as xr


def methods_text(results: xr.Dataset) -> list[str]:
    """Give paragraphs on stimuli and responses, features, model, scores, statistics, and the shared part."""
    study = Study.model_validate_json(results.attrs["config"])
    return [
        part
        for part in (
            _data(results, study), _features(results, study), _model(results, study), _scores(results, study),
            _shared(results, study),
        )
        if part
    ]  # fmt: skip


def _data(results: xr.Dataset, study: Study) -> str:
    subjects = len(np.unique(results["subject"].values))
    frames = sum(results.attrs["frames_per_group"])
    repeats = "averaged" if study.responses.repeats == "average" else "kept apart"
    tail = (
        "sounds were padded with silence where the response outlasted them"
        if study.responses.tail == "silence"
        else "responses were cropped to their sounds"
    )
    missing = " Missing responses left the fit of their electrode." if study.responses.missing == "mask" else ""
    return (
        f"{results.sizes['electrode']} electrodes of {subjects} subject{'s' * (subjects > 1)} were analysed, in "
        f"response to "
        f"{results.sizes['stimulus']} stimuli ({frames:,} frames at {results.attrs['rate']:.6g} Hz); presentations "
        f"of the "
        f"same stimulus were {repeats}, {tail}.{missing}"
    )


def _features(results: xr.Dataset, study: Study) -> str:
    parts = []
    for space in results["space"].values:
        n = int((results["model_space"] == space).sum())
        what = study.features[str(space)].description
        parts.append(f"{space} ({what}, {n} layer{'s' * (n > 1)})")
    grid = study.grid_model()
    on = f"the frames of {grid}" if grid else f"a grid of {results.attrs['rate']:g} Hz"
    return (
        f"Feature spaces: {'; '.join(parts)}. All were brought onto {on}; what has one value for each word held "
        f"through "
        "the word's frames, and silence was 0."
    )


def _model(results: xr.Dataset, study: Study) -> str:
    lags, rate, alphas = results.attrs["lags"], results.attrs["rate"], results.attrs["alphas"]
    per = "each electrode" if study.encoding.alpha_per_target else "all electrodes together"
    scaled = ", z-scored on the training rows," if study.encoding.standardize else ""
    return (
        f"Each layer's features{scaled} at lags of {lags[0] / rate:.3f} to {lags[-1] / rate:.3f} s ({len(lags)} "
        f"frames; no lag "
        f"reached into another stimulus) predicted the responses by ridge regression. λ was chosen for {per} from "
        f"{len(alphas)} values between {alphas[0]:g} and {alphas[-1]:g} (scikit-learn's scale) by nested "
        f"cross-validation: "
        f"{results.sizes['fold']} outer folds of whole stimuli scored, inner folds of the same partition chose λ and "
        f"the "
        "layer."
    )


def _scores(results: xr.Dataset, study: Study) -> str:
    text = (
        "R² is 1 − SSE/SST about the test fold's own mean, averaged over outer folds. Electrodes were tested by the "
        "gain in "
        "squared error over the training mean, stimulus by stimulus: one-sided t tests with the false discovery rate "
        "over "
        "electrodes, and sign flips of stimuli with the maximum statistic. Spaces were compared by paired t tests over "
        "electrodes with Bonferroni's correction, and by a hierarchical bootstrap of subjects and of electrodes "
        "within them "
        "(95 % intervals) and a linear mixed model with a random intercept for each subject (restricted maximum "
        "likelihood, Student's t with one degree of freedom less than subjects)."
    )
    if "ceiling_r2" in results:
        n = int(results["ceiling_reliable"].sum())
        text += (
            f" Noise ceilings of R² come from repeats of stimuli (signal power, 95 % bootstrap intervals over "
            f"stimuli); "
            f"{n} of {results.sizes['electrode']} electrodes have one that is reliably above 0."
        )
    elif results.attrs.get("ceilings"):
        text += f" No noise ceiling: {results.attrs['ceilings']}."
    return text + f" Random numbers began at seed {study.seed}."


def _shared(results: xr.Dataset, study: Study) -> str:
    if study.shared is None or "shared_r2" not in results:
        return ""
    how = study.shared
    of = "averages over words" if how.level == "words" else "frames with a word"
    on = "all stimuli, those of the test folds among them" if how.scope == "all" else "the training folds alone"
    cut = ""
    if how.pca is not None:
        kept = f"{how.pca:.0%} of variance" if how.pca <= 1 else f"{how.pca:.0f} components"
        cut = f", each side cut to principal components ({kept})"
    top = "variate is" if how.n_components == 1 else f"{how.n_components} variates are"
    held = float(results["held_out_correlation"].isel(component=0).mean())
    return (
        f"What {how.speech} and {how.language} share: canonical correlations of {of}{cut}, weights learned on {on}; "
        f"the first "
        f"{top} the shared part, an orthonormal basis of the complement the rest. The first "
        f"correlation on test folds is {held:.2f} on average. The shared part was probed by the canonical variates "
        f"of other "
        "features with it."
    )


def notes_of(results: xr.Dataset) -> list[str]:
    """Give what the spaces have to say for themselves, such as words without a vector."""
    broken = json.loads(results.attrs.get("broken", "{}"))
    notes = [f"{space}: {note}" for space, note in json.loads(results.attrs["notes"]).items() if note]
    return notes + [f"Stimulus {name} was left out, with its trials: {reason}" for name, reason in broken.items()]
