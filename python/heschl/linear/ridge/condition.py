"""How near to singular the systems that are solved lie: an estimate from the factor, at a few products with it.

With A = X'X + λI (or X X' + λI) and S = D A D, D scaling its diagonal to 1, relative errors of the sums in A (rounding,
at the least) come out of a solve up to κ(S) = ‖S‖ ‖S⁻¹‖ times as large. A diagonal of 1 leaves κ smallest but for a
factor of the order (van der Sluis 1969), and Cholesky does not mind the scale of columns. The norms are those of S² Z
over S Z for random Z: the largest eigenvalue from below, and close where it counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.linalg import LinAlgWarning, blas, lapack

from heschl import notices
from heschl.checks import InputError
from heschl.linear.device.arrays import Double, Float
from heschl.linear.device.forks import no_fork

# For each training set (parts), at each alpha.
Conditions = dict[tuple[int, ...], dict[float, float]]

# Random vectors that the norms are sought from.
PROBES = 2
# Rounding of float64 times this is about the tolerance of a result that is right to four digits.
LIMIT = 1e10
# Above it a small fit by float32 is repeated in float64; large ones rely on the residual.
FLOAT32_LIMIT = 1e5


def of_factor(factor: Float, diagonal: Double) -> float:
    """Estimate the condition number of A, scaled to a unit diagonal, from its Cholesky factor.

    Parameters
    ----------
    factor : ndarray of shape (p, p)
        U with A = U'U in its upper triangle; the rest is not read.
    diagonal : ndarray of shape (p,)
        Of A.

    Returns
    -------
    float
    """
    p = len(factor)
    lower = factor.T  # U' as LAPACK reads it, in Fortran's order and without a copy
    scale = np.sqrt(diagonal)[:, None]
    start = np.random.default_rng(p).standard_normal((p, PROBES))
    trmm, potrs = blas.get_blas_funcs("trmm", (factor,)), lapack.get_lapack_funcs("potrs", (factor,))

    def typed(rows: Double) -> Float:
        return np.asfortranarray(rows, dtype=factor.dtype)

    def scaled(rows: Double) -> Double:
        right = trmm(1.0, lower, typed(rows / scale), lower=1, trans_a=1)
        return np.asarray(trmm(1.0, lower, right, lower=1) / scale)

    def inverse(rows: Double) -> Double:
        return np.asarray(potrs(lower, typed(rows * scale), lower=1)[0] * scale)

    return _norm(scaled, start) * _norm(inverse, start)


def _norm(product: Callable[[Double], Double], start: Double) -> float:
    once = product(start / np.linalg.norm(start))
    size = float(np.linalg.norm(once))
    return float(np.linalg.norm(product(once / size))) if 0.0 < size < np.inf else size


def note(conditions: dict[float, float], alpha: float, estimate: Callable[[], float]) -> None:
    """Keep the condition number at an alpha, unless it is known to be harmless from a smaller one."""
    if not any(smaller <= alpha and value < LIMIT for smaller, value in list(conditions.items())):
        with no_fork():
            conditions[alpha] = estimate()


def merged(found: Sequence[Conditions]) -> Conditions:
    """Return the largest condition number of each training set at each alpha, over blocks of targets."""
    out: Conditions = {}
    for conditions in found:
        for parts, of_set in conditions.items():
            into = out.setdefault(parts, {})
            for alpha, value in of_set.items():
                into[alpha] = max(into.get(alpha, 0.0), value)
    return out


def of_sets(conditions: Conditions, sets: Sequence[Sequence[int]]) -> Double:
    """Return the condition number of each training set at the smallest alpha it was solved for; NaN where none was."""
    found = [conditions.get(tuple(parts), {}) for parts in sets]
    return np.array([of_set[min(of_set)] if of_set else np.nan for of_set in found])


def worst(conditions: Conditions) -> float:
    """Return the largest condition number of all; 0 where none is known."""
    return max((value for of_set in conditions.values() for value in of_set.values()), default=0.0)


def warn(conditions: Conditions) -> None:
    """Warn of penalties at which a training set is too near to singular for float64."""
    found = [(alpha, value) for of_set in conditions.values() for alpha, value in of_set.items() if value >= LIMIT]
    if found:
        largest, value = max(alpha for alpha, _ in found), worst(conditions)
        digits = max(0, round(15 - np.log10(value))) if np.isfinite(value) else 0
        notices.warn(
            f"X'X + alpha I is nearly singular at penalties up to {largest:.2g} (condition number about {value:.0e}): "
            f"of weights and scores there float64 leaves {digits} digits or so. "
            "Use larger penalties, or features of one scale (standardize=True).",
            LinAlgWarning,
        )  # fmt: skip


def too_small(alpha: float, what: str = "X'X + alpha I is singular") -> InputError:
    """Return what to raise where float64 cannot solve."""
    return InputError(
        "alpha", f"{alpha:g}, at which {what} to working precision", "penalties that float64 tells from 0 beside X'X",
        "Use larger penalties, or features of one scale (standardize=True).",
    )  # fmt: skip
