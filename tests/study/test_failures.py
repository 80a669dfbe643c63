"""What fails is named, and takes nothing with it that does not need it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import heschl.study.analyses.fits.encoding as encoding
import heschl.study.analyses.joint as joint
from heschl.checks import InputError
from heschl.study import open_results, run_study
from heschl.study.analyses.encoding import EncodingAnalysis
from heschl.study.analyses.failures import together, without_failed
from heschl.study.analyses.joint import JointAnalysis
from heschl.study.report import figures
from heschl.study.run import _extracted
from heschl.study.session import Session
from heschl.study.work.workers import FEATURES, Part

JOINTS = """
[joint.heard]
spaces = ["mel", "static"]
n_iter = 2
[joint.words]
spaces = ["gpt", "static"]
n_iter = 2
"""


@pytest.fixture
def finished(cohort: Path, whole_run: Path, tmp_path: Path) -> Path:
    """The study.toml of a copy of the tiny cohort with its finished run, and two joint models to do."""
    shutil.copytree(cohort.parent, tmp_path / "cohort")
    study = tmp_path / "cohort" / "study.toml"
    study.write_text(study.read_text() + JOINTS)
    return study


def test_a_space_that_cannot_be_fitted(finished: Path, whole_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = finished.parent / "results"
    for piece in (out / "cache" / "encoding" / "mel").iterdir():
        piece.unlink()
    fit, refuse = encoding.fit_layer, [True]

    def fails(*arguments: Any, space: Any = None, **keys: Any) -> Any:
        if space.kind == "mel" and refuse:
            raise FloatingPointError("a singular matrix")
        return fit(*arguments, space=space, **keys)

    monkeypatch.setattr(encoding, "fit_layer", fails)
    few = [row for row in figures.FIGURES if row.name in ("best_layer_scores", "spaces_together")]
    monkeypatch.setattr(figures, "FIGURES", few)
    console = Console(record=True, width=300)
    with pytest.raises(
        InputError, match=r"encoding mel \(encoding/mel/0.npz: .*singular matrix.*encoding\.alphas"
    ) as raised:
        run_study(finished, console=console)
    assert "spaces together: heard" in str(raised.value) and "the same command does what is left" in str(raised.value)
    assert "encoding/mel/0.npz failed, all else goes on" in console.export_text()
    results, before = open_results(out), open_results(whole_run)
    assert results["space"].values.tolist() == ["wav", "gpt", "static"]
    np.testing.assert_array_equal(results["best_r2"].values, before["best_r2"].sel(space=results["space"]).values)
    assert set(json.loads(results.attrs["failed"])) == {"encoding mel", "spaces together: heard"}
    assert set(results["joint_space"].values) == {"words: gpt", "words: static"}
    assert "encoding mel failed" in (out / "summary.md").read_text().replace("**", "")
    assert (out / "figures" / "best_layer_scores.png").stat().st_mtime_ns > before_time(whole_run)
    refuse.clear()  # the same again does what is left
    session = Session(finished)
    assert EncodingAnalysis().run(session) == {} and EncodingAnalysis().done(session)
    assert without_failed(session, EncodingAnalysis(), {}) == (session, {})


def before_time(out: Path) -> int:
    return (out / "figures" / "best_layer_scores.png").stat().st_mtime_ns


def test_a_joint_model_that_cannot_be_fitted(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = joint.write_joint

    def fails(features: Any, *arguments: Any) -> None:
        if "mel" in features:
            raise MemoryError("no room for it")
        write(features, *arguments)

    fails.__module__ = write.__module__  # a piece's key is of the code of that module
    monkeypatch.setattr(joint, "write_joint", fails)
    session, analysis = Session(finished), JointAnalysis()
    less, failed = without_failed(session, analysis, analysis.run(session))
    assert list(failed) == ["spaces together: heard"] and list(less.study.joint) == ["words"]
    assert re.search("1 piece of spaces together: heard.*MemoryError: no room for it", str(together(failed)))
    assert analysis.done(less) and list(less.study.features) == list(session.study.features)


def test_the_model_of_the_grid_fails(finished: Path) -> None:
    """Its frames stay: what was fitted of other spaces is found again."""
    session = Session(finished)
    less = session.without(["wav"])
    assert list(less.features) == ["mel", "gpt", "static"] and less.study.grid.rate == less.grid.rate == 50.0
    assert less.grid is session.grid and set(less.study.joint) == {"heard", "words"}


def test_features_that_cannot_be_extracted(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(stored: Any, *arguments: Any) -> None:
        if "gpt" in arguments[3]:
            raise RuntimeError("the model is broken")

    monkeypatch.setattr("heschl.study.session.extract_missing", fails)
    session = Session(finished)
    spaces = tuple(session.study.features)
    less, failed = _extracted(session, Part((FEATURES,), spaces, whole=False))
    assert list(failed) == [session.sources["gpt"].title, "spaces together: words"] and "gpt" not in less.study.features
    assert re.search(
        "2 parts.*features gpt .*RuntimeError: the model is broken.*failed before it", str(together(failed))
    )
    monkeypatch.setattr("heschl.study.session.extract_missing", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # nothing is left
        _extracted(session, Part((FEATURES,), spaces, whole=False))
