"""How a study would spread: laws of a makespan, and a plan of a real study."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from heschl.cli import app
from heschl.study.analyses.analysis import Stage
from heschl.study.cluster.spread import Job, makespan, shares_of
from heschl.study.work.cache import Piece

FITS = [Job("features a", 10.0), *[Job("encoding a", 4.0, ("features a",))] * 12, Job("features b", 30.0),
        *[Job("encoding b", 4.0, ("features b",))] * 12,
        *[Job("shared", 5.0, ("encoding a", "encoding b"))] * 4]  # fmt: skip


@pytest.mark.parametrize("n_workers", [1, 2, 3, 7, 50])
def test_laws(n_workers: int) -> None:
    work, chain = sum(job.seconds for job in FITS), 30.0 + 4.0 + 5.0
    found = makespan(FITS, n_workers, 0.0, 0.0)
    assert max(work / n_workers, chain) <= found.seconds <= work / n_workers + chain  # Graham's bound
    assert found.efficiency == pytest.approx(work / n_workers / found.seconds)
    later = makespan(FITS, n_workers, 0.1, 5.0)
    assert found.seconds < later.seconds <= found.seconds + 5.0 + 0.1 * len(FITS)


def test_what_bounds_it() -> None:
    assert makespan(FITS, 1).bound == "the work itself"
    assert makespan(FITS, 64).bound == "one piece after the other, up to 'shared'"
    assert makespan([Job("a", 0.001)] * 5000, 64).bound == "submitting the tasks"


def test_no_task_begins_before_its_inputs_are_there() -> None:
    jobs = [Job("features", 10.0), *[Job("encoding", 5.0, ("features",))] * 8]
    assert makespan(jobs, 3, 0.0, 0.0).seconds == pytest.approx(25.0)


def test_long_pieces_stand_first() -> None:
    pieces = tuple(Piece.unknown(name) for name in "abc")
    stage = Stage("shared", pieces, weights=(1.0, 6.0, 3.0))
    assert [(piece.name, part) for piece, part in stage.by_length()] == [("b", 0.6), ("c", 0.3), ("a", 0.1)]
    assert [part for _, part in Stage("encoding", pieces).by_length()] == pytest.approx([1 / 3] * 3)


def test_a_long_piece_in_shares() -> None:
    """Of 15 training sets the ten pairs of folds come first; what shares take beside their work is no work."""
    shares = shares_of("encoding", "layer 0", 150.0, 5, (), 2.0)
    found = makespan(shares, 10, 0.0, 0.0)
    assert found.seconds == pytest.approx(12.0 + 12.0)
    assert found.efficiency == pytest.approx(150.0 / (10 * 24.0))
    after = [*shares, Job("shared", 5.0, ("encoding",))]
    assert makespan(after, 10, 0.0, 0.0).seconds == pytest.approx(29.0)


def test_the_plan_of_a_study(elsewhere: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["plan", str(elsewhere), "--out", str(tmp_path / "out"), "--dask"])
    assert done.exit_code == 0, done.output
    assert "over the workers of a cluster" in done.output and "efficiency" in done.output
