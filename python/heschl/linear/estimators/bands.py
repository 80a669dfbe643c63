"""Banded ridge: a penalty for each feature space, chosen for each target, all from the same moments.

Minimises ‖Y - Σ_j X_j W_j - 1 bᵀ‖² + Σ_j λ_j ‖W_j‖². Reading the features of space j √γ_j times as large makes it ridge
with one penalty α, λ_j = α / γ_j (Nunez-Elizalde, Huth and Gallant 2019; the parametrisation of Dupré la Tour,
Eickenberg, Nunez-Elizalde and Gallant 2022). So every candidate γ is a rescaling of X'X, and has its path over α.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from heschl.linear.crossval.fit import joined
from heschl.linear.crossval.path import PathScores, PathSums, choose_alpha, path_sums, scored_again, settle
from heschl.linear.crossval.scores import Score, fold_squares
from heschl.linear.design.rows import row_numbers
from heschl.linear.design.segments import Splits
from heschl.linear.device.arrays import Double, Integers
from heschl.linear.device.host import HOST
from heschl.linear.device.threads import map_threads
from heschl.linear.moments.formulas import mean_of_defined, quotient
from heschl.linear.ridge.primal import Primal
from heschl.linear.ridge.size import STACKED_BYTES
from heschl.linear.ridge.weights import Weights
from heschl.notices import followed


@dataclass(frozen=True)
class Candidates:
    """Penalties to choose from: for each γ its own α; candidate i is γ[which[i]] at α[i].

    Attributes
    ----------
    gammas : ndarray of shape (g, m)
        Weights of the m spaces, 0 ... 1; 0 leaves a space out.
    which, alphas : ndarray of shape (n_candidates,)
    penalties : ndarray of shape (n_candidates, m)
        λ of each space, α / γ; infinite where a space is left out.
    """

    gammas: Double
    which: Integers
    alphas: Double
    penalties: Double

    @classmethod
    def of(cls, gammas: Double, alphas: Double) -> Candidates:
        """Combine every γ with every α."""
        which, repeated = np.repeat(np.arange(len(gammas)), len(alphas)), np.tile(alphas, len(gammas))
        penalties = np.full((len(repeated), gammas.shape[1]), np.inf)
        # A draw so small that the quotient overflows is one that leaves the space out.
        with np.errstate(over="ignore"):
            np.divide(repeated[:, None], gammas[which], out=penalties, where=gammas[which] > 0)
        return cls(gammas, which, repeated, penalties)

    @classmethod
    def grid(cls, n_spaces: int, alphas: Double) -> Candidates:
        """Combine all penalties over the spaces; combinations of one ratio share a γ, and α is their least."""
        gammas: dict[tuple[float, ...], tuple[int, list[float]]] = {}
        found = []
        for penalties in itertools.product(np.sort(alphas)[::-1].tolist(), repeat=n_spaces):
            least = min(penalties)
            gamma = [least / penalty for penalty in penalties]
            # Equal ratios of a logarithmic grid differ by rounding.
            which, _ = gammas.setdefault(tuple(float(f"{g:.12g}") for g in gamma), (len(gammas), gamma))
            found.append((which, least, penalties))
        found.sort(key=lambda candidate: candidate[0])
        by_field = [np.array(field) for field in zip(*found, strict=True)]
        return cls(np.array([gamma for _, gamma in gammas.values()]), *by_field)

    @classmethod
    def random(
        cls, n_spaces: int, alphas: Double, n_iter: int, concentration: Double, rng: np.random.Generator
    ) -> Candidates:
        """Draw γ: equal weights, each space alone, then draws of each concentration in turn, with every α."""
        gammas = [np.full(n_spaces, 1.0 / n_spaces), *np.eye(n_spaces)]
        for draw in range(n_iter - len(gammas)):
            gammas.append(rng.dirichlet(np.full(n_spaces, concentration[draw % len(concentration)])))
        return cls.of(np.array(gammas), np.sort(alphas)[::-1])


@dataclass(frozen=True)
class Spaces:
    """Feature spaces as columns: names and the space of each feature, (d,)."""

    names: tuple[str, ...]
    member: Integers

    def bands(self, gamma: Double) -> Double:
        """Return the factor by which each feature is scaled, (d,)."""
        return np.asarray(np.sqrt(gamma)[self.member])

    def without(self, space: int) -> tuple[Integers, Spaces]:
        """Return the columns of all spaces but one, and which of the others each belongs to."""
        columns = np.flatnonzero(self.member != space)
        member = self.member[columns]
        return columns, Spaces(self.names[:space] + self.names[space + 1 :], member - (member > space))


def search(
    solver: Primal,
    splits: Splits,
    spaces: Spaces,
    candidates: Candidates,
    score: Score,
    per_target: bool = True,
) -> PathScores:
    """Score every candidate and target by cross-validation, (n_candidates, c).

    NaN where every response is constant, or a solver leaves out what is not a weighting's best.
    """
    problem, sst = solver.problem, _squares(solver, splits)

    def path(task: tuple[int, int], scratch: Any) -> Double:
        gamma, split = task
        alphas = candidates.alphas[candidates.which == gamma]
        trained = solver.banded(spaces.bands(candidates.gammas[gamma])).train(splits.train[split], scratch)
        return path_sums(score, problem, splits.parts, trained, alphas, [splits.test[split]])[:, 0]

    tasks = list(itertools.product(range(len(candidates.gammas)), range(len(splits.test))))
    scored = map_threads(path, tasks, solver.scratch, small=solver.side_by_side)
    paths = followed(scored, len(tasks), "training sets")
    out = PathScores(*np.empty((4, len(candidates.alphas), problem.y.shape[1])))
    for gamma in range(len(candidates.gammas)):
        chosen = candidates.which == gamma
        sums = PathSums(score, sst, int(chosen.sum()))
        for split in range(len(splits.test)):
            sums.values[:, split] = next(paths)
        alphas = candidates.alphas[chosen]

        def best(scores: PathScores, alphas: Double = alphas) -> Integers:
            return choose_alpha(scores.chosen_by, alphas, per_target)

        banded = solver.banded(spaces.bands(candidates.gammas[gamma]))
        scores = settle(sums, alphas, best, scored_again(score, problem, banded, splits, alphas))
        for field in fields(PathScores):
            getattr(out, field.name)[chosen] = getattr(scores, field.name)
    return out


def _squares(solver: Primal, splits: Splits) -> Double:
    problem = solver.problem
    return fold_squares(problem.y, [problem.ranges(splits.test_bounds(split)) for split in range(len(splits.test))])


def fit_chosen(
    solver: Primal, parts: Sequence[int], spaces: Spaces, candidates: Candidates, chosen: Integers
) -> Weights:
    """Fit every target at its own candidate, in the training set of some parts."""

    def at(candidate: int, scratch: Any) -> tuple[Integers, Weights]:
        targets = np.flatnonzero(chosen == candidate)
        banded = solver.banded(spaces.bands(candidates.gammas[candidates.which[candidate]]))
        return targets, banded.train(parts, scratch).weights(float(candidates.alphas[candidate]), targets)

    found = map_threads(at, np.unique(chosen).tolist(), solver.scratch, small=solver.side_by_side)
    return joined(list(found), len(chosen))


def split_r2(
    solver: Primal, splits: Splits, spaces: Spaces, candidates: Candidates, chosen: Integers, score: Score
) -> Double:
    """Share the held-out R² of the joint prediction out among the spaces, (m, c); the shares sum to R² exactly.

    The product measure: with ŷ - ȳ = Σ_j p_j in a test fold of mean ȳ, space j gets Σ_t p_j (2 (y - ȳ) - (ŷ - ȳ)) /
    Σ_t (y - ȳ)². p_j is what space j predicts about its mean in the training rows (with an intercept; else as it is),
    plus an equal share of what no space predicts, the training rows' mean response less ȳ (Pratt 1987; Dupré la Tour
    et al. 2022, himalaya's `r2_score_split`). Averaged over folds, or pooled where the score that chose is.
    """
    sst = _squares(solver, splits)
    sums = np.empty((len(splits.test), len(spaces.names), len(chosen)))
    for split in range(len(splits.test)):
        weights = fit_chosen(solver, splits.train[split], spaces, candidates, chosen).on(HOST)
        sums[split] = _product_sums(solver, splits, split, spaces, weights)
    if score.pooled is None:
        return mean_of_defined(sums / sst[:, None], axis=0)
    varies = np.isfinite(sst)
    return quotient(np.where(varies[:, None], sums, 0.0).sum(axis=0), np.where(varies, sst, 0.0).sum(axis=0))


def _product_sums(solver: Primal, splits: Splits, split: int, spaces: Spaces, weights: Weights) -> Double:
    """Sum p_j (2 (y - ȳ) - (ŷ - ȳ)) over the test rows of a split, (m, c); see `split_r2`."""
    problem = solver.problem
    ranges = problem.ranges(splits.test_bounds(split))
    rows, m, c = row_numbers(ranges), len(spaces.names), problem.y.shape[1]
    member = np.tile(spaces.member, len(problem.lags))
    column_means = solver.column_means(splits.train[split], weights)
    out = np.zeros((m, c))
    together = max(1, STACKED_BYTES // (4 * 8 * max(1, len(rows))))  # four arrays in float64 at a time
    for start in range(0, c if len(rows) else 0, together):
        some = slice(start, start + together)
        values, nothing = weights.values[:, some], np.zeros_like(weights.intercept[some])
        y = problem.y[rows, some].astype(np.float64)
        y_mean = y.mean(axis=0)
        joint = Weights(values, weights.shift, weights.intercept[some])
        error = joint.predict(problem.X, ranges, problem.lags).astype(np.float64) - y_mean
        gain = 2.0 * (y - y_mean) - error
        own_means = np.stack([column_means[member == j] @ values[member == j] for j in range(m)])
        constant = (weights.intercept[some] + own_means.sum(axis=0) - y_mean) / m
        for j in range(m):
            alone = Weights(np.where((member == j)[:, None], values, 0), weights.shift, nothing)
            prediction = alone.predict(problem.X, ranges, problem.lags)
            out[j, some] = np.einsum("tc,tc->c", prediction, gain) + (constant - own_means[j]) * gain.sum(axis=0)
    return out
