"""One profile for all tests: a busy machine is no failure."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("heschl", deadline=None)
settings.load_profile("heschl")
