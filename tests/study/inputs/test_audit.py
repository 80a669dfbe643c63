"""The same sound or the same sentence in another fold is found, whatever file or spelling it comes in."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from heschl.checks import InputError
from heschl.study.inputs.audit import audit
from heschl.study.inputs.load import load_inputs
from heschl.study.inputs.targets import fit_groups
from heschl.timing.grid import FrameGrid
from heschl.timing.words import Word

N_SENTENCES, N_REPEATED = 12, 5


def study_of(folder: Path, copy: str, folds_by: str = "stimulus") -> Path:
    """Write sentences, some of them again under another name as `copy` says."""
    (folder / "s").mkdir()
    rng = np.random.default_rng(0)
    words = {}
    for i in range(N_SENTENCES):
        path = folder / "s" / f"a{i:02d}.wav"
        soundfile.write(path, (rng.standard_normal(16000) * 3000).astype("int16"), 16000)
        words[path.stem] = [f"word{i}", f"spoken{i}"]
    for i in range(N_REPEATED if copy != "none" else 0):
        source, path = folder / "s" / f"a{i:02d}.wav", folder / "s" / f"z{i:02d}.wav"
        sound, rate = soundfile.read(source, dtype="int16")
        words[path.stem] = words[source.stem]
        if copy == "bytes":
            shutil.copy(source, path)
        elif copy == "24 bits":
            soundfile.write(path, sound, rate, subtype="PCM_24")
        elif copy == "trimmed":
            soundfile.write(path, sound[1111:], rate)
        else:
            soundfile.write(path, (rng.standard_normal(16000) * 3000).astype("int16"), rate)
            words[path.stem] = [words[source.stem][0].title(), words[source.stem][1] + "."]
    with open(folder / "words.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["stimulus", "word", "start", "end"])
        rows.writerows([n, w, 0.1 + 0.4 * k, 0.4 + 0.4 * k] for n, ws in words.items() for k, w in enumerate(ws))
    responses = rng.standard_normal((len(words), 100, 2)).astype("f4")
    np.savez(folder / "S1.npz", responses=responses, stimuli=list(words), electrodes=["e1", "e2"], sfreq=100.0)
    use = 'words = "words.csv"\n' if copy == "words" else ""
    (folder / "study.toml").write_text(
        f'name = "x"\n[stimuli]\nsounds = "s/*.wav"\n{use}[responses.subjects]\nS1 = "S1.npz"\n'
        '[grid]\nrate = 25.0\n[features.mel]\nkind = "mel"\nn_mels = 8\n'
        f'[encoding]\nfolds_by = "{folds_by}"\n'
    )
    return folder / "study.toml"


@pytest.mark.parametrize(
    ("copy", "leaks"), [("none", []), ("bytes", ["sounds"]), ("24 bits", ["sounds"]), ("trimmed", ["sounds"]),
                        ("words", ["sentences"])],
)  # fmt: skip
def test_repeats_under_other_names(tmp_path: Path, copy: str, leaks: list[str]) -> None:
    inputs = load_inputs(study_of(tmp_path, copy))
    found = audit(inputs, fit_groups(inputs, FrameGrid.from_rate(25.0)))
    assert [finding.what.split()[0] for finding in found if not finding.clean] == leaks


@pytest.mark.parametrize(("copy", "folds_by"), [("none", "text"), ("bytes", "sound"), ("trimmed", "text"),
                                                ("words", "text")])  # fmt: skip
def test_what_is_alike_stays_together(tmp_path: Path, copy: str, folds_by: str) -> None:
    inputs = load_inputs(study_of(tmp_path, copy, folds_by))
    (group,) = fit_groups(inputs, FrameGrid.from_rate(25.0))
    assert all(finding.clean for finding in audit(inputs, [group]))
    fold = dict(zip((name for name, _ in group.segments), group.folds.tolist(), strict=True))
    assert set(fold.values()) == set(range(5))
    for i in range(N_REPEATED if copy != "none" else 0):
        assert fold[f"a{i:02d}"] == fold[f"z{i:02d}"] and inputs.identities[f"z{i:02d}"] == f"a{i:02d}"


def test_the_same_words_may_be_parted(tmp_path: Path) -> None:
    inputs = load_inputs(study_of(tmp_path, "words", "sound"))
    assert len(set(inputs.identities.values())) == N_SENTENCES + N_REPEATED


def test_alike_through_others_and_too_few_left(tmp_path: Path) -> None:
    inputs = load_inputs(study_of(tmp_path, "bytes", "text"))
    said = {name: (Word(name, 0.1, 0.4),) for name in inputs.stimuli}
    said["z00"] = (Word("A05", 0.1, 0.4),)  # sounds like a00, says what a05 says
    stimuli = {name: replace(stimulus, words=said[name]) for name, stimulus in inputs.stimuli.items()}
    told = replace(inputs, stimuli=stimuli).identities
    assert told["a00"] == told["z00"] == told["a05"] == "a00" and told["a06"] == "a06"
    one = {name: replace(stimulus, words=said["a05"]) for name, stimulus in inputs.stimuli.items()}
    with pytest.raises(InputError, match=r"1 that differ in what encoding.folds_by = 'text' keeps together"):
        fit_groups(replace(inputs, stimuli=one), FrameGrid.from_rate(25.0))
