"""Figures after the paper's 2 and 3: models against each other, over electrodes, layers and the brain."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from heschl.study.report.brain import draw_electrodes
from heschl.study.report.drawing import GREY, INK, Drawing, colour_of, draw_points, make_figure, write_key
from heschl.study.results.tables import mean_over_folds

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

LEVELS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))
MOST_PAIRS = 6
MOST_REGIONS = 8


def models_compared(results: xr.Dataset) -> Figure:
    """Draw each model's score, over its ceiling where there is one, with paired tests between models (Fig. 2a)."""
    from heschl.study.statistics.contrasts import contrast_table

    spaces = [str(space) for space in results["space"].values]
    over = "normalised_r2" in results and np.isfinite(results["normalised_r2"].values).any()
    scores = results["normalised_r2"].values if over else mean_over_folds(results, "best_r2")
    figure, (axis,) = make_figure(results, "Models", 1, 1, (1.6 + 1.1 * len(spaces), 3.4))
    for s in range(len(spaces)):
        draw_points(axis, scores[s], s, colour_of(s), 0.18)
        finite = scores[s][np.isfinite(scores[s])]
        if finite.size > 1:
            error = finite.std(ddof=1) / np.sqrt(finite.size)
            axis.errorbar(s + 0.3, finite.mean(), yerr=error, fmt="s", ms=4, color=INK, lw=1.2, capsize=2)
    axis.set_xticks(range(len(spaces)), spaces)
    axis.axhline(0, color=INK, lw=0.6, zorder=0)
    table = contrast_table(results)
    top = np.nanmax(scores) if np.isfinite(scores).any() else 1.0
    step = 0.07 * max(top - np.nanmin(scores), 1e-9)
    shown = 0
    for pair in itertools.combinations(range(len(spaces)), 2):
        row = table[(table["first"] == spaces[pair[0]]) & (table["second"] == spaces[pair[1]])].iloc[0]
        mark = next((stars for level, stars in LEVELS if row["p_bonferroni"] < level), None)
        if mark is None or shown == MOST_PAIRS:
            continue
        shown += 1
        height = top + step * shown
        axis.plot(
            [pair[0], pair[0], pair[1], pair[1]], np.array([-0.25, 0, 0, -0.25]) * step + height, color=INK, lw=0.8
        )
        axis.text(sum(pair) / 2, height - 0.1 * step, mark, ha="center", va="bottom", fontsize=8, color=INK)
    axis.set_ylabel("R² / noise ceiling" if over else f"R², mean of {results.sizes['fold']} test folds")
    n = np.isfinite(scores).sum(axis=1)
    axis.set_title(
        f"n = {n.min()}" + (f" to {n.max()}" if n.max() > n.min() else "") + " electrodes", fontsize=9, color=INK
    )
    write_key(
        figure, "bar: median; line: quartiles; square: mean ± s.e.; * p < .05, ** .01, *** .001: paired t, Bonferroni"
    )
    return figure


def brain_maps(results: xr.Dataset) -> Figure:
    """Draw each space's score at the electrodes' places, both hemispheres (Fig. 2b)."""
    spaces = [str(space) for space in results["space"].values]
    scores = mean_over_folds(results, "best_r2")
    positions = np.stack([results[axis].values.astype(np.float64) for axis in "xyz"], axis=1)
    figure, axes = make_figure(results, "On the brain", len(spaces), 2, (3.0, 2.3))
    high = float(np.nanpercentile(scores, 98)) if np.isfinite(scores).any() else 1.0
    for s, space in enumerate(spaces):
        pair = axes[2 * s : 2 * s + 2]
        drawn = draw_electrodes(pair, positions, scores[s], limits=(0.0, max(high, 1e-3)))
        pair[0].text(-0.02, 0.5, space, rotation=90, transform=pair[0].transAxes, ha="right", va="center", fontsize=9)
        if drawn is not None:
            figure.colorbar(drawn, ax=pair[1], shrink=0.8).set_label("R²", fontsize=8)
    known = int(np.isfinite(positions).all(axis=1).sum())
    write_key(figure, f"{known} of {len(positions)} electrodes have positions; one colour scale")
    return figure


def models_against_each_other(results: xr.Dataset) -> Figure:
    """Draw each electrode's score from one model against that from another, coloured by region (Fig. 3a)."""
    scores = mean_over_folds(results, "best_r2")
    spaces = [str(space) for space in results["space"].values]
    pairs = list(itertools.combinations(range(len(spaces)), 2))[:MOST_PAIRS]
    regions = np.array([str(region) for region in results["region"].values])
    named = [region for region in dict.fromkeys(regions) if region][:MOST_REGIONS]
    n_columns = min(3, len(pairs))
    figure, axes = make_figure(results, "Electrode by electrode", -(-len(pairs) // n_columns), n_columns, (2.9, 2.9))
    for axis in axes[len(pairs) :]:
        axis.remove()
    low, high = float(np.nanmin(scores)), float(np.nanmax(scores))
    for axis, (i, j) in zip(axes, pairs, strict=False):
        for at, region in enumerate([*named, ""]):
            inside = regions == region if region else ~np.isin(regions, named)
            if inside.any():
                colour = colour_of(at) if region else GREY
                axis.scatter(
                    scores[i, inside], scores[j, inside], s=12, alpha=0.7, lw=0, color=colour, label=region or "other"
                )
        axis.plot([low, high], [low, high], color=INK, lw=0.6, ls="--", zorder=0)
        both = np.isfinite(scores[i]) & np.isfinite(scores[j])
        r = np.corrcoef(scores[i, both], scores[j, both])[0, 1] if both.sum() > 2 else np.nan
        axis.set_xlabel(f"R², {spaces[i]}")
        axis.set_ylabel(f"R², {spaces[j]}")
        axis.set_title(f"r = {r:.2f}, n = {both.sum()}", fontsize=9, color=INK)
    if named:
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=8)
    write_key(figure, "each point an electrode; best layer of each model by inner folds")
    return figure


def alphas_chosen(results: xr.Dataset) -> Figure:
    """Draw how often each λ was chosen, by space."""
    spaces = [str(space) for space in results["space"].values]
    alphas = np.asarray(results.attrs["alphas"], dtype=np.float64)
    figure, (axis,) = make_figure(results, "λ chosen", 1, 1, (5.0, 2.6))
    for s, space in enumerate(spaces):
        chosen = results["best_alpha"].values[s].ravel()
        counts = [np.isclose(chosen, alpha, rtol=1e-6).sum() for alpha in alphas]
        axis.plot(
            alphas,
            np.array(counts) / max(1, np.isfinite(chosen).sum()),
            marker="o",
            ms=4,
            color=colour_of(s),
            label=space,
        )
    axis.set_xscale("log")
    axis.set_xlabel("λ (scikit-learn's scale)")
    axis.set_ylabel("share of electrodes and folds")
    axis.legend(frameon=False, fontsize=8)
    write_key(
        figure,
        f"{results.sizes['electrode']} electrodes × {results.sizes['fold']} folds; ends of the grid are warned of",
    )
    return figure


def ceilings(results: xr.Dataset) -> Figure:
    """Draw the electrodes' noise ceilings and their intervals, from the least to the highest."""
    values, low, high = (results[f"ceiling_{name}"].values.astype(np.float64) for name in ("r2", "low", "high"))
    order = np.argsort(np.where(np.isfinite(values), values, np.inf))
    order = order[np.isfinite(values[order])]
    reliable = results["ceiling_reliable"].values.astype(bool)[order]
    figure, (axis,) = make_figure(results, "Noise ceilings", 1, 1, (5.0, 2.6))
    x = np.arange(len(order))
    for part, colour, label in ((reliable, INK, "reliably above 0"), (~reliable, GREY, "not")):
        axis.vlines(x[part], low[order][part], high[order][part], color=colour, lw=0.8, alpha=0.6)
        axis.scatter(x[part], values[order][part], s=8, color=colour, lw=0, label=f"{label}: {part.sum()}")
    axis.set_xlabel("electrode, by ceiling")
    axis.set_ylabel("ceiling of R²")
    axis.legend(frameon=False, fontsize=8)
    write_key(figure, "line: 95 % interval over stimuli")
    return figure


def scores_by_lag(results: xr.Dataset) -> Figure:
    """Draw the score of word-lag encoding by lag from word onset, median and quartiles over electrodes."""
    lags = results["word_lag"].values
    figure, (axis,) = make_figure(results, "Words at lags", 1, 1, (5.0, 2.8))
    spaces = [str(space) for space in results["space"].values]
    for space, r in zip(results["word_space"].values, results["word_lag_r"].values, strict=True):
        low, middle, high = np.nanpercentile(r, [25, 50, 75], axis=0)
        colour = colour_of(spaces.index(str(space)))
        axis.fill_between(lags, low, high, color=colour, alpha=0.18, lw=0)
        axis.plot(lags, middle, color=colour, lw=1.6, label=str(space))
    axis.axvline(0, color=INK, lw=0.6)
    axis.axhline(0, color=INK, lw=0.6, zorder=0)
    axis.set_xlabel("lag from word onset (s)")
    axis.set_ylabel("r on test folds")
    axis.legend(frameon=False, fontsize=8)
    n = " + ".join(str(count) for count in results.attrs["n_words"])
    write_key(figure, f"line: median over {results.sizes['electrode']} electrodes; band: quartiles; {n} words")
    return figure


PAPER = (
    Drawing("2a_models", models_compared, lambda results: results.sizes["space"] > 1),
    Drawing("2b_brain", brain_maps, lambda results: np.isfinite(results["x"].values.astype(np.float64)).any()),
    Drawing("3a_models_by_electrode", models_against_each_other, lambda results: results.sizes["space"] > 1),
    Drawing("alphas", alphas_chosen),
    Drawing("score_by_lag", scores_by_lag, lambda results: "word_lag_r" in results),
    Drawing("ceilings", ceilings, lambda results: "ceiling_r2" in results),
)
