"""`heschl run --dry-run`: what is done and what is left, before, half-way and after."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import heschl.study.analyses.encoding as encoding
from heschl.cli import app
from heschl.study import run_study
from heschl.study.manifest import Item, manifest
from heschl.study.run import extract_study
from heschl.study.work.progress import Reporter

FITS = {"mel": 1, "wav": 3, "gpt": 3, "static": 1}


def test_before_half_way_and_after(own_cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert manifest(own_cohort) == [Item(name, 0, 8, 0, fits) for name, fits in FITS.items()]
    assert not (own_cohort.parent / "results").exists()
    extract_study(own_cohort, Reporter(None))
    assert manifest(own_cohort) == [Item(name, 8, 8, 0, fits) for name, fits in FITS.items()]
    fit, done = encoding.fit_layer, []

    def stops(*args: object, **rest: object) -> object:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(1)
        return fit(*args, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(encoding, "fit_layer", stops)
    with pytest.raises(KeyboardInterrupt):
        run_study(own_cohort)
    assert [item.fitted for item in manifest(own_cohort)] == [1, 2, 0, 0]
    monkeypatch.setattr(encoding, "fit_layer", fit)
    run_study(own_cohort)
    said = CliRunner().invoke(app, ["run", str(own_cohort), "--dry-run"])
    assert said.exit_code == 0
    assert said.output.splitlines()[1] == "wav: 8 of 8 stimuli extracted, 3 of 3 fits done"
    own_cohort.write_text(own_cohort.read_text().replace("tmax = 0.08", "tmax = 0.06"))
    assert [item.fitted for item in manifest(own_cohort)] == [0, 0, 0, 0]
