"""Everything here runs on a GPU where there is one; else on its emulation, where heschl was built with it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest

from heschl.linear.device.cuda import Device, cuda_backend
from heschl.linear.device.status import EMULATE, cuda_status

EMULATION = importlib.util.find_spec("heschl._cuda_emulated") is not None


@pytest.fixture(scope="session", autouse=True)
def _device() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if not cuda_status().available:
            if not EMULATION:
                pytest.skip("no GPU, and heschl was built without its emulation (HESCHL_CUDA=EMULATED)")
            patch.setenv(EMULATE, "1")
        yield


@pytest.fixture
def device(_device: None) -> Device:
    return cuda_backend()
