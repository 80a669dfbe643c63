"""Banded ridge: a penalty for each feature space, chosen for each target, all from the same moments.

Minimises ‖Y - Σ_j X_j W_j - 1 bᵀ‖² + Σ_j λ_j ‖W_j‖². Reading the features of space j √γ_j times as large makes it ridge
with one penalty α, λ_j = α / γ_j (Nunez-Elizalde, Huth and Gallant 2019; the parametrisation of Dupré la Tour,
Eickenberg, Nunez-Elizalde and Gallant 2022). So every candidate γ is a rescaling of X'X, and has its path over α.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear.cv import FoldErrors
from heschl.linear.frames import Double, Float
from heschl.linear.primal import Primal
from heschl.linear.problem import Problem
from heschl.linear.ridge import Weights
from heschl.linear.rows import row_numbers
from heschl.linear.scores import Variation, nanmean
from heschl.linear.segments import Splits
from heschl.linear.threads import map_threads

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Candidates:
    """Penalties to choose from: for each γ its own α; candidate i is γ[which[i]] at α[i].

    Attributes
    ----------
    gammas : ndarray of shape (g, m)
        Weights of the m spaces, 0 ... 1; 0 leaves a space out.
    which, alphas : ndarray of shape (n_candidates,)
    """

    gammas: Double
    which: Integers
    alphas: Double

    @property
    def penalties(self) -> Double:
        """λ of each candidate and space, (n_candidates, m); infinite where a space is left out."""
        gammas = self.gammas[self.which]
        out = np.full(gammas.shape, np.inf)
        np.divide(self.alphas[:, None], gammas, out=out, where=gammas > 0)
        return out

    @classmethod
    def grid(cls, n_spaces: int, alphas: Double) -> Candidates:
        """Every combination of penalties over the spaces; those of one ratio share a γ."""
        found: dict[tuple[float, ...], list[float]] = {}
        for penalties in itertools.product(np.sort(alphas)[::-1].tolist(), repeat=n_spaces):
            least = min(penalties)
            found.setdefault(tuple(float(f"{least / penalty:.12g}") for penalty in penalties), []).append(least)
        return cls._of([(gamma, np.array(own)) for gamma, own in found.items()])

    @classmethod
    def random(cls, n_spaces: int, alphas: Double, n_iter: int, rng: np.random.Generator) -> Candidates:
        """Equal weights, each space alone, then Dirichlet draws (concentrations 1 and 0.1 in turn), each with all α."""
        gammas = [np.full(n_spaces, 1.0 / n_spaces), *np.eye(n_spaces)]
        while len(gammas) < n_iter:
            gammas.append(rng.dirichlet(np.full(n_spaces, (1.0, 0.1)[len(gammas) % 2])))
        descending = np.sort(alphas)[::-1]
        return cls._of([(tuple(gamma.tolist()), descending) for gamma in gammas])

    @classmethod
    def _of(cls, found: Sequence[tuple[tuple[float, ...], Double]]) -> Candidates:
        which = np.repeat(np.arange(len(found)), [len(own) for _, own in found])
        return cls(np.array([gamma for gamma, _ in found]), which, np.concatenate([own for _, own in found]))


@dataclass(frozen=True)
class Spaces:
    """Feature spaces as columns: names and the space of each feature, (d,)."""

    names: tuple[str, ...]
    member: Integers

    def bands(self, gamma: Double) -> Double:
        """How much larger each feature is read."""
        return np.asarray(np.sqrt(gamma)[self.member])


def search(solver: Primal, splits: Splits, spaces: Spaces, candidates: Candidates, pooled: bool = False) -> Double:
    """Mean R² over splits (or pooled R²) of every candidate and target, (n_candidates, c)."""
    problem = solver.problem
    variations = [Variation.of(problem.y, problem.ranges(splits.test_bounds(s))) for s in range(len(splits.test))]
    scores = np.empty((len(candidates.alphas), problem.y.shape[1]))

    def errors(task: tuple[int, int], scratch: Any) -> Double:
        gamma, split = task
        banded = solver.banded(spaces.bands(candidates.gammas[gamma]))
        own = candidates.alphas[candidates.which == gamma]
        return np.asarray(banded.train(splits.train[split], scratch).errors(own, [splits.test[split]])[0])

    tasks = list(itertools.product(range(len(candidates.gammas)), range(len(splits.test))))
    found = map_threads(errors, tasks, solver.scratch, small=solver.side_by_side)
    for gamma in range(len(candidates.gammas)):
        own = candidates.which == gamma
        fold_errors = FoldErrors(variations, int(own.sum()))
        for split in range(len(splits.test)):
            fold_errors.sse[split] = next(found)
        path = fold_errors.scores()
        scores[own] = path.pooled_r2 if pooled else path.r2
    return scores


def choose(scores: Double, candidates: Candidates, per_target: bool) -> Integers:
    """Best candidate for each target, or one for all; of equal ones that of the largest α."""
    judged = scores if per_target else np.repeat(nanmean(scores, axis=1)[:, None], scores.shape[1], axis=1)
    order = np.argsort(-candidates.alphas, kind="stable")
    judged = np.where(np.isfinite(judged), judged, -np.inf)[order]
    return np.asarray(order[np.argmax(judged, axis=0)], dtype=np.int64)


def fit_chosen(
    solver: Primal, parts: Sequence[int], spaces: Spaces, candidates: Candidates, chosen: Integers
) -> Weights:
    """Weights of every target at its own candidate, in the training set of some parts."""

    def at(candidate: int, scratch: Any) -> tuple[Integers, Weights]:
        targets = np.flatnonzero(chosen == candidate)
        banded = solver.banded(spaces.bands(candidates.gammas[candidates.which[candidate]]))
        return targets, banded.train(parts, scratch).weights(float(candidates.alphas[candidate]), targets)

    found = list(map_threads(at, np.unique(chosen).tolist(), solver.scratch, small=solver.side_by_side))
    first = found[0][1]
    values = np.empty((len(first.values), len(chosen)), first.values.dtype)
    intercept = np.empty(len(chosen), first.values.dtype)
    for targets, weights in found:
        values[:, targets], intercept[targets] = weights.values, weights.intercept
    return Weights(values, first.shift, intercept)


def split_r2(solver: Primal, splits: Splits, spaces: Spaces, candidates: Candidates, chosen: Integers) -> Double:
    """R² of the joint prediction on held-out folds, shared out among the spaces, (m, c); it sums to R² exactly.

    The product measure: with ŷ = Σ_j ŷ_j, space j gets Σ_t ŷ_j (2 (y - ȳ) - (ŷ - ȳ)) / Σ_t (y - ȳ)², every ŷ_j about
    its mean in the training rows, and the constant by which the means of y in training and test rows differ shared
    equally
    (Pratt 1987; Dupré la Tour et al. 2022). A mean over folds, as R² is.
    """
    shares = np.empty((len(splits.test), len(spaces.names), solver.problem.y.shape[1]))
    for split in range(len(splits.test)):
        weights = fit_chosen(solver, splits.train[split], spaces, candidates, chosen)
        shares[split] = _shares(solver, splits, split, spaces, weights)
    return nanmean(shares, axis=0)


def _shares(solver: Primal, splits: Splits, split: int, spaces: Spaces, weights: Weights) -> Double:
    problem: Problem = solver.problem
    ranges = problem.ranges(splits.test_bounds(split))
    train = problem.ranges(np.concatenate([splits.parts[part] for part in splits.train[split]]))
    y = problem.y[row_numbers(ranges)].astype(np.float64)
    nothing = np.zeros_like(weights.intercept)
    total: Float = weights.predict(problem.X, ranges, problem.lags).astype(np.float64)
    own = []
    for space in range(len(spaces.names)):
        inside = np.tile(spaces.member == space, len(problem.lags))[:, None]
        alone = Weights(weights.values * inside, weights.shift, nothing)
        prediction = alone.predict(problem.X, ranges, problem.lags).astype(np.float64)
        own.append(prediction - alone.predict(problem.X, train, problem.lags).mean(axis=0, dtype=np.float64))
    y_mean = y.mean(axis=0)
    rest = total - y_mean - sum(own)  # a constant: of the responses, not of any space
    gain = 2.0 * (y - y_mean) - (total - y_mean)
    sst = ((y - y_mean) ** 2).sum(axis=0)
    parts = np.stack([np.einsum("tc,tc->c", each + rest / len(own), gain) for each in own])
    varies = y.max(axis=0) > y.min(axis=0)
    return np.asarray(np.divide(parts, sst, out=np.full(parts.shape, np.nan), where=varies))
