"""(T + λI) Y = E₁ R for every λ: a block tridiagonal system, eliminated block by block while its space still grows.

With D_1 = α_1 + λI, D_{j+1} = α_{j+1} + λI - β_j D_j⁻¹ β_jᵀ and z_1 = R, z_{j+1} = -β_j D_j⁻¹ z_j, the columns of
z_{k+1} are the residuals, in the basis' next block, of the solutions in the first k blocks: known before any of them
is. All of it is small beside products with G, and in float64. What is read of several λ is brought to the host
together: a device is waited for once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heschl.linear.device.arrays import Array, Double, Integers
from heschl.linear.device.place import backend_of


class Shifted:
    """One λ: the elimination as far as the space has come, for some right-hand sides.

    Parameters
    ----------
    alpha : float
        λ.
    first : array of shape (r, c)
        R, the right-hand sides in the first block; on the host or, where blocks are large, on a device.

    Attributes
    ----------
    failed : bool
        T + λI is not positive definite to rounding: λ lies below what the numbers of T carry, and nothing is known of
        its solutions from this space. `residuals` says so of blocks eliminated since it was last asked.
    """

    def __init__(self, alpha: float, first: Array) -> None:
        self.alpha = alpha
        self.failed = False
        self._b = backend_of(first)
        self._z = self._b.copy(first)
        self._schur: Array | None = None
        self._residual = np.ones(first.shape[1])
        self._unread: list[Array] = []  # an element of each factor that nobody has looked at: NaN if there is none
        self._factors: list[Array] = []
        self._halves: list[Array] = []

    @property
    def n_blocks(self) -> int:
        """Blocks eliminated."""
        return len(self._factors)

    def advance(self, diagonal: Array, below: Array) -> None:
        """Eliminate one more block, α_k (c_k, c_k) and β_k (c_{k+1}, c_k)."""
        b = self._b
        if self.failed:
            return
        factor = b.raised(b.summed(diagonal, [] if self._schur is None else [self._schur], -1), self.alpha)
        b.factored(factor)
        self._unread.append(b.part(factor, slice(1), slice(1)))
        half = b.half_solved(factor, self._z, transpose=True)
        self._factors.append(factor)
        self._halves.append(half)
        coupling = b.divided(b.copy(below), factor)
        self._schur = b.multiply(coupling, coupling, transpose_b=True)
        self._z = b.multiply(coupling, half, scale=-1.0)

    def _squared_error(self, least: Shifted) -> Array:
        b = self._b
        if len(self._z) == 0:
            return b.zeros((self._z.shape[1],), np.float64)
        assert self._schur is not None and least._schur is not None
        factor = b.factored(b.raised(b.summed(least._schur, [self._schur], -1), self.alpha))
        return b.squares(b.half_solved(factor, b.copy(self._z), transpose=True))

    def solution(self, below: Sequence[Array], columns: Integers) -> Array:
        """Return Y (dimension, m) of some right-hand sides in the blocks eliminated."""
        b, found = self._b, list[Array]()
        for k in range(self.n_blocks - 1, -1, -1):
            factor, right = self._factors[k], b.columns(self._halves[k], columns)
            if found:
                next_one = b.multiply(below[k], found[-1], transpose_a=True)
                right = b.summed(right, [b.half_solved(factor, next_one, transpose=True)], -1)
            found.append(b.half_solved(factor, right, transpose=False))
        return b.below(found[::-1])


def residuals(systems: Sequence[Shifted]) -> list[Double]:
    """Return the residuals ‖b - (G + λI) w‖ of every right-hand side, (c,), at each λ; see which λ have failed."""
    new = [one for one in systems if one._unread]
    if new:
        b = new[0]._b
        found = iter(b.bring([each for one in new for each in (*one._unread, b.squares(one._z))]))
        for one in new:
            one.failed = bool(np.isnan([next(found) for _ in one._unread]).any())
            one._residual, one._unread = np.asarray(np.sqrt(next(found))), []
    return [one._residual for one in systems]


def errors(systems: Sequence[Shifted], least: Shifted) -> list[Double]:
    """Bound the error of every solution in the norm of G + λI, (c,), at each λ; not finite where rounding hides it.

    The norm is ‖e‖² = eᵀ(G + λI)e = rᵀ(G + λI)⁻¹r: what the penalised objective exceeds its minimum by. G is at
    least 0, so that no next D is smaller than λI + β(D(λ₀)⁻¹ - D(λ)⁻¹)βᵀ for any λ₀ ≤ λ with T + λ₀I positive
    definite: Gauss and Radau's bound, for blocks (Golub and Meurant 2010, ch. 8; there λ₀ = 0).

    Parameters
    ----------
    systems : sequence of Shifted
    least : Shifted
        The smallest λ that has come as far.
    """
    return [np.asarray(np.sqrt(each)) for each in least._b.bring([one._squared_error(least) for one in systems])]
