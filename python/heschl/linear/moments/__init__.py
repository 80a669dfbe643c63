"""Lagged moments: the sums that one pass over the data leaves, and the algebra on them."""
