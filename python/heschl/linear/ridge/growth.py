"""A Krylov space of some targets that grows, and the λ followed in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heschl.linear.device.arrays import Array, Double, Integers
from heschl.linear.device.place import backend_of, moved
from heschl.linear.ridge.lanczos import EVERYTHING, BlockLanczos
from heschl.linear.ridge.shifted import Shifted


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

    def sample(self) -> Found:
        """Return the first and the last of these alone."""
        ends = np.unique([0, len(self.columns) - 1])
        return Found(self.index, self.columns[ends], backend_of(self.values).columns(self.values, ends))

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
        space, going, found = self.space, self._advanced(wanted), []
        for a in going:
            shifted = self._shifted[a]
            residual = shifted.residual()
            self._excess[a] = residual / self.tolerance.residual
            if not (self._excess[a][wanted[a]] <= 1.0).any():
                continue
            error = shifted.error(self._shifted[going[-1]])
            self._excess[a] = self._beyond(residual, error * self._unit)
            ready = np.flatnonzero((self._excess[a] <= 1.0) & wanted[a])
            if not ready.size:
                continue
            values = shifted.solution(space.below, ready)
            lost = self._lost(values)
            residual, error = np.hypot(residual[ready], lost), np.hypot(error[ready], lost / np.sqrt(shifted.alpha))
            self._excess[a, ready] = self._beyond(residual, error * self._unit[ready])
            held = np.flatnonzero(self._excess[a, ready] <= 1.0)
            if held.size:
                some = values if len(held) == len(ready) else backend_of(values).columns(values, held)
                found.append(Found(a, ready[held], some))
        return found

    def so_far(self, wanted: NDArray[np.bool_]) -> list[Found]:
        """Solve some entries (n_alphas, c) in the space as it is, converged or not."""
        columns = [(a, np.flatnonzero(wanted[a])) for a in self._advanced(wanted)]
        return [Found(a, some, self._shifted[a].solution(self.space.below, some)) for a, some in columns]

    def _advanced(self, wanted: NDArray[np.bool_]) -> list[int]:
        """Indices of the λ of some entries, as far eliminated as the space has come; of those that can be."""
        space, indices = self.space, np.flatnonzero(wanted.any(axis=1)).tolist()
        for a in indices:
            shifted = self._shifted[a]
            for k in range(shifted.n_blocks, space.n_steps):
                shifted.advance(space.diagonal[k], space.below[k])
        return [a for a in indices if not self._shifted[a].failed]

    def _beyond(self, residual: Double, error: Double) -> Double:
        return np.asarray(np.maximum(residual / self.tolerance.residual, error / self.tolerance.error))

    def _lost(self, values: Array) -> Double:
        """Bound the residual in directions that were left out of the space, (m,)."""
        b, total, begin = backend_of(values), np.zeros(values.shape[1]), 0
        for diagonal, lost in zip(self.space.diagonal, self.space.lost, strict=True):
            end = begin + len(diagonal)
            if lost:
                total += lost**2 * b.squares(b.part(values, slice(begin, end), EVERYTHING))
            begin = end
        return np.asarray(np.sqrt(total))

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
