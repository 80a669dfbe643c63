"""What every worker does as it begins: it says how much memory it has, whether it has a GPU, and takes one piece.

One piece at a time for each worker, with all of the worker's threads for BLAS: who wants pieces side by side on one
machine starts several workers there, as Dask advises for work that is mostly inside compiled libraries.
"""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path
from typing import Any

from distributed import Status, WorkerPlugin

from heschl.linear.device.status import EMULATE
from heschl.study.work.machine import VISIBLE, total_memory

PIECE, MEMORY, GPU = "PIECE", "MEMORY", "GPU"
KILLED_AT = 0.95
"""Share of its memory limit at which Dask ends a worker."""
NO_GPU = ("", "-1", "NoDevFiles", "void")
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
MAPPED_FROM = 32 << 20
"""Bytes from which glibc, by itself, comes to give arrays pages of their own; it trims its heap by twice as many."""


class Resources(WorkerPlugin):  # type: ignore[misc]
    """Declares the resources of a worker, but for those that it was started with."""

    name = "heschl-resources"

    async def setup(self, worker: Any) -> None:
        """Declare them."""
        allocate_as_usual()
        declared = worker.state.total_resources
        found = {PIECE: 1.0, MEMORY: memory_of(worker), GPU: float(has_gpu())}
        new = {name: value for name, value in found.items() if name not in declared}
        await worker.set_resources(**new)
        if new and worker.status is Status.running:
            # The scheduler looks for tasks that wait for want of workers when one begins, not when it says what it
            # has. Where all workers were gone at once, their tasks would wait for ever: so it begins again.
            worker.status = Status.paused
            worker.status = Status.running


def allocate_as_usual() -> None:
    """Allocate as processes do that Dask did not start, where the C library is glibc and nobody has set a threshold.

    Dask has its workers trim their heap from 64 KB on (MALLOC_TRIM_THRESHOLD_). By that glibc also gives each array of
    more than 128 KB pages of its own, which the system clears each time: in a study of small pieces a third of its
    time.
    """
    if platform.libc_ver()[0] == "glibc" and "MALLOC_MMAP_THRESHOLD_" not in os.environ:
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_THRESHOLD, MAPPED_FROM)
        library.mallopt(M_TRIM_THRESHOLD, 2 * MAPPED_FROM)


def memory_of(worker: Any) -> float:
    """Return the bytes that a piece may take on a worker, above what the worker has taken as it is."""
    limit = worker.memory_manager.memory_limit or total_memory()
    return float(max(0.0, KILLED_AT * limit - worker.monitor.get_process_memory()))


def has_gpu() -> bool:
    """Return whether this process may use a GPU; dask-cuda gives each of its workers one."""
    there = Path("/dev/nvidia0").exists() or EMULATE in os.environ
    return there and os.environ.get(VISIBLE, "all") not in NO_GPU
