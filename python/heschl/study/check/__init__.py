"""``heschl check``: everything that would fail or mislead later and can be known from files, as one list."""

from heschl.study.check.checker import Checked, check_study

__all__ = ["Checked", "check_study"]
