"""Figures of what two models share beside the paper's: components, and the map of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heschl.study.analyses.shared import part_scores
from heschl.study.config.analyses import Shared
from heschl.study.config.study import Study
from heschl.study.report.drawing import INK, PALETTE, Drawing, number_text
from heschl.study.report.plates import SMALL, TEXT, count_text, explain, plate

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

COLOURS = {"speech": PALETTE[1], "language": PALETTE[2], "acoustic": PALETTE[0]}


def layer_map(results: xr.Dataset) -> Figure:
    """Draw the mean canonical correlation of every speech layer with every language layer, fitted and held out."""
    named, layers = space_names(results), [results[side].values for side in ("layer_a", "layer_b")]
    maps = {"fitted": results["layer_correlation"].mean("kept").values}
    if "layer_held_out" in results:
        maps["held out"] = results["layer_held_out"].mean("kept", skipna=True).values
    figure, axes = plate(results, "Layers with layers", 1, 44.0, n_columns=len(maps), sharey=True)
    low = min(0.0, min(float(np.nanmin(values)) for values in maps.values()))
    high = max(float(np.nanmax(values)) for values in maps.values())
    for axis, (title, values) in zip(axes, maps.items(), strict=True):
        image = axis.imshow(values, aspect="auto", cmap="viridis", origin="lower", vmin=low, vmax=high)
        i, j = np.unravel_index(np.nanargmax(values), values.shape)
        axis.plot(j, i, marker="s", ms=3.5, mfc="none", mec="white", mew=0.8)
        axis.set_title(f"{title}: best {number_text(float(values[i, j]))}", fontsize=TEXT, color=INK, pad=2)
        for of, names in ((axis.yaxis, layers[0]), (axis.xaxis, layers[1])):
            step = -(-len(names) // (10 if of is axis.yaxis else 14 // len(maps)))
            of.set_ticks(range(0, len(names), step), labels=names[::step])
        axis.set_xlabel(f"layer of {named['language']}")
    axes[0].set_ylabel(f"layer of {named['speech']}")
    bar = figure.colorbar(image, ax=axes, pad=0.02)
    bar.ax.tick_params(labelsize=SMALL, width=0.5, length=2)
    bar.set_label("mean correlation" if n_components(results) > 1 else "correlation", fontsize=SMALL, color=INK)
    explain(figure, "left: variates fitted to all stimuli, which more and wider layers raise" if len(maps) > 1 else
            "all stimuli; fitted, not held out",
            "right: found without the first outer fold, correlated on it" if len(maps) > 1 else "",
            f"mean of {n_components(results)} canonical correlations" if n_components(results) > 1 else "",
            "square: the best pair")  # fmt: skip
    return figure


def component_curves(results: xr.Dataset) -> Figure:
    """Draw canonical correlations by component, fitted and held out; and the score by number of components."""
    from matplotlib.ticker import MaxNLocator

    sweep = _sweep(results)
    figure, axes = plate(results, "Shared components", 1, 42.0, n_columns=1 + bool(sweep))
    lines: list[tuple[str, NDArray[Any], str]] = [
        ("fitted", results["canonical_correlation"].mean(("cohort", "fold"), skipna=True).values, INK),
        ("test folds", results["held_out_correlation"].mean(("cohort", "fold"), skipna=True).values, PALETTE[1]),
    ]
    for name, values, colour in lines:
        axes[0].plot(1 + np.arange(len(values)), values, color=colour, marker=".", lw=1.2, label=name)
    axes[0].axhline(0, color=INK, lw=0.6, zorder=0)
    axes[0].set_xlabel("component")
    axes[0].set_ylabel("canonical correlation")
    axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].legend(frameon=False, fontsize=SMALL)
    for side, found in sweep.items():
        ks, means = zip(*sorted(found), strict=True)
        axes[1].plot(ks, means, color=COLOURS[side], marker="o", ms=3, lw=1.2, label=space_names(results)[side])
    if sweep:
        axes[1].set_xlabel("components shared")
        axes[1].set_ylabel("R², mean over electrodes")
        axes[1].margins(y=0.1)
        axes[1].set_ylim(bottom=min(0.0, axes[1].get_ylim()[0]))
        axes[1].legend(frameon=False, fontsize=SMALL)
    every = np.ones(results.sizes["electrode"], dtype=bool)
    explain(figure, f"mean of {results.sizes['fold']} folds",
            f"right: all {count_text(len(every), results, every)}" if sweep else "")  # fmt: skip
    return figure


def _sweep(results: xr.Dataset) -> dict[str, list[tuple[int, float]]]:
    """Return the mean score by number of components."""
    out: dict[str, list[tuple[int, float]]] = {}
    for part, r2 in zip(results["part"].values, part_scores(results), strict=True):
        side, what, *k = str(part).split()
        if what == "top" and side in COLOURS:
            out.setdefault(side, []).append((int(k[0]) if k else n_components(results), float(np.nanmean(r2))))
    return {side: found for side, found in out.items() if len(found) > 1}


def _settings(results: xr.Dataset) -> Shared:
    shared = Study.model_validate_json(results.attrs["config"]).shared
    assert shared is not None, "there are shared results"
    return shared


def n_components(results: xr.Dataset) -> int:
    """Return how many components are the shared part."""
    return _settings(results).n_components


def space_names(results: xr.Dataset) -> dict[str, str]:
    """Return the names of the spaces by their roles."""
    shared = _settings(results)
    return {"speech": shared.speech, "language": shared.language, "acoustic": shared.acoustic or "none"}


def probed(results: xr.Dataset) -> bool:
    """Return whether the shared part was probed: by commonality, or as published."""
    return "common_r2" in results or (
        "shared_r2" in results and any(str(part).startswith("probe ") for part in results["part"].values)
    )


SHARED = (
    Drawing("shared_components", component_curves, lambda results: "shared_r2" in results),
    Drawing("layer_map", layer_map, lambda results: "layer_correlation" in results),
)
