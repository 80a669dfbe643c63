"""Each kernel against its NumPy twin, over random shapes, lags, ragged segments, boundaries and dtypes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from heschl import _core, lagged_design
from heschl.linear import reference
from heschl.linear.design.frames import Frames
from heschl.linear.design.rows import row_ranges, whole
from heschl.linear.moments.lagged import LaggedMoments
from heschl.linear.moments.shift import Shift
from heschl.linear.ridge.normal import NormalEquations, PrecisionError, normal_equations
from heschl.linear.ridge.weights import Weights, errors_from_moments, in_units, solve, squared_errors
from linear.problems import Ragged, make, ragged
from tolerances import KERNEL, worst

FIELDS = (
    "first_column", "cross", "leaving", "entering", "pair_sums", "pair_counts", "target_sums", "totals",
)  # fmt: skip
boundaries = st.sampled_from(["zero", "drop", "cross"])


def moments(problem: Ragged, boundary: str = "zero") -> LaggedMoments:
    X = Frames.of(problem.H)
    return LaggedMoments.of_rows(X, problem.Y, problem.bounds, problem.lags, boundary, Shift.near_mean(X, problem.Y))


def equations_of(found: LaggedMoments, **how: bool) -> NormalEquations:
    try:
        return normal_equations(found, **how)
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


@given(ragged(), boundaries, st.booleans(), st.integers(0, 100))
def test_moments(problem: Ragged, boundary: str, masked: bool, seed: int) -> None:
    n = len(problem.H)
    keep = np.random.default_rng(seed).random(n) < 0.7 if masked else None
    X = Frames.of(problem.H)
    shift = Shift.near_mean(X, problem.Y)
    Y = problem.Y.copy()
    if keep is not None:
        Y[~keep] = np.nan  # never read
    found = LaggedMoments.of_rows(X, Y, problem.bounds, problem.lags, boundary, shift, keep=keep)
    ranges, owner = row_ranges(problem.bounds, problem.lags, boundary, n, keep)
    expected = reference.lagged_moments(problem.H, Y, shift.features, shift.targets, ranges, problem.lags)
    np.testing.assert_array_equal(found.owner, owner)
    assert found.n_rows == len(reference.rows_of(ranges))
    for field in FIELDS:
        scale = max(1.0, float(problem.lengths.sum()))
        value = getattr(found, field)
        if field in ("leaving", "entering") and len(value) == 0:
            d = problem.H.shape[1]
            assert not expected[field][:, :-d].any()  # what is not kept is 0, but for the last lag, which nobody asks
            continue
        assert worst(value, expected[field], scale) < KERNEL[problem.name], field
    sums = problem.H.astype(np.float64) - shift.features
    assert worst(found.feature_sums, np.stack([sums.sum(0), (sums**2).sum(0)]), float(n)) < KERNEL[problem.name]
    for s, (begin, end) in enumerate(problem.bounds):
        np.testing.assert_array_equal(found.extremes[s, 0], problem.H[begin:end].min(0))
        np.testing.assert_array_equal(found.extremes[s, 1], problem.H[begin:end].max(0))


@given(ragged(), boundaries, st.booleans(), st.booleans())
def test_normal_equations(problem: Ragged, boundary: str, fit_intercept: bool, standardize: bool) -> None:
    ranges, _ = row_ranges(problem.bounds, problem.lags, boundary, len(problem.H))
    if len(ranges) == 0 or (standardize and len({*ranges[:, 2].tolist()}) < len(problem.lengths) > 1):
        reject()  # nothing is left, or statistics count segments that no row looks at
    found = equations_of(moments(problem, boundary), fit_intercept=fit_intercept, standardize=standardize)
    if standardize and (found.scaling.scale > 1e3).any():
        return  # two nearly equal frames: the standard deviation itself is rounding
    G, R = reference.normal_equations(
        problem.H, problem.Y, ranges, problem.lags, fit_intercept=fit_intercept, standardize=standardize
    )
    lower = np.tril(found.gram)
    assert worst(lower, np.tril(G), max(1.0, np.abs(G).max(), float(problem.lengths.sum()))) < KERNEL[problem.name]
    size = max(1.0, np.abs(R).max(), float(problem.lengths.sum()) * np.abs(problem.Y).max())
    assert worst(found.cross, R, size) < KERNEL[problem.name]
    y = problem.Y[reference.rows_of(ranges)].astype(np.float64)
    squares = ((y - (y.mean(0) if fit_intercept else 0)) ** 2).sum(0)
    assert worst(found.target_squares, squares, max(1.0, float((y**2).sum(0).max()))) < KERNEL[problem.name]


def test_normal_equations_by_many_blocks() -> None:
    """More rows than one block of the design holds, so that products add up over several."""
    problem = make(1, [1700, 3, 900], 3, 2, range(0, 4))
    found = normal_equations(moments(problem))
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
        found = normal_equations(moments(problem), standardize=True)
        gram = np.tril(found.gram)
        values = solve(found, 10.0)  # leaves the factor's diagonal in place of X'X's
    G, R = reference.normal_equations(problem.H, problem.Y, problem.bounds, lags, fit_intercept=True, standardize=True)
    assert worst(gram, np.tril(G)) < KERNEL["float64"]
    assert worst(found.cross, R) < KERNEL["float64"]
    assert worst(values, reference.ridge_solve(G, R, 10.0)) < KERNEL["float64"] * 1e3


@pytest.mark.parametrize("standardize", [False, True])
def test_float32_keeps_the_variance_beside_a_large_mean(standardize: bool) -> None:
    """A large mean: raw float32 sums would have lost the variance."""
    mean = 900.0 if standardize else 25.0  # as given, a larger one is refused
    problem = make(2, [60] * 30, 3, 2, range(0, 5), "float32", mean=mean)
    found = normal_equations(moments(problem), standardize=standardize)
    G, R = reference.normal_equations(
        problem.H, problem.Y, problem.bounds, problem.lags, fit_intercept=True, standardize=standardize
    )
    assert worst(np.tril(found.gram), np.tril(G)) < KERNEL["float32"]
    assert worst(found.cross, R) < KERNEL["float32"]


@given(ragged(), st.sampled_from([0.1, 10.0, 1000.0]))
def test_solve(problem: Ragged, alpha: float) -> None:
    equations = equations_of(moments(problem))
    expected = reference.ridge_solve(
        np.tril(equations.gram).astype(np.float64) + np.tril(equations.gram, -1).T, equations.cross, alpha
    )
    for _ in range(2):  # the lower triangle must survive the first solve
        found = solve(equations, alpha)
        size = max(float(np.abs(expected).max()), 1e-3)
        assert worst(found, expected, size) < KERNEL[problem.name] * 50


@given(ragged(), boundaries)
def test_predict_and_its_error(problem: Ragged, boundary: str) -> None:
    rng = np.random.default_rng(0)
    c, p = problem.Y.shape[1], len(problem.lags) * problem.H.shape[1]
    X = Frames.of(problem.H)
    shift = rng.standard_normal(problem.H.shape[1]).astype(problem.name)
    sets = [
        Weights(rng.standard_normal((p, c)).astype(problem.name), shift, rng.standard_normal(c).astype(problem.name))
        for _ in range(2)
    ]
    some, _ = row_ranges(problem.bounds[::2], problem.lags, boundary, len(X))
    found = squared_errors(sets, X, problem.Y, some, problem.lags)
    for weights, sse in zip(sets, found, strict=True):
        arguments = (some, problem.lags, weights.values, weights.intercept)
        expected = reference.lagged_predict(problem.H, shift, *arguments)
        assert worst(weights.predict(X, some, problem.lags), expected) < KERNEL[problem.name]
        reference_sse = reference.lagged_sse(problem.H, problem.Y, shift, *arguments)
        assert worst(sse, reference_sse, max(1.0, reference_sse.max())) < KERNEL[problem.name]


@given(ragged(min_segments=2), st.booleans(), st.booleans(), st.sampled_from([1.0, 100.0]))
def test_errors_from_moments_are_those_of_predictions(
    problem: Ragged, standardize: bool, fit_intercept: bool, alpha: float
) -> None:
    H, Y = problem.H.astype(np.float64), problem.Y.astype(np.float64)
    X = Frames.of(H)
    shift = Shift.near_mean(X, Y)
    half = len(problem.bounds) // 2
    train, test = (
        LaggedMoments.of_rows(X, Y, bounds, problem.lags, "zero", shift)
        for bounds in (problem.bounds[:half], problem.bounds[half:])
    )
    fitted = normal_equations(train, fit_intercept=fit_intercept, standardize=standardize)
    if (fitted.scaling.scale > 1e3).any():
        reject()
    values = [solve(fitted, alpha), solve(fitted, 7.0)]
    held_out = normal_equations(test, fit_intercept=fit_intercept, scaling=fitted.scaling)
    found = errors_from_moments(held_out, fitted, values)
    ranges = whole(problem.bounds[half:])
    expected = squared_errors([in_units(fitted, value) for value in values], X, Y, ranges, problem.lags)
    assert worst(found, expected, max(1.0, expected.max(), float((Y**2).sum()))) < KERNEL["float64"] * 100


@given(ragged())
@settings(max_examples=30)
def test_prediction_is_the_adjoint_of_the_cross_product(problem: Ragged) -> None:
    """⟨X w, y⟩ = ⟨w, X'y⟩ with the two sides from different kernels."""
    rng = np.random.default_rng(1)
    H, Y = problem.H.astype(np.float64), problem.Y.astype(np.float64)
    d, c = H.shape[1], Y.shape[1]
    W = rng.standard_normal((len(problem.lags) * d, c))
    forward = Weights(W, np.zeros(d), np.zeros(c)).predict(Frames.of(H), whole(problem.bounds), problem.lags)
    no_shift = Shift(np.zeros(d), np.zeros(c))
    cross = LaggedMoments.of_rows(Frames.of(H), Y, problem.bounds, problem.lags, "zero", no_shift).cross
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


def test_quadratic_errors_by_many_blocks() -> None:
    rng = np.random.default_rng(0)
    p, c = 600, 3
    root, R, W = rng.standard_normal((p, p)), rng.standard_normal((p, c)), rng.standard_normal((p, 2 * c))
    G = root @ root.T
    out = np.empty(2 * c)
    _core.quadratic_errors(np.tril(G), R, W, out, 2)
    expected = np.einsum("ij,ik,kj->j", W, G, W) - 2 * (W * np.tile(R, 2)).sum(axis=0)
    assert worst(out, expected, float(expected.max())) < KERNEL["float64"]


def test_the_gram_of_a_side_is_of_its_rows_as_they_are_kept() -> None:
    """In float32 the rounding of rows is no part of their correlations."""
    X = np.random.default_rng(0).standard_normal((300, 4)).astype(np.float32)
    Q, gram = np.empty_like(X), np.empty((4, 4))
    _core.whiten_rows(X, np.full(4, 0.1), np.full(4, 1 / 3), None, Q, gram, 1)
    kept = Q.astype(np.float64)
    np.testing.assert_allclose(gram, kept.T @ kept, rtol=1e-12, atol=1e-11)
