"""The laws a permutation of responses must obey."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heschl import InputError
from heschl.linear.design.permuter import ExchangeWarning, Permuter, length_bins


def bounds_of(lengths: list[int]) -> np.ndarray:
    ends = np.cumsum(lengths)
    return np.stack([ends - lengths, ends], axis=1).astype(np.int64)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(1, 6), min_size=2, max_size=14), st.integers(1, 3), st.integers(1, 2), st.integers(0, 99))
def test_whole_stimuli_take_each_others_place(lengths: list[int], repeats: int, n_sessions: int, seed: int) -> None:
    """Frames keep their time since onset, repeats stay together, responses stay in their session, none is doubled."""
    n_units = len(lengths)
    lengths = [length for length in lengths for _ in range(repeats)]
    groups = np.arange(len(lengths)) // repeats
    sessions = (groups * n_sessions // n_units).astype(np.int64)
    bounds = bounds_of(lengths)
    if np.bincount(sessions).max() == repeats:
        with pytest.raises(InputError, match=r"^segments: found .* nothing to exchange"):
            Permuter.of(bounds, groups % 2, groups, sessions)
        return
    permuter = Permuter.of(bounds, groups % 2, groups, sessions)
    keep, segment = permuter.keep, np.repeat(np.arange(len(lengths)), lengths)
    time = np.arange(sum(lengths)) - bounds[segment, 0]
    rows = permuter.rows(permuter.draw(np.random.default_rng(seed)))
    np.testing.assert_array_equal(np.sort(rows[keep]), np.flatnonzero(keep))
    np.testing.assert_array_equal(rows[~keep], np.flatnonzero(~keep))
    np.testing.assert_array_equal(time[rows], time)
    source = segment[rows[bounds[:, 0]]]
    np.testing.assert_array_equal(source[segment][keep], segment[rows][keep])
    np.testing.assert_array_equal(source % repeats, np.arange(len(lengths)) % repeats)
    np.testing.assert_array_equal(sessions[source], sessions)
    by_unit = groups[source].reshape(-1, repeats)
    assert (by_unit == by_unit[:, :1]).all()
    np.testing.assert_array_equal(permuter.rows(permuter.identity()), np.arange(sum(lengths)))
    assert permuter.cropped == pytest.approx(1 - keep.mean())


@given(st.lists(st.integers(1, 60), min_size=1, max_size=9))
def test_bins_are_the_cheapest_of_all(lengths: list[int]) -> None:
    ordered = np.sort(np.array(lengths))
    n = len(ordered)

    def cost(bins: list[tuple[int, int]]) -> int:
        return sum(int(ordered[a:b].sum() - (b - a - 1) * ordered[a]) for a, b in bins)

    every = (
        list(itertools.pairwise([0, *cuts, n]))
        for k in range(n)
        for cuts in itertools.combinations(range(1, n), k)
    )  # fmt: skip
    assert cost(length_bins(ordered)) == min(map(cost, every))


def test_every_arrangement_is_drawn_as_often() -> None:
    permuter = Permuter.of(bounds_of([5, 5, 5, 50, 50]), np.zeros(5, dtype=int), None)
    rng = np.random.default_rng(0)
    found = [tuple(permuter.draw(rng)[0].tolist()) for _ in range(2400)]
    assert permuter.arrangements == pytest.approx(12) and len(set(found)) == 12
    assert min(found.count(each) for each in set(found)) > 140
    stay = np.mean([np.repeat(np.array(each) == np.arange(5), [5, 5, 5, 50, 50]).mean() for each in found])
    assert stay == pytest.approx(permuter.staying, abs=0.02)


def test_one_unit_is_shifted() -> None:
    permuter = Permuter.of(bounds_of([40]), np.zeros(1, dtype=int), None)
    rows = permuter.rows(permuter.draw(np.random.default_rng(1)))
    np.testing.assert_array_equal(np.diff(rows) % 40, 1)
    assert permuter.keep.all()
    with pytest.raises(InputError, match="nothing to exchange"):
        Permuter.of(bounds_of([1]), np.zeros(1, dtype=int), None)


def test_little_to_exchange_is_said() -> None:
    with pytest.warns(ExchangeWarning, match="frames are left out"):
        Permuter.of(bounds_of([20, 30, 45, 60, 90, 140]), np.zeros(6, dtype=int), None).tell(10)
    with pytest.warns(ExchangeWarning, match="in place.*only 2 different"):
        Permuter.of(bounds_of([20, 20, 500]), np.zeros(3, dtype=int), None, [0, 0, 1]).tell(10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Permuter.of(bounds_of([20] * 6), np.zeros(6, dtype=int), None).tell(100)
    with pytest.raises(InputError, match=r"^sessions: found"):
        Permuter.of(bounds_of([20] * 6), np.zeros(6, dtype=int), None, [0])
