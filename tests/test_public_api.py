"""Every public name has a docstring, and the examples in the docstrings run."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import heschl

PACKAGE = Path(heschl.__file__).parent
WITH_EXAMPLES = [
    ".".join(("heschl", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
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
