"""Canonical correlations: what two models share, in parts."""
