"""Figures of what two models share: the paper's 3b, 4a and 4b, and the map of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heschl.study.analyses.shared import part_scores
from heschl.study.config.analyses import Shared
from heschl.study.config.study import Study
from heschl.study.report.drawing import GREY, INK, PALETTE, Drawing, draw_points, make_figure, write_key
from heschl.study.statistics.tests import quartiles

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

COLOURS = {"speech": PALETTE[1], "language": PALETTE[2], "acoustic": PALETTE[0]}


def shared_parts(results: xr.Dataset) -> Figure:
    """Draw each electrode's score from all, top and rest of both models; broken: the acoustic baseline (Fig. 4a)."""
    scores = dict(zip(results["part"].values, part_scores(results), strict=True))
    named = _spaces(results)
    figure, axes = make_figure(results, "What the shared part predicts", 1, 2, (3.2, 3.0))
    for axis, side in zip(axes, ("speech", "language"), strict=True):
        for x, part in enumerate(("all", "top", "rest")):
            draw_points(axis, scores[f"{side} {part}"], x, COLOURS[side], 0.2)
        if "acoustic layer" in scores:
            axis.axhline(quartiles(scores["acoustic layer"])[0], color=COLOURS["acoustic"], ls="--", lw=1.2)
        axis.axhline(0, color=INK, lw=0.6, zorder=0)
        axis.set_xticks(range(3), ["all", f"top {_components(results)}", "rest"])
        axis.set_xlim(-0.6, 2.6)
        axis.set_title(f"{named[side]}, n = {np.isfinite(scores[f'{side} all']).sum()}", fontsize=9, color=INK)
    axes[0].set_ylabel(f"R², mean of {results.sizes['fold']} test folds")
    dashed = f"; broken: median of {named['acoustic']}" if "acoustic layer" in scores else ""
    write_key(figure, "bar: median; line: quartiles" + dashed)
    return figure


def shared_probes(results: xr.Dataset) -> Figure:
    """Draw each electrode's score from the semantic, acoustic and contextual side of the shared part (Fig. 4b)."""
    parts, scores = [str(part) for part in results["part"].values], part_scores(results)
    probes = [part for part in parts if part.startswith("probe ")]
    panels = 1 + ("probe_unique_r2" in results)
    figure, axes = make_figure(results, "What the shared part is made of", 1, panels, (3.4, 3.0))
    colours = {"semantic": PALETTE[3], "acoustic": PALETTE[0], "context": PALETTE[4], "all": GREY}
    for x, part in enumerate(probes):
        draw_points(axes[0], scores[parts.index(part)], x, colours[part.removeprefix("probe ")], 0.2)
    axes[0].set_title(f"each by itself, n = {np.isfinite(scores).any(axis=0).sum()}", fontsize=9, color=INK)
    axes[0].set_xticks(range(len(probes)), [part.removeprefix("probe ") for part in probes])
    axes[0].set_ylabel(f"R², mean of {results.sizes['fold']} test folds")
    if panels == 2:
        names = [str(name) for name in results["probe"].values]
        for x, (name, r2) in enumerate(zip(names, results["probe_unique_r2"].values, strict=True)):
            draw_points(axes[1], r2, x, colours[name], 0.2)
        axes[1].set_xticks(range(len(names)), names)
        axes[1].set_title("what one alone can say; all together", fontsize=9, color=INK)
    for axis in axes:
        axis.axhline(0, color=INK, lw=0.6, zorder=0)
    write_key(figure, "bar: median; line: quartiles")
    return figure


def prediction_similarity(results: xr.Dataset) -> Figure:
    """Draw the variance that two models' predictions share, by electrode (Fig. 3b)."""
    named = _spaces(results)
    pairs = [str(pair) for pair in results["pair"].values]
    values = results["prediction_similarity"].values
    shown = [i for i in range(len(pairs)) if np.isfinite(values[i]).any()]
    figure, axes = make_figure(results, "Do the models predict the same?", 1, 1, (1.3 + 1.5 * len(shown), 3.0))
    for x, i in enumerate(shown):
        draw_points(axes[0], values[i], x, (INK, COLOURS["speech"], COLOURS["language"])[i], 0.2)
    labels = [" and\n".join(named[side] for side in pairs[i].split(" ~ ")) for i in shown]
    axes[0].set_xticks(range(len(shown)), labels)
    axes[0].set_ylim(0, 1)
    axes[0].set_ylabel("shared variance of predictions, r²")
    axes[0].set_title(f"n = {np.isfinite(values[shown[0]]).sum()}", fontsize=9, color=INK)
    write_key(figure, "out-of-fold predictions; bar: median; line: quartiles")
    return figure


def layer_map(results: xr.Dataset) -> Figure:
    """Draw the mean canonical correlation of every speech layer with every language layer."""
    named = _spaces(results)
    mean = results["layer_correlation"].mean("kept")
    figure, axes = make_figure(results, "Layers with layers", 1, 1, (3.6 + 0.12 * mean.sizes["layer_b"], 3.2))
    image = axes[0].imshow(mean.values, aspect="auto", cmap="viridis", origin="lower")
    for axis, layers, name in (
        (axes[0].yaxis, mean["layer_a"].values, named["speech"]),
        (axes[0].xaxis, mean["layer_b"].values, named["language"]),
    ):
        step = -(-len(layers) // 13)
        axis.set_ticks(range(0, len(layers), step), labels=layers[::step])
        axis.set_label_text(f"layer of {name}")
    bar = figure.colorbar(image, ax=axes[0])
    bar.set_label(f"mean of {_components(results)} canonical correlations", fontsize=8, color=INK)
    write_key(figure, "all stimuli; fitted, not held out")
    return figure


def component_curves(results: xr.Dataset) -> Figure:
    """Draw canonical correlations by component, fitted and held out; and the score by number of components."""
    from matplotlib.ticker import MaxNLocator

    sweep = _sweep(results)
    figure, axes = make_figure(results, "Shared components", 1, 1 + bool(sweep), (3.6, 3.0), sharex=True)
    lines: list[tuple[str, NDArray[Any], str]] = [
        ("fitted", results["canonical_correlation"].mean(("cohort", "fold"), skipna=True).values, INK),
        ("test folds", results["held_out_correlation"].mean(("cohort", "fold"), skipna=True).values, PALETTE[1]),
    ]
    for name, values, colour in lines:
        axes[0].plot(1 + np.arange(len(values)), values, color=colour, marker=".", lw=1.6, label=name)
    axes[0].axhline(0, color=INK, lw=0.6, zorder=0)
    axes[0].set_xlabel("component")
    axes[0].set_ylabel("canonical correlation")
    axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].legend(frameon=False, fontsize=8)
    for side, found in sweep.items():
        ks, means = zip(*sorted(found), strict=True)
        axes[1].plot(ks, means, color=COLOURS[side], marker="o", ms=4, lw=1.6, label=_spaces(results)[side])
    if sweep:
        axes[1].set_xlabel("components taken as top")
        axes[1].set_ylabel("R², mean over electrodes")
        axes[1].legend(frameon=False, fontsize=8)
    write_key(figure, f"mean of {results.sizes['fold']} folds")
    return figure


def _sweep(results: xr.Dataset) -> dict[str, list[tuple[int, float]]]:
    """Return the mean score by number of components."""
    out: dict[str, list[tuple[int, float]]] = {}
    for part, r2 in zip(results["part"].values, part_scores(results), strict=True):
        side, what, *k = str(part).split()
        if what == "top" and side in COLOURS:
            out.setdefault(side, []).append((int(k[0]) if k else _components(results), float(np.nanmean(r2))))
    return {side: found for side, found in out.items() if len(found) > 1}


def _settings(results: xr.Dataset) -> Shared:
    shared = Study.model_validate_json(results.attrs["config"]).shared
    assert shared is not None, "there are shared results"
    return shared


def _components(results: xr.Dataset) -> int:
    return _settings(results).n_components


def _spaces(results: xr.Dataset) -> dict[str, str]:
    """Return the names of the spaces by their roles."""
    shared = _settings(results)
    return {"speech": shared.speech, "language": shared.language, "acoustic": shared.acoustic or "none"}


def _probed(results: xr.Dataset) -> bool:
    return "shared_r2" in results and any(str(part).startswith("probe ") for part in results["part"].values)


SHARED = (
    Drawing("3b_prediction_similarity", prediction_similarity, lambda results: "shared_r2" in results),
    Drawing("4a_shared_parts", shared_parts, lambda results: "shared_r2" in results),
    Drawing("4b_shared_probes", shared_probes, _probed),
    Drawing("shared_components", component_curves, lambda results: "shared_r2" in results),
    Drawing("layer_map", layer_map, lambda results: "layer_correlation" in results),
)
