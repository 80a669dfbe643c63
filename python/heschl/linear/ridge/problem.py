"""Data and model of one fit: everything that stays the same over folds and penalties."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear.design.frames import Frames
from heschl.linear.design.rows import row_ranges
from heschl.linear.device.arrays import Array, Bounds, Float, Ranges
from heschl.linear.device.place import backend_of
from heschl.linear.moments.lagged import LaggedMoments
from heschl.linear.moments.masks import mask_groups, masked_moments
from heschl.linear.moments.shift import Shift


@dataclass(frozen=True)
class Problem:
    """What is fitted, and how.

    `segments` (S, 2) are given where the parts that a fit is cut into are blocks of them and not whole segments.
    `keep` (n,) marks the rows whose responses are known, where some are not; `features` are then the moments of the
    features of each part over all rows, for `moments` to take away from. `there` are the responses on a
    device, if they came from there. `tol` is the tolerance of solvers that have one, where users name it.
    """

    X: Frames  # (n, d)
    y: Float  # (n, c), same dtype
    lags: range
    boundary: str = "zero"
    fit_intercept: bool = True
    standardize: bool = False
    segments: Bounds | None = None
    keep: NDArray[np.bool_] | None = None
    features: Sequence[LaggedMoments] | None = None
    there: Array | None = None
    tol: float | None = None

    @property
    def placed(self) -> Array:
        """The responses (n, c) where the features are."""
        b = self.X.backend
        return b.put(self.y if self.there is None or not b.kind.remote else self.there)

    @property
    def n_columns(self) -> int:
        """Columns of the design, p."""
        return int(len(self.lags) * self.X.shape[1])

    @property
    def itemsize(self) -> int:
        """Bytes of a number."""
        return int(self.y.dtype.itemsize)

    def in_float64(self) -> Problem:
        """The same in double precision."""
        there = None if self.there is None else backend_of(self.there).cast(self.there, np.float64)
        return replace(self, X=self.X.astype(np.float64), y=self.y.astype(np.float64), features=None, there=there)

    def of_targets(self, targets: NDArray[np.int64] | slice) -> Problem:
        """The same for some of the responses."""
        some = np.arange(self.y.shape[1])[targets]
        there = None if self.there is None else backend_of(self.there).columns(self.there, some)
        return replace(self, y=np.ascontiguousarray(self.y[:, targets]), there=there)

    def by_mask(self, parts: Sequence[Bounds]) -> list[tuple[NDArray[np.int64], Problem]]:
        """The problem, or where responses are missing (NaN) one for each group of targets that lack the same rows."""
        groups = mask_groups(self.y)
        if len(groups) == 1 and groups[0][1].all():
            return [(groups[0][0], self)]
        whole = len(groups) > 1 and not self.X.backend.kind.cheap_passes
        features = replace(self, y=self.y[:, :0], there=None).moments(parts) if whole else None
        return [(targets, replace(self.of_targets(targets), keep=keep, features=features)) for targets, keep in groups]

    def ranges(self, bounds: Bounds) -> Ranges:
        """Rows of the design in some segments."""
        return row_ranges(bounds, self.lags, self.boundary, len(self.X), self.keep, self.segments)[0]

    def moments(self, parts: Sequence[Bounds]) -> list[LaggedMoments]:
        """Moments of each part, in one pass over the data, on the host."""
        if self.keep is not None and self.features is not None and self.keep.mean() > 0.5:
            return masked_moments(self.X, self.y, self.keep, parts, self.segments, self.features)
        return self._of_rows(parts, self.y, Shift.near_mean(self.X, self.y))

    def gathered(self, parts: Sequence[Bounds]) -> tuple[Array, list[LaggedMoments]]:
        """The responses where the features are, and the moments of each part."""
        b = self.X.backend
        if not b.kind.remote:
            return self.y, self.moments(parts)
        shift = Shift.near_mean(self.X, self.y)
        with ThreadPoolExecutor(1) as pool:  # responses travel while X'X is summed
            arriving = pool.submit(lambda: self.placed)
            none = Shift(shift.features, shift.targets[:0])
            features = self._of_rows(parts, b.empty((len(self.y), 0), self.y.dtype), none)
            y = arriving.result()
        both = zip(features, parts, strict=True)
        return y, [part.with_targets(self.X, y, self.ranges(bounds), shift.targets) for part, bounds in both]

    def _of_rows(self, parts: Sequence[Bounds], y: Array, shift: Shift) -> list[LaggedMoments]:
        how: dict[str, Any] = {"keep": self.keep, "segments": self.segments}
        return [LaggedMoments.of_rows(self.X, y, part, self.lags, self.boundary, shift, **how) for part in parts]
