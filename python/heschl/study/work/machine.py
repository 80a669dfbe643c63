"""What this machine has to give: memory, disk, GPUs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from heschl.linear.device.status import cuda_status

MEMINFO = Path("/proc/meminfo")
VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The variable that says which GPUs a process sees: numbers or names, by commas; all where it is not set."""


def free_memory() -> float:
    """Return the bytes of memory that are free, or all there are where the system does not say."""
    return _meminfo("MemAvailable:") or total_memory()


def total_memory() -> float:
    """Return the bytes of memory of the machine."""
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def free_disk(folder: Path) -> float:
    """Return the bytes that are free where a folder is, or would be."""
    while not folder.exists():
        folder = folder.parent
    return float(shutil.disk_usage(folder).free)


def gpus() -> list[str]:
    """Return the GPUs that heschl can use, each by the value of `VISIBLE` with which a process sees it alone."""
    found = cuda_status()
    if not found.available:
        return []
    named = os.environ.get(VISIBLE, "").split(",") if VISIBLE in os.environ else map(str, range(len(found.devices)))
    return [name.strip() for name in named][: len(found.devices)]


def _meminfo(name: str) -> float | None:
    if MEMINFO.exists():
        for line in MEMINFO.read_text().splitlines():
            if line.startswith(name):
                return float(line.split()[1]) * 1024
    return None
