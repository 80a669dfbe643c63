"""(T + λI) Y = E₁ R for every λ: a block tridiagonal system, eliminated block by block while its space still grows.

With D_1 = α_1 + λI, D_{j+1} = α_{j+1} + λI - β_j D_j⁻¹ β_jᵀ and z_1 = R, z_{j+1} = -β_j D_j⁻¹ z_j, the columns of
z_{k+1} are the residuals, in the basis' next block, of the solutions in the first k blocks: known before any of them
is. All of it is small beside products with G, and in float64.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import blas, lapack

from heschl.linear.device.arrays import Double, Integers


class Shifted:
    """One λ: the elimination as far as the space has come, for some right-hand sides.

    Parameters
    ----------
    alpha : float
        λ.
    first : ndarray of shape (r, c)
        R, the right-hand sides in the first block.

    Attributes
    ----------
    failed : bool
        T + λI is not positive definite to rounding: λ lies below what the numbers of T carry, and nothing is known of
        its solutions from this space.
    explained : ndarray of shape (c,)
        Σ bᵀ w of the solutions in the space.
    """

    def __init__(self, alpha: float, first: Double) -> None:
        self.alpha = alpha
        self.failed = False
        self.explained = np.zeros(first.shape[1])
        self._z = np.array(first, order="F")
        self._schur: Double | None = None
        self._factors: list[Double] = []
        self._halves: list[Double] = []

    @property
    def n_blocks(self) -> int:
        """Blocks eliminated."""
        return len(self._factors)

    def advance(self, diagonal: Double, below: Double) -> None:
        """Eliminate one more block, α_k (c_k, c_k) and β_k (c_{k+1}, c_k)."""
        if self.failed:
            return
        D = np.array(diagonal, order="F")
        D[np.diag_indices(len(D))] += self.alpha
        if self._schur is not None:
            D -= self._schur
        factor, info = lapack.dpotrf(D, lower=1, overwrite_a=1, clean=0)
        if info != 0:
            self.failed = True
            return
        half = blas.dtrsm(1.0, factor, self._z, lower=1, overwrite_b=1)
        coupling = blas.dtrsm(1.0, factor, below.T, lower=1)
        self._factors.append(factor)
        self._halves.append(half)
        self.explained += np.einsum("ij,ij->j", half, half)
        self._schur = blas.dgemm(1.0, coupling, coupling, trans_a=1)
        self._z = blas.dgemm(-1.0, coupling, half, trans_a=1)

    def residual(self) -> Double:
        """Return the residuals ‖b - (G + λI) w‖ of every right-hand side, (c,)."""
        return np.asarray(np.sqrt(np.einsum("ij,ij->j", self._z, self._z)))

    def error(self, least: Shifted) -> Double:
        """Bound the error of every solution in the norm of G + λI, (c,).

        The norm is ‖e‖² = eᵀ(G + λI)e = rᵀ(G + λI)⁻¹r: what the penalised objective exceeds its minimum by. G is at
        least 0, so that no next D is smaller than λI + β(D(λ₀)⁻¹ - D(λ)⁻¹)βᵀ for any λ₀ ≤ λ with T + λ₀I positive
        definite: Gauss and Radau's bound, for blocks (Golub and Meurant 2010, ch. 8; there λ₀ = 0).

        Parameters
        ----------
        least : Shifted
            The smallest λ that has come as far.
        """
        if len(self._z) == 0:
            return np.zeros(self._z.shape[1])
        assert self._schur is not None and least._schur is not None
        bound = np.array(least._schur - self._schur, order="F")
        bound[np.diag_indices(len(bound))] += self.alpha
        factor, info = lapack.dpotrf(bound, lower=1, overwrite_a=1, clean=0)
        if info != 0:  # rounding
            return np.asarray(self.residual() / np.sqrt(self.alpha))
        half = blas.dtrsm(1.0, factor, self._z, lower=1)
        return np.asarray(np.sqrt(np.einsum("ij,ij->j", half, half)))

    def solution(self, below: Sequence[Double], columns: Integers) -> Double:
        """Return Y (dimension, m) of some right-hand sides in the blocks eliminated."""
        found: list[Double] = []
        for k in range(self.n_blocks - 1, -1, -1):
            factor, right = self._factors[k], np.asfortranarray(self._halves[k][:, columns])
            if found:
                right -= blas.dtrsm(1.0, factor, blas.dgemm(1.0, below[k], found[-1], trans_a=1), lower=1)
            found.append(blas.dtrsm(1.0, factor, right, lower=1, trans_a=1))
        return np.concatenate(found[::-1])
