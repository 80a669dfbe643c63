"""Kinds of feature spaces, a file each: settings, opening, keys, checks, and what template and methods say of it."""
