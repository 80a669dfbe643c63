"""Canonical correlations: what two models share, its parts, what they are worth, and what they cost."""

from heschl.linear.cca.cca import CCA, held_out_correlations
from heschl.linear.cca.grid import cca_grid
from heschl.linear.cca.inference import PermutedCorrelations, permuted_correlations
from heschl.linear.cca.parts import SharedParts, probe, residual

__all__ = [
    "CCA",
    "PermutedCorrelations",
    "SharedParts",
    "cca_grid",
    "held_out_correlations",
    "permuted_correlations",
    "probe",
    "residual",
]
