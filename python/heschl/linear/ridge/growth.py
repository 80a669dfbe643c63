"""A Krylov space of some targets that grows, and the λ followed in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heschl.linear.device.arrays import Array, Double, Integers
from heschl.linear.device.place import backend_of, moved
from heschl.linear.ridge.lanczos import BlockLanczos
from heschl.linear.ridge.shifted import Shifted, errors, residuals


@dataclass(frozen=True)
class Tolerance:
    """When a solution w of (G + λI) w = b has converged.

    Attributes
    ----------
    residual : float
        ‖b - (G + λI) w‖ / ‖b‖.
    error : float
        Of w, in the norm of G + λI, beside √Σ(y - mean)² of the training rows: what it may change of a fit.
    """

    residual: float
    error: float


@dataclass(frozen=True)
class Found:
    """Solutions that have converged: `values` (dimension, m) in the basis, for right-hand sides of length 1."""

    index: int  # of λ
    columns: Integers  # (m,) of the space's targets
    values: Array  # float64, where the space's small systems are solved

    def of(self, some: Integers) -> Found:
        """Return some of these, by number."""
        if len(some) == len(self.columns):
            return self
        return Found(self.index, self.columns[some], backend_of(self.values).columns(self.values, some))

    def sample(self) -> Found:
        """Return the first and the last of these alone."""
        return self.of(np.unique([0, len(self.columns) - 1]))

    def coefficients(self, sizes: Double, like: Array) -> Array:
        """Return the solutions for right-hand sides of some lengths (m,), where and in what precision an array is."""
        b = backend_of(self.values)
        return moved(b.cast(b.scaled_columns(self.values, sizes), like.dtype), backend_of(like))


class Growth:
    """One space, and the λ that are followed in it.

    Parameters
    ----------
    space : BlockLanczos
        Started from b / ‖b‖ of each target, (p, c).
    alphas : ndarray of shape (n_alphas,)
        Falling.
    unit : ndarray of shape (c,)
        ‖b‖ / √Σ(y - mean)² of each target, over the training rows.
    tolerance : Tolerance
    """

    def __init__(self, space: BlockLanczos, alphas: Double, unit: Double, tolerance: Tolerance) -> None:
        self.space, self.tolerance = space, tolerance
        self._unit = unit
        self._shifted = [Shifted(float(alpha), space.first) for alpha in alphas]
        # How far each (λ, target) is from the tolerance (above 1 it is not met), now and when it was first looked at,
        # which was after so many steps.
        self._excess, self._first = np.full((2, len(alphas), len(unit)), np.inf)
        self._since = np.zeros(self._first.shape, dtype=np.int64)
        self._decay = 0.0  # of the slowest that could be told

    def step(self) -> None:
        """Grow by one block."""
        self.space.step()
        new = np.isinf(self._first) & np.isfinite(self._excess)
        self._first[new], self._since[new] = self._excess[new], self.space.n_steps - 1

    def converged(self, wanted: NDArray[np.bool_]) -> list[Found]:
        """Solve what has converged of some entries (n_alphas, c)."""
        going = self._advanced(wanted)
        for a, residual in going.items():
            self._excess[a] = residual / self.tolerance.residual
        near = [a for a in going if (self._excess[a][wanted[a]] <= 1.0).any()]
        if not near:
            return []
        bounds, ready = errors([self._shifted[a] for a in near], self._shifted[max(going)]), list[Found]()
        error: dict[int, Double] = {}
        for a, bound in zip(near, bounds, strict=True):
            error[a] = np.where(np.isfinite(bound), bound, going[a] / np.sqrt(self._shifted[a].alpha))
            self._excess[a] = self._beyond(going[a], error[a] * self._unit)
            columns = np.flatnonzero((self._excess[a] <= 1.0) & wanted[a])
            if columns.size:
                ready.append(Found(a, columns, self._shifted[a].solution(self.space.below, columns)))
        found = []
        for each, lost in zip(ready, self._lost(ready), strict=True):
            a, columns = each.index, each.columns
            residual = np.hypot(going[a][columns], lost)
            whole = np.hypot(error[a][columns], lost / np.sqrt(self._shifted[a].alpha))
            self._excess[a, columns] = self._beyond(residual, whole * self._unit[columns])
            held = np.flatnonzero(self._excess[a, columns] <= 1.0)
            if held.size:
                found.append(each.of(held))
        return found

    def so_far(self, wanted: NDArray[np.bool_]) -> list[Found]:
        """Solve some entries (n_alphas, c) in the space as it is, converged or not."""
        columns = [(a, np.flatnonzero(wanted[a])) for a in self._advanced(wanted)]
        return [Found(a, some, self._shifted[a].solution(self.space.below, some)) for a, some in columns]

    def _advanced(self, wanted: NDArray[np.bool_]) -> dict[int, Double]:
        """Eliminate as far as the space has come at the λ of some entries: residuals, by index of those that can be."""
        space, indices = self.space, np.flatnonzero(wanted.any(axis=1)).tolist()
        indices = [a for a in indices if not self._shifted[a].failed]
        for a in indices:
            shifted = self._shifted[a]
            for k in range(shifted.n_blocks, space.n_steps):
                shifted.advance(space.diagonal[k], space.below[k])
        found = zip(indices, residuals([self._shifted[a] for a in indices]), strict=True)
        return {a: residual for a, residual in found if not self._shifted[a].failed}

    def _beyond(self, residual: Double, error: Double) -> Double:
        return np.asarray(np.maximum(residual / self.tolerance.residual, error / self.tolerance.error))

    def _lost(self, found: Sequence[Found]) -> list[Double]:
        """Bound the residuals of solutions in directions that were left out of the space, (m,) of each."""
        if not found or not any(self.space.lost):
            return [np.zeros(len(each.columns)) for each in found]
        b, sizes = backend_of(found[0].values), [len(diagonal) for diagonal in self.space.diagonal]
        lost = np.repeat(self.space.lost, sizes)
        squares = b.bring([b.squares(b.scaled_rows(each.values, lost)) for each in found])
        return [np.asarray(np.sqrt(each)) for each in squares]

    def steps_left(self, waiting: NDArray[np.bool_]) -> float:
        """Foresee the steps until some entries (n_alphas, c) converge, from their decay so far; inf if there is none.

        From one step to the next residuals may rise. A λ that has only now come into sight decays as the slowest of
        those before it did.
        """
        if self.space.next_size == 0:
            return np.inf
        first, now = self._first[waiting], self._excess[waiting]
        seen = np.isfinite(first)
        with np.errstate(divide="ignore", invalid="ignore"):
            decay = np.where(seen, np.log(first / now) / (self.space.n_steps - self._since[waiting]), self._decay)
            if seen.any():
                self._decay = max(0.0, float(decay[seen].min()))
            steps = np.where(decay > 0.0, np.log(np.maximum(now, 1.0)) / decay, np.inf)
        return float(np.where(now <= 1.0, 1.0, steps).max(initial=0.0))
