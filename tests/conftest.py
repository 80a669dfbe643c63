"""One profile for all tests: a busy machine is no failure, and tests side by side share the cores."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):  # before NumPy is imported, which reads it once
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))

# In CI the examples are the same each time: what it says of a change depends on the change alone. By hand they are new.
settings.register_profile("heschl", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("heschl")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the order of files where tests run side by side: by their number those that take longest would be last."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with whole studies, which take longest."""
    items.sort(key=lambda item: "study" not in item.path.parts)
