"""`heschl plan`: what a run will take, held against what it took; what cannot fit is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from heschl.checks import InputError
from heschl.cli import app
from heschl.study import plan as planning
from heschl.study import run_study
from heschl.study.plan import plan_study
from heschl.study.work.layout import RESULTS_TITLE
from study.test_manifest import EXTRAS, TITLES


def test_a_plan_names_the_stages_of_the_run(own_cohort: Path) -> None:
    own_cohort.write_text('preset = "chen2024"\n' + own_cohort.read_text() + EXTRAS)
    plan = plan_study(own_cohort)
    out = own_cohort.parent / "results"
    assert not (out / "results.zarr").exists() and not (out / "features").exists()
    estimated = {stage.name: stage for stage in plan.stages}
    assert [*estimated] == [*TITLES, RESULTS_TITLE]
    assert estimated["encoding wav"].fits == 3 and "cholesky" in estimated["encoding wav"].how
    assert plan.seconds > 0 and plan.memory > planning.OVERHEAD_BYTES and plan.disk > 0
    run_study(own_cohort)
    timing = json.loads((out / "timing.json").read_text())
    assert {name for name, row in timing.items() if row["estimated"] is not None} == set(estimated)
    again = plan_study(own_cohort)
    assert {stage.name: stage for stage in again.stages}["features gpt (3 layers × 8)"].seconds == 0.0


def test_what_cannot_fit_is_refused(own_cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "free_memory", lambda: 1e6)
    with pytest.raises(InputError, match=r"memory for .*GB, which is free here.*encoding\.tmax"):
        plan_study(own_cohort)
    monkeypatch.setattr(planning, "free_memory", lambda: 1e12)
    monkeypatch.setattr(planning, "free_disk", lambda folder: 10.0)
    with pytest.raises(InputError, match=r"disk.*float16"):
        plan_study(own_cohort)


def test_from_the_shell(own_cohort: Path) -> None:
    said = CliRunner().invoke(app, ["plan", str(own_cohort)])
    assert said.exit_code == 0 and "encoding wav" in said.output and "in all" in said.output
    assert CliRunner().invoke(app, ["plan", str(own_cohort.parent / "nothing.toml")]).exit_code == 2


def test_time_grows_with_the_work(own_cohort: Path) -> None:
    """Ten times the layers' fits take more: the trial is of the study's own shape."""
    one = plan_study(own_cohort)
    text = own_cohort.read_text().replace("tmax = 0.08", "tmax = 0.4").replace("alphas = [1.0, 1e2, 1e4]", "alphas = "
        "{ low = 1.0, high = 1e6, n = 40 }")  # fmt: skip
    own_cohort.write_text(text)
    more = plan_study(own_cohort)
    own, other = ({s.name: s.seconds for s in p.stages}["encoding wav"] for p in (one, more))
    assert other > own
