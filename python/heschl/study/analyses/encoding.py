"""Encoding: every layer of every space fitted to every group of subjects, and the best layer of each space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from heschl.files import digest
from heschl.study.analyses.analysis import Analysis, Stage, StageCost
from heschl.study.analyses.costs import layer_costs
from heschl.study.analyses.fits.encoding import GroupFits, LayerFit, best_layers, mean_errors, write_layer_fit
from heschl.study.analyses.fits.reduced import reduction
from heschl.study.config.study import Study
from heschl.study.session import Session
from heschl.study.statistics.contrasts import with_statistics
from heschl.study.statistics.tests import false_discovery_rate, prediction_p_values
from heschl.study.work.cache import Piece

if TYPE_CHECKING:
    import xarray as xr

Variable = tuple[tuple[str, ...], NDArray[Any]]


class EncodingAnalysis(Analysis):
    """Scores of all layers, and of the layer that inner folds choose; what every other analysis stands on."""

    name: ClassVar[str] = "encoding"
    variable: ClassVar[str] = "r2"
    optional: ClassVar[bool] = False
    in_shares: ClassVar[bool] = True

    def wanted(self, study: Study) -> bool:
        """Return True: every study has it."""
        return True

    def stages(self, session: Session) -> list[Stage]:
        """Return a stage per space with a piece per layer and group."""
        return session.kept("stages of the encoding", lambda: self._stages(session))

    def _stages(self, session: Session) -> list[Stage]:
        encoding, groups, rate = session.study.encoding, session.groups, session.grid.rate
        targets = [digest(group.y, group.y_shuffled, group.segments, group.folds) for group in groups]
        stages = []
        for space, features in session.features.items():
            features_key = features.key
            pieces = [
                Piece.of(
                    f"{self.name}/{space}/{layer}.npz", partial(write_layer_fit, features, i, group, encoding, rate),
                    features_key, features.chosen[i], target, encoding.decides(), rate, *reduction(features.space),
                )
                for i, layer in enumerate(features.layers)
                for group, target in zip(groups, targets, strict=True)
            ]  # fmt: skip
            stages.append(Stage(encoding_title(space), tuple(pieces), space))
        return stages

    def without(self, session: Session, stages: Sequence[Stage]) -> Session | None:
        """Return the study without the spaces that could not be fitted."""
        spaces = [stage.space for stage in stages if stage.space is not None]
        return session.without(spaces) if len(spaces) < len(session.study.features) else None

    def costs(self, session: Session, known: Mapping[str, StageCost]) -> list[StageCost]:
        """Time a fit of each space's shape."""
        groups, folds = session.groups, session.study.encoding.folds
        costs = []
        for space in session.sources:
            fits = layer_costs(session, space)
            n_layers = len(session.features[space].layers)
            disk = n_layers * len(groups) * groups[0].targets.shape[1] * (8.0 * len(groups[0].stimuli) + 40 * folds)
            solvers = " and ".join(sorted({fit.solver for fit in fits}))
            costs.append(
                StageCost(
                    encoding_title(space), n_layers * len(groups), n_layers * sum(fit.seconds for fit in fits),
                    max(fit.memory for fit in fits), disk, f"{solvers}: fewest operations by count",
                )
            )  # fmt: skip
        return costs

    def add(self, results: xr.Dataset, session: Session) -> xr.Dataset:
        """Return the results with the scores of all layers and of the best, tests of them, and errors by stimulus."""
        stimuli, features = list(session.inputs.stimuli), session.features
        layers = {space: found.layers for space, found in features.items()}
        parts = [_group_variables(fit, layers, stimuli) for fit in group_fits(session)]
        n_frames = results.sizes["example_frame"]
        out = results.assign({name: _join([part[name] for part in parts], n_frames) for name in parts[0]})
        for variable in [v for v in out.data_vars if str(v).startswith("p_gain")]:
            q = np.array([false_discovery_rate(p) for p in out[variable].values])
            out[str(variable).replace("p_gain", "q_gain")] = (("space", "electrode"), q)
        return with_statistics(maximum_over_layers(out), session.study.seed)


def encoding_title(space: str) -> str:
    """Name the stage that fits a space."""
    return f"encoding {space}"


def encoding_done(session: Session) -> bool:
    """Return whether all fits exist, so that the layers that they choose are known."""
    return EncodingAnalysis().done(session)


def group_fits(session: Session) -> list[GroupFits]:
    """Load the fits of all groups, which exist, and choose the best layers."""
    return session.kept("fits of all layers", lambda: _load_fits(session))


def _load_fits(session: Session) -> list[GroupFits]:
    groups, features = session.groups, session.features
    paths: list[dict[tuple[str, str], Any]] = [{} for _ in groups]
    for stage in EncodingAnalysis().stages(session):
        space = stage.space
        assert space is not None, "a stage of this analysis is of one space"
        for at, path in enumerate(session.cache.paths(stage.pieces, session.report)):
            paths[at % len(groups)][space, features[space].layers[at // len(groups)]] = path
    return [
        GroupFits(
            group,
            layers,
            mean_sse=mean_errors(group),
            best={
                space: best_layers((LayerFit.load(layers[space, layer]) for layer in found.layers), group)
                for space, found in features.items()
            },
        )
        for group, layers in zip(groups, paths, strict=True)
    ]


def maximum_over_layers(results: xr.Dataset) -> xr.Dataset:
    """Return the results with the published choice of a layer: the maximum over layers of the scores themselves.

    ``max_r2`` (space, electrode), of the mean R² of folds: what it lies above ``best_r2``, whose layer inner folds
    chose, is optimism. ``max_mean_squared_r``, of the mean of r² over folds, is what the paper's code calls R².
    """
    scores = {"max_r2": results["r2"], "max_mean_squared_r": results["r"] ** 2}
    out = {}
    for name, values in scores.items():
        mean = values.mean("fold", skipna=True)
        rows = []
        for space in results["space"].values:
            layers = mean.isel(model=np.flatnonzero(results["model_space"].values == space)).values
            known = np.where(np.isfinite(layers), layers, -np.inf).max(axis=0)
            rows.append(np.where(np.isfinite(known), known, np.nan))
        out[name] = (("space", "electrode"), np.stack(rows))
    return results.assign(out)


def _group_variables(fits: GroupFits, layers: Mapping[str, Sequence[str]], stimuli: list[str]) -> dict[str, Variable]:
    """Return the variables of one group's electrodes, the shuffled twins among them."""
    group, n_electrodes = fits.group, len(fits.group.electrodes)
    real, twin = slice(0, n_electrodes), slice(n_electrodes, None)
    at = np.searchsorted(stimuli, group.stimuli)
    _, rows = group.example()

    def everywhere(errors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Put (n_stimuli of the group, c) at their places among all stimuli: (c, all stimuli)."""
        out = np.full((errors.shape[1], len(stimuli)), np.nan)
        out[:, at] = errors.T
        return out

    scores = _layer_scores(fits)
    out: dict[str, Variable] = {}
    for suffix, part in (("", real), ("_shuffled", twin))[: 1 + bool(group.y_shuffled.shape[1])]:
        for name, values in scores.items():
            dims = ("model", "electrode", "fold")[: values.ndim]
            out[name + suffix] = (dims, values[:, part])
        for name in ("r2", "r", "alpha"):
            values = np.stack([getattr(best, name)[:, part].T for best in fits.best.values()])
            out[f"best_{name}{suffix}"] = (("space", "electrode", "fold"), values)
        chosen = [_layer_names(best.layer[:, part].T, layers[space]) for space, best in fits.best.items()]
        out["best_layer" + suffix] = (("space", "electrode", "fold"), np.stack(chosen))
        pooled = np.stack([best.pooled_r2[part] for best in fits.best.values()])
        out["best_pooled_r2" + suffix] = (("space", "electrode"), pooled)
        p = [prediction_p_values(best.sse[:, part], fits.mean_sse[:, part]) for best in fits.best.values()]
        out["p_gain" + suffix] = (("space", "electrode"), np.stack(p))
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
    """Return the scores of all layers, each (n_models, c) or (n_models, c, n_folds)."""
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
