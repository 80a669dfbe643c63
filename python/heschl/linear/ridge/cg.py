"""Ridge paths by preconditioned block conjugate gradients: for designs too wide to factor, and few targets beside it.

X'X is an operator (`heschl.linear.ridge.operators`). The preconditioner is T. Chan's block circulant, the one nearest
to the block Toeplitz part of X'X: block diagonal after a Fourier transform over lags, so that its Cholesky factors cost
w/2 + 1 blocks of order d for each penalty. (One eigendecomposition per block would serve every penalty, but costs as
much as twenty of these factorisations, and its products cost what two triangular solves do.)

All targets of a block share one Krylov space: each iteration multiplies X'X with all of their directions at once and
every target takes the best from the span, which needs half the iterations, and fewer, of targets alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import blas, lapack

from heschl.checks import InputError, check_alphas
from heschl.linear.device.arrays import Double, Float
from heschl.linear.ridge.normal import PrecisionError
from heschl.linear.ridge.operators import LagFourier, LagTerms, Operator, spectrum

# Relative residual and relative error in the energy norm. On simulated features of p = 2,560 strongly correlated
# columns (states smooth in time, and words held for their duration; 50 targets, alpha from 5e-5 to 70 times the mean
# eigenvalue) the R² of held-out segments then differs by at most 4e-5 from float64 Cholesky's for any target and alpha;
# at 1e-3 by 1e-4, at 1e-4 by 1e-5, and the iterations of the largest count are 8, 9 and 10.
TOLERANCE = 3e-4
MAX_ITERATIONS = 300
# Targets that share a Krylov space. More save iterations, but the algebra among them grows with their square.
TARGETS = 64
# Iterations stop a little below the tolerance, so that rounding of the recursion does not fail the final check.
MARGIN = 0.9


class ConvergenceError(RuntimeError):
    """Conjugate gradients did not reach their tolerance in float64."""


@dataclass(frozen=True)
class PathSolution:
    """Ridge weights at one penalty of a path, in the scaled coordinates of the normal equations.

    Attributes
    ----------
    index : int
        Place of the penalty in `alphas` as given.
    alpha : float
    weights : ndarray of shape (p, c)
    iterations : int
        Products with X'X + alpha I, of the slowest block of targets, final checks not counted.
    residual : float
        Largest ‖R - (X'X + alpha I) W‖ / ‖R‖ over targets, summed in float64.
    """

    index: int
    alpha: float
    weights: Float
    iterations: int
    residual: float


class CirculantPreconditioner:
    """T. Chan's block circulant of X'X, c_k = ((w - k) T_k + k T_{w-k}ᵀ) / w, centred and scaled like it.

    Parameters
    ----------
    first_column : ndarray of shape (p, d)
        Blocks T_k = B(k, 0) of X'X. Edge rows are left out: with them iterations are nearly the same.
    terms : LagTerms
        Centring and scaling; its terms of low rank are projected exactly.

    References
    ----------
    T. F. Chan, An optimal circulant preconditioner for Toeplitz systems, SIAM J. Sci. Stat. Comput. 9 (1988).
    """

    def __init__(self, first_column: Float, terms: LagTerms) -> None:
        w = len(terms.sums)
        self._fourier = LagFourier(w, w)
        real, imaginary = spectrum(first_column, 1.0 - np.arange(w) / w, self._fourier)
        self._blocks = real + 1j * imaginary
        q, scale = terms.offset, np.outer(terms.scale, terms.scale)
        for block, cos, sin in zip(self._blocks, self._fourier.cos, self._fourier.sin, strict=True):
            # The projection of a matrix M onto circulants is F M Fᴴ / w at each frequency.
            row = cos - 1j * sin
            s = row @ terms.sums
            r = np.einsum("i,ijf,j->f", row, terms.pairs, row.conj(), optimize=True)
            k = (row @ terms.counts @ row.conj()).real
            low_rank = terms.inverse_n * np.outer(s, s.conj()) + np.outer(r - 0.5 * k * q, q)
            low_rank += np.outer(q, r.conj() - 0.5 * k * q)
            block -= low_rank / w
            block *= scale

    def factor(self, alpha: float) -> FactoredPreconditioner:
        """Cholesky factors of the circulant + alpha I, ready to solve with.

        Edge rows and rounding may leave the circulant indefinite by a little: a frequency that cannot be factored with
        alpha is factored with the least that can, from rounding up by powers of ten: more iterations, no less exact.
        """
        potrf = lapack.get_lapack_funcs("potrf", dtype=self._blocks.dtype)
        factors = np.empty_like(self._blocks)
        for block, factor in zip(self._blocks, factors, strict=True):
            rounding = np.finfo(block.dtype).eps * float(np.linalg.norm(block))
            for penalty in (alpha, *(alpha + rounding * 10.0**power for power in range(18))):
                np.copyto(factor, block)
                factor.ravel()[:: len(factor) + 1] += penalty
                # Read by columns, the block is its own conjugate: factor is M with M Mᴴ = conj(block + penalty I).
                _, failed = potrf(factor.T, lower=1, overwrite_a=1, clean=0)
                if not failed:
                    break
            else:
                raise FloatingPointError("the moments hold values that are not finite")
        return FactoredPreconditioner(factors, self._fourier)


@dataclass(frozen=True)
class FactoredPreconditioner:
    """Solves with (block circulant + alpha I)."""

    factors: Float  # (frequencies, d, d), complex; the upper triangle of each, read by columns the lower one
    fourier: LagFourier

    def solve(self, V: Float) -> Float:
        """(C + alpha I)⁻¹ V for V (p, c) of the factors' precision."""
        d, c = self.factors.shape[1], V.shape[1]
        trsm = blas.get_blas_funcs("trsm", dtype=self.factors.dtype)
        real, imaginary = self.fourier.forward(V.reshape(-1, d, c))
        both = np.empty((2 * len(real), d, c), V.dtype)
        for k, factor in enumerate(self.factors):
            rows = (real[k] + 1j * imaginary[k]).T  # (c, d): Zᵀ M Mᴴ = Rᵀ
            rows = trsm(1.0, factor.T, rows, side=1, lower=1, trans_a=2, overwrite_b=1)
            rows = trsm(1.0, factor.T, rows, side=1, lower=1, trans_a=0, overwrite_b=1)
            both[k], both[len(real) + k] = rows.real.T, rows.imag.T
        return self.fourier.backward(both).reshape(V.shape)


def cg_operations(
    n_lags: int, n_features: int, n_targets: int, n_edges: int, iterations: int, n_alphas: int = 1
) -> float:
    """Floating-point operations of `solve_path` on a `LaggedOperator`, for a cost model.

    Parameters
    ----------
    n_lags, n_features, n_targets : int
        w, d and c; the design has p = w · d columns.
    n_edges : int
        Edge rows, leaving and entering.
    iterations : int
        All of the path's; with 64 targets about 3 for alpha above the mean eigenvalue of X'X, 10 to 30 for 1e-3 of it.
    n_alphas : int

    Returns
    -------
    float
        One multiplication or addition each; those of the check, in float64, count twice.

    Examples
    --------
    >>> from heschl.linear.ridge.cg import cg_operations
    >>> cholesky = 10 * 32_000**3 / 3  # ten penalties, factors alone
    >>> round(cholesky / cg_operations(20, 1_600, 51, 480, iterations=150, n_alphas=10))
    16
    """
    w, d, c, a, p = n_lags, n_features, n_targets, n_edges, n_lags * n_features
    frequencies = w // 2 + 1
    product = 6 * w * d * d * c + 12 * w * a * d * c + 8 * w * w * (d + a) * c + 4 * p * w * c
    solve = 8 * frequencies * d * d * c + 8 * frequencies * w * d * c
    among_targets = 14 * p * c * min(c, TARGETS)
    factor = frequencies * 4 * d**3 / 3
    setup = (4 * w + 4 * frequencies) * w * d * d + 4 * w * w * a * d
    return float(setup + n_alphas * (factor + 2 * product + solve) + iterations * (product + solve + among_targets))


def _column_dots(A: Float, B: Float) -> Double:
    return np.asarray(np.einsum("pc,pc->c", A, B, dtype=np.float64))


def _relative(part: Double, whole: Double) -> Double:
    """sqrt(part / whole); 0 where there is no part, infinite where there is no whole."""
    ratio = np.full(len(part), np.inf)
    np.divide(part, whole, out=ratio, where=whole > 0.0)
    return np.sqrt(np.where(part > 0.0, ratio, 0.0))


def _error(residual: Float, Z: Float, W: Float, R: Float) -> Double:
    """What must be below the tolerance: relative residual, and relative error in the energy norm as estimated by it.

    ‖r‖ alone says little of directions whose eigenvalue is far above alpha or far below the largest. With e the error
    of W, eᵀ(X'X + alpha I)e = rᵀ(X'X + alpha I)⁻¹r is what the objective exceeds its minimum by; Z, the preconditioned
    residual, stands in for (X'X + alpha I)⁻¹r, and Wᵀ R for the energy of W.
    """
    size = _relative(_column_dots(residual, residual), _column_dots(R, R))
    energy = _relative(_column_dots(residual, Z), np.abs(_column_dots(W, R)))
    return np.asarray(np.maximum(size, energy))


def _orthonormalise(P: Float, AP: Float) -> tuple[Float, Float]:
    """P and AP times one matrix that makes Pᵀ A P = I; directions lost in rounding are left out."""
    gram = P.T.astype(np.float64) @ AP.astype(np.float64)
    norms = np.sqrt(np.maximum(gram.diagonal(), 0.0))
    inverse = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0.0)
    values, vectors = np.linalg.eigh(0.5 * (gram + gram.T) * np.outer(inverse, inverse))
    keep = values > len(values) * 10.0 * np.finfo(P.dtype).eps * max(values[-1], 0.0)
    turn = (inverse[:, None] * vectors[:, keep] / np.sqrt(values[keep])).astype(P.dtype)
    return P @ turn, AP @ turn


def _iterate(
    operator: Operator,
    preconditioner: FactoredPreconditioner,
    alpha: float,
    residual: Float,
    R: Float,
    W: Float,
    tolerance: float,
    max_iterations: int,
) -> int:
    """Block conjugate gradients for (X'X + alpha I) W = R from W with its residual; W is improved in place.

    Returns the number of iterations. A target is left alone as soon as it has converged.
    """
    active = np.arange(W.shape[1])
    P = AP = residual[:, :0]
    for iteration in range(max_iterations):
        Z = preconditioner.solve(residual)
        going = _error(residual, Z, W[:, active], R[:, active]) > tolerance
        if not going.all():
            active, residual, Z = active[going], residual[:, going], Z[:, going]
        if not active.size:
            return iteration
        P = Z - P @ (AP.T @ Z)
        AP = operator.product(P) + P.dtype.type(alpha) * P
        P, AP = _orthonormalise(P, AP)
        if not P.shape[1]:  # every direction is rounding
            return iteration + 1
        steps = P.T @ residual
        W[:, active] += P @ steps
        residual = residual - AP @ steps
    return max_iterations


def solve_path(
    operator: Operator,
    preconditioner: CirculantPreconditioner,
    cross: Float,
    alphas: Double,
    *,
    tolerance: float = TOLERANCE,
    max_iterations: int = MAX_ITERATIONS,
) -> Iterator[PathSolution]:
    """Ridge weights for each penalty, from the largest to the smallest, each from the one before.

    W minimises ‖Y - X W - 1 bᵀ‖² + alpha ‖W‖², that is, solves (X'X + alpha I) W = R.

    Parameters
    ----------
    operator : Operator
        X'X, as `LaggedOperator` or `AssembledOperator`.
    preconditioner : CirculantPreconditioner
        Of the same moments.
    cross : ndarray of shape (p, c), dtype of the operator
        R = X'Y.
    alphas : array of shape (n_alphas,)
        Penalties, in any order.
    tolerance : float
        For every target, ‖R - (X'X + alpha I) W‖ <= tolerance · ‖R‖, computed in float64 sums with one more product;
        and the error in the norm of X'X + alpha I, as the preconditioner estimates it, is as small beside W's own.
    max_iterations : int
        Iterations allowed for one penalty and block of targets.

    Yields
    ------
    PathSolution
        One penalty at a time; its weights are the caller's to keep.

    Raises
    ------
    InputError
        For shapes, dtypes or a tolerance that make no sense.
    PrecisionError
        Where float32 does not reach the tolerance.
    ConvergenceError
        Where float64 does not.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear.ridge.cg import CirculantPreconditioner, solve_path
    >>> from heschl.linear.ridge.operators import LaggedOperator, LagTerms
    >>> terms = LagTerms.from_sums(np.zeros((4, 1)), np.zeros(4), np.zeros(1), np.ones(1), 0.0)
    >>> first_column, none = np.array([[5.0], [2.0]]), np.zeros((0, 2))
    >>> operator = LaggedOperator(first_column, none, none, terms)
    >>> circulant = CirculantPreconditioner(first_column, terms)
    >>> for solution in solve_path(operator, circulant, np.array([[1.0], [0.0]]), [1.0, 10.0]):
    ...     print(solution.alpha, solution.weights.ravel().round(4))
    10.0 [ 0.0679 -0.009 ]
    1.0 [ 0.1875 -0.0625]
    """
    penalties = check_alphas(alphas)
    p = operator.n_columns
    if cross.ndim != 2 or len(cross) != p or cross.dtype != operator.dtype:
        raise InputError("cross", f"shape {cross.shape} of {cross.dtype}", f"({p}, c) of {operator.dtype}")
    if not 0.0 < tolerance < 1.0:
        raise InputError("tolerance", f"{tolerance}", "a number between 0 and 1")
    return _path(operator, preconditioner, cross, penalties, tolerance, max_iterations)


def _path(
    operator: Operator,
    preconditioner: CirculantPreconditioner,
    cross: Float,
    alphas: Double,
    tolerance: float,
    max_iterations: int,
) -> Iterator[PathSolution]:
    exact = cross.astype(np.float64)
    W, residual, before = np.zeros_like(cross), exact.copy(), 0.0
    for index in np.argsort(-alphas, kind="stable"):
        alpha = float(alphas[index])
        # The residual of the weights before, at this penalty, costs no product.
        residual += (before - alpha) * W
        before, factored, iterations = alpha, preconditioner.factor(alpha), 0
        for first in range(0, cross.shape[1], TARGETS):
            block = slice(first, first + TARGETS)
            taken = _refine(
                operator, factored, alpha, exact[:, block], W[:, block], residual[:, block], tolerance, max_iterations
            )
            iterations = max(iterations, taken)
        worst = _relative(_column_dots(residual, residual), _column_dots(exact, exact)).max(initial=0.0)
        yield PathSolution(int(index), alpha, W.copy(), iterations, float(worst))


def _refine(
    operator: Operator,
    preconditioner: FactoredPreconditioner,
    alpha: float,
    R: Double,
    W: Float,
    residual: Double,
    tolerance: float,
    max_iterations: int,
) -> int:
    """Iterate until the true residual, in float64, meets the tolerance; W and residual are changed in place."""
    iterations, last = 0, np.inf
    for attempt in itertools.count():
        working = residual.astype(W.dtype)
        error = _error(working, preconditioner.solve(working), W, R)
        worst = error.max(initial=0.0)
        if worst <= tolerance:
            break
        # Where another start gains nothing, rounding has the last word.
        if iterations >= max_iterations or (attempt and not worst < 0.5 * last):
            kind = PrecisionError if W.dtype == np.float32 else ConvergenceError
            raise kind(
                f"relative error {worst:.1e} > {tolerance:g} after {iterations} iterations at alpha = {alpha:g}: "
                "ask for less, or for larger penalties"
            )
        last = worst
        todo = np.flatnonzero(error > tolerance)
        better = W[:, todo]
        iterations += _iterate(
            operator, preconditioner, alpha, working[:, todo], R[:, todo], better, MARGIN * tolerance,
            max_iterations - iterations,
        )  # fmt: skip
        W[:, todo] = better
        residual[:, todo] = R[:, todo] - operator.product(better.astype(np.float64)) - alpha * better
    return iterations
