"""bench/gpu.py runs: its figures are another matter."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_a_case_alone_and_whatever_another_raises(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(BENCH.parent))
    bench = importlib.import_module("gpu_bench").Bench(1.0, True)
    bench.out = tmp_path / "card.json"

    def fail() -> None:
        raise ImportError("libcupti is not there")

    bench.run("profile", fail, 0.0)
    assert "libcupti" in json.loads(bench.out.read_text())["rows"][0]["note"]
    bench.run("factorisations", bench.factorisations, 0.0)
    kept = json.loads(bench.out.read_text())
    assert kept["device"] == bench.name and [path.name for path in tmp_path.iterdir()] == ["card.json"]
    assert kept["rows"][0]["met"] == "no" and len(kept["rows"]) == 4
