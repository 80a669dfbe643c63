"""Worlds in which the answer is known, small: what a study asks of them, it answers rightly. Large: bench/worlds.py."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from heschl.study.simulate.questions import Answer, ask, beyond_type
from heschl.study.simulate.worlds import WORLDS, since_onset


@cache
def answers_of(name: str) -> list[Answer]:
    """Ask once for all tests."""
    return ask(WORLDS[name]())


@pytest.mark.parametrize("name", WORLDS)
def test_what_is_found_is_what_is_true(name: str) -> None:
    answers = answers_of(name)
    assert answers and all(answer.passed for answer in answers), [a for a in answers if not a.passed]


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_is_what_it_says(name: str) -> None:
    world, again, other = (WORLDS[name](seed) for seed in (0, 0, 1))
    assert world.name == name and world.truth
    assert all(X.shape[0] == len(world.y) == world.lengths.sum() for X in world.spaces.values())
    np.testing.assert_array_equal(world.y, again.y)
    assert world.y.shape[1] == other.y.shape[1] and not np.array_equal(world.y[:50], other.y[:50])


def test_the_usual_analysis_is_misled_where_it_says_so() -> None:
    """The worlds are worth something only if what is asked wrongly is answered wrongly."""
    for name in ("word_types", "time_alone", "acoustic_alone"):
        answer = answers_of(name)[0]
        assert float(answer.misleading.split()[-1]) > 0.05, (name, answer)
    (twins,) = answers_of("twins")
    assert float(twins.misleading.split()[-1]) > 0.05 > twins.found
    (sessions,) = answers_of("sessions")
    assert float(sessions.misleading.split()[-1]) > 0.5, sessions


def test_a_wrong_answer_fails() -> None:
    world = WORLDS["nothing"]()
    X = world.spaces["layer 0"]
    (answer,) = ask(replace(world, y=np.roll(X @ np.ones((6, 20)), 1, axis=0) + world.y))
    assert not answer.passed
    context = WORLDS["true_context"]()
    assert 0.1 < context.within_types < context.share
    assert not ask(replace(context, within_types=0.0))[0].passed


def test_what_lies_beyond_a_words_type() -> None:
    words, types = np.array([[0, 2], [2, 4], [5, 6]]), np.array([0, 1, 0])
    states = np.array([[1.0], [1.0], [7.0], [7.0], [9.0], [3.0]])
    assert beyond_type(states, words, types)[:, 0].tolist() == pytest.approx([-1.0, -1.0, 0.0, 0.0, 0.0, 1.0])
    assert since_onset(np.array([2, 3])).tolist() == [0, 1, 0, 1, 2]
