"""The estimators: parameters, checks, fitted attributes."""
