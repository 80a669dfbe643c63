"""The features of a study: extracted once, whatever else changes; what is refused harms nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import heschl.study.extraction.spaces as extraction
from heschl.checks import InputError
from heschl.cli import app
from heschl.linear import Repeated
from heschl.study.extraction.features import Features
from heschl.study.extraction.inventory import find_store, removable
from heschl.study.run import extract_study
from heschl.study.session import Session
from heschl.study.work.progress import Reporter
from heschl.timing.align import words_to_frames
from heschl.timing.grid import FrameGrid
from heschl.timing.resample import resample

SILENT = Reporter(None)


def features_of(study: Path) -> tuple[Any, dict[str, Features], FrameGrid]:
    session = Session(study).extracted()
    return session.inputs, session.features, session.grid


def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    original, names = extraction.open_space, []

    def counted(name: str, inputs: Any) -> Any:
        names.append(name)
        return original(name, inputs)

    monkeypatch.setattr(extraction, "open_space", counted)
    return names


def test_a_model_is_loaded_once_to_be_described_and_extracted(
    own_cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = opened(monkeypatch)
    features_of(own_cohort)
    assert names == ["mel", "wav", "gpt", "static"]
    features_of(own_cohort)
    assert len(names) == 4


def test_where_memory_is_short_a_model_is_let_go_between(own_cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "free_memory", lambda: 0.0)
    names = opened(monkeypatch)
    features_of(own_cohort)
    assert names == ["mel", "wav", "gpt", "static"] * 2


def test_layers_come_onto_the_grid(cohort: Path) -> None:
    inputs, features, grid = features_of(cohort)
    lengths = {name: grid.n_frames(seconds) for name, seconds in inputs.lengths.items()}
    segments = [("s2", lengths["s2"]), ("s0", 10), ("s2", 7)]
    word_rate = features["gpt"].layer(1, segments)
    assert isinstance(word_rate, Repeated)
    values = features["gpt"].stored.layer(1, [features["gpt"].keys[name] for name in ("s2", "s0")])
    expected = [
        words_to_frames(rows, inputs.stimuli[name].words, grid.times(lengths[name]))
        for rows, name in zip(values, ("s2", "s0"), strict=True)
    ]
    joined = np.concatenate([expected[0], expected[1][:10], expected[0][:7]])
    np.testing.assert_array_equal(word_rate.expand(), joined)
    assert len(word_rate.values) < len(word_rate) / 3
    own = features["wav"]
    (rows,) = own.stored.layer(2, [own.keys["s2"]])
    np.testing.assert_array_equal(own.layer(2, segments[:1]), rows)  # the model's frames are the grid
    mel = features["mel"]
    (rows,) = mel.stored.layer(0, [mel.keys["s2"]])
    assert mel.stored.description.grid is not None
    times = mel.stored.description.grid.times(len(rows))
    np.testing.assert_array_equal(mel.layer(0, segments[:1]), resample(rows, times, grid.times(lengths["s2"])))


def test_a_new_stimulus_costs_itself_alone(own_cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = extract_study(own_cohort, SILENT)
    before = {found.description.name: found.index() for found in store.sets()}
    sound, sfreq = soundfile.read(own_cohort.parent / "stimuli" / "s3.wav")
    soundfile.write(own_cohort.parent / "stimuli" / "s3.wav", sound[::-1], sfreq)
    names = opened(monkeypatch)
    extract_study(own_cohort, SILENT)
    assert names == ["mel", "wav"]  # words know nothing of the sound
    for found in store.sets():
        after = found.index()
        new = set(after) - set(before[found.description.name])
        assert len(new) == (found.description.rows == "frame")
        assert before[found.description.name].items() <= after.items()


def test_the_grid_and_the_times_of_words_cost_no_extraction(own_cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extract_study(own_cohort, SILENT)
    own_cohort.write_text(own_cohort.read_text().replace('model = "wav"\n[features.mel]', "rate = 25\n[features.mel]"))
    words = own_cohort.parent / "words.csv"
    words.write_text(words.read_text().replace("0.20,0.35", "0.20,0.33"))
    names = opened(monkeypatch)
    _, features, grid = features_of(own_cohort)
    assert grid.rate == 25 and not names
    assert len(features["wav"].layer(0, [("s1", 20)])) == 20


def test_studies_share_a_store(own_cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_cohort.write_text(own_cohort.read_text() + f'[store]\nfolder = "{tmp_path / "shared"}"\n')
    extract_study(own_cohort, SILENT)
    other = own_cohort.with_name("other.toml")
    other.write_text(
        own_cohort.read_text().replace('name = "Tiny"', 'name = "Other"').replace("folds = 3", "folds = 4")
    )
    names = opened(monkeypatch)
    extract_study(other, SILENT)
    assert not names and len(find_store(tmp_path / "shared").sets()) == 4
    assert not (own_cohort.parent / "results").exists()


def test_half_precision_is_a_set_of_its_own(own_cohort: Path) -> None:
    extract_study(own_cohort, SILENT)
    own_cohort.write_text(own_cohort.read_text() + '[store]\ndtype = "float16"\n')
    store = extract_study(own_cohort, SILENT)
    kinds = {(found.description.name, found.description.dtype) for found in store.sets()}
    assert len(kinds) == 8
    whole, half = (
        next(found for found in store.sets() if (found.description.name, found.description.dtype) == ("wav", dtype))
        for dtype in ("float32", "float16")
    )
    keys = list(whole.index())
    for a, b in zip(whole.layer(1, keys), half.layer(1, keys), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)


def test_a_broken_sound_harms_no_other(own_cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = own_cohort.parent / "stimuli"
    whole = {name: (folder / name).read_bytes() for name in ("s2.wav", "s5.wav")}
    for name in whole:
        sound, sfreq = soundfile.read(folder / name)
        soundfile.write(folder / name, np.full_like(sound, np.nan), sfreq, subtype="FLOAT")
    with pytest.raises(InputError, match=r"stimulus 's2'.*NaN.*Refused as well: 's5'"):
        extract_study(own_cohort, SILENT)
    (mel,) = find_store(own_cohort).sets()
    assert mel.description.name == "mel" and len(mel.index()) == 6
    for name, content in whole.items():
        (folder / name).write_bytes(content)
    extract_study(own_cohort, SILENT)
    assert len(mel.index()) == 8


def test_the_command_line_lists_and_prunes(own_cohort: Path) -> None:
    def say(*arguments: str) -> Any:
        return CliRunner().invoke(app, ["features", *arguments])

    made = say("extract", str(own_cohort))
    assert made.exit_code == 0 and "features wav (3 layers × 8)" in made.stdout
    listed = say("list", str(own_cohort)).stdout
    assert "wav: 3 layers × 8 per frame at 50 Hz, 8 stimuli" in listed and "4 sets" in listed
    assert "n_mels: 6" in listed and "1 of 8 words without a vector: long" in listed
    own_cohort.write_text(own_cohort.read_text().replace("n_mels = 6", "n_mels = 7"))
    unused = say("prune", str(own_cohort), "--keep", str(own_cohort))
    assert re.match(r"would delete \w+  mel: ", unused.stdout) and len(unused.stdout.splitlines()) == 1
    assert len(find_store(own_cohort).sets()) == 4
    assert say("prune", str(own_cohort), "--keep", str(own_cohort), "--yes").stdout.startswith("deleted")
    kept = find_store(own_cohort).sets()
    assert [found.description.name for found in kept] == ["wav", "gpt", "static"]
    assert removable(find_store(own_cohort), older_than=1) == []
    assert say("prune", str(own_cohort), kept[0].key[:6], "--yes").exit_code == 0
    assert len(find_store(own_cohort).sets()) == 2


@pytest.mark.parametrize(("arguments", "said"), [((), "nothing to choose by"), (("zz",), "'zz'")])
def test_what_cannot_be_pruned(own_cohort: Path, arguments: tuple[str, ...], said: str) -> None:
    extract_study(own_cohort, SILENT)
    result = CliRunner().invoke(app, ["features", "prune", str(own_cohort), *arguments])
    assert result.exit_code == 2 and said in result.stderr


def test_a_folder_without_features(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["features", "list", str(tmp_path)])
    assert result.exit_code == 2 and "no features" in result.stderr
