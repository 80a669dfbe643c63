"""Each kernel against its NumPy twin, over random shapes, lags, ragged segments and dtypes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from heschl import lagged_design
from heschl.linear import reference
from heschl.linear.moments import LaggedMoments, NormalEquations, PrecisionError, Shift
from heschl.linear.ridge import Weights, solve
from linear.problems import Ragged, make, ragged
from tolerances import KERNEL, worst

FIELDS = (
    "first_column", "cross", "edges", "pair_sums", "pair_counts", "target_sums", "feature_sums", "totals",
)  # fmt: skip


def moments(problem: Ragged) -> LaggedMoments:
    shift = Shift.near_mean(problem.H, problem.Y)
    return LaggedMoments.from_data(problem.H, problem.Y, problem.bounds, problem.lags, shift)


def equations_of(found: LaggedMoments, **how: bool) -> NormalEquations:
    try:
        return found.normal_equations(**how)
    except PrecisionError:  # a few frames, so alike that float32 has no say: fits go on in float64
        assert found.cross.dtype == np.float32 and not how.get("standardize")
        reject()


@given(ragged())
def test_design(problem: Ragged) -> None:
    found = lagged_design(problem.H, problem.lags, segments=problem.lengths)
    assert found.dtype == problem.H.dtype
    np.testing.assert_array_equal(found, reference.lagged_design(problem.H, problem.bounds, problem.lags))


def test_design_is_the_same_with_threads() -> None:
    problem = make(0, [900, 40, 1, 700], 40, 1, range(-3, 17), "float32")
    found = lagged_design(problem.H, problem.lags, segments=problem.lengths)
    np.testing.assert_array_equal(found, reference.lagged_design(problem.H, problem.bounds, problem.lags))


def test_an_impulse_comes_later_by_the_lag() -> None:
    H = np.zeros((10, 1))
    H[3] = 1.0
    X = lagged_design(H, range(-2, 3))
    assert [int(np.flatnonzero(column)[0]) for column in X.T] == [1, 2, 3, 4, 5]


@given(ragged())
def test_moments(problem: Ragged) -> None:
    found = moments(problem)
    expected = reference.lagged_moments(
        problem.H, problem.Y, found.shift.features, found.shift.targets, problem.bounds, problem.lags
    )
    for field in FIELDS:
        scale = max(1.0, float(problem.lengths.sum()))
        assert worst(getattr(found, field), expected[field], scale) < KERNEL[problem.name], field


@given(ragged(), st.booleans(), st.booleans())
def test_normal_equations(problem: Ragged, fit_intercept: bool, standardize: bool) -> None:
    found = equations_of(moments(problem), fit_intercept=fit_intercept, standardize=standardize)
    if standardize and (found.scale > 1e3).any():
        return  # two nearly equal frames: the standard deviation itself is rounding
    G, R = reference.normal_equations(
        problem.H,
        problem.Y,
        problem.bounds,
        problem.lags,
        fit_intercept=fit_intercept,
        standardize=standardize,
    )
    lower = np.tril(found.gram)
    assert worst(lower, np.tril(G), max(1.0, np.abs(G).max(), float(problem.lengths.sum()))) < KERNEL[problem.name]
    size = max(1.0, np.abs(R).max(), float(problem.lengths.sum()) * np.abs(problem.Y).max())
    assert worst(found.cross, R, size) < KERNEL[problem.name]


def test_normal_equations_by_many_blocks() -> None:
    """More rows than one block of the design holds, so that products add up over several."""
    problem = make(1, [1700, 3, 900], 3, 2, range(0, 4))
    found = moments(problem).normal_equations()
    G, R = reference.normal_equations(
        problem.H, problem.Y, problem.bounds, problem.lags, fit_intercept=True, standardize=False
    )
    assert worst(np.tril(found.gram), np.tril(G)) < KERNEL["float64"]
    assert worst(found.cross, R) < KERNEL["float64"]


@pytest.mark.parametrize("lags", [range(0, 20), range(-12, 8)])
def test_large_problems_are_the_same_with_threads(lags: range) -> None:
    """Large enough that every element loop is shared by threads: none may disturb another."""
    problem = make(5, [60] * 9, 80, 40, lags)
    with threadpool_limits(4):
        found = moments(problem).normal_equations(standardize=True)
        gram = np.tril(found.gram)
        weights = solve(found, 10.0)  # leaves the factor's diagonal in place of X'X's
    G, R = reference.normal_equations(problem.H, problem.Y, problem.bounds, lags, fit_intercept=True, standardize=True)
    assert worst(gram, np.tril(G)) < KERNEL["float64"]
    assert worst(found.cross, R) < KERNEL["float64"]
    scale = np.tile(found.scale, len(lags))[:, None]
    assert worst(weights.values, reference.ridge_solve(G, R, 10.0) * scale) < KERNEL["float64"] * 1e3


@pytest.mark.parametrize("standardize", [False, True])
def test_float32_keeps_the_variance_beside_a_large_mean(standardize: bool) -> None:
    """A large mean: raw float32 sums would have lost the variance."""
    mean = 1000.0 if standardize else 25.0  # as given, a larger one is refused
    problem = make(2, [60] * 30, 3, 2, range(0, 5), "float32", mean=mean)
    found = moments(problem).normal_equations(standardize=standardize)
    G, R = reference.normal_equations(
        problem.H, problem.Y, problem.bounds, problem.lags, fit_intercept=True, standardize=standardize
    )
    assert worst(np.tril(found.gram), np.tril(G)) < KERNEL["float32"]
    assert worst(found.cross, R) < KERNEL["float32"]


@given(ragged(min_segments=2), st.integers(0, 1000))
def test_moments_add_up(problem: Ragged, seed: int) -> None:
    shift = Shift.near_mean(problem.H, problem.Y)
    member = np.random.default_rng(seed).integers(0, 2, len(problem.lengths)).astype(bool)
    member[0], member[-1] = True, False
    left, right = (
        LaggedMoments.from_data(problem.H, problem.Y, problem.bounds[mask], problem.lags, shift)
        for mask in (member, ~member)
    )
    found, whole = left + right, moments(problem)
    assert found.n_frames == whole.n_frames
    for field in FIELDS:
        if field != "edges":  # the same rows in another order
            scale = max(1.0, float(problem.lengths.sum()))
            assert worst(getattr(found, field), getattr(whole, field), scale) < KERNEL[problem.name], field
    first, second = equations_of(found), equations_of(whole)
    assert worst(np.tril(first.gram), np.tril(second.gram), scale) < KERNEL[problem.name]


@given(ragged(), st.sampled_from([0.1, 10.0, 1000.0]))
def test_solve(problem: Ragged, alpha: float) -> None:
    equations = equations_of(moments(problem))
    expected = reference.ridge_solve(
        np.tril(equations.gram).astype(np.float64) + np.tril(equations.gram, -1).T, equations.cross, alpha
    )
    for _ in range(2):  # the lower triangle must survive the first solve
        found = solve(equations, alpha).values
        size = max(float(np.abs(expected).max()), 1e-3)
        assert worst(found, expected, size) < KERNEL[problem.name] * 50


@given(ragged())
def test_predict_and_its_error(problem: Ragged) -> None:
    rng = np.random.default_rng(0)
    c, p = problem.Y.shape[1], len(problem.lags) * problem.H.shape[1]
    weights = Weights(
        rng.standard_normal((p, c)).astype(problem.name),
        rng.standard_normal(problem.H.shape[1]).astype(problem.name),
        rng.standard_normal(c).astype(problem.name),
    )
    arguments = (problem.bounds, problem.lags, weights.values, weights.intercept)
    expected = reference.lagged_predict(problem.H, weights.shift, *arguments)
    assert worst(weights.predict(problem.H, problem.bounds, problem.lags), expected) < KERNEL[problem.name]
    some = problem.bounds[::2].copy()
    sse = reference.lagged_sse(problem.H, problem.Y, weights.shift, some, *arguments[1:])
    found = weights.squared_error(problem.H, problem.Y, some, problem.lags)
    assert worst(found, sse) < KERNEL[problem.name]


@given(ragged())
@settings(max_examples=30)
def test_prediction_is_the_adjoint_of_the_cross_product(problem: Ragged) -> None:
    """⟨X w, y⟩ = ⟨w, X'y⟩ with the two sides from different kernels."""
    rng = np.random.default_rng(1)
    H, Y = problem.H.astype(np.float64), problem.Y.astype(np.float64)
    d, c = H.shape[1], Y.shape[1]
    W = rng.standard_normal((len(problem.lags) * d, c))
    forward = Weights(W, np.zeros(d), np.zeros(c)).predict(H, problem.bounds, problem.lags)
    no_shift = Shift(np.zeros(d), np.zeros(c))
    cross = LaggedMoments.from_data(H, Y, problem.bounds, problem.lags, no_shift).cross
    assert abs((forward * Y).sum() - (W * cross).sum()) < KERNEL["float64"] * max(1.0, np.abs(forward * Y).sum())


def test_strided_views_are_read_without_a_copy_and_right() -> None:
    problem = make(3, [30, 20, 50], 6, 4, range(0, 3))
    wide = np.zeros((100, 20))
    wide[:, 4:10] = problem.H
    view = wide[:, 4:10]
    np.testing.assert_array_equal(
        lagged_design(view, problem.lags, segments=problem.lengths),
        lagged_design(problem.H, problem.lags, segments=problem.lengths),
    )
    every_other = np.repeat(problem.H, 2, axis=0)[::2]
    np.testing.assert_array_equal(lagged_design(every_other, problem.lags), lagged_design(problem.H, problem.lags))
    np.testing.assert_array_equal(
        lagged_design(problem.H[::-1], problem.lags), lagged_design(problem.H[::-1].copy(), problem.lags)
    )
