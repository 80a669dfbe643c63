"""Every call into CUDA that fails is an error that names it, leaves nothing behind, and spoils no later fit.

On the emulation alone: a GPU does not fail on demand.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from heschl import LaggedRidgeCV, cca_grid
from heschl.linear.device import cuda
from heschl.linear.device.cuda import Device
from linear.problems import make
from tolerances import COEFFICIENTS, worst

PROBLEM = make(0, [40, 25, 60, 30, 45, 50], 4, 3, range(-1, 5))
OUT_OF_MEMORY, ILLEGAL_ADDRESS = 2, 700
# Of the runtime, of cuBLAS and of cuSOLVER: what a fit calls, with how often before. Later calls of cudaGetDevice may
# be those of memory that is given back, which raises nothing.
OF_A_FIT = {
    "cudaGetDevice": (0,), "cudaMallocFromPoolAsync": (0, 3, 40), "cudaMemcpyAsync": (0, 5, 30),
    "cudaMemsetAsync": (0, 4),
    "cudaEventSynchronize": (0, 7), "cudaEventRecord": (0, 7), "cudaStreamSynchronize": (0, 1),
    "cudaGetLastError": (0, 20, 60), "cudaMemGetInfo": (0,), "cudaMemPoolGetAttribute": (0, 1),
    "cudaMemPoolTrimTo": (0,), "cudaLaunchHostFunc": (0, 1), "cublasDgemmStridedBatched_64": (0, 1),
    "cublasDsyrk_v2_64": (0, 1), "cublasDsymm_v2_64": (0,), "cublasDtrsm_v2_64": (0, 1),
    "cusolverDnXpotrf_bufferSize": (0,), "cusolverDnXpotrf": (0, 2),
}  # fmt: skip
SAID = {
    "cudaGetLastError": "a kernel could not be launched",
    "cublasDgemmStridedBatched_64": "cublas gemmStridedBatched failed",
    "cublasDsyrk_v2_64": "cublas syrk failed", "cublasDsymm_v2_64": "cublas symm failed",
    "cublasDtrsm_v2_64": "cublas trsm failed",
}  # fmt: skip
OF_A_START = [
    "cudaGetDevice", "cudaDeviceGetAttribute", "cudaStreamCreateWithFlags", "cudaMallocHost",
    "cudaEventCreateWithFlags", "cublasCreate_v2",
    "cublasSetStream_v2", "cublasSetMathMode", "cusolverDnCreate", "cusolverDnSetStream", "cusolverDnCreateParams",
    "cudaMemPoolCreate", "cudaMemPoolSetAttribute",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _emulated(device: Device, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not device.module.emulated:
        pytest.skip("a GPU does not fail on demand")
    monkeypatch.setattr(cuda, "CUDA", replace(cuda.CUDA, path_columns=0))  # with the factorisations of larger problems
    gc.freeze()  # what other tests left is not looked through, which takes most of a second
    yield
    gc.unfreeze()


def fit() -> Any:
    model = LaggedRidgeCV(PROBLEM.lags, alphas=[10.0, 100.0, 1000.0], cv=3, solver="cholesky", device="cuda")
    return model.fit(PROBLEM.H, PROBLEM.Y, segments=PROBLEM.lengths).coef_


@pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")
@pytest.mark.parametrize(("function", "skipped"), [(name, k) for name, ks in OF_A_FIT.items() for k in ks])
def test_a_call_of_a_fit_fails(device: Device, function: str, skipped: int) -> None:
    expected = fit()
    gc.collect()
    before = device.module.alive()
    device.module.fail(function, ILLEGAL_ADDRESS, skipped)
    with pytest.raises(RuntimeError, match=SAID.get(function, function)):
        fit()
    gc.collect()
    assert device.module.alive() == before
    assert worst(fit(), expected) < COEFFICIENTS["float64"]


def test_out_of_memory_in_the_middle_of_a_fit(device: Device) -> None:
    fit()
    gc.collect()
    before = device.module.alive()
    device.module.fail("cudaMallocFromPoolAsync", OUT_OF_MEMORY, 25)
    with pytest.raises(MemoryError, match=r"device memory: .* a smaller memory_limit takes fewer"):
        fit()
    gc.collect()
    assert device.module.alive() == before


@pytest.mark.parametrize(("function", "status"), [("cublasDtrsm_v2_64", 3), ("cusolverDnXpotrf", 2)])
def test_a_library_without_memory_is_a_memory_error(device: Device, function: str, status: int) -> None:
    device.module.fail(function, status, 0)
    with pytest.raises(MemoryError, match=r"device memory: .* a smaller memory_limit takes fewer"):
        fit()


def test_the_callers_current_device_is_left_as_it_is(device: Device) -> None:
    expected = fit()
    try:
        device.module.set_device(1)  # as torch.cuda.set_device(1) does
        assert worst(fit(), expected) < COEFFICIENTS["float64"]  # launches on a stream of another GPU would fail
        assert device.module.current_device() == 1
    finally:
        device.module.set_device(0)


@pytest.mark.parametrize(("function", "n_layers"), [("cusolverDnXsyevd", 1), ("cusolverDnXsyevBatched", 2)])
def test_an_eigendecomposition_that_fails(device: Device, function: str, n_layers: int) -> None:
    rng = np.random.default_rng(0)
    layers = {str(i): rng.standard_normal((50, 4)) for i in range(n_layers)}
    device.module.fail(function, 6, 0)
    with pytest.raises(RuntimeError, match=f"{function} failed with status 6"):
        cca_grid(layers, layers, device="cuda")


def test_a_device_that_does_not_start() -> None:
    code = f"""
from heschl.linear.device.status import cuda_status, extension
module = extension()
assert cuda_status().available and module.alive() == 0
for function in {OF_A_START!r}:
    module.fail(function, 700, 0)
    try:
        module.Context.of(0, True)
    except RuntimeError as error:
        print(error)
    else:
        raise AssertionError(function)
    assert module.alive() == 0, function
context = module.Context.of(0, True)
for function in ("cudaGetDeviceCount", "cudaGetDeviceProperties"):
    module.fail(function, 100, 0)
    assert function in str(cuda_status()), function
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ.copy())
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("an emulated failure") + done.stdout.count("failed with status 700") == len(OF_A_START)


def test_a_second_handle_of_cublas_is_for_tf32_alone() -> None:
    code = """
from heschl.linear.device.status import cuda_status, extension
module = extension()
assert cuda_status().available and module.alive() == 0
contexts = [module.Context.of(0, False)]
one = module.alive()
contexts.append(module.Context.of(0, True))
assert module.alive() == 2 * one + 1, (one, module.alive())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ.copy())
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("cublas", "said"),
    [
        ([], "could not be opened"),
        (["libnone.so.13"], "libnone.so.13"),
        (["libm.so.6"], "has no function cublasCreate"),
    ],
)
def test_libraries_that_are_not_there(cublas: list[str], said: str) -> None:
    code = f"""
from heschl.linear.device.status import extension
module = extension()
try:
    module.Context.of(0, False)
except RuntimeError as error:
    assert "not open" in str(error)
module.open_libraries({cublas!r}, [])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ.copy())
    assert done.returncode == 1 and said in done.stderr, done.stderr
