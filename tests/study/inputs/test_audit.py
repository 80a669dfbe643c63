"""The same sound or the same sentence in another fold is found, whatever file or spelling it comes in."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from heschl.study.inputs.audit import audit
from heschl.study.inputs.load import load_inputs
from heschl.study.inputs.targets import fit_groups
from heschl.timing.grid import FrameGrid

N_SENTENCES, N_REPEATED = 12, 5


def study_of(folder: Path, copy: str) -> Path:
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
