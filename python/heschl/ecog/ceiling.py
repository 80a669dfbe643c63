"""The noise ceiling: how well responses could be predicted at best, from how alike repeats of a stimulus are.

A response to a stimulus is a signal f(t), the same at every repeat, and noise, independent from repeat to repeat. With
signal variance S over all frames and noise variance N, the best prediction of the mean over R repeats is f, and reaches

    R² = r² = S / (S + N / R),    r = √(S / (S + N / R)).

(For a perfect predictor R² and r² have one ceiling; r has its root.) R² here is about the mean of all responses, as a
model knows it from training. R² about the mean of a few test stimuli asks for less variance, and a perfect model
reaches less of it: `ceiling_of_folds`.

What repeats cannot tell: noise that is the same at every presentation of a stimulus is signal to them, whatever its
source; see `shared_noise` for the traces that some such noise leaves.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from heschl.checks import InputError, check_choice
from heschl.ecog.responses.repeats import repeats_of
from heschl.ecog.responses.trials import Responses
from heschl.ecog.signal_power import METHODS, Double, log_noise, variance_sums

if TYPE_CHECKING:
    import pandas as pd

OF = ("mean", "single")
LEAST_STIMULI = 3
"""Repeated stimuli below which an interval over stimuli says nothing."""
DETERMINED = 0.1
"""Standard error, relative to the ceiling, up to which a score is divided by it."""
CORRECTION = 0.2
"""Of the ceiling, up to which it may be corrected for having been chosen."""
FEW = 5.0
"""Chance with which an electrode may have passed the bar, over the share of electrodes that pass it."""
STEP = 1e-4
"""Of the index, for the slope of the ceiling in it."""


def noise_ceiling(
    responses: Responses,
    *,
    method: str = "variance",
    of: str = "mean",
    level: float = 0.95,
    random_state: int = 0,
) -> pd.DataFrame:
    """Estimate the best score that any model could reach, for every electrode.

    Parameters
    ----------
    responses : Responses
        Trials; those of one stimulus are its repeats. NaN is missing.
    method : {"variance", "split_half", "leave_one_out"}
        Where S / N comes from:

        - "variance": N is the variance across repeats, S the variance of the mean response over frames less its share
          of noise (Sahani & Linden 2003, NIPS 15; Schoppe et al. 2016, Front. Comput. Neurosci. 10:10). Takes any
          number of repeats, and missing frames.
        - "split_half": the correlation ρ of the means of two halves of h repeats (mean of 50 random splits);
          N / S = h (1/ρ − 1), which is Spearman and Brown's formula.
        - "leave_one_out": the correlation ρ of each repeat with the mean of the other R − 1;
          ρ² (1 + N/S) (1 + N/S/(R − 1)) = 1.

        The latter two use the same number of repeats of each repeated stimulus, the smallest that any has.
    of : {"mean", "single"}
        Whether the mean over repeats is to be predicted (as `heschl run` does by default), or single trials.
    level : float
        Coverage of the interval.
    random_state : int
        Seed of splits.

    Returns
    -------
    pandas.DataFrame
        Indexed by electrode: ``r2`` (the ceiling of R² about the training mean, and of r²), ``r``, ``low`` and ``high``
        (interval of r2), ``reliable`` (low is above 0), ``determined`` (its standard error is at most a tenth of it,
        the correction that follows at most a fifth; where few electrodes pass, the bar rises, for chance would have
        lifted them), ``divisor`` (what R² is divided by where it is determined, NaN elsewhere: r2 corrected for having
        passed that bar, which estimates that are too high pass more easily), ``snr`` (S / N of one presentation that
        belongs to the divisor), ``n_stimuli`` (with repeats), ``method``, ``of``.

    Raises
    ------
    InputError
        Where fewer than 3 stimuli were repeated: without repeats there is no ceiling.

    Notes
    -----
    Estimate and interval are those of the delete-one-stimulus jackknife with Student's t, on a scale on which errors
    are even: log(1 + R S / N) for variances, Fisher's z for correlations. From 10 repeated stimuli on, 95 % intervals
    hold the truth in 92 to 97 % of simulated electrodes, of 5 in 94 to 97 %, of 3, where they are very wide, in 99 %
    (``bench/ceiling_calibration.py``); where the noise of presentations differs in size as much as Student's t with
    three degrees of freedom does, in 88 %. The divisor is the median unbiased estimate given that the bar was passed;
    with 5 stimuli heard twice and S = N a perfect model reached .96 of it (.87 by R² about the means of folds).

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import Responses, noise_ceiling
    >>> rng = np.random.default_rng(0)
    >>> trials, names = [], []
    >>> for stimulus in range(20):
    ...     signal = rng.standard_normal((50, 1))
    ...     trials += [signal + rng.standard_normal((50, 1)) for _ in range(4)]  # S = N: 1 / (1 + 1/4) = 0.8
    ...     names += [f"s{stimulus}"] * 4
    >>> ceiling = noise_ceiling(Responses("S1", ("e1",), 100.0, 0.0, tuple(names), tuple(trials)))
    >>> bool(abs(ceiling.loc["e1", "r2"] - 0.8) < 0.03), bool(ceiling.loc["e1", "determined"])
    (True, True)
    """
    import pandas as pd

    check_choice("method", method, tuple(METHODS))
    check_choice("of", of, OF)
    if not 0 < level < 1:
        raise InputError("level", f"{level}", "a number between 0 and 1")
    blocks = _repeats(responses)
    found = METHODS[method](blocks, np.random.default_rng(random_state))
    counts = presentations(responses)
    share = 1.0 if of == "single" else _mean_share(counts)

    def ceiling(index: Double) -> Double:
        return _over(found.snr(index), share)

    index, error = _jackknife(found.index, len(blocks))
    width = stats.t.ppf((1 + level) / 2, max(1, len(blocks) - 2)) * error  # a mean and a spread are estimated
    r2 = ceiling(index)
    usual = _at_least_usual(error)
    relative = _relative_error(ceiling, usual, _at_least_usual(_noise_error(blocks, counts, of)))
    degrees, least = max(1, len(blocks) - 2), _least(relative, index)
    passed = np.isfinite(error) & (relative(index) <= DETERMINED)
    determined, bar = _not_by_chance(index, usual, least, passed, degrees)
    snr = found.snr(np.where(determined, _corrected(index, usual, bar), -np.inf))
    determined &= _over(snr, share) >= (1 - CORRECTION) * r2
    snr = np.where(determined, snr, np.nan)
    return pd.DataFrame(
        {
            "r2": r2,
            "r": np.sqrt(r2),
            "low": np.where(np.isfinite(width), ceiling(index - width), 0.0),
            "high": np.where(np.isfinite(width), ceiling(index + width), 1.0),
            "reliable": np.isfinite(width) & (ceiling(index - width) > 0),
            "determined": determined,
            "divisor": np.where(determined, _over(snr, share), np.nan),
            "snr": snr,
            "n_stimuli": len(blocks),
            "method": method,
            "of": of,
        },
        index=pd.Index(responses.electrodes, name="electrode"),
    )


def normalised(score: NDArray[np.floating[Any]], ceiling: pd.DataFrame, *, kind: str = "r2") -> Double:
    """Divide scores by their noise ceiling.

    Parameters
    ----------
    score : (..., n_electrodes) array
        R² about the training mean or r² (`kind` "r2"), or r. For R² about the means of folds of few stimuli divide by
        `ceiling_of_folds` instead: a perfect model reaches less there.
    ceiling : pandas.DataFrame
        From `noise_ceiling`, one row per electrode in the scores' order.
    kind : {"r2", "r"}
        What `score` is: "r2" for R² and r², "r" for r.

    Returns
    -------
    (..., n_electrodes) array of float64
        NaN where the ceiling is not well determined.

    Raises
    ------
    InputError
        For another number of electrodes.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import normalised
    >>> import pandas as pd
    >>> ceiling = pd.DataFrame({"r2": [0.5, 0.01], "divisor": [0.5, np.nan], "determined": [True, False]})
    >>> normalised(np.array([0.2, 0.3]), ceiling).tolist()
    [0.4, nan]
    """
    check_choice("kind", kind, ("r2", "r"))
    if np.shape(score)[-1:] != (len(ceiling),):
        raise InputError("score", f"shape {np.shape(score)}", f"(..., {len(ceiling)}), one for each electrode")
    divisor = ceiling["divisor"].to_numpy(dtype=np.float64)
    return np.asarray(score / (divisor if kind == "r2" else np.sqrt(divisor)), dtype=np.float64)


def ceiling_of_folds(
    snr: NDArray[np.floating[Any]],
    shares: NDArray[np.floating[Any]],
    frames: NDArray[np.floating[Any]],
    about_training: NDArray[np.floating[Any]],
    about_own: NDArray[np.floating[Any]],
) -> Double:
    """Return what a perfect model reaches of R² about each fold's own mean, averaged over folds.

    About its own mean a test fold of few stimuli varies less than about the training mean, which is what a model knows,
    and by another amount in each fold; a perfect model's errors are the noise, the same in all: 1 − n_k N / R_k over
    the fold's own squares. N follows from S / N and from how much the responses vary about the training means.

    Parameters
    ----------
    snr : (n_electrodes,) array
        S / N of one presentation, as `noise_ceiling` returns it; NaN where the ceiling is not well determined.
    shares : (n_folds,) array
        Mean over the fold's frames of 1 / R, R the presentations that are averaged.
    frames : (n_folds,) or (n_folds, n_electrodes) array
        Frames of the fold (with a known response).
    about_training, about_own : (n_folds, n_electrodes) array
        Squares of the fold's responses about the mean of the training folds, and about their own.

    Returns
    -------
    (n_electrodes,) array of float64
        NaN where `snr` is, and where it is not above 0.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import ceiling_of_folds
    >>> squares = np.full((2, 1), 10.0), np.full((2, 1), 8.0)
    >>> ceiling_of_folds(np.array([1.0]), np.array([1.0, 1.0]), np.array([5, 5]), *squares).round(4).tolist()
    [0.4375]
    """
    n = np.broadcast_to(np.asarray(frames, dtype=np.float64).reshape(len(shares), -1), np.shape(about_own))
    share = np.asarray(shares, dtype=np.float64)[:, None]
    known = n.sum(axis=0) > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        # Squares about the training mean are too many, for its own error, about the fold's too few: without bias
        # in this proportion for K folds of one size.
        total = np.asarray(about_training).sum(axis=0) * (len(n) - 1) + np.asarray(about_own).sum(axis=0)
        noise = total / len(n) / (np.asarray(snr) * n.sum(axis=0) + (n * share).sum(axis=0))
        folds = np.where(np.asarray(about_own) > 0, 1 - n * share * noise / about_own, np.nan)
    known &= np.isfinite(folds).any(axis=0)
    mean = np.nanmean(np.where(known, folds, 0.0), axis=0)
    return np.where(known & (mean > 0), mean, np.nan)


def presentations(responses: Responses) -> dict[str, tuple[int, int]]:
    """Return how often each stimulus was presented, and its frames; presentations that were broken off do not count."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # _repeats has warned of presentations that are left out
        return {name: values.shape[:2] for name, values in repeats_of(responses).items()}


def _repeats(responses: Responses) -> list[Double]:
    stacked = repeats_of(responses)
    repeated = [values.astype(np.float64) for values in stacked.values() if len(values) > 1]
    if len(repeated) < LEAST_STIMULI:
        raise InputError(
            f"subject {responses.subject}: repeats", f"{len(repeated)} of {len(stacked)} stimuli presented more than "
            "once", f"{LEAST_STIMULI} or more",
            "Without repeats signal and noise cannot be told apart: report scores as they are, without a ceiling.",
        )  # fmt: skip
    return repeated


def _mean_share(counts: dict[str, tuple[int, int]]) -> float:
    """Return the mean over frames of 1 / R: the share of a trial's noise variance that the mean over repeats has."""
    repeats, frames = np.array(list(counts.values()), dtype=np.float64).T
    return float(np.average(1 / repeats, weights=frames))


def _over(snr: Double, share: float | Double) -> Double:
    """Return S / (S + share · N)."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isposinf(snr), 1.0, snr / (snr + share))


def _jackknife(index: Callable[[Double], Double], n: int) -> tuple[Double, Double]:
    """Return the estimate without its bias of order 1/n, and its standard error, leaving out one stimulus at a time."""
    whole = index(np.ones((1, n)))[0]
    without = index(1.0 - np.eye(n))
    with np.errstate(invalid="ignore"):
        mean = without.mean(axis=0)
        error = np.sqrt((n - 1) / n * ((without - mean) ** 2).sum(axis=0))
        estimate = n * whole - (n - 1) * mean
    noiseless = np.isposinf(whole) & np.isposinf(without).all(axis=0)
    estimate = np.where(np.isfinite(estimate), estimate, np.where(np.isnan(whole), -np.inf, whole))
    return estimate, np.where(noiseless, 0.0, np.where(np.isfinite(estimate), error, np.nan))


def _at_least_usual(error: Double) -> Double:
    """Return errors, none smaller than the electrodes' median.

    Of a few stimuli an error is known but roughly, and where few electrodes pass a bar, they are those whose error was
    underestimated.
    """
    usual = np.median(error[np.isfinite(error)]) if np.isfinite(error).any() else np.nan
    return np.where(error < usual, usual, error)


def _noise_error(blocks: list[Double], counts: dict[str, tuple[int, int]], of: str) -> Double:
    """Return the standard error of log N against the noise in the very responses that are scored.

    A perfect model's score on these responses varies with their own noise, too: as far as N was found from
    presentations of as many stimuli, spread over degrees of freedom as unequal.
    """
    sums, n = variance_sums(blocks), len(blocks)
    _, error = _jackknife(lambda weights: log_noise(sums, weights), n)
    degrees = sum(len(block) - 1 for block in blocks)
    shares = np.array([1 / repeats for repeats, _ in counts.values()])
    scored = shares.sum() ** 2 / (shares**2).sum() if of == "mean" else sum(repeats for repeats, _ in counts.values())
    return np.asarray(np.nan_to_num(error) * np.sqrt(1 + degrees / scored))


def _relative_error(
    ceiling: Callable[[Double], Double], error: Double, noise_error: Double
) -> Callable[[Double], Double]:
    """Return a function of the index: the ceiling's standard error over it, or its error for these very responses."""

    def relative(index: Double) -> Double:
        value = ceiling(index)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = (ceiling(index + STEP) - ceiling(index - STEP)) / (2 * STEP)
            found = np.maximum(slope * error, (1 - value) * noise_error) / value
        return np.where(value > 0, found, np.inf)

    return relative


def _least(relative: Callable[[Double], Double], passed: Double) -> Double:
    """Return the smallest index at which the ceiling would be well determined; it lies below those that passed."""
    low, high = np.full(passed.shape, -5.0), np.where(np.isfinite(passed), passed, 30.0)
    for _ in range(50):
        middle = (low + high) / 2
        enough = relative(middle) <= DETERMINED
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high


def _not_by_chance(
    index: Double, error: Double, least: Double, passed: NDArray[np.bool_], degrees: int
) -> tuple[NDArray[np.bool_], Double]:
    """Raise the bar where few electrodes pass it, for they are likely to be those that chance has lifted.

    Of electrodes at the bar half would pass. One stays if so far above it (by Student's t) as happens to electrodes at
    the bar less often than `FEW` times the share of electrodes that stay: from one in ten on, all that pass.

    Returns
    -------
    determined : ndarray of bool
    bar : ndarray
        The index from which an electrode stays.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = np.where(passed, np.where(error > 0, stats.t.sf((index - least) / error, degrees), 0.0), 1.0)
    share = np.arange(1, len(chance) + 1) / max(1, int(np.isfinite(index).sum()))
    allowed = np.minimum(FEW * share, 0.5)
    stay = np.flatnonzero(np.sort(chance) <= allowed)
    limit = float(allowed[stay[-1]]) if len(stay) else 0.0
    return passed & (chance <= limit), least + float(stats.t.isf(limit, degrees)) * error if limit > 0 else least


def _corrected(index: Double, error: Double, least: Double) -> Double:
    """Return the median unbiased estimate given that the index passed the bar, for a normal error.

    It is the t at which half of all estimates above the bar would be above this one.
    """
    error = np.where(np.isfinite(error), error, 0.0)
    low, high = index - 8 * error, np.array(index)
    for _ in range(50):
        middle = (low + high) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            gap = stats.norm.logsf((index - middle) / error) - stats.norm.logsf((least - middle) / error)
        less = gap < np.log(0.5)  # too few would be above it: the truth is higher
        low, high = np.where(less, middle, low), np.where(less, high, middle)
    return np.where(error > 0, (low + high) / 2, index)
