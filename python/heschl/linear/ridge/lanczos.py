"""Block Lanczos: an orthonormal basis of span(B, G B, G² B, …), in which a symmetric G is block tridiagonal.

With blocks V_j of the basis Q, G V_j = V_{j-1} β_{j-1}ᵀ + V_j α_j + V_{j+1} β_j. The space knows nothing of penalties:
T + λI is block tridiagonal for every λ (`heschl.linear.ridge.shifted`). The basis lies where G does, on the host or on
a device; on the host products go through the core, which calls SciPy's BLAS without Python's lock, so that spaces can
grow side by side. A step on a device brings small matrices to the host, all of them in one wait, and sends others back,
some 50 c² bytes for blocks of c vectors: 13 MB where c is 512, which take a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.linalg import eigvalsh, lapack, qr

from heschl.linear.device.arrays import Array, Double
from heschl.linear.device.backend import Backend
from heschl.linear.device.host import HOST
from heschl.linear.device.place import backend_of

# Directions of a block smaller than so many roundings of the norm of G (at the start, of a column) are left out.
ROUNDINGS = 1.0
# Columns of the basis that lie together at least: products with narrow blocks are no products for BLAS.
PANEL = 64
# Dimension up to which Ritz values are a matter of milliseconds.
SMALL = 200
# Order of a block up to which its norm is computed, which takes 0.2 ms and 10 times as long at three times the order;
# beyond it is found by so many multiplications of so many vectors.
NORMED, NORM_STEPS, NORM_VECTORS = 64, 12, 4
# Share of the longest column below which products of columns of float64 with each other do not tell a direction from
# rounding, and a further round has to.
ROUND = 1e-6
EVERYTHING = slice(None)


def orthonormal_columns(Z: Array, least: float, products: Double | None = None) -> tuple[Array, Double]:
    """Return an orthonormal basis V (p, r) of the columns of Z (p, c), and R (r, c) with Z = V R.

    Directions smaller than `least` are left out, so that r may be below c. Columns of float32 are orthonormalised by a
    pivoted Cholesky factorisation of their products in float64, which resolves all that float32 columns hold. Those of
    float64 by Householder reflections on the host, and on a device in a few such rounds, each of what is left.
    `products` are what `column_products` gives of Z, where they have been brought to the host.
    """
    b, c = backend_of(Z), Z.shape[1]
    if by_products(Z):
        gram = b.get(column_products(Z)) if products is None else products
        if Z.dtype != np.float32:
            return _in_rounds(b, Z, gram, least)
        V, R, _, _ = _by_products(b, Z, gram, least, 0.0)
        return V, R
    q, r, pivots = qr(Z, mode="economic", pivoting=True, check_finite=False)
    rank = int(np.count_nonzero(np.abs(r.diagonal()) > least))
    R = np.empty((rank, c))
    R[:, pivots] = r[:rank]
    return np.ascontiguousarray(q[:, :rank]), R


def by_products(Z: Array) -> bool:
    """Return whether columns are orthonormalised by `column_products`."""
    return bool(Z.dtype == np.float32) or backend_of(Z).kind.remote


def column_products(Z: Array) -> Array:
    """Return the products of the columns of Z (p, c) with each other, in float64, (c, c), where Z lies."""
    b, n = backend_of(Z), Z.shape[1]
    gram = b.empty((n, n), np.float64)
    b.kernels.whiten_rows(Z, b.put(np.zeros(n)), b.put(np.ones(n)), None, None, gram, b.handle())
    return gram


def _divided(b: Backend, Z: Array, upper: Double) -> Array:
    """Return Z U⁻¹, computed in float64."""
    n, V = Z.shape[1], b.empty(Z.shape, Z.dtype)
    zeros, ones, factor = b.put(np.zeros(n)), b.put(np.ones(n)), b.put(np.ascontiguousarray(upper))
    b.kernels.whiten_rows(Z, zeros, ones, factor, V, None, b.handle())
    return V


def _by_products(
    b: Backend, Z: Array, gram: Double, least: float, share: float
) -> tuple[Array, Double, list[int], list[int]]:
    """Return V, R as above, of directions above a share of the longest; which columns span V, and which are left."""
    c = Z.shape[1]
    longest = float(gram.diagonal().max(initial=0.0))
    limit = max(least**2, share**2 * longest, c * np.finfo(np.float64).eps * longest)
    factor, order, rank, _ = lapack.dpstrf(gram, tol=limit)
    rank, order = int(rank) if factor[0, 0] ** 2 > limit else 0, order - 1
    if rank == 0:
        return b.part(Z, EVERYTHING, slice(0, 0)), np.empty((0, c)), [], list(range(c))
    R = np.empty((rank, c))
    R[:, order] = np.triu(factor[:rank])
    V = _divided(b, b.columns(Z, order[:rank].astype(np.int64)), np.triu(factor[:rank, :rank]))
    return V, R, order[:rank].tolist(), order[rank:].tolist()


def _in_rounds(b: Backend, Z: Array, gram: Double, least: float) -> tuple[Array, Double]:
    """Orthonormalise columns of float64 by products: each round what the ones before could not tell from rounding."""
    found: list[Array] = []
    R, left, rest = np.zeros((0, Z.shape[1])), Z, np.arange(Z.shape[1])
    while rest.size:
        V, upper, used, unused = _by_products(b, left, gram, least, ROUND)
        if not used:
            break
        # V is orthonormal to 1e-4 at worst.
        again: Double = np.asarray(np.linalg.cholesky(b.get(column_products(V))).T, np.float64)
        found.append(_divided(b, V, again))
        new = np.zeros((len(used), Z.shape[1]))
        new[:, rest[used]] = again @ upper[:, used]
        R, rest = np.concatenate([R, new]), rest[unused]
        if not rest.size:
            break
        left = b.columns(left, np.array(unused, dtype=np.int64))
        for _ in range(2):
            begin = 0
            for block in found:
                along, end = b.multiply(block, left, transpose_a=True), begin + block.shape[1]
                b.multiply(block, along, scale=-1.0, add_to=left)
                R[begin:end, rest] += b.get(along)
                begin = end
        gram = b.get(column_products(left))
    return b.side_by_side(found) if found else b.part(Z, EVERYTHING, slice(0, 0)), R


def _norm(symmetric: Double) -> float:
    """Return the spectral norm: of a large block by power iterations, from below and to a few per cent."""
    if len(symmetric) <= NORMED:
        return float(np.linalg.norm(symmetric, 2))
    V, size = np.random.default_rng(0).standard_normal((len(symmetric), NORM_VECTORS)), 0.0
    for _ in range(NORM_STEPS):
        V = symmetric @ (V / max(np.linalg.norm(V, axis=0).max(), np.finfo(np.float64).tiny))
        size = float(np.linalg.norm(V, axis=0).max())
    return size


class BlockLanczos:
    """A Krylov space that grows by one block at a time.

    Parameters
    ----------
    product : callable
        V (p, c) to G V.
    start : array of shape (p, c)
        Columns of unit length, or of length 0, that the space starts from; on the host or a device.
    small : Backend
        Where systems of the size of a block are solved, and `first`, `diagonal` and `below` lie.

    Attributes
    ----------
    first : ndarray of shape (r, c)
        The starting columns in the first block: start = V_1 first, to rounding.
    diagonal, below : list of ndarray
        α_j (c_j, c_j) of the blocks that G has been applied to, and β_j (c_{j+1}, c_j).
    lost : list of float
        At most how large the directions are that were left out of each next block; 0 where none was.
    """

    def __init__(self, product: Callable[[Array], Array], start: Array, small: Backend = HOST) -> None:
        self._product, self._small, self._b = product, small, backend_of(start)
        self._eps = float(np.finfo(start.dtype).eps)
        self._panels: list[Array] = []
        self._edges = [0]  # first column of each panel, and one past the last
        self._starts = [0]  # the same of the blocks
        block, first = orthonormal_columns(start, ROUNDINGS * self._eps)
        self.first = small.put(first)
        self._append(block)
        self.diagonal: list[Array] = []
        self.below: list[Array] = []
        self._beta = first[:0]  # the last of `below`, on the host
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

    def panels(self, begin: int, end: int) -> Iterator[Array]:
        """Yield the basis from one column to another, (p, some) at a time."""
        for first, last, panel in zip(self._edges[:-1], self._edges[1:], self._panels, strict=True):
            low, high = max(begin, first), min(end, last)
            if low < high:
                yield self._b.part(panel, EVERYTHING, slice(low - first, high - first))

    def block(self, j: int) -> Array:
        """Return V_j (p, c_j), j from 0."""
        return next(self.panels(self._starts[j], self._starts[j + 1]))

    def combine(self, values: Array) -> Array:
        """Return the first columns of the basis times values (k, m), (p, m)."""
        b, begin = self._b, 0
        out = b.zeros((len(self._panels[0]), values.shape[1]), values.dtype)
        for panel in self.panels(0, len(values)):
            end = begin + panel.shape[1]
            b.multiply(panel, b.part(values, slice(begin, end), EVERYTHING), add_to=out)
            begin = end
        return out

    def extremes(self) -> tuple[float, float]:
        """Return the smallest and the largest Ritz value: eigenvalues of G in the space, between those of G.

        Of a large space, where these are dear, 0 and the norm of G as far as it is known.
        """
        if self.dimension > SMALL:
            return 0.0, self.norm
        T, begin = np.zeros((self.dimension, self.dimension)), 0
        blocks = self._small.bring([*self.diagonal, *self.below])
        for diagonal, below in zip(blocks[: self.n_steps], blocks[self.n_steps :], strict=True):
            end = begin + len(diagonal)
            T[begin:end, begin:end] = diagonal
            if end < self.dimension:
                T[end : end + len(below), begin:end] = below
            begin = end
        values = eigvalsh(T, check_finite=False)
        return float(values[0]), float(values[-1])

    def step(self) -> None:
        """Apply G to the last block, and orthonormalise what is new against all blocks.

        The three terms of the recurrence go first: they are large, what is left of them is small, and the pass over
        all blocks that follows then takes out what rounding left of them, at one product with the basis each way.
        (Without it, in float32, directions that have converged come back within a few steps.)
        """
        j, b = self.n_steps, self._b
        V = self.block(j)
        Z = self._product(V)
        if j > 0:
            beta = b.put(self._beta.astype(Z.dtype))
            b.multiply(self.block(j - 1), beta, transpose_b=True, scale=-1.0, add_to=Z)
        alpha = b.multiply(V, Z, transpose_a=True)
        b.multiply(V, alpha, scale=-1.0, add_to=Z)
        left = alpha
        for panel in self.panels(0, self._starts[j + 1]):
            left = b.multiply(panel, Z, transpose_a=True)
            b.multiply(panel, left, scale=-1.0, add_to=Z)
        behind = b.part(left, slice(len(left) - len(alpha), len(left)), EVERYTHING)
        exact, more, *products = b.bring([alpha, behind, *([column_products(Z)] if by_products(Z) else [])])
        exact = exact.astype(np.float64) + more
        exact = 0.5 * (exact + exact.T)
        self.diagonal.append(self._small.put(exact))
        self.norm = max(self.norm, _norm(exact))
        least = ROUNDINGS * self._eps * self.norm
        block, beta = orthonormal_columns(Z, least, *products)
        room = min(block.shape[1], len(Z) - self._starts[j + 1])
        block, self._beta = b.part(block, EVERYTHING, slice(0, room)), np.ascontiguousarray(beta[:room])
        self.lost.append(least if room < Z.shape[1] else 0.0)
        self.below.append(self._small.put(self._beta))
        self._append(block)

    def _append(self, block: Array) -> None:
        b, (p, r) = self._b, block.shape
        filled = self._edges[-1] - self._edges[-2] if self._panels else 0
        if not self._panels or filled + r > self._panels[-1].shape[1]:
            self._panels.append(block if r >= PANEL else b.empty((p, PANEL), block.dtype))
            self._edges.append(self._edges[-1])
            filled = 0
        if self._panels[-1] is not block:
            b.assign(b.part(self._panels[-1], EVERYTHING, slice(filled, filled + r)), block)
        self._edges[-1] += r
        self._starts.append(self._starts[-1] + r)
