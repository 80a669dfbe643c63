"""What workers do as they begin."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

pytest.importorskip("distributed")

FAULTS = """
import resource, sys
import numpy as np
from heschl.study.cluster.plugin import allocate_as_usual

if sys.argv[1] == "usual":
    allocate_as_usual()
np.ones(1 << 17).sum()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    np.ones(1 << 17).sum()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str, **env: str) -> int:
    """Pages that the system gave for 100 arrays of a megabyte, one after another, where Dask set its threshold."""
    env = {**os.environ, "MALLOC_TRIM_THRESHOLD_": "65536", **env}
    found = subprocess.run([sys.executable, "-c", FAULTS, how], env=env, capture_output=True, text=True, check=True)
    return int(found.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator of glibc")
def test_arrays_come_from_the_heap() -> None:
    """A worker does not have the system clear new pages for every array."""
    assert faults("dask") > 10_000  # 256 pages each
    assert faults("usual") < 1_000
    assert faults("usual", MALLOC_MMAP_THRESHOLD_="131072") > 10_000  # who has set one, knows why
