"""One profile for all tests: a busy machine is no failure, and tests side by side share the cores."""

from __future__ import annotations

import os

from hypothesis import settings

if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):  # before NumPy is imported, which reads it once
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))

# In CI the examples are the same each time: what it says of a change depends on the change alone. By hand they are new.
settings.register_profile("heschl", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("heschl")
