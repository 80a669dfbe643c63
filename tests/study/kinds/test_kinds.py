"""Every kind of space, from a study.toml to frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from heschl.checks import InputError
from heschl.cli import app
from heschl.linear import Repeated
from heschl.study import open_results, run_study
from heschl.study.config.study import read_study
from heschl.study.kinds.problems import Material
from heschl.study.kinds.words import WordSpace
from heschl.timing.align import word_of_frames
from study.extraction.test_features import features_of

KINDS = """
[features.envelope]
kind = "envelope"
[features.rises]
kind = "mel"
n_mels = 6
onsets = true
[features.surprise]
kind = "surprisal"
model = "models/gpt"
punctuation = true
[features.story]
kind = "language"
model = "models/gpt"
context = "story"
window = 4
stride = 1
pooling = "mean"
silence = "hold"
[features.table]
kind = "words"
file = "vectors.npy"
words = "words.txt"
oov = "drop"
silence = "hold"
[features.words]
kind = "onsets"
[features.phones]
kind = "phones"
[features.phone_onsets]
kind = "onsets"
of = "phones"
"""


@pytest.fixture
def study(own_cohort: Path) -> Path:
    """A study of all kinds; phones are the halves of words, and texts have punctuation."""
    folder = own_cohort.parent
    rows = [line.split(",") for line in (folder / "words.csv").read_text().splitlines()[1:]]
    lines = ["stimulus,word,start,end"]
    texts: dict[str, list[str]] = {}
    for stimulus, word, start, end in rows:
        middle = (float(start) + float(end)) / 2
        lines += [f"{stimulus},{word[0]},{start},{middle}", f"{stimulus},{word[-1]},{middle},{end}"]
        texts.setdefault(stimulus, []).append(word)
    (folder / "phones.csv").write_text("\n".join(lines) + "\n")
    for stimulus, words in texts.items():
        (folder / f"{stimulus}.txt").write_text(", ".join(words).capitalize() + ".")
    vectors = [line.split() for line in (folder / "vectors.txt").read_text().splitlines()]
    (folder / "words.txt").write_text("\n".join(row[0] for row in vectors) + "\n")
    np.save(folder / "vectors.npy", np.array([row[1:] for row in vectors], dtype=np.float32))
    text = own_cohort.read_text().replace(
        'words = "words.csv"', 'words = "words.csv"\nphones = "phones.csv"\ntexts = "s*.txt"'
    )
    start, end = text.index("[features.gpt]"), text.index("[encoding]")
    own_cohort.write_text(text[:start] + KINDS + text[end:])
    return own_cohort


def test_all_kinds_run(study: Path) -> None:
    results = open_results(run_study(study))
    assert set(results["space"].values) == {
        "mel", "wav", "envelope", "rises", "surprise", "story", "table", "words", "phones", "phone_onsets",
    }  # fmt: skip
    assert np.isfinite(results["best_r2"].values).all()
    listed = CliRunner().invoke(app, ["features", "list", str(study)]).stdout
    for choice in ("context: story", "window: 4", "pooling: mean", "these are: left out", "cutoff: 25", "scale: db"):
        assert choice in listed
    checked = CliRunner().invoke(app, ["check", str(study)])
    assert checked.exit_code == 0 and "8 stimuli, 32 words, 2 subjects" in checked.stdout


def test_where_words_stand(study: Path) -> None:
    inputs, features, grid = features_of(study)
    name, n = "s4", grid.n_frames(inputs.lengths["s4"])
    times, stimulus = grid.times(n), inputs.stimuli["s4"]

    def frames(space: str) -> np.ndarray:
        found = features[space].layer(0, [(name, n)])
        return found.expand() if isinstance(found, Repeated) else found

    onsets = frames("words")
    assert onsets.sum() == len(stimulus.words) == 4
    for word, frame in zip(stimulus.words, np.flatnonzero(onsets[:, 0]), strict=True):
        assert abs(times[frame] - word.start) <= 0.5 / grid.rate + 1e-9 or (frame == 0 and word.start < times[0])
    surprise = frames("surprise")
    np.testing.assert_array_equal(surprise[onsets[:, 0] == 0], 0)
    assert (surprise[onsets[:, 0] > 0][1:] > 0).all()
    phones = frames("phones")
    spoken = word_of_frames(stimulus.phones, times)
    labels = sorted({phone.text for each in inputs.stimuli.values() for phone in each.phones})
    for row, phone in zip(phones, spoken, strict=True):
        assert [label for label, value in zip(labels, row, strict=True) if value] == (
            [stimulus.phones[phone].text] if phone >= 0 else []
        )
    assert frames("phone_onsets").sum() == len(stimulus.phones)
    table = frames("table")  # words without a vector are none: the one before is held through them
    known = [word for word in stimulus.words if word.text != "long"]
    before = times < known[0].start
    assert (table[before] == 0).all() and (np.abs(table[~before]).sum(axis=1) > 0).all()
    assert len(np.unique(table[~before], axis=0)) == len({word.text for word in known})


def test_devices_and_places_cost_no_extraction(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features_of(study)
    text = study.read_text().replace('kind = "surprisal"', 'kind = "surprisal"\nat = "word"\ndevice = "auto"')
    study.write_text(text.replace('silence = "hold"\n[features.table]', "[features.table]"))
    monkeypatch.setattr("heschl.study.extraction.spaces.open_space", lambda *_: pytest.fail("opened"))
    features_of(study)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('phones = "phones.csv"\n', "", "stimuli.phones"),
        ('texts = "s*.txt"\n', "", "stimuli.texts"),
        ('words = "words.txt"', 'words = "absent.txt"', "features.table.words"),
        ("cutoff = 25", "cutoff = 99", "cutoff"),
        ('kind = "onsets"\n', 'kind = "onsets"\nsilence = "hold"\n', "silence"),
    ],
)
def test_what_does_not_go_together(study: Path, old: str, new: str, said: str) -> None:
    text = study.read_text().replace('kind = "envelope"', 'kind = "envelope"\ncutoff = 25')
    assert old in text
    study.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=said):
        features_of(study)


def test_the_text_must_have_the_words(study: Path) -> None:
    (study.parent / "s2.txt").write_text("Something else.")
    found = CliRunner().invoke(app, ["check", str(study)])
    assert found.exit_code == 0 and "warning" in found.stdout and "as in the text" in found.stdout
    with pytest.raises(InputError, match=r"features.surprise, stimulus 's2'"):
        features_of(study)


def test_stimuli_in_folders(own_cohort: Path) -> None:
    folder = own_cohort.parent
    for path in list((folder / "stimuli").glob("*.wav")):
        speaker = folder / "stimuli" / f"speaker-{int(path.stem[1:]) % 2}"
        speaker.mkdir(exist_ok=True)
        path.rename(speaker / f"{int(path.stem[1:]) // 2}.wav")

    def renamed(name: str) -> str:
        number = int(str(name).removesuffix(".wav")[1:])
        return f"speaker-{number % 2}/{number // 2}"

    lines = (folder / "words.csv").read_text().splitlines()
    cells = [line.split(",", 1) for line in lines[1:]]
    (folder / "words.csv").write_text("\n".join([lines[0], *(f"{renamed(a)}.wav,{b}" for a, b in cells)]) + "\n")
    for subject in ("S1", "S2"):
        with np.load(folder / f"{subject}.npz") as found:
            arrays = dict(found)
        arrays["stimuli"] = np.array([renamed(name) for name in arrays["stimuli"]])
        np.savez(folder / f"{subject}.npz", **arrays)
    own_cohort.write_text(own_cohort.read_text().replace("stimuli/*.wav", "stimuli/*/*.wav"))
    inputs, _, _ = features_of(own_cohort)
    assert sorted(inputs.stimuli)[0] == "speaker-0/0" and read_study(own_cohort).stimuli.sounds == "stimuli/*/*.wav"


def test_words_without_a_vector_are_counted_before_a_run(tmp_path: Path) -> None:
    """Contractions, possessives and hyphens count as found where their parts are."""
    (tmp_path / "vectors.txt").write_text("do 1 0\nn't 0 1\ndog 1 1\n's 2 0\nwell 0 2\nknown 1 2\n")
    space = WordSpace(kind="words", file="vectors.txt", oov="drop")
    spoken = {"Don\u2019t": 5, "dog's": 2, "well-known": 1, "do": 1, "Zebra": 2}
    (note,) = space.problems(Material(tmp_path, {}, None, 0, spoken), "features.glove")
    assert (
        note.severity == "note"
        and "vectors of 4 of 5 words, 82% of what is spoken; 3 of them by their parts" in note.found
    )
    assert note.found.endswith("none of Zebra") and "oov = 'drop'" in note.remedy
    assert space.problems(Material(tmp_path, {}, None, 0, {"do": 1}), "features.glove") == []
