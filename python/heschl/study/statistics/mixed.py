"""A linear mixed model of a difference over electrodes that lie within subjects."""

from __future__ import annotations

import warnings
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
    """Fit difference ~ 1 + (1 | subject) by restricted maximum likelihood (statsmodels' MixedLM).

    The interval and p are Student's with one degree of freedom less than there are subjects, not normal as Wald's:
    subjects are few, and the mean over them is known no better than so. Where no variance between subjects is found, or
    the likelihood has no maximum that could be found, the mean over subjects' means takes its place (`subject_mean`):
    with as many electrodes in each subject the two are one test, which so holds at its level whatever subjects share.

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
    from statsmodels.regression.mixed_linear_model import MixedLM

    names, group = np.unique(subjects, return_inverse=True)
    if len(names) < FEWEST_SUBJECTS:
        return _none(f"not fitted: {len(names)} subjects, fewer than {FEWEST_SUBJECTS}")
    if len(difference) == len(names):
        return _of_means(difference, subjects, "one electrode for each subject: the mean over subjects")
    if not np.ptp(difference) > 0:
        return _none("not fitted: differences do not vary")
    scale = float(np.std(difference))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they say is in the note
        try:
            fitted = MixedLM(difference / scale, np.ones((len(difference), 1)), groups=group).fit(reml=True)
        except np.linalg.LinAlgError:
            return _of_means(difference, subjects, "the model could not be fitted: the mean over subjects' means")
        between, error_of_mean = float(fitted.cov_re[0, 0]), float(fitted.bse_fe[0])
    if not (fitted.converged and np.isfinite(error_of_mean) and error_of_mean > 0):
        return _of_means(difference, subjects, "the model did not converge: the mean over subjects' means")
    if between < NO_VARIANCE * float(fitted.scale):
        return _of_means(difference, subjects, "no variance between subjects was found: the mean over their means")
    estimate, spread = float(fitted.fe_params[0]), error_of_mean * float(student.ppf(0.975, len(names) - 1))
    p = 2.0 * float(student.sf(abs(estimate) / error_of_mean, len(names) - 1))
    return MixedModel(estimate * scale, (estimate - spread) * scale, (estimate + spread) * scale, p, "")


def _of_means(difference: Floats, subjects: NDArray[Any], note: str) -> MixedModel:
    """The mean over subjects' means instead."""
    found = subject_mean(difference, subjects)
    return MixedModel(found.estimate, found.low, found.high, found.p, note)


def _none(why: str) -> MixedModel:
    return MixedModel(np.nan, np.nan, np.nan, np.nan, why)
