"""Figures, drawn from the results alone.

Every figure says what its axes are, in which units, and over how many electrodes. A space has the same colour
in all of them (Okabe and Ito's palette, told apart by colour-blind readers); grey is the shuffled control.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from heschl.files import replacing
from heschl.study.report.drawing import (
    GREY,
    INK,
    Drawing,
    colour_of,
    columns_of,
    count_text,
    draw_band,
    draw_points,
    make_figure,
    number_text,
    stand_side_by_side,
    write_key,
)
from heschl.study.report.figures_paper import PAPER
from heschl.study.report.figures_shared import SHARED
from heschl.study.results.tables import mean_over_folds
from heschl.study.statistics.tests import quartiles

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


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
                figure.savefig(temporary, format=form, dpi=150)
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
    """Draw each electrode's best-layer score by space; one panel for all electrodes, one per named group."""
    spaces = [str(space) for space in results["space"].values]
    panels = {"all electrodes": np.ones(results.sizes["electrode"], dtype=bool)}
    panels |= {str(g): inside for g, inside in zip(results["group"].values, results["in_group"].values, strict=True)}
    panels = {title: inside for title, inside in panels.items() if inside.any()}
    scores = mean_over_folds(results, "best_r2")
    control = mean_over_folds(results, "best_r2_shuffled") if "best_r2_shuffled" in results else None
    n_columns = columns_of(len(panels))
    n_rows = -(-len(panels) // n_columns)
    width = max(4.6 if len(panels) == 1 else 3.2, 0.5 + 0.72 * len(spaces))
    figure, axes = make_figure(results, "Best layer of each space", n_rows, n_columns, (width, 3.0))
    for axis in axes[len(panels) :]:
        axis.remove()
    for i, (title, inside) in enumerate(panels.items()):
        axis = axes[i]
        for s in range(len(spaces)):
            if control is not None:
                draw_points(axis, control[s, inside], s + 0.22, GREY, 0.10)
            draw_points(axis, scores[s, inside], s - (0.12 if control is not None else 0), colour_of(s), 0.15)
        axis.axhline(0, color=INK, lw=0.6, zorder=0)
        axis.set_xticks(
            range(len(spaces)),
            spaces,
            rotation=0 if stand_side_by_side(spaces, width) else 25,
            ha="center" if stand_side_by_side(spaces, width) else "right",
        )
        axis.set_xlim(-0.6, len(spaces) - 0.4)
        axis.set_title(f"{title}, n = {count_text(scores[:, inside])}", fontsize=9, color=INK)
    for row in range(n_rows):
        axes[row * n_columns].set_ylabel(f"R², mean of {results.sizes['fold']} test folds")
    write_key(figure, "bar: median; line: quartiles" + ("; grey: stimuli shuffled" if control is not None else ""))
    return figure


def scores_by_layer(results: xr.Dataset) -> Figure:
    """Draw median and quartiles over electrodes of each layer's score; broken lines: spaces of one layer."""
    spaces = [str(space) for space in results["space"].values]
    scores = mean_over_folds(results, "r2")
    control = mean_over_folds(results, "r2_shuffled") if "r2_shuffled" in results else None
    of_space = {space: np.flatnonzero(results["model_space"].values == space) for space in spaces}
    deep = [space for space in spaces if len(of_space[space]) > 1] or spaces
    single = [space for space in spaces if space not in deep]
    n_columns = columns_of(len(deep))
    n_rows = -(-len(deep) // n_columns)
    figure, axes = make_figure(results, "Score by layer", n_rows, n_columns, (max(3.4, 5.2 - len(deep)), 3.0))
    for axis in axes[len(deep) :]:
        axis.remove()
    for axis, space in zip(axes, deep, strict=False):
        rows = of_space[space]
        depth = np.arange(len(rows))
        axis.axhline(0, color=INK, lw=0.6, zorder=0)
        if control is not None:
            draw_band(axis, depth, control[rows], GREY)
        draw_band(axis, depth, scores[rows], colour_of(spaces.index(space)))
        for other in single:
            median = quartiles(scores[of_space[other][0]])[0]
            axis.axhline(median, color=colour_of(spaces.index(other)), ls="--", lw=1.2, label=other)
        names = results["layer"].values[rows]
        step = -(-len(rows) // 13)
        axis.set_xticks(depth[::step], names[::step])
        axis.set_xlabel("layer")
        axis.set_title(f"{space}, n = {count_text(scores[rows])}", fontsize=9, color=INK)
    for row in range(n_rows):
        axes[row * n_columns].set_ylabel(f"R², mean of {results.sizes['fold']} test folds")
    if single:
        figure.legend(
            *axes[0].get_legend_handles_labels(),
            loc="outside right center",
            frameon=False,
            fontsize=8,
            title="one layer, median",
            title_fontsize=8,
        )
    write_key(
        figure,
        "line: median over electrodes; band: quartiles" + ("; grey: stimuli shuffled" if control is not None else ""),
    )
    return figure


def example_prediction(results: xr.Dataset) -> Figure:
    """Draw the best predicted electrode's response to one stimulus, and each space's prediction of it.

    The electrode is the best predicted one; the stimulus one that it responds to, however well it is predicted.
    """
    spaces = [str(space) for space in results["space"].values]
    scores = mean_over_folds(results, "best_r2")
    best = int(np.nanargmax(np.nanmax(np.where(np.isfinite(scores), scores, -np.inf), axis=0)))
    shown = results.isel(electrode=best)
    time, response = shown["example_time"].values, shown["example_response"].values
    stimulus = str(shown["example_stimulus"].values)
    title = f"Electrode {shown['electrode'].values}, stimulus {stimulus}"
    figure, axes = make_figure(results, title, len(spaces), 1, (8.0, 1.35), sharex=True)
    for s, axis in enumerate(axes):
        axis.plot(time, response, color=GREY, lw=1.2)
        axis.plot(time, shown["example_prediction"].values[s], color=colour_of(s), lw=1.8)
        axis.set_title(
            f"{spaces[s]}   R² = {number_text(scores[s, best])} over all stimuli",
            fontsize=9,
            loc="left",
            color=colour_of(s),
        )
        axis.margins(x=0.01)
    words = json.loads(results.attrs["example_words"]).get(stimulus, [])
    end = time[np.isfinite(response)].max()
    for text, start, stop in words:
        if start < end:
            axes[-1].annotate(
                text,
                ((start + stop) / 2, 0),
                xycoords=("data", "axes fraction"),
                xytext=(0, -18),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=7,
                color=INK,
                rotation=30,
            )
            for axis in axes:
                axis.axvline(start, color=GREY, lw=0.4, alpha=0.6, zorder=0)
    axes[-1].set_xlabel("time from sound onset (s)", labelpad=24 if words else 4)
    figure.supylabel("response (units of the file)", fontsize=9, color=INK)
    write_key(figure, "grey: response; colour: out-of-fold prediction, best layer")
    return figure


FIGURES = (
    *PAPER,
    Drawing("best_layer_scores", best_scores),
    Drawing("score_by_layer", scores_by_layer),
    Drawing("example_prediction", example_prediction),
    *SHARED,
)
"""The one table of figures; a new one is a function and a row."""
