"""Scores under permutations, and the p values that follow."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from heschl.linear.crossval.scores import Score
from heschl.linear.device.arrays import Double
from heschl.linear.nulls.tail import fitted_p_values, monte_carlo_limits

# Scores this much of the null's standard deviation apart are one score, computed in another order.
TIE = 1e-6


@dataclass(frozen=True)
class NullDistribution:
    """Observed scores beside those of permuted responses, and p values; m permutations, c targets.

    Attributes
    ----------
    statistic : str
        The score: a name in `heschl.linear.crossval.scores.SCORES`.
    observed : ndarray of shape (c,)
        Score of the true alignment; NaN where it is not defined (a constant response).
    null : ndarray of shape (m, c)
        Score of each permutation, the same one for all targets of a row.
    p_values : ndarray of shape (c,)
        (1 + #{null >= observed}) / (1 + m), each target by itself (<= where less is better).
    p_values_max : ndarray of shape (c,)
        The same against the greatest null score over targets: controls the family-wise error.
    q_values : ndarray of shape (c,)
        Benjamini and Hochberg's adjusted `p_fitted`: controls the false discovery rate.
    p_limits, p_limits_max : ndarray of shape (c, 2)
        Clopper and Pearson's 95 % limits of what `p_values` and `p_values_max` would be with infinitely many
        permutations.
    p_fitted, p_fitted_max : ndarray of shape (c,)
        `p_values` and `p_values_max`, those that fewer than 10 permutations reach from a generalised Pareto
        distribution fitted to the tail of the null: what a few hundred permutations say of many targets. Counted where
        there are fewer than 160.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import null_scores
    >>> rng = np.random.default_rng(0)
    >>> signal = rng.standard_normal((400, 1))
    >>> y = signal * [1, 0] + rng.standard_normal((400, 2))
    >>> found = null_scores(y, signal * [0.5, 0.5], segments=[40] * 10, n_permutations=99, random_state=0)
    >>> found.observed.shape, found.null.shape, (found.p_values < 0.05).tolist()
    ((2,), (99, 2), [True, False])
    """

    statistic: str
    observed: Double
    null: Double
    p_values: Double
    p_values_max: Double
    q_values: Double
    p_limits: Double
    p_limits_max: Double
    p_fitted: Double
    p_fitted_max: Double

    @classmethod
    def of(cls, score: Score, observed: Double, null: Double, *, balanced: bool = False) -> NullDistribution:
        """Compare observed scores (c,) with null ones (m, c).

        Parameters
        ----------
        score : Score
            The row of the table that they are of.
        observed, null : ndarray
        balanced : bool
            For the maximum, standardise each target by the mean and standard deviation of its scores over all
            alignments, the true one among them, so that no target of a wide null decides it. All alignments are
            treated alike: p values stay exact.
        """
        from scipy.stats import false_discovery_control

        given = observed, null
        observed, null = score.oriented(observed), score.oriented(null)
        m, defined = len(null), np.isfinite(observed)
        known = np.where(np.isfinite(null), null, np.nan)
        with np.errstate(invalid="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            everything = np.concatenate([observed[None], known])
            mean, spread = np.nanmean(everything, axis=0), np.nanstd(everything, axis=0)
        # A null score that is not defined counts as one that is not smaller.
        p, p_max, q, fitted, fitted_max = np.full((5, len(observed)), np.nan)
        limits, limits_max = np.full((2, len(observed), 2), np.nan)
        true = observed[defined]
        reached = m - (null[:, defined] < true - TIE * spread[defined]).sum(axis=0)
        p[defined], limits[defined] = (1.0 + reached) / (1.0 + m), monte_carlo_limits(reached, m)
        if defined.any():
            fitted[defined] = fitted_p_values(true, null[:, defined], p[defined])
            q[defined] = false_discovery_control(np.minimum(fitted[defined], 1.0))
            judged, among = true, null[:, defined]
            if balanced:
                unit = np.where(spread[defined] > 0, spread[defined], 1.0)
                judged, among = (true - mean[defined]) / unit, (among - mean[defined]) / unit
            greatest = among.max(axis=1)
            tie = TIE * float(np.nanstd(greatest)) if np.isfinite(greatest).any() else 0.0
            # NaN, if any, sort to the end and count as not smaller.
            reached_max = m - np.searchsorted(np.sort(greatest), judged - tie)
            p_max[defined], limits_max[defined] = (1.0 + reached_max) / (1.0 + m), monte_carlo_limits(reached_max, m)
            many = np.broadcast_to(greatest[:, None], (m, len(judged)))
            fitted_max[defined] = fitted_p_values(judged, many, p_max[defined])
        return cls(score.name, *given, p, p_max, q, limits, limits_max, fitted, fitted_max)
