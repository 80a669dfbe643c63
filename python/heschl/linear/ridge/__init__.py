"""Ridge regression on moments: a problem, its training sets, and the solvers, a file for each."""

from heschl.linear.ridge.normal import PrecisionError
from heschl.linear.ridge.solvers import SOLVERS
from heschl.linear.ridge.weights import Weights

__all__ = ["SOLVERS", "PrecisionError", "Weights"]
