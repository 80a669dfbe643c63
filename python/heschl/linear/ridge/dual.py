"""The dual form: with fewer rows than columns of the design, (X X' + λ I) A = Y is the smaller system, W = X'A.

X X' (n × n) comes from products of frames with frames and sums along diagonals; the design is never built. Centred by
the means of the training rows it gives the same weights and predictions as the normal equations, to rounding.

Centring does not see a constant that is taken from every column beforehand, and a large mean would be all that rounding
leaves of X X'. So with an intercept the features are centred first, and a lag that sees no frame, where the design
holds 0, holds minus that mean μ. With E (n, w) marking those, and G[t, k] = h'(t - lag_k) μ, or 0 where lag k sees no
frame, X X' is that of the centred features less G E' + E G' - |μ|² E E'.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from heschl.linear.design.frames import Frames
from heschl.linear.design.rows import row_numbers
from heschl.linear.device.arrays import Array, Bounds, Double, Float, Ranges
from heschl.linear.device.backend import Backend
from heschl.linear.device.devices import DEVICES
from heschl.linear.ridge.condition import Conditions
from heschl.linear.ridge.normal import (
    FLOAT32_ROUNDED_MEAN_TO_STD,
    NormalEquations,
    Scaling,
    refuse_large_means,
    refuse_no_rows,
)
from heschl.linear.ridge.problem import Problem
from heschl.linear.ridge.size import FitSize, device_blocks, n_workers
from heschl.linear.ridge.training import one_by_one
from heschl.linear.ridge.weights import Weights, in_units, solve

# Where lags reach out of segments, X X' holds steps of the features' means; float32 carries means of this many standard
# deviations at most beside what varies, feature by feature and over all of them.
FLOAT32_MEAN_TO_STD = 3.0


class Dual:
    """All training sets of one problem by their kernel matrices; see `heschl.linear.ridge.primal.Primal`."""

    # Rows up to which training sets are solved side by side, each with a matrix of its own.
    SIDE_BY_SIDE_ROWS = 4000
    n_steps = dimension = 0

    def __init__(self, problem: Problem, parts: Sequence[Bounds]) -> None:
        self.problem = problem
        self.ranges = [problem.ranges(part) for part in parts]
        self.bounds = list(parts)
        self.sizes = [int((ranges[:, 1] - ranges[:, 0]).sum()) for ranges in self.ranges]
        self.backend = problem.X.backend
        self.side_by_side = self.backend.kind.host_threads and sum(self.sizes) <= self.SIDE_BY_SIDE_ROWS
        features = problem.X.expanded()  # X X' is a product of frames with frames
        self.H = H = self.backend.get(features)
        self.conditions: Conditions = {}
        if not problem.standardize:
            center, std = mean_and_std(H)
            if H.dtype == np.float32:
                _refuse_large_means(center, std)
            self.center = center.astype(H.dtype) if problem.fit_intercept else np.zeros_like(center, H.dtype)
            self.features = self.backend.put(H - self.center) if self.center.any() else features
            whole = _in_order(np.concatenate(self.ranges))
            self.kernel = self._padded(_kernel(self.backend, self.features, whole, whole, problem.lags), whole)
            self.position = np.empty(len(H), dtype=np.int64)  # of a frame's row in it
            self.position[row_numbers(whole)] = np.arange(len(self.kernel))

    def _padded(self, kernel: Array, ranges: Ranges) -> Array:
        """Add to X X' of rows what the means are where their lags see no frame."""
        center, H = self.center.astype(np.float64), self.H
        unseen = _unseen(ranges, self.problem.lags)
        unseen[:, unseen.all(axis=0)] = False  # 0 at every row, whatever the mean
        if not (unseen.any() and center.any()):
            return kernel
        # H - center is rounded to H's precision, as the kernel reads it.
        along = (H - self.center).astype(np.float64) @ center
        at = np.clip(row_numbers(ranges)[:, None] - np.asarray(self.problem.lags), 0, len(H) - 1)
        seen_along = np.where(unseen, 0.0, along[at])
        left = np.concatenate([seen_along, unseen], axis=1)
        right = np.concatenate([unseen, seen_along - float(center @ center) * unseen], axis=1)
        b = self.backend
        left, right = (b.put(np.ascontiguousarray(part, dtype=H.dtype)) for part in (left, right.T))
        return b.summed(kernel, [b.product(left, right)], -1)

    def scratch(self) -> Array:
        """Allocate memory for `train`."""
        n = sum(self.sizes)
        return self.backend.empty((n, n), self.problem.y.dtype)

    def train(self, parts: Sequence[int], scratch: Array) -> DualTrained:
        """Prepare the training set of some parts; it is valid until the scratch memory is used again."""
        return DualTrained(self, list(parts), scratch)

    def block(self, rows: Sequence[int], cols: Sequence[int], features: Array) -> Array:
        """Compute the kernel matrix between the rows of some parts and of others, uncentred, in memory of its own."""
        a, b = (np.concatenate([self.ranges[part] for part in parts]) for parts in (rows, cols))
        if not self.problem.standardize:
            return self.backend.block(self.kernel, self.position[row_numbers(a)], self.position[row_numbers(b)])
        if list(rows) != list(cols):
            return _kernel(self.backend, features, a, b, self.problem.lags)
        ordered = _in_order(a)  # of a symmetric matrix whose rows are in order one half is computed
        kernel = _kernel(self.backend, features, ordered, ordered, self.problem.lags)
        if (ordered == a).all():
            return kernel
        back = np.searchsorted(row_numbers(ordered), row_numbers(a))
        return self.backend.block(kernel, back, back)


class DualTrained:
    """One training set: weights at any λ, and their errors elsewhere."""

    def __init__(self, family: Dual, parts: list[int], scratch: Array) -> None:
        self.family, self.parts = family, parts
        problem, b = family.problem, family.backend
        self.ranges = np.concatenate([family.ranges[part] for part in parts])
        self.scaling = _scaling(problem, np.concatenate([family.bounds[part] for part in parts]), family.H)
        if problem.standardize:
            self.features = b.put(((family.H - self.scaling.mean) * self.scaling.scale).astype(problem.y.dtype))
        else:
            self.features = family.features
        y = problem.y[row_numbers(self.ranges)]
        n = len(y)
        refuse_no_rows(n)
        self.means = y.mean(axis=0, dtype=np.float64) if problem.fit_intercept else np.zeros(y.shape[1])
        kernel = family.block(parts, parts, self.features)
        gram = b.part(scratch, slice(n), slice(n))
        self.kernel_means, self.kernel_mean = np.zeros(n), 0.0
        if problem.fit_intercept:
            self.kernel_means = b.means(kernel, 0)
            self.kernel_mean = float(self.kernel_means.mean())
        b.assign(gram, self._centred(kernel, self.kernel_means))
        # Centred, X X' is singular along 1: its inverse there is 1/λ, for which float32 would refuse many a λ.
        # μ 1 1ᵀ/n is added, μ a mean of the eigenvalues s, Σ s² / Σ s. Loadings are orthogonal to 1 and stay the same.
        trace = float(b.get(b.diagonal(gram)).sum(dtype=np.float64))
        mu = float(b.get(b.squares(gram)).sum()) / trace if problem.fit_intercept and trace > 0 else 0.0
        lift = gram.dtype.type(mu / n)
        b.shifted(gram, np.full(n, lift, dtype=np.float64), np.zeros(n))
        self.mu = float(lift) * n
        self.equations = NormalEquations(
            conditions=family.conditions.setdefault(tuple(parts), {}),
            gram=gram,
            diagonal=b.diagonal(gram),
            cross=b.put((y - self.means).astype(y.dtype)),
            scaling=self.scaling,
            n_rows=n,
            column_means=np.zeros(n),
            target_means=self.means,
            target_squares=np.zeros(y.shape[1]),
        )

    def _centred(self, kernel: Array, row_means: Double) -> Array:
        """Centre both sides about the training rows' mean, in place; `row_means` are `kernel`'s over its columns."""
        return self.family.backend.shifted(kernel, -row_means, self.kernel_mean - self.kernel_means)

    def weights(self, alpha: float, targets: NDArray[np.int64] | None = None) -> Weights:
        """Return the weights of all targets, or of some, in the units of the data."""
        return self.weights_of(self.family.backend.get(solve(self.equations, alpha, targets)), targets)

    def weights_of(self, loadings: Float, targets: NDArray[np.int64] | None = None) -> Weights:
        """Compute X'A in the units of the data; `loadings` A (n, c) of all targets, or of some."""
        problem = self.family.problem
        c, rows = loadings.shape[1], row_numbers(self.ranges)
        if problem.fit_intercept:  # loadings are orthogonal to 1; rounding along it would meet the features' means
            loadings = loadings - loadings.mean(axis=0, dtype=np.float64).astype(loadings.dtype)
        y = np.zeros((len(problem.X), c + 1), loadings.dtype)
        y[rows, :c] = loadings
        y[rows, c] = 1.0 / len(rows) if problem.fit_intercept else 0.0
        b, nothing = self.family.backend, np.zeros(self.features.shape[1], y.dtype)
        frames = Frames.of_matrix(self.features)
        cross, _, _ = frames.targets(b.put(y), self.ranges, problem.lags, nothing, np.zeros(c + 1, y.dtype))
        means = b.get(b.columns(cross, np.array([c])))[:, 0].astype(np.float64)
        values = b.columns(cross, np.arange(c))
        if not problem.standardize and self.family.center.any():
            center, unseen = self.family.center.astype(np.float64), _unseen(self.ranges, problem.lags)
            means += np.outer(1.0 - unseen.mean(axis=0), center).reshape(-1)
            unseen[:, unseen.all(axis=0)] = False
            if unseen.any():
                steps = np.kron(np.eye(len(problem.lags)), center[:, None]).astype(y.dtype)  # (p, w)
                sums = (unseen.T.astype(np.float64) @ loadings).astype(y.dtype)
                values = b.summed(values, [b.product(b.put(steps), b.put(sums))], -1)
        return in_units(replace(self.equations, column_means=means), values, targets)

    def chosen(self, alphas: Double, chosen: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], Weights]]:
        """Yield the weights of each target at its own λ."""
        return one_by_one(self.weights, alphas, chosen)

    def sums(
        self, alphas: Double, tests: Sequence[Sequence[int]], wanted: NDArray[np.bool_] | None = None
    ) -> Double | None:
        """Return None: predictions of one λ after the other cost no less."""
        return None

    def errors(self, alphas: Double, tests: Sequence[Sequence[int]], wanted: NDArray[np.bool_] | None = None) -> Double:
        """Sum (y - prediction)² over the rows of each test set, (n_tests, n_alphas, c)."""
        family, problem, b = self.family, self.family.problem, self.family.backend
        out = np.zeros((len(tests), len(alphas), problem.y.shape[1]))
        blocks, actual = [], []
        for test in tests:
            rows = row_numbers(np.concatenate([family.ranges[part] for part in test]))
            kernel = family.block(list(test), self.parts, self.features)
            row_means = b.means(kernel, 1) if problem.fit_intercept else np.zeros(len(rows))
            blocks.append(self._centred(kernel, row_means))
            actual.append(problem.y[rows] - self.means)
        for a, alpha in enumerate(alphas):
            loadings = solve(self.equations, float(alpha))
            for i, (block, y) in enumerate(zip(blocks, actual, strict=True)):
                error = y - b.get(b.product(block, loadings))
                out[i, a] = np.einsum("tc,tc->c", error, error)
        return out


def _scaling(problem: Problem, bounds: Bounds, H: Float) -> Scaling:
    """Take features as given, or z-score them with all frames of the training segments."""
    d = H.shape[1]
    if not problem.standardize:
        return Scaling(np.zeros(d), np.ones(d))
    mean, std = mean_and_std(H[row_numbers(bounds)])
    if H.dtype == np.float32:
        refuse_large_means("feature", _sums(mean, std), 1, np.zeros(d), FLOAT32_ROUNDED_MEAN_TO_STD)
    return Scaling(mean, np.divide(1.0, std, out=np.zeros(d), where=std > 0))


def mean_and_std(H: Float) -> tuple[Double, Double]:
    """Average the rows of H, in double; a constant column has its value for a mean and a deviation of exactly 0."""
    mean = H.mean(axis=0, dtype=np.float64)
    least, greatest = H.min(axis=0), H.max(axis=0)
    mean = np.where(least == greatest, least, mean)
    std = np.sqrt(np.mean((H - mean) ** 2, axis=0, dtype=np.float64))
    return mean, np.where(least == greatest, 0.0, std)


def _refuse_large_means(mean: Double, std: Double) -> None:
    """Raise PrecisionError where means dwarf what varies: of one feature, or, constant ones with them, of all."""
    refuse_large_means("feature", _sums(mean, std), 1, np.zeros(len(mean)), FLOAT32_MEAN_TO_STD)
    norms = np.linalg.norm([mean, std], axis=1, keepdims=True)
    refuse_large_means("all features together, column", _sums(*norms), 1, np.zeros(1), FLOAT32_MEAN_TO_STD)


def _sums(mean: Double, std: Double) -> Double:
    return np.stack([mean, mean**2 + std**2])


def _unseen(ranges: Ranges, lags: range) -> NDArray[np.bool_]:
    """Return whether a lag sees no frame, (n_rows, w), for the rows of the ranges in order."""
    low, high = (np.repeat(edge, ranges[:, 1] - ranges[:, 0])[:, None] for edge in ranges[:, 2:].T)
    at = row_numbers(ranges)[:, None] - np.asarray(lags)
    return np.asarray((at < low) | (at >= high))


def _in_order(ranges: Ranges) -> Ranges:
    return np.ascontiguousarray(ranges[np.argsort(ranges[:, 0], kind="stable")])


def _kernel(backend: Backend, H: Array, a: Ranges, b: Ranges, lags: range) -> Array:
    rows, cols = (int((ranges[:, 1] - ranges[:, 0]).sum()) for ranges in (a, b))
    out = backend.empty((rows, cols), H.dtype)
    backend.kernels.lagged_kernel(H, a, H, b, lags[0], len(lags), out, backend.handle())
    return out


def kernel_operations(size: FitSize) -> float:
    """Count the operations of the kernel matrix."""
    # Half of a symmetric matrix. Sums along diagonals are adds of what lies in memory: about four products each.
    half = float(size.n_rows) ** 2 * (size.n_features + 2 * size.n_lags)
    return half * (size.n_sets if size.standardize else 1)


def dual_operations(size: FitSize) -> float:
    """Count the operations of the dual."""
    n, c = float(size.n_rows), size.n_targets
    train = n * (1 - 1 / max(2, size.n_parts))
    each = DEVICES[size.device].cholesky_operations(train) + 2 * train * train * c + 2 * train * c * n / size.n_parts
    return kernel_operations(size) + size.n_sets * size.n_alphas * each + 2 * n * size.n_columns * c


def dual_bytes(size: FitSize) -> float:
    """Count the bytes that the dual holds."""
    n, c = size.n_rows, size.n_targets
    workers = n_workers(size, n, Dual.SIDE_BY_SIDE_ROWS, size.n_sets)
    squares = (0 if size.standardize else 1) + 2.5 * workers
    return device_blocks(size) + float(
        (squares * n * n + 8 * n * c + 2 * n * size.n_features + 3 * size.n_columns * c) * size.itemsize
    )
