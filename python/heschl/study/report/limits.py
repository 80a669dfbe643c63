"""What a study can and cannot say, built from its design: stimuli, repeats, speakers, positions, sessions, subjects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from heschl.study.analyses.exchange import several_sessions
from heschl.study.analyses.time_course import course_table
from heschl.study.config.study import Study
from heschl.study.report.plates import responding

if TYPE_CHECKING:
    import xarray as xr

FEW_STIMULI, FEW_SUBJECTS, FEW_REPEATED = 30, 6, 10
FEW_SAY = 0.02  # R² below 0 of a mean over so few stimuli that it is mostly noise
MUCH_CROPPED, MUCH_STAYING = 0.2, 0.34


def limits_of(results: xr.Dataset) -> list[tuple[str, str]]:
    """Return for each side of the design what follows from it, as (side, sentence)."""
    study = Study.model_validate_json(results.attrs["config"])
    found = [
        ("stimuli", _stimuli(results)),
        ("subjects", _subjects(results)),
        ("electrodes that follow", _following(results, study)),
        ("common time course", _time_course(results)),
        ("repeats", _repeats(results)),
        ("sessions", _sessions(results)),
        ("sentences and speakers", _speakers(results)),
        ("positions", _positions(results)),
        ("layers", _layers(results)),
        ("shared part", _shared(results, study)),
        ("cause", _cause()),
    ]
    return [(side, text) for side, text in found if text]


def _stimuli(results: xr.Dataset) -> str:
    n = results.sizes["stimulus"]
    few = (
        f" Fewer than {FEW_STIMULI}: intervals are wide, and an effect of R\N{SUPERSCRIPT TWO} of .02 is found in a "
        "few electrodes of a hundred only."
        if n < FEW_STIMULI
        else ""
    )
    return (
        f"{n} different stimuli, {results.sizes['fold']} folds of whole ones. Scores are of stimuli that the model has "
        "not heard, from the same set; what holds for another kind of material they do not say. R\N{SUPERSCRIPT TWO} "
        f"of models trained on part of {n} stimuli is pessimistic, the more so the fewer there are.{few}"
    )


def _subjects(results: xr.Dataset) -> str:
    n = len(np.unique(np.array([str(name) for name in results["subject"].values])))
    if n == 1:
        return (
            "One subject: intervals and p of contrasts are for new stimuli heard by this subject. Nothing is said of "
            "other people."
        )
    text = f"{n} subjects: intervals and p of contrasts (crossed) are for new subjects and new stimuli."
    if n == 2:
        return text + " Two say next to nothing about how people differ: only very large differences can be found."
    if n < FEW_SUBJECTS:
        return text + " So few can show only differences that are large compared with those between people."
    return text


def _following(results: xr.Dataset, study: Study) -> str:
    if "p_max" not in results:
        return (
            "Not tested (encoding.n_permutations = 0). The t test of the gain over the training mean is no test of "
            "whether an electrode follows the features: it misses most small effects, and finds a time course that all "
            "stimuli share."
        )
    m, tested = study.encoding.n_permutations, results.sizes["electrode"] * results.sizes["space"]
    text = (
        f"Tested by {m} permutations of whole stimuli. p < 0.05 says that which stimulus was heard, and not only how "
        "long ago it began or how long it is, mattered to the electrode in a way that the features predict. Anything "
        "correlated with the features would give the same result, artefacts where it is loud among it. p max holds for "
        f"all {tested} pairs of electrode and space together."
    )
    if m < 160:
        text += f" With {m} permutations no p lies below {1 / (m + 1):.3f}: for results, ask for 200 or more."
    if results.attrs["exchange_cropped"] > MUCH_CROPPED:
        text += f" {results.attrs['exchange_cropped']:.0%} of the frames take no part, for lengths differ."
    if results.attrs["exchange_staying"] > MUCH_STAYING:
        text += " Few stimuli can take each other's place: the test is weak."
    shown = responding(results)
    if shown.follows.any() and not shown.inside.all():
        text += (
            f" Figures and means over electrodes are of the {int(shown.inside.sum())} that follow a space, chosen by "
            "the same responses: where effects are small, such means are too high."
        )
    return text


def _time_course(results: xr.Dataset) -> str:
    if "beyond_r2" not in results:
        return ""
    if float(np.nanmedian(results["time_course_r2"].values)) < -FEW_SAY:
        return (
            "The mean over the training stimuli predicts the others worse than a constant does: too few stimuli to "
            "know what they have in common, and scores beyond that time course say little."
        )
    shares = [
        f"{space} {share:.0%}"
        for space, share in course_table(results)[["space", "share"]].itertuples(index=False)
        if np.isfinite(share)
    ]
    if not shares:
        return ""
    return (
        "Of what each space predicts, the time course that all stimuli have in common explains by itself: "
        f"{', '.join(shares)}. That part says nothing of what was heard; scores beyond it are given beside."
    )


def _repeats(results: xr.Dataset) -> str:
    if "ceiling_r2" not in results:
        return (
            "No stimulus was repeated: how much of a response can be predicted at all is not known, and scores of "
            "electrodes, regions or subjects cannot be compared with each other as to how good a model is there."
        )
    repeated: dict[str, int] = json.loads(results.attrs.get("repeated_stimuli", "{}"))
    listed = ", ".join(f"{subject} {n}" for subject, n in repeated.items())
    given, n = int(results["ceiling_determined"].values.sum()), results.sizes["electrode"]
    text = (
        f"Stimuli heard more than once: {listed}. {given} of {n} electrodes have a noise ceiling that is known to a "
        "tenth of it; their scores alone are given over it, and what is said of them says nothing of the others. What "
        "is the same in all repeats but has nothing to do with the stimulus counts as predictable."
    )
    few = [subject for subject, count in repeated.items() if count < FEW_REPEATED]
    if few:
        text += (
            f" Fewer than {FEW_REPEATED} repeated stimuli ({', '.join(few)}): intervals of ceilings are wide, and a "
            "score over a ceiling that just counts as known may be a tenth too low."
        )
    return text


def _sessions(results: xr.Dataset) -> str:
    counts: dict[str, int] = json.loads(results.attrs.get("sessions", "{}"))
    several, unknown = several_sessions(results), [subject for subject, n in counts.items() if n == 0]
    text = []
    if several:
        listed = ", ".join(f"{subject} {n}" for subject, n in several.items())
        exchanged = (
            "Responses were exchanged within sessions only, so that a difference between sessions is no evidence that "
            "an electrode follows the features. " if "p_max" in results else ""
        )  # fmt: skip
        text.append(
            f"Several recording sessions ({listed}). {exchanged}Scores themselves are not corrected for sessions: "
            "where features differ between the stimuli of two sessions, a baseline that differs, too, adds to them."
        )
    if unknown and len(unknown) < len(counts):
        text.append(f"The sessions of {', '.join(unknown)} are not known.")
    elif unknown or not counts:
        text.append(
            "Sessions are not known (the files of responses name none): what is said of stimuli is said over all of a "
            "subject's recording. Where the order of stimuli was not random, or each session had its own stimuli, "
            "a drift, or another gain, passes for a difference between stimuli."
        )
    elif not several:
        text.append("One recording session for each subject: a slow drift within it is part of the noise.")
    return " ".join(text)


def _speakers(results: xr.Dataset) -> str:
    twins = results.attrs.get("same_text", 0)
    if results.attrs["wordless_stimuli"] == results.sizes["stimulus"]:
        return ""
    return (
        f"{twins} sentences were heard in more than one recording. For all others what belongs to the words and what "
        "to the voice cannot be told apart by responses alone."
        if twins
        else "Each sentence was heard in one voice: what belongs to the words and what to the voice, the rate and the "
        "melody of that one reading cannot be told apart by responses alone."
    )


def _positions(results: xr.Dataset) -> str:
    known = int(np.isfinite(results["x"].values.astype(np.float64)).sum())
    if known:
        n = results.sizes["electrode"]
        return f"{known} of {n} electrodes have positions. Where there is no electrode, nothing is said."
    return "Electrodes have no positions: nothing is said of where in the brain they are."


def _layers(results: xr.Dataset) -> str:
    most = max(int((results["model_space"] == space).sum()) for space in results["space"].values)
    if most == 1:
        return ""
    return (
        "The layer of a model is chosen on inner folds: that a deep layer is best says that it predicts better than "
        "others here, not that the brain computes in such steps. A space of many layers and units has more to choose "
        "from than one of few; test scores know nothing of the choice."
    )


def _shared(results: xr.Dataset, study: Study) -> str:
    if study.shared is None or "shared_r2" not in results:
        return ""
    text = (
        "What two models share is linear, and of these stimuli. That the shared part predicts a response says that "
        "either model's part does; what it is made of is asked by commonality with each probe, beside controls for "
        "word type, time since onset and noise."
    )
    if study.shared.scope == "all":
        text += " Its weights know the test stimuli (as published): scores of parts are optimistic."
    return text


def _cause() -> str:
    return (
        "Encoding models correlate. That features predict a response does not say that the brain has these features, "
        "nor that it would respond so to other sounds."
    )
