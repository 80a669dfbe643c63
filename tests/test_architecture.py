"""The rules of the house, held: which room may import which, what an import costs, how long a file may be."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from heschl.sources import imports_of as imports_of_module

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "python" / "heschl"

# Each room and what it may import of heschl, besides itself and what is open to all.
OPEN_TO_ALL = {"checks", "extras", "files", "names", "notices", "seals", "sources"}
MAY_IMPORT = {
    "linear": {"_core"},
    "timing": set(),
    "features": {"timing", "linear"},
    "ecog": {"timing", "linear"},
    "mne_objects": {"linear"},
    "plot": {"linear"},
    "versions": {"linear"},
    "study": {"features", "timing", "ecog", "linear", "plot"},
    "cli": {"study", "console"},
    "console": set(),
    "__main__": {"cli"},
}

# Rooms inside a room, floor by floor from the top: a file imports from its own room and from lower floors alone.
FLOORS = {
    "linear": (
        ("estimators", "nulls"), ("crossval",), ("ridge", "cca"), ("moments",), ("design",), ("device",), ("pickles",),
    ),
    "study": (
        ("demo",), ("run",), ("cluster",), ("prepare", "simulate"), ("report",),
        ("plan", "manifest", "results", "check"), ("savings",), ("analyses",), ("session",), ("extraction",),
        ("inputs", "work"), ("config",), ("kinds",),
        ("section", "statistics"),
    ),
}  # fmt: skip


def room_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports_of(path: Path) -> set[str]:
    """Rooms of heschl that a file names in an import, at its top or inside a function."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("heschl.")}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_down(room: str) -> None:
    files = [path for path in PACKAGE.rglob("*.py") if room_of(path) == room]
    assert files, f"no file in {room}"
    public = {"InputError", "__version__"}
    if room not in ("linear", "timing"):
        public |= {"LaggedRidgeCV", "lagged_design", "AlphaEdgeWarning"}  # the core, by its public name
    for path in files:
        extra = imports_of(path) - MAY_IMPORT[room] - {room, *OPEN_TO_ALL} - public
        assert not extra, f"{path.relative_to(ROOT)} imports {sorted(extra)}; {room} may import {MAY_IMPORT[room]}"


def test_every_room_is_known() -> None:
    rooms = {room_of(path) for path in PACKAGE.rglob("*.py")} - {"__init__", "moved", *OPEN_TO_ALL}
    assert rooms == set(MAY_IMPORT)


def modules() -> list[str]:
    """Full names of all Python modules, packages by their ``__init__`` left out: those only hand names on."""
    paths = [path.relative_to(PACKAGE.parent).with_suffix("") for path in PACKAGE.rglob("*.py")]
    return sorted(".".join(path.parts) for path in paths if path.name != "__init__")


@pytest.mark.parametrize("room", FLOORS)
def test_inside_a_room_arrows_point_down(room: str) -> None:
    floor_of = {inner: floor for floor, inners in enumerate(FLOORS[room]) for inner in inners}
    inside = [name for name in modules() if name.startswith(f"heschl.{room}.")]
    apart = {"reference"} if room == "linear" else set()  # the oracle of tests
    assert {name.split(".")[2] for name in inside} == set(floor_of) | apart
    for name in inside:
        own = name.split(".")[2]
        for other in imports_of_module(name):
            target = other.split(".")[2] if other.startswith(f"heschl.{room}.") else own
            if own not in apart and target != own:
                assert floor_of[target] > floor_of[own], f"{name} imports {other}, which is not below it"


def test_no_circle_of_imports_anywhere() -> None:
    """Also inside a room: modules can be put in an order in which each imports only what comes before it."""
    left = {name: imports_of_module(name) for name in modules()}
    while left:
        bottom = [name for name, imported in left.items() if not imported & left.keys()]
        assert bottom, f"imports go round in circles among {sorted(left)}"
        for name in bottom:
            del left[name]


def test_warnings_are_said_at_the_users_line() -> None:
    """By `notices.warn` alone, which finds that line; a module under its old name warns where it is imported."""
    for path in set(PACKAGE.rglob("*.py")) - {PACKAGE / "notices.py", PACKAGE / "moved.py"}:
        assert "warnings.warn(" not in path.read_text(encoding="utf-8"), f"{path.relative_to(ROOT)}: notices.warn"


def test_the_core_knows_no_python() -> None:
    for path in (ROOT / "csrc").rglob("*.?pp"):
        if "bindings" not in path.parts:
            text = path.read_text(encoding="utf-8")
            assert not any(word in text for word in ("Python.h", "pybind11", "numpy", "torch/")) or path.name in (
                "error.hpp",
            ), path


def n_lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_files_can_be_read_in_one_sitting() -> None:
    for path in (*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").rglob("*.py")):
        assert n_lines(path) <= 400, path
    sources = [path for path in (ROOT / "csrc").rglob("*.*") if path.suffix in (".cpp", ".hpp", ".cu", ".h")]
    for_tests = [path for path in sources if path.parent.name == "emulated"]
    of_cuda = [path for path in sources if path.parent.name == "cuda" or path.stem.startswith("cuda")]
    for_cuda = set(of_cuda) - set(for_tests)
    # 3,000, and what moments by frequency take (bins, their spectra, the way back to lags) and threads begun elsewhere.
    assert sum(map(n_lines, set(sources) - {*for_cuda, *for_tests})) < 3700
    # 2,500, and what a card's own way to moments, Krylov spaces, split products, paths of small problems and factors
    # that nobody waits for take.
    assert sum(map(n_lines, for_cuda)) < 3450
    assert sum(map(n_lines, for_tests)) < 900
    assert max(map(n_lines, sources)) <= 400


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_import_pulls_in_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "mne", "matplotlib", "dask", "xarray", "zarr", "numba")
    found = run(f"import sys, heschl; print([m for m in {heavy!r} if m in sys.modules])")
    assert found.strip() == "[]"


NO_DASK = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("dask", "distributed", "dask_jobqueue"):
            raise ImportError(f"no {name} here")

sys.meta_path.insert(0, Missing())
"""


def test_nothing_but_dask_itself_needs_dask() -> None:
    """Where the extra is not installed, all the rest imports, and what asks for it is told what to install."""
    code = NO_DASK + (
        "import numpy as np, heschl.cli, heschl.study.run, heschl.study.cluster.work, heschl.study.cluster.worker\n"
        "from heschl.study.cluster.connect import connected\n"
        "heschl.LaggedRidgeCV(lags=range(2), alphas=[1, 10]).fit(np.eye(30)[:, :2], np.arange(30.0))\n"
        "try:\n    connected('local', None).__enter__()\n"
        "except heschl.InputError as error:\n    print(error)"
    )
    assert "pip install 'heschl[dask]'" in run(code)


def test_import_costs_little_beyond_scikit_learns_base() -> None:
    """Time to `import heschl` is at most 1.2 times that of `import sklearn.base`, both in one process."""
    code = (
        "import time; a = time.perf_counter(); import sklearn.base; b = time.perf_counter(); import heschl; "
        "print((time.perf_counter() - b) / (b - a))"
    )
    # The least of a few runs: a busy machine can only make a run slower.
    assert min(float(run(code)) for _ in range(5)) <= 0.2
