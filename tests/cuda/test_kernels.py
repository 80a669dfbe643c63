"""Each kernel on the device against the CPU's, over random shapes, lags, ragged segments, boundaries and dtypes."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heschl import _core
from heschl.linear.design.frames import Frames
from heschl.linear.design.rows import row_ranges
from heschl.linear.design.spaces import Repeated
from heschl.linear.device.cuda import Device, cuda_backend
from heschl.linear.moments.lagged import LaggedMoments
from heschl.linear.moments.shift import Shift
from heschl.linear.ridge.normal import PrecisionError, Scaling, normal_equations
from heschl.linear.ridge.weights import Weights, errors_from_moments, solve, squared_errors
from linear.design.test_word_rate import expanded, mixed
from linear.problems import Ragged, make, ragged
from tolerances import KERNEL, worst

boundaries = st.sampled_from(["zero", "drop", "cross"])
on_both = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
MOMENTS = [
    "n_rows", "first_column", "leaving", "entering", "pair_sums", "pair_counts", "cross", "target_sums", "totals",
    "feature_sums", "extremes", "owner", "room",
]  # fmt: skip


def on_host(value: Any) -> Any:
    return value.numpy() if hasattr(value, "numpy") else np.asarray(value)


def scale_of(problem: Ragged) -> float:
    """Size of the sums before anything cancels."""
    largest = max(np.abs(problem.H).max(), np.abs(problem.Y).max(), 1.0)
    return float(len(problem.H) * largest**2)


def both(problem: Ragged, boundary: str, keep: Any = None) -> tuple[LaggedMoments, LaggedMoments]:
    device = cuda_backend()
    X, shift = Frames.of(problem.H), Shift.near_mean(Frames.of(problem.H), problem.Y)

    def of(frames: Frames) -> LaggedMoments:
        y = frames.backend.put(problem.Y)
        return LaggedMoments.of_rows(frames, y, problem.bounds, problem.lags, boundary, shift, keep=keep)

    return of(X), of(X.to(device))


@on_both
@given(ragged(), boundaries, st.booleans())
def test_moments(problem: Ragged, boundary: str, masked: bool) -> None:
    keep = np.random.default_rng(1).random(len(problem.H)) > 0.3 if masked else None
    host, there = both(problem, boundary, keep)
    assert {field.name for field in fields(LaggedMoments)} >= set(MOMENTS)
    for name in MOMENTS:
        expected = on_host(getattr(host, name))
        assert worst(on_host(getattr(there, name)), expected, scale_of(problem)) < 4 * KERNEL[problem.name], name


@on_both
@given(ragged(), boundaries, st.booleans(), st.booleans())
def test_normal_equations(problem: Ragged, boundary: str, standardize: bool, intercept: bool) -> None:
    host, there = both(problem, boundary)
    if host.n_rows == 0:
        return
    try:
        a = normal_equations(host, fit_intercept=intercept, standardize=standardize)
    except PrecisionError:
        with pytest.raises(PrecisionError):
            normal_equations(there, fit_intercept=intercept, standardize=standardize)
        return
    b = normal_equations(there, fit_intercept=intercept, standardize=standardize, scaling=a.scaling)
    lower = np.tril_indices(len(a.diagonal))
    size = scale_of(problem) * np.square(a.scaling.scale).max(initial=1.0)
    assert worst(on_host(b.gram)[lower], a.gram[lower], size) < 20 * KERNEL[problem.name]
    assert worst(on_host(b.diagonal), a.diagonal, size) < 20 * KERNEL[problem.name]
    assert worst(on_host(b.cross), a.cross, size) < 20 * KERNEL[problem.name]
    np.testing.assert_allclose(b.column_means, a.column_means, rtol=1e-9, atol=1e-9)


@on_both
@given(mixed(), boundaries)
def test_word_rate_features_are_read_through_their_runs(case: tuple[Ragged, Any], boundary: str) -> None:
    problem, given_X = case
    device, X, dense = cuda_backend(), Frames.of(given_X), Frames.of(expanded(given_X))
    there, y = X.to(device), device.put(problem.Y)
    assert len(there) == len(X) and len(there.spaces) == 1
    if isinstance(given_X, Repeated):
        assert len(there.spaces[0].values) == len(given_X.values)  # a row for each word
    shift = Shift.near_mean(dense, problem.Y)
    expected = LaggedMoments.of_rows(dense, problem.Y, problem.bounds, problem.lags, boundary, shift)
    found = LaggedMoments.of_rows(there, y, problem.bounds, problem.lags, boundary, shift)
    for name in MOMENTS:
        assert worst(on_host(getattr(found, name)), on_host(getattr(expected, name)), scale_of(problem)) < (
            4 * KERNEL[problem.name]
        ), name
    rng = np.random.default_rng(0)
    d, c = X.shape[1], problem.Y.shape[1]
    values, b0 = rng.standard_normal((len(problem.lags) * d, c)).astype(problem.name), np.ones(c, problem.name)
    weights = Weights(values, shift.features, b0)
    ranges = row_ranges(problem.bounds[::2], problem.lags, boundary, len(X))[0]
    guess = weights.predict(dense, ranges, problem.lags)
    size = max(1.0, float(np.abs(guess).max(initial=0.0)))
    assert worst(weights.predict(there, ranges, problem.lags), guess, size) < 4 * KERNEL[problem.name]
    errors = squared_errors([weights], dense, problem.Y, ranges, problem.lags)
    moved = squared_errors([replace(weights, values=device.put(values))], there, y, ranges, problem.lags)
    assert worst(moved, errors, float(errors.max(initial=1.0))) < 20 * KERNEL[problem.name]
    design = there.design(ranges, problem.lags)
    np.testing.assert_array_equal(on_host(design), dense.design(ranges, problem.lags))


@on_both
@given(ragged(), st.integers(1, 3))
def test_solutions_errors_and_predictions(problem: Ragged, n_sets: int) -> None:
    device = cuda_backend()
    alphas = 10.0 ** np.arange(1, 1 + n_sets)
    X, y = Frames.of(problem.H), problem.Y
    if X.dtype == np.float32 and len(y) < 4:
        return
    host, there = both(problem, "zero")
    try:
        a = normal_equations(host)
    except PrecisionError:
        return
    b = normal_equations(there)
    mine, theirs = ([solve(each, float(alpha)) for alpha in alphas] for each in (a, b))
    for expected, found in zip(mine, theirs, strict=True):
        assert worst(on_host(found), expected, max(1.0, float(np.abs(expected).max()))) < 2e3 * KERNEL[problem.name]
    # The same weights on both sides, so that what is compared is the kernel that uses them.
    moved = [device.put(values) for values in mine]
    size = float(a.target_squares.max()) + 1.0
    expected, found = errors_from_moments(a, a, mine), errors_from_moments(b, b, moved)
    assert worst(found, expected, size) < 100 * KERNEL[problem.name]
    ranges = row_ranges(problem.bounds, problem.lags, "zero", len(y))[0]
    shift, b0 = np.zeros(X.shape[1], y.dtype), np.full(y.shape[1], 0.5, y.dtype)
    sets = [Weights(values, shift, b0) for values in mine]
    expected = squared_errors(sets, X, y, ranges, problem.lags)
    moved_sets = [Weights(values, shift, b0) for values in moved]
    found = squared_errors(moved_sets, X.to(device), device.put(y), ranges, problem.lags)
    assert worst(found, expected, float(expected.max()) + 1.0) < 100 * KERNEL[problem.name]
    guess = sets[0].predict(X, ranges, problem.lags)
    assert worst(moved_sets[0].predict(X.to(device), ranges, problem.lags), guess) < 20 * KERNEL[problem.name]


@on_both
@given(ragged(), boundaries)
def test_design_and_kernel_matrix(problem: Ragged, boundary: str) -> None:
    device = cuda_backend()
    X = Frames.of(problem.H)
    ranges = row_ranges(problem.bounds, problem.lags, boundary, len(X))[0]
    if len(ranges) == 0:
        return
    design = X.design(ranges, problem.lags)
    np.testing.assert_array_equal(on_host(X.to(device).design(ranges, problem.lags)), design)
    some = np.ascontiguousarray(ranges[::2])
    n, m = (int((part[:, 1] - part[:, 0]).sum()) for part in (ranges, some))
    expected, found = np.empty((n, m), X.dtype), device.empty((n, m), X.dtype)
    _core.lagged_kernel(problem.H, ranges, problem.H, some, problem.lags[0], len(problem.lags), expected, 1)
    H = device.put(problem.H)
    device.module.lagged_kernel(H, ranges, H, some, problem.lags[0], len(problem.lags), found, device.context)
    assert worst(on_host(found), expected) < KERNEL[problem.name]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scores_whitening_and_singular_values(device: Device, dtype: str) -> None:
    rng = np.random.default_rng(0)
    Y, P = rng.standard_normal((2, 500, 7)).astype(dtype)
    bounds, fold = np.array([[0, 100], [120, 300], [300, 500]]), np.array([0, 1, 0])
    shift = rng.standard_normal((4, 7))
    expected, found = np.empty((12, 7)), device.empty((12, 7), np.float64)
    _core.score_sums(Y, P, bounds, fold, shift, expected, 1)
    device.module.score_sums(device.put(Y), device.put(P), bounds, fold, device.put(shift), found, device.context)
    assert worst(on_host(found), expected) < KERNEL["float64"]
    upper = np.triu(rng.standard_normal((7, 7))) + 5 * np.eye(7)
    for factor in (None, upper):
        rows, gram = np.empty_like(Y), np.empty((7, 7))
        _core.whiten_rows(Y, Y.mean(0, dtype=float), np.full(7, 2.0), factor, rows, gram, 1)
        there, square = device.empty(Y.shape, Y.dtype), device.empty((7, 7), np.float64)
        device.module.whiten_rows(
            device.put(Y), device.put(Y.mean(0, dtype=float)), device.put(np.full(7, 2.0)),
            None if factor is None else device.put(factor), there, square, device.context,
        )  # fmt: skip
        assert worst(on_host(there), rows) < KERNEL[dtype]
        assert worst(on_host(square), gram) < KERNEL[dtype]
    M, edges = rng.standard_normal((20, 9)), np.array([0, 4, 4, 20])
    values, vectors = np.empty((3, 3)), np.zeros((9, 9))
    _core.largest_singular(M, edges, 3, values, vectors, 1)
    s, v = device.empty((3, 3), np.float64), device.zeros((9, 9), np.float64)
    device.module.largest_singular(device.put(M), edges, 3, s, v, device.context)
    assert worst(on_host(s), values) < KERNEL["float64"]
    assert worst(np.abs(on_host(v)[:3, :4]), np.abs(vectors[:3, :4])) < 1e-9


@pytest.mark.parametrize("targets", [[1], [0, 3], [4, 2, 0]])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_residuals(device: Device, dtype: str, targets: list[int]) -> None:
    rng = np.random.default_rng(0)
    A = rng.standard_normal((700, 1100))  # columns of more than one stretch
    G, W = (A.T @ A).astype(dtype), rng.standard_normal((1100, 5)).astype(dtype)
    own = 3.0 + 1000.0 * np.arange(5)  # a penalty for each target
    R = ((G @ W + own * W) * (1 + 0.01 * rng.standard_normal((1100, 5)))).astype(dtype)
    sample, lower, alphas = np.array(targets, dtype=np.int64), np.tril(G), own[targets].tolist()
    expected = _core.ridge_residual(lower, G.diagonal().copy(), alphas, R, W, sample, 1)
    there = [device.put(array) for array in (lower, G.diagonal().copy())]
    found = device.module.ridge_residual(*there, alphas, device.put(R), device.put(W), sample, device.context)
    assert found == pytest.approx(expected, rel=1e-6) and 1e-3 < expected < 0.1
    wrong = device.module.ridge_residual(*there, alphas[::-1], device.put(R), device.put(W), sample, device.context)
    assert wrong > 0.1 or len(targets) == 1
    with pytest.raises(ValueError, match="out of range"):
        device.module.ridge_residual(*there, alphas, device.put(R), device.put(W), sample + 5, device.context)


def test_singular_values_of_neighbours_of_one_size_together(device: Device) -> None:
    rng = np.random.default_rng(0)
    sizes, k = [4, 4, 4, 12, 20, 3, 3, 0], 5
    edges = np.cumsum([0, *sizes])
    M = rng.standard_normal((edges[-1], 9))
    values, vectors = np.empty((len(sizes), k)), np.zeros((len(sizes) * k, 9))
    _core.largest_singular(M, edges, k, values, vectors, 1)
    s, v = device.empty(values.shape, np.float64), device.zeros(vectors.shape, np.float64)
    device.module.largest_singular(device.put(M), edges, k, s, v, device.context)
    assert worst(on_host(s), values) < KERNEL["float64"]
    assert worst(np.abs(on_host(v)), np.abs(vectors)) < 1e-9


def test_arrays(device: Device) -> None:
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        A, B = rng.standard_normal((2, 300, 5)).astype(dtype)
        a, b = device.put(A), device.put(B)
        np.testing.assert_array_equal(on_host(device.side_by_side([a, b])), np.hstack([A, B]))
        np.testing.assert_array_equal(on_host(device.below([a, b])), np.vstack([A, B]))
        np.testing.assert_array_equal(on_host(device.summed(a, [b, b], -1)), A - B - B)
        np.testing.assert_array_equal(on_host(device.columns(a, np.array([3, 1]))), A[:, [3, 1]])
        np.testing.assert_array_equal(on_host(device.rows(a, slice(2, None, 7))), A[2::7])
        np.testing.assert_array_equal(on_host(a.part(3, 40, 1, 2)), A[3:43, 1:3])
        np.testing.assert_array_equal(on_host(device.part(a, slice(4), slice(4))), A[:4, :4])
        np.testing.assert_array_equal(on_host(device.cast(a, np.float64)), A.astype(float))
        weights, factors = rng.standard_normal(300), rng.standard_normal(100)
        assert worst(device.get(device.weighted_sums(weights, a)), weights @ A) < KERNEL["float64"]
        assert worst(on_host(device.scaled_rows(a, factors)), A * np.tile(factors, 3)[:, None]) < 1e-6
        for axis in (0, 1):
            assert worst(device.means(a, axis), A.mean(axis, dtype=float)) < 1e-12
        assert worst(device.get(device.squares(a, np.ones(5))), ((A.astype(float) - 1) ** 2).sum(0)) < 1e-12
        assert worst(on_host(device.product(a, b, transpose=True)), A.T @ B) < KERNEL[np.dtype(dtype).name]
        assert worst(on_host(device.product(a, device.put(B[:5, :3]))), A @ B[:5, :3]) < KERNEL[np.dtype(dtype).name]
        square = A.T @ A
        values, vectors = device.eigh(device.put(square))
        assert worst((on_host(vectors).T * values) @ on_host(vectors), square) < 20 * KERNEL[np.dtype(dtype).name]
        assert device.finite(a) and not device.finite(device.put(np.full((2, 2), np.inf, dtype)))
        assert not device.finite(device.put(np.array([[1.0, np.nan]], dtype)))


def test_a_recording_of_one_long_segment_goes_in_stretches(device: Device) -> None:
    # More rows than one stretch of any kernel, blocks of it whose history lies in the neighbours, and negative lags.
    problem = make(3, [1500], 3, 2, range(-4, 6), "float64", mean=3.0)
    blocks = np.array([[0, 700], [700, 1500]])
    X = Frames.of(problem.H)
    shift = Shift.near_mean(X, problem.Y)
    found, expected = (
        LaggedMoments.of_rows(
            frames, frames.backend.put(problem.Y), blocks[1:], problem.lags, "zero", shift, segments=problem.bounds
        )
        for frames in (X.to(device), X)
    )
    for name in MOMENTS:
        assert worst(on_host(getattr(found, name)), on_host(getattr(expected, name))) < KERNEL["float64"], name
    scaling = Scaling.of(expected, True)
    a, b = (normal_equations(each, scaling=scaling) for each in (expected, found))
    assert worst(np.tril(on_host(b.gram)), np.tril(a.gram)) < KERNEL["float64"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shifted_products_and_their_sums(device: Device, dtype: str) -> None:
    rng = np.random.default_rng(0)
    Y, P = rng.standard_normal((2, 40, 3)).astype(dtype)
    shifts = np.array([[0, 7, 0], [0, 7, 6], [7, 1, 0], [8, 32, 1], [8, 32, 17], [0, 40, 39]])
    sums = device.module.shifted_products(device.put(Y), device.put(P), shifts)
    expected = np.array(
        [(np.roll(Y[a : a + n].astype(float), s, axis=0) * P[a : a + n]).sum(0) for a, n, s in shifts.tolist()]
    )
    assert worst(on_host(sums), expected) < KERNEL["float64"]
    rows, first = np.array([[0, 2, 3], [1, 2, 4], [5, 5, 5]]), np.array([0, 1, 1, 3])
    found = device.module.sums_of_groups(sums, rows, first)
    groups = [expected[row[a:b]].sum(0) for row in rows for a, b in itertools.pairwise(first)]
    assert worst(on_host(found), np.array(groups)) < KERNEL["float64"]
    for bad in ([[0, 41, 0]], [[0, 7, 7]], [[-1, 7, 0]], [[0, 7]]):
        with pytest.raises(ValueError, match="shift"):
            device.module.shifted_products(device.put(Y), device.put(P), np.array(bad))
    for bad_rows, bad_first in (([[6]], [0, 1]), ([[0]], [0, 2]), ([[0, 1]], [0, 2, 1, 2])):
        with pytest.raises(ValueError, match=r"expected|sums_of_groups"):
            device.module.sums_of_groups(sums, np.array(bad_rows), np.array(bad_first))
