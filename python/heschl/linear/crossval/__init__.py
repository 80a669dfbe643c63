"""Cross-validation: the path of penalties, the choice among them, scores, nested folds."""

from heschl.linear.crossval.joined import JoinedScores, joined_cv
from heschl.linear.crossval.learned import nested_cv_learned
from heschl.linear.crossval.nested import NestedScores, nested_cv
from heschl.linear.crossval.path import AlphaEdgeWarning

__all__ = ["AlphaEdgeWarning", "JoinedScores", "NestedScores", "joined_cv", "nested_cv", "nested_cv_learned"]
