"""How well the responses could be predicted at all: noise ceilings of electrodes, and scores over them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from heschl.study.analyses.analysis import Analysis, Stage, StageCost
from heschl.study.analyses.fits.ceilings import COLUMNS, WHY, write_ceiling
from heschl.study.config.study import Study
from heschl.study.session import Session
from heschl.study.work.cache import Piece, load_arrays

if TYPE_CHECKING:
    import xarray as xr

TITLE = "noise ceilings"
SECONDS_PER_VALUE = 2e-8
"""Of resampling and of the variance across repeats, for each sample of a response."""


class Ceilings(Analysis):
    """Noise ceilings of all subjects who heard stimuli more than once.

    Adds, where stimuli were repeated, ``ceiling_r2``, ``ceiling_low``, ``ceiling_high`` (95 %), ``ceiling_reliable``
    (electrode), ``normalised_r2`` (space, electrode): R² over the ceiling, NaN where that is not reliably above 0.
    Electrodes of a subject without repeats have no ceiling; ``attrs["ceilings"]`` says why. The ceiling is that of the
    responses as they are analysed, at the frames of the grid.
    """

    name: ClassVar[str] = "ceilings"
    variable: ClassVar[str] = "ceiling_r2"

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
        """Return the results with each electrode's noise ceiling, and its scores over that."""
        subjects = {subject.subject: subject for subject in session.inputs.subjects}
        electrodes = [(s, e) for group in session.groups for s, e in zip(group.subjects, group.electrodes, strict=True)]
        (stage,) = self.stages(session)
        ceilings: dict[str, Mapping[str, Any]] = {}
        why = []
        for name, path in zip(subjects, session.cache.paths(stage.pieces, session.report), strict=True):
            arrays = load_arrays(path)
            if WHY in arrays:
                why.append(f"{name}: {arrays[WHY]}")
            else:
                ceilings[name] = arrays
        repeated = {name: _n_repeated(subject.stimuli) for name, subject in subjects.items() if name in ceilings}
        out = results.assign_attrs(ceilings="; ".join(why), repeated_stimuli=json.dumps(repeated))
        if not ceilings:
            return out
        place = {name: {e: i for i, e in enumerate(subject.electrodes)} for name, subject in subjects.items()}
        values = {
            column: np.array(
                [
                    ceilings[s][column][place[s][e]] if s in ceilings else (False if column == "reliable" else np.nan)
                    for s, e in electrodes
                ]
            )
            for column in COLUMNS
        }
        out = out.assign({f"ceiling_{column}": ("electrode", array) for column, array in values.items()})
        r2 = results["best_r2"].mean("fold", skipna=True).values
        usable = values["reliable"].astype(bool) & (values["r2"] > 0)
        ceiling = np.where(usable, values["r2"].astype(np.float64), np.nan)
        return out.assign(normalised_r2=(("space", "electrode"), r2 / ceiling))


def _n_repeated(stimuli: Sequence[str]) -> int:
    """Count the stimuli that were heard more than once."""
    return sum(n > 1 for n in Counter(stimuli).values())
