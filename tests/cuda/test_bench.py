"""bench/gpu.py runs: its figures are another matter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench" / "gpu.py"


def test_the_benchmark_runs_on_tiny_problems() -> None:
    command = [sys.executable, "-W", "ignore", str(BENCH), "--small"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ.copy())
    table = done.stdout[done.stdout.index("| case |") :]
    assert "Error" not in table, table
    for case in (
        "product float64",
        "split in halves",
        "first fit",
        "Cholesky",
        "eigendecomposition",
        "host to device",
        "moments",
        "speech layer, nested",
        "one subject",
        "language layer",
        "CCA pairs",
        "singular values",
        "grid, nested",
        "test rows",
        "together",
    ):
        assert case in table, table
