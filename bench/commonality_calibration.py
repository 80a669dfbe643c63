"""Commonality against planted shares: what two spaces say alike of responses, and what each says alone.

Two spaces are mixtures of latents that both know and of latents of their own; responses follow each kind by a planted
share of their variance, through filters over the lags, and the rest is AR(1) noise. Simulated here in NumPy.

    python bench/commonality_calibration.py [--repetitions 20] [--stimuli 60 200]
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
from scipy.signal import lfilter

from heschl.linear import common_variance

LATENTS, WIDTH, LAGS, FOLDS, ELECTRODES, MEMORY = 4, 12, 4, 5, 12, 0.9
ALPHAS = np.geomspace(1e0, 1e5, 6)
PLANTED = ((0.0, 0.0, 0.0), (0.2, 0.0, 0.0), (0.0, 0.15, 0.15), (0.1, 0.1, 0.1), (0.0, 0.0, 0.3), (0.15, 0.0, 0.15))
"""Shares of what both know, of what the first alone knows, of what the second alone knows."""


def slow(rng, lengths, width):
    """AR(1) noise of unit variance that each stimulus begins anew."""
    parts = []
    for n in lengths:
        x = rng.standard_normal((n, width))
        x[1:] *= np.sqrt(1 - MEMORY**2)
        parts.append(lfilter([1.0], [1.0, -MEMORY], x, axis=0))
    return np.concatenate(parts)


def followed(rng, latents, lengths):
    """Responses of unit variance that follow latents over the lags."""
    out, ends = np.zeros((len(latents), ELECTRODES)), np.cumsum(lengths)
    for lag in range(LAGS):
        drive = latents @ rng.standard_normal((latents.shape[1], ELECTRODES))
        for end, n in zip(ends, lengths, strict=True):
            out[end - n + lag : end] += drive[end - n : end - lag]
    return (out - out.mean(axis=0)) / out.std(axis=0)


def found(seed, n_stimuli, planted):
    """Medians over electrodes of the common part and of what each space explains alone."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(40, 90, n_stimuli)
    latents = [slow(rng, lengths, LATENTS) for _ in planted]
    spaces = {
        name: np.concatenate([latents[0], own], axis=1) @ rng.standard_normal((2 * LATENTS, WIDTH))
        for name, own in (("first", latents[1]), ("second", latents[2]))
    }
    y = np.sqrt(1 - sum(planted)) * slow(rng, lengths, ELECTRODES)
    y += sum(np.sqrt(share) * followed(rng, part, lengths) for share, part in zip(planted, latents, strict=True))
    parts = common_variance(
        spaces, y, segments=lengths, folds=rng.permutation(n_stimuli) % FOLDS, lags=range(LAGS), alphas=ALPHAS
    )
    return [float(np.median(parts.part(name))) for name in ("common", "unique_first", "unique_second")]


def main() -> None:
    """Print a row for each triple of planted shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--stimuli", type=int, nargs="+", default=[60, 200])
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    print("| stimuli | planted: common, first, second | common | first alone | second alone | s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for n_stimuli in given.stimuli:
        for planted in PLANTED:
            begin = time.process_time()
            values = np.array([found(seed, n_stimuli, planted) for seed in range(given.repetitions)])
            half = 1.96 * values.std(axis=0, ddof=1) / np.sqrt(len(values))
            cells = [f"{m:.3f} ± {h:.3f}" for m, h in zip(values.mean(axis=0), half, strict=True)]
            print(f"| {n_stimuli} | {', '.join(f'{p:g}' for p in planted)} | {' | '.join(cells)} | "
                  f"{time.process_time() - begin:.0f} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
