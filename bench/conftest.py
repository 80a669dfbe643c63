"""Benchmarks are run one at a time, on a quiet machine: see README.md. `--quick` only tries their code."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.linalg.blas import sgemm
from threadpoolctl import threadpool_info, threadpool_limits

sys.path.insert(0, str(Path(__file__).parent))

import memory
from problems import Case

Answer = Any


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="tiny problems, once each: tries the code, measures nothing")
    parser.addoption("--solver", help="of full_size_layer.py: this one alone")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--quick"):  # one thread everywhere, as tiny problems on a busy machine want it
        os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", NUMBA_NUM_THREADS="1")


@pytest.fixture(scope="session")
def quick(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether only to try the code; NumPy's and SciPy's BLAS are loaded by now and want to be told by themselves."""
    chosen = bool(request.config.getoption("--quick"))
    with threadpool_limits(1) if chosen else nullcontext():
        yield chosen


@pytest.fixture(scope="session")
def sized(quick: bool) -> Callable[[Any], Any]:
    """A problem as it is measured, or its small sibling."""

    def choose(case: Case) -> Case:
        return case.quick() if quick else case

    return choose


def sgemm_rate(size: int) -> float:
    """Operations per second of one sgemm of `size`, median of three after one to warm up."""
    A = np.asfortranarray(np.random.default_rng(0).standard_normal((size, size), dtype=np.float32))
    times = []
    for _ in range(4):
        begin = time.perf_counter()
        sgemm(1.0, A, A)
        times.append(time.perf_counter() - begin)
    return 2.0 * size**3 / float(np.median(times[1:]))


@pytest.fixture
def measure(benchmark: Any, quick: bool) -> Callable[..., Answer]:
    """Time a call `rounds` times in the name of a rival and return its answer."""

    def run(group: str, rival: str, call: Callable[[], Answer], *, rounds: int = 5, warmup: int = 1) -> Answer:
        benchmark.group = group
        benchmark.extra_info["rival"] = rival
        if quick:
            rounds, warmup = 1, 0
        return benchmark.pedantic(call, rounds=rounds, warmup_rounds=warmup)

    return run


@pytest.fixture
def against_limit(benchmark: Any, quick: bool) -> Callable[[float], None]:
    """Note the operations of one call, and at which fraction of sgemm's rate, measured now, they were done."""

    def note(operations: float) -> None:
        rate = sgemm_rate(256 if quick else 3072)
        benchmark.extra_info["operations"] = operations
        benchmark.extra_info["sgemm_rate"] = rate
        benchmark.extra_info["fraction_of_sgemm"] = operations / benchmark.stats.stats.median / rate

    return note


@pytest.fixture
def note_memory(benchmark: Any) -> Callable[..., None]:
    """Note a call's peak memory above its arguments, in a process of its own, and how much of it is the answer."""

    def note(function: Callable[..., Any], arguments: tuple[Any, ...], warm: tuple[Any, ...], answer: int = 0) -> None:
        peak = memory.peak(function, arguments, warm)
        if peak is not None:
            benchmark.extra_info["peak_bytes"] = peak
            benchmark.extra_info["answer_bytes"] = answer

    return note


def pytest_benchmark_update_machine_info(config: Any, machine_info: dict[str, Any]) -> None:
    machine_info.pop("node", None)  # what the machine is, not what it is called
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        machine_info["memory_bytes"] = int(meminfo.read_text().split()[1]) * 1024
    machine_info["quick"] = bool(config.getoption("--quick"))
    machine_info["packages"] = _versions()
    keys = {"user_api", "internal_api", "version", "num_threads", "architecture"}
    machine_info["thread_pools"] = [
        {key: value for key, value in pool.items() if key in keys} for pool in threadpool_info()
    ]


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("heschl", "numpy", "scipy", "scikit-learn", "numba", "torch", "himalaya", "mtrf", "mne"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found
