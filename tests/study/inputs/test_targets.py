"""Responses on the grid: frames, repeats, tails, shuffling, and who shares a fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heschl.ecog import Responses
from heschl.study.config.study import Study
from heschl.study.inputs.groups import FitGroup
from heschl.study.inputs.load import Inputs
from heschl.study.inputs.targets import _shuffled, fit_groups
from heschl.timing.grid import FrameGrid
from heschl.timing.stimulus import Stimulus

GRID = FrameGrid.from_rate(50.0)
NAMES = ("a", "b", "c", "d")


def study(**responses: str) -> Study:
    return Study.model_validate({
        "name": "t", "stimuli": {"sounds": "*.wav"}, "responses": {"subjects": {"S": "S.npz"}, **responses},
        "grid": {"rate": 50.0}, "features": {"mel": {"kind": "mel"}},
        "encoding": {"folds": 3, "tmax": 0.1, "folds_by": "stimulus"},
    })  # fmt: skip


def subject(name: str, stimuli: tuple[str, ...], n_samples: int = 60, sfreq: float = 50.0, seed: int = 0) -> Responses:
    rng = np.random.default_rng(seed)
    trials = tuple(rng.normal(size=(n_samples, 2)) for _ in stimuli)
    return Responses(name, ("e1", "e2"), sfreq, 0.5 / sfreq, stimuli, trials)


def inputs(*subjects: Responses, **responses: str) -> Inputs:
    stimuli = {name: Stimulus(name, Path(f"{name}.wav"), 1.0, ()) for name in NAMES}
    return Inputs(study(**responses), Path(), stimuli, subjects, 0)


def test_samples_at_the_frames_centres_are_kept_as_they_are() -> None:
    one = subject("S", NAMES)
    (group,) = fit_groups(inputs(one), GRID)
    assert group.segments == tuple((name, 60) for name in NAMES)
    np.testing.assert_allclose(group.y, np.concatenate(one.trials), atol=1e-6)  # float32 of unit variance


def test_tail() -> None:
    long = inputs(subject("S", NAMES), tail="crop")
    assert {n for _, n in fit_groups(long, GRID)[0].segments} == {50}  # the sound's 1 s
    assert long.lengths == dict.fromkeys(NAMES, 1.0)
    silence = inputs(subject("S", NAMES))
    assert silence.lengths == pytest.approx(dict.fromkeys(NAMES, 1.21))  # 60 samples, the first at half a frame
    short = inputs(subject("S", NAMES, n_samples=30))
    assert {n for _, n in fit_groups(short, GRID)[0].segments} == {30}
    assert short.lengths == dict.fromkeys(NAMES, 1.0)  # the model hears the whole sound


def test_repeats() -> None:
    one = subject("S", ("a", "b", "a", "c", "d"))
    (mean,) = fit_groups(inputs(one), GRID)
    np.testing.assert_allclose(mean.y[:60], (one.trials[0] + one.trials[2]) / 2, atol=1e-6)
    (each,) = fit_groups(inputs(one, repeats="separate"), GRID)
    assert [name for name, _ in each.segments] == ["a", "a", "b", "c", "d"]
    assert each.folds[0] == each.folds[1]
    np.testing.assert_allclose(each.y[60:120], one.trials[2], atol=1e-6)
    np.testing.assert_allclose(each.by_stimulus(np.ones((300, 1))).ravel(), [120, 60, 60, 60])


def test_subjects_share_a_fit_where_they_share_their_segments() -> None:
    one, two = subject("S1", NAMES), subject("S2", NAMES[::-1], seed=1)
    three = subject("S3", NAMES[:3], seed=2)
    first, second = fit_groups(inputs(one, three, two), GRID)
    assert first.subjects == ("S1", "S1", "S2", "S2") and second.subjects == ("S3", "S3")
    np.testing.assert_allclose(first.y[:60, 2:], two.trials[3], atol=1e-6)  # in the order of names, not of trials


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 9)), min_size=2, max_size=20).filter(
        lambda segments: len({name for name, _ in segments}) > 1
    ),
    st.integers(0, 5),
)
def test_shuffled_responses_are_whole_responses_to_another_stimulus(segments: list[tuple[str, int]], seed: int) -> None:
    segments = sorted(segments, key=lambda segment: segment[0])
    # each value says whose it is (tens of thousands) and when (units)
    names = sorted({name for name, _ in segments})
    y = np.concatenate([10_000 * names.index(name) + np.arange(n) for name, n in segments])[:, None]
    found = _shuffled(y.astype(np.float32), tuple(segments), seed)
    assert found.shape == y.shape
    giver = {}
    for (name, n), end in zip(segments, np.cumsum([n for _, n in segments]), strict=True):
        part = found[end - n : end, 0]
        who, when = np.unique(part // 10_000), part % 10_000
        assert len(who) == 1 and names[int(who[0])] != name
        assert giver.setdefault(name, who[0]) == who[0]
        np.testing.assert_array_equal(when, np.arange(n) % (when.max() + 1))
    assert len(set(giver.values())) == len(names)  # each gives to one


def test_the_example_is_chosen_by_the_response_alone() -> None:
    y = np.zeros((90, 1), np.float32)
    y[:10, 0] = np.arange(10) % 2 * 9  # varies most, but is short
    y[50:90, 0] = np.arange(40) % 2
    y[10:50, 0] = np.arange(40) % 2 * 0.1
    group = FitGroup(("S",), ("e",), (("a", 10), ("b", 40), ("c", 40)), y, y[:, :0], np.arange(3))
    assert group.example() == ("c", slice(50, 90))


def test_sessions_of_what_is_averaged() -> None:
    """Subjects share a fit whatever their sessions; what may be exchanged is parted by them, and by repeats."""
    one = replace(subject("S1", ("a", "b", "c", "d", "a")), sessions=("2", "1", "1", "1", "1"))
    two = replace(subject("S2", ("a", "b", "c", "d", "a")), sessions=("1", "1", "2", "2", "1"))
    three, four = subject("S3", ("a", "b", "c", "d")), replace(one, subject="S4", sessions=("y", *"xxxx"))
    (group,) = fit_groups(inputs(one, two, three, four), GRID)
    assert group.sessions["S1"] == ("1 + 2", "1", "1", "1")
    parts = group.by_sessions()
    assert [part.subjects[::2] for part, _, _ in parts] == [("S1", "S4"), ("S2",), ("S3",)]
    assert [columns.tolist() for _, columns, _ in parts] == [[0, 1, 6, 7], [2, 3], [4, 5]]
    assert [blocks.tolist() for _, _, blocks in parts] == [[0, 1, 1, 1], [0, 1, 2, 2], [0, 0, 0, 0]]
    np.testing.assert_array_equal(parts[1][0].y, group.y[:, 2:4])
    (same,) = fit_groups(inputs(one, four), GRID)
    assert same.by_sessions()[0][0] is same
    each = fit_groups(inputs(one, repeats="separate"), GRID)[0]
    assert each.sessions["S1"] == ("2", "1", "1", "1", "1")  # in the order of trials
    (mute,) = fit_groups(inputs(subject("S", ("a", "b", "a", "c", "d"))), GRID)
    assert mute.by_sessions()[0][2].tolist() == [0, 1, 1, 1]  # a mean of two is not exchanged for a single one
