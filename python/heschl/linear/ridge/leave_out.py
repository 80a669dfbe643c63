"""Leave-one-group-out by its closed form: one factorisation for each λ instead of one for each group and λ.

With Ŷ the fit to all rows and H = 1 1ᵀ/n + X (X'X + λ I)⁻¹ X' (X centred; the intercept is not penalised), the error of
group f, predicted by the fit to all others, is (I - H_ff)⁻¹ (Y_f - Ŷ_f). In the dual, with P = (X X' + λ I)⁻¹ less its
part along 1, it is P_ff⁻¹ (P Y)_f. K-fold cross-validation leaves out groups, too: K large ones. Not so where features
are standardised anew in each training set.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, solve_triangular

from heschl.linear.design.rows import row_numbers
from heschl.linear.design.segments import Splits
from heschl.linear.device.arrays import Bounds, Double, Float
from heschl.linear.device.devices import DEVICES
from heschl.linear.device.host import HOST
from heschl.linear.device.threads import map_threads, n_threads
from heschl.linear.ridge.condition import Conditions, too_small
from heschl.linear.ridge.dual import Dual, DualTrained, kernel_operations
from heschl.linear.ridge.normal import NormalEquations, PrecisionError, refuse_no_rows
from heschl.linear.ridge.primal import Primal, Trained
from heschl.linear.ridge.problem import Problem
from heschl.linear.ridge.size import FitSize, moment_bytes, moment_operations, n_workers
from heschl.linear.ridge.training import one_by_one
from heschl.linear.ridge.weights import FLOAT32_RESIDUAL, Weights, solve

# float32 carries I - H_ff as long as no combination of a group's rows is fitted to within this by itself.
FLOAT32_LEVERAGE = 0.01
# Loadings of all λ are kept for the final weights where they take no more memory than so many matrices X X'.
KEPT_MATRICES = 1
# Pairs of a group and a target whose left-out fit is checked in float64.
SAMPLED_PAIRS = 4


def leaves_one_out(splits: Splits) -> bool:
    """Return whether every split tests one part, each once, and trains on all others."""
    n = len(splits.parts)
    return sorted(part for test in splits.test for part in test) == list(range(n)) and all(
        len(test) == 1 and len(train) == n - 1 for train, test in zip(splits.train, splits.test, strict=True)
    )


def merged(parts: Sequence[Bounds]) -> list[Bounds]:
    """Merge all parts into one, segments in order."""
    everything = np.concatenate(parts)
    return [everything[np.argsort(everything[:, 0])]]


class LeaveOut(ABC):
    """All rows fitted at once; a `heschl.linear.crossval.path.Solver` of that one training set, all parts.

    Parameters
    ----------
    problem : Problem
        Without `standardize`.
    parts : sequence of ndarray of shape (s, 2)
        Segments of each group.
    """

    side_by_side: bool
    n_steps = dimension = 0

    @property
    @abstractmethod
    def conditions(self) -> Conditions:
        """Estimated condition numbers of the one training set."""

    @abstractmethod
    def scratch(self) -> Any:
        """Allocate memory for `train`."""

    @abstractmethod
    def train(self, parts: Sequence[int], scratch: Any) -> Any:
        """Prepare the training set of all parts; it is valid until the scratch memory is used again."""

    @abstractmethod
    def left_out(self, alphas: Double) -> Double:
        """Sum (y - prediction)² of each group predicted without it, (n_groups, n_alphas, c).

        Raises
        ------
        PrecisionError
            Where float32 does not carry it.
        InputError
            Where float64 does not.
        """


class LeaveOutPrimal(LeaveOut):
    """By the factor of X'X + λ I and the design of one group's rows at a time."""

    def __init__(self, problem: Problem, parts: Sequence[Bounds]) -> None:
        self.family = Primal(problem, merged(parts))
        self.groups = [problem.ranges(part) for part in parts]
        _refuse_a_group_of_all([int((ranges[:, 1] - ranges[:, 0]).sum()) for ranges in self.groups])
        self.side_by_side = self.family.side_by_side

    @property
    def conditions(self) -> Conditions:
        """Estimated condition numbers of the one training set."""
        return {tuple(range(len(self.groups))): self.family.conditions.get((0,), {})}

    def scratch(self) -> Any:
        """Allocate memory for `train`."""
        return self.family.scratch()

    def train(self, parts: Sequence[int], scratch: Any) -> Trained:
        """Prepare the training set of all parts; it is valid until the scratch memory is used again."""
        return self.family.train([0], scratch)

    def left_out(self, alphas: Double) -> Double:
        """Sum (y - prediction)² of each group predicted without it, (n_groups, n_alphas, c)."""

        def equations() -> NormalEquations:
            return self.family.equations([0], self.scratch().gram)

        sets = map_threads(self._left_out, alphas.tolist(), equations, small=self.side_by_side)
        return np.stack(list(sets), axis=1)

    def _left_out(self, alpha: float, equations: NormalEquations) -> Double:
        problem = self.family.problem
        shift = equations.scaling.mean.astype(problem.y.dtype)
        out = np.zeros((len(self.groups), problem.y.shape[1]))
        weights = solve(equations, alpha)
        factor: Any = equations.gram.T  # the upper triangle of X'X's memory, read by columns: lower, L L' = X'X + λ I
        for g, ranges in enumerate(self.groups):
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
                factor_of_rest, lower = cho_factor(rest, lower=True, check_finite=False)
            except LinAlgError:
                factor_of_rest, lower = np.zeros((1, 1)), True
            if problem.y.dtype == np.float32 and factor_of_rest.diagonal().min() ** 2 < FLOAT32_LEVERAGE:
                raise PrecisionError(f"a group of rows is fitted by itself at alpha = {alpha:g}")
            if factor_of_rest.diagonal().min() == 0.0:
                raise too_small(alpha, "a group of rows fixes its own fit")
            left_out = cho_solve((factor_of_rest, lower), error, check_finite=False)
            out[g] = np.einsum("tc,tc->c", left_out, left_out)
        return out


class LeaveOutDual(LeaveOut):
    """By the factor of X X' + λ I alone; what it solves for every λ are loadings, kept for the final weights."""

    def __init__(self, problem: Problem, parts: Sequence[Bounds]) -> None:
        self.family = Dual(problem, parts)
        self.side_by_side = self.family.side_by_side
        self.loadings: dict[float, Float] = {}
        _refuse_a_group_of_all(self.family.sizes)
        self.starts = np.concatenate([[0], np.cumsum(self.family.sizes)]).astype(np.int64)

    @property
    def conditions(self) -> Conditions:
        """Estimated condition numbers of the one training set."""
        return self.family.conditions

    def scratch(self) -> Any:
        """Allocate memory for `train`; none where it has nothing left to solve."""
        return None if self.loadings else self.family.scratch()

    def train(self, parts: Sequence[int], scratch: Any) -> DualTrained | _Solved:
        """Prepare the training set of all parts; it is valid until the scratch memory is used again."""
        everything = range(len(self.family.ranges))
        return _Solved(self.trained, self.loadings) if self.loadings else self.family.train(everything, scratch)

    def left_out(self, alphas: Double) -> Double:
        """Sum (y - prediction)² of each group predicted without it, (n_groups, n_alphas, c)."""
        n, c = int(self.starts[-1]), self.family.problem.y.shape[1]
        keep = c * len(alphas) <= KEPT_MATRICES * n
        sets = map_threads(self._left_out, alphas.tolist(), self._train, small=self.side_by_side)
        out = np.empty((len(self.starts) - 1, len(alphas), c))
        for a, (loadings, sse) in enumerate(sets):
            out[:, a] = sse
            if keep:
                self.loadings[float(alphas[a])] = loadings
        return out

    def _train(self) -> DualTrained:
        self.trained = self.family.train(range(len(self.family.ranges)), self.family.scratch())
        return self.trained

    def _left_out(self, alpha: float, trained: DualTrained) -> tuple[Float, Double]:
        equations = trained.equations
        less = 1.0 / (equations.n_rows * (alpha + trained.mu)) if self.family.problem.fit_intercept else 0.0
        loadings = solve(equations, alpha)
        errors = np.empty_like(loadings)
        try:
            HOST.kernels.leave_out(equations.gram, self.starts, less, loadings, errors, n_threads())
        except np.linalg.LinAlgError as error:
            if loadings.dtype == np.float32:
                raise PrecisionError(str(error)) from error
            raise too_small(alpha, "a group of rows fixes its own fit") from error
        if loadings.dtype == np.float32:
            self._refuse_residual(equations, alpha, less, loadings, errors)
        groups = (errors[begin:end].astype(np.float64) for begin, end in itertools.pairwise(self.starts))
        return loadings, np.array([np.einsum("tc,tc->c", part, part) for part in groups])

    def _refuse_residual(
        self, equations: NormalEquations, alpha: float, less: float, loadings: Float, errors: Float
    ) -> None:
        """Raise PrecisionError where a left-out fit misses its equations, in sums of float64, for a sample of pairs.

        The loadings of the fit without f are A - P (0, E_f, 0): 0 on f itself; on all rows they predict Y less E_f.
        """
        groups = np.flatnonzero(np.diff(self.starts))
        size = min(SAMPLED_PAIRS, max(len(groups), loadings.shape[1]))
        picked = groups[np.linspace(0, len(groups) - 1, size).astype(np.int64)]
        targets: NDArray[np.int64] = np.linspace(0, loadings.shape[1] - 1, size).astype(np.int64)
        left = np.zeros((len(loadings), size), loadings.dtype)
        for j, (f, target) in enumerate(zip(picked, targets, strict=True)):
            left[self.starts[f] : self.starts[f + 1], j] = errors[self.starts[f] : self.starts[f + 1], target]
        factor: Any = equations.gram.T
        total = left.sum(axis=0, dtype=np.float64)
        change = cho_solve((factor, True), left, check_finite=False) - (less * total).astype(left.dtype)
        without = np.ascontiguousarray(loadings[:, targets] - change)
        for j, f in enumerate(picked):
            without[self.starts[f] : self.starts[f + 1], j] = 0.0
        right = equations.cross[:, targets] - left
        if less > 0.0:
            right += (total / len(left)).astype(left.dtype)
        residual = HOST.kernels.ridge_residual(
            equations.gram, equations.diagonal, [alpha] * size, np.ascontiguousarray(right), without,
            np.arange(size, dtype=np.int64), n_threads(),
        )  # fmt: skip
        if not residual <= FLOAT32_RESIDUAL:
            raise PrecisionError(f"relative residual {residual:.1e} without a group at alpha = {alpha:g}")


class _Solved:
    """The training set of all parts, of which every λ is solved."""

    def __init__(self, trained: DualTrained, loadings: dict[float, Float]) -> None:
        self.trained, self.loadings = trained, loadings

    def weights(self, alpha: float, targets: NDArray[np.int64] | None = None) -> Weights:
        """Return the weights of all targets, or of some, in the units of the data."""
        loadings = self.loadings[alpha]
        return self.trained.weights_of(loadings if targets is None else loadings[:, targets], targets)

    def chosen(self, alphas: Double, chosen: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], Weights]]:
        """Yield the weights of each target at its own λ."""
        return one_by_one(self.weights, alphas, chosen)


def _refuse_a_group_of_all(sizes: Sequence[int]) -> None:
    """Raise InputError where one group has all the rows, so that nothing is left to predict it from."""
    refuse_no_rows(sum(sizes) - max(sizes))


# The closed form with p × p matrices loses digits where a group is nearly fitted by itself; float32 is then repeated in
# float64, at twice the price.
FLOAT32_LEFT_OUT = 3.0


def left_out_primal_operations(size: FitSize) -> float:
    """Count the operations of the closed form with p × p matrices."""
    n, p, c = float(size.n_rows), float(size.n_columns), size.n_targets
    group = n / size.n_parts
    solve = DEVICES[size.device].cholesky_operations(p) + 2 * p * p * c
    groups = n * (p * p + p * group + group * group / 3 + 2 * p * c + 2 * group * c)
    risk = FLOAT32_LEFT_OUT if size.itemsize == 4 else 1.0
    return moment_operations(size) + size.n_alphas * (2 * solve + groups) * risk


def left_out_primal_bytes(size: FitSize) -> float:
    """Count the bytes of the closed form with p × p matrices."""
    whole, group = replace(size, n_parts=1), size.n_rows / size.n_parts
    workers = n_workers(size, size.n_columns, Primal.SIDE_BY_SIDE_COLUMNS, size.n_alphas)
    matrices = size.n_columns**2 + 2 * group * size.n_columns + 2 * group * group
    return moment_bytes(whole) + workers * matrices * size.itemsize


def left_out_dual_operations(size: FitSize) -> float:
    """Count the operations of the closed form with n × n matrices."""
    n, c = float(size.n_rows), size.n_targets
    group = n / size.n_parts
    solve = DEVICES[size.device].cholesky_operations(n) + 2 * n * n * c
    groups = n**3 / 3 + n * n * group + n * group * group / 3 + 2 * n * group * c
    again = 0 if c * size.n_alphas <= n else solve
    return kernel_operations(size) + size.n_alphas * (solve + groups + again) + 2 * n * size.n_columns * c


def left_out_dual_bytes(size: FitSize) -> float:
    """Count the bytes of the closed form with n × n matrices."""
    n, c, group = size.n_rows, size.n_targets, size.n_rows / size.n_parts
    workers = n_workers(size, n, Dual.SIDE_BY_SIDE_ROWS, size.n_alphas)
    loadings = n * c * size.n_alphas if c * size.n_alphas <= n else 0
    matrices = n * n + n * max(group, 256) + group * group + 3 * n * c
    once = 3 * n * n + 4 * n * c + 2 * n * size.n_features + 3 * size.n_columns * c
    return float((once + loadings + workers * matrices) * size.itemsize)
