"""What the shared part is made of: what it and each probe say of the responses in common, and each alone.

It adds to the results, for the probes of [shared] and controls:

=========================  ======================================================================================
variable                   what
=========================  ======================================================================================
common_sse                 (probe, fit, electrode, stimulus): squared errors of the shared part, the probe, both
common_beyond_sse          the same with the common time course in every model
common_r2                  (probe, electrode): R²(shared) + R²(probe) − R²(both)
common_beyond_r2           the same over and above the common time course
unique_r2                  (probe, electrode): R²(both) − R²(shared), what the probe alone says
=========================  ======================================================================================

All R² are about the mean of the training folds, pooled over stimuli.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from heschl.linear import crossed_mean
from heschl.linear.moments.formulas import quotient
from heschl.study.analyses.analysis import Analysis, Section, Stage, StageCost
from heschl.study.analyses.costs import fit_seconds
from heschl.study.analyses.encoding import encoding_done, group_fits
from heschl.study.analyses.fits.commonality import (
    BEYOND_TYPE,
    DESIGN,
    NOISE,
    TIME,
    WORD_TYPE,
    common_names,
    write_common,
)
from heschl.study.analyses.shared import shared_settings, split_inputs, splits
from heschl.study.analyses.time_course import everywhere
from heschl.study.config.study import Study
from heschl.study.session import Session
from heschl.study.work.cache import Piece, load_arrays

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Floats = NDArray[np.float64]
TITLE = "what the shared part is made of"
SIGNS = {"common": (1, 1, -1), "probe alone": (-1, 0, 1), "shared alone": (0, -1, 1)}
"""Of the R² of the shared part, the probe, both."""
WHAT = {
    WORD_TYPE: "word type: the layer's mean over the other tokens of a word; knows which word, nothing of its place",
    BEYOND_TYPE: (
        "beyond type: the layer less its mean over the tokens of a word; context and place alone, but only part of "
        "them: of a word heard once nothing is left, of one heard twice half"
    ),
    TIME: "time: since the onset and to the end of the stimulus",
    NOISE: "noise: a random vector for each word, a floor",
}
FITS_OF_A_MODEL = 12
"""Time of a probe's three models, all pairs of penalties, against one nested fit of as many components; measured."""


class Commonality(Analysis):
    """[shared]: adds the variables above."""

    name: ClassVar[str] = "commonality"
    variable: ClassVar[str] = "common_r2"
    needs: ClassVar[tuple[str, ...]] = ("encoding",)

    def wanted(self, study: Study) -> bool:
        """Return whether there is a [shared]."""
        return study.shared is not None

    def stages(self, session: Session) -> list[Stage]:
        """Return a piece per group and probe."""
        names = common_names(shared_settings(session))
        files = {name: f"{self.name}/{name.replace(' ', '-')}.npz" for name in names}
        if not encoding_done(session):
            return [Stage(TITLE, tuple(Piece.unknown(files[name]) for _ in session.groups for name in names))]
        pieces = [
            Piece.of(files[name], partial(write_common, split, name), *split_inputs(split), name, split.rate)
            for split in splits(session)
            for name in names
        ]
        return [Stage(TITLE, tuple(pieces))]

    def costs(self, session: Session, known: Mapping[str, StageCost]) -> list[StageCost]:
        """Time a nested fit of as many components."""
        names, encoding = common_names(shared_settings(session)), session.study.encoding
        seconds = memory = 0.0
        for group in session.groups:
            seconds += FITS_OF_A_MODEL * len(names) * fit_seconds(encoding, len(group.y), DESIGN, group.y.shape[1])
            memory = max(memory, 4.0 * len(group.y) * (2 * DESIGN * encoding.folds + 12 * group.y.shape[1]))
        n_pieces = len(session.groups) * len(names)
        return [StageCost(TITLE, n_pieces, seconds, memory, 1e6 * n_pieces, "timed on a fit of the same size")]

    def add(self, results: xr.Dataset, session: Session) -> xr.Dataset:
        """Return the results with the variables above."""
        (stage,) = self.stages(session)
        names, fits, stimuli = common_names(shared_settings(session)), group_fits(session), list(session.inputs.stimuli)
        arrays = [load_arrays(path) for path in session.cache.paths(stage.pieces, session.report)]
        by_group = [arrays[at : at + len(names)] for at in range(0, len(arrays), len(names))]
        joined = {}
        for kept, variable in (("sse", "common_sse"), ("beyond", "common_beyond_sse")):
            values = np.full((len(names), 3, results.sizes["electrode"], len(stimuli)), np.nan)
            for p in range(len(names)):
                if kept in by_group[0][p]:
                    for fit in range(3):
                        parts = [group[p][kept][fit] for group in by_group]
                        values[p, fit] = everywhere(parts, fits, stimuli)
            joined[variable] = (("probe", "fit", "electrode", "stimulus"), values)
        out = results.assign(joined).assign_coords(probe=names, fit=["shared", "probe", "both"])
        found = {
            "common_r2": shares(out, "common"), "common_beyond_r2": shares(out, "common", beyond=True),
            "unique_r2": shares(out, "probe alone"),
        }  # fmt: skip
        return out.assign({name: (("probe", "electrode"), values) for name, values in found.items()})

    def tables(self, results: xr.Dataset) -> dict[str, pd.DataFrame]:
        """Return commonality.csv."""
        return {"commonality": commonality_table(results)}

    def sections(self, results: xr.Dataset) -> list[Section]:
        """Return each probe's parts with their intervals."""
        return [
            Section("commonality", "What the shared part is made of", commonality_table(results), explained(results))
        ]

    def methods(self, results: xr.Dataset, study: Study) -> str:
        """Return how parts were found."""
        assert study.shared is not None, "there are shared results"
        cut = study.shared.probe_dimensions
        return (
            "What the shared part is made of was asked by commonality: R² of the shared part (the language model's "
            "variates) plus R² of a probe less R² of both, out of fold, each by ridge regression with a penalty for "
            f"the shared part and one for the probe, chosen on inner folds from all pairs; lagged designs were cut to "
            f"their {DESIGN} leading principal components"
            + (f" and probes to {cut} principal components first" if cut else "")
            + ". Controls are the word's type (the layer's mean over the other tokens of a word, the token itself left "
            "out), the time since onset, and noise. Intervals and p of means over electrodes are for new subjects and "
            "new stimuli, subjects counting alike."
        )

    def summary(self, results: xr.Dataset, study: Study) -> str:
        """Return the table in Markdown."""
        table = commonality_table(results)
        table = table[table["part"] == "common"]
        lines = [
            f"## What the shared part is made of\n\n{explained(results)}\n",
            "| probe | over | common R² (95 %) | p |\n| --- | --- | --- | --- |",
        ]
        for row in table.itertuples(index=False):
            lines.append(f"| {row.probe} | {row.over} | {row.r2:.3f} ({row.low:.3f} to {row.high:.3f}) | {row.p:.2g} |")
        return "\n".join(lines)

    def lines(self, results: xr.Dataset) -> Sequence[str]:
        """Return a warning where controls say as much as context."""
        return warnings_of(results)


def shares(results: xr.Dataset, part: str, *, beyond: bool = False) -> Floats:
    """Return a part's share of the variance of each electrode, (probe, electrode); NaN where it was not asked."""
    if beyond and "course_sse" not in results:
        return np.full((results.sizes["probe"], results.sizes["electrode"]), np.nan)
    gain = gain_of(results, part, beyond=beyond)
    known = np.isfinite(gain).any(axis=-1)
    whole = np.broadcast_to(np.nansum(results["mean_sse"].values, axis=-1), known.shape)
    return np.where(known, quotient(np.nansum(gain, axis=-1), whole), np.nan)


def gain_of(results: xr.Dataset, part: str, *, beyond: bool) -> Floats:
    """Return what each stimulus adds to a part, (probe, electrode, stimulus)."""
    sse = results["common_beyond_sse" if beyond else "common_sse"].values
    baseline = results["course_sse" if beyond else "mean_sse"].values
    return np.asarray(sum(sign * (baseline - sse[:, fit]) for fit, sign in enumerate(SIGNS[part])))


def commonality_table(results: xr.Dataset) -> pd.DataFrame:
    """Return a row per probe, part, and what it is over: mean over subjects of electrodes' means, interval, p."""
    import pandas as pd

    rows = []
    total, subjects = results["mean_sse"].values.T, np.array([str(name) for name in results["subject"].values])
    for over, beyond in (("the mean", False), ("the time course", True)):
        if beyond and "course_sse" not in results:
            continue
        for part in SIGNS:
            gain = gain_of(results, part, beyond=beyond)
            for p, name in enumerate(results["probe"].values):
                if not np.isfinite(gain[p]).any():
                    continue
                found = crossed_mean(gain[p].T, total, subjects)
                rows.append((str(name), part, over, found.estimate, found.low, found.high, found.p, found.note))
    return pd.DataFrame(rows, columns=["probe", "part", "over", "r2", "low", "high", "p", "note"])


def explained(results: xr.Dataset) -> str:
    """Say what the parts and the probes are, and what the controls say."""
    controls = [text for name, text in WHAT.items() if name in results["probe"].values]
    return " ".join(
        [
            "Common: what the shared part says of the responses and the probe says as well; a probe that predicts by "
            "itself something else has nothing in common with it. 'the time course': over and above what all stimuli "
            "evoke alike. Below 0: the two together predict more than each adds, or errors of fitting. r2: mean over "
            "subjects of their electrodes' means, with 95 % limits and two-sided p for new subjects and new stimuli, "
            "uncorrected for the number of probes. Controls: " + "; ".join(controls) + ".",
            *warnings_of(results),
        ]
    )


def warnings_of(results: xr.Dataset) -> list[str]:
    """Warn where a control has as much in common with the shared part as context."""
    table = commonality_table(results)
    rows = table[(table["part"] == "common") & (table["over"] == "the mean")]
    common = {str(row["probe"]): (float(row["r2"]), float(row["low"])) for row in rows.to_dict("records")}
    context, least = common.get("context", (np.nan, np.nan))
    if not least > 0:
        return []
    out = []
    beyond, low = common.get(BEYOND_TYPE, (np.nan, 1.0))
    if not low > 0:
        out.append(
            f"Context has {context:.3f} in common with the shared part, context beyond the word's type "
            f"{beyond:.3f}: it may be which word is heard, and no context."
        )
    time, low = common[TIME]
    if time > 0.5 * context and low > 0:
        out.append(
            f"The time since onset alone has {time:.3f} in common with the shared part, context "
            f"{context:.3f}: see what is left over the time course."
        )
    return out
