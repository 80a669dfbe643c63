"""The five sentences that a report begins with, each with the row that it is read from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from heschl.linear import CrossedMean
from heschl.study.report.plates import Errors, responding
from heschl.study.results.tables import mean_over_folds

if TYPE_CHECKING:
    import xarray as xr


class Sentence(NamedTuple):
    """A finding, and where in the report it stands.

    Attributes
    ----------
    text : str
    anchor : str
        Of the row, or the section.
    """

    text: str
    anchor: str


def findings(results: xr.Dataset) -> list[Sentence]:
    """Return what predicts best, by how much, where, above what control, and what was left out."""
    spaces = [str(space) for space in results["space"].values]
    shown = responding(results)
    errors = Errors.of(results, shown.inside)
    means = [errors.mean(s) for s in range(len(spaces))]
    order = sorted(range(len(spaces)), key=lambda s: -np.nan_to_num(means[s].estimate, nan=-np.inf))
    return [
        _best(spaces, means, order, shown.text, _over_whom(errors)),
        _by_how_much(spaces, errors, order),
        _where(results, spaces),
        _control(results, spaces, order),
        _left_out(results),
    ]


def _over_whom(errors: Errors) -> str:
    one = len(np.unique(errors.subjects)) == 1
    return "the mean over electrodes of one subject" if one else "the mean over subjects"


def _best(spaces: list[str], means: list[CrossedMean], order: list[int], who: str, over: str) -> Sentence:
    best = order[0]
    text = f"{spaces[best]} predicts best: R² = {_with_interval(means[best])}, {over}; {who}."
    return Sentence(text, row_anchor("spaces", best))


def _by_how_much(spaces: list[str], errors: Errors, order: list[int]) -> Sentence:
    if len(order) < 2:
        return Sentence("There is one feature space, and so nothing to hold it against.", "spaces")
    parts, pairs = [], [(i, j) for i in range(len(spaces)) for j in range(i + 1, len(spaces))]
    first = row_anchor("contrasts", pairs.index((min(order[:2]), max(order[:2]))))
    for other in order[1:3]:
        found = errors.difference(order[0], other)
        parts.append(f"{_with_interval(found, test=True)} more than {spaces[other]}")
    one = len(np.unique(errors.subjects)) == 1
    of = "new stimuli heard by this subject" if one else "new subjects and new stimuli"
    if not one and errors.difference(*order[:2]).note:
        of = "what this design allows, see the table"
    return Sentence(
        f"That is {', and '.join(parts)} (two-sided, uncorrected for having looked for the best; for {of}).", first
    )


def _where(results: xr.Dataset, spaces: list[str]) -> Sentence:
    shown = responding(results)
    if not shown.follows.any():
        return Sentence(f"No electrode follows any space ({shown.rule}); what follows is of all of them.", "electrodes")
    each = ", ".join(f"{space} {n}" for space, n in zip(spaces, shown.follows.sum(axis=1), strict=True))
    what, n = shown.rule.partition(", ")[2], len(shown.inside)
    text = f"Electrodes that follow a space, at 5 % ({what}): {each} of {n}."
    return Sentence(text, "electrodes")


def _control(results: xr.Dataset, spaces: list[str], order: list[int]) -> Sentence:
    best, shown = order[0], responding(results)
    parts = []
    if "best_r2_shuffled" in results:
        values = mean_over_folds(results, "best_r2_shuffled")[best, shown.inside]
        if np.isfinite(values).any():
            parts.append(f"with stimuli shuffled the same fits of {spaces[best]} reach {np.nanmean(values):.3f}")
    if "beyond_r2" in results:
        values = results["beyond_r2"].values[best, shown.inside]
        parts.append(
            f"over and above the time course that all stimuli have in common {spaces[best]} explains "
            f"{np.nanmean(values):.3f}"
        )
    if not parts:
        return Sentence("No control was asked for ([controls] shuffle).", "spaces")
    text = "; ".join(parts)
    return Sentence(f"{text[0].upper()}{text[1:]} (R², means over electrodes).", row_anchor("spaces", best))


def _left_out(results: xr.Dataset) -> Sentence:
    parts = []
    shown = responding(results)
    silent = int((~shown.inside).sum())
    if silent:
        plural = "s that follow nothing are" if silent > 1 else " that follows nothing is"
        parts.append(f"{silent} electrode{plural} in the tables but not in the figures")
    broken = json.loads(results.attrs.get("broken", "{}"))
    if broken:
        parts.append(f"{len(broken)} stimuli could not be used ({', '.join(list(broken)[:3])})")
    unheard = int(results.attrs.get("unheard_stimuli", 0))
    if unheard:
        parts.append(f"{unheard} sounds were heard by nobody")
    failed = json.loads(results.attrs.get("failed", "{}"))
    if failed:
        parts.append(f"{', '.join(failed)} failed, see below")
    if "ceiling_r2" not in results:
        parts.append("there are no noise ceilings, for no stimulus was repeated")
    if not parts:
        return Sentence("Nothing was left out.", "methods")
    return Sentence(f"Left out: {'; '.join(parts)}.", "failures" if failed else "methods")


def row_anchor(table: str, row: int) -> str:
    """Return the anchor of a row of a table of the report."""
    return f"{table}-{row}"


def _with_interval(found: CrossedMean, *, test: bool = False) -> str:
    p = f"p = {found.p:.2g}" if test and np.isfinite(found.p) else ""
    interval = f"95 % interval {found.low:.3f} to {found.high:.3f}" if np.isfinite(found.low) else ""
    inside = ", ".join(filter(None, (interval, p)))
    return f"{found.estimate:.3f} ({inside})" if inside else f"{found.estimate:.3f}"
