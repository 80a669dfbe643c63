"""The exchange test on real ECoG whose sounds were shuffled: how often it rejects where nothing is true.

    python bench/song_ecog_calibration.py FOLDER [--shuffles 100] [--permutations 59]

FOLDER holds responses.npz (responses (sounds, samples, electrodes) at 100 Hz, stimuli, category) and the sounds as WAV
of those names, as published with Norman-Haignere et al. (Current Biology 2022). The mel spectrum of the sounds, at lags
of 0 to 0.4 s, is given to responses to other sounds: to those of any other sound; and to those of another sound of the
same category, with exchanges within categories (`sessions`), for of its category such a sound still tells. Beside them
the true sounds, and sounds shuffled within category under the test that exchanges all: that finds categories, rightly.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.stats import beta

from heschl.features import mel_spectrogram
from heschl.linear import exchange_test
from heschl.timing.audio import read_mono

RATE, FRAMES, LAGS, BANDS, ALPHAS = 12.5, 37, range(6), 12, np.logspace(0, 5, 6)
LEVEL = 0.05


def load(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mel spectra (sounds, FRAMES, bands), responses (sounds, FRAMES, electrodes), and categories."""
    with np.load(folder / "responses.npz") as found:
        names, category = [str(name) for name in found["stimuli"]], found["category"]
        responses = found["responses"][:, : 8 * FRAMES].astype(np.float64)
    y = responses.reshape(len(names), FRAMES, 8, -1).mean(axis=2)
    spectra = []
    for name in names:
        sound, rate, _ = read_mono(next(folder.rglob(f"{name.removesuffix('.wav')}.wav")))
        mel, grid = mel_spectrogram(sound, rate, n_mels=BANDS)
        times = (np.arange(FRAMES) + 0.5) / RATE
        at = np.searchsorted(grid.times(len(mel)), times)
        heard = times < len(sound) / rate
        rows = np.stack([mel[max(0, a - 4) : a + 4].mean(axis=0) if a < len(mel) else mel[-1] for a in at])
        spectra.append(np.where(heard[:, None], rows, mel.min()))
    return np.array(spectra, dtype=np.float32), y.astype(np.float32), category


def shuffled(rng: np.random.Generator, blocks: np.ndarray) -> np.ndarray:
    """Return which sound each response is given: another of its block, at random."""
    order = np.arange(len(blocks))
    for block in np.unique(blocks):
        inside = np.flatnonzero(blocks == block)
        order[inside] = rng.permutation(inside)
    return order


def rejections(X: np.ndarray, y: np.ndarray, sessions: np.ndarray | None, permutations: int, seed: int) -> np.ndarray:
    """Return p of each electrode, and the smallest corrected over electrodes at the end."""
    n = len(X)
    found = exchange_test(
        {"mel": X.reshape(n * FRAMES, -1)}, y.reshape(n * FRAMES, -1), segments=[FRAMES] * n,
        folds=np.random.default_rng(0).permutation(n) % 5, lags=LAGS, alphas=ALPHAS, sessions=sessions,
        n_permutations=permutations, random_state=seed,
    )["mel"]  # fmt: skip
    return np.append(found.p_values, found.p_values_max.min())


def main() -> None:
    """Print rejection rates with 95 % intervals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shuffles", type=int, default=100)
    parser.add_argument("--permutations", type=int, default=59)
    args = parser.parse_args()
    X, y, category = load(args.folder)
    one = np.zeros(len(X), dtype=int)
    rng = np.random.default_rng(1)
    print(f"{len(X)} sounds, {y.shape[2]} electrodes, {args.permutations} permutations", flush=True)
    cases = {
        "true sounds": (None, None, 1),
        "shuffled": (one, None, args.shuffles),
        "shuffled within category, exchanged within category": (category, category, args.shuffles),
        "shuffled within category, exchanged among all": (category, None, max(1, args.shuffles // 20)),
    }
    for name, (blocks, sessions, times) in cases.items():
        p = np.array([
            rejections(X if blocks is None else X[shuffled(rng, blocks)], y, sessions, args.permutations, seed)
            for seed in range(times)
        ])  # fmt: skip
        rates = (p[:, :-1] <= LEVEL).mean(axis=1)
        half = 1.96 * rates.std(ddof=1) / np.sqrt(times) if times > 1 else float("nan")
        any_of, n = int((p[:, -1] <= LEVEL).sum()), times
        low, high = beta.ppf([0.025, 0.975], [max(any_of, 1e-9), any_of + 1], [n - any_of + 1, max(n - any_of, 1e-9)])
        print(f"{name} ({times}): p <= {LEVEL} at {rates.mean():.3f} ± {half:.3f} of electrodes; "
              f"family-wise {any_of / n:.3f} [{low:.3f}, {high:.3f}]", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
