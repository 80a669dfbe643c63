"""X'X as something that multiplies: from the lagged moments without its p × p numbers, or assembled.

With lag blocks of d columns, block (i, j) of X'X is block Toeplitz but for edge rows,

    B(i, j) = T_{i-j} + Σ_{m=1}^{min(i,j)} [entering_{i-m} entering_{j-m}ᵀ - leaving_{i-m} leaving_{j-m}ᵀ],

T_k = B(k, 0) and T_{-k} = T_kᵀ. Toeplitz products are products of d × d blocks, one for each frequency over 2w - 1
lags, and so are the edge rows': a correlation over lags with L, cut to its lags m >= 1, and a convolution with L.
The discrete Fourier transform over lags is itself a small GEMM, so all stays in real arithmetic of the data's dtype,
and complex products are three real ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from heschl.checks import InputError
from heschl.linear.device.arrays import Double, Float
from heschl.linear.ridge.lanczos import multiply

GRAM_ROWS = 512  # rows of an assembled X'X that are read at a time


class Operator(Protocol):
    """Symmetric X'X known by what it does to a block of vectors."""

    @property
    def n_columns(self) -> int:
        """Order p of X'X."""

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """Floating-point type of the numbers it is made of."""

    def product(self, V: Float) -> Float:
        """Multiply X'X by V (p, c), in V's dtype: float64 vectors in float64 whatever the operator's."""


class LagFourier:
    """Discrete Fourier transform of real sequences over lags, real and imaginary parts apart, and back.

    Frequencies 0 … length // 2; the others are their conjugates.
    """

    def __init__(self, length: int, n_lags: int) -> None:
        self.n_frequencies = length // 2 + 1
        turns = np.outer(np.arange(self.n_frequencies), np.arange(n_lags)) % length
        angle = 2.0 * np.pi * turns / length
        times = np.full(self.n_frequencies, 2.0 / length)
        times[0] = 1.0 / length
        if length % 2 == 0:
            times[-1] = 1.0 / length
        self.cos, self.sin = np.cos(angle), np.sin(angle)
        self._back = np.concatenate([times[:, None] * self.cos, -times[:, None] * self.sin]).T
        self._forth = np.concatenate([self.cos, -self.sin])

    def forward(self, sequence: Float) -> tuple[Float, Float]:
        """Transform (lags, …) to real and imaginary parts (frequencies, …)."""
        n, shape = len(sequence), sequence.shape[1:]
        forth = np.ascontiguousarray(self._forth[:, :n], sequence.dtype)
        both = multiply(forth, np.ascontiguousarray(sequence).reshape(n, -1)).reshape(-1, *shape)
        return both[: self.n_frequencies], both[self.n_frequencies :]

    def backward(self, both: Float, first: int = 0) -> Float:
        """Transform real parts above imaginary ones (2 · frequencies, …) back to the first lags (lags, …)."""
        flat = multiply(np.ascontiguousarray(self._back[first:], both.dtype), both.reshape(len(both), -1))
        return flat.reshape(-1, *both.shape[1:])


def spectrum(first_column: Float, weights: Double, fourier: LagFourier) -> tuple[Float, Float]:
    """Sum weights_k T_k e^{-iθk} over k from -(w - 1) to w - 1, T_{-k} = T_kᵀ: one Hermitian d × d block a frequency.

    Returns
    -------
    real, imaginary : ndarray of shape (frequencies, d, d)
    """
    d = first_column.shape[1]
    blocks = first_column.reshape(len(weights), d * d)
    real, imaginary = (
        multiply((part * weights).astype(blocks.dtype), blocks).reshape(-1, d, d)
        for part in (fourier.cos, -fourier.sin)
    )
    # T_0 may be symmetric to rounding only; what is made of it must be so exactly.
    middle = (0.5 * weights[0] * (first_column[:d] + first_column[:d].T)).astype(blocks.dtype)
    unpaired = (weights[0] * first_column[:d]).astype(blocks.dtype) - 0.5 * middle
    for re, im in zip(real, imaginary, strict=True):
        re -= unpaired
        re += re.T.copy()
        im -= im.T.copy()
    return real, imaginary


def complex_product(middle: Float, plus: Float, minus: Float, real: Float, imaginary: Float) -> Float:
    """Multiply (A + iB)(x + iy) for each frequency by three real products, of x + y, y and x.

    Parameters
    ----------
    middle, plus, minus : ndarray of shape (frequencies, rows, d)
        A, A + B and A - B.
    real, imaginary : ndarray of shape (frequencies, d, c)

    Returns
    -------
    ndarray of shape (2 · frequencies, rows, c)
        Real parts above imaginary ones.
    """
    f, dtype = len(real), real.dtype
    out = np.empty((2 * f, middle.shape[1], real.shape[2]), dtype)
    for k in range(f):
        a, a_plus_b, a_minus_b = (part[k].astype(dtype, copy=False) for part in (middle, plus, minus))
        shared = multiply(a, real[k] + imaginary[k])
        np.subtract(shared, multiply(a_plus_b, imaginary[k]), out=out[k])
        np.subtract(shared, multiply(a_minus_b, real[k]), out=out[f + k])
    return out


@dataclass(frozen=True)
class LagTerms:
    """How features are read, (h' - offset) * scale inside a segment, and the terms of low rank that this brings.

    X'X = S (B - m s sᵀ - U Qᵀ - Q Uᵀ + Q K Qᵀ) S with S the scale, m = inverse_n, s the column sums, Q = 1_w ⊗ offset
    (p, w), U the column of blocks r_ij = u_ij - m n_j s_i and K the counts k_ij = n_ij - m n_i n_j: small differences
    of large numbers, hence in double.
    """

    offset: Double  # (d,)
    scale: Double  # (d,)
    inverse_n: float
    sums: Double  # (w, d)
    pairs: Double  # (w, w, d): r_ij
    counts: Double  # (w, w)

    @classmethod
    def from_sums(
        cls, pair_sums: Double, pair_counts: Double, offset: Double, scale: Double, inverse_n: float
    ) -> LagTerms:
        """Compute the terms from the pair sums (w², d) and pair counts (w²,) of the lagged moments."""
        d = len(offset)
        w = round(np.sqrt(len(pair_counts)))
        if w * w != len(pair_counts) or pair_sums.shape != (w * w, d) or scale.shape != (d,):
            raise InputError(
                "pair_sums, pair_counts, offset, scale",
                f"shapes {pair_sums.shape}, {pair_counts.shape}, {offset.shape}, {scale.shape}",
                "(w², d), (w²,), (d,) and (d,)",
            )
        u, n_ij = pair_sums.reshape(w, w, d), pair_counts.reshape(w, w)
        sums, n_i = u[np.arange(w), np.arange(w)], n_ij.diagonal()
        n = round(1.0 / inverse_n) if inverse_n > 0.0 else 0
        # Counts are whole: k is exactly 0 where a constant feature calls for it.
        counts = (n_ij * n - np.outer(n_i, n_i)) / n if n else n_ij.copy()
        pairs = u - inverse_n * n_i[:, None] * sums[:, None]
        pairs[:, n_i == n] = 0.0  # lags that see a frame at every row: left to rounding, a large mean would multiply it
        return cls(offset, scale, inverse_n, sums, pairs, counts)

    def correction(self, V: Double) -> Double:
        """Multiply (m s sᵀ + U Qᵀ + Q Uᵀ - Q K Qᵀ) by V (p, c)."""
        w, d, c = *self.sums.shape, V.shape[1]
        U = self.pairs.transpose(0, 2, 1).reshape(w * d, w)
        s = self.sums.reshape(w * d, 1)
        on_offset = np.einsum("f,ifc->ic", self.offset, V.reshape(w, d, c))
        out = multiply(s, multiply(s, V, transpose_a=True), scale=self.inverse_n)
        multiply(U, on_offset, add_to=out)
        along = multiply(U, V, transpose_a=True) - self.counts @ on_offset
        out.reshape(w, d, c)[:] += self.offset[:, None] * along[:, None]
        return np.asarray(out)


class LaggedOperator:
    """Products with X'X straight from the lagged moments, in memory of a few w · d² numbers.

    The matrix is that of `LaggedMoments.normal_equations`; W that minimises ‖Y - X W - 1 bᵀ‖² + alpha ‖W‖² solves
    (X'X + alpha I) W = X'Y with it.

    Parameters
    ----------
    first_column : ndarray of shape (p, d), float32 or float64
        Blocks B(i, 0) of X'X, p = w · d.
    leaving, entering : ndarray of shape (a, p) and (b, p)
        Edge rows: B(i+1, j+1) = B(i, j) - Σ leaving_i leaving_jᵀ + Σ entering_i entering_jᵀ. There may be none.
    terms : LagTerms
        Centring and scaling.

    Raises
    ------
    InputError
        Where shapes do not belong together.

    Notes
    -----
    A product with c vectors costs 6 w d² c operations, and 12 w d c more for each edge row, instead of 2 (w d)² c:
    `heschl.linear.ridge.price.lagged_product` counts them.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear.ridge.operators import LaggedOperator, LagTerms
    >>> no_centring = LagTerms.from_sums(np.zeros((4, 1)), np.zeros(4), np.zeros(1), np.ones(1), 0.0)
    >>> operator = LaggedOperator(np.array([[5.0], [2.0]]), np.array([[1.0, 0.0]]), np.zeros((0, 2)), no_centring)
    >>> operator.product(np.eye(2)).round(12)
    array([[5., 2.],
           [2., 4.]])
    """

    def __init__(self, first_column: Float, leaving: Float, entering: Float, terms: LagTerms) -> None:
        p, d = first_column.shape
        w = len(terms.sums)
        if p != w * d or terms.sums.shape[1] != d or leaving.shape[1] != p or entering.shape[1] != p:
            raise InputError(
                "first_column, leaving, entering",
                f"shapes {first_column.shape}, {leaving.shape} and {entering.shape}",
                f"(p, d), (a, p) and (b, p) with p = w · d, w = {w} and d = {terms.sums.shape[1]}",
            )
        self._w, self._d = w, int(d)
        self._terms = terms
        # 2w - 1 lags are as many as differ: nothing wraps around onto a lag that is read.
        self._fourier = LagFourier(2 * w - 1, w)
        self._real, self._plus = spectrum(first_column, np.ones(w), self._fourier)
        self._plus += self._real  # its transpose is real - imaginary, for the blocks are Hermitian
        self._edges: list[tuple[float, Float, Float, Float]] = []
        for sign, rows in ((-1.0, leaving), (1.0, entering)):
            if len(rows):
                lag_major = np.ascontiguousarray(rows.reshape(-1, w, d).transpose(1, 0, 2))
                re, im = self._fourier.forward(lag_major)
                self._edges.append((sign, re, re + im, re - im))

    @property
    def n_columns(self) -> int:
        """Order p of X'X."""
        return self._w * self._d

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """Floating-point type of the moments."""
        return self._real.dtype

    def product(self, V: Float) -> Float:
        """Multiply X'X by V (p, c), in V's dtype."""
        w, d, c = self._w, self._d, V.shape[1]
        scale = np.tile(self._terms.scale, w)[:, None]
        scaled = V * scale.astype(V.dtype)
        real, imaginary = self._fourier.forward(scaled.reshape(w, d, c))
        out = complex_product(self._real, self._plus, self._plus.transpose(0, 2, 1), real, imaginary)
        for sign, re, plus, minus in self._edges:
            # z_m = Σ_j L_j V_{j+m}, a correlation: conj(L) in frequency.
            z = self._fourier.backward(complex_product(re, minus, plus, real, imaginary))
            z[0] = 0.0
            z *= z.dtype.type(sign)
            re, plus, minus = (block.transpose(0, 2, 1) for block in (re, plus, minus))
            out += complex_product(re, plus, minus, *self._fourier.forward(z))
        product = self._fourier.backward(out).reshape(w * d, c)
        product -= self._terms.correction(scaled.astype(np.float64, copy=False))
        product *= scale
        return product


class AssembledOperator:
    """The same products from an assembled X'X, of which the lower triangle is read.

    Parameters
    ----------
    gram : ndarray of shape (p, p)
        X'X below the diagonal; diagonal and upper triangle may hold anything (a solver's factor).
    diagonal : ndarray of shape (p,)
    """

    def __init__(self, gram: Float, diagonal: Float) -> None:
        if gram.ndim != 2 or gram.shape != (len(diagonal), len(diagonal)):
            raise InputError("gram, diagonal", f"shapes {gram.shape} and {diagonal.shape}", "(p, p) and (p,)")
        self._gram, self._diagonal = gram, diagonal

    @property
    def n_columns(self) -> int:
        """Order p of X'X."""
        return len(self._diagonal)

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """Floating-point type of X'X."""
        return self._gram.dtype

    def product(self, V: Float) -> Float:
        """Multiply X'X by V (p, c), in V's dtype; each number of the triangle is read once for both of its places."""
        out: Float = V * self._diagonal.astype(V.dtype)[:, None]
        for begin in range(0, len(V), GRAM_ROWS):
            end = min(begin + GRAM_ROWS, len(V))
            rows = self._gram[begin:end, :begin].astype(V.dtype, copy=False)
            corner = np.tril(self._gram[begin:end, begin:end], -1).astype(V.dtype, copy=False)
            out[begin:end] += rows @ V[:begin] + corner @ V[begin:end] + corner.T @ V[begin:end]
            out[:begin] += rows.T @ V[begin:end]
        return out
