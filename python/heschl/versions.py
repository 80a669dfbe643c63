"""Versions of all that a result may depend on, for reports of what went wrong."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TextIO

PACKAGES = (
    "heschl", "numpy", "scipy", "scikit-learn", "threadpoolctl", "pandas", "xarray", "zarr", "matplotlib", "torch",
    "transformers", "tokenizers", "safetensors", "soundfile", "soxr", "mne", "mne-bids", "pynwb", "h5py", "nilearn",
    "pydantic", "typer", "distributed",
)  # fmt: skip


def show_versions(file: TextIO | None = None) -> None:
    """Print the versions of heschl and of the packages that it uses, the machine, its BLAS and its GPU.

    Parameters
    ----------
    file : text file, optional
        Where to print; by default on stdout.

    Examples
    --------
    >>> import io, heschl
    >>> text = io.StringIO()
    >>> heschl.show_versions(text)
    >>> text.getvalue().splitlines()[0].startswith("Python")
    True
    """
    from threadpoolctl import threadpool_info

    from heschl.linear import cuda_status

    rows = [("Python", f"{platform.python_version()} ({sys.executable})"), ("machine", platform.platform())]
    rows.append(("processors", str(os.cpu_count())))
    for name in PACKAGES:
        try:
            rows.append((name, version(name)))
        except PackageNotFoundError:
            rows.append((name, "not installed"))
    for pool in threadpool_info():
        if pool["user_api"] == "blas":
            rows.append(("BLAS", f"{pool['internal_api']} {pool['version']}, {pool['num_threads']} threads"))
    rows.append(("CUDA", str(cuda_status())))
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        print(f"{name:{width}}  {text}", file=file or sys.stdout)
