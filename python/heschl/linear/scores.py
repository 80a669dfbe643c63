"""Scores, named apart: R² = 1 - SSE / SST about the test mean, and Pearson's r. r² is a third number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heschl.linear.frames import Double, Float
from heschl.linear.rows import Bounds, row_numbers


@dataclass(frozen=True)
class Variation:
    """What the responses of some test rows vary by: the denominator of R²."""

    sst: Double  # (c,) Σ (y - mean)²; NaN where the response is constant, so that scores become NaN there

    @classmethod
    def of(cls, y: Float, bounds: Bounds) -> Variation:
        """Variation of the rows in `bounds`, about their own mean."""
        rows = y[row_numbers(bounds)]
        constant = rows.max(axis=0) == rows.min(axis=0)
        centred = rows - rows.mean(axis=0, dtype=np.float64)
        return cls(np.where(constant, np.nan, np.einsum("tc,tc->c", centred, centred)))


def r2_score(y: Float, prediction: Float, bounds: Bounds) -> Double:
    """R² of each target over the rows in `bounds`; NaN where the response is constant."""
    rows = row_numbers(bounds)
    error = y[rows].astype(np.float64) - prediction[rows]
    return np.asarray(1.0 - np.einsum("tc,tc->c", error, error) / Variation.of(y, bounds).sst)


def pearson_r(y: Float, prediction: Float, bounds: Bounds) -> Double:
    """Pearson correlation of each target over the rows in `bounds`; NaN where either side is constant."""
    rows = row_numbers(bounds)
    a, b = y[rows].astype(np.float64), prediction[rows].astype(np.float64)
    a -= a.mean(axis=0)
    b -= b.mean(axis=0)
    size = np.sqrt(np.einsum("tc,tc->c", a, a) * np.einsum("tc,tc->c", b, b))
    product = np.einsum("tc,tc->c", a, b)
    return np.asarray(np.divide(product, size, out=np.full(size.shape, np.nan), where=size > 0))


def nanmean(values: Double, axis: int) -> Double:
    """Mean over the defined entries; NaN, without a warning, where none is."""
    defined = np.isfinite(values)
    count = defined.sum(axis=axis)
    total = np.where(defined, values, 0.0).sum(axis=axis)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))
