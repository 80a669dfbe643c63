"""The numeric core: lagged moments, ridge with cross-validated penalties, scores."""

from heschl.linear.cv import AlphaEdgeWarning
from heschl.linear.design import lagged_design
from heschl.linear.estimator import LaggedRidge, LaggedRidgeCV
from heschl.linear.frames import FeatureSpaces, Repeated
from heschl.linear.moments import LaggedMoments
from heschl.linear.nested import NestedScores, nested_cv
from heschl.linear.nulls import NullDistribution, null_scores
from heschl.linear.nulls_refit import null_refit
from heschl.linear.segments import group_folds

__all__ = [
    "AlphaEdgeWarning", "FeatureSpaces", "LaggedMoments", "LaggedRidge", "LaggedRidgeCV", "NestedScores",
    "NullDistribution", "Repeated", "group_folds", "lagged_design", "nested_cv", "null_refit", "null_scores",
]  # fmt: skip
