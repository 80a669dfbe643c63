"""Spaces in one model: what each explains alone, beyond others, and in common with them."""

from __future__ import annotations

import itertools
import textwrap
from typing import TYPE_CHECKING

from heschl.linear import CrossedMean, crossed_mean
from heschl.study.analyses.joint import joints_of, parts_of
from heschl.study.report.drawing import GREY, INK, Drawing, colour_of
from heschl.study.report.plates import (
    SMALL,
    TEXT,
    explain,
    interval,
    mark,
    of_whom,
    plate,
    responding,
    share_of,
    swarm,
    zero_line,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

LABEL = 26
"""Letters of a line of the names of parts."""


def spaces_together(results: xr.Dataset) -> Figure:
    """Draw the parts of variance that spaces explain alone, in common, and beyond each other."""
    joints, shown = joints_of(results), responding(results)
    spaces = [str(space) for space in results["space"].values]
    subjects = results["subject"].values[shown.inside]
    rows = [len(list(parts_of(found))) for found in joints.values()]
    figure, axes = plate(results, "Spaces together", len(joints), 5.2 * sum(rows) + 11 * len(joints), heights=rows)
    for axis, (name, found) in zip(axes, joints.items(), strict=True):
        total, ticks = found.total[:, shown.inside], []
        means: list[CrossedMean] = []
        for y, (part, whole) in enumerate(parts_of(found)):
            gain = whole[:, shown.inside]
            colour = next((colour_of(spaces.index(s)) for s in found.names if part in (s, f"only {s}")), "#777777")
            mean = crossed_mean(gain, total, subjects)
            swarm(axis, share_of(gain, total), y, colour if part != "all" else INK, vertical=False)
            interval(axis, mean, y, INK, vertical=False, size=3.5)
            ticks.append(textwrap.fill(part, LABEL))
            means.append(mean)
        for y, mean in enumerate(means):
            mark(axis, mean.p * len(means), y)
        starts = list(itertools.accumulate([1, len(found.names), len(found.names)]))
        commons = 2 ** len(found.names) - 1 - len(found.names)
        for edge in [*starts, starts[-1] + commons]:
            axis.axhline(edge - 0.5, color=GREY, lw=0.3)
        axis.set_yticks(range(len(ticks)), ticks, fontsize=SMALL + 0.5)
        axis.set_ylim(len(ticks) - 0.4, -0.6)
        axis.set_title(name, fontsize=TEXT, color=INK, loc="left", pad=2)
        zero_line(axis, vertical=True)
    axes[-1].set_xlabel("R² about the training mean", loc="right")  # longer than the axis beside long names
    explain(
        figure, f"{shown.text}; {shown.rule}",
        "only: lost without it; common: what each of these could explain, and no other space; beyond: what the first "
        "adds to the second",
        of_whom(subjects, stimuli=True), "stars: that mean is not 0, Bonferroni over the rows of a model",
    )  # fmt: skip
    return figure


JOINT = (Drawing("spaces_together", spaces_together, lambda results: "joint_sse" in results),)
