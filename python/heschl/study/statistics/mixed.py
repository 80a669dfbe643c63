"""A linear mixed model of a difference over electrodes that lie within subjects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear import subject_mean

Floats = NDArray[np.float64]
# Fewer subjects say nothing of how subjects differ.
FEWEST_SUBJECTS = 2
# A variance between subjects below this share of that within them is none.
NO_VARIANCE = 1e-3


@dataclass(frozen=True)
class MixedModel:
    """Difference over subjects, each with an offset of its own.

    Attributes
    ----------
    estimate, low, high : float
        Mean difference over subjects, with its 95 % interval; NaN where no model could be fitted.
    p : float
        Two-sided, of a mean of 0.
    note : str
        Why there is none, or what is to be known of it; empty where nothing is.
    """

    estimate: float
    low: float
    high: float
    p: float
    note: str


def mixed_model(difference: Floats, subjects: NDArray[Any]) -> MixedModel:
    """Fit difference ~ 1 + (1 | subject) by restricted maximum likelihood.

    The interval and p are Student's with one degree of freedom less than there are subjects, not normal as Wald's:
    subjects are few, and the mean over them is known no better than so. Where no variance between subjects is found,
    the mean over subjects' means takes its place (`heschl.linear.subject_mean`): with as many electrodes in each
    subject the two are one test, which so holds its level whatever electrodes of a subject share.

    Parameters
    ----------
    difference : (n,) array
        Of two scores of each electrode.
    subjects : (n,) array
        Whose electrode it is.

    Returns
    -------
    MixedModel

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> subjects = np.repeat(np.arange(8), 10)
    >>> found = mixed_model(1.0 + rng.standard_normal(8)[subjects] + rng.standard_normal(80), subjects)
    >>> bool(found.low < 1.0 < found.high), found.note
    (True, '')
    """
    from scipy.stats import t as student

    names, group = np.unique(subjects, return_inverse=True)
    if len(names) < FEWEST_SUBJECTS:
        return _none(f"not fitted: {len(names)} subjects, fewer than {FEWEST_SUBJECTS}")
    if len(difference) == len(names):
        return _of_means(difference, subjects, "one electrode for each subject: the mean over subjects")
    if not np.ptp(difference) > 0:
        return _none("not fitted: differences do not vary")
    count = np.bincount(group.reshape(-1))
    means = np.bincount(group.reshape(-1), weights=difference) / count
    within = float(((difference - means[group.reshape(-1)]) ** 2).sum())
    ratio = _ratio(means, count, within)
    if ratio < NO_VARIANCE:
        return _of_means(difference, subjects, "no variance between subjects was found: the mean over their means")
    estimate, variance, precision = _profile(ratio, means, count, within)
    error = float(np.sqrt(variance / precision))
    spread = error * float(student.ppf(0.975, len(names) - 1))
    p = 2.0 * float(student.sf(abs(estimate) / error, len(names) - 1))
    return MixedModel(estimate, estimate - spread, estimate + spread, p, "")


def _profile(ratio: float, means: Floats, count: NDArray[np.int64], within: float) -> tuple[float, float, float]:
    """Mean, variance within subjects and Σ n / (1 + n ratio), where the variance between them is ratio times as large.

    Of subjects' means, the number of their electrodes and the squares within subjects.
    """
    weight = count / (1.0 + count * ratio)
    mean = float((weight * means).sum() / weight.sum())
    squares = within + float((weight * (means - mean) ** 2).sum())
    return mean, squares / (float(count.sum()) - 1.0), float(weight.sum())


def _ratio(means: Floats, count: NDArray[np.int64], within: float) -> float:
    """Variance between over that within subjects with the highest restricted likelihood; 0 at the boundary."""
    from scipy.optimize import minimize_scalar

    def deviance(ratio: float) -> float:
        _, variance, precision = _profile(ratio, means, count, within)
        free = float(count.sum()) - 1.0
        return float(free * np.log(variance) + np.log1p(count * ratio).sum() + np.log(precision))

    found = minimize_scalar(lambda log: deviance(float(np.exp(log))), bounds=(-12.0, 12.0), method="bounded")
    return 0.0 if deviance(0.0) <= found.fun else float(np.exp(found.x))


def _of_means(difference: Floats, subjects: NDArray[Any], note: str) -> MixedModel:
    """The mean over subjects' means instead."""
    found = subject_mean(difference, subjects)
    return MixedModel(found.estimate, found.low, found.high, found.p, note)


def _none(why: str) -> MixedModel:
    return MixedModel(np.nan, np.nan, np.nan, np.nan, why)
