"""Training sets as normal equations (p × p): from moments, by one Cholesky factorisation for each λ or one eigh."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from heschl.linear.device.arrays import Array, Bounds, Double, Float
from heschl.linear.device.devices import DEVICES
from heschl.linear.device.place import backend_of
from heschl.linear.device.threads import worth_threads
from heschl.linear.moments.lagged import LaggedMoments
from heschl.linear.ridge.condition import Conditions, note, too_small
from heschl.linear.ridge.normal import NormalEquations, PrecisionError, Scaling, normal_equations
from heschl.linear.ridge.problem import Problem
from heschl.linear.ridge.size import (
    STACKED_BYTES,
    FitSize,
    moment_bytes,
    moment_operations,
    n_workers,
)
from heschl.linear.ridge.training import one_by_one
from heschl.linear.ridge.weights import (
    Weights,
    errors_from_moments,
    in_units,
    refuse_residual,
    solve,
    solve_path,
    squared_errors,
    sums_from_moments,
)

# Bytes that solutions at several λ together take at most, beside what is planned for one after the other.
PATH_BYTES = 1 << 30
# A mean square of so many variances, and rounding of it is what an error summed from moments might be.
FAR = 1e3


@dataclass
class Scratch:
    """Memory that one training set after the other is solved in."""

    gram: Float  # (p, p)
    test_gram: Float  # (p, p), or (0, 0) where tests are scored by prediction


class Primal:
    """All training sets of one problem, as sums of the moments of its parts.

    Parameters
    ----------
    problem : Problem
    parts : sequence of ndarray of shape (s, 2)
        Segments of each part; a training set, and a test set, is a list of parts.
    """

    # Columns of the design up to which training sets are solved side by side, each with an X'X of its own; above, two
    # threads inside one factorisation are as fast.
    SIDE_BY_SIDE_COLUMNS = 2000
    n_steps = dimension = 0

    def __init__(self, problem: Problem, parts: Sequence[Bounds]) -> None:
        self.problem = problem
        self.parts = list(parts)
        self.y, self.moments = problem.gathered(parts)
        self.side_by_side = problem.n_columns <= self.SIDE_BY_SIDE_COLUMNS and _worth_threads(problem)
        self.bands: Double | None = None
        self.conditions: Conditions = {}
        self._reading: tuple[int, ...] = ()  # what tells the conditions of features read otherwise apart

    def banded(self, bands: Double) -> Primal:
        """Scale features by `bands` (d,) in the same moments: their penalty becomes 1 / bands² times as large."""
        out = copy(self)
        out.bands = bands
        out._reading = (*self._reading, hash(bands.tobytes()))
        return out

    def of_features(self, features: NDArray[np.int64]) -> Primal:
        """Select some of the features (ascending): sub-blocks of the moments, without a pass over the data.

        Call it before `banded`.
        """
        out = copy(self)
        out.problem = replace(self.problem, X=self.problem.X.of_columns(features), features=None)
        out.moments = [part.select(features=features) for part in self.moments]
        out._reading = (*self._reading, hash(features.tobytes()))
        out.side_by_side = out.problem.n_columns <= self.SIDE_BY_SIDE_COLUMNS and _worth_threads(out.problem)
        return out

    @property
    def alphas_at_once(self) -> int:
        """At how many λ together a device solves a training set, within the memory it has; 0 where it does not."""
        kind = self.problem.X.backend.kind
        if self.problem.n_columns > kind.path_columns:
            return 0
        size = replace(FitSize.of(self.problem, self.parts, 1, 1), device=kind.name)
        spare = np.inf if self.problem.limit is None else self.problem.limit - cholesky_bytes(size)
        return int(max(0.0, min(PATH_BYTES, spare)) // path_bytes(size))

    @property
    def scores_from_moments(self) -> bool:
        """Whether w'X'Xw costs less than a prediction, by fewer columns than rows in a part, and says as much."""
        fewer = self.problem.n_columns < np.mean([part.n_rows for part in self.moments])
        return bool(fewer and (self.problem.fit_intercept or not self._far_from_zero()))

    def _far_from_zero(self) -> bool:
        """Whether the errors of some target, without an intercept, are small differences of large squares."""
        n = max(1, sum(part.n_rows for part in self.moments))
        total, squares = np.sum([part.totals for part in self.moments], axis=0)
        mean = self.moments[0].shift.targets.astype(np.float64) + total / n
        return bool((n * mean**2 > FAR * (squares - total**2 / n)).any())

    def scratch(self) -> Scratch:
        """Allocate memory for `train`."""
        p, dtype, empty = self.problem.n_columns, self.problem.y.dtype, self.problem.X.backend.empty
        tests = p if self.scores_from_moments and len(self.parts) > 1 else 0
        return Scratch(empty((p, p), dtype), empty((tests, tests), dtype))

    def scaling(self, moments: LaggedMoments) -> Scaling:
        """Return how the features of a training set are scaled."""
        scaling = Scaling.of(moments, self.problem.standardize)
        return scaling if self.bands is None else Scaling(scaling.mean, scaling.scale * self.bands)

    def equations(self, parts: Sequence[int], gram: Float, scaling: Scaling | None = None) -> NormalEquations:
        """Assemble the normal equations of the union of some parts."""
        moments = LaggedMoments.total([self.moments[part] for part in parts])
        scaling = self.scaling(moments) if scaling is None else scaling
        found = normal_equations(moments, fit_intercept=self.problem.fit_intercept, scaling=scaling, gram=gram)
        return replace(found, conditions=self.noted(parts))

    def noted(self, parts: Sequence[int]) -> dict[float, float]:
        """Return where condition numbers of a training set are kept."""
        return self.conditions.setdefault((*parts, *self._reading), {})

    def column_means(self, parts: Sequence[int], weights: Weights) -> Double:
        """Compute the means (p,) of the design that `weights` multiply, over some parts; 0 without an intercept."""
        moments = LaggedMoments.total([self.moments[part] for part in parts])
        shift = weights.shift.astype(np.float64)
        as_given = Scaling(shift, np.ones(len(shift)))
        intercept = self.problem.fit_intercept
        return normal_equations(moments, fit_intercept=intercept, scaling=as_given, assemble=False).column_means

    def train(self, parts: Sequence[int], scratch: Scratch) -> Trained:
        """Prepare the training set of some parts; it is valid until the scratch memory is used again."""
        return Trained(self, self.equations(parts, scratch.gram), scratch)


class Trained:
    """One training set: weights at any λ, and their errors elsewhere."""

    one_by_one = False  # λ are solved for, whatever a device does together

    def __init__(self, family: Primal, equations: NormalEquations, scratch: Scratch) -> None:
        self.family = family
        self.equations = equations
        self.scratch = scratch

    def solve(self, alpha: float, targets: NDArray[np.int64] | None = None) -> Array:
        """Solve for the weights (p, c) of the scaled features."""
        return solve(self.equations, alpha, targets)

    def weights(self, alpha: float, targets: NDArray[np.int64] | None = None) -> Weights:
        """Return the weights of all targets, or of some, in the units of the data."""
        return in_units(self.equations, self.solve(alpha, targets), targets)

    def chosen(self, alphas: Double, chosen: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], Weights]]:
        """Yield the weights of each target at its own λ."""
        used, every = np.unique(chosen), np.arange(len(chosen))
        if not 2 <= len(used) <= self.family.alphas_at_once or self.one_by_one:
            yield from one_by_one(self.weights, alphas, chosen)
            return
        values = solve_path(self.equations, alphas[used])
        own = backend_of(values).columns(values, np.searchsorted(used, chosen) * len(chosen) + every)
        yield every, in_units(self.equations, own)

    def path(self, alphas: Double) -> Iterator[Float]:
        """Yield weights (p, c) at each λ in turn; on a device they are found together where X'X is small."""
        c, b = self.equations.cross.shape[1], backend_of(self.equations.cross)
        at_once = self.family.alphas_at_once
        if min(at_once, len(alphas)) < 2 or self.one_by_one:
            yield from (self.solve(float(alpha)) for alpha in alphas)
            return
        for begin in range(0, len(alphas), at_once):
            some = alphas[begin : begin + at_once]
            values = solve_path(self.equations, some)
            yield from (b.part(values, slice(None), slice(a * c, (a + 1) * c)) for a in range(len(some)))

    def sums(
        self, alphas: Double, tests: Sequence[Sequence[int]], wanted: NDArray[np.bool_] | None = None
    ) -> Double | None:
        """Sum errors, squares and products of predictions; None where predicting for each λ in turn costs no less."""
        if len(self.scratch.test_gram) == 0:
            return None
        return self._over_path(alphas, tests, 3, self._sums)

    def errors(self, alphas: Double, tests: Sequence[Sequence[int]], wanted: NDArray[np.bool_] | None = None) -> Double:
        """Sum (y - prediction)² over the rows of each test set, (n_tests, n_alphas, c)."""
        found = self._over_path(alphas, tests, 1, lambda values, test: self._errors(values, test)[None])
        return np.asarray(found[0])

    def _over_path(
        self,
        alphas: Double,
        tests: Sequence[Sequence[int]],
        n_sums: int,
        of: Callable[[Sequence[Float], Sequence[int]], Double],
    ) -> Double:
        """Return sums of weights at every λ over each test set, (n_sums, n_tests, n_alphas, c)."""
        problem = self.family.problem
        c = problem.y.shape[1]
        out = np.empty((n_sums, len(tests), len(alphas), c))
        together = max(1, STACKED_BYTES // (problem.n_columns * c * problem.itemsize))
        at, waiting = 0, []
        for a, values in enumerate(self.path(alphas)):
            waiting.append(values)
            if len(waiting) == together or a + 1 == len(alphas):
                for i, test in enumerate(tests):
                    out[:, i, at : a + 1] = of(waiting, test)
                at, waiting = a + 1, []
        return out

    def _sums(self, values: Sequence[Float], test: Sequence[int]) -> Double:
        family = self.family
        if all(family.moments[part].n_rows == 0 for part in test):
            return np.zeros((3, len(values), family.problem.y.shape[1]))
        equations = family.equations(test, self.scratch.test_gram, self.equations.scaling)
        return sums_from_moments(equations, self.equations, values)

    def _errors(self, values: Sequence[Float], test: Sequence[int]) -> Double:
        family, problem = self.family, self.family.problem
        if all(family.moments[part].n_rows == 0 for part in test):
            return np.zeros((len(values), problem.y.shape[1]))
        if len(self.scratch.test_gram) > 0:
            equations = family.equations(test, self.scratch.test_gram, self.equations.scaling)
            return errors_from_moments(equations, self.equations, values)
        sets = [in_units(self.equations, each) for each in values]
        ranges = problem.ranges(np.concatenate([family.parts[part] for part in test]))
        return squared_errors(sets, problem.X, family.y, ranges, problem.lags)


def path_bytes(size: FitSize) -> float:
    """Count the bytes that each λ of them takes: a factor, block columns and inverses of blocks, twice the weights."""
    return float(size.n_columns * (size.n_columns + 128 + 2 * size.n_targets) * size.itemsize)


class EighPrimal(Primal):
    """The same by one eigendecomposition X'X = V diag(s) V' for all λ: W = V (V'X'Y / (s + λ))."""

    def train(self, parts: Sequence[int], scratch: Scratch) -> Trained:
        """Prepare the training set of some parts; it is valid until the scratch memory is used again."""
        return _EighTrained(self, self.equations(parts, scratch.gram), scratch)


class _EighTrained(Trained):
    one_by_one = True

    def __init__(self, family: Primal, equations: NormalEquations, scratch: Scratch) -> None:
        super().__init__(family, equations, scratch)
        b = backend_of(equations.gram)
        self.values, self.vectors = b.eigh(equations.gram)  # vectors are rows; X'X is kept for the residual
        self.rotated = b.product(self.vectors, equations.cross)

    def solve(self, alpha: float, targets: NDArray[np.int64] | None = None) -> Float:
        """Solve for the weights (p, c) of the scaled features."""
        b = backend_of(self.rotated)
        rotated = self.rotated if targets is None else b.columns(self.rotated, targets)
        damped = self.values + alpha
        if not damped.min() > 0:
            if rotated.dtype == np.float64:
                raise too_small(alpha)
            raise PrecisionError(f"X'X + {alpha:g} I has the eigenvalue {damped.min():.1e}")
        hidden = self.equations.hides(alpha)
        if hidden and rotated.dtype == np.float32:
            raise PrecisionError(f"the variance of a column is lost beside its mean at alpha = {alpha:g}")
        note(self.equations.conditions, alpha, lambda: np.inf if hidden else float(damped.max() / damped.min()))
        values: Float = b.product(self.vectors, b.scaled_rows(rotated, 1.0 / damped), transpose=True)
        if rotated.dtype == np.float32:
            refuse_residual(self.equations, alpha, values, targets)
        return values


def _worth_threads(problem: Problem) -> bool:
    """Return whether a few training sets take longer than starting threads for them."""
    (n, d), p, c = problem.X.shape, problem.n_columns, problem.y.shape[1]
    return problem.X.backend.kind.host_threads and worth_threads(2.0 * n * p * (d + c) + 10.0 * p**3) > 1


def primal_workers(size: FitSize) -> int:
    """Count the training sets that are solved side by side."""
    return n_workers(size, size.n_columns, Primal.SIDE_BY_SIDE_COLUMNS, size.n_sets)


def grams(size: FitSize) -> float:
    """Count the matrices X'X held: a training set's, and its test set's where it is scored by them."""
    return primal_workers(size) * (2 if size.n_columns < size.n_rows / size.n_parts else 1)


def cholesky_operations(size: FitSize) -> float:
    """Count the operations of a Cholesky factorisation for each λ."""
    p, c = float(size.n_columns), size.n_targets
    each = DEVICES[size.device].cholesky_operations(p) + 2 * p * p * c + size.test_operations
    return moment_operations(size) + size.n_sets * size.n_alphas * each


def cholesky_bytes(size: FitSize) -> float:
    """Count the bytes that Cholesky factorisations hold."""
    return moment_bytes(size) + grams(size) * size.n_columns**2 * size.itemsize


def eigh_operations(size: FitSize) -> float:
    """Count the operations of an eigendecomposition for each training set."""
    p, c = float(size.n_columns), size.n_targets
    each = 2 * p * p * c + size.test_operations
    return moment_operations(size) + size.n_sets * (p**3 * DEVICES[size.device].eigh_slowness + size.n_alphas * each)


def eigh_bytes(size: FitSize) -> float:
    """Count the bytes that an eigendecomposition holds."""
    # X'X, its copy that becomes the vectors, and LAPACK's work space of two more
    return moment_bytes(size) + (grams(size) + 3 * primal_workers(size)) * size.n_columns**2 * size.itemsize
