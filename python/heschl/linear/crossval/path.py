"""Cross-validation of λ: every training set fitted once for all λ, every test set scored by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear.crossval.scores import Variation, nanmean
from heschl.linear.device.arrays import Double, Integers
from heschl.linear.device.threads import map_threads, n_threads
from heschl.linear.ridge.training import Solver
from heschl.linear.ridge.weights import Weights

Progress = Callable[[int, int], None]


class AlphaEdgeWarning(UserWarning):
    """A chosen λ lies at an end of the grid: the best one may lie beyond."""


@dataclass(frozen=True)
class PathScores:
    """Scores over splits and penalties; NaN where every test response is constant, or a solver left a penalty out."""

    r2: Double  # (n_alphas, c): unweighted mean over splits of each split's R²
    pooled_r2: Double  # (n_alphas, c): 1 - Σ SSE / Σ SST


class FoldErrors:
    """Squared errors of (split, penalty, target), and the two ways to average them into R²."""

    def __init__(self, variations: Sequence[Variation], n_alphas: int) -> None:
        self.sst = np.stack([variation.sst for variation in variations])  # (splits, c)
        self.sse = np.full((len(variations), n_alphas, self.sst.shape[1]), np.nan)

    def missing(self, split: int, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of some entries (n_alphas, c) a split does not know, though its responses vary."""
        return np.asarray(wanted & np.isnan(self.sse[split]) & np.isfinite(self.sst[split]))

    def scores(self) -> PathScores:
        """R² averaged over splits, and pooled over them."""
        fold_r2 = 1.0 - self.sse / self.sst[:, None, :]
        defined = np.isfinite(self.sst)[:, None, :]
        unknown = (defined & np.isnan(self.sse)).any(axis=0)
        total = np.where(np.isfinite(self.sst), self.sst, 0.0).sum(axis=0)
        sse = np.where(defined, self.sse, 0.0).sum(axis=0)
        pooled = 1.0 - np.divide(sse, total, out=np.full_like(sse, np.nan), where=total > 0)
        r2 = nanmean(fold_r2, axis=0)
        r2[unknown] = pooled[unknown] = np.nan
        return PathScores(r2, pooled)


def cross_validate(
    solver: Solver,
    train: Sequence[Sequence[int]],
    test: Sequence[Sequence[int]],
    variations: Sequence[Variation],
    alphas: Double,
    choose: Callable[[PathScores], Integers] | None = None,
) -> PathScores:
    """Score every penalty on every split, or where a solver leaves some out those that `choose` may choose.

    By default each target chooses by its mean R².
    """
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

    def again(split: int, missing: NDArray[np.bool_]) -> Double:
        return np.asarray(solver.train(train[split], solver.scratch()).errors(alphas, [test[split]], missing)[0])

    return settle(errors, alphas, choose or (lambda scores: choose_alpha(scores.r2, alphas, True)), again)


def settle(
    errors: FoldErrors,
    alphas: Double,
    choose: Callable[[PathScores], Integers],
    again: Callable[[int, NDArray[np.bool_]], Double],
) -> PathScores:
    """Scores in which every target's best λ is told apart from its neighbours.

    Solvers that leave λ out look at one split alone; the mean over splits may choose another λ than each of them.

    Parameters
    ----------
    errors : FoldErrors
        NaN where a solver has left a λ out; filled in.
    alphas : ndarray of shape (n_alphas,)
    choose : callable
        Index of each target's best λ.
    again : callable
        Squared errors (n_alphas, c) of a split, known where asked for.
    """
    while True:
        scores = errors.scores()
        wanted = unsettled(scores.r2, alphas, choose(scores))
        if not wanted.any():
            return scores
        for split in range(len(errors.sst)):
            missing = errors.missing(split, wanted)
            if missing.any():
                errors.sse[split][missing] = again(split, missing)[missing]


def unsettled(scores: Double, alphas: Double, chosen: Integers) -> NDArray[np.bool_]:
    """Whether a score (n_alphas, c) is left out, and next to the best, from which it has to be told apart."""
    descending = np.argsort(-alphas, kind="stable")
    unknown = np.isnan(scores[descending]) & np.isfinite(scores).any(axis=0)
    rank = np.argsort(descending)[chosen]
    out = np.zeros(scores.shape, dtype=bool)
    out[descending] = unknown & (np.abs(np.arange(len(alphas))[:, None] - rank) <= 1)
    return out


def choose_alpha(scores: Double, alphas: Double, per_target: bool) -> NDArray[np.int64]:
    """Index of the best penalty for each target, or one for all by the mean over targets; scores (n_alphas, c).

    Ties go to the larger penalty. A target whose score is nowhere defined gets the largest penalty.
    """
    descending = np.argsort(-alphas, kind="stable")
    judged = scores if per_target else np.repeat(joint_score(scores)[:, None], scores.shape[1], axis=1)
    judged = np.where(np.isfinite(judged), judged, -np.inf)[descending]
    return np.asarray(descending[np.argmax(judged, axis=0)], dtype=np.int64)


def joint_score(scores: Double) -> Double:
    """Mean over targets (n_alphas,), those without a score nowhere counted; NaN where one of the others has none."""
    defined = np.isfinite(scores).any(axis=0)
    return nanmean(scores, axis=1) if not defined.any() else np.asarray(scores[:, defined].mean(axis=1))


def at_edge(chosen: NDArray[np.int64], alphas: Double) -> NDArray[np.bool_]:
    """Whether a chosen penalty is the smallest or the largest of a grid of at least two."""
    ends = (int(np.argmin(alphas)), int(np.argmax(alphas)))
    return np.isin(chosen, ends) & (len(alphas) > 1)


def solve_chosen(
    solver: Solver, parts: Sequence[int], alphas: Double, chosen: NDArray[np.int64], scratch: Any
) -> Iterator[tuple[NDArray[np.int64], Weights]]:
    """Solve each target at its own penalty, in the training set of some parts: targets of one penalty together."""
    yield from solver.train(parts, scratch).chosen(alphas, chosen)
