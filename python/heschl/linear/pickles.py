"""Pickles that outlive moves: classes go by their public names, names of before are found, new settings have defaults.

A pickle names the module of each class in it. Public classes therefore say that they are of `heschl.linear`, wherever
their file lies; what else an estimator holds goes into its state as plain arrays (`LaggedModel.__getstate__`).
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

# Modules of heschl 0.1.0 that its pickles name, and the packages where their public classes are now. A pickle is read
# by importing these names; an entry in sys.modules answers that without a file for each.
MOVED: Mapping[str, str] = {
    "estimator": "estimators",
    "banded_estimator": "estimators",
    "variance": "estimators",
    "nested": "crossval",
    "published": "crossval",
    "cv": "crossval",
    "cca_inference": "cca",
    "shared": "cca",
    "spaces": "design",
}


def publish(package: str, classes: Iterable[Any]) -> None:
    """Let public classes be known by the package that exports them, and answer to the names of modules of before."""
    for value in classes:
        if isinstance(value, type):
            value.__module__ = package
    for before, now in MOVED.items():
        module: ModuleType = sys.modules[f"{package}.{now}"]
        sys.modules.setdefault(f"{package}.{before}", module)


def with_defaults(cls: type, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of an estimator of an older version: parameters that it did not have are as by default."""
    parameters = inspect.signature(cls).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty} | dict(state)
