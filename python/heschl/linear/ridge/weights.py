"""One λ at a time: from normal equations to weights, from weights to predictions and errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import DTypeLike, NDArray

from heschl.linear.design.frames import Frames
from heschl.linear.design.rows import row_numbers
from heschl.linear.device.arrays import Array, Double, Float, Ranges
from heschl.linear.device.backend import Backend
from heschl.linear.device.place import backend_of, moved
from heschl.linear.ridge.condition import note, of_factor, too_small
from heschl.linear.ridge.normal import NormalEquations, PrecisionError

# A float32 solve whose relative residual is above this is not returned. It bounds the error of the fit, not of
# weights in directions the data hardly know; the tests hold weights to 1e-3 where it passes.
FLOAT32_RESIDUAL = 1e-4
SAMPLED_TARGETS = 2


@dataclass(frozen=True)
class Weights:
    """A fitted linear map: prediction = Σ_k (H[t - lag_k] - shift) values_k + intercept."""

    values: Float  # (p, c), lag-major rows k · d + f, in the units of H and Y
    shift: Float  # (d,)
    intercept: Float  # (c,)

    def predict(self, X: Frames, ranges: Ranges, lags: range) -> Float:
        """Predict the rows of the ranges, (n_rows, c), in order; return the predictions on the host."""
        return X.backend.get(self.predict_placed(X, ranges, lags))

    def predict_placed(self, X: Frames, ranges: Ranges, lags: range) -> Array:
        """Predict where X lies."""
        return X.predict(self.on(X.backend).values, self.shift, self.intercept, ranges, lags)

    def on(self, backend: Backend) -> Weights:
        """Move the values to another backend."""
        return self if backend_of(self.values) == backend else replace(self, values=moved(self.values, backend))

    def coefficients(self, n_lags: int, dtype: DTypeLike) -> tuple[Array, Float]:
        """Return weights (c, d, n_lags) where they lie, and intercepts (c,) on the host, for unshifted features."""
        b = backend_of(self.values)
        shifts = np.tile(self.shift.astype(np.float64), n_lags)
        intercept = self.intercept - b.get(b.weighted_sums(shifts, self.values))
        values = self.values if self.values.dtype == dtype else b.cast(self.values, dtype)
        return b.by_target(values, n_lags), intercept.astype(dtype)


def squared_errors(sets: Sequence[Weights], X: Frames, y: Float, ranges: Ranges, lags: range) -> Double:
    """Sum (y - prediction)² over the rows of the ranges, (m, c), for m sets of weights of equal shift."""
    c, b = y.shape[1], X.backend
    only = X.spaces[0]
    if b.kind.by_word and X.dense is None:  # word by word: the kernel would go frame by frame
        actual = y[row_numbers(ranges)].astype(np.float64)
        errors = (actual - weights.predict(X, ranges, lags) for weights in sets)
        return np.array([np.einsum("tc,tc->c", error, error) for error in errors])
    values = b.side_by_side([weights.values for weights in sets])
    intercept = b.put(np.concatenate([weights.intercept for weights in sets]))
    sse = b.empty((len(sets) * c,), np.float64)
    b.kernels.lagged_sse(
        only.values, only.index, y, b.put(sets[0].shift), ranges, lags[0], len(lags), values, intercept, sse, b.handle()
    )
    return b.get(sse).reshape(len(sets), c)


def solve(equations: NormalEquations, alpha: float, targets: NDArray[np.int64] | None = None) -> Array:
    """Solve (X'X + alpha I) W = X'Y, (p, c), of all targets, or of some, for the scaled features.

    Minimises ‖Y - X W - 1 bᵀ‖² + alpha ‖W‖².

    Raises
    ------
    PrecisionError
        Where float32 does not carry the solve.
    InputError
        Where X'X + alpha I is singular in float64 too.
    """
    b = backend_of(equations.cross)
    single = equations.cross.dtype == np.float32
    values = b.copy(equations.cross) if targets is None else b.columns(equations.cross, targets)
    try:
        b.kernels.ridge_solve(equations.gram, equations.diagonal, alpha, values, b.handle())
    except np.linalg.LinAlgError as error:
        if single:
            raise PrecisionError(str(error)) from error
        raise too_small(alpha) from error
    if b.kind.host_threads:
        diagonal = equations.diagonal.astype(np.float64) + alpha
        hidden = equations.hides(alpha)
        if hidden and single:
            raise PrecisionError(f"the variance of a column is lost beside its mean at alpha = {alpha:g}")
        note(equations.conditions, alpha, lambda: np.inf if hidden else of_factor(equations.gram, diagonal))
    if single:
        refuse_residual(equations, alpha, values, targets)
    elif not b.kind.reports_singular and not b.finite(values):  # a pivot of exactly 0 may pass there
        raise too_small(alpha)
    return values


def solve_path(equations: NormalEquations, alphas: Double) -> Array:
    """Solve at many alphas together, (p, n_alphas · c), where a device does that (`DeviceKind.path_columns`).

    Raises
    ------
    PrecisionError, InputError
        As `solve`.
    """
    b, (p, c) = backend_of(equations.cross), equations.cross.shape
    values = b.empty((p, len(alphas) * c), equations.cross.dtype)
    b.kernels.ridge_path(equations.gram, equations.diagonal, alphas.tolist(), equations.cross, values)
    if equations.cross.dtype == np.float64:
        if not b.finite(values):
            whole = [b.finite(b.part(values, slice(None), slice(a * c, (a + 1) * c))) for a in range(len(alphas))]
            raise too_small(float(alphas[whole.index(False)]))
        return values
    found = b.kernels.path_residuals(
        equations.gram, equations.diagonal, alphas.tolist(), equations.cross, values, _sample(c).tolist()
    )
    for alpha, residual in zip(alphas, found, strict=True):
        if not residual <= FLOAT32_RESIDUAL:
            raise PrecisionError(f"relative residual {residual:.1e} at alpha = {alpha:g}")
    return values


def _sample(n_targets: int) -> NDArray[np.int64]:
    """Choose targets whose solutions are put into their equations."""
    return np.linspace(0, n_targets - 1, min(SAMPLED_TARGETS, n_targets)).astype(np.int64)


def refuse_residual(
    equations: NormalEquations, alpha: float, values: Float, targets: NDArray[np.int64] | None = None
) -> None:
    """Raise PrecisionError where the solution of a sample of targets misses its equations, in sums of float64."""
    b = backend_of(equations.cross)
    cross = equations.cross if targets is None else b.columns(equations.cross, targets)
    sample = _sample(cross.shape[1])
    residual = b.kernels.ridge_residual(
        equations.gram, equations.diagonal, [alpha] * len(sample), cross, values, sample, b.handle()
    )
    if not residual <= FLOAT32_RESIDUAL:
        raise PrecisionError(f"relative residual {residual:.1e} at alpha = {alpha:g}")


def in_units(equations: NormalEquations, values: Float, targets: NDArray[np.int64] | None = None) -> Weights:
    """Convert weights for the scaled features into the units of features and responses."""
    means = equations.target_means if targets is None else equations.target_means[targets]
    b = backend_of(values)
    intercept = means - b.get(b.weighted_sums(equations.column_means, values))
    scaled = b.scaled_rows(values, equations.scaling.scale)
    # Only where features are standardised is anything padded with their mean; as given they are padded with 0.
    return Weights(scaled, equations.scaling.mean.astype(values.dtype), intercept.astype(values.dtype))


def errors_from_moments(test: NormalEquations, train: NormalEquations, values: Sequence[Float]) -> Double:
    """Sum (y - prediction)² over the test rows, (m, c), for m sets of weights from `solve(train, …)`.

    Both read the features alike. About the test rows' own means the error is a quadratic form of their moments; what
    the two means differ by is a constant error of every row.
    """
    b = backend_of(values[0])
    stacked = b.side_by_side(values)
    out = b.empty((stacked.shape[1],), np.float64)
    b.kernels.quadratic_errors(test.gram, test.cross, stacked, out, b.handle())
    apart = (test.column_means - train.column_means).astype(stacked.dtype)
    quadratic, moved = b.bring([out, b.weighted_sums(apart, stacked)])
    constant = np.tile(test.target_means - train.target_means, len(values)) - moved
    sse = quadratic + np.tile(test.target_squares, len(values)) + test.n_rows * constant**2
    return np.asarray(np.maximum(sse, 0.0).reshape(len(values), -1))


def sums_from_moments(test: NormalEquations, train: NormalEquations, values: Sequence[Float]) -> Double:
    """Sum over the test rows as `errors_from_moments` does, and squares and products about the means: (3, m, c).

    Σ (y - p)², Σ (p - mean)² and Σ (y - mean) (p - mean) of predictions p.
    """
    b = backend_of(values[0])
    stacked = b.side_by_side(values)
    squares, both = (b.empty((stacked.shape[1],), np.float64) for _ in range(2))
    nothing = b.zeros(test.cross.shape, test.cross.dtype)
    b.kernels.quadratic_errors(test.gram, nothing, stacked, squares, b.handle())  # w'X'Xw
    b.kernels.quadratic_errors(test.gram, test.cross, stacked, both, b.handle())  # w'X'Xw - 2 w'X'y
    ssp, less = (each.reshape(len(values), -1) for each in b.bring([squares, both]))
    return np.stack([errors_from_moments(test, train, values), np.maximum(ssp, 0.0), (ssp - less) / 2])
