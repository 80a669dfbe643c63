"""A bootstrap of subjects and of electrodes within them, compiled, beside NumPy. (Sign flips are products: NumPy's.)"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from heschl.study.statistics.resampling import _bootstrap_means

BOOTSTRAP = "hierarchical bootstrap, 16 subjects, 822 electrodes"


def numpy_bootstrap(values: np.ndarray, starts: np.ndarray, n_resamples: int, rng: np.random.Generator) -> np.ndarray:
    groups = [values[a:b] for a, b in itertools.pairwise(starts)]
    out = np.empty(n_resamples)
    for k in range(n_resamples):
        drawn = [groups[g] for g in rng.integers(0, len(groups), len(groups))]
        out[k] = np.concatenate([group[rng.integers(0, len(group), len(group))] for group in drawn]).mean()
    return out


@pytest.mark.parametrize("rival", ["heschl", "NumPy, a loop over resamples"])
def test_bootstrap(measure: Any, quick: bool, rival: str) -> None:
    n, groups, m = (40, 4, 50) if quick else (822, 16, 10_000)
    values = np.random.default_rng(1).standard_normal(n)
    starts = np.linspace(0, n, groups + 1).astype(np.int64)
    run = _bootstrap_means if rival == "heschl" else numpy_bootstrap
    found = measure(BOOTSTRAP, rival, lambda: run(values, starts, m, np.random.default_rng(2)), rounds=3)
    assert abs(found.mean() - values.mean()) < (0.3 if quick else 0.01)
