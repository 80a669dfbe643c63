"""Eighty mistakes that people make in their files and in study.toml: each is one line that names the cure."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from heschl.study.check import check_study
from study.check.mistakes import GPT, HUBERT, MISTAKES, RATE, STUDY, timit, toml


@pytest.fixture(scope="module")
def sound_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study without a mistake."""
    folder = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(0)
    (folder / "stimuli").mkdir()
    (folder / "own").mkdir()
    rows, seconds = ["stimulus,word,start,end"], np.linspace(0.9, 1.8, 10)
    for i, length in enumerate(seconds):
        soundfile.write(folder / f"stimuli/s{i}.wav", rng.normal(0, 0.1, round(length * 16000)), 16000)
        rows += [
            f"s{i},word{j},{0.05 + 0.2 * j + 0.002 * i:.3f},{0.2 + 0.2 * j:.2f}" for j in range(int(length / 0.2) - 1)
        ]
        np.save(folder / f"own/s{i}.npy", rng.normal(size=(2, int(length * 50 + 1e-6), 6)).astype(np.float32))
    (folder / "words.csv").write_text("\n".join(rows) + "\n")
    (folder / "glove.txt").write_text("".join(f"word{j} 0.1 0.{j}\n" for j in range(9)))
    for name, config in (("hubert", HUBERT), ("gpt", GPT)):
        (folder / "models" / name).mkdir(parents=True)
        (folder / "models" / name / "config.json").write_text(json.dumps(config))
        (folder / "models" / name / "model.safetensors").write_bytes(b"")
    for subject in ("S1", "S2"):
        lengths = np.round(seconds * RATE).astype(int)
        np.savez(
            folder / f"{subject}.npz", responses=rng.normal(size=(lengths.sum(), 3)), lengths=lengths,
            stimuli=[f"s{i}" for i in range(10)], electrodes=["STG1", "STG2", "HG1"], sfreq=RATE,
            positions=np.array([[-0.06, -0.02, 0.01], [-0.06, -0.03, 0.01], [-0.05, -0.02, 0.0]]),
        )  # fmt: skip
    (folder / "study.toml").write_text(STUDY)
    return folder


def test_a_study_without_a_mistake_has_none(sound_study: Path) -> None:
    found = check_study(sound_study / "study.toml")
    assert [str(problem) for problem in found.problems] == []
    assert found.stimuli == 10 and found.subjects == 2 and found.electrodes == 6 and found.words > 40
    assert "nothing stands in the way" in found.verdict


def test_eighty_mistakes() -> None:
    assert len(MISTAKES) >= 80


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named_with_their_cure(sound_study: Path, tmp_path: Path, mistake: str) -> None:
    make, severity, said = MISTAKES[mistake]
    folder = shutil.copytree(sound_study, tmp_path / "study")
    make(folder)
    found = check_study(folder / "study.toml")
    lines = [str(problem) for problem in found.problems if problem.severity == severity]
    assert any(all(word in line for word in said) for line in lines) or all(
        any(word in line for line in lines) for word in said
    ), [str(problem) for problem in found.problems]
    assert lines and len(found.problems) <= 4, [str(problem) for problem in found.problems]


def test_timits_own_overlaps_pass_with_a_note(sound_study: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(sound_study, tmp_path / "study")
    timit(folder)
    found = check_study(folder / "study.toml")
    assert found.count("error") == found.count("warning") == 0
    (note,) = found.problems
    assert "10 words that begin before" in note.found and 'overlaps = "error"' in note.remedy


def test_a_mark_at_the_begin_of_the_file_is_no_mistake(sound_study: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(sound_study, tmp_path / "study")
    (folder / "study.toml").write_text(STUDY, encoding="utf-8-sig")
    assert not check_study(folder / "study.toml").problems


def test_what_is_left_aside_is_no_mistake(sound_study: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(sound_study, tmp_path / "study")
    toml('words = "words.csv"', 'words = "words.csv"\nexclude = ["s0", "s1"]')(folder)
    for path in list((folder / "stimuli").iterdir()):  # what a Mac writes beside files on other systems
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")
    found = check_study(folder / "study.toml")
    assert not found.problems and found.stimuli == 8


def test_a_folder_for_the_file_in_it(sound_study: Path) -> None:
    (problem,) = check_study(sound_study).problems
    assert str(sound_study / "study.toml") in problem.remedy


def test_several_mistakes_are_one_list(sound_study: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(sound_study, tmp_path / "study")
    for name in ("words in ms", "positions in mm", "frame arrays that lack one"):
        MISTAKES[name][0](folder)
    (folder / "study.toml").write_text(STUDY.replace("tmax = 0.2", "tmax = 200"))
    keys = [problem.key for problem in check_study(folder / "study.toml").problems if problem.severity == "error"]
    for key in ("stimuli.words", "responses.subjects.S1: positions", "features.own.folder", "encoding.tmax"):
        assert key in keys
