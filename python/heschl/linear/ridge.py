"""From normal equations to weights, from weights to predictions and errors: one λ at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heschl import _core
from heschl.linear.moments import Bounds, Double, Float, NormalEquations, PrecisionError
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

    def predict(self, X: Float, bounds: Bounds, lags: range, out: Float | None = None) -> Float:
        """Predictions (n, c) for the rows in `bounds`; other rows of `out` are left alone."""
        if out is None:
            out = np.zeros((len(X), self.values.shape[1]), X.dtype)
        _core.lagged_predict(X, self.shift, bounds, lags[0], len(lags), self.values, self.intercept, out, n_threads())
        return out

    def squared_error(self, X: Float, y: Float, bounds: Bounds, lags: range) -> Double:
        """Σ (y - prediction)² over the rows in `bounds`, (c,)."""
        sse = np.empty(y.shape[1])
        _core.lagged_sse(X, y, self.shift, bounds, lags[0], len(lags), self.values, self.intercept, sse, n_threads())
        return sse


def solve(equations: NormalEquations, alpha: float, targets: NDArray[np.int64] | None = None) -> Weights:
    """Ridge weights of all targets, or of some, at one penalty.

    Minimises ‖Y - X W - 1 bᵀ‖² + alpha ‖W‖² for the features as the equations read them.

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
        sample = np.linspace(0, cross.shape[1] - 1, min(SAMPLED_TARGETS, cross.shape[1])).astype(np.int64)
        residual = _core.ridge_residual(equations.gram, equations.diagonal, alpha, cross, values, sample, n_threads())
        if not residual <= FLOAT32_RESIDUAL:
            raise PrecisionError(f"relative residual {residual:.1e} at alpha = {alpha:g}")
    means = equations.target_means if targets is None else equations.target_means[targets]
    intercept = means - equations.column_means @ values
    n_lags = len(values) // len(equations.scale)
    values *= np.tile(equations.scale, n_lags)[:, None].astype(values.dtype)
    # Only where features are standardised is anything padded with their mean; as given they are padded with 0.
    return Weights(values, equations.mean.astype(values.dtype), intercept.astype(values.dtype))
