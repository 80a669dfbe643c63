"""The price of fits on this machine, found by trials: fits of noise in the study's own shapes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from heschl.linear import Repeated, nested_cv
from heschl.linear.crossval.nested import n_training_sets
from heschl.linear.device.devices import DEVICES
from heschl.linear.device.rates import measured_rate
from heschl.linear.ridge.size import FitSize
from heschl.linear.ridge.solvers import choose_solver, place
from heschl.study.analyses.analysis import StageCost
from heschl.study.config.encoding import Encoding
from heschl.study.inputs.groups import FitGroup
from heschl.study.session import Session

TRIAL_OPERATIONS = 1e10
"""Of one trial fit: about a quarter of a second on two cores."""
TRIAL_TARGETS = 200
"""Of one trial fit of words."""
FIT_SLOWNESS = 1.5
"""Time of a large fit over that of a product of as many operations: 0.9 to 1.7 at the paper's size."""


@dataclass(frozen=True)
class FitCost:
    """What one nested fit will take.

    Attributes
    ----------
    seconds : float
    memory : float
        Bytes, at the peak.
    solver : str
        The one that "auto" takes.
    operations : float
        That it counts.
    """

    seconds: float
    memory: float
    solver: str
    operations: float


def layer_costs(session: Session, space: str) -> list[FitCost]:
    """Estimate the fit of one layer of a space to each group: one trial, and the others by their operations."""
    groups = session.groups
    largest = max(groups, key=lambda group: int(group.lengths.sum()) * group.targets.shape[1])
    timed = layer_cost(session, space, largest)
    found = []
    for group in groups:
        size = timed if group is largest else layer_cost(session, space, group, seconds=0.0)
        share = size.operations / max(timed.operations, 1.0)
        found.append(replace(size, seconds=timed.seconds * share))
    return found


def layer_cost(session: Session, space: str, group: FitGroup, *, seconds: float | None = None) -> FitCost:
    """Estimate the fit of one layer of a space to one group; with `seconds`, without a trial."""
    encoding, about = session.study.encoding, session.sources[space].description
    placement, keep = session.study.features[space].placement, session.study.features[space].pca
    n = int(group.lengths.sum())
    n_rows = float(n)
    width = about.width if keep is None or keep <= 1 else min(about.width, int(keep))
    repeated = placement is not None and placement.at == "word"
    if repeated:
        n_rows = min(n_rows, 2.0 * sum(len(session.inputs.stimuli[s].words) for s, _ in group.segments) + 1)
    n_lags = len(encoding.lags(session.grid.rate))
    size = fit_size(encoding, n, n_rows, width, n_lags, group.targets.shape[1], len(group.segments))
    method, block = choose_solver(size, "auto", None)
    operations = method.operations(size)
    fit = method.n_bytes(replace(size, n_targets=block)) if size.device == "cpu" else 0.0
    memory = fit + 4.0 * n * (about.width + width + 4 * size.n_targets)
    if seconds is None:
        took, timed = _trial(group, size, encoding, repeated, min(1.0, TRIAL_OPERATIONS / operations))
        seconds = took * operations / choose_solver(timed, "auto", None)[0].operations(timed)
        # A trial much smaller than the fit is mostly calls; the fit is mostly products, of which the rate is known.
        seconds = min(seconds, max(took, FIT_SLOWNESS * operations / measured_rate(DEVICES[size.device])))
    return FitCost(seconds, memory, method.name, operations)


def fit_size(
    encoding: Encoding, n: int, n_rows: float, width: int, n_lags: int, n_targets: int, n_segments: int
) -> FitSize:
    """Size the nested fit of one layer, and choose where it runs."""
    size = FitSize(
        n, n_rows, width, n_lags, n_targets, len(encoding.alpha_grid()), encoding.folds, n_segments,
        n_training_sets(encoding.folds), encoding.standardize, 4,
    )  # fmt: skip
    return replace(size, device=place(encoding.device, size, "auto"))


def _trial(group: FitGroup, size: FitSize, encoding: Encoding, repeated: bool, share: float) -> tuple[float, FitSize]:
    """Time one fit of noise: of the study's shape, with fewer targets, λ and features where a whole one takes long.

    Returns
    -------
    took : float
        Seconds.
    timed : FitSize
        What took so long.
    """
    alphas, targets, width = encoding.alpha_grid(), size.n_targets, size.n_features
    n_targets = max(1, round(targets * min(1.0, 2 * share)))
    n_alphas = max(1, round(len(alphas) * min(1.0, 2 * share)))
    # What is cut from targets and λ need not be cut from features, down to the share asked for.
    done = (n_targets / targets + n_alphas / len(alphas)) / 2
    columns = max(1, round(width * min(1.0, np.sqrt(share / max(done, share)))))
    rng = np.random.default_rng(0)
    n = int(group.lengths.sum())
    X: NDArray[np.float32] | Repeated = rng.standard_normal((n, columns), dtype=np.float32)
    n_products = float(n)
    if repeated:
        counts = np.full(max(1, n // 10), 10, dtype=np.int64)
        counts[-1] += n - counts.sum()
        X = Repeated(rng.standard_normal((len(counts), columns), dtype=np.float32), counts)
        n_products = float(len(counts))
    begin = time.perf_counter()
    nested_cv(
        X, rng.standard_normal((n, n_targets), dtype=np.float32), segments=group.lengths, folds=group.folds,
        lags=range(size.n_lags), alphas=alphas[:n_alphas], standardize=encoding.standardize, device=size.device,
    )  # fmt: skip
    took = time.perf_counter() - begin
    timed = replace(
        size, n_features=columns, n_targets=n_targets, n_alphas=n_alphas, n_products=min(size.n_products, n_products)
    )
    return took, timed


def per_fit(known: Mapping[str, StageCost], title: str) -> tuple[float, float]:
    """Return seconds and memory of one piece of a stage whose cost is known; nothing where it is not."""
    cost = known.get(title)
    return (cost.seconds / max(1, cost.fits), cost.memory) if cost is not None else (0.0, 0.0)


def fit_seconds(encoding: Encoding, n_rows: int, width: int, n_targets: int) -> float:
    """Time one nested fit of noise without lags, with fewer targets where they are many."""
    rng, timed = np.random.default_rng(0), min(n_targets, TRIAL_TARGETS)
    lengths = np.diff(np.linspace(0, max(n_rows, 4 * encoding.folds), encoding.folds + 1).astype(np.int64))
    X, y = (rng.standard_normal((int(lengths.sum()), k), dtype=np.float32) for k in (width, timed))
    begin = time.perf_counter()
    nested_cv(
        X, y, segments=lengths, folds=np.arange(encoding.folds), lags=range(1), alphas=encoding.alpha_grid(),
        standardize=False, device=encoding.device,
    )  # fmt: skip
    return (time.perf_counter() - begin) * n_targets / timed
