"""Tests, contrasts of models, resampling, mixed models."""
