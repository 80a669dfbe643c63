"""Every public name says what it is for, with which shapes, and shows it in an example that runs as it stands."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import inspect
import itertools
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest

import heschl

PACKAGE = Path(heschl.__file__).parent
# Packages whose exported names are held to all of this.
PUBLIC = ["heschl", "heschl.ecog", "heschl.features", "heschl.linear", "heschl.timing"]
WITH_EXAMPLES = [
    ".".join(("heschl", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]
# What a docstring of this field does not begin with.
NO_IMPERATIVE = re.compile(r"^(Give|Gives|Get|Returns|This function|Whether|What|How|A test of)\b")


def exported() -> list[tuple[str, Any]]:
    """Qualified name and object of every exported class and function; each once, by its longest path."""
    found: dict[int, tuple[str, Any]] = {}
    for package in PUBLIC:
        module = importlib.import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                found[id(value)] = (f"{package}.{name}", value)
    return list(found.values())


EXPORTED = exported()
NAMES = [name for name, _ in EXPORTED]


def sections(value: Any) -> set[str]:
    """Headings of a docstring in numpydoc's form."""
    lines = (inspect.getdoc(value) or "").splitlines()
    return {a for a, b in itertools.pairwise(lines) if a and set(b) == {"-"} and len(b) == len(a)}


def methods(value: type) -> list[tuple[str, Any]]:
    """Public methods that a class of heschl's own defines."""
    return [
        (name, getattr(value, name))
        for base in value.__mro__
        if base.__module__.startswith("heschl")
        for name, member in vars(base).items()
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, classmethod))
    ]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize(("name", "value"), EXPORTED, ids=NAMES)
def test_a_public_name_has_an_example_that_runs_as_it_stands(name: str, value: Any) -> None:
    """Copied into an empty session: what it uses it imports."""
    assert "Examples" in sections(value), f"{name}: no Examples section"
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder().find(value, name, module=False, globs={}):  # type: ignore[arg-type]
        runner.run(test)
    assert runner.tries > 0 and runner.failures == 0, name


@pytest.mark.parametrize(("name", "value"), EXPORTED, ids=NAMES)
def test_a_public_name_says_what_it_takes_and_gives(name: str, value: Any) -> None:
    said = sections(value)
    if inspect.isclass(value):
        own = "__init__" in vars(value) or dataclasses.is_dataclass(value)
        given = [p for p in inspect.signature(value).parameters.values() if p.kind is not p.VAR_KEYWORD] if own else []
        wanted = {"Attributes", "Parameters"} if dataclasses.is_dataclass(value) else {"Parameters"}
        assert not given or said & wanted, f"{name}: no {wanted} section"
        return
    signature = inspect.signature(value)
    assert not signature.parameters or "Parameters" in said, f"{name}: no Parameters section"
    assert signature.return_annotation in (None, "None") or said & {"Returns", "Yields"}, f"{name}: no Returns section"
    text = inspect.getdoc(value) or ""
    for parameter in signature.parameters:
        assert re.search(rf"^[\w, ]*\b{parameter}\b", text, re.MULTILINE), f"{name}: nothing about {parameter}"


@pytest.mark.parametrize(("name", "value"), EXPORTED, ids=NAMES)
def test_a_public_name_speaks_in_the_imperative(name: str, value: Any) -> None:
    spoken = [(name, value)] if inspect.isfunction(value) else [(f"{name}.{n}", m) for n, m in methods(value)]
    for where, member in spoken:
        first = (inspect.getdoc(member) or "").partition("\n")[0]
        assert first.endswith((".", ":")) and not NO_IMPERATIVE.match(first), f"{where}: {first!r}"


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
