"""Training sets too wide to factor: conjugate gradients on X'X as an operator, never assembled.

Weights meet a stated tolerance (`heschl.linear.ridge.cg.TOLERANCE`), which is checked; they are not exact to
rounding, as those of the other solvers are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from heschl.linear.device.arrays import Double, Float
from heschl.linear.moments.lagged import LaggedMoments
from heschl.linear.ridge.cg import CirculantPreconditioner, cg_operations, solve_path
from heschl.linear.ridge.normal import NormalEquations, Scaling, normal_equations
from heschl.linear.ridge.operators import LaggedOperator, LagTerms
from heschl.linear.ridge.primal import Primal, Scratch, Trained
from heschl.linear.ridge.size import FitSize, moment_bytes, moment_operations


class Conjugate(Primal):
    """All training sets of one problem by conjugate gradients from their moments."""

    SIDE_BY_SIDE_COLUMNS = 0  # products of operators are as wide as the machine

    def scratch(self) -> Scratch:
        """Nothing: each training set has its operator."""
        return Scratch(np.empty((0, 0)), np.empty((0, 0)))

    def train(self, parts: Sequence[int], scratch: Scratch) -> Trained:
        """The training set of some parts."""
        moments = LaggedMoments.total([self.moments[part] for part in parts])
        scaling = Scaling.of(moments, self.problem.standardize)
        equations = normal_equations(moments, fit_intercept=self.problem.fit_intercept, scaling=scaling, assemble=False)
        return _Iterated(self, equations, scratch, moments)


class _Iterated(Trained):
    def __init__(self, family: Primal, equations: NormalEquations, scratch: Scratch, moments: LaggedMoments) -> None:
        super().__init__(family, equations, scratch)
        offset = equations.scaling.mean - moments.shift.features
        inverse_n = 1.0 / moments.n_rows if family.problem.fit_intercept else 0.0
        terms = LagTerms.from_sums(moments.pair_sums, moments.pair_counts, offset, equations.scaling.scale, inverse_n)
        self.operator = LaggedOperator(moments.first_column, moments.leaving, moments.entering, terms)
        self.preconditioner = CirculantPreconditioner(moments.first_column, terms)

    def solve(self, alpha: float, targets: NDArray[np.int64] | None = None) -> Float:
        """Weights (p, c) for the features as the equations read them."""
        cross = self.equations.cross if targets is None else np.ascontiguousarray(self.equations.cross[:, targets])
        return next(solve_path(self.operator, self.preconditioner, cross, np.array([alpha]))).weights

    def errors(
        self, alphas: Double, tests: Sequence[Sequence[int]], wanted: NDArray[np.bool_] | None = None
    ) -> Double:
        """Σ (y - prediction)² over the rows of each test set, (n_tests, n_alphas, c)."""
        out = np.empty((len(tests), len(alphas), self.equations.cross.shape[1]))
        for solution in solve_path(self.operator, self.preconditioner, self.equations.cross, alphas):
            for i, test in enumerate(tests):
                out[i, solution.index] = self._errors([solution.weights], test)[0]
        return out


CG_SLOWNESS = 2.2
CG_ITERATIONS = 25  # a λ, on strongly correlated features of p = 32,000


def conjugate_operations(size: FitSize) -> float:
    """Count the operations of conjugate gradients."""
    w, d, c = size.n_lags, size.n_features, size.n_targets
    one = cg_operations(w, d, c, size.n_segments, CG_ITERATIONS * size.n_alphas, size.n_alphas)
    return moment_operations(size) + size.n_sets * (one * CG_SLOWNESS + size.n_alphas * size.test_operations)


def conjugate_bytes(size: FitSize) -> float:
    """Count the bytes that conjugate gradients hold."""
    # Spectra of the operator and of the preconditioner, with its factors; a few blocks of vectors, some in float64.
    w, d, c, p = size.n_lags, size.n_features, size.n_targets, size.n_columns
    spectra = (2 * w + 4 * (w // 2 + 1) + w) * d * d
    return moment_bytes(size) + (spectra + 16 * p * min(c, 64) + 6 * p * c) * size.itemsize
