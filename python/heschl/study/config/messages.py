"""What is wrong with a study.toml, said in its own words: each message names the key as the file spells it."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from heschl.checks import InputError
from heschl.study.kinds.registry import KINDS

UnknownKey = Callable[[tuple[int | str, ...], list[str], Path], InputError]
"""Says which known key an unknown one may have meant, by where it is, as pydantic and as the file say it."""

_FOUND_IN_TEXT = re.compile(r"^Value error, (?:(?P<key>[\w.]+): )?(?P<expected>.*)$", re.DOTALL)


def explained(problem: Any, path: Path, unknown_key: UnknownKey) -> InputError:
    """Turn an error of pydantic's into an InputError that names the key as the file spells it."""
    keys = _as_written(problem["loc"])
    key, value = ".".join(keys), problem.get("input")
    if problem["type"] == "extra_forbidden":
        return unknown_key(problem["loc"], keys, path)
    if problem["type"] == "missing":
        return InputError(f"{path}: {key}", "nothing", "a value for this key")
    if problem["type"] in ("union_tag_invalid", "union_tag_not_found"):
        kinds = f"kind = one of {', '.join(map(repr, KINDS))}"
        kind = str(value.get("kind", "")) if isinstance(value, dict) else ""
        near = difflib.get_close_matches(kind.lower(), KINDS, n=1) if kind else []
        return InputError(f"{path}: {key}", _short(value), kinds, f"The nearest is {near[0]!r}." if near else "")
    if matched := _FOUND_IN_TEXT.match(problem["msg"]):
        where = ".".join(filter(None, (key, matched["key"])))
        for part in (matched["key"] or "").split(".") if isinstance(value, dict) else ():
            value = value.get(part) if isinstance(value, dict) else value
        found = "settings that do not go together" if value is None or isinstance(value, dict) else _short(value)
        return InputError(f"{path}: {where}", found, matched["expected"])
    if problem["type"] == "string_pattern_mismatch":
        return InputError(f"{path}: {key}", _short(value), "a name of letters, digits, and . _ + -")
    if keys[0] == "joint" and len(keys) == 2:
        return InputError(f"{path}: {key}", _short(value), "a table with a name", "Write [joint.NAME] above its keys.")
    expected, advice = _expected(problem["type"], value, problem.get("ctx", {}), keys[-1])
    if not expected:
        text = problem["msg"].removeprefix("Input should be ").removeprefix("a valid ")
        expected = text[0].lower() + text[1:]
    return InputError(f"{path}: {key}", _short(value), expected, advice)


def _expected(kind: str, value: object, about: Mapping[str, Any], key: str) -> tuple[str, str]:
    """Return what a value of the wrong type should have been, and how it is written; nothing for other errors."""
    if kind in ("dict_type", "model_type"):
        return "a table", f"Write a section [… .{key}] with a line for each, name = value."
    if kind == "list_type":
        return "a list", f"Write {key} = [{_toml(value)}]." if isinstance(value, str | int | float) else ""
    if kind in ("float_type", "int_type", "int_from_float", "bool_type"):
        what = {"float_type": "a number", "bool_type": "true or false"}.get(kind, "a whole number")
        if isinstance(value, float) and value == int(value):
            return what, f"Write {key} = {int(value)}."
        return what, "Without quotes, and without a unit." if isinstance(value, str) else ""
    if kind == "string_type":
        return "text in quotes", "A pattern with * stands for several names." if isinstance(value, list) else ""
    if kind == "too_short":
        n = about.get("min_length", 1)
        return f"at least {n} {'entry' if n == 1 else 'entries'}", ""
    return "", ""


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value}"


_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_REMEDIES = {
    "Invalid value": 'Text stands in quotes: key = "text"; numbers, true and false do not.',
    "twice": "Each section, and each key in one, has a name of its own.",
    "overwrite": "Each section, and each key in one, has a name of its own.",
    "Unescaped": "Write paths with /, on Windows too.",
    "Expected '='": "Write key = value, and sections in [brackets].",
    "Invalid statement": "Write key = value, and sections in [brackets].",
    "Illegal character": "Text ends with the quote that it began with.",
}


def no_toml(path: Path, text: str, error: tomllib.TOMLDecodeError) -> InputError:
    """Say which line cannot be read, and what it may lack."""
    said = str(error)
    at = _LINE.search(said)
    lines = text.splitlines()
    line = lines[int(at[1]) - 1].strip() if at and int(at[1]) <= len(lines) else ""
    advice = next((remedy for part, remedy in _REMEDIES.items() if part in said), "")
    return InputError(str(path), said + (f": {_short(line)}" if line else ""), "TOML", advice)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _as_written(loc: tuple[int | str, ...]) -> list[str]:
    """Drop from pydantic's location the tags of unions, which the file does not have."""
    keys = [str(part) for part in loc if part != "[key]"]
    if keys[:1] == ["features"] and len(keys) > 2:
        del keys[2]
    if keys[:2] == ["encoding", "alphas"] and len(keys) > 2:
        del keys[2]
    return keys
