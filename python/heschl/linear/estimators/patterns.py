"""From the weights of a model to the patterns of what it reads: Haufe's transform, without building the design."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.linear.design.frames import Frames
from heschl.linear.design.rows import row_numbers, row_ranges
from heschl.linear.design.trials import trials_and_segments
from heschl.linear.device.arrays import Bounds, Double
from heschl.linear.device.host import HOST
from heschl.linear.moments.distributed import is_dask
from heschl.linear.moments.lagged import LaggedMoments
from heschl.linear.moments.shift import Shift
from heschl.linear.ridge.normal import Scaling, normal_equations


def features_here(X: Any, segments: Any) -> tuple[Any, Any]:
    """Return features, in the form of frames, and segments.

    Raises
    ------
    InputError
        For a dask array: features and predictions are read together, and once more than in a fit.
    """
    if is_dask(X):
        raise InputError(
            "X", "a dask array", "an array of this process", "Some of it may do: pass X[:100_000].compute()."
        )
    X, _, segments = trials_and_segments(X, None, segments)
    return X, segments


def haufe_patterns(
    X: Any, prediction: NDArray[Any], bounds: Bounds, lags: range, boundary: str, padding: Double
) -> Double:
    """Return Σ_X W Σ_ŷ⁻¹ of the lagged design, from the moments of features and predictions.

    Σ_X W is the covariance of the design with the predictions: one pass over the features, as in a fit.

    Parameters
    ----------
    X : Frames, or as `Frames.of` takes
        (n, d).
    prediction : (n, c) array
        ŷ of the same frames.
    bounds : (s, 2) array
        Segments.
    lags : range
    boundary : {"zero", "drop", "cross"}
    padding : (d,) array
        What stands where history is missing.

    Returns
    -------
    (p, c) array
        Lag-major rows k · d + f.
    """
    features, y = Frames.of(X, np.float64).to(HOST), prediction.astype(np.float64)
    rows = row_numbers(row_ranges(bounds, lags, boundary, len(features))[0])
    moments = LaggedMoments.of_rows(features, y, bounds, lags, boundary, Shift.near_mean(features, y))
    scaling = Scaling(padding.astype(np.float64), np.ones(features.shape[1]))
    joint = normal_equations(moments, scaling=scaling, assemble=False).cross
    centred = y[rows] - y[rows].mean(axis=0)
    return np.asarray(joint @ np.linalg.pinv(centred.T @ centred, hermitian=True))
