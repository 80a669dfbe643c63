"""The summary of a study as Markdown: what was run, what came out, and what to be wary of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from heschl.files import replacing
from heschl.study.analyses.registry import present
from heschl.study.config.study import Study
from heschl.study.report.findings import findings
from heschl.study.report.limits import limits_of
from heschl.study.report.plates import responding
from heschl.study.results.tables import mean_over_folds
from heschl.study.statistics.tests import quartiles

if TYPE_CHECKING:
    import xarray as xr

FEW_REPEATED = 5
"""Fewer repeated stimuli than these say little of the ceiling of others."""
NAMED = 12
"""Electrodes named in a warning before the rest is only counted."""


def write_summary(results: xr.Dataset, path: Path) -> None:
    """Write summary.md from the results alone."""
    with replacing(path) as temporary:
        temporary.write_text(summary(results), encoding="utf-8")


def summary(results: xr.Dataset) -> str:
    """Return the summary of a study.

    Parameters
    ----------
    results : xarray.Dataset
        From `heschl.study.open_results`.

    Returns
    -------
    str
        Markdown.
    """
    parts = [f"# {results.attrs['name']}"]
    if results.attrs["note"]:
        parts.append(f"**Note: {results.attrs['note']}.**")
    parts += [
        "\n".join(f"{i}. {sentence.text}" for i, sentence in enumerate(findings(results), start=1)),
        _what_was_run(results),
        _scores(results),
        _layers(results),
        *_further(results),
        _limits(results),
        _warnings(results),
        _versions(results),
    ]
    return "\n\n".join(parts) + "\n"


def _what_was_run(results: xr.Dataset) -> str:
    study = Study.model_validate_json(results.attrs["config"])
    lags, alphas, rate = results.attrs["lags"], results.attrs["alphas"], results.attrs["rate"]
    subjects = np.unique(results["subject"].values)
    frames = " + ".join(f"{n:,}" for n in results.attrs["frames_per_group"])
    spaces = ", ".join(
        f"{space} ({study.features[str(space)].kind}, {n} layer{'s' * (n > 1)})"
        for space in results["space"].values
        for n in [int((results["model_space"] == space).sum())]
    )
    grid = study.grid_model()
    rows = [
        (
            "stimuli",
            f"{results.sizes['stimulus']} heard ({results.attrs['unheard_stimuli']} more sounds not heard; "
            f"{results.attrs['wordless_stimuli']} without words)",
        ),
        ("frames", f"{frames} at {rate:g} Hz ({f'the frames of {grid}' if grid else 'a grid of its own'})"),
        (
            "responses",
            f"{len(subjects)} subject{'s' * (len(subjects) > 1)}, {results.sizes['electrode']} electrodes; "
            f"tail: {study.responses.tail}; repeats: {study.responses.repeats}",
        ),
        ("feature spaces", spaces),
        (
            "lags",
            f"{lags[0]} to {lags[-1]} frames, {lags[0] / rate:.3f} to {lags[-1] / rate:.3f} s (+: the past)",
        ),
        (
            "λ grid",
            f"{len(alphas)} from {alphas[0]:g} to {alphas[-1]:g}, "
            f"{'one per electrode' if study.encoding.alpha_per_target else 'one for all electrodes'}",
        ),
        ("features", "z-scored on the training rows" if study.encoding.standardize else "as they are"),
        (
            "folds",
            f"{results.sizes['fold']} of whole stimuli; outer ones score, inner ones choose λ and layer",
        ),
        ("seed", str(study.seed)),
    ]
    return "## What was run\n\n" + _table(("", ""), rows)


def _scores(results: xr.Dataset) -> str:
    """Tabulate the best-layer scores by space, and by named group of electrodes."""
    study = Study.model_validate_json(results.attrs["config"])
    shuffled = "best_r2_shuffled" in results
    scores = {
        name: mean_over_folds(results, f"best_{name}")
        for name in ("r2", "r", *(("r2_shuffled", "r_shuffled") if shuffled else ()))
    }
    groups = {"all": np.ones(results.sizes["electrode"], dtype=bool)}
    groups |= {str(g): inside for g, inside in zip(results["group"].values, results["in_group"].values, strict=True)}
    tested = "p_max" in results
    significant = {name: results[name].values < 0.05 for name in (("p_max", "q") if tested else ("q_gain",))}
    head = ["electrodes", "space", "n", "R²", "r", *(f"{name.replace('_', ' ')} < 0.05" for name in significant)]
    head += ["R² shuffled", "r shuffled"] if shuffled else []
    rows = []
    for group, inside in groups.items():
        for s, space in enumerate(results["space"].values):
            row = [
                group,
                str(space),
                str(int(np.isfinite(scores["r2"][s, inside]).sum())),
                _spread(scores["r2"][s, inside]),
                _spread(scores["r"][s, inside]),
                *(str(found[s, inside].sum()) for found in significant.values()),
            ]
            row += [_spread(scores[f"{name}_shuffled"][s, inside]) for name in ("r2", "r")] if shuffled else []
            rows.append(row)
    text = (
        "Each outer fold with the layer that its inner folds chose; mean over folds; then median over "
        "electrodes (lower to upper quartile). "
    )
    text += (
        f"Electrodes that follow the features, by the exchange test ({study.encoding.n_permutations} permutations): "
        f"p max against the maximum over {results.sizes['electrode']} electrodes and {results.sizes['space']} spaces; "
        "q: false discovery rate over both."
        if tested
        else "No test of which electrodes follow was asked for (`encoding.n_permutations = 0`). q gain: false "
        "discovery rate over electrodes, within a space, of a one-sided t test over stimuli that the squared error is "
        "below that of the training mean; a time course that all stimuli share passes it, most small effects do not."
    )
    if shuffled:
        text += " Shuffled: each stimulus with the response to another one, through the same fit."
    return f"## Best layer\n\n{text}\n\n" + _table(head, rows)


def _layers(results: xr.Dataset) -> str:
    r2, r = mean_over_folds(results, "r2"), mean_over_folds(results, "r")
    chosen = results["best_layer"].values
    rows = []
    for m, (space, layer) in enumerate(zip(results["model_space"].values, results["layer"].values, strict=True)):
        s = int(np.flatnonzero(results["space"].values == space)[0])
        share = (chosen[s] == layer).mean()
        rows.append((str(space), str(layer), _spread(r2[m]), _spread(r[m]), f"{share:.0%}"))
    text = "All electrodes; chosen: how often inner folds chose the layer, over electrodes and folds."
    return f"## By layer\n\n{text}\n\n" + _table(("space", "layer", "R²", "r", "chosen"), rows)


def _further(results: xr.Dataset) -> list[str]:
    """Return what the analyses beside the encoding say."""
    study = Study.model_validate_json(results.attrs["config"])
    return [text for analysis in present(results) if (text := analysis.summary(results, study))]


def _limits(results: xr.Dataset) -> str:
    lines = [f"- **{side}**: {text}" for side, text in limits_of(results)]
    return "## What this study can and cannot say\n\n" + "\n".join(lines)


def _warnings(results: xr.Dataset) -> str:
    """List which λ were at an end of the grid, and which electrodes have no score."""
    alphas, shown = results.attrs["alphas"], responding(results)
    lines = [f"- **{space}**: {note}." for space, note in json.loads(results.attrs["notes"]).items() if note]
    lines += [
        f"- **{name} left out**, with its trials: {reason}."
        for name, reason in json.loads(results.attrs.get("broken", "{}")).items()
    ]
    lines += [
        f"- **{name} failed** and is left out: {reason}."
        for name, reason in json.loads(results.attrs.get("failed", "{}")).items()
    ]
    for s, space in enumerate(results["space"].values):
        for end, alpha in (("lower", alphas[0]), ("upper", alphas[-1])):
            at_end = np.isclose(results["best_alpha"].values[s], alpha).any(axis=1) & shown.follows[s]
            if at_end.any():
                lines.append(
                    f"- **{space}: λ at the {end} end of the grid** ({alpha:g}) in at least one fold for "
                    f"{at_end.sum()} of {shown.follows[s].sum()} electrodes that follow it: {_names(results, at_end)}. "
                    "Widen `encoding.alphas` on that side."
                )
        missing = ~np.isfinite(mean_over_folds(results, "best_r2")[s])
        if missing.any():
            lines.append(
                f"- **{space}: no score** for {missing.sum()} electrodes whose response is constant in every "
                f"test fold: {_names(results, missing)}. They are left out of the numbers above."
            )
    few = {name: n for name, n in json.loads(results.attrs.get("repeated_stimuli", "{}")).items() if n < FEW_REPEATED}
    if few:
        each = ", ".join(f"{name} {n}" for name, n in few.items())
        lines.append(
            f"- **Noise ceilings from repeats of few stimuli** ({each}): they hold for these stimuli; their 95 % "
            "intervals cover less often (10 of 22 with one sentence). Do not lean on scores over them."
        )
    return "## Warnings\n\n" + (
        "\n".join(lines) or "None: every electrode has a score, no λ of one that follows is at an end."
    )


def _names(results: xr.Dataset, which: Any) -> str:
    names = [str(name) for name in results["electrode"].values[which]]
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _versions(results: xr.Dataset) -> str:
    versions = json.loads(results.attrs["versions"])
    return "## Versions\n\n" + ", ".join(f"{name} {number}" for name, number in versions.items())


def _spread(values: Any) -> str:
    median, low, high = quartiles(values)
    return f"{median:.3f} ({low:.3f} to {high:.3f})" if np.isfinite(median) else "none"


def _table(head: Any, rows: Any) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
