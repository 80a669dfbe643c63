"""CCA: one pair of layers, every pair of two models' layers streamed from disk, and the kernel under it."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import ours
import pytest
from baselines import cca
from problems import CCA_LAYER, CCA_PAIR, CCA_PAIR_TWO_PASSES, CcaCase
from scipy.linalg.blas import dgemm, sgemm

PAIRS = {"CCA, one pair": CCA_PAIR, "CCA, one pair, κ = 1e5": CCA_PAIR_TWO_PASSES}
RIVALS = {
    "NumPy, QR and SVD": (cca.numpy_qr, 1e-10),
    "NumPy, Cholesky and SVD": (cca.numpy_cholesky, 1e-6),
    "cca-zoo": (cca.cca_zoo, 1e-3),
    "scikit-learn": (cca.scikit_learn, 5e-3),
}


@pytest.mark.parametrize("rival", ["heschl", *RIVALS])
@pytest.mark.parametrize("group", list(PAIRS))
def test_pair(measure: Any, sized: Any, group: str, rival: str) -> None:
    case = sized(PAIRS[group])
    X, Y = case.data()
    expected = cca.numpy_qr(X, Y, case.k)
    if rival == "heschl":
        found = measure(group, rival, lambda: ours.cca(X, Y, case.k), rounds=7)
        assert np.abs(found - expected).max() < max(1e-10, 100 * np.finfo(np.float64).eps * case.condition)
        return
    if rival == "scikit-learn" and group != "CCA, one pair":
        pytest.skip("minutes, and measured once")
    if rival == "cca-zoo":
        pytest.importorskip("cca_zoo")
    run, tolerance = RIVALS[rival]
    rounds, warmup = (1, 0) if rival == "scikit-learn" else (5, 1)
    found = measure(group, rival, lambda: run(X, Y, case.k), rounds=rounds, warmup=warmup)
    if case is PAIRS[group]:  # iterations have not converged on tiny problems
        assert np.abs(np.sort(found)[::-1] - expected).max() < tolerance


@pytest.mark.parametrize("rival", ["heschl", "NumPy, svd of the stack", "NumPy, svd, values only"])
def test_batch(measure: Any, quick: bool, rival: str) -> None:
    """576 whitened cross-matrices of 200 × 300, the top 50."""
    count, rows, cols, k = (6, 20, 30, 5) if quick else (576, 200, 300, 50)
    M = np.random.default_rng(9).standard_normal((count, rows, cols)) / cols**0.5 / 2
    if rival == "heschl":
        found = measure("CCA, 576 cross-matrices", rival, lambda: ours.top_singular_values(M, k))
        assert np.abs(found - np.linalg.svd(M, compute_uv=False)[:, :k]).max() < 1e-10
    else:
        vectors = "stack" in rival
        measure("CCA, 576 cross-matrices", rival, lambda: np.linalg.svd(M, compute_uv=vectors), rounds=2)


def test_grid(measure: Any, quick: bool, benchmark: Any, tmp_path: Path) -> None:
    """4 × 8 layers of 768 and 1600 in float32, 58,943 frames, each a file on disk; NumPy's loop by one of its pairs."""
    shape, k = ((2, 3), 5) if quick else ((4, 8), 50)
    case: CcaCase = CCA_LAYER.quick() if quick else CCA_LAYER
    X, Y = case.data()
    rng = np.random.default_rng(10)
    layers: list[dict[str, Any]] = [{}, {}]
    for side, (base, count) in enumerate(zip((X, Y), shape, strict=True)):
        for i in range(count):
            path = tmp_path / f"{side}-{i}.npy"
            np.save(path, base + np.float32(0.3 * i) * rng.standard_normal(base.shape, dtype=np.float32))
            layers[side][str(i)] = partial(np.load, path, mmap_mode="r")
    last = [layers[side][str(shape[side] - 1)]().astype(np.float64) for side in (0, 1)]
    begin = time.perf_counter()
    expected = cca.numpy_qr(*last, k)
    pair = time.perf_counter() - begin
    found = measure("CCA, 4 × 8 layers", "heschl", lambda: ours.cca_grid(*layers, k), rounds=1, warmup=0)
    assert np.abs(found[-1, -1] - expected).max() < 1e-5
    n, dx, dy = case.n, case.dx, case.dy
    # Two Gram matrices and a triangular solve for each layer in float64 (half a product each), products in float32.
    whitening = 3.0 * n * (shape[0] * dx**2 + shape[1] * dy**2)
    products = 2.0 * n * dx * dy * shape[0] * shape[1]
    size = 256 if quick else 3072
    single, double = _rate(sgemm, size, np.float32), _rate(dgemm, size, np.float64)
    limit = whitening / double + products / single
    benchmark.extra_info["counted"] = {"NumPy, QR and SVD of each pair": pair * shape[0] * shape[1]}
    benchmark.extra_info["fraction_of_sgemm"] = limit / benchmark.stats.stats.median


def _rate(gemm: Any, size: int, dtype: Any) -> float:
    A = np.asfortranarray(np.random.default_rng(0).standard_normal((size, size)), dtype=dtype)
    times = []
    for _ in range(4):
        begin = time.perf_counter()
        gemm(1.0, A, A)
        times.append(time.perf_counter() - begin)
    return 2.0 * size**3 / float(np.median(times[1:]))
