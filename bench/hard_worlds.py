"""The exchange test where recordings are awkward: rejections at 5 % where no electrode follows the features.

    python bench/hard_worlds.py [--worlds 50] [--permutations 39] [--only NAME ...]

Random walks, sessions of different gain, lengths that occur once, few stimuli, missing responses, features that are
constant in most stimuli, what all stimuli evoke before their end. Simulated here in NumPy; 12 electrodes, 4 features, 4
lags. Printed are the share of electrodes with p at most .05, with the interval of its mean over worlds, and that of
worlds in which any electrode passes by the maximum, with the interval of Clopper and Pearson.
"""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.stats import binomtest

from heschl.linear import exchange_test

Array = NDArray[Any]
Rng = np.random.Generator
ELECTRODES, FEATURES, FOLDS = 12, 4, 4


def slow(rng: Rng, n: int, width: int, memory: float) -> Array:
    """AR(1) series of unit variance."""
    x = rng.standard_normal((n, width))
    return np.asarray(lfilter([np.sqrt(1 - memory**2)], [1.0, -memory], x, axis=0))


def base(rng: Rng, lengths: Array) -> tuple[Array, Array]:
    """Features and responses that have nothing to do with each other."""
    n = int(lengths.sum())
    return slow(rng, n, FEATURES, 0.6), slow(rng, n, ELECTRODES, 0.9)


def some(rng: Rng) -> Array:
    """Lengths of 40 stimuli."""
    return rng.integers(35, 80, 40)


def times(lengths: Array) -> tuple[Array, Array]:
    """Frames since the onset and to the end of each frame's stimulus, (n, 1)."""
    since = np.concatenate([np.arange(n) for n in lengths])
    return since[:, None], (np.repeat(lengths, lengths) - 1 - since)[:, None]


def stimulus(lengths: Array, i: int) -> slice:
    """Rows of a stimulus."""
    end = int(lengths[: i + 1].sum())
    return slice(end - int(lengths[i]), end)


def world(name: str, rng: Rng) -> tuple[Array, Array, Array, dict[str, Any]]:
    """Features, responses, lengths, and what else the test is told."""
    lengths, told = some(rng), {}
    if "12 stimuli" in name:
        lengths = rng.integers(35, 80, 12)
    elif name == "each length once":
        lengths = rng.permutation(np.arange(30, 110, 2))
    elif name == "lengths from 20 to 400":
        lengths = rng.permutation(np.unique(np.geomspace(20, 400, 30).astype(int)))
    X, y = base(rng, lengths)
    n, (since, until) = len(y), times(lengths)
    if name == "random walks":
        y = np.cumsum(rng.standard_normal(y.shape), axis=0)
    elif name == "random walks of both sides":
        X, y = np.cumsum(X, axis=0), np.cumsum(rng.standard_normal(y.shape), axis=0)
        starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
        X = X - X[starts]
    elif name.startswith("two sessions of different gain"):
        session = np.arange(len(lengths)) % 2
        later = np.repeat(session, lengths)[:, None]
        X, y = X * (1 + 3 * later), y * (1 + 4 * later)
        if "unknown" not in name:
            told["sessions"] = session
            X, y = X + later, y + 3 * later
    elif "time course" in name:
        X, y = X + 3 * np.exp(-since / 10), y + 2 * np.exp(-since / 12)
    elif "missing" in name:
        told["missing"] = "mask"
        for e in range(ELECTRODES):
            for i in rng.choice(len(lengths), 8, replace=False):
                rows = stimulus(lengths, int(i))
                first = rows.start + (0 if "whole" in name else int(rng.integers(0, lengths[i] - 10)))
                y[first : rows.stop if "whole" in name else first + int(rng.integers(5, 40)), e] = np.nan
        if "loud" in name:
            y[X[:, 0] > 1.5] = np.nan
    elif name == "features constant in most stimuli":
        for j in range(FEATURES):
            for i in rng.choice(len(lengths), 35, replace=False):
                X[stimulus(lengths, int(i)), j] = 0.3
    elif name == "a feature of one stimulus":
        X[:, 0] = 0.0
        X[stimulus(lengths, int(rng.integers(len(lengths)))), 0] = 1.0
    elif name == "one value for each stimulus, random walks":
        X = np.repeat(rng.standard_normal((len(lengths), 2)), lengths, axis=0)
        y = np.cumsum(rng.standard_normal(y.shape), axis=0)
    elif name == "heavy tails":
        X = X * np.repeat(rng.standard_t(2, (len(lengths), 1)), lengths, axis=0)
        y = rng.standard_t(1.5, y.shape)
    elif name == "an artefact in one stimulus":
        rows = stimulus(lengths, int(rng.integers(len(lengths))))
        X[rows] *= 5
        y[rows.stop - 20 : rows.stop] += 50
    elif name == "a response to the end, features that know it":
        X, y = X + 3 * np.exp(-until / 8) * rng.standard_normal(FEATURES), y + np.exp(-until / 8)
    elif name == "responses and features grow with length":
        size = np.repeat((lengths - 57) / 13, lengths)[:, None]
        X, y = X + size, y - size / 3
    elif name == "responses fade over the recording":
        fading = np.exp(-np.arange(n) / 600)[:, None]
        X, y = X + 2 * np.exp(-since / 10), y + fading * (2 + 3 * np.exp(-since / 10))
    elif name == "features that are copies":
        X = np.concatenate([X, X, 1e6 * X[:, :1]], axis=1)
    return X, y, lengths, told


NAMES = (
    "random walks", "random walks of both sides", "two sessions of different gain",
    "two sessions of different gain, unknown", "each length once", "lengths from 20 to 400", "12 stimuli",
    "12 stimuli, a time course", "missing stretches", "missing, whole stimuli", "missing where it is loud",
    "features constant in most stimuli", "a feature of one stimulus", "one value for each stimulus, random walks",
    "heavy tails", "an artefact in one stimulus", "a response to the end, features that know it",
    "responses and features grow with length", "responses fade over the recording", "features that are copies",
)  # fmt: skip


def main() -> None:
    """Print a row for each world."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=50)
    parser.add_argument("--permutations", type=int, default=39)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    print("| world | p ≤ .05, electrodes | family-wise ≤ .05 (95 % limits) |\n| --- | --- | --- |")
    for name in given.only:
        rates, any_passed = [], []
        for seed in range(given.worlds):
            rng = np.random.default_rng([99, seed])
            X, y, lengths, told = world(name, rng)
            found = exchange_test(
                {"x": X.astype(np.float32)}, y.astype(np.float32), segments=lengths,
                folds=rng.permutation(len(lengths)) % FOLDS, lags=range(4), alphas=np.geomspace(1, 1e5, 6),
                n_permutations=given.permutations, random_state=seed, **told,
            )["x"]  # fmt: skip
            rates.append(np.nanmean(found.p_values <= 0.05))
            any_passed.append(bool((found.p_values_max <= 0.05).any()))
        half = 1.96 * np.std(rates, ddof=1) / np.sqrt(len(rates))
        low, high = binomtest(sum(any_passed), len(any_passed)).proportion_ci()
        print(
            f"| {name} | {np.mean(rates):.3f} ± {half:.3f} | {np.mean(any_passed):.3f} ({low:.3f}, {high:.3f}) |",
            flush=True,
        )


if __name__ == "__main__":
    main()
