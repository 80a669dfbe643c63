"""Pickles that outlive moves: classes go by their public names, and settings that came later have their defaults.

A pickle names the module of each class in it. Public classes therefore say that they are of `heschl.linear`, wherever
their file lies; what else an estimator holds goes into its state as plain arrays (`LaggedModel.__getstate__`). Names of
modules in pickles of 0.1.0 are answered by `heschl.moved`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any


def publish(package: str, values: Iterable[Any]) -> None:
    """Let public classes be known by the package that exports them."""
    for value in values:
        if isinstance(value, type):
            value.__module__ = package


def with_defaults(cls: type, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of an estimator of an older version: parameters that it did not have are as by default."""
    parameters = inspect.signature(cls).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty} | dict(state)
