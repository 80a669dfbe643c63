"""Figures of what two models share beside the paper's: components, and the map of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heschl.study.analyses.shared import part_scores
from heschl.study.config.analyses import Shared
from heschl.study.config.study import Study
from heschl.study.report.drawing import INK, PALETTE, Drawing
from heschl.study.report.plates import SMALL, explain, plate

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

COLOURS = {"speech": PALETTE[1], "language": PALETTE[2], "acoustic": PALETTE[0]}


def layer_map(results: xr.Dataset) -> Figure:
    """Draw the mean canonical correlation of every speech layer with every language layer."""
    named = space_names(results)
    mean = results["layer_correlation"].mean("kept")
    figure, axes = plate(results, "Layers with layers", 1, 52.0)
    image = axes[0].imshow(mean.values, aspect="auto", cmap="viridis", origin="lower")
    for axis, layers, name in (
        (axes[0].yaxis, mean["layer_a"].values, named["speech"]),
        (axes[0].xaxis, mean["layer_b"].values, named["language"]),
    ):
        step = -(-len(layers) // 10)
        axis.set_ticks(range(0, len(layers), step), labels=layers[::step])
        axis.set_label_text(f"layer of {name}")
    bar = figure.colorbar(image, ax=axes[0])
    bar.ax.tick_params(labelsize=SMALL, width=0.5, length=2)
    bar.set_label(f"mean of {n_components(results)} canonical correlations", fontsize=SMALL, color=INK)
    explain(figure, "all stimuli; fitted, not held out")
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
        axes[1].set_xlabel("components taken as top")
        axes[1].set_ylabel("R², mean over electrodes")
        axes[1].set_ylim(bottom=min(0.0, axes[1].get_ylim()[0]))
        axes[1].legend(frameon=False, fontsize=SMALL)
    explain(figure, f"mean of {results.sizes['fold']} folds")
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
