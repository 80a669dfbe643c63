"""What heschl declares of CUDA's libraries is what their headers declare, where there are any to compare with.

`pip install --no-deps nvidia-cublas nvidia-cusolver` brings them (1 GB), the CUDA toolkit those of the runtime; set
HESCHL_CUDA_HEADERS to folders that hold them, or have them where pip and the toolkit put them.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def header_folders() -> list[Path]:
    given = [Path(folder) for folder in os.environ.get("HESCHL_CUDA_HEADERS", "").split(os.pathsep) if folder]
    spec = importlib.util.find_spec("nvidia")
    wheels = [Path(root) / "cu13" / "include" for root in (spec.submodule_search_locations or ())] if spec else []
    toolkit = sorted(Path("/usr/local").glob("cuda*/include"))
    return [folder for folder in (*given, *wheels, *toolkit) if folder.is_dir()]


def test_prototypes_are_those_of_the_headers() -> None:
    compiler, folders = shutil.which("g++"), header_folders()
    for header in ("cublas_v2.h", "cusolverDn.h", "cuda_runtime.h"):
        if compiler is None or not any((folder / header).exists() for folder in folders):
            pytest.skip(f"no {header} or no g++ to compare with")
    command = [str(compiler), "-std=c++20", "-fsyntax-only", *(f"-I{folder}" for folder in folders)]
    command += [f"-I{ROOT / 'csrc' / 'cuda'}", str(Path(__file__).with_name("prototypes.cpp"))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
