"""Response files: both layouts read alike, and every fault is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heschl.checks import InputError
from heschl.ecog import read_responses
from heschl.ecog.responses.joined import read_sessions

GOOD: dict[str, Any] = {
    "responses": np.random.default_rng(0).normal(size=(3, 20, 2)),
    "stimuli": np.array(["a", "b.wav", "a"]),
    "electrodes": np.array(["e1", "e2"]),
    "sfreq": 50.0,
}


def write(path: Path, **changes: Any) -> Path:
    np.savez(path, **{key: value for key, value in (GOOD | changes).items() if value is not None})
    return path


def test_layouts_agree(tmp_path: Path) -> None:
    lengths = np.array([20, 12, 7])
    joined = np.concatenate([GOOD["responses"][i, :n] for i, n in enumerate(lengths)])
    padded = read_responses(write(tmp_path / "a.npz", lengths=lengths), "S")
    flat = read_responses(write(tmp_path / "b.npz", responses=joined, lengths=lengths), "S")
    assert padded.stimuli == flat.stimuli == ("a", "b", "a")
    for one, other, n in zip(padded.trials, flat.trials, lengths, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.shape == (n, 2)
    assert padded.covered(1) == pytest.approx(12 / 50)


def test_beyond_its_length_a_trial_may_hold_anything(tmp_path: Path) -> None:
    responses = GOOD["responses"].copy()
    responses[1, 12:] = np.nan
    read_responses(write(tmp_path / "a.npz", responses=responses, lengths=np.array([20, 12, 20])), "S")


def test_times_with_a_baseline(tmp_path: Path) -> None:
    times = np.arange(20) / 50 - 0.1
    found = read_responses(write(tmp_path / "a.npz", sfreq=None, times=times), "S")
    assert found.sfreq == pytest.approx(50)
    np.testing.assert_allclose(found.times(0), times, atol=1e-12)
    assert found.covered(0) == pytest.approx(0.3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floating_type_is_kept(tmp_path: Path, dtype: type) -> None:
    found = read_responses(write(tmp_path / "a.npz", responses=GOOD["responses"].astype(dtype)), "S")
    assert found.trials[0].dtype == dtype


def with_value(value: float) -> np.ndarray:
    responses = GOOD["responses"].copy()
    responses[1, 3, 1] = value
    return responses


FAULTS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"responses": with_value(np.nan)}, ("NaN", "electrode e2", "trial 1 (b)", "sample 3", "subject S")),
    ({"responses": with_value(np.inf)}, ("infinite", "electrode e2")),
    ({"responses": None}, ("no 'responses'",)),
    ({"responses": GOOD["responses"] + 1j}, ("complex128", "real numbers")),
    ({"responses": np.zeros(5)}, ("shape (5,)",)),
    ({"responses": np.zeros((3, 0, 2))}, ("no sample",)),
    ({"electrodes": np.array(["e1"])}, ("1 names", "2 columns")),
    ({"electrodes": np.array(["e1", "e1"])}, ("'e1' more than once",)),
    ({"electrodes": np.array([1, 2])}, ("list of names",)),
    ({"stimuli": np.array(["a", "b"])}, ("2 names", "3 trials")),
    ({"stimuli": np.array(["a", None, "b"], dtype=object)}, ("Save names",)),
    ({"lengths": np.array([20, 0, 20])}, ("trial 1", "no sample")),
    ({"lengths": np.array([20, 21, 20])}, ("21 samples in trial 1", "20")),
    ({"lengths": np.array([20, 20])}, ("shape (2,)", "3 names")),
    ({"lengths": np.array([20.0, 20.0, 20.0])}, ("whole numbers",)),
    ({"responses": np.zeros((50, 2)), "lengths": np.array([20, 20, 20])}, ("60 samples", "50 rows")),
    ({"responses": np.zeros((50, 2))}, ("no 'lengths'",)),
    ({"sfreq": 0.0}, ("0 Hz", "above 0")),
    ({"sfreq": np.nan}, ("nan Hz",)),
    ({"sfreq": None}, ("no 'sfreq'",)),
    ({"times": np.arange(19) / 50}, ("shape (19,)", "20 samples")),
    ({"times": np.arange(20) ** 2 / 50.0}, ("evenly",)),
    ({"times": np.arange(20) / 100}, ("times that run at 100 Hz",)),
    ({"times": np.arange(20) / 50 + 0.5}, ("0.5 s after",)),
    ({"sfreq": None, "times": np.arange(20) * 20.0}, ("0.05 samples per second", "Are the times in s?")),
    ({"sessions": np.array(["1", "2"])}, ("sessions", "shape (2,)", "3 trials")),
    ({"sessions": np.array([1.0, 1.0, 2.0])}, ("sessions", "float64")),
    ({"sessions": np.array(["1", "", "2"])}, ("sessions", "an empty name of trial 1")),
]


@pytest.mark.parametrize(("changes", "said"), FAULTS)
def test_faults_are_named(tmp_path: Path, changes: dict[str, Any], said: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as error:
        read_responses(write(tmp_path / "a.npz", **changes), "S")
    for words in said:
        assert words in str(error.value)


def test_files_of_one_subject_are_its_sessions(tmp_path: Path) -> None:
    write(tmp_path / "1.npz", sessions=np.array([1, 1, 2]))
    other = np.random.default_rng(1).normal(size=(3, 20, 2))
    write(tmp_path / "2.npz", responses=other, electrodes=np.array(["e2", "e9"]))
    assert read_responses(tmp_path / "1.npz", "S").sessions == ("1", "1", "2")
    with pytest.warns(UserWarning, match=r"2 of 3 electrodes are not in every file.*e1, e9"):
        found = read_sessions(tmp_path, ["1.npz", "2.npz"], "S")
    assert found.electrodes == ("e2",) and found.stimuli == ("a", "b", "a") * 2
    assert found.sessions == ("1.npz: 1", "1.npz: 1", "1.npz: 2", "2.npz", "2.npz", "2.npz")
    np.testing.assert_array_equal(found.trials[0], GOOD["responses"][0][:, 1:])
    np.testing.assert_array_equal(found.trials[4], other[1][:, :1])
    write(tmp_path / "2.npz", electrodes=np.array(["e8", "e9"]))
    with pytest.raises(InputError, match="2 files without an electrode in common"):
        read_sessions(tmp_path, ["1.npz", "2.npz"], "S")
    write(tmp_path / "2.npz", sfreq=100.0)
    with pytest.raises(InputError, match=r"100 Hz from 0 s on.*Prepare all sessions alike"):
        read_sessions(tmp_path, ["1.npz", "2.npz"], "S")


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_responses(tmp_path / "a.npz", "S")
    (tmp_path / "a.npz").write_text("not an archive")
    with pytest.raises(InputError, match=r"no \.npz archive"):
        read_responses(tmp_path / "a.npz", "S")
    whole = write(tmp_path / "b.npz").read_bytes()
    (tmp_path / "b.npz").write_bytes(whole[:300] + bytes(100) + whole[400:])
    with pytest.raises(InputError, match="damaged archive"):
        read_responses(tmp_path / "b.npz", "S")


def test_a_key_that_is_nearly_one_of_ours(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", Session=np.array([1, 1, 2]), notes=np.array(["x"]))
    with pytest.warns(UserWarning, match="'Session' is not read; 'sessions' would be") as said:
        read_responses(path, "S")
    assert len(said) == 1
