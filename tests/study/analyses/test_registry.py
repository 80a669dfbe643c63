"""An analysis is one row: what it must say, what a failing one costs, and that its code is in its keys."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from heschl.checks import InputError
from heschl.sources import defining_module, modules_behind
from heschl.study import open_results, run_study
from heschl.study.analyses.analysis import Analysis
from heschl.study.analyses.fits import shared as fits
from heschl.study.analyses.registry import ANALYSES, wanted, with_needs
from heschl.study.config.study import read_study
from heschl.study.session import Session
from study.test_manifest import EXTRAS

LATER = ("time_course", "shared", "components", "commonality", "word_lags")
"""Whose pieces are known only once the encoding is done."""


@pytest.fixture
def study(own_cohort: Path) -> Path:
    """A study that asks for every analysis."""
    own_cohort.write_text('preset = "chen2024"\n' + own_cohort.read_text() + EXTRAS)
    return own_cohort


def test_rows(cohort: Path, own_cohort: Path) -> None:
    names = [analysis.name for analysis in ANALYSES]
    assert names == [
        "encoding", "exchange", "time_course", "ceilings", "joint", "shared", "components", "commonality", "layer_map",
        "published", "words", "audit",
    ]  # fmt: skip
    assert [analysis.name for analysis in wanted(read_study(cohort))] == [*names[:4], "audit"]
    assert [a.name for a in with_needs(list(ANALYSES), ("words",))] == ["encoding", "words"]
    assert [a.name for a in with_needs(list(ANALYSES), ("published",))] == ["published"]
    with pytest.raises(TypeError, match="abstract"):
        type("Half", (Analysis,), {"name": "half", "variable": "half"})()


def imported_at_run_time(module: str) -> set[str]:
    """Modules of heschl whose functions, classes or themselves stand in the names of a module."""
    values: list[Any] = list(vars(importlib.import_module(module)).values())
    found = {defined_in(value) for value in values}
    return {name for name in found if name.startswith("heschl.")}


def defined_in(value: Any) -> str:
    """Return where a name stands; public classes of linear/ name the package that they are pickled by."""
    module = str(getattr(value, "__module__", None) or getattr(value, "__name__", ""))
    return defining_module(module, value.__name__) if isinstance(value, type) and module == "heschl.linear" else module


def test_every_module_that_a_stage_uses_is_in_its_key(study: Path) -> None:
    """Also those that the modules it uses use themselves."""
    session = Session(study)
    makers = {
        function.__module__
        for analysis in ANALYSES
        for stage in analysis.stages(session)
        for piece in stage.pieces
        if piece.key is not None
        for function in [getattr(piece.make, "func", piece.make)]
    } | {f"heschl.study.analyses.fits.{later}" for later in LATER}
    assert {maker.rpartition(".")[2] for maker in makers} == {
        "audit", "encoding", "exchange", "ceilings", "layer_map", "published", *LATER
    }  # fmt: skip
    for maker in makers:
        todo, seen = [maker], {maker}
        while todo:
            new = imported_at_run_time(todo.pop()) - seen
            seen |= new
            todo += new
        assert len(seen) > 5 and not seen - modules_behind(maker), maker
        behind = {name.split(".")[2] for name in modules_behind(maker) if name.startswith("heschl.study.")}
        assert not behind & {"report", "results", "session", "run", "plan"}, maker


def test_an_analysis_that_fails_takes_no_other_with_it(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: fits.Split, name: str, path: Path) -> None:
        raise InputError("shared", "a broken split", "a whole one")

    with monkeypatch.context() as patched:
        patched.setattr(fits.Split, "write_part", fails)
        with pytest.raises(InputError, match="a broken split"):
            run_study(study)
    out = study.parent / "results"
    results = open_results(out)
    assert "a broken split" in json.loads(results.attrs["failed"])["shared"]
    assert "shared_r2" not in results and "published_max" in results and "word_lag_r" in results
    assert not (out / "shared.csv").exists()
    assert "shared failed" in (out / "summary.md").read_text() and "a broken split" in (out / "report.html").read_text()
    run_study(study)
    assert "shared_r2" in open_results(out) and json.loads(open_results(out).attrs["failed"]) == {}
