"""R² and Pearson's r from sums of squares and products: each formula once, for every caller."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear.device.arrays import Double


def quotient(numerator: Double, denominator: Double) -> Double:
    """Divide; NaN where the denominator is 0, below 0 or NaN."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    # In the numerator's memory order, so that sums over the result are made in the order of theirs.
    out = np.full_like(numerator, np.nan, dtype=np.float64)
    return np.asarray(np.divide(numerator, denominator, out=out, where=denominator > 0))


def r_squared(sse: Double, sst: Double) -> Double:
    """Return R² = 1 - SSE / SST; NaN where the response is constant (SST of 0, or marked by NaN)."""
    return np.asarray(1.0 - quotient(sse, sst))


def pooled_r_squared(sse: Double, sst: Double) -> Double:
    """Return 1 - Σ SSE / Σ SST over the folds whose response varies; NaN where none does.

    Parameters
    ----------
    sse, sst : ndarray of shape (..., K, c)
        Squared errors, and squares of the responses about each fold's mean, of K folds and c targets.

    Returns
    -------
    ndarray of shape (..., c)
    """
    varies = sst > 0
    return r_squared(np.where(varies, sse, 0.0).sum(axis=-2), np.where(varies, sst, 0.0).sum(axis=-2))


def pearson_r(products: Double, squares_a: Double, squares_b: Double) -> Double:
    """Return Pearson's r from Σ ab, Σ a² and Σ b² about the means; NaN where either side is constant."""
    with np.errstate(invalid="ignore"):  # of squares that rounding left below 0
        return quotient(products, np.sqrt(squares_a) * np.sqrt(squares_b))


def column_correlations(a: NDArray[Any], b: NDArray[Any]) -> Double:
    """Return Pearson's r of each pair of columns of two matrices (n, k), (k,); NaN where one is constant."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    return pearson_r((a * b).sum(axis=0), (a**2).sum(axis=0), (b**2).sum(axis=0))


def mean_of_defined(values: Double, axis: int) -> Double:
    """Return the mean over the entries that are finite; NaN, without a warning, where none is."""
    defined = np.isfinite(values)
    count = defined.sum(axis=axis)
    total = np.where(defined, values, 0.0).sum(axis=axis)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))
