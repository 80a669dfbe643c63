"""Kinds of feature spaces, a file each: what study.toml may say of it, and how it is opened."""
