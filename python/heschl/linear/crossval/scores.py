"""Scores, named apart: R² = 1 - SSE / SST about the test mean, Pearson's r, and r², its square. All from one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heschl.linear.design.rows import row_numbers
from heschl.linear.device.arrays import Array, Bounds, Double, Float
from heschl.linear.device.host import HOST
from heschl.linear.device.place import backend_of

# Rows of a fold whose mean is subtracted before anything is summed; it only has to be near the fold's mean.
SHIFT_ROWS = 64


@dataclass(frozen=True)
class FoldScores:
    """What the scores of predictions are made of, gathered in one pass over blocks of rows; K folds, c targets.

    Attributes
    ----------
    n_rows : ndarray of shape (K, 1)
    sst, ssp : ndarray of shape (K, c)
        Σ (y - mean)² and Σ (prediction - mean)² about the fold's own means; exactly 0 for a constant.
    spy : ndarray of shape (K, c)
        Σ (y - mean) (prediction - mean).
    sse : ndarray of shape (K, c)
        Σ (y - prediction)².

    `spy` and `sse` may have axes before these two: those of permutations that leave the rest as it is.
    """

    n_rows: Double
    sst: Double
    ssp: Double
    spy: Double
    sse: Double

    @classmethod
    def of(cls, y: Array, prediction: Array, folds: Sequence[Bounds]) -> FoldScores:
        """Sums over the rows of each fold.

        Parameters
        ----------
        y, prediction : ndarray of shape (n, c)
            float32 or float64, on the host or (both in one precision) a device; everything is summed in float64.
        folds : sequence of ndarray of shape (s, 2) or (r, 4), int64
            First row and one past the last row of the segments, or ranges of rows, of each fold.
        """
        n_folds, c, b = len(folds), y.shape[1], backend_of(prediction)
        if b is HOST:
            dtype = np.result_type(y, prediction)
            y, prediction = y.astype(dtype, copy=False), prediction.astype(dtype, copy=False)
        shift = np.stack([_near_mean(side, bounds) for bounds in folds for side in (y, prediction)])
        there = b.empty((n_folds * 6, c), np.float64)
        fold = np.repeat(np.arange(n_folds), [len(bounds) for bounds in folds])
        bounds = np.ascontiguousarray(np.concatenate(folds)[:, :2], dtype=np.int64)
        b.kernels.score_sums(y, prediction, bounds, fold, b.put(shift), there, b.handle())
        sy, sp, syy, spp, syp, sse = b.get(there).reshape(n_folds, 6, c).transpose(1, 0, 2)
        n = np.array([[float((part[:, 1] - part[:, 0]).sum())] for part in folds])
        mean = np.divide(1.0, n, out=np.zeros_like(n), where=n > 0)
        sst, ssp = (np.maximum(squares - s * s * mean, 0.0) for squares, s in ((syy, sy), (spp, sp)))
        return cls(n, sst, ssp, syp - sy * sp * mean, sse)

    def targets(self, block: slice) -> FoldScores:
        """The same for some targets."""
        return FoldScores(self.n_rows, *(part[..., block] for part in (self.sst, self.ssp, self.spy, self.sse)))

    @property
    def r2(self) -> Double:
        """R² of each fold, (K, c); NaN where the response is constant."""
        return 1.0 - _divide(self.sse, self.sst)

    @property
    def r(self) -> Double:
        """Pearson correlation in each fold, (K, c); NaN where either side is constant."""
        return _divide(self.spy, np.sqrt(self.sst) * np.sqrt(self.ssp))

    @property
    def r_squared(self) -> Double:
        """Squared Pearson correlation in each fold, (K, c): R² of the best line through the predictions."""
        return self.r**2

    @property
    def pooled_r2(self) -> Double:
        """1 - Σ SSE / Σ SST over the folds whose response varies, (c,); NaN where none does."""
        varies = self.sst > 0.0
        return 1.0 - _divide(np.where(varies, self.sse, 0.0).sum(axis=-2), self.sst.sum(axis=-2))


def _near_mean(values: Array, bounds: Bounds) -> Double:
    """About the mean of some rows, (c,); of a constant exactly its value, so that its deviations are exactly 0."""
    rows = row_numbers(bounds)
    if len(rows) == 0:
        return np.zeros(values.shape[1])
    b = backend_of(values)
    some = b.get(b.rows(values, rows[:: max(1, len(rows) // SHIFT_ROWS)])).astype(np.float64)
    return np.asarray(some[0] + (some - some[0]).mean(axis=0))


def _divide(a: Double, b: Double) -> Double:
    """Quotient, NaN where b is 0."""
    return np.asarray(np.divide(a, b, out=np.full(np.broadcast_shapes(a.shape, b.shape), np.nan), where=b > 0))


@dataclass(frozen=True)
class Variation:
    """What the responses of some test rows vary by: the denominator of R²."""

    sst: Double  # (c,) Σ (y - mean)²; NaN where the response is constant, so that scores become NaN there

    @classmethod
    def of(cls, y: Float, bounds: Bounds) -> Variation:
        """Variation of the rows in `bounds`, about their own mean."""
        sst = FoldScores.of(y, y, [bounds]).sst[0]
        return cls(np.where(sst > 0.0, sst, np.nan))


def r2_score(y: Float, prediction: Float, bounds: Bounds) -> Double:
    """R² of each target over the rows in `bounds`, (c,); NaN where the response is constant."""
    return np.asarray(FoldScores.of(y, prediction, [bounds]).r2[0])


def pearson_r(y: Float, prediction: Float, bounds: Bounds) -> Double:
    """Pearson correlation of each target over the rows in `bounds`, (c,); NaN where either side is constant."""
    return np.asarray(FoldScores.of(y, prediction, [bounds]).r[0])


def nanmean(values: Double, axis: int) -> Double:
    """Mean over the defined entries; NaN, without a warning, where none is."""
    defined = np.isfinite(values)
    count = defined.sum(axis=axis)
    total = np.where(defined, values, 0.0).sum(axis=axis)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))
