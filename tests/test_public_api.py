"""Every public name has a docstring, and the examples in the docstrings run."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import pytest

import heschl

MODULES = [
    "heschl.checks", "heschl.ecog.ceiling", "heschl.ecog.clean", "heschl.ecog.dataset", "heschl.ecog.epochs",
    "heschl.ecog.high_gamma", "heschl.ecog.onsets", "heschl.ecog.selection",
    "heschl.linear.estimators.banded", "heschl.linear.cca.cca", "heschl.linear.ridge.cg", "heschl.linear.device.cuda",
    "heschl.linear.design.explicit",
    "heschl.linear.estimators.ridge", "heschl.linear.design.frames", "heschl.linear.moments.lagged", "heschl.linear.crossval.nested",
    "heschl.linear.nulls.shifted", "heschl.linear.nulls.refitted", "heschl.linear.nulls.permutation_test", "heschl.linear.design.segments",
    "heschl.linear.estimators.variance",
]  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_public_names_are_documented() -> None:
    for info in pkgutil.walk_packages(heschl.__path__, "heschl."):
        if info.name.endswith(("_core", "_cuda", "_cuda_emulated", "__main__")):
            continue
        module = importlib.import_module(info.name)
        assert module.__doc__, info.name
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", None) != info.name:
                continue
            if inspect.isclass(value) or inspect.isfunction(value):
                assert inspect.getdoc(value), f"{info.name}.{name}"
