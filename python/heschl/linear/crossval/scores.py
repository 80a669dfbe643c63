"""The table of scores, and the sums that all of them are made of.

R², Pearson's r and r² are three different numbers and have three names. A further score is a function of `FoldSums`
and a row of `SCORES`: every `scoring=` and `statistic=` then takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from heschl.checks import check_choice
from heschl.linear.design.rows import row_numbers
from heschl.linear.device.arrays import Array, Bounds, Double, Float, Integers
from heschl.linear.device.place import backend_of
from heschl.linear.moments.formulas import mean_of_defined, pearson_r, pooled_r_squared, r_squared

# Rows of a fold whose mean is subtracted before anything is summed; it only has to be near the fold's mean.
SHIFT_ROWS = 64
SUMS = ("sst", "sse", "ssp", "spy")


@dataclass(frozen=True)
class FoldSums:
    """Sums over the rows of K folds, of c targets, from one pass over responses y and predictions p.

    Attributes
    ----------
    sst : ndarray of shape (K, c)
        Σ (y - mean)² about the fold's own mean; 0 or NaN where the response is constant.
    sse : ndarray of shape (..., K, c)
        Σ (y - p)². Axes before the last two are those of penalties, or of permutations.
    ssp, spy : ndarray of shape (..., K, c), or None
        Σ (p - mean)² and Σ (y - mean) (p - mean); None where only errors are known.
    """

    sst: Double
    sse: Double
    ssp: Double | None = None
    spy: Double | None = None

    @classmethod
    def of(cls, y: Array, prediction: Array, folds: Sequence[Bounds]) -> FoldSums:
        """Sum over the rows of each fold.

        Parameters
        ----------
        y, prediction : ndarray of shape (n, c)
            float32 or float64, on the host or (both in one precision) a device; everything is summed in float64.
        folds : sequence of ndarray of shape (s, 2) or (r, 4), int64
            First row and one past the last row of the segments, or ranges of rows, of each fold.

        Returns
        -------
        FoldSums
            With all four sums; `sst` and `ssp` are exactly 0 for a constant.
        """
        n_folds, c, b = len(folds), y.shape[1], backend_of(prediction)
        if y.dtype != prediction.dtype:
            dtype = np.result_type(y.dtype, prediction.dtype)
            y, prediction = (side if side.dtype == dtype else b.cast(side, dtype) for side in (y, prediction))
        shift = np.stack([_near_mean(side, bounds) for bounds in folds for side in (y, prediction)])
        out = b.empty((n_folds * 6, c), np.float64)
        fold = np.repeat(np.arange(n_folds), [len(bounds) for bounds in folds])
        bounds = np.ascontiguousarray(np.concatenate(folds)[:, :2], dtype=np.int64)
        b.kernels.score_sums(y, prediction, bounds, fold, b.put(shift), out, b.handle())
        sy, sp, syy, spp, syp, sse = b.get(out).reshape(n_folds, 6, c).transpose(1, 0, 2)
        n = np.array([[float((part[:, 1] - part[:, 0]).sum())] for part in folds])
        mean = np.divide(1.0, n, out=np.zeros_like(n), where=n > 0)
        sst, ssp = (np.maximum(squares - s * s * mean, 0.0) for squares, s in ((syy, sy), (spp, sp)))
        return cls(sst, sse, ssp, syp - sy * sp * mean)

    @classmethod
    def joined(cls, folds: Sequence[FoldSums]) -> FoldSums:
        """Join the sums of some folds each into those of all of them."""
        return cls(*(np.concatenate([getattr(part, name) for part in folds], axis=-2) for name in SUMS))

    @classmethod
    def of_targets(cls, blocks: Sequence[tuple[Integers, FoldSums]], n_targets: int) -> FoldSums:
        """Join the sums of some targets each into those of all."""
        first = blocks[0][1]
        out = cls(*np.full((4, len(first.sst), n_targets), np.nan))
        for targets, part in blocks:
            out.assign_targets(targets, part)
        return out

    def fold(self, k: int) -> FoldSums:
        """Return the sums of one fold, (1, c)."""
        return FoldSums(*(getattr(self, name)[k : k + 1] for name in SUMS))

    def assign(self, fold: int, sums: FoldSums) -> None:
        """Write the sums of one fold into their place among all."""
        for name in SUMS:
            getattr(self, name)[fold] = getattr(sums, name)[0]

    def assign_targets(self, targets: Integers, sums: FoldSums) -> None:
        """Write the sums of some targets into their place among all."""
        for name in SUMS:
            getattr(self, name)[:, targets] = getattr(sums, name)

    def targets(self, some: slice | Integers) -> FoldSums:
        """Return the sums of some targets."""
        return FoldSums(*(getattr(self, name)[..., some] for name in SUMS))


def r2(sums: FoldSums) -> Double:
    """Return R² of each fold, 1 - SSE / SST about the fold's own mean, (..., K, c)."""
    return r_squared(sums.sse, sums.sst)


def pooled_r2(sums: FoldSums) -> Double:
    """Return 1 - Σ SSE / Σ SST over folds, (..., c)."""
    return pooled_r_squared(sums.sse, sums.sst)


def r(sums: FoldSums) -> Double:
    """Return Pearson's correlation of responses and predictions in each fold, (..., K, c)."""
    assert sums.spy is not None and sums.ssp is not None, "r needs sums of predictions"
    return pearson_r(sums.spy, sums.sst, sums.ssp)


def squared_r(sums: FoldSums) -> Double:
    """Return r² of each fold, (..., K, c): R² of the best line through the predictions."""
    return np.asarray(r(sums) ** 2)


@dataclass(frozen=True)
class Score:
    """A row of the table of scores.

    Attributes
    ----------
    name : str
        As users ask for it.
    symbol : str
        As figures and sentences write it.
    of_folds : callable
        Its value in each fold, (..., K, c), of `FoldSums`; NaN where it is not defined.
    pooled : callable or None
        Its value over all folds, (..., c), of `FoldSums`; None: the unweighted mean over the folds where it is defined.
    errors_suffice : bool
        Whether it is made of `sse` and `sst` alone, which some solvers have without making predictions.
    higher_is_better : bool
    """

    name: str
    symbol: str
    of_folds: Callable[[FoldSums], Double]
    pooled: Callable[[FoldSums], Double] | None = None
    errors_suffice: bool = False
    higher_is_better: bool = True

    def over_folds(self, sums: FoldSums) -> Double:
        """Return one score of each target, (..., c): pooled, or the mean over folds."""
        return mean_of_defined(self.of_folds(sums), axis=-2) if self.pooled is None else self.pooled(sums)

    def oriented(self, values: Double) -> Double:
        """Return scores such that more is better: as they are, or negated."""
        return values if self.higher_is_better else -values


SCORES: Mapping[str, Score] = {
    score.name: score
    for score in (
        Score("r2", "R²", r2, errors_suffice=True),
        Score("pooled_r2", "pooled R²", r2, pooled=pooled_r2, errors_suffice=True),
        Score("r", "r", r),
        Score("r_squared", "r²", squared_r),
    )
}


def check_score(argument: str, name: object) -> Score:
    """Return the row of a name, or raise InputError with the names there are."""
    check_choice(argument, name, tuple(SCORES))
    return SCORES[str(name)]


def score_predictions(score: Score, y: Float, prediction: Float, bounds: Bounds) -> Double:
    """Return a score of each target over the rows in `bounds`, (c,)."""
    return np.asarray(score.of_folds(FoldSums.of(y, prediction, [bounds]))[0])


def pooled_of_folds(r2_of_folds: Double, sst: Double) -> Double:
    """Return pooled R², (c,), from R² of each fold (K, c) and the squares of its responses; NaN leaves a fold out."""
    return pooled_r_squared((1.0 - r2_of_folds) * sst, np.where(np.isfinite(r2_of_folds), sst, np.nan))


def fold_squares(y: Float, bounds: Sequence[Bounds]) -> Double:
    """Return Σ (y - mean)² of some sets of rows about their own means, (K, c); NaN where the response is constant."""
    sst = np.stack([FoldSums.of(y, y, [rows]).sst[0] for rows in bounds])
    return np.where(sst > 0.0, sst, np.nan)


def _near_mean(values: Array, bounds: Bounds) -> Double:
    """Return about the mean of some rows, (c,); of a constant its value, so that deviations are exactly 0."""
    rows = row_numbers(bounds)
    if len(rows) == 0:
        return np.zeros(values.shape[1])
    b = backend_of(values)
    some = b.get(b.rows(values, rows[:: max(1, len(rows) // SHIFT_ROWS)])).astype(np.float64)
    return np.asarray(some[0] + (some - some[0]).mean(axis=0))
