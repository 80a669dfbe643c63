"""How much longer a path by Krylov spaces takes, at worst, than the cheaper of spaces alone and factoring alone.

Nobody knows beforehand how many steps a problem needs. Worlds: R² from 0 to 0.99, spectra from flat to steep, 1 to p
targets; one training set, 10 λ, one test set.

    taskset -c 1 python bench/price_bound.py   # p = 640 and 1,280: ten minutes of one core
    python bench/price_bound.py --quick        # tries the code
"""

from __future__ import annotations

import argparse
import time
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from heschl.linear.design.frames import Frames
from heschl.linear.device.threads import one_blas_thread
from heschl.linear.ridge.krylov import Krylov
from heschl.linear.ridge.normal import PrecisionError
from heschl.linear.ridge.price import Price
from heschl.linear.ridge.primal import Primal
from heschl.linear.ridge.problem import Problem

Array = NDArray[Any]
LAGS, ROUNDS = 10, 5
DECAYS = {"flat": 0.0, "as a model's": 0.7, "steep": 2.0}  # standard deviation falls as rank^-decay
STRENGTHS = (0.0, 0.3, 0.9, 0.99)


def world(p: int, n: int, c: int, decay: float, strength: float) -> tuple[Array, Array, list[Array]]:
    """Features, responses, and the segments of a training and a test set."""
    rng = np.random.default_rng(0)
    d = p // LAGS
    H = (rng.standard_normal((n, d)) * np.arange(1.0, d + 1) ** -decay) @ rng.standard_normal((d, d))
    for t in range(1, n):
        H[t] += 0.8 * H[t - 1]
    H /= H.std(axis=0)
    Y = sum(np.roll(H @ rng.standard_normal((d, c)), lag, axis=0) for lag in (0, 2, 5))
    Y = Y / Y.std(axis=0) * strength**0.5 + rng.standard_normal((n, c)) * (1.0 - strength) ** 0.5
    edges = np.linspace(0, n, 41).astype(np.int64)
    bounds = np.stack([edges[:-1], edges[1:]], axis=1)
    return H.astype(np.float32), Y.astype(np.float32), [bounds[:32], bounds[32:]]


def seconds(solver: Primal, alphas: Array) -> float:
    """CPU seconds of a path, moments aside."""
    begin = time.process_time()
    solver.train([0], solver.scratch()).errors(alphas, [[1]])
    return time.process_time() - begin


def ways(problem: Problem, parts: list[Array], alphas: Array) -> Array:
    """CPU seconds by Krylov spaces as they are priced, by spaces alone, and by Cholesky: the least of some rounds."""
    krylov, exact, found = Krylov(problem, parts), Primal(problem, parts), []
    for _ in range(ROUNDS):
        both = seconds(krylov, alphas)
        with mock.patch.object(Price, "too_dear", lambda *_: False):
            alone = seconds(krylov, alphas)
        found.append((both, alone, seconds(exact, alphas)))
    return np.min(found, axis=0)


def main() -> None:
    """Print a row for each size and number of targets: the worst world, and what each way took there."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    worst = 0.0
    print("| p | targets | worst ratio | spectrum, R² | krylov | spaces alone | Cholesky |")
    print("| ---: | ---: | ---: | --- | ---: | ---: | ---: |")
    with one_blas_thread():
        for p in (80,) if quick else (640, 1280):
            for c in (1, 30, p // 4, p):
                rows = []
                for name, decay in DECAYS.items():
                    for strength in STRENGTHS:
                        H, Y, parts = world(p, 4 * p, c, decay, strength)
                        problem = Problem(Frames.of(H), Y, range(LAGS))
                        alphas = float(len(H)) * np.logspace(-4.0, 2.0, 10)
                        try:
                            both, alone, exact = ways(problem, parts, alphas)
                        except PrecisionError:  # as the estimators do
                            both, alone, exact = ways(problem.in_float64(), parts, alphas)
                        rows.append((both / min(alone, exact), f"{name}, {strength}", both, alone, exact))
                ratio, where, *times = max(rows)
                worst = max(worst, ratio)
                cells = [f"{p:,}", f"{c:,}", f"{ratio:.2f}", where, *(f"{1e3 * t:.0f} ms" for t in times)]
                print("| " + " | ".join(cells) + " |", flush=True)
    print(f"worst ratio {worst:.2f}; to be at most 1.3")


if __name__ == "__main__":
    main()
