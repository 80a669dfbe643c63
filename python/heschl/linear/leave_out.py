"""Leave-one-group-out by its closed form: one factorisation for each λ instead of one for each group and λ.

With Ŷ the fit to all rows and H = 1 1ᵀ/n + X (X'X + λ I)⁻¹ X' (X centred; the intercept is not penalised), the error of
group f, predicted by the fit to all others, is (I - H_ff)⁻¹ (Y_f - Ŷ_f). Not so where features are standardised anew in
each training set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, solve_triangular

from heschl.linear.frames import Double
from heschl.linear.normal import PrecisionError
from heschl.linear.primal import Primal
from heschl.linear.problem import Problem
from heschl.linear.ridge import solve
from heschl.linear.rows import Ranges, row_numbers
from heschl.linear.segments import Splits

# float32 carries I - H_ff as long as no combination of a group's rows is fitted to within this by itself.
FLOAT32_LEVERAGE = 0.01


def leaves_one_out(splits: Splits) -> bool:
    """Whether every split tests one part, each once, and trains on all others."""
    n = len(splits.parts)
    return sorted(part for test in splits.test for part in test) == list(range(n)) and all(
        len(test) == 1 and len(train) == n - 1 for train, test in zip(splits.train, splits.test, strict=True)
    )


def pays(problem: Problem, splits: Splits) -> bool:
    """Whether the closed form holds and costs fewer operations than a factorisation for each group."""
    if problem.standardize or not leaves_one_out(splits):
        return False
    n, p, groups = float(len(problem.X)), float(problem.n_columns), len(splits.parts)
    size = n / groups
    closed = p**3 / 3 + n * p * p + groups * (size**2 * p + size**3 / 3)
    return closed < groups * p**3 / 3


def leave_out_errors(solver: Primal, groups: Sequence[Ranges], alphas: Double) -> Double:
    """Σ (y - prediction)² of each group, λ and target, (n_groups, n_alphas, c), predicted without the group.

    Parameters
    ----------
    solver : Primal
        Of one part: all rows.
    groups : sequence of ndarray of shape (r, 4)
        Rows of each group; together all rows.
    alphas : ndarray of shape (n_alphas,)
    """
    problem = solver.problem
    scratch = solver.scratch()
    equations = solver.equations([0], scratch.gram)
    c, shift = problem.y.shape[1], equations.reading.mean.astype(problem.y.dtype)
    out = np.zeros((len(groups), len(alphas), c))
    for a, alpha in enumerate(alphas):
        weights = solve(equations, float(alpha))
        factor: Any = equations.gram.T  # the upper triangle of X'X's memory, read by columns: lower, L L' = X'X + λ I
        for g, ranges in enumerate(groups):
            rows = row_numbers(ranges)
            if len(rows) == 0:
                continue
            X = problem.X.design(ranges, problem.lags, shift) - equations.column_means.astype(shift.dtype)
            error = (problem.y[rows] - equations.target_means) - X @ weights
            half = solve_triangular(factor, X.T, lower=True, check_finite=False)
            rest = np.eye(len(rows)) - (half.T @ half)
            if problem.fit_intercept:
                rest -= 1.0 / equations.n_rows
            try:
                own, lower = cho_factor(rest, lower=True, check_finite=False)
            except LinAlgError:
                own, lower = np.zeros((1, 1)), True
            if problem.y.dtype == np.float32 and own.diagonal().min() ** 2 < FLOAT32_LEVERAGE:
                raise PrecisionError(f"a group of rows is fitted by itself at alpha = {alpha:g}")
            if own.diagonal().min() == 0.0:
                raise np.linalg.LinAlgError(f"a group of rows fixes its own fit; alpha = {alpha:g} is too small")
            left_out = cho_solve((own, lower), error, check_finite=False)
            out[g, a] = np.einsum("tc,tc->c", left_out, left_out)
    return out
