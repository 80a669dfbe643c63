"""What is subtracted before anything is summed, and the algebra of subtracting something else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heschl.linear.design.frames import Frames
from heschl.linear.device.arrays import Float

# Frames whose mean is subtracted: it only has to be near the mean of all of them, so that float32 sums do not lose the
# variance beside a large mean.
SHIFT_FRAMES = 512


@dataclass(frozen=True)
class Shift:
    """Constants subtracted from features and responses while summing."""

    features: Float  # (d,)
    targets: Float  # (c,)

    def equals(self, other: Shift) -> bool:
        """Return whether both subtract the same."""
        return self is other or (
            np.array_equal(self.features, other.features) and np.array_equal(self.targets, other.targets)
        )

    @classmethod
    def near_mean(cls, X: Frames, y: Float) -> Shift:
        """Average a few hundred frames spread over the data; where some are unknown, the others.

        Of a constant feature it is the constant itself, which leaves exactly 0.
        """
        step = max(1, len(X) // SHIFT_FRAMES)
        some = y[::step].astype(np.float64)
        known = np.isfinite(some)
        targets = np.where(known, some, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        frames = X.rows(slice(None, None, step))
        features = frames.mean(axis=0, dtype=np.float64).astype(X.dtype)
        return cls(np.where((frames == frames[:1]).all(axis=0), frames[0], features), targets.astype(X.dtype))
