"""Where the system has no thread left to give, a kernel is slower, not wrong, and the interpreter goes on."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
import os, resource, sys
import numpy as np
from heschl import _core

n_threads, more = map(int, sys.argv[1:])
Y = np.random.default_rng(0).standard_normal((2000, 4096))
bounds, fold, shift = np.array([[0, len(Y)]]), np.array([0]), np.zeros((2, 4096))
def sums():
    out = np.empty((6, 4096))
    _core.score_sums(Y, Y, bounds, fold, shift, out, n_threads)
    return out
before = sums()
os.setgroups([]); os.setgid(23456); os.setuid(23456)  # root has no limit
limit = len(os.listdir("/proc/self/task")) + more
resource.setrlimit(resource.RLIMIT_NPROC, (limit, limit))
print(np.array_equal(sums(), before))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux") or os.geteuid() != 0, reason="needs root, to lower a limit")
@pytest.mark.parametrize(("n_threads", "more"), [(2, 0), (8, 0), (8, 1), (8, 3)])
def test_a_kernel_goes_on_with_the_threads_it_gets(n_threads: int, more: int) -> None:
    command = [sys.executable, "-c", CODE, str(n_threads), str(more)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    found = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert (found.returncode, found.stdout.strip()) == (0, "True"), found.stderr
