"""What the shared part is held against, and how components are counted; where the answer is known."""

from __future__ import annotations

import numpy as np

from heschl.linear import common_variance, nested_cv_learned
from heschl.study.analyses.fits.commonality import type_means
from heschl.study.analyses.fits.components import component_p_values, count_shared
from tolerances import PLANTED


def test_states_are_split_into_what_the_type_says_and_their_own() -> None:
    rng = np.random.default_rng(0)
    types = np.array([0, 1, 0, 2, 1, 0, 0])
    tokens = np.array([0, 1, 2, 3, 4, 5, 0])  # the last is the first one, heard again
    states = rng.standard_normal((7, 3))
    states[6] = states[0]
    centred = states - states[:6].mean(axis=0)
    others, own = type_means(states, types, tokens)
    np.testing.assert_allclose(others[0], (centred[2] + centred[5]) / 2)
    np.testing.assert_allclose(others[6], others[0])
    np.testing.assert_allclose(others[1], centred[4])
    np.testing.assert_array_equal(others[3], 0.0)  # the only token of its type says nothing
    np.testing.assert_allclose(own[4], (centred[4] - centred[1]) / 2)
    np.testing.assert_allclose(own[3], 0.0, atol=1e-12)
    by_type = rng.standard_normal((3, 3))[types]
    assert np.abs(type_means(by_type, types, tokens)[1]).max() < 1e-12  # no context


def test_components_are_held_against_all_under_permutation() -> None:
    correlations = np.full((20, 3), 0.1)
    correlations[0] = [0.5, 0.19, np.nan]
    correlations[1:, 1] = np.linspace(0.0, 0.2, 19)
    p = component_p_values(correlations)
    np.testing.assert_allclose(p, [1 / 58, 2 / 58, 1.0])
    p, q = np.array([[0.001, 0.01, 0.03], [0.01, 0.01, 1.0]]), np.array([[0.003, 0.015, 0.03], [0.06, 0.06, 1.0]])
    assert count_shared(p, q).tolist() == [2, 0]


def world() -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, object]]:
    """Two spaces that follow the time course; the response does, and follows what the first alone knows."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(25, 40, 40)
    n, since = int(lengths.sum()), np.concatenate([np.arange(length) for length in lengths])
    course = np.exp(-since / 8.0)[:, None]
    a, b = rng.standard_normal((2, n, 1))
    X = {"a": a + 3 * course, "b": np.hstack([b, 3 * course + rng.standard_normal((n, 1))])}
    y = 2 * course + 0.5 * a + rng.standard_normal((n, 1))
    return X, y, {"segments": lengths, "folds": np.arange(40) % 5, "lags": [0], "alphas": [1.0, 100.0, 1e4]}


def test_over_the_common_time_course() -> None:
    X, y, how = world()
    planted = 0.25 / y.var()
    seen, beyond = (common_variance(X, y, over_time_course=over, **how) for over in (False, True))  # type: ignore[arg-type]
    assert seen.part("common")[0] > 0.04 and seen.part("second")[0] > 0.04
    for part, expected in (("first", planted), ("second", 0.0), ("common", 0.0), ("unique_first", planted)):
        assert abs(beyond.part(part)[0] - expected) < PLANTED, part
    np.testing.assert_allclose(seen.total, beyond.total)
    np.testing.assert_array_equal(seen.baseline, seen.total)
    assert (beyond.baseline.sum() < beyond.total.sum()).all()


def test_predictions_over_the_time_course_hold_it() -> None:
    X, y, how = world()
    scores = nested_cv_learned(lambda k, _: {"a": lambda: X["a"]}, y, over_time_course=True, **how)["a"]  # type: ignore[arg-type]
    explained = 1 - ((y - scores.predictions) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    both = common_variance(X, y, over_time_course=True, **how)  # type: ignore[arg-type]
    assert abs(explained - (1 - both.sse[0].sum() / both.total.sum())) < PLANTED
    left = scores.r2.mean()  # of what is left of the responses, more of less
    assert 0.1 < left < explained
