"""How well the responses could be predicted at all: noise ceilings of electrodes, and scores over them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from heschl.ecog import Responses, ceiling_of_folds
from heschl.study.analyses.analysis import Analysis, Stage, StageCost
from heschl.study.analyses.fits.ceilings import COLUMNS, WHY, fold_shares, fold_squares, write_ceiling
from heschl.study.config.study import Study
from heschl.study.inputs.identity import identities
from heschl.study.session import Session
from heschl.study.work.cache import Piece, load_arrays

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

TITLE = "noise ceilings"
SECONDS_PER_VALUE = 2e-8
"""Of leaving out stimuli and of the variance across repeats, for each sample of a response."""
FLAGS = ("reliable", "determined")
SIGNIFICANCE = 0.05
"""Of shared noise, over all electrodes of a subject (Bonferroni)."""
TRACES = {
    "before": "are alike before the sound",
    "near": "are more alike when they followed one another than when they lay apart",
}


class Ceilings(Analysis):
    """Noise ceilings of all subjects who heard stimuli more than once.

    Adds ``best_r2_training`` (space, electrode), R² about the training mean; and, where stimuli were repeated,
    ``ceiling_r2``, ``ceiling_low``, ``ceiling_high`` (95 %), ``ceiling_reliable`` (above 0), ``ceiling_determined``
    (known to a tenth), ``ceiling_divisor`` (electrode), ``normalised_r2`` and ``normalised_r2_training`` (space,
    electrode): R² over what a perfect model would score in the same way, NaN where that is not well determined.
    Electrodes of a subject without repeats have no ceiling; ``attrs["ceilings"]`` says why, ``ceiling_warnings`` what
    else a reader must know. The ceiling is that of the responses as they are analysed, at the frames of the grid.
    """

    name: ClassVar[str] = "ceilings"
    variable: ClassVar[str] = "best_r2_training"

    def wanted(self, study: Study) -> bool:
        """Return True: every study has them."""
        return True

    def stages(self, session: Session) -> list[Stage]:
        """Return a piece per subject."""
        study, inputs = session.study, session.inputs
        of = "mean" if study.responses.repeats == "average" else "single"
        tail, durations = study.responses.tail, inputs.durations
        pieces = []
        for subject in inputs.subjects:
            make = partial(write_ceiling, subject, session.grid, durations, tail, of, study.seed)
            responses = [subject.sfreq, subject.onset, subject.electrodes, *subject.stimuli, *subject.trials]
            heard = {name: durations[name] for name in sorted(set(subject.stimuli))}
            pieces.append(
                Piece.of(
                    f"{self.name}/{subject.subject}.npz", make, *responses, asdict(session.grid), heard, tail, of,
                    study.seed,
                )
            )  # fmt: skip
        return [Stage(TITLE, tuple(pieces))]

    def costs(self, session: Session, known: Mapping[str, StageCost]) -> list[StageCost]:
        """Count the samples of all responses."""
        subjects = session.inputs.subjects
        values = [float(sum(trial.size for trial in subject.trials)) for subject in subjects]
        seconds = 0.1 + SECONDS_PER_VALUE * sum(values)
        return [StageCost(TITLE, len(subjects), seconds, 16 * max(values), 1e4 * len(subjects), "by count")]

    def add(self, results: xr.Dataset, session: Session) -> xr.Dataset:
        """Return the results with the variables above, or with why there are none."""
        out = results.assign(best_r2_training=1 - results["sse"].sum("stimulus") / results["mean_sse"].sum("stimulus"))
        (stage,) = self.stages(session)
        ceilings, why, warned = {}, [], []
        paths = session.cache.paths(stage.pieces, session.report)
        for subject, path in zip(session.inputs.subjects, paths, strict=True):
            arrays = load_arrays(path)
            if WHY in arrays:
                why.append(f"{subject.subject}: {arrays[WHY]}")
            else:
                ceilings[subject.subject] = arrays
                warned += [f"{subject.subject}: {text}" for text in _warnings(subject, arrays, session)]
        out = out.assign_attrs(ceilings="; ".join(why), ceiling_warnings=json.dumps(warned))
        repeated = {subject.subject: _n_repeated(subject.stimuli) for subject in session.inputs.subjects}
        out.attrs["repeated_stimuli"] = json.dumps({name: n for name, n in repeated.items() if name in ceilings})
        if not ceilings:
            return out
        columns = _by_electrode(ceilings, session)
        names = [column for column in COLUMNS if column != "snr"]
        out = out.assign({f"ceiling_{column}": ("electrode", columns[column]) for column in names})
        out = out.assign(ceiling_of_folds=("electrode", columns["of folds"]))
        score = {
            "normalised_r2": results["best_r2"].mean("fold", skipna=True).values / columns["of folds"],
            "normalised_r2_training": out["best_r2_training"].values / columns["divisor"],
        }
        return out.assign({name: (("space", "electrode"), values) for name, values in score.items()})

    def tables(self, results: xr.Dataset) -> dict[str, pd.DataFrame]:
        """Return ceilings.csv: a row per electrode and space, R² about either mean, and over a perfect model's."""
        import pandas as pd

        shape = results["best_r2_training"].shape
        columns = {
            "r2": results["best_r2"].mean("fold", skipna=True).values, "r2_training": results["best_r2_training"].values
        }  # fmt: skip
        for column in ("r2", "low", "high", "determined"):
            if f"ceiling_{column}" in results:
                name = "ceiling" if column == "r2" else f"ceiling_{column}"
                columns[name] = np.broadcast_to(results[f"ceiling_{column}"].values, shape)
        for column in ("r2", "r2_training"):
            if f"normalised_{column}" in results:
                columns[f"{column}_over_ceiling"] = results[f"normalised_{column}"].values
        labels = {
            "subject": np.repeat(results["subject"].values, shape[0]),
            "electrode": np.repeat(results["name"].values, shape[0]),
            "space": np.tile(results["space"].values, shape[1]),
        }
        return {"ceilings": pd.DataFrame(labels | {name: values.T.ravel() for name, values in columns.items()})}

    def lines(self, results: xr.Dataset) -> Sequence[str]:
        """Return what is to be warned of."""
        return [f"noise ceilings, {text}" for text in _warned(results)]

    def methods(self, results: xr.Dataset, study: Study) -> str:
        """Return how ceilings were found, and about which mean each R² is."""
        text = (
            "R² is given about two means. About the test fold's own mean it asks for what varies within the fold, "
            "without telling a model that mean: with few stimuli in a fold even a perfect model stays below its "
            "ceiling, and no model scores about −1/n for n independent stretches of response. About the training mean "
            "it asks how much better a prediction is than that mean, which is what a new stimulus would show."
        )
        if "ceiling_r2" not in results:
            return f"{text} No noise ceiling: {results.attrs['ceilings']}." if results.attrs.get("ceilings") else text
        n = int(results["ceiling_determined"].sum())
        return (
            f"{text} Noise ceilings come from repeats of stimuli (signal power; 95 % intervals by leaving out one "
            f"stimulus at a time, Student's t on the logarithm of the F ratio). {n} of {results.sizes['electrode']} "
            "electrodes have one that is known to a tenth of it; scores of these alone are divided by it, corrected "
            "for that choice, and for R² about a fold's mean by what a perfect model would score about it. Noise that "
            "is the same at every presentation of a stimulus counts as signal in a ceiling: where it also precedes the "
            "sound, or presentations followed one another, it was looked for; locked to the sound it cannot be seen in "
            "the data."
        )

    def summary(self, results: xr.Dataset, study: Study) -> str:
        """Return the warnings in Markdown."""
        warned = _warned(results)
        return "## Noise ceilings\n\n" + "\n".join(f"- {text}" for text in warned) if warned else ""


def _by_electrode(ceilings: Mapping[str, Mapping[str, NDArray[Any]]], session: Session) -> dict[str, NDArray[Any]]:
    """Return all columns, and the ceiling of R² about folds' own means, for the electrodes of all groups in order."""
    places = {s.subject: {e: i for i, e in enumerate(s.electrodes)} for s in session.inputs.subjects}
    average = session.study.responses.repeats == "average"
    found: dict[str, list[Any]] = {column: [] for column in (*COLUMNS, "of folds")}
    for group in session.groups:
        sizes = fold_squares(group)
        shares: dict[str, NDArray[np.float64]] = {}
        for at, (subject, electrode) in enumerate(zip(group.subjects, group.electrodes, strict=True)):
            arrays = ceilings.get(subject)
            for column in COLUMNS:
                nothing: Any = False if column in FLAGS else np.nan
                found[column].append(nothing if arrays is None else arrays[column][places[subject][electrode]])
            if arrays is not None and subject not in shares:
                counts = arrays["repeats"] if average else np.ones(len(arrays["repeats"]))
                repeats = dict(zip(arrays["stimuli"].tolist(), counts.tolist(), strict=True))
                shares[subject] = fold_shares(group, repeats)
            snr = np.array([found["snr"][-1]], dtype=np.float64)
            own = [size[:, [at]] for size in sizes]
            found["of folds"].append(np.nan if arrays is None else ceiling_of_folds(snr, shares[subject], *own)[0])
    return {name: np.array(values, dtype=bool if name in FLAGS else np.float64) for name, values in found.items()}


def _warnings(subject: Responses, arrays: Mapping[str, NDArray[Any]], session: Session) -> list[str]:
    """Return what stands against a subject's ceilings: repeats that share noise, or are all of one sentence."""
    out = []
    same = identities(session.inputs.stimuli, "text")
    repeated = [name for name, count in Counter(subject.stimuli).items() if count > 1]
    if len({same[name] for name in repeated}) == 1:
        out.append(f"all {len(repeated)} repeated stimuli say one sentence: the ceiling is that of this sentence")
    heard: dict[str, set[str]] = {name: set() for name in repeated}
    for name, label in zip(subject.stimuli, subject.sessions, strict=False):
        if name in heard:
            heard[name].add(label)
    if subject.sessions and len(set().union(*heard.values())) > 1 and all(len(own) == 1 for own in heard.values()):
        out.append(
            "each repeated stimulus was heard in one session only, and not all in the same: what differs between "
            "sessions counts as signal, and ceilings are too high"
        )
    for trace, text in TRACES.items():
        p = arrays[f"{trace}_p"].astype(np.float64)
        many = int((p * len(p) < SIGNIFICANCE).sum())
        if many:
            size = np.nanmedian(arrays[trace][p * len(p) < SIGNIFICANCE])
            out.append(
                f"presentations of a stimulus {text} at {many} of {len(p)} electrodes (by {size:.2f} of the variance): "
                "they share noise, and these ceilings are too high"
            )
    return out


def _warned(results: xr.Dataset) -> list[str]:
    return [str(text) for text in json.loads(results.attrs.get("ceiling_warnings", "[]"))]


def _n_repeated(stimuli: Sequence[str]) -> int:
    """Count the stimuli that were heard more than once."""
    return sum(n > 1 for n in Counter(stimuli).values())
