"""Whether there is a GPU to use, the extension that runs on it, and where CUDA's libraries are."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Set, for tests, to run on host memory what would run on a GPU (heschl built with HESCHL_CUDA=EMULATED).
EMULATE = "HESCHL_EMULATE_CUDA"
# CUDA's libraries by the names of their interfaces, newest first.
CUBLAS = ("libcublas.so.13", "libcublas.so.12")
CUSOLVER = ("libcusolver.so.12", "libcusolver.so.11")


@dataclass(frozen=True)
class CudaStatus:
    """The answer of `cuda_status`: whether heschl can use a GPU here, and if not, why.

    Attributes
    ----------
    available : bool
    reason : str
        What is missing, and what to do; empty where nothing is.
    devices : tuple of str
        Names of the GPUs.

    Examples
    --------
    >>> from heschl.linear import CudaStatus
    >>> print(CudaStatus(False, "CUDA finds no GPU"))
    CUDA finds no GPU
    >>> print(CudaStatus(True, "", ("NVIDIA H100",)))
    NVIDIA H100
    """

    available: bool
    reason: str
    devices: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say it in words."""
        return ", ".join(self.devices) if self.available else self.reason


def cuda_status() -> CudaStatus:
    """Find out whether `device="cuda"` works here, and if not, why. Nothing is started but the driver.

    Returns
    -------
    CudaStatus
        `available`, the `reason` where it is not, and the names of the GPUs.

    Examples
    --------
    >>> from heschl import cuda_status
    >>> status = cuda_status()
    >>> status.available or status.reason != ""
    True
    """
    try:
        module = extension()
        devices = tuple(module.device_name(i) for i in range(module.device_count()))
        if not devices:
            return CudaStatus(False, "CUDA finds no GPU")
        module.open_libraries(_candidates(module, "cublas", CUBLAS), _candidates(module, "cusolver", CUSOLVER))
    except ImportError as error:
        return CudaStatus(False, str(error))
    except RuntimeError as error:
        return CudaStatus(False, f"CUDA cannot be used: {error}")
    return CudaStatus(True, "", devices)


def extension_name() -> str:
    """Return the name of the extension, or of what stands for it in tests."""
    return "heschl._cuda_emulated" if os.environ.get(EMULATE) else "heschl._cuda"


def extension() -> Any:
    """Return the extension, or raise ImportError with what to do."""
    name = extension_name()
    if name in sys.modules:
        return sys.modules[name]
    if importlib.util.find_spec(name) is None:
        raise ImportError(
            f"heschl was built without {name.removeprefix('heschl.')}: "
            "pip install heschl -C cmake.define.HESCHL_CUDA=ON (needs nvcc) builds it"
        )
    return importlib.import_module(name)


def _candidates(module: Any, library: str, names: Sequence[str]) -> list[str]:
    """List where a library may be: bare names (loaded by torch or cupy, or the system's), and the wheels' folders."""
    if module.emulated:
        return [module.__file__]  # it brings what stands for them
    spec = importlib.util.find_spec("nvidia")
    roots = [Path(root) for root in (spec.submodule_search_locations or ())] if spec is not None else []
    folders = [root / folder / "lib" for root in roots for folder in ("cu13", library)]
    return [*(str(folder / name) for folder in folders for name in names), *names]
