"""heschl: how much of auditory cortex is predicted by speech models, language models and sound.

The numeric core is here (`LaggedRidgeCV`, `lagged_design`), and what ties it to other tools (`from_mne`, `plot_trf`);
`heschl.study`, `heschl.features`, `heschl.timing` and
`heschl.ecog` come with the extras that they need and are imported by name.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from heschl.checks import InputError
from heschl.extras import name_missing_extras
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
    segment_labels,
)
from heschl.linear.cca.grid import cca_grid
from heschl.moved import redirect

if TYPE_CHECKING:
    from heschl.mne_objects import from_mne as from_mne
    from heschl.mne_objects import to_mne as to_mne
    from heschl.plot import plot_alphas as plot_alphas
    from heschl.plot import plot_brain as plot_brain
    from heschl.plot import plot_layers as plot_layers
    from heschl.plot import plot_scores as plot_scores
    from heschl.plot import plot_trf as plot_trf
    from heschl.study.results.dataset import open_results as open_results
    from heschl.versions import show_versions as show_versions

redirect()
name_missing_extras()
__version__ = version("heschl")

# Names that need an extra, or are seldom asked for, are imported where they are used first.
_LATER = {
    "from_mne": "heschl.mne_objects",
    "open_results": "heschl.study.results.dataset",
    "plot_alphas": "heschl.plot",
    "plot_brain": "heschl.plot",
    "plot_layers": "heschl.plot",
    "plot_scores": "heschl.plot",
    "plot_trf": "heschl.plot",
    "show_versions": "heschl.versions",
    "to_mne": "heschl.mne_objects",
}
__all__ = [
    "CCA", "AlphaEdgeWarning", "BandedRidgeCV", "FeatureSpaces", "InputError", "LaggedMoments", "LaggedRidge",
    "LaggedRidgeCV", "Repeated", "__version__", "cca_grid", "cuda_status", "from_mne", "lagged_design", "open_results",
    "plot_alphas", "plot_brain", "plot_layers", "plot_scores", "plot_trf", "segment_labels", "show_versions", "to_mne",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import what is asked for the first time."""
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module 'heschl' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
