from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from heschl.study.report import figures
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


@pytest.fixture(autouse=True)
def one_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that a test makes draws one figure: half of it would be drawing. Runs that several share draw them all."""
    kept = "best_layer_scores", "score_by_lag"
    monkeypatch.setattr(figures, "FIGURES", [row for row in figures.FIGURES if row.name in kept])
