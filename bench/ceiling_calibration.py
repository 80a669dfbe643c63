"""Noise ceilings against planted signal and noise: coverage of intervals, and what a perfect model scores over them.

    python bench/ceiling_calibration.py [--electrodes 800] [--seed 0] [--stimuli 5 10 20 50] [--method variance]

Signal and noise are AR(1) processes (0.9) of 60 frames, simulated here in NumPy. Printed for each design and ratio of
signal to noise: how often 95 % intervals hold the true ceiling; how many electrodes get a normalised score, and the
median over those of a perfect model's R² over its ceiling, about each fold's own mean and about the training mean.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.signal import lfilter

from heschl.ecog import Responses, ceiling_of_folds, noise_ceiling, normalised
from heschl.ecog.ceiling import METHODS

FRAMES, FOLDS = 60, 5
DESIGNS = ((5, 2, 0), (5, 5, 0), (5, 20, 0), (10, 2, 0), (10, 5, 0), (10, 20, 0), (20, 3, 0), (50, 2, 0), (10, 10, 90))
"""Stimuli with repeats, presentations of each, stimuli heard once."""
SNR = (0.0, 0.05, 0.2, 0.5, 1.0, 5.0)


def ar(rng: np.random.Generator, trials: int, electrodes: int) -> np.ndarray:
    """Return AR(1) processes of unit variance, (trials, FRAMES, electrodes)."""
    x = rng.standard_normal((trials, FRAMES, electrodes), dtype=np.float32)
    x[:, 1:] *= np.sqrt(1 - 0.9**2)
    return lfilter([1.0], [1.0, -0.9], x, axis=1).astype(np.float32)


def design(
    rng: np.random.Generator, n: int, repeats: int, extra: int, snr: float, electrodes: int, method: str
) -> list[float]:
    """Return coverage, share with a score, and two medians of the perfect model's score over its ceiling."""
    counts = np.array([repeats] * n + [1] * extra)
    signal = np.sqrt(snr) * ar(rng, len(counts), electrodes)
    trials, names, means = [], [], []
    for i, count in enumerate(counts):
        given = signal[i] + ar(rng, count, electrodes)
        trials += list(given)
        names += [f"s{i}"] * count
        means.append(given.mean(axis=0))
    labels = tuple(f"e{i}" for i in range(electrodes))
    found = noise_ceiling(Responses("S", labels, 100.0, 0.0, tuple(names), tuple(trials)), method=method)
    share = (1 / counts).mean()
    truth = snr / (snr + share)
    inside = ((found["low"] <= truth) & (truth <= found["high"])).mean()
    y, fold = np.array(means), np.arange(len(counts)) % FOLDS
    errors = np.square(y - signal).sum(axis=1)
    own, train = np.empty((2, FOLDS, electrodes))
    for k in range(FOLDS):
        part = y[fold == k]
        own[k] = np.square(part - part.mean(axis=(0, 1))).sum(axis=(0, 1))
        train[k] = np.square(part - y[fold != k].mean(axis=(0, 1))).sum(axis=(0, 1))
    sse = np.array([errors[fold == k].sum(axis=0) for k in range(FOLDS)])
    shares = np.array([(1 / counts[fold == k]).mean() for k in range(FOLDS)])
    frames = np.array([FRAMES * (fold == k).sum() for k in range(FOLDS)])
    of_folds = ceiling_of_folds(found["snr"].to_numpy(), shares, frames, train, own)
    of_training = normalised(1 - sse.sum(axis=0) / train.sum(axis=0), found)
    ratios = ((1 - sse / own).mean(axis=0) / of_folds, of_training)
    given = found["determined"].mean()
    return [inside, given, *(np.nanmedian(r) if np.isfinite(r).any() else np.nan for r in ratios)]


def main() -> None:
    """Print a row for each design and ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--electrodes", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stimuli", type=int, nargs="+", default=[5, 10, 20, 50], help="designs with so many repeated")
    parser.add_argument("--method", choices=tuple(METHODS), default="variance")
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    print("| stimuli × repeats + once | S / N | coverage | with a score | R² of folds over it | R² training over it |")
    print("| --- | --- | --- | --- | --- | --- |")
    for n, repeats, extra in DESIGNS:
        if n not in given.stimuli:
            continue
        for snr in SNR:
            row = design(rng, n, repeats, extra, snr, given.electrodes, given.method)
            cells = [f"{row[0]:.3f}", f"{row[1]:.2f}", *("–" if np.isnan(v) else f"{v:.3f}" for v in row[2:])]
            print(f"| {n} × {repeats} + {extra} | {snr:g} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
