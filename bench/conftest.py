"""Benchmarks are run one at a time, on a quiet machine: pytest bench --benchmark-only."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def gemm_rate() -> float:
    """Measured rate of sgemm at n = 3072, operations per second: the limit everything is held against."""
    import time

    from scipy.linalg.blas import sgemm

    A = np.asfortranarray(np.random.default_rng(0).standard_normal((3072, 3072)).astype(np.float32))
    sgemm(1.0, A, A)
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        sgemm(1.0, A, A)
        times.append(time.perf_counter() - begin)
    return 2 * 3072**3 / float(np.median(times))


def pytest_benchmark_update_machine_info(config: Any, machine_info: dict[str, Any]) -> None:
    machine_info.pop("node", None)  # what the machine is, not what it is called
