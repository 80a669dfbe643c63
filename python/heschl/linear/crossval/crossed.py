"""How well a mean over electrodes is known: stimuli and subjects both drawn at random, and crossed.

Electrodes of one subject resemble each other, and all electrodes heard the same stimuli: neither are independent. With
subjects i and stimuli t, a mean of cell means varies as

    Var = σ²_subjects / S + σ²_stimuli / T + σ²_cells / (S T).

The variance between subjects' means holds the first and the last; what electrodes of different subjects share from
stimulus to stimulus holds the second (Owen 2007, Annals of Applied Statistics 1:386; Cameron, Gelbach and Miller 2011,
Journal of Business and Economic Statistics 29:238). Taken in closed form, they are what a bootstrap over stimuli and
subjects estimates, but for two faults of it: it counts the cells' noise three times, and with three subjects its
quantiles know nothing of how little three subjects say. Subjects count alike, whatever their number of electrodes,
for then Student's t holds at 5 % and below whether or not they are equally well known (Ibragimov and Müller 2010,
Journal of Business and Economic Statistics 28:453).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from heschl.checks import InputError
from heschl.linear.device.arrays import Double

LEVEL = 0.95
LEAST_TAIL, LEAST_WEIGHT = 1e-12, 1e-9
FEW = "two subjects: little is known of others"


@dataclass(frozen=True)
class CrossedMean:
    """A mean over subjects of the mean over their electrodes, with its 95 % interval.

    Attributes
    ----------
    estimate, low, high : float
        NaN where nothing is known.
    standard_error : float
    p : float
        Two-sided, of a mean of 0.
    n_subjects, n_stimuli, n_electrodes : int
        With data.
    note : str
        What it says nothing of; empty where it holds for new stimuli and new subjects.

    Examples
    --------
    >>> from heschl.linear import subject_mean
    >>> found = subject_mean([0.1, 0.3, 0.2], ["S1", "S2", "S3"])
    >>> round(found.estimate, 4), bool(found.low < 0.2 < found.high), found.n_subjects, found.note
    (0.2, True, 3, '')
    """

    estimate: float
    low: float
    high: float
    standard_error: float
    p: float
    n_subjects: int
    n_stimuli: int
    n_electrodes: int
    note: str


def crossed_mean(gain: ArrayLike, total: ArrayLike, subjects: ArrayLike) -> CrossedMean:
    """Average Σ gain / Σ total (sums over stimuli) over electrodes, with an interval for new stimuli and new subjects.

    With squared errors of two models summed over each stimulus and squares of the responses about the mean as `total`,
    it is their difference in R²; any linear combination of squared errors (unique or common variance) goes as well.

    Parameters
    ----------
    gain : array-like of shape (n_stimuli, n_electrodes)
        What each stimulus adds; NaN where an electrode did not hear it.
    total : array-like of shape (n_stimuli, n_electrodes)
        What it is a share of, above 0 in sum.
    subjects : array-like of shape (n_electrodes,)
        Whose electrode it is.

    Returns
    -------
    CrossedMean
        With one subject, for new stimuli heard by this subject; `note` says so.

    Raises
    ------
    InputError
        For shapes that do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import crossed_mean
    >>> rng = np.random.default_rng(0)
    >>> subjects = np.repeat(["S1", "S2", "S3", "S4"], 5)
    >>> gain = 0.1 + rng.standard_normal((40, 20)) + 0.01 * rng.standard_normal((40, 1))
    >>> found = crossed_mean(gain, np.full((40, 20), 10.0), subjects)
    >>> bool(found.low < 0.01 < found.high), found.note
    (True, '')
    """
    gains, totals = np.asarray(gain, dtype=np.float64), np.asarray(total, dtype=np.float64)
    names = np.asarray(subjects)
    if gains.ndim != 2 or totals.shape != gains.shape:
        raise InputError("total", f"an array of shape {totals.shape}", f"{gains.shape}, as gain, stimuli by electrodes")
    if names.shape != (gains.shape[1],):
        raise InputError("subjects", f"an array of shape {names.shape}", f"{gains.shape[1]} labels, one per electrode")
    known = np.isfinite(gains) & np.isfinite(totals)
    sums, whole = (np.where(known, values, 0.0).sum(axis=0) for values in (gains, totals))
    use = (known.sum(axis=0) > 1) & (whole > 0)
    if not use.any():
        return _nothing(np.nan, 0, 0, "no electrode has data")
    gains, totals, known, names = gains[:, use], totals[:, use], known[:, use], names[use]
    each = sums[use] / whole[use]
    # What each stimulus moves each electrode's share by, to first order; sums to 0 over stimuli. Divided by the root
    # of 1 less its weight, squares are as large as they should be where lengths differ, too (MacKinnon and White 1985).
    weight = np.where(known, totals, 0.0) / whole[use]
    moves = np.where(known, gains - each * totals, 0.0) / whole[use] / np.sqrt(np.maximum(1 - weight, LEAST_WEIGHT))
    unit = np.unique(names, return_inverse=True)[1].reshape(-1)
    count = np.bincount(unit)
    means = np.bincount(unit, weights=each) / count
    cells = np.stack([moves[:, unit == i].mean(axis=1) for i in range(len(count))], axis=1) / len(count)
    heard = int(known.any(axis=1).sum())
    shared, alone = _over_stimuli(cells)
    # Long stimuli weigh more: the spread is known as if from fewer of one length, where errors grow as lengths do.
    together = np.square(np.stack([weight[:, unit == i].mean(axis=1) for i in range(len(count))]).mean(axis=0))
    degrees = max(1.0, float(together.sum() ** 2 / (together**2).sum()) - 1)
    if len(count) == 1:
        parts = [(shared + alone, degrees)]
        note = "one subject: holds for new stimuli, and says nothing of other subjects"
    else:
        parts = [(_between(means), len(count) - 1.0), (shared, degrees)]
        note = "" if len(count) > 2 else FEW
    return _student(float(means.mean()), parts, len(count), heard, int(use.sum()), note)


def subject_mean(values: ArrayLike, subjects: ArrayLike) -> CrossedMean:
    """Average over subjects the mean over their electrodes, where nothing is known of single stimuli.

    Parameters
    ----------
    values : array-like of shape (n_electrodes,)
        One number of each electrode; NaN are left out.
    subjects : array-like of shape (n_electrodes,)

    Returns
    -------
    CrossedMean
        For new subjects who hear these very stimuli; NaN but for the estimate with fewer than two subjects.

    Examples
    --------
    >>> from heschl.linear import subject_mean
    >>> found = subject_mean([0.1, 0.3, 0.2, 0.2, 0.4, 0.5], ["S1", "S1", "S2", "S2", "S3", "S3"])
    >>> round(found.estimate, 4), round(found.p, 4)
    (0.2833, 0.0767)
    """
    numbers, names = np.asarray(values, dtype=np.float64), np.asarray(subjects)
    if numbers.ndim != 1 or names.shape != numbers.shape:
        raise InputError("subjects", f"an array of shape {names.shape}", f"{numbers.shape}, one label per electrode")
    known = np.isfinite(numbers)
    labels, unit = np.unique(names[known], return_inverse=True)
    if len(labels) == 0:
        return _nothing(np.nan, 0, 0, "no electrode has data")
    means = np.bincount(unit.reshape(-1), weights=numbers[known]) / np.bincount(unit.reshape(-1))
    if len(labels) == 1:
        return _nothing(float(means[0]), 1, int(known.sum()), "one subject: says nothing of other subjects")
    parts = [(_between(means), len(labels) - 1.0)]
    return _student(float(means.mean()), parts, len(labels), 0, int(known.sum()), "" if len(labels) > 2 else FEW)


def _nothing(estimate: float, s: int, n: int, note: str) -> CrossedMean:
    """Return an estimate without an interval."""
    return CrossedMean(estimate, np.nan, np.nan, np.nan, np.nan, s, 0, n, note)


def _student(mean: float, parts: list[tuple[float, float]], s: int, t: int, n: int, note: str) -> CrossedMean:
    """Compute interval and p of a mean whose variance has parts, each with its degrees of freedom.

    The reach of the interval is the root of Σ t² · variance, each part with Student's quantile of its own: right where
    one part is all of it, and between these a little wide. (Satterthwaite's degrees of freedom are too many where
    two or three subjects differ little by chance: 8 to 13 % of p values below 0.05 instead of 5.)
    """
    from scipy.optimize import brentq
    from scipy.stats import t as student

    error = float(np.sqrt(sum(variance for variance, _ in parts)))
    if not error > 0:
        return CrossedMean(mean, np.nan, np.nan, error, np.nan, s, t, n, note or "nothing varies")

    def reach(tail: float) -> float:
        return float(np.sqrt(sum(variance * student.isf(tail, df) ** 2 for variance, df in parts)))

    if abs(mean) >= reach(LEAST_TAIL):
        p = 2 * LEAST_TAIL
    else:
        p = 1.0 if mean == 0 else 2.0 * float(brentq(lambda tail: reach(tail) - abs(mean), LEAST_TAIL, 0.5, xtol=1e-15))
    half = reach((1.0 - LEVEL) / 2)
    return CrossedMean(mean, mean - half, mean + half, error, p, s, t, n, note)


def _between(means: Double) -> float:
    """Return the variance of the mean of subjects' means, from their spread."""
    return float(means.var(ddof=1) / len(means))


def _over_stimuli(cells: Double) -> tuple[float, float]:
    """Return the variance of the mean by what subjects share over stimuli, never below 0, and by what they do not."""
    together, apart = float((cells.sum(axis=1) ** 2).sum()), float((cells**2).sum())
    return max(together - apart, 0.0), apart
