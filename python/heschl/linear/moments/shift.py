"""What is subtracted before anything is summed, and the algebra of subtracting something else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from heschl.linear.design.frames import Frames
from heschl.linear.device.arrays import Double, Float

if TYPE_CHECKING:
    from heschl.linear.moments.lagged import LaggedMoments

# Frames whose mean is subtracted: it only has to be near the mean of all of them, so that float32 sums do not lose the
# variance beside a large mean.
SHIFT_FRAMES = 512


@dataclass(frozen=True)
class Shift:
    """Constants subtracted from features and responses while summing."""

    features: Float  # (d,)
    targets: Float  # (c,)

    def equals(self, other: Shift) -> bool:
        """Whether both subtract the same."""
        return self is other or (
            np.array_equal(self.features, other.features) and np.array_equal(self.targets, other.targets)
        )

    @classmethod
    def near_mean(cls, X: Frames, y: Float) -> Shift:
        """Mean of a few hundred frames spread over the data; where some are unknown, of the others."""
        step = max(1, len(X) // SHIFT_FRAMES)
        some = y[::step].astype(np.float64)
        known = np.isfinite(some)
        targets = np.where(known, some, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        return cls(
            X.rows(slice(None, None, step)).mean(axis=0, dtype=np.float64).astype(X.dtype), targets.astype(X.dtype)
        )


def about(moments: LaggedMoments, shift: Shift) -> LaggedMoments:
    """The same sums with other constants subtracted: algebra, exact but for rounding."""
    w, d = len(moments.lags), moments.first_column.shape[1]
    delta = shift.features.astype(np.float64) - moments.shift.features
    epsilon = shift.targets.astype(np.float64) - moments.shift.targets
    dtype, n = moments.first_column.dtype, moments.pair_counts.reshape(w, w)
    u = moments.pair_sums.reshape(w, w, d)
    column = moments.first_column.reshape(w, d, d) - u[:, 0, :, None] * delta - delta[:, None] * u[0, :, None, :]
    column += n[:, 0, None, None] * np.outer(delta, delta)
    own, count = u[np.arange(w), np.arange(w)], n.diagonal()
    cross = moments.cross.reshape(w, d, -1) - own[:, :, None] * epsilon - delta[:, None] * moments.target_sums[:, None]
    cross += count[:, None, None] * np.outer(delta, epsilon)
    before, inside, after = moments.room.T[:, :, None]
    lags = np.asarray(moments.lags)

    def moved(edges: Float, seen: NDArray[np.bool_]) -> Float:
        if len(edges) == 0:
            return edges
        return (edges.reshape(-1, w, d) - seen[:, :, None] * delta).astype(dtype).reshape(-1, w * d)

    return replace(
        moments,
        shift=shift,
        first_column=column.reshape(w * d, d).astype(dtype),
        leaving=moved(moments.leaving, (lags < before + inside) & (lags >= -after)),
        entering=moved(moments.entering, (lags < before) & (lags >= -after - inside)),
        pair_sums=moments.pair_sums - moments.pair_counts[:, None] * delta,
        cross=cross.reshape(w * d, -1).astype(dtype),
        target_sums=moments.target_sums - count[:, None] * epsilon,
        totals=_moved_sums(moments.totals, moments.n_rows, epsilon),
        feature_sums=_moved_sums(moments.feature_sums, moments.n_frames, delta),
    )


def _moved_sums(sums: Double, n: int, by: Double) -> Double:
    return np.stack([sums[0] - n * by, sums[1] - 2 * by * sums[0] + n * by**2])
