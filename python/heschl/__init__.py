"""heschl: how much of auditory cortex is predicted by speech models, language models and sound.

The numeric core is here (`LaggedRidgeCV`, `lagged_design`); `heschl.study`, `heschl.features`, `heschl.timing` and
`heschl.ecog` come with the extras that they need and are imported by name.
"""

from importlib.metadata import version

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
    cca_grid,
    lagged_design,
)

__version__ = version("heschl")
__all__ = [
    "CCA", "AlphaEdgeWarning", "BandedRidgeCV", "FeatureSpaces", "InputError", "LaggedMoments", "LaggedRidge",
    "LaggedRidgeCV",
    "Repeated", "__version__", "cca_grid", "lagged_design",
]  # fmt: skip
