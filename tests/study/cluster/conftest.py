from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed")

from cluster_pieces import write_arrays_cohort
from heschl.study.analyses.analysis import Analysis
from heschl.study.analyses.registry import wanted
from heschl.study.cluster.connect import connected
from heschl.study.cluster.work import Work
from heschl.study.cluster.worker import threads
from heschl.study.session import Session
from heschl.study.work.progress import Reporter


class Lines(Reporter):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__(None)
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose features were computed elsewhere; not to be changed."""
    return write_arrays_cohort(tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture(scope="session")
def alone(elsewhere: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of the same study by one process with one thread, as each worker has."""
    session = Session(elsewhere, tmp_path_factory.mktemp("alone"))
    with threads(1):
        session.check()
        session = session.extracted()
        for analysis in wanted(session.study):
            analysis.run(session)
    return session.layout.cache


@pytest.fixture(scope="session")
def client() -> Iterator[Any]:
    """Two workers, processes of one thread each; a piece that kills its worker has failed at the first time."""
    import dask

    with dask.config.set({"distributed.scheduler.allowed-failures": 0}), connected("local:2", Reporter(None)) as client:
        yield client


@pytest.fixture
def work(elsewhere: Path, tmp_path: Path, client: Any) -> Callable[..., Work]:
    """Returns a study, or some analyses of it, to be done on the two workers; what is said is in its report."""

    def make(
        analyses: Sequence[Analysis] | None = None, own: Path | None = None, on: Any = None, costs: Any = None
    ) -> Work:
        session = Session(own or elsewhere, tmp_path / "results", Lines())
        session.check()
        spaces = list(session.study.features) if analyses is None else []
        analyses = wanted(session.study) if analyses is None else analyses
        return Work(session, analyses, spaces, None, costs or {}, on or client)

    return make


@pytest.fixture
def own_study(elsewhere: Path, tmp_path: Path) -> Path:
    """A copy of the study, to be changed at will."""
    shutil.copytree(elsewhere.parent, tmp_path / "study")
    return tmp_path / "study" / "study.toml"
