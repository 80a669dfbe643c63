"""From moments to normal equations: centring and standardisation as algebra."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from heschl.checks import InputError
from heschl.linear.device.arrays import Double, Float
from heschl.linear.device.place import backend_of
from heschl.linear.moments.lagged import LaggedMoments

# Zero padding makes a step of the height of a feature's mean at every edge. Where that is so much larger than the
# feature's own variation, X'X holds numbers of a size beside which float32 loses what the fit is about.
FLOAT32_MEAN_TO_STD = 30.0
# Predictions are made with their intercept in the precision of the fit, and z-scores of features about their mean.
FLOAT32_ROUNDED_MEAN_TO_STD = 1000.0
# A variance that is not more than this beside a squared mean may be rounding.
ROUNDED_VARIANCE = {"float64": 1e-13, "float32": 1e-5}
# What a column that is lost so might do to a fit, beside its sum of squares: penalties above do not see it.
LOST = {"float64": 1e-5, "float32": 1e-4}


class PrecisionError(ArithmeticError):
    """float32 cannot carry this fit; the caller repeats it in float64."""


@dataclass(frozen=True)
class Scaling:
    """Centring and scaling of features: (H - mean) * scale where a row's lags may look, 0 elsewhere.

    Attributes
    ----------
    mean, scale : ndarray of shape (d,)
        0 and 1 for features as given; the scale of a constant feature is 0 where features are standardised.
    """

    mean: Double
    scale: Double

    @classmethod
    def of(cls, moments: LaggedMoments, standardize: bool) -> Scaling:
        """Take features as given, or z-score them with the mean and standard deviation of these moments' frames."""
        d = moments.first_column.shape[1]
        if not standardize:
            return cls(np.zeros(d), np.ones(d))
        if moments.first_column.dtype == np.float32:
            limit, shift = FLOAT32_ROUNDED_MEAN_TO_STD, moments.shift.features
            refuse_large_means("feature", moments.feature_sums, moments.n_frames, shift, limit)
        offset = moments.feature_sums[0] / moments.n_frames
        variance = np.maximum(moments.feature_sums[1] / moments.n_frames - offset**2, 0.0)
        varies = (moments.extremes[:, 0].min(axis=0) < moments.extremes[:, 1].max(axis=0)) & (variance > 0.0)
        scale = np.divide(1.0, np.sqrt(variance), out=np.zeros(d), where=varies)
        return cls(offset + moments.shift.features, scale)


@dataclass(frozen=True)
class NormalEquations:
    """(X'X + alpha I) W = X'Y for scaled features, and what turns W into a prediction.

    Attributes
    ----------
    gram : ndarray of shape (p, p), or (0, 0)
        X'X in the lower triangle; the upper one is scratch of the solver.
    diagonal : ndarray of shape (p,)
        Diagonal of X'X, kept apart because the solver overwrites it.
    cross : ndarray of shape (p, c)
        X'Y.
    scaling : Scaling
    n_rows : int
    column_means : ndarray of shape (p,)
        Means of the design's columns (0 without an intercept).
    target_means : ndarray of shape (c,)
        Means of the responses (0 without an intercept).
    target_squares : ndarray of shape (c,)
        Σ (y - mean)² with those means.
    conditions : dict
        Estimated condition number at each alpha that was solved for (`heschl.linear.ridge.condition`).
    lost : float
        Sum of squares beside which the variance of a column is no more than rounding, though its feature is no constant
        in these frames: the largest; 0 where there is none. In float64 such a column counts as constant.
    """

    gram: Float
    diagonal: Float
    cross: Float
    scaling: Scaling
    n_rows: int
    column_means: Double
    target_means: Double
    target_squares: Double
    conditions: dict[float, float] = field(default_factory=dict)
    lost: float = 0.0

    def hides(self, alpha: float) -> bool:
        """Return whether a penalty is so small that a lost column might have counted."""
        return self.lost * LOST[str(self.cross.dtype)] > alpha


def normal_equations(
    moments: LaggedMoments,
    *,
    fit_intercept: bool = True,
    standardize: bool = False,
    scaling: Scaling | None = None,
    gram: Float | None = None,
    assemble: bool = True,
) -> NormalEquations:
    """Compute X'X and X'Y, centred where there is an intercept, of the features as given or z-scored.

    Parameters
    ----------
    moments : LaggedMoments
    fit_intercept : bool
        Centre the columns of the design and the responses.
    standardize : bool
        Scale the features as (H - mean) / std with the mean and standard deviation of these moments' frames,
        before the zero padding of the lags. A constant feature becomes 0.
    scaling : Scaling, optional
        Scale the features so instead: test rows with the statistics of the training rows.
    gram : ndarray of shape (p, p), optional
        Memory to write X'X into.
    assemble : bool
        False leaves X'X out (shape (0, 0)), for those who have it as an operator.

    Raises
    ------
    PrecisionError
        In float32, for features as given whose mean dwarfs their standard deviation.
    """
    d, w = moments.first_column.shape[1], len(moments.lags)
    p, n = w * d, moments.n_rows
    refuse_no_rows(n)
    scaling = Scaling.of(moments, standardize) if scaling is None else scaling
    single = moments.cross.dtype == np.float32
    shift, y_shift = moments.shift.features.astype(np.float64), moments.shift.targets.astype(np.float64)
    if single and not scaling.mean.any():  # as given
        refuse_large_means("feature", moments.feature_sums, moments.n_frames, shift, FLOAT32_MEAN_TO_STD)
    if single:
        refuse_large_means("target", moments.totals, n, y_shift, FLOAT32_ROUNDED_MEAN_TO_STD)
    offset, inverse_n = scaling.mean - shift, 1.0 / n if fit_intercept else 0.0
    same = np.arange(w) * (w + 1)  # pairs of a lag with itself
    column_means = moments.pair_sums[same] - moments.pair_counts[same, None] * offset
    column_means *= scaling.scale * inverse_n
    # Without an intercept the responses are not centred: y' must become y again.
    y_mean = moments.totals[0] / n if fit_intercept else -y_shift
    b = backend_of(moments.first_column)
    if not assemble:
        gram = b.empty((0, 0), moments.first_column.dtype)
    elif gram is None:
        gram = b.empty((p, p), moments.first_column.dtype)
    sums, counts, offset, scale = (
        b.put(np.ascontiguousarray(part)) for part in (moments.pair_sums, moments.pair_counts, offset, scaling.scale)
    )
    if assemble:
        b.kernels.lagged_gram(
            moments.first_column, moments.leaving, moments.entering, sums, counts, offset, scale, inverse_n,
            moments.lags[0], w, gram, b.handle(),
        )  # fmt: skip
    cross = b.empty(moments.cross.shape, moments.cross.dtype)
    b.kernels.lagged_cross(
        moments.cross, sums, counts, b.put(moments.target_sums), b.put(y_mean), offset, scale, inverse_n,
        moments.lags[0], w, cross, b.handle(),
    )  # fmt: skip
    diagonal, lost = b.diagonal(gram), 0.0
    if assemble and fit_intercept and b.kind.host_threads:
        lost = _empty_constants(moments, scaling, gram, diagonal, cross)
    if not b.finite(diagonal, cross):
        raise InputError(
            "X, y", f"values whose products overflow {gram.dtype}", "values that can be squared and summed",
            "Rescale them.",
        )  # fmt: skip
    return NormalEquations(
        gram=gram,
        diagonal=diagonal,
        cross=cross,
        scaling=scaling,
        n_rows=n,
        column_means=column_means.reshape(p),
        target_means=y_shift + y_mean,
        target_squares=moments.totals[1] - 2 * y_mean * moments.totals[0] + n * y_mean**2,
        lost=lost,
    )


def _empty_constants(moments: LaggedMoments, scaling: Scaling, gram: Float, diagonal: Float, cross: Float) -> float:
    """Write exact zeros for columns whose variance is what rounding left of a constant; return `lost`.

    A small penalty would take that rounding for a direction of the data. A feature may be constant in one training set
    alone, where what is subtracted from it while summing is not that constant.
    """
    w, n, limit = len(moments.lags), moments.n_rows, ROUNDED_VARIANCE[str(gram.dtype)]
    sums = moments.pair_sums[np.arange(w) * (w + 1)].reshape(-1)
    level = sums**2 / n * np.tile(scaling.scale, w) ** 2  # beside which the variance was found
    empty = np.flatnonzero((level > 0) & (diagonal <= limit * max(1.0, np.sqrt(n) / 30) * level))
    if not empty.size:
        return 0.0
    constant = moments.extremes[:, 0].min(axis=0) == moments.extremes[:, 1].max(axis=0)
    known = constant[empty % len(constant)] | (n == 1)
    lost = float(level[empty[~known]].max(initial=0.0))
    if gram.dtype == np.float32:  # float64 may tell the others from constants
        empty = empty[known]
    gram[empty], gram[:, empty], diagonal[empty], cross[empty] = 0.0, 0.0, 0.0, 0.0
    return lost


def refuse_no_rows(n: int) -> None:
    """Raise InputError for a training set of no rows."""
    if n == 0:
        raise InputError(
            "y", "targets of which a training set knows no response", "at least one row for every target",
            "Leave these targets out, or use other folds; with boundary 'drop', shorter lags.",
        )  # fmt: skip


def refuse_large_means(what: str, sums: Double, n: int, shift: Double, limit: float) -> None:
    """Raise PrecisionError for a column whose mean is more than `limit` of its standard deviations.

    `sums` (2, k) are those of the columns less `shift`, and of its squares, over n rows.
    """
    mean = sums[0] / n
    std = np.sqrt(np.maximum(sums[1] / n - mean**2, 0.0))
    ratio = np.divide(np.abs(mean + shift), std, out=np.zeros(len(std)), where=std > 0)
    if ratio.size and ratio.max() > limit:
        raise PrecisionError(f"{what} {ratio.argmax()} has a mean of {ratio.max():.0f} standard deviations")
