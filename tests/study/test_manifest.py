"""`heschl run --dry-run`: what is done and what is left, before, half-way and after."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import heschl.study.analyses.fits.encoding as encoding
from heschl.cli import app
from heschl.study import run_study
from heschl.study.manifest import manifest
from heschl.study.run import extract_study
from heschl.study.work.progress import Reporter

EXTRAS = """
[shared]
speech = "wav"
language = "gpt"
n_components = 2
semantic = "static"
acoustic = "mel"
[word_lags]
spaces = ["static", "gpt"]
tmin = -0.1
tmax = 0.1
step = 0.1
window = 0.1
"""
SPACES = ("mel", "wav", "gpt", "static")
TITLES = [
    "features mel (1 layer × 6)", "features wav (3 layers × 8)", "features gpt (3 layers × 8)",
    "features static (1 layer × 5)", *(f"encoding {space}" for space in SPACES), "exchange test",
    "over the common time course", "noise ceilings", "shared by wav and gpt", "number of shared components",
    "what the shared part is made of", "layers with layers", "as published", "words at lags", "audit",
]  # fmt: skip
PIECES = [8, 8, 8, 8, 1, 3, 3, 1, 8, 4, 2, 16, 1, 7, 2, 8, 2, 5]


def done(study: Path) -> list[int]:
    items = manifest(study)
    assert [item.title for item in items] == TITLES
    assert [len(item.done) + len(item.missing) for item in items] == PIECES
    return [len(item.done) for item in items]


def test_before_half_way_and_after(own_cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_cohort.write_text('preset = "chen2024"\n' + own_cohort.read_text() + EXTRAS)
    assert done(own_cohort) == [0] * len(PIECES)
    assert not (own_cohort.parent / "results").exists()
    extract_study(own_cohort, Reporter(None))
    assert done(own_cohort) == PIECES[:4] + [0] * 14
    fit, fitted = encoding.fit_layer, []

    def stops(*args: object, **rest: object) -> object:
        if len(fitted) == 3:
            raise KeyboardInterrupt
        fitted.append(1)
        return fit(*args, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(encoding, "fit_layer", stops)
    with pytest.raises(KeyboardInterrupt):
        run_study(own_cohort)
    assert done(own_cohort)[4:8] == [1, 2, 0, 0]
    monkeypatch.setattr(encoding, "fit_layer", fit)
    run_study(own_cohort)
    assert done(own_cohort) == PIECES
    lines = CliRunner().invoke(app, ["run", str(own_cohort), "--dry-run"]).output.splitlines()
    assert "encoding wav: 3 of 3 done" in lines and "shared by wav and gpt: 16 of 16 done" in lines
    listed = next(line for line in lines if "shared/speech-top.npz" in line)
    assert listed.startswith("    done: ") and not any(line.startswith("    left: ") for line in lines)
    own_cohort.write_text(own_cohort.read_text().replace("tmax = 0.08", "tmax = 0.06"))
    changed = done(own_cohort)
    assert changed[4:10] == [0] * 6 and changed[10] == 2  # ceilings know no lags
    left = CliRunner().invoke(app, ["run", str(own_cohort), "--dry-run"]).output
    assert "    left: shared/correlations.npz, " in left and "words/static.npz" in left
