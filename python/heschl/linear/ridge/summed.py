"""Training sets from moments alone, where the data they are of lie elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heschl.linear.device.arrays import Double
from heschl.linear.moments.lagged import LaggedMoments
from heschl.linear.ridge.primal import Primal, Scratch
from heschl.linear.ridge.problem import Problem


class Summed(Primal):
    """Normal equations of moments that were summed elsewhere; test sets are scored from theirs.

    Parameters
    ----------
    problem : Problem
        Of any rows: its shapes and settings count.
    moments : sequence of LaggedMoments
        Of each part, all about one shift.
    """

    side_by_side = False

    def __init__(self, problem: Problem, moments: Sequence[LaggedMoments]) -> None:
        self.problem = problem
        self.moments = list(moments)
        self.bands = None
        self.conditions = {}
        self._reading = ()

    def scratch(self) -> Scratch:
        """Allocate memory for `train`: for X'X of a training set, and of its test set."""
        p, dtype, empty = self.problem.n_columns, self.problem.y.dtype, self.problem.X.backend.empty
        return Scratch(empty((p, p), dtype), empty((p, p), dtype))

    def squares(self, parts: Sequence[int]) -> Double:
        """Return Σ (y - mean)² over some parts about their own mean, (c,); NaN where the response is constant."""
        moments = LaggedMoments.total([self.moments[part] for part in parts])
        total, squares = moments.totals
        sst = squares - total**2 / max(1, moments.n_rows)
        return np.where(sst > np.finfo(np.float64).eps * moments.n_rows * squares, sst, np.nan)
