"""Modules are found by the names that they had in 0.1, and are the very modules of today."""

from __future__ import annotations

import importlib
import sys

import pytest

from heschl.moved import MOVED


@pytest.mark.parametrize("name", MOVED)
def test_an_old_name_is_the_module_of_today(name: str) -> None:
    sys.modules.pop(name, None)
    with pytest.warns(DeprecationWarning, match=f"{name} is now {MOVED[name]}"):
        old = importlib.import_module(name)
    assert old is importlib.import_module(MOVED[name])
