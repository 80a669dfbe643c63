"""After the paper's Fig. 2: models on the brain, and models over regions."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from heschl.plot.brain import draw_electrodes
from heschl.study.config.study import Study
from heschl.study.report.drawing import INK, Drawing, colour_of
from heschl.study.report.plates import (
    SMALL,
    TEXT,
    Errors,
    explain,
    interval,
    mark,
    of_whom,
    over_subjects,
    plate,
    regions_of,
    responding,
    star,
    swarm,
    zero_line,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

MOST_PAIRS = 6
LEAST = (20.0, 13.0)
"""mm of both panels of models over regions: with few of either, the words around them would leave none."""
CLIP = 98.0
"""Percentile of the scores at which colours end."""


def brain_maps(results: xr.Dataset) -> Figure:
    """Draw each model's R² at the places of the electrodes that respond, by hemisphere (Fig. 2a)."""
    spaces = [str(space) for space in results["space"].values]
    shown = responding(results)
    errors = Errors.of(results, np.ones_like(shown.inside))
    scores = np.stack([errors.share(s) for s in range(len(spaces))])
    scores[:, ~shown.inside] = np.nan
    positions = np.stack([results[axis].values.astype(np.float64) for axis in "xyz"], axis=1)
    placed = np.asarray(np.isfinite(positions).all(axis=1), dtype=np.bool_)
    sides = [side for side, there in (("left", positions[:, 0] < 0), ("right", positions[:, 0] >= 0)) if
             (placed & there).any()]  # fmt: skip
    finite = scores[:, placed][np.isfinite(scores[:, placed])]
    high = max(float(np.percentile(finite, CLIP)) if finite.size else 1.0, 1e-3)
    figure, axes = plate(results, "Models on the brain", len(spaces), 27.0 * len(spaces), n_columns=2)
    drawn = None
    for s, space in enumerate(spaces):
        pair = axes[2 * s : 2 * s + 2]
        found = draw_electrodes(pair, positions, scores[s], limits=(0.0, high))
        drawn = found or drawn
        for axis, side in zip(pair, ("left", "right"), strict=True):
            axis.set_title("")
            n = int((shown.inside & placed & ((positions[:, 0] < 0) == (side == "left"))).sum())
            if s == 0:
                axis.set_title(f"{side}, n = {n}", fontsize=TEXT, color=INK, pad=2)
            if side not in sides:
                axis.set_visible(False)
        pair[0].text(-0.03, 0.5, space, rotation=90, transform=pair[0].transAxes, ha="right", va="center",
                     fontsize=TEXT, color=INK)  # fmt: skip
    above = int((finite > high).sum())
    if drawn is not None:
        bar = figure.colorbar(drawn, ax=axes, location="bottom", shrink=0.6, aspect=30, pad=0.02,
                              extend="max" if above else "neither")  # fmt: skip
        bar.set_label("R² about the training mean", fontsize=TEXT, color=INK)
        bar.ax.tick_params(labelsize=SMALL, width=0.5, length=2)
    clipped = f"colours end at the {CLIP:g}th percentile ({above} values lie above)" if above else ""
    explain(figure, f"{shown.text}; {shown.rule}; others grey", clipped,
            f"{int(placed.sum())} of {len(placed)} electrodes have positions")  # fmt: skip
    return figure


def models_over_regions(results: xr.Dataset) -> Figure:
    """Draw each model's R² over the electrodes of each region, and paired differences of models (Fig. 2b)."""
    spaces = [str(space) for space in results["space"].values]
    shown = responding(results)
    regions = {"all": shown.inside, **regions_of(results, shown.inside)}
    base = _baseline(results, spaces)
    pairs = _pairs(len(spaces), base)
    n_rows = len(regions) * (len(spaces) + 1)
    heights = [max(3.4 * n_rows, LEAST[0]) + 8, max(5.0 * len(pairs), LEAST[1]) + 8]
    figure, (axis, lower) = plate(results, "Models over regions", 2, sum(heights), heights=heights)
    y = 0.0
    for region, inside in regions.items():
        errors = Errors.of(results, inside)
        for s, _ in enumerate(spaces):
            swarm(axis, errors.share(s), y, colour_of(s), vertical=False)
            interval(axis, errors.mean(s), y, colour_of(s) if inside.sum() > 40 else INK, vertical=False, size=3.5)
            if base is not None and s != base:
                p = errors.difference(s, base).p * (len(spaces) - 1) * len(regions)
                if star(p) and errors.mean(s).estimate > errors.mean(base).estimate:
                    mark(axis, p, y)
            y += 1.0
        middle = y - 0.5 - len(spaces) / 2
        axis.text(-0.02, middle, f"{region}\nn = {int(inside.sum())}", transform=axis.get_yaxis_transform(), ha="right",
                  va="center", fontsize=SMALL + 0.5, color=INK)  # fmt: skip
        y += 1.0
    axis.set_ylim(y - 1.3, -0.8)
    axis.set_yticks([])
    zero_line(axis, vertical=True)
    axis.set_xlabel("R² about the training mean")
    _key(axis, spaces)
    errors = Errors.of(results, shown.inside)
    for row, (i, j) in enumerate(pairs):
        swarm(lower, errors.share(i) - errors.share(j), row, "#777777", vertical=False)
        found = errors.difference(i, j)
        interval(lower, found, row, INK, vertical=False)
        mark(lower, found.p * len(pairs), row)
    lower.set_yticks(range(len(pairs)), [f"{spaces[i]} \N{MINUS SIGN} {spaces[j]}" for i, j in pairs])
    lower.set_ylim(len(pairs) - 0.4, -0.6)
    zero_line(lower, vertical=True)
    lower.set_xlabel("paired difference of R²")
    of_models = "" if base is None else f"above {spaces[base]} (top, Bonferroni over models and regions), "
    explain(
        figure, f"{shown.text}; {shown.rule}",
        "point: electrode", of_whom(errors.subjects, stimuli=True),
        f"stars (* .05, ** .01, *** .001): that mean is {of_models}not 0 (below, Bonferroni over pairs)",
    )  # fmt: skip
    return figure


def over_time_course(results: xr.Dataset) -> Figure:
    """Draw what each model explains, and what of it lies beyond the time course that all stimuli have in common."""
    spaces, shown = [str(space) for space in results["space"].values], responding(results)
    beyond, common = (results[name].values[:, shown.inside] for name in ("beyond_r2", "time_course_common"))
    subjects = results["subject"].values[shown.inside]
    figure, (axis,) = plate(results, "Beyond the common time course", 1, 9.0 * (len(spaces) + 1) + 6)
    for s in range(len(spaces)):
        swarm(axis, beyond[s] + common[s], s + 0.3, "#9A9A9A", width=0.18, vertical=False)
        swarm(axis, beyond[s], s - 0.12, colour_of(s), width=0.22, vertical=False)
        interval(axis, over_subjects(beyond[s], subjects), s - 0.12, INK, vertical=False)
    swarm(axis, results["time_course_r2"].values[shown.inside], len(spaces), INK, width=0.3, vertical=False)
    axis.set_yticks(range(len(spaces) + 1), [*spaces, "time course alone"])
    axis.set_ylim(len(spaces) + 0.6, -0.6)
    zero_line(axis, vertical=True)
    axis.set_xlabel("R² about the training mean")
    explain(figure, f"{shown.text}; {shown.rule}", "colour: beyond the time course since onset; grey: all that a model "
            "explains", of_whom(subjects, stimuli=False))  # fmt: skip
    return figure


def _baseline(results: xr.Dataset, spaces: list[str]) -> int | None:
    """Return the sound's own space, which models are held against: mel where there is one."""
    study = Study.model_validate_json(results.attrs["config"])
    kinds = [study.features[space].kind for space in spaces]
    return next((kinds.index(kind) for kind in ("mel", "envelope") if kind in kinds), None)


def _pairs(n: int, base: int | None) -> list[tuple[int, int]]:
    """Return the pairs of models that are compared, those with the baseline last in their name."""
    pairs = [(j, i) if i == base else (i, j) for i, j in itertools.combinations(range(n), 2)]
    return pairs[:MOST_PAIRS]


def _key(axis: object, spaces: list[str]) -> None:
    from matplotlib.lines import Line2D

    marks = [Line2D([], [], marker="o", ls="", ms=3.5, color=colour_of(s), label=space) for s, space in
             enumerate(spaces)]  # fmt: skip
    axis.legend(  # type: ignore[attr-defined]
        handles=marks, frameon=False, fontsize=SMALL, ncols=min(4, len(spaces)), loc="lower left",
        bbox_to_anchor=(-0.02, 0.995), handletextpad=0.1, columnspacing=0.9, borderpad=0,
    )  # fmt: skip


FIGURE_2 = (
    Drawing("2a_brain", brain_maps, lambda results: np.isfinite(results["x"].values.astype(np.float64)).any()),
    Drawing("2b_models", models_over_regions, lambda results: results.sizes["space"] > 1),
    Drawing("over_time_course", over_time_course, lambda results: "beyond_r2" in results),
)
