"""A kind of features is one file: what it must say, and that nobody else says it."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from pydantic import TypeAdapter

import heschl.study
from heschl.study.config.template import TEMPLATE
from heschl.study.kinds.base import FeatureSpace
from heschl.study.kinds.registry import KINDS, Space

STUDY = Path(heschl.study.__file__).parent
WHOLE: dict[str, Any] = {
    "__annotations__": {"kind": Literal["test"], "noun": ClassVar[str], "template": ClassVar[str]},
    "__module__": __name__,
    "noun": "nothing",
    "template": "",
    "open": lambda self, files: None,
    "sources": lambda self, files: (),
    "stimulus_key": lambda self, stimulus, files: "",
    "check": lambda self, files, where: None,
    "tier": lambda self: None,
}


def test_a_kind_that_forgets_a_piece_cannot_be_defined() -> None:
    type("Whole", (FeatureSpace,), dict(WHOLE))
    for piece in ("noun", "template", "open", "sources", "stimulus_key", "check", "tier"):
        lacking = {key: value for key, value in WHOLE.items() if key != piece}
        with pytest.raises(TypeError, match=rf"Lacking must define {piece}$"):
            type("Lacking", (FeatureSpace,), lacking)


@pytest.mark.parametrize("kind", KINDS)
def test_the_template_of_a_kind_is_a_table_of_that_kind(kind: str) -> None:
    lines = KINDS[kind].template
    assert lines in TEMPLATE
    text = "\n".join(line.removeprefix("# ") for line in lines.splitlines())
    (table,) = tomllib.loads(text)["features"].values()
    space: FeatureSpace = TypeAdapter(Space).validate_python(table)
    assert type(space) is KINDS[kind] and space.description.startswith(space.noun)


def of_kinds(tree: ast.AST) -> Sequence[str]:
    """Names of the classes of kinds that a module uses, however it came by them."""
    classes = {cls.__name__ for kind in KINDS.values() for cls in kind.__mro__ if cls.__module__.startswith(
        "heschl.study.kinds")} - {"FeatureSpace"}  # fmt: skip
    return [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in classes]


def test_nobody_outside_the_room_tells_kinds_apart() -> None:
    for path in STUDY.rglob("*.py"):
        if path.parent.name != "kinds":
            assert not of_kinds(ast.parse(path.read_text(encoding="utf-8"))), path
