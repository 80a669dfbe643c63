"""Bad input through the command line: one clear message, exit code 2, and nothing written."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from heschl.cli import app
from heschl.study.inputs.load import load_inputs


def change_responses(study: Path, **changes: Any) -> None:
    path = study.parent / "S1.npz"
    with np.load(path) as arrays:
        kept = dict(arrays)
    np.savez(
        path,
        **{key: change(kept[key]) for key, change in changes.items()}
        | {key: value for key, value in kept.items() if key not in changes},
    )


def spoil(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(responses: np.ndarray) -> np.ndarray:
        responses[2, 5, 1] = value
        return responses

    return change


def replace(study: Path, old: str, new: str, file: str = "study.toml") -> None:
    path = study.parent / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


def weightless(study: Path, model: str) -> None:
    (study.parent / "models" / model / "model.safetensors").unlink()


def short_word(study: Path) -> None:
    path = study.parent / "words.csv"
    path.write_text(path.read_text() + "s0,late,0.95,9.0\n")


def tail_crop(study: Path) -> None:
    replace(study, 'tail = "silence"', 'tail = "crop"')
    soundfile.write(study.parent / "stimuli" / "s3.wav", np.zeros(100), 16000)
    (study.parent / "words.csv").write_text("stimulus,word,start,end\ns0,we,0.1,0.2\n")


FAULTS: dict[str, tuple[Callable[[Path], Any], tuple[str, ...]]] = {
    "missing wav": (lambda s: (s.parent / "stimuli/s2.wav").unlink(), ("'s2'", "s2.wav", "no sound")),
    "no wav": (lambda s: replace(s, "stimuli/*.wav", "sounds/*.wav"), ("stimuli.sounds", "no file that matches")),
    "absolute glob": (lambda s: replace(s, "stimuli/*.wav", "/tmp/*.wav"), ("stimuli.sounds", "relative")),
    "empty wav": (lambda s: soundfile.write(s.parent / "stimuli/s1.wav", np.zeros(0), 16000), ("s1.wav",)),
    "no words file": (lambda s: (s.parent / "words.csv").unlink(), ("stimuli.words", "no file")),
    "word after its sound": (short_word, ("late", "s0", "0.9 s")),
    "words of nothing": (lambda s: replace(s, "s0,", "s99,", "words.csv"), ("s99", "no sound")),
    "no vectors file": (lambda s: (s.parent / "vectors.txt").unlink(), ("features.static.file", "no file")),
    "model without weights": (lambda s: weightless(s, "gpt"), ("features.gpt.model", "without weights")),
    "speech model without weights": (lambda s: weightless(s, "wav"), ("features.wav.model", "without weights")),
    "no model folder": (lambda s: replace(s, "models/gpt", "./models/gtp"), ("features.gpt.model", "no folder")),
    "model of another kind": (lambda s: replace(s, '"models/wav"', '"models/gpt"'), ("gpt2", "a speech encoder")),
    "no response file": (lambda s: (s.parent / "S2.npz").unlink(), ("subject S2", "no such file")),
    "NaN": (lambda s: change_responses(s, responses=spoil(np.nan)), ("NaN", "electrode noise1", "trial 2 (s2)", "S1")),
    "infinite": (lambda s: change_responses(s, responses=spoil(np.inf)), ("infinite", "electrode noise1")),
    "rate of 0": (lambda s: change_responses(s, sfreq=lambda v: v * 0), ("sfreq", "0 Hz")),
    "lengths": (lambda s: change_responses(s, lengths=lambda v: v[:-1]), ("lengths", "9 names")),
    "length too long": (lambda s: change_responses(s, lengths=lambda v: v * 2), ("lengths", "at most")),
    "empty segment": (lambda s: change_responses(s, lengths=lambda v: v * (np.arange(9) != 4)),
                      ("trial 4", "no sample")),
    "one sample": (lambda s: change_responses(s, lengths=lambda v: np.where(np.arange(9) == 4, 1, v)),
                   ("trial 4 (s4)", "at least one frame")),
    "sound under one frame": (tail_crop, ("trial 3 (s3)", "at least one frame")),
    "unknown stimulus": (lambda s: change_responses(s, stimuli=lambda v: np.where(v == "s4", "s44", v)),
                         ("'s44'", "'s4'")),
    "two of a name": (lambda s: change_responses(s, electrodes=lambda v: v[[0, 1, 1]]), ("'noise1' more than once",)),
    "too few stimuli": (lambda s: replace(s, "folds = 3", "folds = 9"), ("8 different stimuli", "folds = 9")),
    "unknown key": (lambda s: replace(s, "folds = 3", "fold = 3"), ("encoding.fold:", "encoding.folds")),
    "alpha of 0": (lambda s: replace(s, "alphas = [1.0", "alphas = [0.0"), ("encoding.alphas.0", "greater than 0")),
    "lags past every trial": (lambda s: replace(s, "tmax = 0.08", "tmax = 8.0"), ("encoding.tmin", "shorter")),
    "lags before every trial": (lambda s: replace(s, "tmax = 0.08", "tmin = -8.0"), ("encoding.tmin", "shorter")),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_input(own_cohort: Path, fault: str) -> None:
    break_it, said = FAULTS[fault]
    break_it(own_cohort)
    before = sorted(own_cohort.parent.rglob("*"))
    result = CliRunner().invoke(app, ["run", str(own_cohort)])
    message = result.stderr.replace("\n", " ")
    assert result.exit_code == 2, (message, result.exception)
    for words in ("error:", *said):
        assert words in message
    assert "Traceback" not in message
    assert sorted(own_cohort.parent.rglob("*")) == before


@pytest.mark.parametrize(("on_disk", "in_tables"), [("NFD", "NFC"), ("NFC", "NFD"), ("NFD", "NFD")])
def test_names_with_accents_are_found_however_they_are_written(tmp_path: Path, on_disk: str, in_tables: str) -> None:
    """A Mac's file system and a table write é in two ways."""
    names = ["café", "Mädchen", "s3", "s4"]
    rng = np.random.default_rng(0)
    (tmp_path / "stimuli").mkdir()
    for name in names:
        path = tmp_path / "stimuli" / f"{unicodedata.normalize(on_disk, name)}.wav"
        soundfile.write(path, 0.1 * rng.standard_normal(16000), 16000)
    rows = "".join(f"{unicodedata.normalize(in_tables, name)}.wav,é,0.1,0.3\n" for name in names)
    (tmp_path / "words.csv").write_text(f"stimulus,word,start,end\n{rows}", encoding="utf-8")
    responses = rng.standard_normal((4, 100, 1))
    np.savez(tmp_path / "S1.npz", responses=responses, stimuli=names, electrodes=["e1"], sfreq=100.0)
    (tmp_path / "study.toml").write_text(
        'name = "x"\n[stimuli]\nsounds = "stimuli/*.wav"\nwords = "words.csv"\n[responses.subjects]\nS1 = "S1.npz"\n'
        '[grid]\nrate = 50.0\n[features.mel]\nkind = "mel"\n[encoding]\nfolds = 3\n'
    )
    found = load_inputs(tmp_path / "study.toml").stimuli
    assert set(found) == set(names) and all(len(stimulus.words) == 1 for stimulus in found.values())
