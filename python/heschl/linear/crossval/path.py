"""Cross-validation of λ: every training set fitted once for all λ, every test set scored by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear.crossval.scores import Variation, nanmean
from heschl.linear.device.arrays import Double
from heschl.linear.device.threads import map_threads, n_threads
from heschl.linear.ridge.training import Solver
from heschl.linear.ridge.weights import Weights

Progress = Callable[[int, int], None]


class AlphaEdgeWarning(UserWarning):
    """A chosen λ lies at an end of the grid: the best one may lie beyond."""


@dataclass(frozen=True)
class PathScores:
    """Scores over splits and penalties; NaN where a split's test response is constant."""

    r2: Double  # (n_alphas, c): unweighted mean over splits of each split's R²
    pooled_r2: Double  # (n_alphas, c): 1 - Σ SSE / Σ SST


class FoldErrors:
    """Squared errors of (split, penalty, target), and the two ways to average them into R²."""

    def __init__(self, variations: Sequence[Variation], n_alphas: int) -> None:
        self.sst = np.stack([variation.sst for variation in variations])  # (splits, c)
        self.sse = np.full((len(variations), n_alphas, self.sst.shape[1]), np.nan)

    def scores(self) -> PathScores:
        """R² averaged over splits, and pooled over them."""
        fold_r2 = 1.0 - self.sse / self.sst[:, None, :]
        defined = np.isfinite(self.sst)[:, None, :]
        total = np.where(np.isfinite(self.sst), self.sst, 0.0).sum(axis=0)
        sse = np.where(defined, self.sse, 0.0).sum(axis=0)
        pooled = 1.0 - np.divide(sse, total, out=np.full_like(sse, np.nan), where=total > 0)
        return PathScores(nanmean(fold_r2, axis=0), pooled)


def cross_validate(
    solver: Solver,
    train: Sequence[Sequence[int]],
    test: Sequence[Sequence[int]],
    variations: Sequence[Variation],
    alphas: Double,
) -> PathScores:
    """Score every penalty on every split."""
    errors = FoldErrors(variations, len(alphas))
    # Side by side, a path is cut where the splits alone would leave a thread without work at the end.
    threads = n_threads() if solver.side_by_side else 1
    pieces = 1 if len(train) % threads == 0 else min(threads, len(alphas))
    tasks = [(split, piece) for split in range(len(train)) for piece in np.array_split(np.arange(len(alphas)), pieces)]

    def path(task: tuple[int, NDArray[np.int64]], scratch: Any) -> Double:
        split, piece = task
        return np.asarray(solver.train(train[split], scratch).errors(alphas[piece], [test[split]])[0])

    found = map_threads(path, tasks, solver.scratch, small=solver.side_by_side)
    for (split, piece), sse in zip(tasks, found, strict=True):
        errors.sse[split, piece] = sse
    return errors.scores()


def choose_alpha(scores: Double, alphas: Double, per_target: bool) -> NDArray[np.int64]:
    """Index of the best penalty for each target, or one for all by the mean over targets; scores (n_alphas, c).

    Ties go to the larger penalty. A target whose score is nowhere defined gets the largest penalty.
    """
    descending = np.argsort(-alphas, kind="stable")
    judged = scores if per_target else np.repeat(nanmean(scores, axis=1)[:, None], scores.shape[1], axis=1)
    judged = np.where(np.isfinite(judged), judged, -np.inf)[descending]
    return np.asarray(descending[np.argmax(judged, axis=0)], dtype=np.int64)


def at_edge(chosen: NDArray[np.int64], alphas: Double) -> NDArray[np.bool_]:
    """Whether a chosen penalty is the smallest or the largest of a grid of at least two."""
    ends = (int(np.argmin(alphas)), int(np.argmax(alphas)))
    return np.isin(chosen, ends) & (len(alphas) > 1)


def solve_chosen(
    solver: Solver, parts: Sequence[int], alphas: Double, chosen: NDArray[np.int64], scratch: Any
) -> Iterator[tuple[NDArray[np.int64], Weights]]:
    """Solve each target at its own penalty, in the training set of some parts: targets of one penalty together."""
    trained = solver.train(parts, scratch)
    for a in np.unique(chosen):
        targets = np.flatnonzero(chosen == a)
        yield targets, trained.weights(float(alphas[a]), targets)
