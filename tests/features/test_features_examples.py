"""The examples in the docstrings run."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "acoustic",
        "context",
        "convert_whisper",
        "loading",
        "language",
        "passes",
        "speech",
        "surprisal",
        "tokens",
        "words",
    ],
)
def test_examples_run(name: str) -> None:
    pytest.importorskip("transformers")
    assert doctest.testmod(importlib.import_module(f"heschl.features.{name}")).failed == 0
