"""Stage 4, results: one labelled dataset that figures, tables and later analyses read, and nothing else.

Schema, version 1 (``attrs["schema"]``). Dimensions: ``model`` (a layer of a space), ``space``, ``electrode``,
``fold``, ``stimulus``, ``example_frame``, ``group``.

================================  ======================================================================
variable                          what
================================  ======================================================================
r2, r, alpha, inner_r2, edge      (model, electrode, fold): scores on test folds, λ chosen on inner ones
pooled_r2                         (model, electrode)
best_layer, best_r2, best_r       (space, electrode, fold): layer chosen on inner folds, and its scores
best_alpha                        (space, electrode, fold): the λ of that layer
best_pooled_r2, p_value, q_value  (space, electrode): test against the mean; q over a space's electrodes
sse                               (space, electrode, stimulus): squared error; NaN where not heard
mean_sse                          (electrode, stimulus): the same of the training folds' mean
n_frames                          (electrode, stimulus): frames with a response, all repeats
example_response                  (electrode, example_frame): the response to the example stimulus
example_prediction                (space, electrode, example_frame): out of fold, best layer
example_time                      (example_frame): s from the sound's onset
in_group                          (group, electrode): the named groups of the study.toml
max_r2, max_mean_squared_r        (space, electrode): the published maximum over layers, of R² and of mean r²
published_r2, published_max       (model, electrode), (space, electrode): as published, with a preset
p_familywise                      (space, electrode): sign flips of stimuli, maximum over electrodes
ceiling_r2, _low, _high           (electrode): noise ceiling and its 95 % interval, where stimuli were repeated
ceiling_reliable, normalised_r2   (electrode), (space, electrode): whether it is above 0; best_r2 over it
word_lag_r2, word_lag_r           (word_space, electrode, word_lag), if asked for
shared_..., canonical_...         if asked for: see `heschl.study.analyses.shared_results`
..._shuffled                      the same with another stimulus' response, if asked for
================================  ======================================================================

Coordinates: ``model`` ("space/layer") with ``model_space`` and ``layer``; ``electrode`` ("subject/name") with
``subject``, ``name``, ``region``, ``x``, ``y``, ``z`` (m) and ``example_stimulus``.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.files import replacing
from heschl.study.analyses.encoding import GroupFits, LayerFit
from heschl.study.extraction.features import Features
from heschl.study.inputs.load import Inputs
from heschl.study.inputs.targets import FitGroup
from heschl.study.statistics.tests import false_discovery_rate, prediction_p_values
from heschl.timing.grid import FrameGrid

if TYPE_CHECKING:
    import xarray as xr

SCHEMA = 1
"""Version of the dataset's form; raised whenever a reader of the old form would misread the new one."""


def build_results(
    inputs: Inputs, grid: FrameGrid, features: Mapping[str, Features], fits: Sequence[GroupFits]
) -> xr.Dataset:
    """Put all fits of a study into one dataset; see the head of this module for its form."""
    import xarray as xr

    per_group = [_group_variables(fit, features, list(inputs.stimuli)) for fit in fits]
    longest = max(part["example_response"][1].shape[1] for part in per_group)
    joined = {name: _join([part[name] for part in per_group], longest) for name in per_group[0]}
    groups = [fit.group for fit in fits]
    subject = [name for group in groups for name in group.subjects]
    name = [name for group in groups for name in group.electrodes]
    named = inputs.study.responses.groups
    layers = [(space, layer) for space, found in features.items() for layer in found.layers]
    dataset = xr.Dataset(
        joined,
        coords={
            "model": [f"{space}/{layer}" for space, layer in layers],
            "model_space": ("model", [space for space, _ in layers]),
            "layer": ("model", [layer for _, layer in layers]),
            "space": list(features),
            "electrode": [f"{s}/{n}" for s, n in zip(subject, name, strict=True)],
            "subject": ("electrode", subject),
            "name": ("electrode", name),
            "example_stimulus": ("electrode", [g.example()[0] for g in groups for _ in g.electrodes]),
            "fold": np.arange(inputs.study.encoding.folds),
            "stimulus": list(inputs.stimuli),
            "example_time": ("example_frame", grid.times(longest), {"units": "s"}),
            "group": list(named),
        },
        attrs=_attributes(inputs, grid, groups)
        | {"notes": json.dumps({space: found.stored.description.note for space, found in features.items()})},
    )
    inside = [[fnmatch.fnmatchcase(n, pattern) for n in name] for pattern in named.values()]
    dataset["in_group"] = (
        ("group", "electrode"),
        np.array(inside, dtype=bool).reshape(len(named), len(name)),
    )
    for variable in [v for v in dataset.data_vars if str(v).startswith("p_value")]:
        q = np.array([false_discovery_rate(p) for p in dataset[variable].values])
        dataset[str(variable).replace("p_value", "q_value")] = (("space", "electrode"), q)
    return dataset


Variable = tuple[tuple[str, ...], NDArray[Any]]


def _group_variables(fits: GroupFits, features: Mapping[str, Features], stimuli: list[str]) -> dict[str, Variable]:
    """Give the variables of one group's electrodes, the shuffled twins among them."""
    group, n_electrodes = fits.group, len(fits.group.electrodes)
    real, twin = slice(0, n_electrodes), slice(n_electrodes, None)
    at = np.searchsorted(stimuli, group.stimuli)
    _, rows = group.example()

    def everywhere(errors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Put (n_stimuli of the group, c) at their places among all stimuli: (c, all stimuli)."""
        out = np.full((errors.shape[1], len(stimuli)), np.nan)
        out[:, at] = errors.T
        return out

    layers = _layer_scores(fits)
    out: dict[str, Variable] = {}
    for suffix, part in (("", real), ("_shuffled", twin))[: 1 + bool(group.y_shuffled.shape[1])]:
        for name, values in layers.items():
            dims = ("model", "electrode", "fold")[: values.ndim]
            out[name + suffix] = (dims, values[:, part])
        for name in ("r2", "r", "alpha"):
            values = np.stack([getattr(best, name)[:, part].T for best in fits.best.values()])
            out[f"best_{name}{suffix}"] = (("space", "electrode", "fold"), values)
        chosen = [_layer_names(best.layer[:, part].T, features[space].layers) for space, best in fits.best.items()]
        out["best_layer" + suffix] = (("space", "electrode", "fold"), np.stack(chosen))
        pooled = np.stack([best.pooled_r2[part] for best in fits.best.values()])
        out["best_pooled_r2" + suffix] = (("space", "electrode"), pooled)
        p = [prediction_p_values(best.sse[:, part], fits.mean_sse[:, part]) for best in fits.best.values()]
        out["p_value" + suffix] = (("space", "electrode"), np.stack(p))
    sse = np.stack([everywhere(best.sse[:, real]) for best in fits.best.values()])
    out["sse"] = (("space", "electrode", "stimulus"), sse)
    out["mean_sse"] = (("electrode", "stimulus"), everywhere(fits.mean_sse[:, real]))
    known = np.isfinite(group.y).astype(np.float64)
    out["n_frames"] = (("electrode", "stimulus"), everywhere(group.by_stimulus(known)))
    out["example_response"] = (("electrode", "example_frame"), group.y[rows].T)
    shown = np.stack([best.example[:, real].T for best in fits.best.values()])
    out["example_prediction"] = (("space", "electrode", "example_frame"), shown)
    return out


def _layer_scores(fits: GroupFits) -> dict[str, NDArray[Any]]:
    """Give the scores of all layers, each (n_models, c) or (n_models, c, n_folds)."""
    names = ("r2", "r", "alpha", "inner_r2", "edge", "pooled_r2")
    scores: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
    for path in fits.layers.values():
        fit = LayerFit.load(path)
        for name in names:
            scores[name].append(getattr(fit, name).T)
    return {name: np.stack(values) for name, values in scores.items()}


def _layer_names(index: NDArray[np.intp], layers: Sequence[str]) -> NDArray[Any]:
    return np.array(["", *layers], dtype=object)[index + 1]


def _join(parts: list[Variable], n_example_frames: int) -> Variable:
    """Join the groups' electrodes; examples of different lengths are filled up with NaN."""
    dims = parts[0][0]
    values = [part[1] for part in parts]
    if dims[-1] == "example_frame":
        pads = [[(0, 0)] * (v.ndim - 1) + [(0, n_example_frames - v.shape[-1])] for v in values]
        values = [np.pad(v, pad, constant_values=np.nan) for v, pad in zip(values, pads, strict=True)]
    return dims, np.concatenate(values, axis=dims.index("electrode"))


def _attributes(inputs: Inputs, grid: FrameGrid, groups: Sequence[FitGroup]) -> dict[str, Any]:
    used = ("heschl", "numpy", "scipy", "scikit-learn", "torch", "transformers", "xarray", "zarr")
    return {
        "schema": SCHEMA,
        "versions": json.dumps({name: _version(name) for name in used}),
        "config": inputs.study.model_dump_json(),
        "name": inputs.study.name,
        "note": inputs.study.note,
        "example_words": _example_words(inputs, groups),
        "rate": grid.rate,
        "lags": list(inputs.study.encoding.lags(grid.rate)),
        "alphas": inputs.study.encoding.alpha_grid().tolist(),
        "unheard_stimuli": inputs.unheard,
        "wordless_stimuli": sum(not stimulus.words for stimulus in inputs.stimuli.values()),
        "frames_per_group": [int(group.lengths.sum()) for group in groups],
    }


def _example_words(inputs: Inputs, groups: Sequence[FitGroup]) -> str:
    """Give the words of the example stimuli, with start and end in s, as JSON."""
    shown = {group.example()[0] for group in groups}
    return json.dumps({name: [[w.text, w.start, w.end] for w in inputs.stimuli[name].words] for name in sorted(shown)})


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def write_results(dataset: xr.Dataset, path: Path) -> None:
    """Write the dataset as zarr, whole or not at all."""
    text = {name: values.astype(object) for name, values in dataset.coords.items() if values.dtype.kind == "U"}
    dataset = dataset.assign_coords(text)  # strings of any length, the kind that zarr 3 specifies
    with replacing(path) as temporary:
        dataset.to_zarr(temporary, mode="w", consolidated=False)


def open_results(path: str | Path) -> xr.Dataset:
    """Open the results of a study.

    Parameters
    ----------
    path : str or Path
        The folder that ``heschl run`` wrote (or the ``results.zarr`` in it).

    Returns
    -------
    xarray.Dataset
        Labelled scores; the head of `heschl.study.results.dataset` describes the variables.

    Raises
    ------
    InputError
        Where there are no results, or they have another form than this version of heschl reads.
    """
    import xarray as xr

    path = Path(path)
    path = path if path.suffix == ".zarr" else path / "results.zarr"
    if not path.is_dir():
        raise InputError(str(path), "no results", "a folder that `heschl run` has written to its end")
    dataset: xr.Dataset = xr.open_zarr(path, consolidated=False, chunks=None)
    found = dataset.attrs.get("schema")
    if found != SCHEMA:
        raise InputError(
            str(path),
            f"results of schema version {found}",
            f"version {SCHEMA}",
            "They are from another version of heschl: run the study again, or install that version.",
        )
    return dataset
