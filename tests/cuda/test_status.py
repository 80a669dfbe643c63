"""Where there is no GPU everything imports, and says why it cannot be used. These run everywhere."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import heschl
from heschl import InputError, LaggedRidge, cuda_status
from heschl.linear.device import cuda, rates
from heschl.linear.device import status as device_status
from heschl.linear.device.cuda import CUDA
from heschl.linear.device.host import CPU, HOST
from heschl.linear.device.status import EMULATE
from heschl.linear.ridge.size import FitSize
from heschl.linear.ridge.solvers import choose_solver, place


@pytest.fixture(autouse=True)
def _device(monkeypatch: pytest.MonkeyPatch) -> None:  # instead of the folder's: nothing here needs a device
    monkeypatch.delenv(EMULATE, raising=False)


def fail_with(error: Exception) -> Any:
    def fail(*_: Any) -> Any:
        raise error

    return fail


def test_a_build_without_cuda_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.delitem(sys.modules, "heschl._cuda", raising=False)  # where other tests have used a GPU
    monkeypatch.setattr(cuda, "_READY", set())
    status = cuda_status()
    assert not status.available and "HESCHL_CUDA=ON" in str(status)
    with pytest.raises(InputError, match=r'device: found "cuda".*built without _cuda.*device="cpu"'):
        LaggedRidge(device="cuda").fit(np.ones((5, 1)), np.arange(5.0))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"device_count": fail_with(RuntimeError("no CUDA-capable device is detected"))}, "no CUDA-capable device"),
        ({"device_count": lambda: 0}, "finds no GPU"),
        (
            {
                "emulated": False,
                "device_count": lambda: 1,
                "device_name": lambda _: "a card",
                "open_libraries": fail_with(RuntimeError("a CUDA library could not be opened; tried: x")),
            },
            "could not be opened",
        ),
    ],
)
def test_the_reason_is_said(monkeypatch: pytest.MonkeyPatch, parts: dict[str, Any], said: str) -> None:
    monkeypatch.setattr(device_status, "extension", lambda: SimpleNamespace(**parts))
    assert said in str(cuda_status()) and not cuda_status().available


def test_a_device_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {
        "emulated": False,
        "device_count": lambda: 2,
        "device_name": "card {}".format,
        "open_libraries": lambda *_: None,
    }
    monkeypatch.setattr(device_status, "extension", lambda: SimpleNamespace(**parts))
    status = cuda_status()
    assert status.available and str(status) == "card 0, card 1"


def test_auto_goes_to_a_gpu_only_where_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        "heschl.linear.device.cuda.cuda_status", lambda: asked.append(1) or SimpleNamespace(available=True)
    )
    found = {"cpu": 1e11, "cuda": 5e13}
    monkeypatch.setattr("heschl.linear.device.place.measured_rate", lambda kind: found[kind.name])
    small = FitSize(1000, 1000, 10, 5, 10, 10, 5, 20, 6, False, 4)
    large = FitSize(58_943, 58_943, 768, 20, 822, 10, 5, 599, 6, False, 4)
    assert place("auto", small, "auto") == "cpu" and not asked  # small fits do not even ask
    assert place("auto", large, "auto") == "cuda" and asked
    assert place("auto", large, "krylov") == "cuda" and place("cpu", large, "auto") == "cpu"
    assert place("cuda", small, "auto") == "cuda"
    found["cuda"] = 1e10  # a card that is no faster than this CPU
    assert place("auto", large, "auto") == "cpu"
    # Where products are two orders of magnitude faster an eigendecomposition pays for a hundred λ alone.
    narrow = replace(large, n_features=64, n_alphas=100)
    assert choose_solver(narrow, "auto", None)[0].name == "eigh"
    for n_alphas, name in ((10, "cholesky"), (100, "eigh")):
        size = replace(narrow, device="cuda", n_alphas=n_alphas)
        assert choose_solver(size, "auto", None)[0].name == name


def test_rates_are_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(rates, "_measured", {})
    monkeypatch.setattr(rates, "ENOUGH", 1e-5)
    counted = replace(CPU, open=lambda tf32, number: opened.append("cpu") or HOST)  # type: ignore[func-returns-value]
    assert rates.measured_rate(counted) == rates.measured_rate(counted) > 1e6 and opened == ["cpu"]


def test_weights_of_factorisations_are_those_measured() -> None:
    for order, slowness in ((2560, 25.0), (15_360, 2.1)):  # on an H100
        assert CUDA.cholesky_operations(order) == pytest.approx(slowness * order**3 / 3)
    assert CUDA.cholesky_operations(32_000) == pytest.approx(2.1 * 32_000**3 / 3)
    assert CUDA.cholesky_operations(100) == CUDA.call and CPU.cholesky_operations(100) == pytest.approx(2.1e6 / 3)


def test_a_build_with_cuda_imports_without_a_gpu() -> None:
    if importlib.util.find_spec("heschl._cuda") is None:
        pytest.skip("heschl was built without _cuda")
    code = "import heschl; print(heschl.cuda_status())"
    env = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert "CUDA" in done.stdout


def test_the_package_says_so_too() -> None:
    assert isinstance(heschl.cuda_status(), device_status.CudaStatus)
