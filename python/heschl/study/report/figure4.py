"""After the paper's Fig. 4: what the shared part and the rest predict; what the shared part is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from heschl.linear import CrossedMean, crossed_mean
from heschl.study.analyses.commonality import gain_of
from heschl.study.analyses.shared import part_scores
from heschl.study.report.drawing import GREY, INK, PALETTE, Drawing
from heschl.study.report.figures_shared import COLOURS, n_components, probed, space_names
from heschl.study.report.plates import (
    TEXT,
    explain,
    interval,
    mark,
    of_whom,
    over_subjects,
    plate,
    responding,
    swarm,
    zero_line,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Double = NDArray[np.float64]
PARTS = ("layer", "top", "rest")
PROBES = {"semantic": PALETTE[3], "acoustic": PALETTE[5], "context": PALETTE[4], "all": GREY}


def shared_parts(results: xr.Dataset) -> Figure:
    """Draw what each model's layer, its shared part and the rest predict, over the noise ceiling (Fig. 4a)."""
    scores = dict(zip([str(part) for part in results["part"].values], part_scores(results), strict=True))
    named, shown = space_names(results), responding(results)
    ceiling = _ceiling(results)
    over = ceiling is not None and 2 * (np.isfinite(ceiling) & shown.inside).sum() > shown.inside.sum()
    inside = shown.inside & np.isfinite(ceiling) if over and ceiling is not None else shown.inside
    scale = ceiling[inside] if over and ceiling is not None else 1.0
    subjects = results["subject"].values[inside]
    labels = {"layer": "layer", "top": f"shared ({n_components(results)})", "rest": "rest"}
    figure, (axis, lower) = plate(results, "Shared part and rest", 2, 86.0, heights=[2.4, 1.2])
    ticks: list[tuple[float, str]] = []
    for at, side in enumerate(("speech", "language")):
        for x, part in enumerate(PARTS):
            place, own = 4 * at + x, scores[f"{side} {part}"][inside] / scale
            swarm(axis, own, place, COLOURS[side])
            interval(axis, over_subjects(own, subjects), place)
            ticks.append((place, labels[part]))
        axis.text(4 * at + 1, 1.02, named[side], transform=axis.get_xaxis_transform(), ha="center", fontsize=TEXT,
                  color=COLOURS[side])  # fmt: skip
    if "acoustic layer" in scores:
        own = scores["acoustic layer"][inside] / scale
        swarm(axis, own, 7.8, COLOURS["acoustic"])
        interval(axis, over_subjects(own, subjects), 7.8)
        ticks.append((7.8, named["acoustic"]))
    axis.set_xticks(*map(list, zip(*ticks, strict=True)), rotation=30, ha="right", rotation_mode="anchor")
    zero_line(axis)
    axis.set_ylabel("R² over the noise ceiling" if over else "R²")
    contrasts = [(side, a, b) for side in ("speech", "language") for a, b in (("layer", "top"), ("top", "rest"))]
    for row, (side, a, b) in enumerate(contrasts):
        own = (scores[f"{side} {a}"][inside] - scores[f"{side} {b}"][inside]) / scale
        found = over_subjects(own, subjects)
        swarm(lower, own, row, COLOURS[side], vertical=False)
        interval(lower, found, row, INK, vertical=False)
        mark(lower, found.p * len(contrasts), row)
    text = {"layer": "layer", "top": "shared", "rest": "rest"}
    lower.set_yticks(range(4), [f"{named[s]}: {text[a]} \N{MINUS SIGN} {text[b]}" for s, a, b in contrasts])
    lower.set_ylim(3.6, -0.6)
    zero_line(lower, vertical=True)
    lower.set_xlabel("paired difference")
    only = f"{int(inside.sum())} of them with a ceiling that is known to a tenth" if over else "no noise ceilings"
    explain(figure, f"{shown.text}; {shown.rule}; {only}", "point: electrode", of_whom(subjects, stimuli=False),
            "stars: that mean is not 0, Bonferroni")  # fmt: skip
    return figure


def _ceiling(results: xr.Dataset) -> Double | None:
    """Return the ceilings that are well determined, of R² in these folds, NaN elsewhere; None where there are none."""
    if "ceiling_of_folds" not in results:
        return None
    values = np.asarray(results["ceiling_of_folds"].values, dtype=np.float64)
    return values if np.isfinite(values).any() else None


def shared_probes(results: xr.Dataset) -> Figure:
    """Draw what the semantic, acoustic and contextual probes of the shared part predict, each and alone (Fig. 4b)."""
    shown = responding(results)
    subjects = results["subject"].values[shown.inside]
    names = [str(name) for name in results["probe"].values] if "probe" in results else []
    panels: list[tuple[str, dict[str, Double]]] = []
    means: list[dict[str, CrossedMean]] = []
    total = results["mean_sse"].values[shown.inside].T
    if "common_r2" in results:  # commonality, over the mean and over the common time course
        for title, variable in (
            ("in common with\nthe shared part", "common_r2"), ("of that, beyond\nthe time course", "common_beyond_r2"),
            ("of the probe\nalone", "unique_r2"),
        ):  # fmt: skip
            own = results[variable].values[:, shown.inside]
            panels.append((title, dict(zip(names, own, strict=True))))
        for part, beyond in (("common", False), ("common", True), ("probe alone", False)):
            if beyond and "course_sse" not in results:
                means.append({})
                continue
            gain = gain_of(results, part, beyond=beyond)[:, shown.inside]
            means.append({name: crossed_mean(own.T, total, subjects) for name, own in zip(names, gain, strict=True)})
    else:
        scores = dict(zip([str(part) for part in results["part"].values], part_scores(results), strict=True))
        alone = {part.removeprefix("probe "): own[shown.inside] for part, own in scores.items() if "probe " in part}
        panels.append(("each by itself", alone))
        names = names or list(alone)
        if "probe_unique_r2" in results:
            own = results["probe_unique_r2"].values[:, shown.inside]
            panels.append(("lost without it", dict(zip(names, own, strict=True))))
    height = 5.2 * len(names) + 14
    figure, axes = plate(results, "What the shared part is made of", 1, height, n_columns=len(panels), sharey=True)
    for axis, (title, values), crossed in zip(axes, panels, means or [{}] * len(panels), strict=True):
        _rows(axis, values, crossed or {name: over_subjects(own, subjects) for name, own in values.items()}, title)
    explain(figure, f"{shown.text}; {shown.rule}",
            "point: electrode", of_whom(subjects, stimuli=bool(means)),
            "stars: that mean is not 0, Bonferroni over probes",
            "grey: all together" if "all" in names else "grey: controls" * bool(set(names) - set(PROBES)))  # fmt: skip
    return figure


def _rows(axis: Axes, values: dict[str, Double], means: dict[str, CrossedMean], title: str) -> None:
    from matplotlib.ticker import MaxNLocator

    for y, (name, own) in enumerate(values.items()):
        found = means[name]
        swarm(axis, own, y, PROBES.get(name, GREY), vertical=False)
        interval(axis, found, y, vertical=False)
        mark(axis, found.p * len(values), y)
    axis.set_yticks(range(len(values)), list(values))
    axis.set_ylim(len(values) - 0.4, -0.6)
    axis.xaxis.set_major_locator(MaxNLocator(2, min_n_ticks=2))
    axis.set_xlabel("R²")
    axis.set_title(title, fontsize=TEXT, color=INK, pad=2)
    zero_line(axis, vertical=True)


FIGURE_4 = (
    Drawing("4a_shared_parts", shared_parts, lambda results: "shared_r2" in results),
    Drawing("4b_shared_probes", shared_probes, probed),
)
