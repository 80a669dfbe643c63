"""How many components are counted as shared where the number is planted: [shared] of a study, without its models.

The simulator shares no code with heschl: two sides of 40 features, mixtures of latents that hold for a word, of which
some are shared at a correlation and all others are one side's own; with and without a time course that both sides
follow.

    python bench/components_calibration.py [--repetitions 20] [--stimuli 60 200] [--correlations 0 0.3 0.5 0.8]
                                           [--courses 0 2]
"""

from __future__ import annotations

import argparse
import time
import warnings
from types import SimpleNamespace

import numpy as np

WIDTH, SHARED, FRAMES_OF_A_WORD, FOLDS = 40, 10, 6, 5


def world(seed, n_stimuli, correlation, time_course):
    """What the count of components asks of a study's split of layers."""
    from heschl.linear import CCA
    from heschl.study.inputs.groups import FitGroup

    rng = np.random.default_rng(seed)
    lengths = rng.integers(60, 90, n_stimuli)
    sides = [[], []]
    for length in lengths:
        m = int(length) // FRAMES_OF_A_WORD
        shared, frame = rng.standard_normal((m, SHARED)), np.minimum(np.arange(length) // FRAMES_OF_A_WORD, m - 1)
        course = time_course * np.exp(-np.arange(length) / 10.0)[:, None]
        for side in sides:
            own = rng.standard_normal((m, WIDTH))
            own[:, :SHARED] = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own[:, :SHARED]
            side.append(own[frame] + course)
    a, b = (np.concatenate(side) @ rng.standard_normal((WIDTH, WIDTH)) for side in sides)
    names = tuple((f"s{i}", int(length)) for i, length in enumerate(lengths))
    y = np.zeros((int(lengths.sum()), 1), np.float32)
    group = FitGroup(("S",), ("e",), names, y, y[:, :0], rng.permutation(n_stimuli) % FOLDS)
    return SimpleNamespace(
        group=group, spoken=np.ones(len(y), bool), row_fold=np.repeat(group.folds, lengths), layers=[(0, 0)] * FOLDS,
        settings=SimpleNamespace(n_components=SHARED), encoding=SimpleNamespace(folds=FOLDS), cca=CCA(SHARED),
        width=lambda _: WIDTH, pair=lambda _: (a, b), counted_words=lambda: None,
    )  # fmt: skip


def counted(split, seed):
    """Components counted as shared."""
    import tempfile
    from pathlib import Path

    from heschl.study.analyses.fits.components import component_p_values, count_shared, write_components
    from heschl.study.statistics.tests import false_discovery_rate
    from heschl.study.work.cache import load_arrays

    with tempfile.TemporaryDirectory() as folder:
        write_components(split, (seed, 0), Path(folder) / "found.npz", lambda done, total: None)
        found = load_arrays(Path(folder) / "found.npz")["correlations"]
    p = component_p_values(found)
    return int(count_shared(p, false_discovery_rate(p)))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--stimuli", type=int, nargs="+", default=[60, 200])
    parser.add_argument("--correlations", type=float, nargs="+", default=[0.0, 0.3, 0.5, 0.8])
    parser.add_argument("--courses", type=float, nargs="+", default=[0.0, 2.0], help="size of the time course")
    given = parser.parse_args()
    print("| stimuli | correlation | time course | counted, of 10 | mean | within 20 % | s |")
    print("|---|---|---|---|---|---|---|")
    for n_stimuli in given.stimuli:
        for correlation in given.correlations:
            for time_course in given.courses:
                start = time.perf_counter()
                found = [counted(world(s, n_stimuli, correlation, time_course), s) for s in range(given.repetitions)]
                took = time.perf_counter() - start
                right = sum(abs(count - SHARED) <= 0.2 * SHARED for count in found) if correlation else found.count(0)
                half = 1.96 * np.std(found, ddof=1) / np.sqrt(len(found)) if len(found) > 1 else float("nan")
                mean = f"{np.mean(found):.1f} ± {half:.1f} | {right} of {len(found)}"
                print(f"| {n_stimuli} | {correlation} | {time_course} | {found} | {mean} | {took:.0f} |", flush=True)
