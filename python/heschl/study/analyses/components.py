"""How many components two models share: held-out correlations against those of exchanged stimuli.

It adds to the results, by cohort and component: ``component_correlation``, the mean over test folds of the canonical
correlation over the common time course (of more components than [shared] takes as shared); ``component_p``, against
those of all components under permutation; ``component_q``, the false discovery rate over components; and ``n_shared``
(cohort,): components with q ≤ 0.05 and p ≤ 0.02.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from heschl.study.analyses.analysis import Analysis, Section, Stage, StageCost
from heschl.study.analyses.costs import per_fit
from heschl.study.analyses.encoding import encoding_done, encoding_title
from heschl.study.analyses.fits.components import (
    EACH,
    LEVEL,
    PERMUTATIONS,
    component_p_values,
    count_shared,
    write_components,
)
from heschl.study.analyses.shared import shared_settings, split_inputs, splits
from heschl.study.config.study import Study
from heschl.study.session import Session
from heschl.study.statistics.tests import false_discovery_rate
from heschl.study.work.cache import Piece, load_arrays

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

TITLE = "number of shared components"
TOO_MANY = 1.2
"""Times as many components taken as shared as are: then what one model has alone is among them."""


class Components(Analysis):
    """[shared]: how many components are shared."""

    name: ClassVar[str] = "components"
    variable: ClassVar[str] = "n_shared"
    needs: ClassVar[tuple[str, ...]] = ("encoding",)

    def wanted(self, study: Study) -> bool:
        """Return whether there is a [shared]."""
        return study.shared is not None

    def stages(self, session: Session) -> list[Stage]:
        """Return a piece per group."""
        name = f"{self.name}/exchanged.npz"
        if not encoding_done(session):
            return [Stage(TITLE, tuple(Piece.unknown(name) for _ in session.groups))]
        seeds = [(session.study.seed, g) for g in range(len(session.groups))]
        return [
            Stage(
                TITLE,
                tuple(
                    Piece.of(name, partial(write_components, split, seed), *split_inputs(split), seed)
                    for split, seed in zip(splits(session), seeds, strict=True)
                ),
            )
        ]

    def costs(self, session: Session, known: Mapping[str, StageCost]) -> list[StageCost]:
        """Count products of both sides and of each with itself, at the rate of the layers' fits."""
        settings, folds = shared_settings(session), session.study.encoding.folds
        a, b = (session.sources[name].description.width for name in (settings.speech, settings.language))
        n = float(sum(len(group.y) for group in session.groups))
        operations = folds * (PERMUTATIONS + 1) * (2 * n * (a * a + b * b + a * b) + 20.0 * (a**3 + b**3))
        peak = per_fit(known, encoding_title(settings.language))[1]
        memory = max(peak, 16.0 * n * (a + b))
        how = f"{PERMUTATIONS} permutations, by count"
        return [StageCost(TITLE, len(session.groups), operations / 2e10, memory, 1e5, how)]

    def add(self, results: xr.Dataset, session: Session) -> xr.Dataset:
        """Return the results with the variables above."""
        (stage,) = self.stages(session)
        found = [load_arrays(path)["correlations"] for path in session.cache.paths(stage.pieces, session.report)]
        p = np.stack([component_p_values(correlations) for correlations in found])
        q = np.stack([false_discovery_rate(each) for each in p])
        return results.assign(
            component_correlation=(("cohort", "tested_component"), np.stack([c[0] for c in found])),
            component_p=(("cohort", "tested_component"), p),
            component_q=(("cohort", "tested_component"), q),
            n_shared=(("cohort",), count_shared(p, q)),
        )

    def tables(self, results: xr.Dataset) -> dict[str, pd.DataFrame]:
        """Return components.csv."""
        return {"components": component_table(results)}

    def sections(self, results: xr.Dataset) -> list[Section]:
        """Return the correlation of each component."""
        study = Study.model_validate_json(results.attrs["config"])
        text = " ".join(
            [
                "Mean over test folds of each canonical correlation over the common time course, against those of all "
                f"components where the stimuli of one side were exchanged ({PERMUTATIONS} permutations, weights "
                "learned anew, the null values of all components together, one-sided); q: false discovery rate over "
                f"components. Counted as shared: q ≤ {LEVEL:g} and p ≤ {EACH:g}. Where correlations hardly leave "
                "chance the count is rough. The correlations of 'What the models share' still hold the time course.",
                *advice(results, study),
            ]
        )
        return [Section("components", "How many components are shared", component_table(results), text)]

    def methods(self, results: xr.Dataset, study: Study) -> str:
        """Return how components were counted."""
        return (
            "Components were counted as shared by their correlations on test folds (mean over folds, the common time "
            "course taken out of both sides), against those of all components when the stimuli of one side were "
            f"exchanged among those of nearly the same length and weights were learned anew ({PERMUTATIONS} "
            f"permutations; false discovery rate over components ≤ {LEVEL:g} and p ≤ {EACH:g}): "
            f"{_counts(results)}."
        )

    def summary(self, results: xr.Dataset, study: Study) -> str:
        """Return the number found, and what follows for the one that was taken."""
        return "\n\n".join(["## How many components are shared", *advice(results, study)])

    def lines(self, results: xr.Dataset) -> Sequence[str]:
        """Return a warning where too many or too few are taken."""
        return advice(results, Study.model_validate_json(results.attrs["config"]))[1:]


def component_table(results: xr.Dataset) -> pd.DataFrame:
    """Return a row per cohort and component: correlation on test folds, p, q."""
    import pandas as pd

    r, p, q = (results[f"component_{name}"].values for name in ("correlation", "p", "q"))
    cohort, component = np.indices(r.shape)
    return pd.DataFrame(
        {
            "cohort": cohort.ravel() + 1,
            "component": component.ravel() + 1,
            "held_out": r.ravel(),
            "p": p.ravel(),
            "q": q.ravel(),
        }
    )


def advice(results: xr.Dataset, study: Study) -> list[str]:
    """Say how many components are shared beside the number taken, and what a wrong number does."""
    assert study.shared is not None, "there are shared results"
    taken, found = study.shared.n_components, results["n_shared"].values
    text = [f"{_counts(results)}; {taken} were taken (the paper: 50)."]
    if found.max() == 0:
        text.append("No component is shared beyond what chance finds: top and rest below say nothing of sharing.")
    elif taken > TOO_MANY * found.max():
        text.append(
            f"{taken} components were taken as shared, where {found.max()} are: the others belong to one model alone, "
            "and what it alone has passes for shared (with three times too many, .67 of it). Set n_components to "
            f"{found.max()}."
        )
    if found.min() > TOO_MANY * taken:
        text.append(
            f"{taken} components were taken as shared, where {found.min()} are: part of what is shared is in the rest."
        )
    return text + _moved(results, int(found.max()), taken)


def _moved(results: xr.Dataset, found: int, taken: int) -> list[str]:
    """Warn where more components than are shared, in the sweep, bring the rest into the top."""
    if "shared_r2" not in results:
        return []
    score = dict(
        zip(map(str, results["part"].values), results["shared_r2"].mean(("electrode", "fold")).values, strict=True)
    )
    out = []
    for side in ("speech", "language"):
        tops = {int(name.split()[2]): r2 for name, r2 in score.items() if name.startswith(f"{side} top ")}
        base = score[f"{side} top"]
        more = [
            k for k, r2 in tops.items() if k > max(found, taken) and r2 - base > 0.1 * max(score[f"{side} all"], 0.01)
        ]
        if more:
            out.append(
                f"With {min(more)} components, more than are shared, the {side} model's top predicts "
                f"{tops[min(more)]:.3f} instead of {base:.3f}: what the rest said has moved into it."
            )
    return out


def _counts(results: xr.Dataset) -> str:
    counts = [int(count) for count in results["n_shared"].values]
    of, all_tested = " and ".join(map(str, counts)), results.sizes["tested_component"]
    return f"{of} of {all_tested} components are shared on stimuli that had no part in finding them"
