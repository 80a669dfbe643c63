"""P values below what permutations can count: the tail of a null distribution, fitted.

Of m permutations the smallest counted p value is 1 / (m + 1), too large to be corrected for hundreds of electrodes.
Beyond a high threshold any common distribution is close to a generalised Pareto (Knijnenburg, Wessels, Reinders and
Shmulevich 2009, Bioinformatics 25:i161; Winkler, Ridgway, Douaud, Nichols and Smith 2016, NeuroImage 141:502), fitted
here by L-moments (Hosking and Wallis 1987, Technometrics 29:339). Its shape is held at 0 or above: a negative one ends
at a finite value, beyond which p would be 0. So p values err on the side of caution where the tail is lighter than
exponential.
"""

from __future__ import annotations

import numpy as np

from heschl.linear.device.arrays import Double, Integers

# Counted p values that fewer permutations reach are replaced by fitted ones.
FITTED_BELOW = 10
# Fewest permutations to fit a tail to, and largest share and fewest of them beyond the threshold.
LEAST_PERMUTATIONS, TAIL_SHARE, LEAST_EXCEEDANCES = 160, 0.25, 20
# Shapes above have no mean.
LARGEST_SHAPE = 0.9
# Kolmogorov's distance times the root of the exceedances, above which a fit is refused: the 95 % point, simulated, of
# 25 to 250 exceedances of an exponential distribution under the fit below.
WORST_DISTANCE = 0.99
LIMIT_LEVEL = 0.95


def monte_carlo_limits(reached: Integers, n_permutations: int) -> Double:
    """Compute Clopper and Pearson's 95 % limits of the p value that infinitely many permutations would give.

    Parameters
    ----------
    reached : ndarray of shape (c,)
        Permutations whose score is not below the observed one.
    n_permutations : int

    Returns
    -------
    ndarray of shape (c, 2)
        Lower and upper limit.

    Examples
    --------
    >>> monte_carlo_limits(np.array([0, 10]), 199).round(4).tolist()
    [[0.0, 0.0184], [0.0244, 0.0905]]
    """
    from scipy.stats import beta

    beside, rest = (1.0 - LIMIT_LEVEL) / 2.0, n_permutations - reached
    low = np.where(reached > 0, beta.ppf(beside, np.maximum(reached, 1), rest + 1), 0.0)
    high = np.where(rest > 0, beta.ppf(1.0 - beside, reached + 1, np.maximum(rest, 1)), 1.0)
    return np.stack([low, high], axis=1)


def fitted_p_values(observed: Double, null: Double, counted: Double) -> Double:
    """Replace p values that fewer than 10 permutations reach by those of a tail fitted to the null.

    The threshold starts at the largest quarter of the permutations and rises until a generalised Pareto distribution
    fits. Where none does, the counted p value stays.

    Parameters
    ----------
    observed, counted : ndarray of shape (c,)
        Statistics, and their counted p values.
    null : ndarray of shape (m, c)
        Statistics under permutation, at least 160 for anything to be fitted.

    Returns
    -------
    ndarray of shape (c,)

    Examples
    --------
    >>> null = np.random.default_rng(0).standard_normal((400, 1))
    >>> p = fitted_p_values(np.array([4.0]), null, np.array([1 / 401]))
    >>> bool(1e-5 < p[0] < 1e-3)  # the truth is 3e-5
    True
    """
    m = len(null)
    p = counted.copy()
    rare = counted < (FITTED_BELOW + 1.0) / (m + 1.0)
    columns = np.flatnonzero(rare & np.isfinite(null).all(axis=0) & (np.ptp(null, axis=0) > 0))
    if m < LEAST_PERMUTATIONS or not columns.size:
        return p
    descending, at = -np.sort(-null[:, columns], axis=0), observed[columns]
    found = np.full(len(columns), np.nan)
    for k in np.unique(np.linspace(TAIL_SHARE * m, LEAST_EXCEEDANCES, 8).astype(np.int64))[::-1]:
        threshold = 0.5 * (descending[k - 1] + descending[k])
        beyond = descending[:k] - threshold
        # L-moments: λ₁ = σ / (1 - ξ), λ₂ = σ / ((1 - ξ)(2 - ξ)); weights of λ₂ for numbers that descend.
        mean, second = beyond.mean(axis=0), np.linspace(1.0, -1.0, k) @ beyond / k
        ratio = np.divide(mean, second, out=np.full_like(mean, 2.0), where=second > 0)
        shape = np.clip(2.0 - ratio, 0.0, LARGEST_SHAPE)
        scale = mean * (1.0 - shape)
        # `beyond` descends: the largest has k - 1 below it.
        above = _survival(beyond, shape, scale)
        steps = np.arange(k)[:, None] / k
        distance = np.maximum(np.abs(above - steps), np.abs(above - steps - 1.0 / k)).max(axis=0)
        fits = np.isnan(found) & (distance * np.sqrt(k) <= WORST_DISTANCE) & (at > threshold)
        share = (k + 1.0) / (m + 1.0)
        found[fits] = share * _survival(at - threshold, shape, scale)[fits]
    p[columns] = np.where(np.isnan(found), counted[columns], found)
    return p


def _survival(beyond: Double, shape: Double, scale: Double) -> Double:
    """Share of a generalised Pareto distribution, of shape 0 or above, that lies further beyond the threshold."""
    x = np.maximum(beyond, 0.0) / np.where(scale > 0, scale, np.nan)
    heavy = np.where(shape > 1e-9, shape, 1.0)
    return np.asarray(np.where(shape > 1e-9, (1.0 + heavy * x) ** (-1.0 / heavy), np.exp(-x)))
