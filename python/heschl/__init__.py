"""heschl: how much of auditory cortex is predicted by speech models, language models and sound.

The numeric core is here (`LaggedRidgeCV`, `lagged_design`); `heschl.study`, `heschl.features`, `heschl.timing` and
`heschl.ecog` come with the extras that they need and are imported by name.
"""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from heschl.checks import InputError
from heschl.linear import (
    CCA,
    AlphaEdgeWarning,
    BandedRidgeCV,
    FeatureSpaces,
    LaggedMoments,
    LaggedRidge,
    LaggedRidgeCV,
    Repeated,
    cuda_status,
    lagged_design,
)
from heschl.linear.cca.grid import cca_grid
from heschl.moved import redirect

if TYPE_CHECKING:
    from heschl.study.results.dataset import open_results as open_results

redirect()
__version__ = version("heschl")
__all__ = [
    "CCA", "AlphaEdgeWarning", "BandedRidgeCV", "FeatureSpaces", "InputError", "LaggedMoments", "LaggedRidge",
    "LaggedRidgeCV",
    "Repeated", "__version__", "cca_grid", "cuda_status", "lagged_design",
]  # fmt: skip


def __dir__() -> list[str]:
    """Return the public names alone."""
    return sorted([*__all__, "open_results"])


def __getattr__(name: str) -> Any:
    """Return what needs the extra "study", imported only where it is asked for."""
    if name == "open_results":
        from heschl.study.results.dataset import open_results

        return open_results
    raise AttributeError(f"module 'heschl' has no attribute {name!r}")
