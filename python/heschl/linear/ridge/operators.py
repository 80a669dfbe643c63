"""X'X as something that multiplies, from the lagged moments and without its p × p numbers.

With lag blocks of d columns, block (i, j) of X'X is block Toeplitz but for edge rows,

    B(i, j) = T_{i-j} + Σ_{m=1}^{min(i,j)} [entering_{i-m} entering_{j-m}ᵀ - leaving_{i-m} leaving_{j-m}ᵀ],

T_k = B(k, 0) and T_{-k} = T_kᵀ. Toeplitz products are products of d × d blocks, one for each frequency over 2w - 1
lags, and so are the edge rows': a correlation over lags with L, cut to its lags m >= 1, and a convolution with L.
The discrete Fourier transform over lags is itself a small GEMM, so all stays in real arithmetic of the data's dtype,
and complex products are three real ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heschl.checks import InputError
from heschl.linear.device.arrays import Double, Float
from heschl.linear.device.host import HOST
from heschl.linear.device.products import multiply
from heschl.linear.device.threads import n_threads


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

    def forward(self, sequence: Float) -> Float:
        """Transform (lags, …) to real parts above imaginary ones (2 · frequencies, …)."""
        n, shape = len(sequence), sequence.shape[1:]
        forth = np.ascontiguousarray(self._forth[:, :n], sequence.dtype)
        flat: Float = multiply(forth, np.ascontiguousarray(sequence).reshape(n, -1))
        return flat.reshape(-1, *shape)

    def backward(self, both: Float, first: int = 0) -> Float:
        """Transform real parts above imaginary ones (2 · frequencies, …) back to the first lags (lags, …)."""
        flat: Float = multiply(np.ascontiguousarray(self._back[first:], both.dtype), both.reshape(len(both), -1))
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


class Blocks:
    """A + iB of each frequency, as three real products need them: A, A + B and A - B.

    Parameters
    ----------
    real, imaginary : ndarray of shape (frequencies, rows, d)
        A and B; `imaginary` is written over.
    hermitian : bool
        Each block is its own conjugate transpose: A - B need not be kept.
    """

    def __init__(self, real: Float, imaginary: Float, *, hermitian: bool = False) -> None:
        self._count, d = len(real), real.shape[2]
        self._middle = real.reshape(-1, d)
        self._minus = None if hermitian else (real - imaginary).reshape(-1, d)
        imaginary += real
        self._plus = imaginary.reshape(-1, d)

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """Floating-point type of the blocks."""
        return self._middle.dtype

    def multiply(
        self, V: Float, *, conjugate: bool = False, transposed: bool = False, columns: slice = slice(None),
        add_to: Float | None = None,
    ) -> Float:  # fmt: skip
        """Multiply blocks, or some of their columns, by V.

        Parameters
        ----------
        V : ndarray of shape (2 · frequencies, d, c)
            Real parts above imaginary ones, in any precision: the blocks are read in it.
        conjugate, transposed : bool
        columns : slice
            Of the blocks, where V has only those.
        add_to : ndarray of shape (2 · frequencies, rows, c), optional
            What the products are added to, in place.

        Returns
        -------
        ndarray of shape (2 · frequencies, rows, c)
        """
        f, c = self._count, V.shape[2]
        middle, plus, minus = self._middle[:, columns], self._plus[:, columns], self._minus
        minus = None if minus is None else minus[:, columns]
        if conjugate and minus is not None:
            plus, minus = minus, plus
        rows = len(middle) // f
        keep = 0.0 if add_to is None else 1.0
        out = np.empty((2 * f, middle.shape[1] if transposed else rows, c), V.dtype) if add_to is None else add_to
        HOST.kernels.complex_products(
            middle, plus, minus, transposed, f, V.reshape(-1, c), keep, out.reshape(-1, c), n_threads()
        )
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

    def take_out(self, V: Float, product: Float) -> None:
        """Subtract (m s sᵀ + U Qᵀ + Q Uᵀ - Q K Qᵀ) V, V (p, c), from a product of the same shape; lag by lag."""
        w, d, c = *self.sums.shape, V.shape[1]
        factors = np.concatenate([self.sums[:, None], self.pairs], axis=1)  # sᵀ and Uᵀ of each lag
        on_offset, along = np.empty((w, c)), np.zeros((1 + w, c))
        for i in range(w):
            rows = V[i * d : (i + 1) * d].astype(np.float64, order="C")
            on_offset[i] = multiply(self.offset[None], rows)[0]
            multiply(factors[i], rows, add_to=along)
        ahead = np.concatenate([self.inverse_n * along[:1], on_offset])
        along = along[1:] - self.counts @ on_offset
        for i in range(w):
            rows = multiply(factors[i], ahead, transpose_a=True)
            multiply(self.offset[:, None], along[i : i + 1], add_to=rows)
            product[i * d : (i + 1) * d] -= rows


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
        self._blocks = Blocks(*spectrum(first_column, np.ones(w), self._fourier), hermitian=True)
        self._edges: list[tuple[float, Blocks]] = []
        for sign, rows in ((-1.0, leaving), (1.0, entering)):
            if len(rows):
                both = self._fourier.forward(rows.reshape(-1, w, d).transpose(1, 0, 2))
                self._edges.append((sign, Blocks(*np.split(both, 2))))

    @property
    def n_columns(self) -> int:
        """Order p of X'X."""
        return self._w * self._d

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """Floating-point type of the moments."""
        return self._blocks.dtype

    def product(self, V: Float) -> Float:
        """Multiply X'X by V (p, c), in V's dtype."""
        w, d, c = self._w, self._d, V.shape[1]
        scale = np.tile(self._terms.scale, w)[:, None].astype(V.dtype)
        given = bool((scale == 1.0).all())
        scaled = np.ascontiguousarray(V) if given else V * scale
        both = self._fourier.forward(scaled.reshape(w, d, c))
        out = self._blocks.multiply(both)
        for sign, rows in self._edges:
            # z_m = Σ_j L_j V_{j+m}, a correlation: conj(L) in frequency.
            z = self._fourier.backward(rows.multiply(both, conjugate=True))
            z[0] = 0.0
            z *= z.dtype.type(sign)
            rows.multiply(self._fourier.forward(z), transposed=True, add_to=out)
        product = self._fourier.backward(out).reshape(w * d, c)
        self._terms.take_out(scaled, product)
        if not given:
            product *= scale
        return product
