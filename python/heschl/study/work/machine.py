"""What this machine has to give: memory, disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MEMINFO = Path("/proc/meminfo")


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


def _meminfo(name: str) -> float | None:
    if MEMINFO.exists():
        for line in MEMINFO.read_text().splitlines():
            if line.startswith(name):
                return float(line.split()[1]) * 1024
    return None
