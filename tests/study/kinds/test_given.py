"""Features computed elsewhere: the same results as where heschl computes them; clear words for what does not fit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heschl.checks import InputError
from heschl.linear import Repeated
from heschl.study import open_results, run_study
from heschl.study.config.study import read_study
from heschl.study.inputs.load import load_inputs
from heschl.study.kinds.given import FrameArrays
from heschl.study.kinds.problems import Material
from heschl.study.report.summary import summary
from study.extraction.test_features import features_of, opened

FRAMES = '\n[features.frames]\nkind = "frame_arrays"\nfolder = "frames"\nrate = 50.0\ncentre = 0.0125\nwidth = 0.025\n'
WORDS = '\n[features.rows]\nkind = "word_arrays"\nfolder = "rows"\n'


@pytest.fixture
def given(own_cohort: Path) -> Path:
    """A study that has the layers of its speech and its language model a second time, as files."""
    _, features, _ = features_of(own_cohort)
    for folder, name in (("frames", "wav"), ("rows", "gpt")):
        (own_cohort.parent / folder).mkdir()
        own = features[name]
        layers = [own.stored.layer(i, list(own.keys.values())) for i in range(len(own.layers))]
        for i, stimulus in enumerate(own.keys):
            np.save(own_cohort.parent / folder / f"{stimulus}.npy", np.stack([layer[i] for layer in layers]))
    text = own_cohort.read_text().replace("[features.mel]", FRAMES + WORDS + "[features.mel]", 1)
    own_cohort.write_text(text)
    return own_cohort


def test_given_features_are_those_that_were_computed(given: Path) -> None:
    inputs, features, grid = features_of(given)
    segments = [(name, grid.n_frames(seconds)) for name, seconds in inputs.lengths.items()]
    assert features["frames"].layers == ("0", "1", "2") == features["rows"].layers
    for i in range(3):
        ours, theirs = (features[name].layer(i, segments) for name in ("wav", "frames"))
        np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-5)
        words, rows = (features[name].layer(i, segments) for name in ("gpt", "rows"))
        assert isinstance(words, Repeated) and isinstance(rows, Repeated)
        np.testing.assert_array_equal(rows.expand(), words.expand())


def test_a_study_of_given_features_alone(given: Path) -> None:
    """Also as what two models share: the same scores as from the models themselves."""
    text = given.read_text()
    given.write_text(text + '\n[shared]\nspeech = "frames"\nlanguage = "rows"\nn_components = 2\ncontext = false\n')
    results = open_results(run_study(given)).load()
    r2 = results["best_r2"]
    np.testing.assert_array_equal(r2.sel(space="rows").values, r2.sel(space="gpt").values)
    np.testing.assert_allclose(r2.sel(space="frames").values, r2.sel(space="wav").values, atol=1e-3)
    assert np.isfinite(results["shared_r2"].sel(part="language top").values).all()
    assert "(frame_arrays, 3 layers)" in summary(results)


def test_a_changed_file_is_read_again_and_no_other(given: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features_of(given)
    names = opened(monkeypatch)
    features_of(given)
    assert not names
    path = given.parent / "rows" / "s1.npy"
    np.save(path, 2 * np.load(path))
    _, features, _ = features_of(given)
    assert names == ["rows"]
    (rows,) = features["rows"].stored.layer(1, [features["rows"].keys["s1"]])
    np.testing.assert_array_equal(rows, np.load(path)[1])


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda values: values[:, :-1], r"shape \(3, \d+, 8\).*words"),
        (lambda values: values[:2], r"shape \(2, "),
        (lambda values: values.astype(np.int64), "dtype int64"),
        (lambda values: np.where(np.arange(8) == 3, np.nan, values), "NaN"),
    ],
)
def test_files_that_do_not_fit(given: Path, change: Any, found: str) -> None:
    path = given.parent / "rows" / "s1.npy"
    np.save(path, change(np.load(path)))
    with pytest.raises(InputError, match=found):
        features_of(given)


def test_a_missing_file_and_one_that_is_no_array(given: Path) -> None:
    (given.parent / "rows" / "s0.npy").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"s0\.npy.*numpy\.save"):
        features_of(given)
    (given.parent / "frames" / "s3.npy").unlink()
    with pytest.raises(InputError, match=r"features\.frames\.folder.*s3\.npy"):
        load_inputs(given)


def test_one_layer_needs_no_axis_and_frames_tile_time_by_default(given: Path) -> None:
    text = given.read_text().replace("centre = 0.0125\nwidth = 0.025\n", "")
    given.write_text(text)
    inputs = load_inputs(given)
    for name, seconds in inputs.lengths.items():
        np.save(given.parent / "frames" / f"{name}.npy", np.ones((int(50 * seconds + 1e-6), 2)))
    _, features, _ = features_of(given)
    grid = features["frames"].stored.description.grid
    assert features["frames"].layers == ("0",) and grid is not None and grid.times(2).tolist() == [0.01, 0.03]


def test_words_must_last_to_be_correlated(given: Path) -> None:
    shared = '\n[shared]\nspeech = "frames"\nlanguage = "rows"\n'
    given.write_text(given.read_text().replace('folder = "rows"', 'folder = "rows"\nat = "onset"') + shared)
    with pytest.raises(InputError, match="words that last"):
        read_study(given)


@pytest.mark.parametrize(
    ("rows", "rate", "remedy"),
    [(75, 50.0, 'They end 0.5 s before.*tail = "crop"'), (99, 50.0, "width = 0.025"), (80, 50.0, "rate = 40?")],
)
def test_what_is_wrong_with_frames_is_guessed(tmp_path: Path, rows: int, rate: float, remedy: str) -> None:
    """Frames that end with their sounds, frames that are wider than they are apart, another rate."""
    (tmp_path / "frames").mkdir()
    lengths = {"a": 2.0, "b": 4.0}
    for name, seconds in lengths.items():
        found = rows + round(rate * (seconds - 2.0)) if rows != 80 else round(40 * seconds)
        np.save(tmp_path / "frames" / f"{name}.npy", np.zeros((found, 3)))
    space = FrameArrays(kind="frame_arrays", folder="frames", rate=rate)
    (problem,) = space.problems(Material(tmp_path, lengths, None, 0, {}), "features.frames")
    assert re.search(remedy, problem.remedy), problem
