"""Null distributions of scores, and p values."""

from heschl.linear.nulls.distribution import NullDistribution
from heschl.linear.nulls.exchange import exchange_test
from heschl.linear.nulls.permutation import permutation_test
from heschl.linear.nulls.refitted import null_refit
from heschl.linear.nulls.shifted import null_scores

__all__ = ["NullDistribution", "exchange_test", "null_refit", "null_scores", "permutation_test"]
