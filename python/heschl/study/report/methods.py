"""The methods of a study in sentences, made of what was actually done."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from heschl.linear.crossval.scores import SCORES
from heschl.study.analyses.exchange import several_sessions
from heschl.study.analyses.registry import present
from heschl.study.config.study import Study

if TYPE_CHECKING:
    import xarray as xr


def methods_text(results: xr.Dataset) -> list[str]:
    """Return paragraphs on stimuli and responses, features, model, scores, statistics, and further analyses."""
    study = Study.model_validate_json(results.attrs["config"])
    paragraphs = [
        _data(results, study), _features(results, study), _model(results, study), _scores(results, study),
        *(analysis.methods(results, study) for analysis in present(results)),
    ]  # fmt: skip
    return [paragraph for paragraph in paragraphs if paragraph]


def _data(results: xr.Dataset, study: Study) -> str:
    subjects = len(np.unique(results["subject"].values))
    frames = sum(results.attrs["frames_per_group"])
    repeats = "averaged" if study.responses.repeats == "average" else "kept apart"
    tail = (
        "sounds were padded with silence where the response outlasted them"
        if study.responses.tail == "silence"
        else "responses were cropped to their sounds"
    )
    several = several_sessions(results)
    sessions = f" Recording sessions: {', '.join(f'{name} {n}' for name, n in several.items())}." if several else ""
    missing = " Missing responses left the fit of their electrode." if study.responses.missing == "mask" else ""
    return (
        f"{results.sizes['electrode']} electrodes of {subjects} subject{'s' * (subjects > 1)} were analysed, in "
        f"response to "
        f"{results.sizes['stimulus']} stimuli ({frames:,} frames at {results.attrs['rate']:.6g} Hz); presentations "
        f"of the "
        f"same stimulus were {repeats}, {tail}.{missing}{sessions}"
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
        f"the layer by {SCORES[study.encoding.scoring].symbol}. {_folds(results, study)}"
    )


KEPT_TOGETHER = {
    "text": "Stimuli of the same words, and copies of a sound under other names, shared a fold",
    "sound": "Copies of a sound under other names shared a fold; the same words by other speakers did not have to",
    "stimulus": "Folds kept presentations of one name together, whatever their sound and words",
}


def _folds(results: xr.Dataset, study: Study) -> str:
    """Return what kept stimuli in one fold, and how many there were."""
    alike = results.attrs.get("alike_stimuli", 0)
    of = f"{alike or 'none'} of {results.sizes['stimulus']} stimuli"
    return f"{KEPT_TOGETHER[study.encoding.folds_by]}" + (f" ({of})." if study.encoding.folds_by != "stimulus" else ".")


def _scores(results: xr.Dataset, study: Study) -> str:
    n_subjects, n_spaces = len({str(name) for name in results["subject"].values}), results.sizes["space"]
    n_pairs = n_spaces * (n_spaces - 1) // 2
    text = (
        "R² is 1 − SSE/SST about the test fold's own mean, averaged over outer folds; R² by the squared errors of "
        "stimuli (contrasts, parts, what lies beyond the time course) is about the training folds' mean, pooled over "
        f"stimuli. Spaces were compared over {n_subjects} subject{'s' * (n_subjects > 1)} and "
        f"{results.sizes['stimulus']} stimuli, both taken as drawn at random and crossed (variance components in "
        f"closed form, subjects counting alike, Student's t; 95 % intervals, p with Bonferroni's correction over "
        f"{n_pairs} pairs of spaces: the stars of figures)"
        + (", here for new stimuli heard by this one subject" if n_subjects == 1 else "")
        + "; by a linear mixed model with a random intercept for each subject (restricted maximum likelihood, "
        "Student's t with one degree of freedom less than subjects, stimuli taken as given); and, as published, by "
        "paired t tests over electrodes with Bonferroni's correction, which take electrodes of a subject to be "
        "independent. The gain in squared error over the training mean, stimulus by stimulus (t test, sign flips), is "
        "given as a description: it does not test whether an electrode follows the features."
    )
    return text + f" Random numbers began at seed {study.seed}."


def notes_of(results: xr.Dataset) -> list[str]:
    """Return what a reader should know of spaces and stimuli, such as words without a vector."""
    broken = json.loads(results.attrs.get("broken", "{}"))
    notes = [f"{space}: {note}" for space, note in json.loads(results.attrs["notes"]).items() if note]
    notes += [f"Stimulus {name} was left out, with its trials: {reason}" for name, reason in broken.items()]
    failed = json.loads(results.attrs.get("failed", "{}"))
    return notes + [f"The analysis {name!r} failed and is left out: {reason}" for name, reason in failed.items()]
