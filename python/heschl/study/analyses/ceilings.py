"""How well the responses could be predicted at all: noise ceilings of a study's electrodes, and scores over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from heschl.checks import InputError
from heschl.ecog.ceiling import noise_ceiling
from heschl.study.inputs.load import Inputs
from heschl.study.inputs.targets import FitGroup, on_grid
from heschl.timing.grid import FrameGrid

if TYPE_CHECKING:
    import xarray as xr

ANATOMY = ("region", "x", "y", "z")
COLUMNS = ("r2", "low", "high", "reliable")
UNKNOWN = {"reliable": False}


def add_electrodes(results: xr.Dataset, inputs: Inputs, groups: Sequence[FitGroup], grid: FrameGrid) -> xr.Dataset:
    """Give the results with where each electrode is, its noise ceiling, and its scores over that.

    Adds coordinates ``region`` ("" where unknown), ``x``, ``y``, ``z`` (m; NaN), and, where stimuli were repeated,
    ``ceiling_r2``, ``ceiling_low``, ``ceiling_high`` (95 %), ``ceiling_reliable`` (electrode), ``normalised_r2``
    (space, electrode): R² over the ceiling, NaN where that is not reliably above 0. Electrodes of a subject without
    repeats have no ceiling; ``attrs["ceilings"]`` says why. The ceiling is that of the responses as they are analysed,
    at the frames of the grid.
    """
    subjects = {subject.subject: subject for subject in inputs.subjects}
    of = "mean" if inputs.study.responses.repeats == "average" else "single"
    ceilings: dict[str, Any] = {}
    why: list[str] = []
    for name, subject in subjects.items():
        try:
            ceilings[name] = noise_ceiling(on_grid(subject, inputs, grid), of=of, random_state=inputs.study.seed)
        except InputError as error:
            why.append(f"{name}: {error.found}")
    pairs = [(s, e) for group in groups for s, e in zip(group.subjects, group.electrodes, strict=True)]
    coords: dict[str, Any] = {}
    for key in ANATOMY:
        missing: Any = "" if key == "region" else np.nan
        cells = []
        for name, electrode in pairs:
            about = subjects[name]
            known = about.anatomy.get(key)
            cells.append(missing if known is None else known[about.electrodes.index(electrode)])
        coords[key] = ("electrode", np.array(cells, dtype=object if key == "region" else np.float64))
    out = results.assign_coords(coords).assign_attrs(ceilings="; ".join(why))
    if not ceilings:
        return out
    values = {
        column: np.array(
            [
                ceilings[s].loc[e, column] if s in ceilings else (False if column == "reliable" else np.nan)
                for s, e in pairs
            ]
        )
        for column in COLUMNS
    }
    out = out.assign({f"ceiling_{column}": ("electrode", array) for column, array in values.items()})
    r2 = results["best_r2"].mean("fold", skipna=True).values
    usable = values["reliable"].astype(bool) & (values["r2"] > 0)
    ceiling = np.where(usable, values["r2"].astype(np.float64), np.nan)
    return out.assign(normalised_r2=(("space", "electrode"), r2 / ceiling))


def maximum_over_layers(results: xr.Dataset) -> xr.Dataset:
    """Give the results with the published choice of a layer: the maximum over layers of the scores themselves.

    ``max_r2`` (space, electrode), of the mean R² of folds: what it lies above ``best_r2``, whose layer inner folds
    chose, is optimism. ``max_mean_squared_r``, of the mean of r² over folds, is what the paper's code calls R².
    """
    scores = {"max_r2": results["r2"], "max_mean_squared_r": results["r"] ** 2}
    out = {}
    for name, values in scores.items():
        mean = values.mean("fold", skipna=True)
        rows = []
        for space in results["space"].values:
            own = mean.isel(model=np.flatnonzero(results["model_space"].values == space)).values
            known = np.where(np.isfinite(own), own, -np.inf).max(axis=0)
            rows.append(np.where(np.isfinite(known), known, np.nan))
        out[name] = (("space", "electrode"), np.stack(rows))
    return results.assign(out)
