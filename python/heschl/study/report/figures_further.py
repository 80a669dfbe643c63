"""Figures beside the paper's: models electrode by electrode, λ, ceilings, word lags."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from heschl.study.report.drawing import GREY, INK, Drawing, colour_of, number_text
from heschl.study.report.plates import (
    COLUMN,
    REGIONS,
    SMALL,
    TEXT,
    Errors,
    count_text,
    explain,
    plate,
    regions_of,
    responding,
    zero_line,
)
from heschl.study.statistics.tests import quartiles

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

MOST_PAIRS = 6


def models_against_each_other(results: xr.Dataset) -> Figure:
    """Draw each electrode's R² from one model against that from another, by region."""
    shown = responding(results)
    errors = Errors.of(results, shown.inside)
    spaces = [str(space) for space in results["space"].values]
    pairs = list(itertools.combinations(range(len(spaces)), 2))[:MOST_PAIRS]
    regions = {name: inside[shown.inside] for name, inside in regions_of(results, shown.inside, len(REGIONS)).items()}
    other = ~np.any([*regions.values(), np.zeros(int(shown.inside.sum()), dtype=bool)], axis=0)
    n_columns = 2 if len(pairs) > 1 else 1
    n_rows = -(-len(pairs) // n_columns)
    figure, axes = plate(results, "Electrode by electrode", n_rows, 38.0 * n_rows, n_columns=n_columns,
                         sharex=True, sharey=True)  # fmt: skip
    for axis in axes[len(pairs) :]:
        axis.remove()
    scores = np.stack([errors.share(s) for s in range(len(spaces))])
    low, high = min(0.0, float(np.nanmin(scores))), float(np.nanmax(scores))
    for axis, (i, j) in zip(axes, pairs, strict=False):
        for at, (name, inside) in enumerate([*regions.items(), ("other" if regions else "", other)]):
            if inside.any():
                colour = REGIONS[at % len(REGIONS)] if name != "other" and name else GREY
                axis.scatter(scores[i, inside], scores[j, inside], s=7, alpha=0.75, lw=0, color=colour, label=name)
        axis.plot([low, high], [low, high], color=INK, lw=0.5, ls="--", zorder=0)
        both = np.isfinite(scores[i]) & np.isfinite(scores[j])
        r = np.corrcoef(scores[i, both], scores[j, both])[0, 1] if both.sum() > 2 else np.nan
        axis.set_xlabel(f"R², {spaces[i]}")
        axis.set_ylabel(f"R², {spaces[j]}")
        axis.tick_params(labelbottom=True, labelleft=True)
        axis.set_title(f"r = {number_text(r)}", fontsize=TEXT, color=INK, pad=2)
        axis.set_aspect("equal")
    if regions:
        axes[0].legend(frameon=False, fontsize=SMALL, loc="lower left", bbox_to_anchor=(-0.1, 1.2), ncols=4,
                       handletextpad=0.0, columnspacing=0.8, borderpad=0, borderaxespad=0)  # fmt: skip
    explain(figure, f"{shown.text}; {shown.rule}", "each point an electrode, R² about the training mean, best layer by "
            "inner folds; broken: equal")  # fmt: skip
    return figure


def alphas_chosen(results: xr.Dataset) -> Figure:
    """Draw how often each λ was chosen, by space, at electrodes that respond."""
    spaces = [str(space) for space in results["space"].values]
    alphas, shown = np.asarray(results.attrs["alphas"], dtype=np.float64), responding(results)
    figure, (axis,) = plate(results, "λ chosen", 1, 42.0)
    for s, space in enumerate(spaces):
        chosen = results["best_alpha"].values[s][shown.inside].ravel()
        counts = np.array([np.isclose(chosen, alpha, rtol=1e-6).sum() for alpha in alphas])
        share = counts / max(1, np.isfinite(chosen).sum())
        axis.plot(alphas, share, marker="o", ms=3, lw=1.2, color=colour_of(s), label=space)
    axis.set_xscale("log")
    axis.set_ylim(bottom=0)
    axis.set_xlabel("λ (scikit-learn's scale)")
    axis.set_ylabel("share chosen")
    axis.legend(frameon=False, fontsize=SMALL)
    explain(figure, f"{shown.text}; {results.sizes['fold']} folds", "what piles up at an end asks for a wider grid")
    return figure


def ceilings(results: xr.Dataset) -> Figure:
    """Draw the electrodes' noise ceilings and their intervals, from the least to the highest."""
    values, low, high = (results[f"ceiling_{name}"].values.astype(np.float64) for name in ("r2", "low", "high"))
    order = np.argsort(np.where(np.isfinite(values), values, np.inf))
    order = order[np.isfinite(values[order])]
    reliable = results["ceiling_reliable"].values.astype(bool)[order]
    figure, (axis,) = plate(results, "Noise ceilings", 1, 42.0)
    x = np.arange(len(order))
    for part, colour, label in ((reliable, INK, "reliably above 0"), (~reliable, GREY, "not")):
        axis.vlines(x[part], low[order][part], high[order][part], color=colour, lw=min(0.8, 60 / len(order)), alpha=0.6)
        axis.scatter(x[part], values[order][part], s=5, color=colour, lw=0, label=f"{label}: {part.sum()}")
    axis.set_xlabel("electrode, by ceiling")
    axis.set_ylabel("ceiling of R²")
    axis.legend(frameon=False, fontsize=SMALL)
    zero_line(axis)
    every = np.isfinite(values)
    explain(figure, count_text(int(every.sum()), results, every), "line: 95 % interval over stimuli")
    return figure


def scores_by_lag(results: xr.Dataset) -> Figure:
    """Draw the score of word-lag encoding by lag from word onset, at electrodes that respond."""
    lags, shown = results["word_lag"].values, responding(results)
    figure, (axis,) = plate(results, "Words at lags", 1, 0.55 * COLUMN)
    spaces = [str(space) for space in results["space"].values]
    for space, r in zip(results["word_space"].values, results["word_lag_r"].values, strict=True):
        middle, low, high = np.transpose([quartiles(of_lag) for of_lag in r[shown.inside].T])
        colour = colour_of(spaces.index(str(space)))
        axis.fill_between(lags, low, high, color=colour, alpha=0.18, lw=0)
        axis.plot(lags, middle, color=colour, lw=1.2, label=str(space))
    axis.axvline(0, color=INK, lw=0.5)
    zero_line(axis)
    axis.set_xlabel("lag from word onset (s)")
    axis.set_ylabel("r on test folds")
    axis.legend(frameon=False, fontsize=SMALL)
    n = " + ".join(str(count) for count in results.attrs["n_words"])
    explain(figure, f"{shown.text}", f"line: median; band: quartiles over electrodes; {n} words")
    return figure


FURTHER = (
    Drawing("models_by_electrode", models_against_each_other, lambda results: results.sizes["space"] > 1),
    Drawing("alphas", alphas_chosen),
    Drawing("score_by_lag", scores_by_lag, lambda results: "word_lag_r" in results),
    Drawing("ceilings", ceilings, lambda results: "ceiling_r2" in results),
)
