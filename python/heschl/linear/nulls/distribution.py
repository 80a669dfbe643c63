"""Scores under permutations, and the p values that follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heschl.linear.crossval.scores import FoldScores, nanmean
from heschl.linear.device.arrays import Double

STATISTICS = ("r2", "pooled_r2", "r")


@dataclass(frozen=True)
class NullDistribution:
    """Observed scores beside those of permuted responses; m permutations, c targets.

    Attributes
    ----------
    statistic : str
        "r2", "pooled_r2" or "r".
    observed : ndarray of shape (c,)
        Score of the true alignment; NaN where it is not defined (a constant response).
    null : ndarray of shape (m, c)
        Score of each permutation, the same one for all targets of a row.
    p_values : ndarray of shape (c,)
        (1 + #{null >= observed}) / (1 + m), each target by itself.
    p_values_max : ndarray of shape (c,)
        The same against the greatest null score over targets: controls the family-wise error.
    q_values : ndarray of shape (c,)
        Benjamini and Hochberg's adjusted `p_values`: controls the false discovery rate.
    """

    statistic: str
    observed: Double
    null: Double
    p_values: Double
    p_values_max: Double
    q_values: Double

    @classmethod
    def of(cls, statistic: str, observed: Double, null: Double) -> NullDistribution:
        """P values of observed scores (c,) against null ones (m, c)."""
        from scipy.stats import false_discovery_control

        defined = np.isfinite(observed)
        # A null score that is not defined counts as one that is not smaller.
        p, p_max, q = np.full((3, len(observed)), np.nan)
        below = (null < observed).sum(axis=0)
        p[defined] = (1.0 + len(null) - below[defined]) / (1.0 + len(null))
        if defined.any():
            greatest = np.sort(null[:, defined].max(axis=1))  # NaN, if any, sort to the end and count as not smaller
            p_max[defined] = (1.0 + len(null) - np.searchsorted(greatest, observed[defined])) / (1.0 + len(null))
            q[defined] = false_discovery_control(p[defined])
        return cls(statistic, observed, null, p, p_max, q)


def summary(scores: FoldScores, statistic: str) -> Double:
    """One score of each target from sums of shape (..., K, c): mean over folds, or pooled."""
    if statistic == "pooled_r2":
        return scores.pooled_r2
    return nanmean(scores.r2 if statistic == "r2" else scores.r, axis=-2)
