"""Fitted tails against distributions whose tail is known, and limits of counted p values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binom, norm

from heschl.linear.nulls.tail import fitted_p_values, monte_carlo_limits

DRAWS: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "normal": lambda rng, size: rng.standard_normal(size),
    "gamma": lambda rng, size: rng.gamma(2.0, size=size),
    "maximum of 822": lambda rng, size: norm.isf(1.0 - rng.random(size) ** (1 / 822)),
}


@pytest.mark.parametrize("kind", DRAWS)
@pytest.mark.parametrize("m", [200, 500])
def test_fitted_p_values_are_as_small_as_often_as_they_say(kind: str, m: int) -> None:
    """Also below what m permutations can count."""
    rng = np.random.default_rng(0)
    null, observed = DRAWS[kind](rng, (m, 20_000)), DRAWS[kind](rng, (1, 20_000))[0]
    counted = (1 + (null >= observed).sum(0)) / (1 + m)
    fitted = fitted_p_values(observed, null, counted)
    for level in (0.05, 0.01, 0.002):
        assert (fitted <= level).mean() < 1.1 * level + 3 * np.sqrt(level / 20_000)
    assert (fitted <= 0.05).mean() > 0.045
    assert (fitted[counted > 0.06] == counted[counted > 0.06]).all()


def test_what_lies_far_out_gets_a_p_value_far_below_one_permutation_in_all() -> None:
    null = np.random.default_rng(1).standard_normal((300, 3))
    p = fitted_p_values(np.array([3.0, 6.0, 12.0]), null, np.full(3, 1 / 301))
    assert (np.diff(p) < 0).all() and p[1] < 1e-4 and 0 < p[2] < 1e-8


def test_few_permutations_and_ties_are_counted() -> None:
    null = np.random.default_rng(1).standard_normal((150, 1))
    assert fitted_p_values(np.array([9.0]), null, np.array([1 / 151]))[0] == 1 / 151
    two_values = np.repeat([[0.0], [1.0]], 200, axis=0)
    assert fitted_p_values(np.array([2.0]), two_values, np.array([1 / 401]))[0] == 1 / 401
    undefined = np.r_[np.full((1, 1), np.nan), np.zeros((399, 1))]
    assert fitted_p_values(np.array([2.0]), undefined, np.array([2 / 400]))[0] == 2 / 400


def test_limits_hold_the_true_p_value() -> None:
    for p in (0.001, 0.05, 0.5):
        counts = np.arange(200)
        limits = monte_carlo_limits(counts, 199)
        inside = (limits[:, 0] <= p) & (p <= limits[:, 1])
        assert binom.pmf(counts, 199, p)[inside].sum() >= 0.95
    found = monte_carlo_limits(np.array([0, 199]), 199)
    assert found[0, 0] == 0.0 and found[1, 1] == 1.0
