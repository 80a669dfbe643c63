"""Block Lanczos: an orthonormal basis of span(B, G B, G² B, …), in which a symmetric G is block tridiagonal.

With blocks V_j of the basis Q, G V_j = V_{j-1} β_{j-1}ᵀ + V_j α_j + V_{j+1} β_j. The space knows nothing of penalties:
T + λI is block tridiagonal for every λ (`heschl.linear.ridge.shifted`). Products go through the core, which calls
SciPy's BLAS without Python's lock, so that spaces can grow side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.linalg import eigvalsh, lapack, qr

from heschl.linear.device.arrays import Double, Float
from heschl.linear.device.host import HOST
from heschl.linear.device.threads import n_threads

# Directions of a block smaller than so many roundings of the norm of G (at the start, of a column) are left out.
ROUNDINGS = 1.0
# Columns of the basis that lie together at least: products with narrow blocks are no products for BLAS.
PANEL = 64
# Dimension up to which Ritz values are a matter of milliseconds.
SMALL = 200
# Columns of the basis that lie together at least: products with narrow blocks are no products for BLAS.
PANEL = 64


def multiply(
    a: Float, b: Float, *, transpose_a: bool = False, transpose_b: bool = False, scale: float = 1.0,
    add_to: Float | None = None,
) -> Float:  # fmt: skip
    """Return scale · op(a) op(b), plus `add_to` (and in its memory) where it is given."""
    a, transpose_a = _by_rows(a, transpose_a)
    b, transpose_b = _by_rows(b, transpose_b)
    keep = 0.0 if add_to is None else 1.0
    if add_to is None:
        shape = a.shape[1 if transpose_a else 0], b.shape[0 if transpose_b else 1]
        add_to = np.empty(shape, a.dtype) if len(b) and b.shape[1] else np.zeros(shape, a.dtype)
    HOST.kernels.multiply(a, b, transpose_a, transpose_b, scale, keep, add_to, n_threads())
    return add_to


def _by_rows(a: Float, transposed: bool) -> tuple[Float, bool]:
    """Return a matrix whose rows are contiguous: a transposed view is read as what it is a view of."""
    size = a.dtype.itemsize
    if a.shape[1] <= 1 or a.strides[1] == size:
        return a, transposed
    return (a.T, not transposed) if len(a) <= 1 or a.strides[0] == size else (np.ascontiguousarray(a), transposed)


def orthonormal_columns(Z: Float, least: float) -> tuple[Float, Double]:
    """Return an orthonormal basis V (p, r) of the columns of Z (p, c), and R (r, c) with Z = V R.

    Directions smaller than `least` are left out, so that r may be below c. Columns of float32 are orthonormalised by a
    pivoted Cholesky factorisation of their products in float64, which resolves all that float32 columns hold; those of
    float64 by Householder reflections.
    """
    c = Z.shape[1]
    if Z.dtype == np.float64:
        q, r, pivots = qr(Z, mode="economic", pivoting=True, check_finite=False)
        rank = int(np.count_nonzero(np.abs(r.diagonal()) > least))
        R = np.empty((rank, c))
        R[:, pivots] = r[:rank]
        return np.ascontiguousarray(q[:, :rank]), R
    gram = np.empty((c, c))
    HOST.kernels.whiten_rows(Z, np.zeros(c), np.ones(c), None, None, gram, n_threads())
    rounding = c * np.finfo(np.float64).eps * float(gram.diagonal().max(initial=0.0))
    factor, order, rank, _ = lapack.dpstrf(gram, tol=max(least**2, rounding))
    rank, order = int(rank) if factor[0, 0] ** 2 > max(least**2, rounding) else 0, order - 1
    if rank == 0:
        return Z[:, :0], np.empty((0, c))
    R = np.empty((rank, c))
    R[:, order] = np.triu(factor[:rank])
    V = np.empty((len(Z), rank), Z.dtype)
    upper = np.ascontiguousarray(np.triu(factor[:rank, :rank]))
    some = np.ascontiguousarray(Z[:, order[:rank]])
    HOST.kernels.whiten_rows(some, np.zeros(rank), np.ones(rank), upper, V, np.empty((rank, rank)), n_threads())
    return V, R


class BlockLanczos:
    """A Krylov space that grows by one block at a time.

    Parameters
    ----------
    product : callable
        V (p, c) to G V.
    start : ndarray of shape (p, c)
        Columns of unit length, or of length 0, that the space starts from.

    Attributes
    ----------
    first : ndarray of shape (r, c)
        The starting columns in the first block: start = V_1 first, to rounding.
    diagonal, below : list of ndarray
        α_j (c_j, c_j) of the blocks that G has been applied to, and β_j (c_{j+1}, c_j).
    lost : list of float
        At most how large the directions are that were left out of each next block; 0 where none was.
    """

    def __init__(self, product: Callable[[Float], Float], start: Float) -> None:
        self._product = product
        self._eps = float(np.finfo(start.dtype).eps)
        self._panels: list[Float] = []
        self._edges = [0]  # first column of each panel, and one past the last
        self._starts = [0]  # the same of the blocks
        block, self.first = orthonormal_columns(start, ROUNDINGS * self._eps)
        self._append(block)
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

    def panels(self, begin: int, end: int) -> Iterator[Float]:
        """Yield the basis from one column to another, (p, some) at a time."""
        for first, last, panel in zip(self._edges[:-1], self._edges[1:], self._panels, strict=True):
            low, high = max(begin, first), min(end, last)
            if low < high:
                yield panel[:, low - first : high - first]

    def block(self, j: int) -> Float:
        """Return V_j (p, c_j), j from 0."""
        return next(self.panels(self._starts[j], self._starts[j + 1]))

    def combine(self, values: Float) -> Float:
        """Return the first columns of the basis times values (k, m), (p, m)."""
        out, begin = np.zeros((len(self._panels[0]), values.shape[1]), values.dtype), 0
        for panel in self.panels(0, len(values)):
            end = begin + panel.shape[1]
            multiply(panel, values[begin:end], add_to=out)
            begin = end
        return out

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
            multiply(self.block(j - 1), self.below[j - 1].astype(Z.dtype), transpose_b=True, scale=-1.0, add_to=Z)
        alpha = multiply(V, Z, transpose_a=True)
        multiply(V, alpha, scale=-1.0, add_to=Z)
        left = alpha
        for panel in self.panels(0, self._starts[j + 1]):
            left = multiply(panel, Z, transpose_a=True)
            multiply(panel, left, scale=-1.0, add_to=Z)
        exact = alpha.astype(np.float64) + left[len(left) - len(alpha) :]
        self.diagonal.append(0.5 * (exact + exact.T))
        self.norm = max(self.norm, float(np.linalg.norm(self.diagonal[-1], 2)))
        least = ROUNDINGS * self._eps * self.norm
        block, beta = orthonormal_columns(Z, least)
        room = len(Z) - self._starts[j + 1]
        block, beta = block[:, :room], beta[:room]
        self.lost.append(least if block.shape[1] < Z.shape[1] else 0.0)
        self.below.append(beta)
        self._append(block)

    def _append(self, block: Float) -> None:
        p, r = block.shape
        filled = self._edges[-1] - self._edges[-2] if self._panels else 0
        if not self._panels or filled + r > self._panels[-1].shape[1]:
            self._panels.append(block if r >= PANEL else np.empty((p, PANEL), block.dtype))
            self._edges.append(self._edges[-1])
            filled = 0
        if self._panels[-1] is not block:
            self._panels[-1][:, filled : filled + r] = block
        self._edges[-1] += r
        self._starts.append(self._starts[-1] + r)
