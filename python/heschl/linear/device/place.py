"""Which place a fit gets: where its arrays lie, what was asked for, or where it pays; and the memory there."""

from __future__ import annotations

from typing import Any

import numpy as np

from heschl.checks import InputError, check_choice
from heschl.linear.device.arrays import Array
from heschl.linear.device.backend import Backend
from heschl.linear.device.cuda import TF32, cuda_backend, cuda_status, device_of
from heschl.linear.device.host import HOST


def backend_of(array: Array) -> Backend:
    """Where an array lies."""
    if isinstance(array, np.ndarray):
        return HOST
    return device_of(array)


def check_device(device: Any, dtype: Any = None) -> None:
    """Refuse a device that is not known, or that cannot be used; and products of 10 bits anywhere but on a GPU."""
    check_choice("device", device, ("auto", "cpu", "cuda"))
    if dtype == TF32 and device != "cuda":
        raise InputError("dtype", f"'tf32' with device={device!r}", "float32 or float64", 'Or use device="cuda".')
    if device == "cuda":
        cuda_backend()


# "auto" goes to a GPU where that saves time by these operations per second, and seconds to get there.
CPU_RATE, GPU_RATE, GPU_START = 1e11, 1e13, 1.0


# Of a device's free memory, what a fit may plan with: the rest is for libraries' work space and what no plan sees.
FREE_SHARE = 0.85


def memory_limit(backend: Backend, given: float | None) -> float | None:
    """Bytes that a fit may take: as given, and on a device no more than are free."""
    if backend is HOST:
        return given
    free = FREE_SHARE * backend.free_memory
    return free if given is None else min(given, free)


def pays_on_gpu(here: float, there: float | None = None) -> bool:
    """Whether there is a GPU, and it saves more time than it takes to get there.

    Operations on the CPU, and on the GPU where they are others. The rates are guesses on the side of the CPU until they
    are measured (`bench/gpu.py`).
    """
    if here / CPU_RATE < GPU_START + (here if there is None else there) / GPU_RATE:
        return False
    return cuda_status().available
