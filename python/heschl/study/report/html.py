"""One HTML file with everything: figures inside, tables that sort, methods in sentences; no network needed."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from heschl.files import replacing
from heschl.study.analyses.analysis import Section
from heschl.study.analyses.registry import present
from heschl.study.report.figures import captions
from heschl.study.report.findings import findings, row_anchor
from heschl.study.report.limits import limits_of
from heschl.study.report.methods import methods_text, notes_of
from heschl.study.results.tables import best_table, layer_table
from heschl.study.statistics.contrasts import contrast_table
from heschl.study.statistics.tests import quartiles
from heschl.study.work.layout import Layout

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Cell:
    """What a cell shows, and what it is sorted by."""

    text: str
    value: float | None


def write_report(results: xr.Dataset, layout: Layout) -> Path:
    """Write report.html beside the results.

    Parameters
    ----------
    results : xarray.Dataset
        From `heschl.open_results`.
    layout : Layout
        The results folder; its figures go into the file.

    Returns
    -------
    Path
        The file.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    figures = [
        {"name": name, "caption": caption, "data": base64.b64encode(path.read_bytes()).decode()}
        for name, caption in captions(results).items()
        if (path := layout.figures / f"{name}.png").exists()
    ]
    tables = [_rendered(section) for section in _sections(results)]
    failed = json.loads(results.attrs.get("failed", "{}"))
    titles = [("findings", "Findings"), *([("failures", "Failures")] if failed else []), ("figures", "Figures")]
    titles += [(table["id"], table["title"]) for table in tables]
    titles += [("methods", "Methods"), ("audit", "Audit"), ("settings", "Settings")]
    versions = json.loads(results.attrs["versions"])
    text = environment.get_template("report.html").render(
        name=results.attrs["name"],
        note=results.attrs["note"],
        sections=titles,
        findings=findings(results),
        failed=failed,
        figures=figures,
        methods=[*methods_text(results), *notes_of(results)],
        audit=json.loads(results.attrs.get("audit", "[]")),
        tables=tables,
        versions=", ".join(f"{name} {number}" for name, number in versions.items()),
        config=json.dumps(json.loads(results.attrs["config"]), indent=2),
    )
    with replacing(layout.report) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return layout.report


def _sections(results: xr.Dataset) -> list[Section]:
    import pandas as pd

    found = [
        Section(
            "limits", "What this study can and cannot say",
            pd.DataFrame(limits_of(results), columns=["of", "what follows from the design"]),
            "Built from the design of the study and from what was found.",
        ),
        Section(
            "spaces", "Scores by space", _by_space(results),
            "Median over electrodes. 'max over layers' is the published choice of a layer by the scores themselves: "
            "what it lies above 'r2' is optimism. 'max of mean squared r' is what the paper's code calls R²; it is "
            f"above 0 even where there is nothing to predict. {_tested(results)} 'r2 over ceiling': median over the "
            "electrodes whose noise ceiling is known to a tenth of it, which are not the same in every study.",
        ),
        Section(
            "contrasts", "Spaces against each other", contrast_table(results),
            "Mean difference of R² over electrodes; crossed, low, high and p_crossed for new subjects and new stimuli, "
            "subjects counting alike (95 % limits, two-sided p); mixed, its interval and p_mixed by a linear mixed "
            "model with an offset for each subject, for these very stimuli; t, p and p_bonferroni as published, which "
            "take electrodes as independent. Bonferroni's correction and q (false discovery rate) run over the pairs "
            "of spaces in this table. All electrodes count, also those that follow nothing.",
        ),
        Section("electrodes", "Electrodes", _electrodes(results), _of_electrodes(results)),
        Section(
            "layers", "Layers", _by_layer(results),
            "Mean over electrodes of each layer's R² and r; folds_chosen: in how many outer folds inner ones chose it.",
        ),
    ]  # fmt: skip
    if "beyond_r2" in results:
        found.insert(
            3,
            Section(
                "contrasts_beyond", "Spaces against each other, over the common time course",
                contrast_table(results, variable="beyond_r2"),
                "The same of what each space explains over and above what all stimuli evoke alike.",
            ),
        )  # fmt: skip
    if any(str(region) for region in results["region"].values):
        table = _by_region(results)
        found.insert(2, Section("regions", "Regions", table, "Medians over the electrodes of each region."))
    return found + [section for analysis in present(results) for section in analysis.sections(results)]


def _tested(results: xr.Dataset) -> str:
    """Return what the p values of electrodes are of."""
    if "p_max" not in results:
        return (
            "'p gain max', 'q gain': of the gain in squared error over the training mean, a description and no test of "
            "whether an electrode follows the features."
        )
    n, s = results.sizes["electrode"], results.sizes["space"]
    m = json.loads(results.attrs["config"])["encoding"]["n_permutations"]
    return (
        f"By the exchange test ({m} permutations of whole stimuli, one-sided): p_max against the maximum over {n} "
        f"electrodes and {s} spaces; q: false discovery rate over the same {n * s} tests."
    )


def _of_electrodes(results: xr.Dataset) -> str:
    """Return what the columns of the table of electrodes are."""
    text = (
        "Best layer by inner folds (layers: which, and in how many outer folds); r2 about the test fold's own mean, "
        "mean over folds; pooled_r2: one quotient over all folds. "
    )
    if "p_max" in results:
        text += f"p: of this electrode and space alone, uncorrected. {_tested(results)} "
    if "beyond_r2" in results:
        text += "beyond_r2: over and above the common time course, about the training mean. "
    text += (
        "p_gain, q_gain (over the electrodes of a space), p_gain_max: gain in squared error over the training mean, by "
        "a t test and by sign flips over stimuli, which do not test whether an electrode follows the features."
    )
    if "normalised_r2" in results:
        text += " r2_over_ceiling: empty where the noise ceiling is not known to a tenth of it."
    return text


def _by_space(results: xr.Dataset) -> pd.DataFrame:
    import pandas as pd

    columns: dict[str, Any] = {
        "space": [str(space) for space in results["space"].values],
        "r2": np.nanmedian(results["best_r2"].mean("fold", skipna=True).values, axis=1),
        "r": np.nanmedian(results["best_r"].mean("fold", skipna=True).values, axis=1),
        "max over layers": np.nanmedian(results["max_r2"].values, axis=1),
        "max of mean squared r": np.nanmedian(results["max_mean_squared_r"].values, axis=1),
    }
    for name in ("p_max", "q") if "p_max" in results else ("q_gain", "p_gain_max"):
        columns[f"{name.replace('_', ' ')} < 0.05"] = (results[name].values < 0.05).sum(axis=1)
    if "normalised_r2" in results:
        known = results["normalised_r2"].values
        columns["r2 over ceiling"] = [np.nan if np.isnan(row).all() else np.nanmedian(row) for row in known]
    return pd.DataFrame(columns)


def _by_region(results: xr.Dataset) -> pd.DataFrame:
    import pandas as pd

    regions = np.array([str(region) or "unknown" for region in results["region"].values])
    r2 = results["best_r2"].mean("fold", skipna=True).values
    over = results["normalised_r2"].values if "normalised_r2" in results else np.full(r2.shape, np.nan)
    rows = []
    for region in dict.fromkeys(regions):
        inside = regions == region
        for s, space in enumerate(results["space"].values):
            median, _, _ = quartiles(r2[s, inside])
            rows.append((region, str(space), int(inside.sum()), median, quartiles(over[s, inside])[0]))
    return pd.DataFrame(rows, columns=["region", "space", "electrodes", "r2", "r2 over ceiling"])


def _by_layer(results: xr.Dataset) -> pd.DataFrame:
    table = layer_table(results).groupby(["space", "layer"], sort=False)[["r2", "r", "folds_chosen"]].mean()
    return table.reset_index()


def _electrodes(results: xr.Dataset) -> pd.DataFrame:
    table = best_table(results)
    n = len(results["space"])
    table.insert(2, "region", np.repeat([str(region) for region in results["region"].values], n))
    table["p_gain_max"] = results["p_gain_max"].values.T.ravel()
    if "normalised_r2" in results:
        table["r2_over_ceiling"] = results["normalised_r2"].values.T.ravel()
    return table


def _rendered(section: Section) -> dict[str, Any]:
    """Return a section as the template takes it."""
    rows = [
        {"id": row_anchor(section.name, at), "cells": [_cell(value) for value in row]}
        for at, row in enumerate(section.table.itertuples(index=False))
    ]
    head = [str(column) for column in section.table.columns]
    return {"id": section.name, "title": section.title, "text": section.text, "head": head, "rows": rows}


def _cell(value: Any) -> Cell:
    if isinstance(value, str):
        return Cell(value, None)
    number = float(value)
    if not np.isfinite(number):
        return Cell("", None)
    whole = float(number).is_integer() and abs(number) < 1e6
    return Cell(f"{number:.0f}" if whole else f"{number:.3g}", number)
