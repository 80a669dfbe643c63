"""Data and model of one fit: everything that stays the same over folds and penalties."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear.design.frames import Frames
from heschl.linear.design.responses import Responses
from heschl.linear.design.rows import row_ranges
from heschl.linear.device.arrays import Array, Bounds, Float, Ranges
from heschl.linear.device.elsewhere import in_parts
from heschl.linear.moments.lagged import LaggedMoments
from heschl.linear.moments.masks import mask_groups, masked_moments
from heschl.linear.moments.shift import Shift
from heschl.linear.ridge.penalty import PLAIN, Penalty
from heschl.notices import followed


@dataclass(frozen=True)
class Problem:
    """What is fitted, and how; n frames, d features, c targets.

    Attributes
    ----------
    X : Frames
        (n, d).
    responses : Responses
        (n, c) in the precision of X; an array on the host may be given for them.
    lags : range
    boundary : {"zero", "drop", "cross"}
    fit_intercept, standardize : bool
    segments : ndarray of shape (S, 2), optional
        Given where the parts that a fit is cut into are blocks of segments and not whole ones.
    keep : ndarray of shape (n,), optional
        Marks the rows whose responses are known, where some are not.
    features : sequence of LaggedMoments, optional
        Where some are not: moments of the features of each part over all rows, for `moments` to take away from.
    tol : float, optional
        The tolerance of solvers that have one, where users name it.
    limit : float, optional
        Bytes that a fit may take, for solvers that can do with more or less.
    penalty : Penalty
        What is penalised.
    """

    X: Frames
    responses: Responses
    lags: range
    boundary: str = "zero"
    fit_intercept: bool = True
    standardize: bool = False
    segments: Bounds | None = None
    keep: NDArray[np.bool_] | None = None
    features: Sequence[LaggedMoments] | None = None
    tol: float | None = None
    limit: float | None = None
    penalty: Penalty = PLAIN

    def __post_init__(self) -> None:
        """Take an array on the host for responses."""
        if not isinstance(self.responses, Responses):
            object.__setattr__(self, "responses", Responses(self.responses))

    @property
    def y(self) -> Float:
        """The responses on the host, (n, c)."""
        return self.responses.host

    @property
    def n_columns(self) -> int:
        """Columns of the design, p."""
        return int(len(self.lags) * self.X.shape[1])

    @property
    def itemsize(self) -> int:
        """Bytes of a number."""
        return int(self.y.dtype.itemsize)

    def in_float64(self) -> Problem:
        """Convert the problem to double precision."""
        return replace(self, X=self.X.astype(np.float64), responses=self.responses.astype(np.float64), features=None)

    def of_targets(self, targets: NDArray[np.int64] | slice) -> Problem:
        """Restrict the problem to some of the responses."""
        return replace(self, responses=self.responses.columns(targets))

    def by_mask(self, parts: Sequence[Bounds]) -> list[tuple[NDArray[np.int64], Problem]]:
        """Split the problem where responses are missing (NaN): one for each group that lacks the same rows."""
        groups = mask_groups(self.y)
        if len(groups) == 1 and groups[0][1].all():
            return [(groups[0][0], self)]
        whole = len(groups) > 1 and not self.X.backend.kind.cheap_passes
        features = replace(self, responses=Responses(self.y[:, :0])).moments(parts) if whole else None
        return [(targets, replace(self.of_targets(targets), keep=keep, features=features)) for targets, keep in groups]

    def ranges(self, bounds: Bounds) -> Ranges:
        """Find the rows of the design in some segments."""
        return row_ranges(bounds, self.lags, self.boundary, len(self.X), self.keep, self.segments)[0]

    def moments(self, parts: Sequence[Bounds]) -> list[LaggedMoments]:
        """Gather the moments of each part, in one pass over the data, on the host."""
        if self.keep is not None and self.features is not None and self.keep.mean() > 0.5:
            return masked_moments(self.X, self.y, self.keep, parts, self.segments, self.features)
        return self._of_rows(parts, self.y, Shift.near_mean(self.X, self.y))

    def gathered(self, parts: Sequence[Bounds]) -> tuple[Array, list[LaggedMoments]]:
        """Bring the responses where the features are, and gather the moments of each part."""
        b = self.X.backend
        if not b.kind.remote:
            return self.y, self.moments(parts)
        shift = Shift.near_mean(self.X, self.y)
        with ThreadPoolExecutor(1) as pool:  # responses travel while X'X is summed
            arriving = pool.submit(lambda: self.responses.on(b))
            none = Shift(shift.features, shift.targets[:0])
            features = self._of_rows(parts, b.empty((len(self.y), 0), self.y.dtype), none)
            y = arriving.result()
        both = zip(features, parts, strict=True)
        return y, [part.with_targets(self.X, y, self.ranges(bounds), shift.targets) for part, bounds in both]

    def _of_rows(self, parts: Sequence[Bounds], y: Array, shift: Shift) -> list[LaggedMoments]:
        how: dict[str, Any] = {"keep": self.keep, "segments": self.segments}

        def of_part(at: int) -> LaggedMoments:
            return LaggedMoments.of_rows(self.X, y, parts[at], self.lags, self.boundary, shift, **how)

        found = map(of_part, range(len(parts))) if self.X.backend.kind.remote else in_parts(of_part, len(parts))
        return list(followed(found, len(parts), "parts of the data summed"))
