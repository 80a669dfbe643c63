"""The lagged design, never built: segments and rows, features as given, features as the core sees them."""

from heschl.linear.design.explicit import lagged_design
from heschl.linear.design.segments import group_folds
from heschl.linear.design.spaces import FeatureSpaces, Repeated

__all__ = ["FeatureSpaces", "Repeated", "group_folds", "lagged_design"]
