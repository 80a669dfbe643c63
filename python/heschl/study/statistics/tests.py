"""Statistics over stimuli and over electrodes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def prediction_p_values(sse: Floats, mean_sse: Floats) -> Floats:
    """Test for each electrode whether the model predicts better than the mean does.

    Both models' squared errors are summed over each stimulus, out of fold, and their differences, one per
    stimulus, are put to a one-sided t test: H₀, the encoding model errs as much as the training mean or more.

    *What it is worth.* It asks whether the model as fitted errs less than the mean, not whether the electrode
    follows the features. Where they say nothing, fitted weights only add error: in worlds of noise 0.2 to 0.9 % of
    electrodes lie below 0.05, and of effects of R² .01, .02 and .04 in 60 sentences 3, 10 and 32 % are found, where
    `heschl.linear.exchange_test` finds 21, 46 and 83 in worlds like them (bench/second_simulator.py). A time
    course that all stimuli share, and that the features follow, is found as well (10 % of variance: in 9 of 10
    electrodes), which the exchange test does not.

    Parameters
    ----------
    sse : array of shape (n_stimuli, c)
        Squared errors of the encoding model.
    mean_sse : array of shape (n_stimuli, c)
        Squared errors of the training mean.

    Returns
    -------
    array of shape (c,)
        One-sided p values; NaN where a stimulus has no error (the electrode was constant in some fold).

    Examples
    --------
    >>> mean_sse = np.random.default_rng(0).chisquare(50, size=(40, 2))
    >>> p = prediction_p_values(mean_sse * [0.8, 1.1], mean_sse)
    >>> bool(p[0] < 0.01), bool(p[1] > 0.5)
    (True, True)
    """
    from scipy.stats import ttest_1samp

    gain = mean_sse - sse
    p = np.full(gain.shape[1], np.nan)
    testable = np.isfinite(gain).all(axis=0) & (np.ptp(gain, axis=0) > 0)
    p[testable] = ttest_1samp(gain[:, testable], 0.0, alternative="greater").pvalue
    return p


def false_discovery_rate(p: Floats) -> Floats:
    """Return Benjamini and Hochberg's q for p values (c,), NaN left out and kept as NaN."""
    from scipy.stats import false_discovery_control

    q = np.full(p.shape, np.nan)
    given = np.isfinite(p)
    if given.any():
        q[given] = false_discovery_control(p[given])
    return q


def quartiles(values: Floats) -> tuple[float, float, float]:
    """Return median, lower and upper quartile of what is finite; NaN where nothing is."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return np.nan, np.nan, np.nan
    low, median, high = np.percentile(finite, [25, 50, 75])
    return float(median), float(low), float(high)
