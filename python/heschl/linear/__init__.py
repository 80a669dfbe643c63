"""The numeric core: lagged moments, ridge with cross-validated penalties, scores."""

from heschl.linear.cv import AlphaEdgeWarning
from heschl.linear.design import lagged_design
from heschl.linear.estimator import LaggedRidgeCV
from heschl.linear.nested import NestedScores, nested_cv
from heschl.linear.segments import group_folds

__all__ = ["AlphaEdgeWarning", "LaggedRidgeCV", "NestedScores", "group_folds", "lagged_design", "nested_cv"]
