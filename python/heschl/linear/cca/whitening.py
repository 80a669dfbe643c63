"""Whitening one side of a CCA: an orthonormal basis of what varies in it, found once and used with every other side."""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, lapack, qr, svd

from heschl.checks import InputError
from heschl.linear.device.arrays import Array, Double
from heschl.linear.device.backend import Backend
from heschl.linear.device.host import HOST
from heschl.linear.device.place import backend_of
from heschl.linear.device.threads import map_threads, n_threads, one_blas_thread

# One Cholesky pass loses eps κ² of orthogonality, a second one wins it back as long as the first is not all lost.
ONE_PASS, TWO_PASSES = 1e3, 1e7
# Of a Gram matrix, singular values below this times the largest are lost in rounding.
GRAM_TOL = 1e-7


@dataclass(frozen=True)
class Whitened:
    """One side of a CCA.

    Attributes
    ----------
    rows : (n, q) array of float32 or float64
        Columns that span the centred features.
    turn : (q, r) array of float64
        rows @ turn = (features − mean) @ back has orthonormal columns; by falling variance where principal components
        were asked for.
    back : (d, r) array of float64
    forth : (r, d) array of float64
        The orthonormal columns' share of the features: basisᵀ (features − mean).
    shrink : (r,) array of float64
        s / √(s² + reg) of each column, s its singular value: 1 without a penalty.
    mean : (d,) array of float64
        Of the features.
    """

    rows: NDArray[Any] = field(repr=False)
    turn: Double = field(repr=False)
    back: Double = field(repr=False)
    forth: Double = field(repr=False)
    shrink: Double = field(repr=False)
    mean: Double = field(repr=False)
    placed: Array = field(default=None, repr=False)
    """`turn` where the rows lie, brought there once for all other sides."""

    @property
    def rank(self) -> int:
        """How many directions there are."""
        return int(self.turn.shape[1])


def whiten(
    name: str,
    X: Array,
    *,
    reg: float = 0.0,
    rank_tol: float = 1e-10,
    pca: float | int | None = None,
    standardize: bool = False,
) -> Whitened:
    """Find an orthonormal basis of the centred features.

    By CholeskyQR where the condition number κ of the features, each scaled to variance 1, is at most 1e3; by two passes
    of it (Yamamoto et al. 2015, ETNA 44:306) up to 1e7; beyond, or where features depend on each other, by Householder
    QR and the singular values of R.

    Parameters
    ----------
    name : str
        Of the argument, for messages.
    X : (n, d) array of float32 or float64
        Features, on the host or a device. Sums are in float64; rows are kept where, and in the precision, they came in.
    reg : float
        Ridge penalty on weights, in units of the centred features' sums of squares.
    rank_tol : float
        Singular values below this times the largest are no direction: of the features each scaled to variance 1, or as
        they are where a penalty or principal components depend on their scale.
    pca : None, float or int
        Keep so much of the variance (0 … 1), or so many principal components.
    standardize : bool
        Whether penalty and principal components are of features scaled to variance 1.

    Raises
    ------
    InputError
        For features that do not vary.
    """
    n, d = X.shape
    b = backend_of(X)
    mean = b.means(X, 0)
    norm = np.sqrt(b.get(b.squares(X, mean)))
    # Rounding of the mean leaves that much of a constant.
    varies = norm > 8 * np.finfo(np.float64).eps * n * np.abs(mean)
    if not varies.any():
        raise InputError(name, "features that do not vary", "at least one that does")
    plain = reg == 0 and pca is None
    scale = norm[varies] / np.sqrt(n) if plain or standardize else np.ones(int(varies.sum()))
    part = X if varies.all() else b.columns(X, np.flatnonzero(varies))
    # Threads share the rows, each with a BLAS thread of its own.
    with one_blas_thread() if b.kind.host_threads else nullcontext():
        found = _cholesky_qr(part, mean[varies], scale) if n > part.shape[1] else None
        if found is None or not plain:
            found = _by_singular_values(part, mean[varies], scale, found, reg, rank_tol, pca)
    back, forth = np.zeros((d, found.rank)), np.zeros((found.rank, d))
    back[varies], forth[:, varies] = found.back / scale[:, None], found.forth * scale
    placed = b.put(np.ascontiguousarray(found.turn))
    return replace(found, back=back, forth=forth, mean=mean, placed=placed)


def whiten_gram(
    name: str,
    gram: Double,
    mean: Double,
    n: int,
    *,
    reg: float = 0.0,
    rank_tol: float = 1e-10,
    pca: float | int | None = None,
    standardize: bool = False,
) -> Whitened:
    """Do the same from the centred features' Gram matrix (d, d); `rows` stays empty."""
    norm = np.sqrt(np.maximum(gram.diagonal(), 0.0))
    varies = norm > 1e-7 * np.sqrt(n) * np.maximum(np.abs(mean), norm.max(initial=0.0) / np.sqrt(n) * 1e-3)
    if not varies.any():
        raise InputError(name, "features that do not vary", "at least one that does")
    scaled = standardize or (reg == 0 and pca is None)
    scale = np.where(varies, norm / np.sqrt(n), 1.0) if scaled else np.ones(len(norm))
    part = np.where(np.outer(varies, varies), gram / np.outer(scale, scale), 0.0)
    squares, vectors = eigh(part, check_finite=False)
    s, v = np.sqrt(np.maximum(squares[::-1], 0.0)), vectors[:, ::-1]
    keep = _directions(s, max(rank_tol, GRAM_TOL) * float(s[0]), pca)
    s = s[:keep]
    empty, v = np.empty((0, keep)), v[:, :keep]
    return Whitened(empty, np.eye(keep), v / s / scale[:, None], (v * s).T * scale, s / np.sqrt(s**2 + reg), mean)


def _directions(s: Double, least: float, pca: float | int | None) -> int:
    """Count singular values (falling) that are above `least`, and that principal components keep."""
    keep = max(1, int((s > least).sum()))
    if isinstance(pca, int):
        return min(keep, pca)
    if pca is not None:
        share = np.cumsum(s**2) / np.sum(s**2)
        return min(keep, int(np.searchsorted(share, pca * (1 - 1e-12)) + 1))
    return keep


def product(a: Whitened, b: Whitened, crossed: Array | None = None) -> Array:
    """Multiply both orthonormal bases, (rank of a, rank of b), where their rows lie.

    Its singular values are the correlations. `crossed` is a.rowsᵀ b.rows where it is known.
    """
    backend = backend_of(a.rows)
    out = backend.cast(cross(a.rows, b.rows) if crossed is None else crossed, np.float64)
    for side in (a, b):
        out = cross(out, side.placed)
    return out


def cross(a: Array, b: Array) -> Array:
    """Multiply aᵀ b where both lie; on the host threads share the columns of b."""
    backend = backend_of(a)
    if not backend.kind.host_threads:
        return backend.product(a, b, transpose=True)
    out = np.empty((a.shape[1], b.shape[1]), dtype=np.result_type(a, b))
    edges = np.linspace(0, b.shape[1], n_threads() + 1).astype(int)
    parts = [slice(i, j) for i, j in itertools.pairwise(edges) if j > i]

    def work(part: slice, _: None) -> None:
        out[:, part] = a.T @ b[:, part]

    for _ in map_threads(work, parts, lambda: None, small=True):
        pass
    return out


def largest_singular_values(M: Array, edges: NDArray[np.int64], k: int) -> Double:
    """Find the k largest singular values of each matrix M[edges[i] : edges[i + 1]]; threads share the matrices."""
    b = backend_of(M)
    values = b.empty((len(edges) - 1, k), np.float64)
    given = np.ascontiguousarray(M, np.float64) if isinstance(M, np.ndarray) else M
    with one_blas_thread():
        b.kernels.largest_singular(given, np.asarray(edges, np.int64), k, values, None, b.handle())
    return b.get(values)


def largest_singular_vectors(M: Double, k: int) -> tuple[Double, Double, Double]:
    """Find U (m, k), s (k,) and V (n, k) of the k largest singular values of M (m, n)."""
    small = min(M.shape)
    values, vectors = np.empty((1, k)), np.empty((k, small))
    with one_blas_thread():
        HOST.kernels.largest_singular(np.ascontiguousarray(M), np.array([0, len(M)]), k, values, vectors, 1)
        s = values[0]
        # As roots of eigenvalues the small ones lose what the others' rounding covers.
        if s[-1] < 1e-4 * s[0]:
            left, s, right = svd(M, full_matrices=False, check_finite=False)
            return left[:, :k], s[:k], right[:k].T
        if len(M) == small:
            return vectors.T, s, M.T @ vectors.T / s
        return M @ vectors.T / s, s, vectors.T


def _cholesky_qr(X: Array, mean: Double, scale: Double) -> Whitened | None:
    (n, d), b = X.shape, backend_of(X)
    rows, about, by = b.empty((n, d), X.dtype), b.put(mean), b.put(1.0 / scale)

    def kept_rows(upper: Double | None) -> Double:
        """Write the rows, over a Cholesky factor where there is one, and give their Gram matrix."""
        found = b.empty((d, d), np.float64)
        b.kernels.whiten_rows(X, about, by, None if upper is None else b.put(upper), rows, found, b.handle())
        return b.get(found)

    gram = kept_rows(None)
    first = _factor(b, gram, ONE_PASS if X.dtype == np.float64 else 1.0)
    if first is None:
        return None
    upper, enough = first
    inverse = _inverse(b, upper)
    if enough:
        return Whitened(rows, b.get(inverse), b.get(inverse), upper, np.ones(d), mean)
    gram = kept_rows(upper)
    if np.abs(gram - np.eye(d)).sum(axis=0).max() > 0.5:
        return None
    again = _upper(b, gram)
    assert again is not None, "half a unit from the identity at most"
    turn = _inverse(b, again)
    back, forth = (b.multiply(*both) for both in ((inverse, turn), (b.put(again), b.put(upper))))
    return Whitened(rows, b.get(turn), b.get(back), b.get(forth), np.ones(d), mean)


def _upper(b: Backend, gram: Double) -> Double | None:
    """Factor by Cholesky where the rows lie; None where that fails."""
    factor = b.get(b.factored(b.put(np.array(gram))))
    return None if np.isnan(factor.diagonal()).any() else np.triu(factor)


def _inverse(b: Backend, upper: Double) -> Array:
    return b.half_solved(b.put(upper), b.put(np.eye(len(upper))), transpose=False)


def _factor(b: Backend, gram: Double, one_pass: float) -> tuple[Double, bool] | None:
    """Factor by Cholesky; return the upper factor and whether it is exact enough, or None where it is too inexact."""
    upper = _upper(b, gram)
    if upper is None:
        return None
    reciprocal, _ = lapack.dpocon(upper, np.abs(gram).sum(axis=0).max())
    if reciprocal < TWO_PASSES**-2:
        return None
    return upper, bool(reciprocal >= one_pass**-2)


def _by_singular_values(
    X: Array,
    mean: Double,
    scale: Double,
    found: Whitened | None,
    reg: float,
    rank_tol: float,
    pca: float | int | None,
) -> Whitened:
    """Whiten by singular values, those of R where there is one: backward stable for any condition number."""
    if found is not None:
        u, s, vt = svd(found.forth, check_finite=False)
        rows, turn = found.rows, found.turn @ u
    else:
        centred = (backend_of(X).get(X) - mean) / scale
        if len(centred) > centred.shape[1]:
            rows, r = qr(centred, mode="economic", overwrite_a=True, check_finite=False)
            turn, s, vt = svd(r, full_matrices=False, check_finite=False)
        else:
            rows, s, vt = svd(centred, full_matrices=False, check_finite=False)
            turn = np.eye(len(s))
    noise = np.finfo(np.float64).eps * np.sqrt(len(X)) * float(np.abs(mean / scale).max(initial=0.0)) * max(X.shape)
    keep = _directions(s, max(rank_tol * float(s.max(initial=0.0)), noise), pca)
    s, vt = s[:keep], vt[:keep]
    shrink = s / np.sqrt(s**2 + reg)
    if found is None:
        rows = backend_of(X).put(np.ascontiguousarray(rows.astype(X.dtype, copy=False)))
    return Whitened(rows, turn[:, :keep], vt.T / s, vt * s[:, None], shrink, mean)
