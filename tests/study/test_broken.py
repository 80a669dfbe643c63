"""A few broken stimuli are left out, and said; many are an error."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console

import heschl
from heschl.checks import InputError
from heschl.study import run_study
from heschl.study.extraction.extract import RefusedStimuli
from heschl.study.inputs.load import leave_out, load_inputs
from tiny_cohort import write_cohort


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_cohort(tmp_path / "cohort", n_stimuli=12)


def test_a_sound_that_cannot_be_read(study: Path) -> None:
    (study.parent / "stimuli" / "s5.wav").write_bytes(b"RIFF and nothing more")
    console = Console(record=True, width=200)
    out = run_study(study, console=console)
    results = heschl.open_results(out)
    assert "s5" not in results["stimulus"].values and results.sizes["stimulus"] == 11
    assert list(json.loads(results.attrs["broken"])) == ["s5"]
    assert "left out: s5" in console.export_text() and "s5 left out" in (out / "summary.md").read_text()
    assert "Stimulus s5 was left out" in (out / "report.html").read_text()
    assert np.isfinite(results["best_r2"].values).all()


def test_a_sound_that_a_model_refuses(study: Path) -> None:
    """Ten milliseconds: no frame of a speech model fits."""
    path = study.parent / "stimuli" / "s7.wav"
    soundfile.write(path, np.zeros(160), 16000)
    words = study.parent / "words.csv"
    words.write_text("\n".join(line for line in words.read_text().splitlines() if not line.startswith("s7,")) + "\n")
    text = study.read_text().replace('tail = "silence"', 'tail = "crop"')
    study.write_text(text)
    try:
        results = heschl.open_results(run_study(study))
    except InputError as error:  # refused before any work, by its trial
        assert "s7" in str(error)
    else:
        assert "s7" not in results["stimulus"].values


def test_many_are_an_error(study: Path) -> None:
    for i in (1, 2):
        (study.parent / "stimuli" / f"s{i}.wav").write_bytes(b"RIFF and nothing more")
    with pytest.raises(InputError, match=r"s1\.wav"):
        load_inputs(study)


def test_leaving_out(study: Path) -> None:
    inputs = load_inputs(study)
    less = leave_out(inputs, {"s3": "why"})
    assert less is not None and "s3" not in less.stimuli and less.broken == {"s3": "why"}
    assert all("s3" not in subject.stimuli for subject in less.subjects)
    assert len(less.subjects[0].trials) == len(inputs.subjects[0].trials) - 1
    assert leave_out(less, {"s4": "why"}) is None  # two of twelve
    error = RefusedStimuli("a", "b", "c", "", {"s3": "why"})
    assert error.stimuli == {"s3": "why"} and "found b" in str(error)


def test_damaged_features_are_said_and_extracted_again(study: Path) -> None:
    """One flipped bit, a chunk that is gone: the same numbers as before, and no silence about it."""
    out = run_study(study)
    before = (out / "scores.csv").read_text()
    chunks = sorted((out / "features").rglob("c/0/0"))
    assert len(chunks) > 2
    for damaged in (chunks[0], chunks[-1]):
        raw = bytearray(damaged.read_bytes())
        raw[40] ^= 64
        damaged.write_bytes(raw)
    chunks[1].unlink()
    shutil.rmtree(out / "cache")
    console = Console(record=True, width=200)
    run_study(study, console=console)
    assert (out / "scores.csv").read_text() == before
    assert console.export_text().count("they are extracted again") >= 2
