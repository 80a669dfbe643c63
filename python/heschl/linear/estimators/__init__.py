"""The estimators: parameters, checks, fitted attributes."""

from heschl.linear.estimators.banded import BandedRidgeCV
from heschl.linear.estimators.ridge import LaggedRidge, LaggedRidgeCV
from heschl.linear.estimators.variance import UniqueVariance, unique_variance

__all__ = ["BandedRidgeCV", "LaggedRidge", "LaggedRidgeCV", "UniqueVariance", "unique_variance"]
