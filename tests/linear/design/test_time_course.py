"""Features of time alone, and the mean response at each time since onset."""

from __future__ import annotations

import numpy as np
import pytest

from heschl import InputError
from heschl.linear import mean_time_course, nested_cv, time_course
from heschl.linear.design.time_course import beyond_length


def test_what_all_stimuli_evoke_alike_is_explained_and_no_more() -> None:
    """A response to onsets and ends of segments of unequal length, and a signal of each segment's own."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(60, 120, 40)
    since = np.concatenate([np.arange(length) for length in lengths])
    until = np.concatenate([np.arange(length)[::-1] for length in lengths])
    common = np.exp(-since / 15.0) * np.sin(since / 6.0) + 0.5 * np.exp(-until / 8.0)
    y = np.column_stack([common, rng.standard_normal(len(since))]) + 0.05 * rng.standard_normal((len(since), 2))
    X = time_course(lengths, rate=50.0)
    assert X.shape == (len(since), 15) and X.dtype == np.float32
    np.testing.assert_array_equal(X[:, 0] == 1, since == 0)
    np.testing.assert_allclose(X[:, 1:11].sum(axis=1), 1.0, atol=1e-6)
    assert (X[until > 50, 11:] < 1e-6).all() and X[until == 0, 11].min() == 1.0
    found = nested_cv(X, y, segments=lengths, folds=np.arange(40) % 5, lags=[0], alphas=np.logspace(-3, 4, 8))
    assert found.pooled_r2[0] > 0.8 and abs(found.pooled_r2[1]) < 0.02


def test_features_do_not_depend_on_how_segments_are_said() -> None:
    labels = np.repeat([4, 2, 9], [20, 33, 12])
    np.testing.assert_array_equal(
        time_course(labels, rate=20.0, n_frames=65), time_course([20, 33, 12], rate=20.0)
    )  # fmt: skip
    assert time_course([1, 1], rate=10.0, n_until=0).shape == (2, 11)


def test_means_of_training_segments_by_a_plain_loop() -> None:
    rng = np.random.default_rng(1)
    lengths, train = np.array([5, 9, 7, 9, 6, 8]), np.array([True, True, False, True, True, True])
    y = rng.standard_normal((int(lengths.sum()), 2))
    y[3, 0] = np.nan
    pieces = np.split(y, np.cumsum(lengths)[:-1])
    found = np.split(mean_time_course(y, segments=lengths, train=train, fewest=3), np.cumsum(lengths)[:-1])
    longest_of_three = 8
    for piece in found:
        for t in range(len(piece)):
            at = min(t, longest_of_three - 1)
            rows = [own[at] for own, used in zip(pieces, train, strict=True) if used and len(own) > at]
            np.testing.assert_allclose(piece[t], np.nanmean(rows, axis=0))


def test_bad_input_is_named() -> None:
    for rate, segments, name in ((0.0, [3], "rate"), (50.0, [0, 3], "segments")):
        with pytest.raises(InputError, match=f"^{name}: found"):
            time_course(segments, rate=rate)
    with pytest.raises(InputError, match=r"^n_since: found"):
        time_course([3], rate=1.0, n_since=0)
    for change in ({"train": [True]}, {"train": [False, False]}, {"train": [1, 0]}):
        with pytest.raises(InputError, match=r"^train: found"):
            mean_time_course(np.ones((6, 1)), segments=[3, 3], **change)
    with pytest.raises(InputError, match=r"^y: found"):
        mean_time_course(np.ones(6), segments=[3, 3])


def test_beyond_length_leaves_what_has_nothing_to_do_with_it() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(20, 60, 30)
    ends = np.cumsum(lengths)
    bounds = np.stack([ends - lengths, ends], axis=1)
    since = np.concatenate([np.arange(n) for n in lengths])
    until, size = np.repeat(lengths, lengths) - 1 - since, np.repeat(lengths - lengths.mean(), lengths)
    onset, noise = np.exp(-since / 5.0), rng.standard_normal(len(since))
    y = np.stack([onset, noise, size / 10, np.exp(-until / 5.0), np.ones(len(since))], axis=1)
    y[7:20, 1] = np.nan
    left = beyond_length(y, bounds)
    assert left[:, 0].std() > 0.99 * onset.std() and np.nanstd(left[:, 1]) > 0.95
    assert left[:, 2].std() < 0.02 * y[:, 2].std()
    rest = left[:, 3:4] - mean_time_course(left[:, 3:4], segments=lengths, fewest=1)  # a course since onset stays
    assert rest.std() < 0.05 * y[:, 3].std()
    np.testing.assert_array_equal(left[:, 4], 1.0)
    np.testing.assert_array_equal(np.isnan(left), np.isnan(y))
    equal = np.array([[0, 10], [10, 20]])
    np.testing.assert_array_equal(beyond_length(y[20:40], equal), y[20:40])
