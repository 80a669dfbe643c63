"""What signal and noise are made of, stimulus by stimulus: sums over the repeats of each, for every electrode.

Each method turns the sums of any stimuli into an *index*, a number that rises with the ratio of signal to noise and
whose error is much the same wherever it is: for variances the logarithm of an F ratio (the mean response's variance
over the part of it that is noise), for correlations Fisher's z. Signal over noise, S / N, follows from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear.moments.formulas import pearson_r

Double = NDArray[np.float64]

N_SPLITS = 50
"""Random splits into halves that are averaged over."""


@dataclass(frozen=True)
class Method:
    """One method's index of chosen stimuli.

    Attributes
    ----------
    index : callable
        Of weights (b, n_stimuli): (b, n_electrodes); infinite where there is no noise, NaN where nothing varies.
    snr : callable
        S / N of one presentation, from an index of any shape; 0 where there is no signal.
    """

    index: Callable[[Double], Double]
    snr: Callable[[Double], Double]


def by_variance(blocks: list[Double], _: np.random.Generator) -> Method:
    """Return the logarithm of the variance of the mean response over its noise, log(P / (N · mean of 1/R))."""
    sums = variance_sums(blocks)
    share = float(sums[:, 5].sum() / sums[:, 0].sum())

    def index(weights: Double) -> Double:
        n, mean, square, within, degrees, shares = np.einsum("bs,skc->kbc", weights, sums)
        with np.errstate(divide="ignore", invalid="ignore"):
            power, noise = square / n - (mean / n) ** 2, within / degrees * shares / n
            return np.asarray(np.log(power) - np.log(noise))

    return Method(index, lambda found: np.maximum(np.expm1(np.minimum(found, 700.0)), 0.0) * share)


def by_halves(blocks: list[Double], rng: np.random.Generator) -> Method:
    """Return Fisher's z of the correlation of the means over two halves of the repeats, mean of 50 random splits."""
    h = min(map(len, blocks)) // 2
    sums = []
    for _ in range(N_SPLITS):
        halves = []
        for block in blocks:
            order = rng.permutation(len(block))
            halves.append(_correlation_sums(block[order[:h]].mean(axis=0), block[order[h : 2 * h]].mean(axis=0)))
        sums.append(halves)

    def snr(found: Double) -> Double:
        rho = np.maximum(np.tanh(found), 0.0)
        with np.errstate(divide="ignore"):
            return np.asarray(rho / (h * (1 - rho)))

    return Method(_mean_z(np.array(sums)), snr)


def by_leaving_one_out(blocks: list[Double], rng: np.random.Generator) -> Method:
    """Return Fisher's z of the correlation of each repeat with the mean of the others.

    Of each stimulus as many repeats are used as every stimulus has. With n others, ρ² (1 + x) (1 + x/n) = 1, where x
    is N / S.
    """
    least = min(map(len, blocks))
    chosen = [block[rng.permutation(len(block))[:least]] for block in blocks]
    sums = [
        [_correlation_sums(values[i], np.delete(values, i, axis=0).mean(axis=0)) for values in chosen]
        for i in range(least)
    ]
    n = least - 1

    def snr(found: Double) -> Double:
        rho = np.tanh(found)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            x = (np.sqrt((n + 1) ** 2 - 4 * n * (1 - 1 / rho**2)) - (n + 1)) / 2
            return np.where(rho > 0, 1 / np.maximum(x, 0.0), 0.0)

    return Method(_mean_z(np.array(sums)), snr)


METHODS: dict[str, Callable[[list[Double], np.random.Generator], Method]] = {
    "variance": by_variance,
    "split_half": by_halves,
    "leave_one_out": by_leaving_one_out,
}


def variance_sums(blocks: list[Double]) -> Double:
    """Return the sums that variances are computed from, for each stimulus, (n_stimuli, 6, c).

    Parameters
    ----------
    blocks : list of (n_repeats, n_frames, c) arrays
        All repeats of each stimulus; NaN is missing.

    Returns
    -------
    array
        Over frames with two presentations or more: how many, the mean response, its square, squares about it over
        presentations, their degrees of freedom, and 1 / R.
    """
    out = []
    for block in blocks:
        known = np.isfinite(block)
        count = known.sum(axis=0)
        use = count > 1
        total = np.where(known, block, 0.0).sum(axis=0)
        mean = np.divide(total, count, out=np.zeros(total.shape), where=use)
        within = np.where(known & use, (block - mean) ** 2, 0.0).sum(axis=0)
        shares = np.divide(1.0, count, out=np.zeros(total.shape), where=use)
        terms = (use, mean, mean**2, within, np.where(use, count - 1, 0), shares)
        out.append([np.asarray(term, dtype=np.float64).sum(axis=0) for term in terms])
    return np.array(out)


def log_noise(sums: Double, weights: Double) -> Double:
    """Return the logarithm of the noise variance of chosen stimuli, (b, c), from `variance_sums`."""
    within, degrees = np.einsum("bs,skc->kbc", weights, sums[:, 3:5])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(within / degrees))


def _correlation_sums(a: Double, b: Double) -> Double:
    """Return the sums that a correlation is computed from, (6, c); frames that one of the pair lacks are left out."""
    known = np.isfinite(a) & np.isfinite(b)
    a, b = np.where(known, a, 0.0), np.where(known, b, 0.0)
    return np.array([term.sum(axis=0) for term in (known, a, b, a * a, b * b, a * b)], dtype=np.float64)


def _mean_z(sums: Double) -> Callable[[Double], Double]:
    """Return Fisher's z of Pearson's r averaged over splits, from sums (n_splits, n_stimuli, 6, c)."""

    def index(weights: Double) -> Double:
        total: Any = 0.0
        for split in sums:
            n, a, b, aa, bb, ab = np.einsum("bs,skc->kbc", weights, split)
            with np.errstate(divide="ignore", invalid="ignore"):  # stimuli without a known frame
                r = pearson_r(ab - a * b / n, aa - a * a / n, bb - b * b / n)
            total = total + np.nan_to_num(r)
        with np.errstate(divide="ignore"):
            return np.asarray(np.arctanh(np.clip(total / len(sums), -1.0, 1.0)))

    return index
