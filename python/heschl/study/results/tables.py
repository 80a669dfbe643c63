"""The results as tables: a row per electrode and layer, per electrode and space, and per pair of spaces."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heschl.files import replacing
from heschl.names import plain_table
from heschl.study.analyses.registry import present
from heschl.study.statistics.contrasts import contrast_table

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


def layer_table(results: xr.Dataset) -> pd.DataFrame:
    """Return a row per subject, electrode, space and layer.

    Columns: mean R² and mean r over outer folds (``r2``, ``r``), ``pooled_r2``, median λ (``alpha``), the
    number of outer folds for which inner folds chose this layer (``folds_chosen``), ``p`` and ``p_max`` of the exchange
    test (of this layer by itself; against the maximum over all electrodes, layers and spaces), and with the shuffled
    control its scores.
    """
    import pandas as pd

    shuffled = ["r2_shuffled", "r_shuffled"] if "r2_shuffled" in results else []
    chosen = results["best_layer"].sel(space=results["model_space"]) == results["layer"]
    columns: dict[str, NDArray[Any]] = {name: mean_over_folds(results, name) for name in ("r2", "r")}
    columns["pooled_r2"] = results["pooled_r2"].values
    columns["alpha"] = results["alpha"].median("fold", skipna=True).values
    columns["folds_chosen"] = chosen.sum("fold").transpose("model", "electrode").values
    if "layer_p_max" in results:
        columns |= {"p": results["layer_p"].values, "p_max": results["layer_p_max"].values}
    columns |= {name: mean_over_folds(results, name) for name in shuffled}
    names = {"subject": "subject", "name": "electrode"}
    n_models, n_electrodes = results.sizes["model"], results.sizes["electrode"]
    labels = {
        **{new: np.repeat(results[old].values, n_models) for old, new in names.items()},
        "space": np.tile(results["model_space"].values, n_electrodes),
        "layer": np.tile(results["layer"].values, n_electrodes),
    }
    return pd.DataFrame(labels | {name: values.T.ravel() for name, values in columns.items()})


def best_table(results: xr.Dataset) -> pd.DataFrame:
    """Return a row per subject, electrode and space, each fold with the layer that its inner folds chose.

    Columns: ``r2``, ``r`` (means over outer folds), ``pooled_r2``; of the exchange test, whether the electrode follows
    the space's features, the layer chosen anew in each permutation: ``p``, ``p_max`` (against the maximum over all
    electrodes and spaces) and ``q`` (false discovery rate over both); ``beyond_r2``, over and above the common time
    course; ``p_gain`` and ``q_gain``, a t test over stimuli of the gain in squared error over the training mean, which
    is no test of whether it follows; ``layers`` (layer:folds that chose it), and with the shuffled control its scores.
    """
    import pandas as pd

    rows = []
    shuffled = "best_r2_shuffled" in results
    scores = {
        name: mean_over_folds(results, f"best_{name}")
        for name in ("r2", "r", *(("r2_shuffled", "r_shuffled") if shuffled else ()))
    }
    tests = [name for name in ("p", "p_max", "q", "beyond_r2", "p_gain", "q_gain") if name in results]
    for e in range(results.sizes["electrode"]):
        for s, space in enumerate(results["space"].values):
            count = Counter(str(layer) for layer in results["best_layer"].values[s, e] if layer)
            rows.append(
                {
                    "subject": results["subject"].values[e],
                    "electrode": results["name"].values[e],
                    "space": space,
                    "r2": scores["r2"][s, e],
                    "r": scores["r"][s, e],
                    "pooled_r2": results["best_pooled_r2"].values[s, e],
                    **{name: results[name].values[s, e] for name in tests},
                    "layers": " ".join(f"{layer}:{n}" for layer, n in count.most_common()),
                    **{name: scores[name][s, e] for name in scores if name.endswith("shuffled")},
                }
            )
    return pd.DataFrame(rows)


def mean_over_folds(results: xr.Dataset, name: str) -> NDArray[np.float64]:
    """Return a variable's unweighted mean over folds; folds without a score are skipped, NaN where all are."""
    values: NDArray[np.float64] = results[name].mean("fold", skipna=True).values
    return values


def all_tables(results: xr.Dataset) -> dict[str, pd.DataFrame]:
    """Return every table that is written as CSV, by name: scores of layers, of spaces, their contrasts, and others."""
    tables = {
        "scores": layer_table(results),
        "best_layers": best_table(results),
        "contrasts": contrast_table(results),
    }
    if "beyond_r2" in results:
        tables["contrasts_beyond"] = contrast_table(results, variable="beyond_r2")
    for analysis in present(results):
        tables |= analysis.tables(results)
    return tables


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, six digits, whole or not at all; no cell is a formula to a spreadsheet."""
    with replacing(path) as temporary:
        plain_table(table).to_csv(temporary, index=False, float_format="%.6g")
