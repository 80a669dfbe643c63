"""Sums over lags by frequency: the same as a product per lag, whatever the segments, lags and boundary."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heschl import _core
from heschl.linear import LaggedMoments, reference
from heschl.linear.design.frames import Frames
from heschl.linear.design.rows import BOUNDARIES, row_ranges, whole
from heschl.linear.device.arrays import Ranges
from heschl.linear.moments.shift import Shift
from linear.problems import Ragged, make
from tolerances import KERNEL, worst

PRODUCTS = ("itself", "features", "responses")
FIELDS = ("first_column", "pair_sums", "pair_counts", "cross", "target_sums", "totals", "feature_sums")


@st.composite
def uneven(draw: Any) -> Ragged:
    """Segments of one frame and of many more than a bin holds, lags on either side of 0 and beyond all segments."""
    lengths = draw(st.lists(st.one_of(st.integers(1, 40), st.integers(41, 700)), min_size=1, max_size=7))
    first = draw(st.integers(-45, 45))
    return make(
        seed=draw(st.integers(0, 10_000)),
        lengths=lengths,
        d=draw(st.integers(1, 5)),
        c=draw(st.integers(1, 4)),
        lags=range(first, first + draw(st.integers(1, 40))),
        dtype=draw(st.sampled_from(["float32", "float64"])),
    )


def sums(name: str, problem: Ragged, product: str, ranges: Ranges, n_threads: int = 1) -> Any:
    """What a kernel sums, of features and responses less constants."""
    right = problem.H if product == "itself" else problem.Y
    w = len(problem.lags)
    out = np.zeros((w * problem.H.shape[1], right.shape[1]), problem.H.dtype)
    shifts = [side.dtype.type(0.25) * np.ones(side.shape[1], side.dtype) for side in (problem.H, right)]
    getattr(_core, name)(
        problem.H, shifts[0], right, shifts[1], getattr(_core.Product, product), ranges, problem.lags[0], w, out,
        n_threads,
    )  # fmt: skip
    return out


def right_side(problem: Ragged, product: str, ranges: Ranges) -> Any:
    if product == "responses":
        return problem.Y[reference.rows_of(ranges)].astype(np.float64) - 0.25
    values = problem.H if product == "itself" else problem.Y
    return reference.lagged_design(values.astype(np.float64) - 0.25, ranges, problem.lags[:1])


@given(uneven(), st.sampled_from(BOUNDARIES), st.sampled_from(PRODUCTS), st.booleans(), st.integers(1, 3))
def test_sums(problem: Ragged, boundary: str, product: str, masked: bool, n_threads: int) -> None:
    """Both kernels and both twins, against the explicit design; rows left out are never read."""
    n = len(problem.H)
    keep = np.random.default_rng(n).random(n) < 0.8 if masked else None
    ranges, _ = row_ranges(problem.bounds, problem.lags, boundary, n, keep)
    rows, H = right_side(problem, product, ranges), problem.H.astype(np.float64) - 0.25
    expected = reference.lagged_sums(H, rows, ranges, problem.lags)
    by_frequency = reference.lagged_sums_by_frequency(H, rows, ranges, problem.lags)
    assert worst(by_frequency, expected, float(n)) < KERNEL["float64"]
    if keep is not None and product == "responses":
        problem.Y[~keep] = np.nan
    for name in ("sum_by_lag", "sum_by_frequency"):
        found = sums(name, problem, product, ranges, n_threads)
        assert worst(found, expected, float(n)) < KERNEL[problem.name], name


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("product", PRODUCTS)
def test_rounding_is_that_of_a_product_per_lag(product: str, dtype: str) -> None:
    """Sentences and a long recording, more columns than a tile has, more bins than fit together."""
    problem = make(1, [97, 120, 64, 5, 210, 20_000], 300, 70, range(-3, 17), dtype)
    ranges = whole(problem.bounds)
    columns = slice(0, 5)
    rows = right_side(problem, product, ranges)[:, columns]
    exact = reference.lagged_sums(problem.H[:, :9].astype(np.float64) - 0.25, rows, ranges, problem.lags)
    size = np.abs(exact).max()
    wrong = {}
    for name in ("sum_by_lag", "sum_by_frequency"):
        found = sums(name, problem, product, ranges, n_threads=2).reshape(20, 300, -1)[:, :9, columns]
        wrong[name] = worst(found.reshape(180, -1), exact, size)
    eps = float(np.finfo(dtype).eps)
    assert wrong["sum_by_frequency"] < 2 * wrong["sum_by_lag"] + 4 * eps, wrong


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("lengths", [[60], [97, 130, 64]])
def test_every_tile_of_columns(product: str, lengths: list[int]) -> None:
    """Tiles beside the diagonal, too, and frames that are taken out again: of one recording those of a single bin."""
    problem = make(4, lengths, 210, 180, range(0, 7))
    ranges = whole(problem.bounds)
    by_lag, by_frequency = (sums(name, problem, product, ranges) for name in ("sum_by_lag", "sum_by_frequency"))
    assert worst(by_frequency, by_lag, float(len(problem.H))) < KERNEL["float64"]


def test_threads_do_not_change_a_sum() -> None:
    problem = make(2, [60, 80, 33, 500], 20, 7, range(0, 12), "float32")
    for product in PRODUCTS:
        one, three = (sums("sum_by_frequency", problem, product, whole(problem.bounds), t) for t in (1, 3))
        assert worst(three, one) < KERNEL["float32"]


def test_two_impulses_meet_at_their_lag() -> None:
    """Frames 10 and 13 of one feature: sums at lags 0 and 3 and nowhere else, in the middle of a longer recording."""
    H = np.zeros((300, 1))
    H[[10, 13], 0] = 2.0, 5.0
    out = np.zeros((6, 1))
    none = np.zeros(1)
    bounds = whole(np.array([[0, 300]]))
    _core.sum_by_frequency(H, none, H, none, _core.Product.itself, bounds, 0, 6, out, 1)
    np.testing.assert_allclose(out[:, 0], [29.0, 0.0, 0.0, 10.0, 0.0, 0.0], atol=1e-12)


def test_the_cheaper_way_is_taken() -> None:
    """One product for one lag, frequencies for many; few frames are not worth a transform."""
    ranges = whole(np.array([[100 * i, 100 * (i + 1)] for i in range(50)]))
    itself = _core.Product.itself
    for n_lags, d, n_ranges, expected in ((20, 200, 50, True), (1, 200, 50, False), (20, 200, 1, False)):
        by_lag, by_frequency = _core.sum_operations(ranges[:n_ranges], 0, n_lags, d, d, itself)
        assert (by_frequency < by_lag) == expected, (n_lags, d, n_ranges)


def large(dtype: str, lags: range = range(-2, 18)) -> Ragged:
    """Enough frames that frequencies are the way."""
    lengths = np.random.default_rng(3).integers(1, 150, size=40).tolist()
    return make(5, [*lengths, 900], 24, 9, lags, dtype)


def same(found: LaggedMoments, expected: LaggedMoments, factor: float = 1.0) -> None:
    found = found._like(expected)
    for field in FIELDS:
        mine, theirs = getattr(found, field), getattr(expected, field)
        size = max(1.0, float(np.abs(theirs).max()))
        assert worst(mine, theirs, size) < factor * KERNEL[str(expected.first_column.dtype)], field


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_moments_keep_their_laws(boundary: str, dtype: str) -> None:
    """Folds add up to the whole, the whole less a fold is the rest, a stream is all of it, NumPy says the same."""
    problem = large(dtype)
    ranges, _ = row_ranges(problem.bounds, problem.lags, boundary, len(problem.H))
    X = Frames.of(problem.H)
    assert X.by_frequency(ranges, problem.lags)
    how: dict[str, Any] = {"segments": problem.lengths, "lags": problem.lags, "boundary": boundary}
    moments = LaggedMoments.from_data(problem.H, problem.Y, **how)
    shift = Shift.near_mean(X, problem.Y)
    expected = reference.lagged_moments(problem.H, problem.Y, shift.features, shift.targets, ranges, problem.lags)
    for field in ("first_column", "cross", "pair_sums", "pair_counts"):
        size = max(1.0, float(np.abs(expected[field]).max()))
        assert worst(getattr(moments, field), expected[field], size) < KERNEL[dtype], field
    folds = np.arange(len(problem.lengths)) % 3
    parts = LaggedMoments.by_fold(problem.H, problem.Y, folds=folds, **how)
    same(LaggedMoments.total(parts), moments)
    if boundary == "cross":
        return
    same(LaggedMoments.total(parts) - parts[1], LaggedMoments.total([parts[0], parts[2]]), factor=10)
    cut = int(problem.bounds[20, 0])
    streamed = LaggedMoments.from_data(
        problem.H[:cut], problem.Y[:cut], **{**how, "segments": problem.lengths[:20]}
    ).update(problem.H[cut:], problem.Y[cut:], segments=problem.lengths[20:])
    same(streamed, moments)
