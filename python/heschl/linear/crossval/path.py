"""Cross-validation of λ: every training set fitted once for all λ, every test set scored by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear.crossval.scores import FoldSums, Score, pooled_r2, r2
from heschl.linear.design.rows import row_numbers
from heschl.linear.design.segments import Splits
from heschl.linear.device.arrays import Bounds, Double, Integers
from heschl.linear.device.threads import map_threads, n_threads
from heschl.linear.moments.formulas import mean_of_defined
from heschl.linear.ridge.problem import Problem
from heschl.linear.ridge.training import Solver, Trained
from heschl.linear.ridge.weights import Weights
from heschl.notices import followed

Progress = Callable[[int, int], None]
Again = Callable[[int, NDArray[np.bool_]], Double]
"""Sums (1 or 3, n_alphas, c) of a split, known where asked for."""


# A penalty that was left out is asked for where its score might be better by so much.
BETTER = 0.001


class AlphaEdgeWarning(UserWarning):
    """A chosen λ lies at an end of the grid: the best one may lie beyond.

    Examples
    --------
    >>> import warnings
    >>> from heschl import AlphaEdgeWarning
    >>> warnings.simplefilter("error", AlphaEdgeWarning)  # to be stopped by it
    >>> warnings.simplefilter("default", AlphaEdgeWarning)
    """


@dataclass(frozen=True)
class PathScores:
    """Scores of every penalty and target, (n_alphas, c).

    NaN where the response is constant in every fold, or where a solver left the penalty out in one of them.

    Attributes
    ----------
    chosen_by : ndarray of shape (n_alphas, c)
        The score that penalties are chosen by, such that more is better.
    mean : ndarray of shape (n_alphas, c)
        Unweighted mean over folds of that score in each fold (R² where it is pooled).
    r2 : ndarray of shape (n_alphas, c)
        Unweighted mean over folds of R².
    pooled_r2 : ndarray of shape (n_alphas, c)
        1 - Σ SSE / Σ SST.
    """

    chosen_by: Double
    mean: Double
    r2: Double
    pooled_r2: Double

    @classmethod
    def of(cls, sums: FoldSums, score: Score) -> PathScores:
        """Score every penalty from sums of shape (n_alphas, K, c)."""
        mean = mean_of_defined(score.of_folds(sums), axis=-2)
        chosen_by = mean if score.pooled is None else score.pooled(sums)
        r2_mean = mean if score.of_folds is r2 else mean_of_defined(r2(sums), axis=-2)
        return cls(score.oriented(chosen_by), mean, r2_mean, pooled_r2(sums))

    @classmethod
    def joined(cls, blocks: Sequence[tuple[Integers, PathScores]], n_targets: int) -> PathScores:
        """Join the scores of some targets each into those of all."""
        out = cls(*np.full((4, len(blocks[0][1].mean), n_targets), np.nan))
        for targets, part in blocks:
            for field in fields(cls):
                getattr(out, field.name)[:, targets] = getattr(part, field.name)
        return out

    def of_targets(self, targets: Integers) -> PathScores:
        """Select some targets."""
        return PathScores(*(getattr(self, field.name)[:, targets] for field in fields(self)))


class PathSums:
    """Sums of every fold, penalty and target, collected fold by fold.

    Attributes
    ----------
    values : ndarray of shape (1 or 3, K, n_alphas, c)
        Σ (y - p)², and where the score needs them Σ (p - mean)² and Σ (y - mean) (p - mean). Where a solver left a
        penalty out, NaN or minus its guess.
    """

    def __init__(self, score: Score, sst: Double, n_alphas: int) -> None:
        self.score, self.sst = score, sst
        self.values = np.full((1 if score.errors_suffice else 3, len(sst), n_alphas, sst.shape[1]), np.nan)

    def missing(self, fold: int, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which of some entries (n_alphas, c) a fold does not know, though its responses vary."""
        return np.asarray(wanted & ~(self.values[0, fold] >= 0) & np.isfinite(self.sst[fold]))

    def fill(self, fold: int, wanted: NDArray[np.bool_], again: Again) -> None:
        """Score anew what a fold does not know of some entries."""
        missing = self.missing(fold, wanted)
        if missing.any():
            self.values[:, fold, missing] = again(fold, missing)[:, missing]

    def at(self, chosen: Integers) -> FoldSums:
        """Return the sums of each fold and target at a penalty, chosen (K, c)."""
        folds, targets = np.ogrid[: chosen.shape[0], : chosen.shape[1]]
        return FoldSums(self.sst, *self.values[:, folds, chosen, targets])

    def scores(self) -> PathScores:
        """Score every penalty."""
        return self._scores(self.values, ~(self.values[0] >= 0))

    def guesses(self) -> PathScores:
        """Score every penalty, those by guesses that a solver left out."""
        sse = np.abs(self.values[:1])
        return self._scores(np.concatenate([sse, self.values[1:]]), np.isnan(sse[0]))

    def _scores(self, values: Double, unknown: NDArray[np.bool_]) -> PathScores:
        by_penalty = (np.moveaxis(part, 0, 1) for part in values)  # (n_alphas, K, c), a view
        out = PathScores.of(FoldSums(self.sst, *by_penalty), self.score)
        left_out = (np.isfinite(self.sst)[:, None, :] & unknown).any(axis=0)
        for field in fields(out):
            getattr(out, field.name)[left_out] = np.nan
        return out


def path_sums(
    score: Score,
    problem: Problem,
    parts: Sequence[Bounds],
    trained: Trained,
    alphas: Double,
    tests: Sequence[Sequence[int]],
    wanted: NDArray[np.bool_] | None = None,
) -> Double:
    """Sum over the rows of each test set what a score is made of, at every penalty.

    Parameters
    ----------
    score : Score
    problem : Problem
    parts : sequence of ndarray of shape (s, 2)
        Segments of each part of the problem.
    trained : Trained
        A training set.
    alphas : ndarray of shape (n_alphas,)
    tests : sequence of sequence of int
        Parts of each test set.
    wanted : ndarray of shape (n_alphas, c), optional
        What must be known, where a solver leaves penalties out.

    Returns
    -------
    ndarray of shape (1 or 3, n_tests, n_alphas, c)
        As `PathSums.values`.
    """
    if score.errors_suffice:
        return trained.errors(alphas, tests, wanted)[None]
    known = trained.sums(alphas, tests, wanted)
    if known is not None:
        return known
    b = problem.X.backend
    ranges = [problem.ranges(np.concatenate([parts[part] for part in test])) for test in tests]
    responses = [b.put(np.ascontiguousarray(problem.y[row_numbers(rows)])) for rows in ranges]
    out = np.empty((3, len(tests), len(alphas), problem.y.shape[1]))
    for a, alpha in enumerate(alphas):
        weights = trained.weights(float(alpha))
        # Beside the intercept, what a large penalty leaves to vary would be rounded away, and r with it.
        slopes, less = (
            replace(weights, intercept=np.zeros_like(weights.intercept)),
            -weights.intercept.astype(np.float64),
        )
        for i, (rows, y) in enumerate(zip(ranges, responses, strict=True)):
            prediction = slopes.predict_placed(problem.X, rows, problem.lags)
            actual = b.shifted(b.copy(y), np.zeros(len(y)), less)
            sums = FoldSums.of(actual, prediction, [np.array([[0, len(y)]], dtype=np.int64)])
            out[:, i, a] = sums.sse[0], sums.ssp[0], sums.spy[0]  # type: ignore[index]
    return out


def cross_validate(
    score: Score,
    problem: Problem,
    solver: Solver,
    splits: Splits,
    sums: PathSums,
    alphas: Double,
    choose: Callable[[PathScores], Integers],
) -> PathScores:
    """Score every penalty on every split, or where a solver leaves some out those that `choose` may choose.

    `sums` are filled in.
    """
    train, test = splits.train, splits.test
    # Side by side, a path is cut where the splits alone would leave a thread without work at the end.
    threads = n_threads() if solver.side_by_side else 1
    pieces = 1 if len(train) % threads == 0 else min(threads, len(alphas))
    tasks = [(split, piece) for split in range(len(train)) for piece in np.array_split(np.arange(len(alphas)), pieces)]

    def path(task: tuple[int, Integers], scratch: Any) -> Double:
        split, piece = task
        trained = solver.train(train[split], scratch)
        return path_sums(score, problem, splits.parts, trained, alphas[piece], [test[split]])[:, 0]

    paths = map_threads(path, tasks, solver.scratch, small=solver.side_by_side)
    for (split, piece), values in zip(tasks, followed(paths, len(tasks), "training sets"), strict=True):
        sums.values[:, split, piece] = values

    return settle(sums, alphas, choose, scored_again(score, problem, solver, splits, alphas))


def scored_again(score: Score, problem: Problem, solver: Solver, splits: Splits, alphas: Double) -> Again:
    """Return the function that scores what a solver left out of a split."""

    def again(split: int, missing: NDArray[np.bool_]) -> Double:
        trained = solver.train(splits.train[split], solver.scratch())
        return path_sums(score, problem, splits.parts, trained, alphas, [splits.test[split]], missing)[:, 0]

    return again


def settle(
    sums: PathSums,
    alphas: Double,
    choose: Callable[[PathScores], Integers],
    again: Again,
) -> PathScores:
    """Return scores in which every target's best λ is told apart from its neighbours.

    Solvers that leave λ out look at one split alone; the mean over splits may choose another λ than each of them.

    Parameters
    ----------
    sums : PathSums
        Where a solver has left a λ out, NaN or minus its guess; filled in.
    alphas : ndarray of shape (n_alphas,)
    choose : callable
        Index of each target's best λ.
    again : callable
        Sums (1 or 3, n_alphas, c) of a split, known where asked for.
    """
    while True:
        scores = sums.scores()
        wanted = unsettled(scores.chosen_by, sums.guesses().chosen_by, alphas, choose(scores))
        if not wanted.any():
            return scores
        for split in range(len(sums.sst)):
            sums.fill(split, wanted, again)


def unsettled(scores: Double, guesses: Double, alphas: Double, chosen: Integers) -> NDArray[np.bool_]:
    """Return whether a score (n_alphas, c) is left out, but next to the best, or might be better by a guess."""
    descending = np.argsort(-alphas, kind="stable")
    unknown = np.isnan(scores[descending]) & np.isfinite(scores).any(axis=0)
    rank = np.argsort(descending)[chosen]
    best = scores[chosen, np.arange(scores.shape[1])]
    hope = unknown & (guesses[descending] > best + BETTER)
    near = np.abs(np.arange(len(alphas))[:, None] - rank) <= 1
    out = np.zeros(scores.shape, dtype=bool)
    out[descending] = unknown & (near | (hope & (hope.cumsum(axis=0) == 1)))
    return out


def choose_alpha(scores: Double, alphas: Double, per_target: bool) -> Integers:
    """Choose a penalty for each target, or one for all by the mean over targets.

    Parameters
    ----------
    scores : ndarray of shape (n_alphas, c)
        More is better. Ties go to the larger penalty; a target whose score is nowhere defined gets the largest.
    alphas : ndarray of shape (n_alphas,)
    per_target : bool

    Returns
    -------
    ndarray of shape (c,)
        Index of the penalty.
    """
    descending = np.argsort(-alphas, kind="stable")
    if not per_target:
        scores = np.repeat(joint_score(scores)[:, None], scores.shape[1], axis=1)
    judged = np.where(np.isfinite(scores), scores, -np.inf)[descending]
    return np.asarray(descending[np.argmax(judged, axis=0)], dtype=np.int64)


def joint_score(scores: Double) -> Double:
    """Return the mean over targets, (n_alphas,), of those with a score at all; NaN where one of these has none."""
    defined = np.isfinite(scores).any(axis=0)
    return mean_of_defined(scores, axis=1) if not defined.any() else np.asarray(scores[:, defined].mean(axis=1))


def at_edge(chosen: Integers, alphas: Double) -> NDArray[np.bool_]:
    """Return whether a chosen penalty is the smallest or the largest of a grid of at least two."""
    ends = (int(np.argmin(alphas)), int(np.argmax(alphas)))
    return np.isin(chosen, ends) & (len(alphas) > 1)


def solve_chosen(
    solver: Solver, parts: Sequence[int], alphas: Double, chosen: Integers, scratch: Any
) -> Iterator[tuple[Integers, Weights]]:
    """Solve each target at its own penalty, in the training set of some parts: targets of one penalty together."""
    yield from solver.train(parts, scratch).chosen(alphas, chosen)
