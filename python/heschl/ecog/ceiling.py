"""The noise ceiling: how well responses could be predicted at best, from how alike repeats of a stimulus are.

A response to a stimulus is a signal f(t), the same at every repeat, and noise, independent from repeat to repeat. With
signal variance S over all frames and noise variance N, the best prediction of the mean over R repeats is f, and reaches

    R² = r² = S / (S + N / R),    r = √(S / (S + N / R)).

(For a perfect predictor R² and r² have one ceiling; r has its root.) Each method below gives N / S in its own way.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError, check_choice
from heschl.ecog.responses.repeats import repeats_of
from heschl.ecog.responses.trials import Responses
from heschl.linear.moments.formulas import pearson_r

if TYPE_CHECKING:
    import pandas as pd

Double = NDArray[np.float64]

METHODS = ("variance", "split_half", "leave_one_out")
OF = ("mean", "single")
N_SPLITS = 50
"""Random splits into halves that are averaged over."""
LEAST_STIMULI = 3
"""Repeated stimuli below which an interval over stimuli says nothing."""


def noise_ceiling(
    responses: Responses,
    *,
    method: str = "variance",
    of: str = "mean",
    n_bootstrap: int = 1000,
    level: float = 0.95,
    random_state: int = 0,
) -> pd.DataFrame:
    """Estimate the best score that any model could reach, for every electrode.

    Parameters
    ----------
    responses : Responses
        Trials; those of one stimulus are its repeats. NaN is missing.
    method : {"variance", "split_half", "leave_one_out"}
        Where N / S comes from:

        - "variance": N is the variance across repeats, S the variance of the mean response over frames less its share
          of noise (Sahani & Linden 2003, NIPS 15; Schoppe et al. 2016, Front. Comput. Neurosci. 10:10). Unbiased but
          for the ratio; takes any number of repeats, and missing frames.
        - "split_half": the correlation ρ of the means of two halves of h repeats (mean of 50 random splits);
          N / S = h (1/ρ − 1), which is Spearman and Brown's formula.
        - "leave_one_out": the correlation ρ of each repeat with the mean of the other R − 1;
          ρ² (1 + N/S) (1 + N/S/(R − 1)) = 1.

        The latter two use the same number of repeats of each repeated stimulus, the smallest that any has.
    of : {"mean", "single"}
        Whether the mean over repeats is to be predicted (as `heschl run` does by default), or single trials.
    n_bootstrap : int
        Number of bootstrap samples of stimuli for the interval.
    level : float
        Coverage of the (percentile) interval.
    random_state : int
        Seed of splits and samples.

    Returns
    -------
    pandas.DataFrame
        Indexed by electrode: ``r2`` (the ceiling of R² and of r²), ``r``, ``low`` and ``high`` (interval of r2),
        ``reliable`` (low is above 0; where not, r2 and r are no basis for a normalised score), ``n_stimuli`` (with
        repeats), ``method``, ``of``.

    Raises
    ------
    InputError
        Where fewer than 3 stimuli were repeated: without repeats there is no ceiling.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import normalised
    >>> import numpy as np
    >>> from heschl.ecog import Responses, noise_ceiling
    >>> rng = np.random.default_rng(0)
    >>> trials, names = [], []
    >>> for stimulus in range(20):
    ...     signal = rng.standard_normal((50, 1))
    ...     trials += [signal + rng.standard_normal((50, 1)) for _ in range(4)]  # S = N: 1 / (1 + 1/4) = 0.8
    ...     names += [f"s{stimulus}"] * 4
    >>> ceiling = noise_ceiling(Responses("S1", ("e1",), 100.0, 0.0, tuple(names), tuple(trials)))
    >>> bool(abs(ceiling.loc["e1", "r2"] - 0.8) < 0.03), bool(ceiling.loc["e1", "reliable"])
    (True, True)
    """
    import pandas as pd

    check_choice("method", method, METHODS)
    check_choice("of", of, OF)
    if n_bootstrap < 1 or not 0 < level < 1:
        raise InputError("n_bootstrap, level", f"{n_bootstrap} and {level}", "1 or more, and between 0 and 1")
    blocks = _repeats(responses)
    rng = np.random.default_rng(random_state)
    sums = _SUMS[method](blocks, rng)
    share = 1.0 if of == "single" else _mean_share(responses)
    samples = rng.multinomial(len(blocks), np.full(len(blocks), 1 / len(blocks)), size=n_bootstrap)
    weights = np.concatenate([np.ones((1, len(blocks))), samples]).astype(np.float64)
    noise_to_signal = _RATIO[method](sums, weights)  # (1 + n_bootstrap, c); infinite where there is no signal
    ceilings = 1 / (1 + share * noise_to_signal)
    low, high = np.quantile(ceilings[1:], [(1 - level) / 2, (1 + level) / 2], axis=0)
    return pd.DataFrame(
        {
            "r2": ceilings[0],
            "r": np.sqrt(ceilings[0]),
            "low": low,
            "high": high,
            "reliable": low > 0,
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
        R² or r² (`kind` "r2"), or r.
    ceiling : pandas.DataFrame
        From `noise_ceiling`, one row per electrode in the scores' order.
    kind : {"r2", "r"}
        What `score` is: "r2" for R² and r², "r" for r.

    Returns
    -------
    (..., n_electrodes) array of float64
        NaN where the ceiling is not reliably above 0.

    Raises
    ------
    InputError
        For another number of electrodes.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.ecog import normalised
    >>> import pandas as pd
    >>> ceiling = pd.DataFrame({"r2": [0.5, 0.01], "r": [0.71, 0.1], "reliable": [True, False]})
    >>> normalised(np.array([0.2, 0.3]), ceiling).tolist()
    [0.4, nan]
    """
    check_choice("kind", kind, ("r2", "r"))
    if np.shape(score)[-1:] != (len(ceiling),):
        raise InputError("score", f"shape {np.shape(score)}", f"(..., {len(ceiling)}), one for each electrode")
    value = np.where(ceiling["reliable"], ceiling[kind], np.nan)
    return np.asarray(score / value, dtype=np.float64)


@dataclass(frozen=True)
class Repeats:
    """All repeats of one stimulus, (n_repeats, n_frames, n_electrodes); NaN is missing."""

    values: Double

    def __len__(self) -> int:
        """Count the repeats."""
        return len(self.values)


def _repeats(responses: Responses) -> list[Repeats]:
    stacked = repeats_of(responses)
    repeated = [Repeats(values.astype(np.float64)) for values in stacked.values() if len(values) > 1]
    if len(repeated) < LEAST_STIMULI:
        raise InputError(
            f"subject {responses.subject}: repeats", f"{len(repeated)} of {len(stacked)} stimuli presented more than "
            "once", f"{LEAST_STIMULI} or more",
            "Without repeats signal and noise cannot be told apart: report scores as they are, without a ceiling.",
        )  # fmt: skip
    return repeated


def _mean_share(responses: Responses) -> float:
    """Return the mean over frames of 1 / R: the share of a trial's noise variance that the mean over repeats has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # _repeats has warned of presentations that are left out
        stacked = repeats_of(responses)
    frames = np.array([values.shape[1] for values in stacked.values()], dtype=np.float64)
    return float(np.average([1 / len(values) for values in stacked.values()], weights=frames))


def _variance_sums(blocks: list[Repeats], _: np.random.Generator) -> Double:
    """Return the sums that variances are computed from, for each stimulus, (n_stimuli, 6, c)."""
    out = []
    for block in blocks:
        known = np.isfinite(block.values)
        count = known.sum(axis=0)
        use = count > 1
        total = np.where(known, block.values, 0.0).sum(axis=0)
        mean = np.divide(total, count, out=np.zeros(total.shape), where=use)
        within = np.where(known & use, (block.values - mean) ** 2, 0.0).sum(axis=0)
        shares = np.divide(1.0, count, out=np.zeros(total.shape), where=use)
        terms = (use, mean, mean**2, within, np.where(use, count - 1, 0), shares)
        out.append([np.asarray(term, dtype=np.float64).sum(axis=0) for term in terms])
    return np.array(out)


def _variance_ratio(sums: Double, weights: Double) -> Double:
    n, mean, square, within, degrees, shares = np.einsum("bs,skc->kbc", weights, sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = within / degrees
        # The variance of the mean response over frames has, beside the signal's, the noise of a mean over repeats.
        signal = square / n - (mean / n) ** 2 - noise * shares / n
        return np.where(signal > 0, noise / signal, np.inf)


def _correlation_sums(pairs: Iterator[tuple[Double, Double]]) -> Double:
    """Return the sums that a correlation is computed from, (6, c); frames that one of a pair lacks are left out."""
    total: Any = 0.0
    for a, b in pairs:
        known = np.isfinite(a) & np.isfinite(b)
        a, b = np.where(known, a, 0.0), np.where(known, b, 0.0)
        total = total + np.array([known.sum(axis=0), *(term.sum(axis=0) for term in (a, b, a * a, b * b, a * b))])
    return np.asarray(total, dtype=np.float64)


def _correlation(sums: Double, weights: Double) -> Double:
    """Return Pearson's r of weighted stimuli, (1 + n_bootstrap, c), averaged over splits."""
    total: Any = 0.0
    for split in sums:
        n, a, b, aa, bb, ab = np.einsum("bs,skc->kbc", weights, split)
        with np.errstate(divide="ignore", invalid="ignore"):  # a sample without a known frame
            r = pearson_r(ab - a * b / n, aa - a * a / n, bb - b * b / n)
        total = total + np.nan_to_num(r)
    return np.asarray(total / len(sums))


@dataclass(frozen=True)
class Splits:
    """Sums of the pairs that are correlated, and how many repeats each side has."""

    sums: Double  # (n_splits, n_stimuli, 6, c)
    n: int


def _split_half_sums(blocks: list[Repeats], rng: np.random.Generator) -> Splits:
    h = min(map(len, blocks)) // 2
    sums = []
    for _ in range(N_SPLITS):
        halves = []
        for block in blocks:
            order = rng.permutation(len(block))
            pair = (block.values[order[:h]].mean(axis=0), block.values[order[h : 2 * h]].mean(axis=0))
            halves.append(_correlation_sums(iter([pair])))
        sums.append(halves)
    return Splits(np.array(sums), h)


def _split_half_ratio(splits: Splits, weights: Double) -> Double:
    rho = _correlation(splits.sums, weights)
    with np.errstate(divide="ignore"):
        return np.where(rho > 0, splits.n * (1 / rho - 1), np.inf)


def _leave_one_out_sums(blocks: list[Repeats], rng: np.random.Generator) -> Splits:
    least = min(map(len, blocks))
    chosen = [block.values[rng.permutation(len(block))[:least]] for block in blocks]
    sums = [
        [_correlation_sums(iter([(values[i], np.delete(values, i, axis=0).mean(axis=0))])) for values in chosen]
        for i in range(least)
    ]
    return Splits(np.array(sums), least - 1)


def _leave_one_out_ratio(splits: Splits, weights: Double) -> Double:
    """Solve ρ² (1 + x) (1 + x/n) = 1, with n repeats in the other mean."""
    rho, n = _correlation(splits.sums, weights), splits.n
    with np.errstate(divide="ignore", over="ignore"):
        x = (np.sqrt((n + 1) ** 2 - 4 * n * (1 - 1 / rho**2)) - (n + 1)) / 2
    return np.where(rho > 0, np.maximum(x, 0.0), np.inf)


_SUMS: dict[str, Any] = {
    "variance": _variance_sums,
    "split_half": _split_half_sums,
    "leave_one_out": _leave_one_out_sums,
}
_RATIO: dict[str, Any] = {
    "variance": _variance_ratio,
    "split_half": _split_half_ratio,
    "leave_one_out": _leave_one_out_ratio,
}
