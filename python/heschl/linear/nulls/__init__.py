"""Null distributions of scores."""
