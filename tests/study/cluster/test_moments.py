"""Features that no worker could hold: the peak memory of workers and client while their moments are summed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import heschl.linear.moments.distributed as distributed
from heschl import LaggedRidgeCV

PART_BYTES, N_PARTS, WIDTH = 4 << 20, 40, 64
MOST_PARTS = 16
"""That a process may hold at once: what is read, what is made of it, what Dask fetches ahead, and Dask's own; of 40."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="peaks are read from /proc")


def forget_peak() -> int:
    """Let the peak of this process begin anew; return what it holds now, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return status("VmRSS")


def status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def test_peak_memory(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import dask.array as da

    monkeypatch.setattr(distributed, "CHUNK_BYTES", PART_BYTES)
    rows = PART_BYTES // (4 * WIDTH)

    def fitted(n_parts: int) -> LaggedRidgeCV:
        chance = da.random.default_rng(0)
        X = chance.standard_normal((rows * n_parts, WIDTH), chunks=(rows, WIDTH), dtype=np.float32)
        return LaggedRidgeCV(lags=range(3), cv=4, alphas=[1.0]).fit(X, X[:, 0], segments=[rows] * n_parts)

    fitted(4)  # loads libraries
    before, own = client.run(forget_peak), forget_peak()
    model = fitted(N_PARTS)
    assert abs(model.coef_[0, 0] - 1.0) < 0.01
    for address, peak in client.run(status, "VmHWM").items():
        assert peak - before[address] < MOST_PARTS * PART_BYTES, f"{(peak - before[address]) / 1e6:.0f} MB"
    assert status("VmHWM") - own < MOST_PARTS * PART_BYTES
