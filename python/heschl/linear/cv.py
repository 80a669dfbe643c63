"""Cross-validation of λ from moments: one pass over the data, then one path of Cholesky solves per training set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from heschl.linear.moments import Bounds, Double, Float, LaggedMoments, NormalEquations, Shift
from heschl.linear.ridge import Weights, solve
from heschl.linear.scores import Variation, nanmean
from heschl.linear.segments import Splits
from heschl.linear.threads import map_threads

Progress = Callable[[int, int], None]
Item = TypeVar("Item")
Result = TypeVar("Result")

# Columns of the design up to which training sets are solved side by side, each with an X'X of its own (32 MB at most in
# float64); above, two threads inside one factorisation are as fast.
SMALL_GRAM = 2000


class AlphaEdgeWarning(UserWarning):
    """A chosen λ lies at an end of the grid: the best one may lie beyond."""


@dataclass(frozen=True)
class Problem:
    """Data and model of one fit: everything that stays the same over folds and penalties."""

    X: Float  # (n, d)
    y: Float  # (n, c), same dtype
    lags: range
    fit_intercept: bool
    standardize: bool

    def in_float64(self) -> Problem:
        """The same in double precision."""
        return replace(self, X=self.X.astype(np.float64), y=self.y.astype(np.float64))

    def operations(self, n_solves: int) -> float:
        """Floating-point operations of the moments and of that many Cholesky solves, roughly."""
        (n, d), c = self.X.shape, self.y.shape[1]
        p = float(len(self.lags) * d)
        return float(2 * n * p * (d + c) + n_solves * (p**3 / 3 + 2 * p * c * (p + n)))

    def moments(self, parts: Sequence[Bounds]) -> list[LaggedMoments]:
        """Moments of each part, in one pass over the data."""
        shift = Shift.near_mean(self.X, self.y)
        return [LaggedMoments.from_data(self.X, self.y, part, self.lags, shift) for part in parts]

    def equations(self, parts: Iterable[LaggedMoments], gram: Float | None = None) -> NormalEquations:
        """Normal equations of the union of some parts; `gram` is memory to use again."""
        return LaggedMoments.total(list(parts)).normal_equations(
            fit_intercept=self.fit_intercept, standardize=self.standardize, gram=gram
        )

    def gram_memory(self) -> Float:
        """Room for one X'X, the largest thing a fit holds."""
        p = len(self.lags) * self.X.shape[1]
        return np.empty((p, p), self.X.dtype)

    def map(self, work: Callable[[Item, Float], Result], items: Sequence[Item]) -> Iterator[Result]:
        """work(item, memory for X'X) for each of some training sets; side by side where X'X is small."""
        n_columns = len(self.lags) * self.X.shape[1]
        return map_threads(work, items, self.gram_memory, small=n_columns <= SMALL_GRAM)

    def squared_error(self, weights: Weights, bounds: Bounds) -> Double:
        """Σ (y - prediction)² of each target over the rows in `bounds`."""
        return weights.squared_error(self.X, self.y, bounds, self.lags)


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


def cross_validate(problem: Problem, parts: Sequence[LaggedMoments], splits: Splits, alphas: Double) -> PathScores:
    """Score every penalty on every split."""
    tests = [splits.test_bounds(split) for split in range(len(splits.test))]
    errors = FoldErrors([Variation.of(problem.y, test) for test in tests], len(alphas))

    def path(split: int, gram: Float) -> list[Double]:
        equations = problem.equations((parts[part] for part in splits.train[split]), gram)
        return [problem.squared_error(solve(equations, alpha), tests[split]) for alpha in alphas]

    for split, sse in enumerate(problem.map(path, range(len(tests)))):
        errors.sse[split] = sse
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
    equations: NormalEquations, alphas: Double, chosen: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], Weights]]:
    """Solve each target at its own penalty: targets that share one share a factorisation."""
    for a in np.unique(chosen):
        targets = np.flatnonzero(chosen == a)
        yield targets, solve(equations, float(alphas[a]), targets)
