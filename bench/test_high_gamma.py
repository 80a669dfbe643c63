"""High gamma of raw recordings: beside SciPy's loop over channels and bands; memory of a long recording."""

from __future__ import annotations

from typing import Any

import numpy as np
import ours
import pytest
from baselines.high_gamma import scipy_loop


def samples(quick: bool) -> np.ndarray:
    """Two minutes of 32 channels at 3 kHz."""
    n, channels = (6_000, 2) if quick else (360_000, 32)
    rng = np.random.default_rng(0)
    return 1e-4 * rng.standard_normal((n, channels))


@pytest.mark.parametrize("rival", ["heschl", "SciPy, a loop over channels and bands"])
def test_high_gamma(measure: Any, quick: bool, rival: str) -> None:
    values = samples(quick)
    centres, sigmas = ours.bands()
    expected = scipy_loop(values[:, :1], 3000.0, 100.0, centres, sigmas)
    if rival == "heschl":
        found = measure("high gamma", rival, lambda: ours.high_gamma_of(values, 3000.0), rounds=3)
    else:
        found = measure("high gamma", rival, lambda: scipy_loop(values, 3000.0, 100.0, centres, sigmas), rounds=1)
    middle = slice(40, len(found) - 40)
    a, b = found[middle, 0].astype(np.float64), expected[: len(found)][middle, 0]
    assert np.corrcoef(a, b)[0, 1] > 0.999  # two decimations; the amplitudes themselves agree to 1e-6 in the tests


def test_memory_of_a_recording(note_memory: Any, benchmark: Any, quick: bool, tmp_path: Any) -> None:
    """Six minutes of 256 channels at 3 kHz, float32, from disk: a longer one takes more for its answer alone."""
    n, channels = (30_000, 4) if quick else (1_080_000, 256)
    path = tmp_path / "raw.npy"
    made = np.lib.format.open_memmap(path, "w+", np.float32, (n, channels))
    rng = np.random.default_rng(1)
    for start in range(0, n, 30_000):
        made[start : start + 30_000] = 1e-4 * rng.standard_normal((min(30_000, n - start), channels), dtype=np.float32)
    made.flush()
    del made
    benchmark.group = "high gamma, six minutes of 256 channels at 3 kHz"
    benchmark.extra_info["rival"] = "heschl"
    benchmark.pedantic(ours.high_gamma_of_file, args=(str(path), 3000.0), rounds=1)
    note_memory(ours.high_gamma_of_file, (str(path), 3000.0, n), (str(path), 3000.0, 9000), n // 30 * channels * 4)
