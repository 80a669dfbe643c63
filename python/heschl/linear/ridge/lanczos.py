"""Block Lanczos: an orthonormal basis of span(B, G B, G² B, …), in which a symmetric G is block tridiagonal.

With blocks V_j (rows) of the basis Q, G V_jᵀ = V_{j-1}ᵀ β_{j-1}ᵀ + V_jᵀ α_j + V_{j+1}ᵀ β_j. The space knows nothing of
penalties: T + λI is block tridiagonal for every λ (`heschl.linear.ridge.shifted`). Vectors are rows, so that the first
m of a basis are contiguous in memory; products go through SciPy's BLAS, as those of the compiled core do, because two
pools of BLAS threads get in each other's way.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import blas, eigvalsh, lapack, qr

from heschl.linear.device.arrays import Double, Float

# Directions of a block smaller than so many roundings of the norm of G (at the start, of a row) are left out.
ROUNDINGS = 1.0
# Dimension up to which Ritz values are a matter of milliseconds.
SMALL = 200


def multiply(
    a: Float, b: Float, *, transpose_a: bool = False, transpose_b: bool = False, scale: float = 1.0,
    add_to: Float | None = None,
) -> Float:  # fmt: skip
    """Return scale · op(a) op(b), plus `add_to` (and in its memory) where it is given; contiguous matrices."""
    gemm = blas.get_blas_funcs("gemm", dtype=a.dtype)
    # A transposed view is read as what it is a view of: a copy would cost as much as a small product.
    if a.flags.f_contiguous and not a.flags.c_contiguous:
        a, transpose_a = a.T, not transpose_a
    if b.flags.f_contiguous and not b.flags.c_contiguous:
        b, transpose_b = b.T, not transpose_b
    if add_to is None:
        found: Float = gemm(scale, b.T, a.T, trans_a=transpose_b, trans_b=transpose_a).T
        return found
    if add_to.size and a.size and b.size:
        gemm(scale, b.T, a.T, beta=1.0, c=add_to.T, trans_a=transpose_b, trans_b=transpose_a, overwrite_c=True)
    return add_to


def orthonormal_rows(Z: Float, least: float) -> tuple[Float, Double]:
    """Return an orthonormal basis V (r, p) of the rows of Z (c, p), and R (r, c) with Zᵀ = Vᵀ R.

    Directions smaller than `least` are left out, so that r may be below c. Rows of float32 are orthonormalised by a
    pivoted Cholesky factorisation of their products in float64, which resolves all that float32 rows hold; those of
    float64 by Householder reflections.
    """
    if Z.dtype == np.float64:
        q, r, pivots = qr(Z.T, mode="economic", pivoting=True, check_finite=False)
        rank = int(np.count_nonzero(np.abs(r.diagonal()) > least))
        R = np.empty((rank, len(Z)))
        R[:, pivots] = r[:rank]
        return np.ascontiguousarray(q[:, :rank].T), R
    exact = Z.astype(np.float64)
    gram = blas.dsyrk(1.0, exact.T, trans=1)
    rounding = len(Z) * np.finfo(np.float64).eps * float(gram.diagonal().max(initial=0.0))
    factor, order, rank, _ = lapack.dpstrf(gram, tol=max(least**2, rounding))
    rank, order = int(rank) if factor[0, 0] ** 2 > max(least**2, rounding) else 0, order - 1
    if rank == 0:
        return Z[:0], np.empty((0, len(Z)))
    R = np.empty((rank, len(Z)))
    R[:, order] = np.triu(factor[:rank])
    rows = np.ascontiguousarray(exact[order[:rank]])
    blas.dtrsm(1.0, np.asfortranarray(factor[:rank, :rank]), rows.T, side=1, overwrite_b=1)
    return rows.astype(Z.dtype), R


class BlockLanczos:
    """A Krylov space that grows by one block at a time.

    Parameters
    ----------
    product : callable
        V (c, p) to V G.
    start : ndarray of shape (c, p)
        Rows of unit length, or of length 0, that the space starts from.

    Attributes
    ----------
    first : ndarray of shape (r, c)
        The starting rows in the first block: startᵀ = V_1ᵀ first, to rounding.
    diagonal, below : list of ndarray
        α_j (c_j, c_j) of the blocks that G has been applied to, and β_j (c_{j+1}, c_j).
    lost : list of float
        At most how large the directions are that were left out of each next block; 0 where none was.
    """

    def __init__(self, product: Callable[[Float], Float], start: Float) -> None:
        self._product = product
        self._eps = float(np.finfo(start.dtype).eps)
        block, self.first = orthonormal_rows(start, ROUNDINGS * self._eps)
        self._basis = block
        self._starts = [0, len(block)]
        self.diagonal: list[Double] = []
        self.below: list[Double] = []
        self.lost: list[float] = []
        self.norm = 0.0  # of G, as far as it is known

    @property
    def n_steps(self) -> int:
        """Times that G has been applied to a block."""
        return len(self.diagonal)

    @property
    def dimension(self) -> int:
        """Vectors that G has been applied to."""
        return self._starts[self.n_steps]

    @property
    def next_size(self) -> int:
        """Vectors of the block that waits for G; 0 where the space is complete."""
        return self._starts[-1] - self._starts[-2] if len(self._starts) > self.n_steps + 1 else 0

    def basis(self) -> Float:
        """Return Q (dimension, p)."""
        return self._basis[: self.dimension]

    def block(self, j: int) -> Float:
        """Return V_j (c_j, p), j from 0."""
        return self._basis[self._starts[j] : self._starts[j + 1]]

    def extremes(self) -> tuple[float, float]:
        """Return the smallest and the largest Ritz value: eigenvalues of G in the space, between those of G.

        Of a large space, where these are dear, 0 and the norm of G as far as it is known.
        """
        if self.dimension > SMALL:
            return 0.0, self.norm
        T, begin = np.zeros((self.dimension, self.dimension)), 0
        for j, diagonal in enumerate(self.diagonal):
            end = begin + len(diagonal)
            T[begin:end, begin:end] = diagonal
            if end < self.dimension:
                T[end : end + len(self.below[j]), begin:end] = self.below[j]
            begin = end
        values = eigvalsh(T, check_finite=False)
        return float(values[0]), float(values[-1])

    def step(self) -> None:
        """Apply G to the last block, and orthonormalise what is new against all blocks.

        The three terms of the recurrence go first: they are large, what is left of them is small, and the pass over
        all blocks that follows then takes out what rounding left of them, at one product with the basis each way.
        (Without it, in float32, directions that have converged come back within a few steps.)
        """
        j = self.n_steps
        V = self.block(j)
        Z = self._product(V)
        if j > 0:
            multiply(self.below[j - 1].astype(Z.dtype), self.block(j - 1), scale=-1.0, add_to=Z)
        alpha = multiply(Z, V, transpose_b=True)
        multiply(alpha, V, scale=-1.0, add_to=Z)
        everything = self._basis[: self._starts[j + 1]]
        left = multiply(Z, everything, transpose_b=True)
        multiply(left, everything, scale=-1.0, add_to=Z)
        alpha = alpha.astype(np.float64) + left[:, self._starts[j] :]
        self.diagonal.append(0.5 * (alpha + alpha.T))
        self.norm = max(self.norm, float(np.linalg.norm(self.diagonal[-1], 2)))
        least = ROUNDINGS * self._eps * self.norm
        block, beta = orthonormal_rows(Z, least)
        room = Z.shape[1] - self._starts[j + 1]
        block, beta = block[:room], beta[:room]
        self.lost.append(least if len(block) < len(Z) else 0.0)
        self.below.append(beta)
        self._append(block)

    def _append(self, block: Float) -> None:
        begin, end = self._starts[-1], self._starts[-1] + len(block)
        if end > len(self._basis):
            grown = np.empty((end + 2 * len(block), block.shape[1]), block.dtype)
            grown[:begin] = self._basis[:begin]
            self._basis = grown
        self._basis[begin:end] = block
        self._starts.append(end)
