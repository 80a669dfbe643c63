"""study.toml: what is allowed, and a clear word for what is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heschl.checks import InputError
from heschl.study.config.study import Study, read_study
from tiny_cohort import STUDY


def read(tmp_path: Path, text: str) -> Study:
    path = tmp_path / "study.toml"
    path.write_text(text)
    return read_study(path)


def test_defaults(tmp_path: Path) -> None:
    study = read(tmp_path, STUDY)
    assert study.grid_model() == "wav"
    assert study.responses.repeats == "average" and study.controls.shuffle
    assert study.encoding.lags(50.0) == range(5)
    np.testing.assert_array_equal(study.encoding.alpha_grid(), [1, 1e2, 1e4])


def test_alphas_as_a_range(tmp_path: Path) -> None:
    study = read(tmp_path, STUDY.replace("[1.0, 1e2, 1e4]", "{ low = 1.0, high = 1e4, n = 5 }"))
    np.testing.assert_allclose(study.encoding.alpha_grid(), [1, 10, 100, 1000, 1e4])


def test_the_only_speech_space_is_the_grid(tmp_path: Path) -> None:
    assert read(tmp_path, STUDY.replace('[grid]\nmodel = "wav"\n', "")).grid_model() == "wav"
    assert (
        read(tmp_path, STUDY.replace('model = "wav"\n[features.mel]', "rate = 25\n[features.mel]")).grid_model() is None
    )


def test_as_json_and_back(tmp_path: Path) -> None:
    study = read(tmp_path, STUDY)
    assert Study.model_validate_json(study.model_dump_json()) == study


FAULTS = [
    ("folds = 3", "fold = 3", ("encoding.fold", "unknown key", "encoding.folds")),
    ("n_mels = 6", "n_mel = 6", ("features.mel.n_mel", "nearest", "n_mels")),
    ("seed = 3", "folds = 3", ("folds", "unknown key", "There is encoding.folds")),
    ("seed = 3", "zzz = 3", ("zzz", "unknown key", "one of name, preset, seed")),
    ("alphas = [1.0, 1e2, 1e4]", "alphas = { low = 1.0, hi = 2.0, n = 3 }", ("encoding.alphas.hi", "high")),
    ('name = "Tiny"', "", ("name", "nothing", "a value for this key")),
    ("folds = 3", "folds = 2", ("encoding.folds", "found 2", "greater than or equal to 3")),
    ("folds = 3", 'folds = "3"', ("encoding.folds", "'3'", "whole number", "Without quotes")),
    ("folds = 3", "folds = true", ("encoding.folds", "True", "whole number")),
    ("[1.0, 1e2, 1e4]", "[1.0, 0.0]", ("encoding.alphas.1", "found 0.0", "greater than 0")),
    ("[1.0, 1e2, 1e4]", "[-1.0]", ("encoding.alphas.0", "-1.0")),
    ("[1.0, 1e2, 1e4]", "[inf]", ("encoding.alphas.0", "finite")),
    ("[1.0, 1e2, 1e4]", "[]", ("encoding.alphas", "at least 1 entry")),
    ("tmax = 0.08", "tmax = -0.1", ("encoding", "tmin at or before tmax")),
    ("n_mels = 6", "fmin = 900.0\nfmax = 800.0", ("features.mel", "fmin below fmax")),
    ("tmax = 0.08", "tmax = 1e9", ("encoding.tmax", "3600")),
    ("tmax = 0.08", "tmax = nan", ("encoding.tmax", "nan")),
    ('model = "wav"\n[features.mel]', "rate = 0\n[features.mel]", ("grid.rate", "greater than 0")),
    ('model = "wav"\n[features.mel]', 'model = "wav"\nrate = 25.0\n[features.mel]', ("grid", "not both")),
    ('model = "wav"\n[features.mel]', 'model = "mel"\n[features.mel]', ("grid.model", "'wav'", "'mel'")),
    ('words = "words.csv"', "", ("stimuli.words", "features.gpt")),
    ('kind = "mel"', 'kind = "mell"', ("features.mel", "'language'")),
    ('kind = "mel"', "", ("features.mel", "kind")),
    ('tail = "silence"', 'tail = "cut"', ("responses.tail", "'cut'", "'silence' or 'crop'")),
    ("[features.mel]", '[features."a/b"]', ("features", "letters, digits")),
    ('name = "Tiny"', "name = ", ("study.toml", "TOML")),
]


@pytest.mark.parametrize(("old", "new", "said"), FAULTS)
def test_faults_are_named(tmp_path: Path, old: str, new: str, said: tuple[str, ...]) -> None:
    assert old in STUDY
    with pytest.raises(InputError) as error:
        read(tmp_path, STUDY.replace(old, new, 1))
    for words in said:
        assert words in str(error.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_study(tmp_path / "study.toml")
