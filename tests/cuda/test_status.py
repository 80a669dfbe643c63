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
from heschl.linear.device import cuda
from heschl.linear.device.cuda import EMULATE
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
    monkeypatch.setattr(cuda, "_module", lambda: SimpleNamespace(**parts))
    assert said in str(cuda_status()) and not cuda_status().available


def test_a_device_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {
        "emulated": False,
        "device_count": lambda: 2,
        "device_name": "card {}".format,
        "open_libraries": lambda *_: None,
    }
    monkeypatch.setattr(cuda, "_module", lambda: SimpleNamespace(**parts))
    status = cuda_status()
    assert status.available and str(status) == "card 0, card 1"


def test_auto_goes_to_a_gpu_only_where_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        "heschl.linear.device.cuda.cuda_status", lambda: asked.append(1) or SimpleNamespace(available=True)
    )
    small = FitSize(1000, 1000, 10, 5, 10, 10, 5, 20, 6, False, 4)
    large = FitSize(58_943, 58_943, 768, 20, 822, 10, 5, 599, 6, False, 4)
    assert place("auto", small, "auto") == "cpu" and not asked  # small fits do not even ask
    assert place("auto", large, "auto") == "cuda" and asked
    assert place("auto", large, "krylov") == place("cpu", large, "auto") == "cpu"
    assert place("cuda", small, "auto") == "cuda"
    # Where products are two orders of magnitude faster an eigendecomposition does not pay for ten λ.
    narrow = replace(large, n_features=64, n_alphas=100)
    assert choose_solver(narrow, "auto", None)[0].name == "eigh"
    assert choose_solver(replace(narrow, device="cuda"), "auto", None)[0].name == "cholesky"


def test_a_build_with_cuda_imports_without_a_gpu() -> None:
    if importlib.util.find_spec("heschl._cuda") is None:
        pytest.skip("heschl was built without _cuda")
    code = "import heschl; print(heschl.cuda_status())"
    env = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert "CUDA" in done.stdout


def test_the_package_says_so_too() -> None:
    assert isinstance(heschl.cuda_status(), cuda.CudaStatus)
