"""The problems measured, by name; seeded, so that every rival sees the same numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear import group_folds


@dataclass(frozen=True)
class Case:
    n_segments: int
    length: int
    d: int
    w: int
    c: int
    n_folds: int = 5
    n_alphas: int = 10
    dtype: str = "float32"

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.full(self.n_segments, self.length, dtype=np.int64)

    @property
    def alphas(self) -> NDArray[np.float64]:
        return np.logspace(1, 5.5, self.n_alphas)

    @property
    def fold(self) -> NDArray[np.int64]:
        return group_folds(np.arange(self.n_segments), self.lengths, self.n_folds)

    def data(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Smooth features, as model states are, and responses that follow them over 8 lags, with noise."""
        rng = np.random.default_rng(0)
        n = self.n_segments * self.length
        H = np.cumsum(rng.standard_normal((n, self.d)), axis=0)
        H -= np.repeat(H.reshape(self.n_segments, self.length, self.d).mean(1), self.length, axis=0)
        H = (H / H.std(0) + 0.5 * rng.standard_normal((n, self.d))).astype(self.dtype)
        Y = 6 * np.sqrt(self.d) * rng.standard_normal((n, self.c))
        for lag in range(0, 8, 2):
            Y[lag:] += H[: n - lag].astype(np.float64) @ rng.standard_normal((self.d, self.c))
        return H, Y.astype(self.dtype)


SMALL = Case(n_segments=30, length=100, d=16, w=20, c=1, dtype="float64")
MIDDLE = Case(n_segments=120, length=100, d=64, w=20, c=200)
