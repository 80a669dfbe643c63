"""The common time course: what it alone predicts, and what every space predicts over and above it.

It adds to the results:

=========================  ======================================================================================
variable                   what
=========================  ======================================================================================
course_sse                 (electrode, stimulus): squared error of the common time course
beyond_sse                 (space, electrode, stimulus): of the time course and the space's features together
time_course_r2             (electrode): what the time course alone explains
beyond_r2                  (space, electrode): what the features explain over and above it
time_course_common         (space, electrode): what either explains: R² of both kinds less that of both together
=========================  ======================================================================================

All R² are about the mean of the training folds, pooled over stimuli, so that parts add up: what a space explains is
``beyond_r2`` + ``time_course_common``. Each outer fold takes the layer with the best mean inner score over electrodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from heschl.linear.crossval.nested import n_training_sets
from heschl.linear.moments.formulas import quotient
from heschl.study.analyses.analysis import Analysis, Section, Stage, StageCost
from heschl.study.analyses.costs import per_fit
from heschl.study.analyses.encoding import encoding_done, encoding_title, group_fits
from heschl.study.analyses.fits.encoding import GroupFits, layers_of_folds
from heschl.study.analyses.fits.reduced import reduction
from heschl.study.analyses.fits.time_course import course_errors, layer_errors, write_beyond
from heschl.study.config.study import Study
from heschl.study.session import Session
from heschl.study.statistics.tests import quartiles
from heschl.study.work.cache import Piece, load_arrays

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

TITLE = "over the common time course"
LEAST_R2 = 0.002
"""On average over electrodes, below which a score has no shares."""


class TimeCourse(Analysis):
    """Adds the variables above to every study."""

    name: ClassVar[str] = "time_course"
    variable: ClassVar[str] = "beyond_r2"
    needs: ClassVar[tuple[str, ...]] = ("encoding",)
    in_shares: ClassVar[bool] = True

    def wanted(self, study: Study) -> bool:
        """Return True: every study has it."""
        return True

    def stages(self, session: Session) -> list[Stage]:
        """Return a piece per space and group."""
        encoding, rate = session.study.encoding, session.grid.rate
        names = {space: f"{self.name}/{space}.npz" for space in session.features}
        if not encoding_done(session):
            return [Stage(TITLE, tuple(Piece.unknown(name) for name in names.values() for _ in session.groups))]
        pieces = []
        for space, features in session.features.items():
            for fits in group_fits(session):
                group, layers = fits.group, layers_of_folds(fits, space, features.layers)
                make = partial(write_beyond, features, layers, group, encoding, rate)
                inputs = features.key, [features.chosen[i] for i in layers], encoding.decides(), rate
                what = group.y, group.segments, group.folds, *reduction(features.space)
                pieces.append(Piece.of(names[space], make, *inputs, *what))
        return [Stage(TITLE, tuple(pieces))]

    def costs(self, session: Session, known: Mapping[str, StageCost]) -> list[StageCost]:
        """Scale the cost of one layer of each space: each outer fold is a fit of its own."""
        k = session.study.encoding.folds
        fits = [per_fit(known, encoding_title(space)) for space in session.sources]
        seconds = len(session.groups) * sum(each for each, _ in fits) * k * k / n_training_sets(k)
        n_pieces = len(fits) * len(session.groups)
        memory = max(peak for _, peak in fits)
        return [StageCost(TITLE, n_pieces, seconds, memory, 1e5 * n_pieces, "as one layer of each space")]

    def add(self, results: xr.Dataset, session: Session) -> xr.Dataset:
        """Return the results with the variables above."""
        (stage,) = self.stages(session)
        fits, stimuli = group_fits(session), list(session.inputs.stimuli)
        paths = session.cache.paths(stage.pieces, session.report)
        sse = [load_arrays(path)["sse"] for path in paths]
        beyond = np.stack([everywhere(sse[at : at + len(fits)], fits, stimuli) for at in range(0, len(sse), len(fits))])
        course = everywhere([course_errors(of_group.group) for of_group in fits], fits, stimuli)
        alone = np.stack(
            [
                everywhere(
                    [
                        layer_errors(f, space, [features.layers[i] for i in layers_of_folds(f, space, features.layers)])
                        for f in fits
                    ],
                    fits,
                    stimuli,
                )
                for space, features in session.features.items()
            ]
        )
        total = results["mean_sse"].values
        whole = np.nansum(total, axis=-1)

        def share(gain: NDArray[np.float64]) -> NDArray[np.float64]:
            return quotient(np.nansum(gain, axis=-1), np.broadcast_to(whole, gain.shape[:-1]))

        variables: dict[str, Any] = {
            "course_sse": (("electrode", "stimulus"), course),
            "beyond_sse": (("space", "electrode", "stimulus"), beyond),
            "time_course_r2": (("electrode",), share(total - course)),
            "beyond_r2": (("space", "electrode"), share(course - beyond)),
            "time_course_common": (("space", "electrode"), share(total - alone - (course - beyond))),
        }
        return results.assign(variables)

    def sections(self, results: xr.Dataset) -> list[Section]:
        """Return what of each space's score is the common time course's."""
        text = (
            "Medians over electrodes. What all stimuli evoke alike at a time since their onset predicts something by "
            "itself, and so does any feature that follows it, without saying anything of what was heard. 'beyond': R² "
            "of a space over and above that time course; 'common': what either explains; both add up to what the space "
            "explains, about the mean of the training folds. 'share': the time course's part of it, sums over "
            "electrodes."
        )
        return [Section("time_course", "Over and above the common time course", course_table(results), text)]

    def methods(self, results: xr.Dataset, study: Study) -> str:
        """Return how the time course was taken out."""
        return (
            "The time course that all stimuli evoke alike (the mean over the training stimuli of each outer fold at "
            "each time since onset) was taken out of responses and features, and what was left of the one predicted "
            "from what was left of the other: what a space explains over and above the time course. R² there is about "
            "the training mean, pooled over stimuli."
        )

    def summary(self, results: xr.Dataset, study: Study) -> str:
        """Return the table in Markdown."""
        table = course_table(results)
        lines = [
            f"## Over and above the common time course\n\nWhat all stimuli evoke alike explains "
            f"{quartiles(results['time_course_r2'].values)[0]:.3f} of the responses' variance (median over "
            "electrodes). Of each space's score:\n",
            "| space | R² | beyond the time course | common | share of the time course |",
            "| --- | --- | --- | --- | --- |",
        ]
        for row in table.itertuples(index=False):
            share = f"{row[4]:.0%}" if np.isfinite(row[4]) else "too little to share"
            lines.append(f"| {row[0]} | {row[1]:.3f} | {row[2]:.3f} | {row[3]:.3f} | {share} |")
        return "\n".join(lines)

    def lines(self, results: xr.Dataset) -> Sequence[str]:
        """Return a line where much of a score is the time course's."""
        return [
            f"{space}: {share:.0%} of what it predicts is the time course that all stimuli have in common"
            for space, _, _, _, share in course_table(results).itertuples(index=False)
            if share > 0.5
        ]


def everywhere(
    parts: Sequence[NDArray[np.float64]], fits: Sequence[GroupFits], stimuli: Sequence[str]
) -> NDArray[np.float64]:
    """Join groups' arrays (their stimuli, their electrodes) to (electrodes, all stimuli); NaN where not heard."""
    rows = []
    for values, of_group in zip(parts, fits, strict=True):
        out = np.full((values.shape[1], len(stimuli)), np.nan)
        out[:, np.searchsorted(stimuli, of_group.group.stimuli)] = values.T
        rows.append(out)
    return np.concatenate(rows)


def course_table(results: xr.Dataset) -> pd.DataFrame:
    """Return for each space what it explains, beyond the time course and in common with it; medians over electrodes."""
    import pandas as pd

    beyond, common = results["beyond_r2"].values, results["time_course_common"].values
    whole = np.nansum(beyond + common, axis=1)
    known = whole > LEAST_R2 * beyond.shape[1]
    return pd.DataFrame(
        {
            "space": [str(space) for space in results["space"].values],
            "R2": np.nanmedian(beyond + common, axis=1),
            "beyond": np.nanmedian(beyond, axis=1),
            "common": np.nanmedian(common, axis=1),
            "share": quotient(np.nansum(common, axis=1), np.where(known, whole, np.nan)).clip(0.0, 1.0),
        }
    )
