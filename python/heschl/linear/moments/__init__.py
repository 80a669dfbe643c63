"""Lagged moments: the sums that one pass over the data leaves, and the algebra on them."""

from heschl.linear.moments.lagged import LaggedMoments

__all__ = ["LaggedMoments"]
