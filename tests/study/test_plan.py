"""`heschl plan`: what a run will take, held against what it took; what cannot fit is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from heschl.checks import InputError
from heschl.cli import app
from heschl.features.store import Description
from heschl.study import plan as planning
from heschl.study import run_study
from heschl.study.analyses.analysis import StageCost
from heschl.study.config.study import Study, read_study
from heschl.study.plan import compare_with_plan, plan_study
from heschl.study.savings import savings
from heschl.study.work.layout import RESULTS_TITLE, Layout
from heschl.study.work.progress import Reporter
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


def test_a_plan_knows_what_is_done_and_that_the_study_was_edited(own_cohort: Path, whole_run: Path) -> None:
    out = own_cohort.parent / "results"
    shutil.copytree(whole_run, out)
    plan = plan_study(own_cohort)
    done = {stage.name: stage for stage in plan.stages}["encoding mel"]
    assert done.seconds == 0.0 and "1 of 1 pieces are done" in done.how
    edited = read_study(own_cohort).model_copy(update={"seed": 4})
    assert "edited since" in compare_with_plan(Layout(out), {"encoding mel": 1.0}, edited)[0]


def test_a_plan_in_a_folder_that_may_not_be_written_to(own_cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = []

    @contextmanager
    def refuses(path: Path) -> Iterator[Path]:
        raise InputError(str(path), "a folder that may not be written to", "one to write to")
        yield path

    monkeypatch.setattr(planning, "replacing", refuses)
    monkeypatch.setattr(planning.os, "access", lambda *_: False)
    reporter = Reporter(None)
    monkeypatch.setattr(reporter, "say", said.append)
    assert plan_study(own_cohort, report=reporter).seconds > 0
    assert any("the plan is not kept" in line for line in said)


def test_settings_that_would_save_much_are_named() -> None:
    study = Study.model_validate({
        "name": "x", "stimuli": {"sounds": "*.wav"}, "responses": {"subjects": {"S1": "S1.npz"}},
        "features": {"speech": {"kind": "speech", "model": "m"}}, "encoding": {"folds": 5},
    })  # fmt: skip
    about = Description("speech", "frame", tuple(map(str, range(13))), 768, None, {}, "", (), "float32")
    stages = [
        StageCost("encoding speech", 13, 900.0, 1.0, 1.0, ""),
        StageCost("features speech", 1, 100.0, 1.0, 1.0, ""),
    ]
    found = savings(study, {"speech": about}, stages)
    assert found[0].startswith("features.speech.pca = 100: about ") and 'layers = "every 2": about 9 min' in str(found)
    assert savings(study, {"speech": about}, [StageCost("features speech", 1, 900.0, 1.0, 1.0, "")]) == ()
