"""Lagged moments: what one pass over the data leaves behind, and every ridge regression is made of.

With X the lagged design of the features H (X[t, (k, f)] = H[t - lag_k, f], 0 outside t's segment), X'X has w² blocks
of d × d numbers, but block (i, j) differs from block (i - 1, j - 1) by a few frames at the segments' edges only. So
the first block column and the edge frames say all of X'X, in w · d² numbers instead of (w · d)², and moments of
disjoint segments add up. Centring and standardisation are algebra on them; nothing is read twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl import _core
from heschl.checks import InputError
from heschl.linear.threads import n_threads

Float = NDArray[Any]  # float32 or float64, one of the two throughout
Double = NDArray[np.float64]
Bounds = NDArray[np.int64]

# Frames whose mean is subtracted before anything is summed: it only has to be near the mean of all of them, so that
# float32 sums do not lose the variance beside a large mean.
SHIFT_FRAMES = 512
# Zero padding makes a step of the height of a feature's mean at every edge. Where that is so much larger than the
# feature's own variation, X'X holds numbers of a size beside which float32 loses what the fit is about.
FLOAT32_MEAN_TO_STD = 30.0
# Predictions are made with their intercept in the precision of the fit.
FLOAT32_TARGET_MEAN_TO_STD = 1000.0


class PrecisionError(ArithmeticError):
    """float32 cannot carry this fit; the caller repeats it in float64."""


@dataclass(frozen=True)
class Shift:
    """Constants subtracted from features and responses while summing; the same for all moments that will be added."""

    features: Float  # (d,)
    targets: Float  # (c,)

    @classmethod
    def near_mean(cls, X: Float, y: Float) -> Shift:
        """Mean of a few hundred frames spread over the data."""
        step = max(1, len(X) // SHIFT_FRAMES)
        return cls(
            X[::step].mean(axis=0, dtype=np.float64).astype(X.dtype),
            y[::step].mean(axis=0, dtype=np.float64).astype(y.dtype),
        )


@dataclass(frozen=True)
class NormalEquations:
    """(X'X + alpha I) W = X'Y for features read as (H - mean) * scale, and what turns W into a prediction.

    Attributes
    ----------
    gram : ndarray of shape (p, p)
        X'X in the lower triangle; the upper one is scratch of the solver.
    diagonal : ndarray of shape (p,)
        Diagonal of X'X, kept apart because the solver overwrites it.
    cross : ndarray of shape (p, c)
        X'Y.
    mean, scale : ndarray of shape (d,)
        How features are read: (H - mean) * scale inside a segment, 0 outside.
    column_means : ndarray of shape (p,)
        Means of the design's columns (0 without an intercept).
    target_means : ndarray of shape (c,)
        Means of the responses (0 without an intercept).
    """

    gram: Float
    diagonal: Float
    cross: Float
    mean: Double
    scale: Double
    column_means: Double
    target_means: Double


@dataclass(frozen=True)
class LaggedMoments:
    """Sums over the frames of some segments; `+` joins the moments of disjoint segments.

    Shapes: w lags, d features, c targets, p = w · d, s segments. h' = H - shift.features, y' = Y - shift.targets
    inside a segment, 0 outside; 1_i(t) says that frame t - lag_i lies in t's segment.

    Attributes
    ----------
    lags : range
        Consecutive lags in frames; a positive lag is the past of the stimulus.
    shift : Shift
    n_frames : int
    first_column : ndarray of shape (p, d)
        Σ h'(t - lag_i) h'(t - lag_0)ᵀ.
    cross : ndarray of shape (p, c)
        Σ h'(t - lag_i) y'(t)ᵀ.
    edges : ndarray of shape (s, p)
        The frames by which one block of X'X differs from the next along its diagonal.
    pair_sums : ndarray of shape (w², d)
        Row i · w + j: Σ 1_j(t) h'(t - lag_i).
    pair_counts : ndarray of shape (w²,)
        Σ 1_i(t) 1_j(t).
    target_sums : ndarray of shape (w, c)
        Σ 1_i(t) y'(t).
    feature_sums, totals : ndarray of shape (2, d) and (2, c)
        Σ h', Σ h'² and Σ y', Σ y'² over all frames.
    lowest, highest : ndarray of shape (d,)
        Range of each feature over all frames: a constant is known exactly, not by a variance that rounding leaves.
    """

    lags: range
    shift: Shift
    n_frames: int
    first_column: Float
    cross: Float
    edges: Float
    pair_sums: Double
    pair_counts: Double
    target_sums: Double
    feature_sums: Double
    totals: Double
    lowest: Float
    highest: Float

    @classmethod
    def from_data(cls, X: Float, y: Float, bounds: Bounds, lags: range, shift: Shift) -> LaggedMoments:
        """Gather the moments of the segments `bounds` (s, 2) of X (n, d) and y (n, c), of one float dtype."""
        d, c, w = X.shape[1], y.shape[1], len(lags)
        p = w * d
        moments = cls(
            lags=lags,
            shift=shift,
            n_frames=int((bounds[:, 1] - bounds[:, 0]).sum()),
            first_column=np.zeros((p, d), X.dtype),
            cross=np.zeros((p, c), X.dtype),
            edges=np.empty((len(bounds), p), X.dtype),
            pair_sums=np.zeros((w * w, d)),
            pair_counts=np.zeros(w * w),
            target_sums=np.zeros((w, c)),
            feature_sums=np.zeros((2, d)),
            totals=np.zeros((2, c)),
            lowest=np.min([X[begin:end].min(axis=0) for begin, end in bounds], axis=0),
            highest=np.max([X[begin:end].max(axis=0) for begin, end in bounds], axis=0),
        )
        _core.lagged_moments(
            X, y, shift.features, shift.targets, np.ascontiguousarray(bounds), lags[0], w,
            moments.first_column, moments.cross, moments.edges, moments.pair_sums, moments.pair_counts,
            moments.target_sums, moments.feature_sums, moments.totals, n_threads(),
        )  # fmt: skip
        return moments

    @classmethod
    def total(cls, parts: Sequence[LaggedMoments]) -> LaggedMoments:
        """Sum of the moments of disjoint sets of segments: the moments of all of them."""
        if len(parts) == 1:
            return parts[0]
        first = parts[0]

        def add(name: str) -> Any:
            out = getattr(first, name).copy()
            for part in parts[1:]:
                out += getattr(part, name)
            return out

        return cls(
            lags=first.lags,
            shift=first.shift,
            n_frames=sum(part.n_frames for part in parts),
            first_column=add("first_column"),
            cross=add("cross"),
            edges=np.concatenate([part.edges for part in parts]),
            pair_sums=add("pair_sums"),
            pair_counts=add("pair_counts"),
            target_sums=add("target_sums"),
            feature_sums=add("feature_sums"),
            totals=add("totals"),
            lowest=np.min([part.lowest for part in parts], axis=0),
            highest=np.max([part.highest for part in parts], axis=0),
        )

    def __add__(self, other: LaggedMoments) -> LaggedMoments:
        """Moments of the segments of both, which must be disjoint and summed with the same lags and shift."""
        return LaggedMoments.total([self, other])

    def normal_equations(
        self, *, fit_intercept: bool = True, standardize: bool = False, gram: Float | None = None
    ) -> NormalEquations:
        """X'X and X'Y, centred where there is an intercept, of the features as given or z-scored.

        Parameters
        ----------
        fit_intercept : bool
            Centre the columns of the design and the responses.
        standardize : bool
            Read the features as (H - mean) / std with the mean and standard deviation of these moments' frames,
            before the zero padding of the lags. A constant feature becomes 0.
        gram : ndarray of shape (p, p), optional
            Memory to write X'X into.

        Raises
        ------
        PrecisionError
            In float32, for features as given whose mean dwarfs their standard deviation.
        """
        d, w = self.first_column.shape[1], len(self.lags)
        p, n = w * d, self.n_frames
        shift = self.shift.features.astype(np.float64)
        if standardize:
            offset = self.feature_sums[0] / n
            variance = np.maximum(self.feature_sums[1] / n - offset**2, 0.0)
            varies = (self.lowest < self.highest) & (variance > 0.0)
            scale = np.divide(1.0, np.sqrt(variance), out=np.zeros(d), where=varies)
        else:
            offset, scale = -shift, np.ones(d)
            self._refuse_large_means("feature", self.feature_sums, shift, FLOAT32_MEAN_TO_STD)
        inverse_n = 1.0 / n if fit_intercept else 0.0
        same = np.arange(w) * (w + 1)  # pairs of a lag with itself
        column_means = scale * (self.pair_sums[same] - self.pair_counts[same, None] * offset) * inverse_n
        y_shift = self.shift.targets.astype(np.float64)
        self._refuse_large_means("target", self.totals, y_shift, FLOAT32_TARGET_MEAN_TO_STD)
        # Without an intercept the responses are not centred: y' must become y again.
        y_mean = self.totals[0] / n if fit_intercept else -y_shift
        if gram is None:
            gram = np.empty((p, p), self.first_column.dtype)
        _core.lagged_gram(
            self.first_column, self.edges, self.pair_sums, self.pair_counts, offset, scale, inverse_n,
            self.lags[0], w, gram, n_threads(),
        )  # fmt: skip
        cross = np.empty_like(self.cross)
        _core.lagged_cross(
            self.cross, self.pair_sums, self.pair_counts, self.target_sums, y_mean, offset, scale, inverse_n,
            self.lags[0], w, cross, n_threads(),
        )  # fmt: skip
        diagonal = gram.diagonal().copy()
        if not (np.isfinite(diagonal).all() and np.isfinite(cross).all()):
            raise InputError(
                "X, y", f"values whose products overflow {gram.dtype}", "values that can be squared and summed",
                "Rescale them.",
            )  # fmt: skip
        return NormalEquations(
            gram=gram,
            diagonal=diagonal,
            cross=cross,
            mean=offset + shift,
            scale=scale,
            column_means=column_means.reshape(p),
            target_means=y_shift + y_mean,
        )

    def _refuse_large_means(self, what: str, sums: Double, shift: Double, limit: float) -> None:
        if self.cross.dtype != np.float32:
            return
        mean = sums[0] / self.n_frames
        std = np.sqrt(np.maximum(sums[1] / self.n_frames - mean**2, 0.0))
        ratio = np.divide(np.abs(mean + shift), std, out=np.zeros(len(std)), where=std > 0)
        if ratio.max() > limit:
            raise PrecisionError(f"{what} {ratio.argmax()} has a mean of {ratio.max():.0f} standard deviations")
