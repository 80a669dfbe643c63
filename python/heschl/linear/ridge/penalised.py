"""Training sets under penalties other than plain ridge: normal equations and one Cholesky factorisation for each λ.

With X centred, G = X'X + α M for the penalty α wᵀMw. A penalised constant, α κ b², is eliminated as a free one is: b =
s (ȳ - x̄ᵀw), s = n / (n + κα), and leaves (G + γ x̄x̄ᵀ) w = X'y + γ x̄ ȳ with γ = n κα / (n + κα).
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from heschl.checks import InputError
from heschl.linear.device.arrays import Array, Double
from heschl.linear.device.forks import no_fork
from heschl.linear.ridge.condition import note, of_factor
from heschl.linear.ridge.normal import NormalEquations
from heschl.linear.ridge.primal import Primal, Scratch, Trained, grams, primal_workers
from heschl.linear.ridge.size import FitSize, moment_bytes
from heschl.linear.ridge.weights import Weights, in_units

# A condition number above which float64 keeps no digit of a solution.
LARGEST_CONDITION = 1e15


class Penalised(Primal):
    """All training sets of one problem in float64 on the host, under `problem.penalty`."""

    def train(self, parts: Sequence[int], scratch: Scratch) -> Trained:
        """Prepare the training set of some parts; it is valid until the scratch memory is used again."""
        return _Trained(self, self.equations(parts, scratch.gram), scratch)


class _Trained(Trained):
    def __init__(self, family: Primal, equations: NormalEquations, scratch: Scratch) -> None:
        super().__init__(family, equations, scratch)
        lower = np.tril(equations.gram, -1)
        self.gram = lower + lower.T
        np.fill_diagonal(self.gram, equations.diagonal)

    def weights(self, alpha: float, targets: NDArray[np.int64] | None = None) -> Weights:
        """Return the weights of all targets, or of some, in the units of the data."""
        equations, values = self._at(alpha, targets)
        return in_units(equations, values, targets)

    def errors(self, alphas: Double, tests: Sequence[Sequence[int]], wanted: NDArray[np.bool_] | None = None) -> Double:
        """Sum (y - prediction)² over the rows of each test set, (n_tests, n_alphas, c)."""
        out = np.empty((len(tests), len(alphas), self.family.problem.y.shape[1]))
        for a, alpha in enumerate(alphas):
            there = copy(self)
            there.equations, values = self._at(float(alpha), None)
            for i, test in enumerate(tests):
                out[i, a] = there._errors([values], test)
        return out

    def _at(self, alpha: float, targets: NDArray[np.int64] | None) -> tuple[NormalEquations, Array]:
        """Solve at one λ; the means of the equations returned are those of its constant."""
        penalty, train = self.family.problem.penalty, self.equations
        cross = train.cross if targets is None else train.cross[:, targets]
        pull = penalty.intercept * alpha
        if not pull:
            return train, self._solved(alpha, self.gram.copy(), cross)
        n, x, y = train.n_rows, train.column_means, train.target_means
        gamma, share = n * pull / (n + pull), n / (n + pull)
        right = cross + gamma * np.outer(x, y if targets is None else y[targets])
        adjusted = replace(train, column_means=share * x, target_means=share * y)
        return adjusted, self._solved(alpha, self.gram + gamma * np.outer(x, x), right)

    @no_fork()
    def _solved(self, alpha: float, system: Double, right: Double) -> Double:
        """Solve (system + α M) W = right, in the memory of the system.

        Raises
        ------
        InputError
            Where that is singular to float64: what the penalty leaves free, the data do not tell apart either.
        """
        penalty, d = self.family.problem.penalty, self.family.problem.X.shape[1]
        silent = np.flatnonzero(~system.diagonal().reshape(-1, d).any(axis=0)) if penalty.differences else ()
        penalty.add(system, alpha, d)
        for feature in silent:  # differences leave the sum over lags free: of a constant feature it is 0
            system[feature::d, feature::d] += alpha * np.eye(len(system) // d)
        diagonal = system.diagonal().copy()
        factor, info = lapack.dpotrf(system, lower=1, clean=0, overwrite_a=1)
        condition = of_factor(factor.T, diagonal) if info == 0 else np.inf
        note(self.equations.conditions, alpha, lambda: condition)
        if not condition < LARGEST_CONDITION:
            raise InputError(
                "alpha", f"{alpha:g}, with which X'X + the penalty is singular (condition {condition:.1e})",
                "a penalty that decides every weight, or data that do",
                "Differences along lags leave the sum over lags free: leave out features that hardly vary or repeat "
                "each other, or use penalty='ridge'." if penalty.differences else "Use a larger one.",
            )  # fmt: skip
        values, _ = lapack.dpotrs(factor, right, lower=1)
        return np.ascontiguousarray(values)


def penalised_bytes(size: FitSize) -> float:
    """Count the bytes of X'X, its symmetric copy, and the factor, in float64."""
    return moment_bytes(size) + (grams(size) + 3 * primal_workers(size)) * size.n_columns**2 * 8
