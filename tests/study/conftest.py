from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tiny_cohort import write_cohort


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study.toml of a tiny cohort; not to be changed."""
    return write_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="session")
def whole_run(cohort: Path) -> Path:
    """The results of a run of the tiny cohort; not to be changed."""
    from heschl.study import run_study

    return run_study(cohort)


@pytest.fixture
def own_cohort(cohort: Path, tmp_path: Path) -> Path:
    """The study.toml of a copy of the tiny cohort, without results, to be changed at will."""
    shutil.copytree(cohort.parent, tmp_path / "cohort", ignore=shutil.ignore_patterns("results"))
    return tmp_path / "cohort" / "study.toml"
