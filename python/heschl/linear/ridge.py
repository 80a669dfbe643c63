"""One λ at a time: from normal equations to weights, from weights to predictions and errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heschl import _core
from heschl.linear.frames import Double, Float, Frames
from heschl.linear.normal import NormalEquations, PrecisionError
from heschl.linear.rows import Ranges, row_numbers
from heschl.linear.threads import n_threads

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
        """Predictions (n_rows, c) for the rows of the ranges, in order."""
        return X.predict(self.values, self.shift, self.intercept, ranges, lags)


def squared_errors(sets: Sequence[Weights], X: Frames, y: Float, ranges: Ranges, lags: range) -> Double:
    """Σ (y - prediction)² over the rows of the ranges, (m, c), for m sets of weights of equal shift."""
    c = y.shape[1]
    H = X.dense
    if H is None:
        actual = y[row_numbers(ranges)].astype(np.float64)
        errors = (actual - weights.predict(X, ranges, lags) for weights in sets)
        return np.array([np.einsum("tc,tc->c", error, error) for error in errors])
    values = sets[0].values if len(sets) == 1 else np.concatenate([weights.values for weights in sets], axis=1)
    intercept = np.concatenate([weights.intercept for weights in sets])
    sse = np.empty(len(sets) * c)
    _core.lagged_sse(H, y, sets[0].shift, ranges, lags[0], len(lags), values, intercept, sse, n_threads())
    return sse.reshape(len(sets), c)


def solve(equations: NormalEquations, alpha: float, targets: NDArray[np.int64] | None = None) -> Float:
    """(X'X + alpha I)⁻¹ X'Y (p, c) of all targets, or of some, for the features as the equations read them.

    Minimises ‖Y - X W - 1 bᵀ‖² + alpha ‖W‖².

    Raises
    ------
    PrecisionError
        Where float32 does not carry the solve.
    numpy.linalg.LinAlgError
        Where X'X + alpha I is singular in float64 too.
    """
    cross = equations.cross if targets is None else np.ascontiguousarray(equations.cross[:, targets])
    single = cross.dtype == np.float32
    values = cross.copy()
    try:
        _core.ridge_solve(equations.gram, equations.diagonal, alpha, values, n_threads())
    except np.linalg.LinAlgError as error:
        if single:
            raise PrecisionError(str(error)) from error
        raise np.linalg.LinAlgError(f"{error}; alpha = {alpha:g} is too small beside X'X") from error
    if single:
        refuse_residual(equations, alpha, values, targets)
    return values


def refuse_residual(
    equations: NormalEquations, alpha: float, values: Float, targets: NDArray[np.int64] | None = None
) -> None:
    """Raise PrecisionError where the solution of a sample of targets misses its equations, in sums of float64."""
    cross = equations.cross if targets is None else np.ascontiguousarray(equations.cross[:, targets])
    sample = np.linspace(0, cross.shape[1] - 1, min(SAMPLED_TARGETS, cross.shape[1])).astype(np.int64)
    residual = _core.ridge_residual(equations.gram, equations.diagonal, alpha, cross, values, sample, n_threads())
    if not residual <= FLOAT32_RESIDUAL:
        raise PrecisionError(f"relative residual {residual:.1e} at alpha = {alpha:g}")


def in_units(equations: NormalEquations, values: Float, targets: NDArray[np.int64] | None = None) -> Weights:
    """Weights in the units of features and responses, from those for the features as the equations read them."""
    means = equations.target_means if targets is None else equations.target_means[targets]
    intercept = means - equations.column_means @ values
    n_lags = len(values) // len(equations.reading.scale)
    scaled = values * np.tile(equations.reading.scale, n_lags)[:, None].astype(values.dtype)
    # Only where features are standardised is anything padded with their mean; as given they are padded with 0.
    return Weights(scaled, equations.reading.mean.astype(values.dtype), intercept.astype(values.dtype))


def errors_from_moments(test: NormalEquations, train: NormalEquations, values: Sequence[Float]) -> Double:
    """Σ (y - prediction)² over the test rows, (m, c), for m sets of weights from `solve(train, …)`.

    Both read the features alike. About the test rows' own means the error is a quadratic form of their moments; what
    the two means differ by is a constant error of every row.
    """
    stacked = values[0] if len(values) == 1 else np.concatenate(values, axis=1)
    out = np.empty(stacked.shape[1])
    _core.quadratic_errors(test.gram, test.cross, stacked, out, n_threads())
    moved = (test.column_means - train.column_means).astype(stacked.dtype) @ stacked
    constant = np.tile(test.target_means - train.target_means, len(values)) - moved
    sse = out + np.tile(test.target_squares, len(values)) + test.n_rows * constant**2
    return np.asarray(np.maximum(sse, 0.0).reshape(len(values), -1))
