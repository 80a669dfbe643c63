"""Threads of a kernel begin on other CPUs than their caller's, which stays free to go where it might before."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
import os, sys
import numpy as np
from heschl import _core

n_threads, cpus = int(sys.argv[1]), {int(cpu) for cpu in sys.argv[2].split(",")}
os.sched_setaffinity(0, cpus)
Y = np.random.default_rng(0).standard_normal((2000, 512))
bounds, fold, shift = np.array([[0, len(Y)]]), np.array([0]), np.zeros((2, 512))
def sums(n_threads):
    out = np.empty((6, 512))
    _core.score_sums(Y, Y, bounds, fold, shift, out, n_threads)
    return out
expected = sums(1)
# Many short calls: in some of them a thread is over before its caller goes on.
print(all(np.array_equal(sums(n_threads), expected) and os.sched_getaffinity(0) == cpus for _ in range(300)))
"""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs a system that restricts threads to CPUs")
@pytest.mark.parametrize("n_threads", [2, 5])
@pytest.mark.parametrize("n_cpus", [1, 2, None])
def test_a_kernel_leaves_its_caller_where_it_was(n_threads: int, n_cpus: int | None) -> None:
    cpus = sorted(os.sched_getaffinity(0))[:n_cpus]
    command = [sys.executable, "-c", CODE, str(n_threads), ",".join(map(str, cpus))]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    found = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert (found.returncode, found.stdout.strip()) == (0, "True"), found.stderr
