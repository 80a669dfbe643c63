"""Figures, drawn from the results alone.

Every figure says what its axes are, in which units, and over how many electrodes. A space has the same colour
in all of them (Okabe and Ito's palette, told apart by colour-blind readers); grey is the shuffled control.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from heschl.files import replacing
from heschl.plot.scores import draw_band
from heschl.study.report.drawing import GREY, INK, Drawing, colour_of, count_text, number_text
from heschl.study.report.figure2 import FIGURE_2
from heschl.study.report.figure3 import FIGURE_3
from heschl.study.report.figure4 import FIGURE_4
from heschl.study.report.figure_joint import JOINT
from heschl.study.report.figures_further import FURTHER
from heschl.study.report.figures_shared import SHARED
from heschl.study.report.plates import SMALL, TEXT, explain, plate, responding, swarm, zero_line
from heschl.study.results.tables import mean_over_folds
from heschl.study.statistics.tests import quartiles

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


DPI = 250
"""Of the PNG files, 85 mm wide: 840 pixels, half of that where a report shows them."""


def write_figures(results: xr.Dataset, folder: Path) -> list[Path]:
    """Draw all figures of a study, each as PNG and as PDF.

    Parameters
    ----------
    results : xarray.Dataset
        From `heschl.study.open_results`.
    folder : Path
        Where to write; created if it does not exist.

    Returns
    -------
    list of Path
        The files written.
    """
    paths = []
    for name, draw in all_figures(results).items():
        figure = draw(results)
        for form in ("png", "pdf"):
            path = folder / f"{name}.{form}"
            with replacing(path) as temporary:
                figure.savefig(temporary, format=form, dpi=DPI)
            figure.set_layout_engine("none")  # it stays as the first form has laid it out
            paths.append(path)
    return paths


def all_figures(results: xr.Dataset) -> dict[str, Callable[[Any], Figure]]:
    """Return the functions that draw these results, by the names of the files: the paper's by number, then others."""
    shown = {row.name: row.draw for row in FIGURES if row.shown(results)}
    numbered = sorted(name for name in shown if name[0].isdigit())
    return {name: shown[name] for name in dict.fromkeys([*numbered, *shown])}


def captions(results: xr.Dataset) -> dict[str, str]:
    """Return a sentence for each figure: what it shows."""
    found = {}
    for name, draw in all_figures(results).items():
        first = (draw.__doc__ or "").strip().splitlines()[0]
        first = first.removeprefix("Draw ")
        found[name] = first[0].upper() + first[1:]
    return found


def best_scores(results: xr.Dataset) -> Figure:
    """Draw each electrode's best-layer score by space, all electrodes and each named group, with the control."""
    spaces = [str(space) for space in results["space"].values]
    panels = {"all": np.ones(results.sizes["electrode"], dtype=bool)}
    panels |= {str(g): inside for g, inside in zip(results["group"].values, results["in_group"].values, strict=True)}
    panels = {title: inside for title, inside in panels.items() if inside.any()}
    scores = mean_over_folds(results, "best_r2")
    control = mean_over_folds(results, "best_r2_shuffled") if "best_r2_shuffled" in results else None
    n_columns = 1 if len(panels) == 1 else 2
    n_rows = -(-len(panels) // n_columns)
    figure, axes = plate(results, "Best layer of each space", n_rows, n_rows * (5.5 * len(spaces) + 9),
                         n_columns=n_columns, sharex=True, sharey=True)  # fmt: skip
    for axis in axes[len(panels) :]:
        axis.remove()
    for axis, (title, inside) in zip(axes, panels.items(), strict=False):
        for s in range(len(spaces)):
            if control is not None:
                swarm(axis, control[s, inside], s + 0.32, GREY, width=0.15, vertical=False)
            swarm(axis, scores[s, inside], s - (0.1 if control is not None else 0), colour_of(s), width=0.25,
                  vertical=False)  # fmt: skip
        zero_line(axis, vertical=True)
        axis.set_yticks(range(len(spaces)), spaces)
        axis.set_title(f"{title}, n = {count_text(scores[:, inside])}", fontsize=TEXT, color=INK, pad=2)
    axes[0].set_ylim(len(spaces) - 0.4, -0.6)
    for axis in axes[: len(panels)][-n_columns:]:
        axis.set_xlabel("R²")
        axis.tick_params(labelbottom=True)
    explain(figure, f"point: electrode, all of them; R², mean of {results.sizes['fold']} test folds",
            "grey: the same with stimuli shuffled" if control is not None else "")  # fmt: skip
    return figure


def scores_by_layer(results: xr.Dataset) -> Figure:
    """Draw each layer's score at electrodes that respond, median and quartiles; broken lines: spaces of one layer."""
    spaces, shown = [str(space) for space in results["space"].values], responding(results)
    scores = mean_over_folds(results, "r2")[:, shown.inside]
    control = mean_over_folds(results, "r2_shuffled")[:, shown.inside] if "r2_shuffled" in results else None
    chosen = [quartiles(row)[0] for row in mean_over_folds(results, "best_r2")[:, shown.inside]]
    of_space = {space: np.flatnonzero(results["model_space"].values == space) for space in spaces}
    deep = [space for space in spaces if len(of_space[space]) > 1]
    single = [space for space in spaces if space not in deep]
    n_columns = 2 if len(deep) > 1 else 1
    n_rows = -(-len(deep) // n_columns)
    figure, axes = plate(results, "Score by layer", n_rows, 46.0 * n_rows, n_columns=n_columns, sharey=True)
    for axis in axes[len(deep) :]:
        axis.remove()
    for axis, space in zip(axes, deep, strict=False):
        rows = of_space[space]
        depth = np.arange(len(rows))
        zero_line(axis)
        if control is not None:
            draw_band(axis, control[rows], GREY, thin=True)
        draw_band(axis, scores[rows], colour_of(spaces.index(space)), thin=True)
        for other in single:
            median = quartiles(scores[of_space[other][0]])[0]
            axis.axhline(median, color=colour_of(spaces.index(other)), ls="--", lw=0.9, label=other)
        names = results["layer"].values[rows]
        step = -(-len(rows) // (7 if n_columns == 2 else 13))
        axis.set_xticks(depth[::step], names[::step])
        axis.set_xlabel("layer")
        title = f"{space}\nlayers chosen: R² = {number_text(chosen[spaces.index(space)])}"
        axis.set_title(title, fontsize=TEXT, color=INK, pad=12 if single and axis in axes[:n_columns] else 2)
    for row in range(n_rows):
        axes[row * n_columns].set_ylabel("R², test folds")
    if single:
        axes[0].legend(frameon=False, fontsize=SMALL, handlelength=1.4, borderpad=0, ncols=4, columnspacing=0.9,
                       loc="lower left", bbox_to_anchor=(-0.02, 0.995))  # fmt: skip
    explain(figure, f"{shown.text}; {shown.rule}", f"line: median over electrodes, mean of {results.sizes['fold']} "
            "folds; band: quartiles; layers chosen: by inner folds for each electrode and fold, scored on the outer "
            "one; median over electrodes",
            "broken: median of spaces of one layer" if single else "",
            "grey: stimuli shuffled" if control is not None else "")  # fmt: skip
    return figure


FIGURES = (
    *FIGURE_2,
    *FIGURE_3,
    *FIGURE_4,
    *JOINT,
    Drawing("best_layer_scores", best_scores),
    Drawing("score_by_layer", scores_by_layer, lambda results: results.sizes["model"] > results.sizes["space"]),
    *FURTHER,
    *SHARED,
)
"""The one table of figures; a new one is a function and a row."""
