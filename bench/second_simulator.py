"""The exchange test in worlds that share no code with heschl: how often it rejects, and what it finds.

    python bench/second_simulator.py --noise ar                         # nothing there
    python bench/second_simulator.py --noise pink --time-course 0.1     # a time course that all stimuli have in common
    python bench/second_simulator.py --noise ar --r2 0.02 --worlds 100  # power

Each world draws its stimuli, features and responses anew. Printed are the share of electrodes with p at most .05, with
the interval of its mean over worlds, and the share of worlds in which any electrode passes by the maximum, with that of
Clopper and Pearson.
"""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from heschl.linear import exchange_test

Array = NDArray[Any]
ELECTRODES, FEATURES, LAGS, FOLDS = 12, 5, 4, 5
LENGTHS = (35, 81)
"""Frames of a stimulus; of longer ones, and twice as many, where there is something to find."""
DECAYS = np.array([4.0, 12.0])
"""Of the common time course, in frames."""


def noise(kind: str, rng: np.random.Generator, n: int, k: int) -> Array:
    """k series of n frames: white, AR(1) of .9, or 1/f."""
    if kind == "white":
        return rng.normal(size=(n, k))
    if kind == "ar":
        drive, x = rng.normal(size=(n + 60, k)), np.zeros((n + 60, k))
        for t in range(1, len(x)):
            x[t] = 0.9 * x[t - 1] + np.sqrt(1 - 0.81) * drive[t]
        return x[60:]
    m = 256
    f = np.fft.rfftfreq(m)
    f[0] = f[1]
    spectrum = (rng.normal(size=(len(f), k)) + 1j * rng.normal(size=(len(f), k))) / np.sqrt(f)[:, None]
    x = np.fft.irfft(spectrum, m, axis=0)
    begin = rng.integers(0, m - n)
    return (x / x.std())[begin : begin + n]


def world(options: argparse.Namespace, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Features of one or more layers, (n_layers, n, d), responses (n, c), and the length of each stimulus."""
    course, r2 = options.time_course, options.r2
    lengths = rng.integers(40, 100, 60) if r2 else rng.integers(*LENGTHS, 30)
    into, out = rng.normal(size=(2, FEATURES, options.layers)), rng.normal(size=(2, ELECTRODES))
    weights = rng.normal(size=(LAGS, FEATURES, ELECTRODES))
    features, noises, signals, courses = [], [], [], []
    for n in map(int, lengths):
        X = np.stack([noise(options.noise, rng, n, FEATURES) for _ in range(options.layers)])
        decay = np.exp(-np.arange(n)[:, None] / DECAYS)
        if course:
            X = X + 2 * np.einsum("nt,tdl->lnd", decay, into)
        signal = np.zeros((n, ELECTRODES))
        for lag in range(LAGS):
            signal[lag:] += X[0][: n - lag] @ weights[lag]
        features.append(X)
        signals.append(signal)
        courses.append(decay @ out)
        noises.append(noise(options.noise, rng, n, ELECTRODES))

    def scaled(values: list[Array]) -> Array:
        joined = np.concatenate(values)
        return (joined - joined.mean(0)) / joined.std(0)

    y = np.sqrt(1 - course - r2) * scaled(noises)
    for share, part in ((course, courses), (r2, signals)):
        if share:
            y = y + np.sqrt(share) * scaled(part)
    return np.concatenate(features, axis=1), y, lengths


def main() -> None:
    """Print one line for the worlds asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--noise", choices=["white", "ar", "pink"], default="ar")
    parser.add_argument("--time-course", type=float, default=0.0, help="its share of the variance")
    parser.add_argument("--r2", type=float, default=0.0, help="share of the variance that the first layer explains")
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--permutations", type=int, default=39)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    passed, any_passed = [], []
    for seed in range(options.worlds):
        rng = np.random.default_rng(777_000 + seed)
        X, y, lengths = world(options, rng)
        found = exchange_test(
            {"m": list(X.astype(np.float32))}, y.astype(np.float32), segments=lengths,
            folds=rng.permutation(len(lengths)) % FOLDS, lags=range(LAGS), alphas=np.geomspace(1, 1e5, 6),
            n_permutations=options.permutations, random_state=seed,
        )["m"]  # fmt: skip
        passed.append((found.p_values <= 0.05).mean())
        any_passed.append(found.p_values_max.min() <= 0.05)
    around = 1.96 * np.std(passed, ddof=1) / np.sqrt(len(passed))
    low, high = binomtest(int(np.sum(any_passed)), len(any_passed)).proportion_ci()
    together = f"{np.mean(any_passed):.3f} ({low:.3f} to {high:.3f})"
    print(f"electrodes {np.mean(passed):.3f} ± {around:.3f}; any by the maximum {together}")


if __name__ == "__main__":
    main()
