"""What the exchange test finds where there is nothing, and where there is something: rejection rates with intervals.

The simulator shares no code with heschl: features are low-pass noise, responses noise (white, AR(1) 0.9, 1/f), a time
course since stimulus onset that all stimuli evoke alike and that one feature follows, and a planted share of a linear,
lagged function of the features.

    python bench/nulls_calibration.py [--repetitions 200] [--electrodes 20] [--permutations 199] [--only NAME]

Rates are means over repetitions (worlds), ± half the width of their 95 % interval: electrodes of one world share
features, so worlds are the unit. `family-wise`: worlds with any rejection by the maximum over electrodes; its limits
are Clopper and Pearson's. One thread of BLAS is the fastest for worlds this small: OPENBLAS_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
from scipy.stats import beta

LAGS, ALPHAS, FOLDS = range(6), np.logspace(-1, 8, 10), 5
# name: noise, share of the time course, feature that follows it, lengths, layers, planted R²
WORLDS = {
    "white": ("white", 0.0, "uneven", 1, 0.0),
    "AR .9": ("ar", 0.0, "uneven", 1, 0.0),
    "1/f": ("1/f", 0.0, "uneven", 1, 0.0),
    "AR .9, equal lengths": ("ar", 0.0, "equal", 1, 0.0),
    "AR .9, two layers": ("ar", 0.0, "uneven", 2, 0.0),
    "white, two layers": ("white", 0.0, "uneven", 2, 0.0),
    "1/f, two layers": ("1/f", 0.0, "uneven", 2, 0.0),
    "AR .9, time course .1": ("ar", 0.1, "uneven", 1, 0.0),
    "AR .9, time course .1, two layers": ("ar", 0.1, "uneven", 2, 0.0),
    "1/f, time course .1": ("1/f", 0.1, "uneven", 1, 0.0),
    "AR .9, time course .1, equal": ("ar", 0.1, "equal", 1, 0.0),
    "AR .9, R² .01": ("ar", 0.0, "uneven", 1, 0.01),
    "AR .9, R² .02": ("ar", 0.0, "uneven", 1, 0.02),
    "AR .9, R² .04": ("ar", 0.0, "uneven", 1, 0.04),
}


def noise(rng, kind, lengths, c):
    """Noise of unit variance; 1/f runs on from stimulus to stimulus, as a recording does."""
    n = int(sum(lengths))
    if kind == "white":
        return rng.standard_normal((n, c))
    if kind == "ar":
        out = rng.standard_normal((n, c))
        for t in range(1, n):
            out[t] = 0.9 * out[t - 1] + np.sqrt(1 - 0.81) * out[t]
        return out
    frequency = np.fft.rfftfreq(n)
    frequency[0] = frequency[1]
    spectrum = np.fft.rfft(rng.standard_normal((n, c)), axis=0) / np.sqrt(frequency)[:, None]
    out = np.fft.irfft(spectrum, n, axis=0)
    return (out - out.mean(0)) / out.std(0)


def world(rng, kind, time_course, lengths_are, layers, share, c, n_stimuli=60, d=8):
    """Features of each layer, responses, lengths and folds."""
    lengths = np.full(n_stimuli, 70) if lengths_are == "equal" else rng.integers(40, 100, n_stimuli)
    n, since = int(lengths.sum()), np.concatenate([np.arange(length) for length in lengths])
    features = []
    for _ in range(layers):
        H = rng.standard_normal((n, d))
        for t in range(1, n):
            H[t] = 0.6 * H[t - 1] + 0.8 * H[t]
        if time_course:
            H[:, 0] += 2.0 * np.exp(-since / 10.0)
        features.append(H)
    y = noise(rng, kind, lengths, c)
    if share:
        H = features[0]
        signal = np.zeros((n, c))
        for lag in LAGS:
            moved = np.vstack([np.zeros((lag, d)), H[: n - lag]]) * (since >= lag)[:, None]
            signal += moved @ rng.standard_normal((d, c))
        y = np.sqrt(1 - share) * y + np.sqrt(share) * signal / signal.std(0)
    if time_course:
        course = np.exp(-since / 10.0)
        course = (course - course.mean()) / course.std()
        y = np.sqrt(1 - time_course) * y + np.sqrt(time_course) * course[:, None]
    features = [H.astype(np.float32) for H in features]
    return features, y.astype(np.float32), lengths, rng.permutation(n_stimuli) % FOLDS


def rates(name, repetitions, electrodes, permutations, statistic, seed=0):
    """One row of the table."""
    from heschl.linear import exchange_test

    kind, time_course, lengths_are, layers, share = WORLDS[name]
    each, p_max, p_fitted_max = [], [], []
    start = time.perf_counter()
    for repetition in range(repetitions):
        rng = np.random.default_rng([seed, repetition])
        features, y, lengths, folds = world(rng, kind, time_course, lengths_are, layers, share, electrodes)
        found = exchange_test(
            {"space": features}, y, segments=lengths, folds=folds, lags=LAGS, alphas=ALPHAS, statistic=statistic,
            n_permutations=permutations, random_state=repetition, device="cpu",
        )["space"]  # fmt: skip
        each.append([(found.p_values <= 0.05).mean(), (found.p_values <= 0.01).mean(), (found.p_fitted <= 0.01).mean()])
        p_max.append((found.p_values_max <= 0.05).any())
        p_fitted_max.append((found.p_fitted_max <= 0.05).any())
    each = np.array(each)
    half = 1.96 * each.std(axis=0, ddof=1) / np.sqrt(repetitions)
    k = int(np.sum(p_max))
    low = beta.ppf(0.025, k, repetitions - k + 1) if k else 0.0
    high = beta.ppf(0.975, k + 1, repetitions - k) if k < repetitions else 1.0
    print(
        f"| {name} | {statistic} | {each[:, 0].mean():.3f} ± {half[0]:.3f} | {each[:, 1].mean():.4f} ± {half[1]:.4f} "
        f"| {each[:, 2].mean():.4f} ± {half[2]:.4f} | {k / repetitions:.3f} ({low:.3f}, {high:.3f}) "
        f"| {np.mean(p_fitted_max):.3f} | {repetitions} | {time.perf_counter() - start:.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--electrodes", type=int, default=20)
    parser.add_argument("--permutations", type=int, default=199)
    parser.add_argument("--statistic", default="r")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only")
    given = parser.parse_args()
    print("| world | statistic | p ≤ .05 | p ≤ .01 | fitted p ≤ .01 | family-wise ≤ .05 | fitted | worlds | s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in [given.only] if given.only else WORLDS:
        rates(name, given.repetitions, given.electrodes, given.permutations, given.statistic, given.seed)
