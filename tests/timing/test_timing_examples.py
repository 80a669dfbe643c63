"""The examples in the docstrings run."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["align", "audio", "grid", "resample", "transcripts", "validate"])
def test_examples_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"heschl.timing.{name}")).failed == 0
