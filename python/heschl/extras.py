"""Optional packages: which extra of heschl brings which, said in one line where one is missing.

The core needs NumPy, SciPy, scikit-learn and threadpoolctl. Everything else is imported where it is used; Python finds
nothing there in a core install, and asks `MissingExtras` last.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

EXTRAS = {
    "accelerate": "models",
    "distributed": "dask",
    "dask": "dask",
    "dask_jobqueue": "dask",
    "gguf": "models",
    "h5py": "ecog",
    "jinja2": "study",
    "matplotlib": "plot",
    "mne": "mne",
    "mne_bids": "ecog",
    "nilearn": "study",
    "pandas": "xarray",
    "pydantic": "study",
    "pynwb": "ecog",
    "rich": "study",
    "safetensors": "models",
    "soundfile": "models",
    "soxr": "ecog",
    "tokenizers": "models",
    "torch": "models",
    "transformers": "models",
    "typer": "study",
    "xarray": "xarray",
    "zarr": "study",
}
"""The smallest extra that brings a package."""


class MissingExtraError(ModuleNotFoundError):
    """A package that heschl needs for what was asked, and that comes with one of its extras."""


class MissingExtras(MetaPathFinder):
    """Says which extra is missing where a module of heschl imports a package that nothing else has found."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return nothing, or raise where heschl itself is importing."""
        if name not in EXTRAS:
            return None
        importer = _importer()
        if not importer.startswith("heschl."):
            return None
        raise MissingExtraError(
            f"{importer} needs {name}, which is not installed: pip install 'heschl[{EXTRAS[name]}]'", name=name
        )


def _importer() -> str:
    """Return the name of the module whose import statement is being carried out."""
    frame = sys._getframe(2)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith("importlib._bootstrap"):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__"))


def name_missing_extras() -> None:
    """Let missing packages be named with their extra, after everything that Python finds by itself."""
    if not any(isinstance(finder, MissingExtras) for finder in sys.meta_path):
        sys.meta_path.append(MissingExtras())
