"""Training sets by Krylov spaces: one for every λ and all targets of a block; see `heschl.linear.ridge.lanczos`.

Solutions meet a tolerance, which is known of each of them and confirmed against X'X in float64 of some. A λ at which a
target's has not converged has no score (NaN), so that it cannot be chosen. Targets that are done leave; where it costs
less to factor for the few λ that are still waited for, that is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.linear.design.rows import row_numbers
from heschl.linear.device.arrays import Array, Bounds, Double, Integers
from heschl.linear.device.backend import SPLIT
from heschl.linear.device.host import HOST
from heschl.linear.device.place import backend_of
from heschl.linear.device.threads import map_threads, one_blas_thread
from heschl.linear.moments.lagged import LaggedMoments
from heschl.linear.ridge.collected import ChosenWeights, Collector, PathErrors, Sight, Test
from heschl.linear.ridge.condition import note
from heschl.linear.ridge.growth import Found, Growth, Tolerance
from heschl.linear.ridge.held_out import HeldOut
from heschl.linear.ridge.lanczos import BlockLanczos
from heschl.linear.ridge.normal import NormalEquations, PrecisionError, normal_equations
from heschl.linear.ridge.operators import LaggedOperator, LagTerms
from heschl.linear.ridge.price import (
    AT_ONCE,
    SIDE_BY_SIDE_COLUMNS,
    Price,
    factoring_operations,
    lagged_product,
    product_operations,
    space_targets,
    vectors_within,
)
from heschl.linear.ridge.primal import Primal, Scratch, Trained, cholesky_bytes
from heschl.linear.ridge.problem import Problem
from heschl.linear.ridge.size import FitSize
from heschl.linear.ridge.weights import Weights, in_units, solve

# For scores: R² of held-out rows is then within 1e-4 of float64 Cholesky's, in float64 within 1e-8.
SCORES = {"float32": Tolerance(1e-3, 3e-4), "float64": Tolerance(1e-9, 1e-9)}
# For weights: as a direct solve leaves them.
WEIGHTS = {"float32": Tolerance(1e-6, 1e-5), "float64": Tolerance(1e-12, 1e-10)}
# A smaller space does not show what might become of λ that have not converged.
LEAST_STEPS, LEAST_VECTORS = 3, 64
# Blocks up to which a device leaves their systems to the host: a few calls of 50 µs each take longer there.
SMALL_BLOCK = 128
# Smallest penalties of which a space's solutions are confirmed.
CONFIRMED = 4
# Residual in float64, beyond the tolerance, that rounding may leave of a solution that has converged.
ROUNDING = {"float32": 1e-4, "float64": 1e-9}


class Krylov(Primal):
    """All training sets of one problem by Krylov spaces from their moments."""

    SIDE_BY_SIDE_COLUMNS = SIDE_BY_SIDE_COLUMNS

    def __init__(self, problem: Problem, parts: Sequence[Bounds]) -> None:
        super().__init__(problem, parts)
        self._grown: list[tuple[int, int]] = [(0, 0)]
        # Products with X'X and with test rows by tensor cores, until a solution misses its equation, or one of float32
        # says otherwise.
        self.split = True
        self.products = str(problem.y.dtype)
        size = replace(FitSize.of(problem, parts, 1, 1), device=problem.X.backend.kind.name)
        limit = np.inf if problem.limit is None else problem.limit
        self.may_factor = cholesky_bytes(size) <= limit
        self.most_vectors = vectors_within(size, limit)

    @property
    def n_steps(self) -> int:  # type: ignore[override]
        """Most steps of a space so far."""
        return max(steps for steps, _ in self._grown)

    @property
    def dimension(self) -> int:  # type: ignore[override]
        """Largest dimension of a space so far."""
        return max(dimension for _, dimension in self._grown)

    def note(self, space: BlockLanczos) -> None:
        """Remember how large a space became."""
        self._grown.append((space.n_steps, space.dimension))

    def scratch(self) -> Scratch:
        """Return nothing: a training set makes its operator, and X'X only where it has to be factored."""
        return Scratch(np.empty((0, 0)), np.empty((0, 0)))

    def train(self, parts: Sequence[int], scratch: Scratch) -> KrylovTrained:
        """Prepare the training set of some parts."""
        return KrylovTrained(self, parts, scratch)


class KrylovTrained(Trained):
    """One training set: X'X as it multiplies, and X'Y."""

    family: Krylov

    def __init__(self, family: Krylov, parts: Sequence[int], scratch: Scratch) -> None:
        self.moments = LaggedMoments.total([family.moments[part] for part in parts])
        w, d = len(self.moments.lags), self.moments.first_column.shape[1]
        edges = len(self.moments.leaving) + len(self.moments.entering)
        self.backend = backend_of(self.moments.first_column)
        kind = self.backend.kind
        self.column = product_operations(w, d, edges, kind.name)
        self.scaling = family.scaling(self.moments)
        assemble = kind.remote or 2.0 * (w * d) ** 2 <= lagged_product(w, d, edges)
        intercept = family.problem.fit_intercept
        equations = normal_equations(self.moments, fit_intercept=intercept, scaling=self.scaling, assemble=assemble)
        equations = replace(equations, conditions=family.noted(parts))
        super().__init__(family, equations, scratch)
        self.operator, self.split = None if assemble else self._lagged(), False
        if assemble:
            self.backend.symmetric(equations.gram, equations.diagonal)
            self._read_gram()
        self.sizes = np.sqrt(self.backend.get(self.backend.squares(equations.cross)))
        self.dtype = str(equations.cross.dtype)

    def _read_gram(self) -> None:
        gram, split = self.equations.gram, self.family.split
        self._times = self.backend.multiplier(gram, split=split)
        self.split = split and self.backend.splits(gram)
        self.family.products = SPLIT if self.split else str(gram.dtype)

    def _without_tensor_cores(self) -> None:
        """Go on in plain float32, in the training sets that follow, too."""
        self.family.split, self.family.products = False, self.dtype
        if self.split:
            self._read_gram()

    def _lagged(self) -> LaggedOperator:
        moments, scaling = self.moments, self.scaling
        inverse_n = 1.0 / moments.n_rows if self.family.problem.fit_intercept else 0.0
        offset = scaling.mean - moments.shift.features
        terms = LagTerms.from_sums(moments.pair_sums, moments.pair_counts, offset, scaling.scale, inverse_n)
        return LaggedOperator(moments.first_column, moments.leaving, moments.entering, terms)

    def product(self, V: Array) -> Array:
        """Multiply X'X by V (p, c)."""
        return self._times(V) if self.operator is None else self.operator.product(V)

    def errors(self, alphas: Double, tests: Sequence[Sequence[int]], wanted: NDArray[np.bool_] | None = None) -> Double:
        """Σ (y - prediction)² over the rows of each test set, (n_tests, n_alphas, c).

        Where the solution has not converged, NaN or minus what the space gives so far. `wanted` (n_alphas, c) are the
        entries to be known; by default those that it takes to find each target's best.
        """
        if factoring_operations(len(alphas), len(self.equations.cross)) < AT_ONCE and self.family.may_factor:
            exact = Trained(self.family, self._assembled(), self.scratch)
            sse = exact.errors(alphas, tests)
            self._restore()
            return sse
        return np.asarray(self._path(alphas, tests, wanted, whole=False)[0])

    def sums(self, alphas: Double, tests: Sequence[Sequence[int]], wanted: NDArray[np.bool_] | None = None) -> Double:
        """Sum (y - p)², (p - mean)² and (y - mean) (p - mean) of predictions p, (3, n_tests, n_alphas, c)."""
        return self._path(alphas, tests, wanted, whole=True)

    def _path(
        self, alphas: Double, tests: Sequence[Sequence[int]], wanted: NDArray[np.bool_] | None, whole: bool
    ) -> Double:
        order = np.argsort(-alphas, kind="stable")
        scored = [self._test(test) for test in tests]
        need = None if wanted is None else wanted[order]
        paths = PathErrors(alphas[order], self.sizes, self.equations.column_means, scored, need, whole)
        silent = np.flatnonzero(self.sizes == 0)
        for a in range(len(alphas) if silent.size else 0):
            paths.take_weights(a, silent, self.backend.zeros((len(self.equations.cross), len(silent)), self.dtype))
        self._follow(paths, self._tolerance(SCORES))
        paths.sse[:] = np.where(np.isnan(paths.sse), -paths.guessed, paths.sse)
        out = np.empty_like(paths.sums)
        out[:, :, order] = paths.sums
        return out

    def chosen(self, alphas: Double, chosen: Integers) -> Iterator[tuple[Integers, Weights]]:
        """Fit each target at its own λ, by spaces that serve all λ."""
        yield np.arange(len(chosen)), in_units(self.equations, self._solutions(alphas, chosen))

    def solve(self, alpha: float, targets: Integers | None = None) -> Array:
        """Solve for the weights (p, c) of the scaled features."""
        values = self._solutions(np.array([alpha]), np.zeros(len(self.sizes), dtype=np.int64), targets)
        return values if targets is None else self.backend.columns(values, targets)

    def _solutions(self, alphas: Double, chosen: Integers, targets: Integers | None = None) -> Array:
        order = np.argsort(-alphas, kind="stable")
        zeros = self.backend.zeros(self.equations.cross.shape, self.dtype)
        fitted = ChosenWeights(alphas[order], self.sizes, np.argsort(order)[chosen], zeros)
        asked = self.sizes > 0
        if targets is not None:
            asked &= np.isin(np.arange(len(asked)), targets)
        fitted.known[:, ~asked] = True
        self._follow(fitted, self._tolerance(WEIGHTS))
        return fitted.values

    def _tolerance(self, default: dict[str, Tolerance]) -> Tolerance:
        tol = self.family.problem.tol
        return default[self.dtype] if tol is None else Tolerance(tol, tol)

    def _test(self, test: Sequence[int]) -> Test:
        family, problem = self.family, self.family.problem
        ranges = problem.ranges(np.concatenate([family.parts[part] for part in test]))
        y = self.backend.rows(family.y, row_numbers(ranges))
        y = self.backend.shifted(y, None, -self.equations.target_means)
        rows = HeldOut(
            problem.X, ranges, problem.lags, self.scaling, split=family.split, missed=self._without_tensor_cores
        )
        return Test.of(rows, y)

    def _follow(self, collector: Collector, tolerance: Tolerance) -> None:
        """Grow spaces, and factor, until the collector waits for nothing."""
        hidden = [float(alpha) for alpha in collector.alphas if self.equations.hides(float(alpha))]
        if hidden and self.dtype == "float32":
            raise PrecisionError(f"the variance of a column is lost beside its mean at alpha = {hidden[0]:g}")
        for alpha in hidden:
            note(self.equations.conditions, alpha, lambda: np.inf)
        everything = np.arange(len(self.sizes))
        pool = everything[collector.waiting(everything).any(axis=0)]
        dear: list[Integers] = []
        together, side_by_side = space_targets(self.backend.kind.name), self.backend.kind.host_threads
        while pool.size:
            left: list[Integers] = []
            share = 1.0 / len(pool)

            def grow(some: Integers, _: None, share: float = share) -> tuple[bool, Integers]:
                factor = self._grow(some, collector, tolerance, len(some) * share)
                return factor, some[collector.waiting(some).any(axis=0)]

            spaces = np.array_split(pool, -(-len(pool) // together))
            with one_blas_thread() if side_by_side else nullcontext():
                for factor, waiting in map_threads(grow, spaces, lambda: None, small=side_by_side):
                    (dear if factor else left).append(waiting)
            rest = np.concatenate(left) if left else pool[:0]
            if 2 * len(rest) > len(pool):  # memory was too small: fewer targets need fewer vectors
                together = max(1, together // 2)
            pool = rest
        rest = np.concatenate(dear) if dear else pool
        if rest.size:
            collector.ask_all(rest)
            self._factor(rest, collector)

    def _grow(self, targets: Integers, collector: Collector, tolerance: Tolerance, share: float) -> bool:
        """Grow a space of some targets while it is worth its price; whether to factor for those that still wait."""
        sizes, cross, b = self.sizes[targets], self.equations.cross, self.backend
        start = b.scaled_columns(b.columns(cross, targets), 1.0 / sizes)
        unit = sizes / np.sqrt(np.maximum(self.equations.target_squares[targets], np.finfo(np.float64).tiny))
        space = BlockLanczos(self.product, start, b if len(targets) > SMALL_BLOCK else HOST)
        growth = Growth(space, collector.alphas, unit, tolerance)
        price = Price(self.column, len(cross), len(targets), len(collector.alphas), share, b.kind.name)
        most = max(self.family.most_vectors, 2) if len(targets) > 1 else len(cross)
        sight = Sight(growth.space)
        samples: dict[int, Found] = {}
        while True:
            waiting = collector.waiting(targets)
            todo = waiting.any(axis=0)
            if growth.space.n_steps and (found := growth.converged(waiting)):
                collector.take(sight, targets, found)
                samples |= {each.index: each.sample() for each in found}
                continue
            steps = growth.steps_left(waiting & (waiting.cumsum(axis=0) == 1))
            unknown = int((~collector.known[:, targets]).any(axis=1).sum())
            # No more directions than rows: what comes after them is rounding.
            complete = growth.space.next_size == 0 or growth.space.dimension >= self.equations.n_rows
            factor = todo.any() and (complete or (self.family.may_factor and price.too_dear(growth, steps, unknown)))
            leave = (
                price.apart(growth, steps, int(todo.sum())) or growth.space.dimension + growth.space.next_size > most
            )
            unsure = collector.unsure(targets, growth.space.n_steps)
            if factor or leave or complete or not todo.any():
                if not unsure.any():
                    break
                if growth.space.n_steps and (found := growth.converged(unsure)):
                    collector.take(sight, targets, found)
                    continue
                more = max(LEAST_STEPS - space.n_steps, (LEAST_VECTORS - space.dimension) / len(targets))
                if complete or more <= 0:
                    collector.look(sight, targets[unsure.any(axis=0)], targets, growth.so_far(unsure))
                    continue
                if self.family.may_factor and price.too_dear(growth, more, unknown):
                    collector.ask_all(targets[unsure.any(axis=0)])
                    factor = True
                    break
            price.spend(growth)
            growth.step()
        self.family.note(growth.space)
        self._note_conditions(growth.space, collector)
        smallest = [samples[index] for index in sorted(samples)[-CONFIRMED:]]
        if not smallest or self._confirm(growth.space, collector, targets, smallest, tolerance):
            return bool(factor)
        collector.known[:, targets] = False
        if not self.split:
            return True
        self._without_tensor_cores()
        return self._grow(targets, collector, tolerance, share)

    def _note_conditions(self, space: BlockLanczos, collector: Collector) -> None:
        """Estimate the condition number at the smallest λ that was solved, from the extreme Ritz values."""
        solved = np.flatnonzero(collector.known.any(axis=1))
        if solved.size and space.n_steps:
            alpha = float(collector.alphas[solved].min())
            least, greatest = space.extremes()
            note(self.equations.conditions, alpha, lambda: (greatest + alpha) / (max(least, 0.0) + alpha))

    def _confirm(
        self, space: BlockLanczos, collector: Collector, targets: Integers, found: Sequence[Found],
        tolerance: Tolerance,
    ) -> bool:  # fmt: skip
        """Return whether some solutions of a space meet their equations in float64."""
        alphas = np.repeat(collector.alphas[[each.index for each in found]], [len(each.columns) for each in found])
        some, cross = np.concatenate([targets[each.columns] for each in found]), self.equations.cross
        values = (each.coefficients(self.sizes[targets[each.columns]], cross) for each in found)
        residual = self._residual(alphas, some, self.backend.side_by_side([space.combine(each) for each in values]))
        if residual <= 2.0 * tolerance.residual + ROUNDING[self.dtype]:
            return True
        if self.split:
            return False
        if self.dtype == "float32":
            raise PrecisionError(f"relative residual {residual:.1e} at alpha >= {alphas.min():g}")
        return False

    def _residual(self, alphas: Double, targets: Integers, w: Array) -> float:
        """Return the largest ‖b - (G + λI) w‖ / ‖b‖ of weights (p, m), each of a target at a λ, in float64."""
        equations, b = self.equations, self.backend
        right = b.columns(equations.cross, targets)
        if self.operator is None:
            gram, diagonal, every = equations.gram, equations.diagonal, np.arange(len(targets))
            return float(b.kernels.ridge_residual(gram, diagonal, alphas.tolist(), right, w, every, b.handle()))
        w = w.astype(np.float64)
        left = np.linalg.norm(right - self.operator.product(w) - alphas * w, axis=0)
        return float((left / self.sizes[targets]).max())

    def _factor(self, targets: Integers, collector: Collector) -> None:
        """Solve by Cholesky what is still waited for, from the largest λ down."""
        if not self.family.may_factor:
            message = "too little to factor X'X, and a Krylov space that does not reach its tolerance"
            if self.dtype == "float32":
                raise PrecisionError(message)
            raise InputError("memory_limit", message, "room for X'X", "Raise it, or the smallest penalty.")
        equations = self._assembled()
        while True:
            waiting = collector.waiting(targets)
            if not waiting.any():
                break
            index = int(np.flatnonzero(waiting.any(axis=1))[0])
            some = targets[waiting[index]]
            collector.take_weights(index, some, solve(equations, float(collector.alphas[index]), some))
        self._restore()

    def _restore(self) -> None:
        """Make X'X whole again where it is the operator: factors took its memory."""
        if self.operator is None:
            self.backend.symmetric(self.equations.gram, self.equations.diagonal)

    def _assembled(self) -> NormalEquations:
        if self.operator is None:
            return self.equations
        intercept = self.family.problem.fit_intercept
        found = normal_equations(self.moments, fit_intercept=intercept, scaling=self.scaling)
        return replace(found, conditions=self.equations.conditions)
