"""Moments of dask arrays and delayed recordings, and the fit of them: as of the same data in memory."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import Any

import numpy as np
import pytest

import heschl.linear.moments.distributed as distributed
from heschl import LaggedMoments, LaggedRidge, LaggedRidgeCV
from heschl.checks import InputError
from heschl.linear.moments.distributed import parts_of
from tolerances import COEFFICIENTS, KERNEL, R2, worst

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

N, D, C = 300, 5, 2
LENGTHS = [40, 3, 57, 1, 99, 60, 40]
SUMS = ("first_column", "pair_sums", "pair_counts", "cross", "target_sums", "totals", "feature_sums")


@pytest.fixture(autouse=True)
def _one_after_the_other() -> Any:
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> int:
    """Rows of one part, with chunks of fewer."""
    monkeypatch.setattr(distributed, "CHUNK_BYTES", 23 * (D + C) * 8)
    return 23


def data(dtype: Any = np.float64, mean: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((N, D)) + mean).astype(dtype)
    return X, (np.roll(X[:, :C], 2, axis=0) + 0.5 * rng.standard_normal((N, C))).astype(dtype)


def lazily(X: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
    return da.from_array(X, chunks=(17, 3)), da.from_array(y, chunks=(20, C))


@pytest.mark.parametrize("boundary", ["zero", "drop", "cross"])
@pytest.mark.parametrize("lags", [range(4), range(-3, 3), range(2, 5)])
def test_as_in_memory(boundary: str, lags: range, small_parts: int) -> None:
    X, y = data()
    dx, dy = lazily(X, y)
    found = LaggedMoments.from_data(dx, dy, segments=LENGTHS, lags=lags, boundary=boundary)
    expected = LaggedMoments.from_data(X, y, segments=LENGTHS, lags=lags, boundary=boundary)._like(found)
    assert (found.n_rows, found.n_frames) == (expected.n_rows, expected.n_frames)
    for name in SUMS:
        one, other = getattr(found, name), getattr(expected, name)
        assert worst(one, other) < KERNEL["float64"], name


@pytest.mark.parametrize("boundary", ["zero", "cross"])
def test_normal_equations_of_cut_segments(boundary: str, small_parts: int) -> None:
    """One segment, cut into blocks on different machines: X'X with its edges, not only the sums."""
    from heschl.linear.ridge.normal import normal_equations

    X, y = data()
    moments = [LaggedMoments.from_data(*pair, lags=range(-2, 4), boundary=boundary) for pair in (lazily(X, y), (X, y))]
    grams = [normal_equations(each, standardize=True).gram for each in moments]
    lower = np.tril_indices(len(grams[0]))
    assert worst(grams[0][lower], grams[1][lower]) < KERNEL["float64"]


def test_parts_cover_every_row_once() -> None:
    ends = np.cumsum(LENGTHS)
    bounds = np.stack([ends - LENGTHS, ends], axis=1).astype(np.int64)
    parts = parts_of(bounds, range(-2, 4), "zero", N, 23)
    rows = np.concatenate([np.arange(a, b) + part.first for part in parts for a, b in part.bounds])
    np.testing.assert_array_equal(rows, np.arange(N))
    assert max(part.last - part.first for part in parts) <= 23 + 3 + 2


def test_recordings_that_are_delayed() -> None:
    X, y = data()
    cuts = [0, 100, 180, N]
    segments = [[40, 60], None, [20] * 6]
    recordings = [dask.delayed(X[a:b]) for a, b in itertools.pairwise(cuts)]
    responses = [dask.delayed(y[a:b]) for a, b in itertools.pairwise(cuts)]
    found = LaggedMoments.from_data(recordings, responses, segments=segments, lags=range(3))
    expected = LaggedMoments.from_data(X, y, segments=[40, 60, 80, *[20] * 6], lags=range(3))._like(found)
    for name in SUMS:
        one, other = getattr(found, name), getattr(expected, name)
        assert worst(one, other) < KERNEL["float64"], name
    rest = found - LaggedMoments.from_data(X[:40], y[:40], lags=range(3))  # segments are known by their content
    assert rest.n_rows == N - 40
    with pytest.raises(InputError, match="y: found 1 entries; expected 3, one for each recording"):
        LaggedMoments.from_data(recordings, responses[:1], lags=range(3))


@pytest.mark.parametrize(
    ("boundary", "standardize", "segments", "dtype"),
    [("zero", True, LENGTHS, "float64"), ("drop", False, LENGTHS, "float64"), ("zero", False, None, "float64"),
     ("cross", True, LENGTHS, "float64"), ("zero", True, LENGTHS, "float32")],
)  # fmt: skip
def test_the_fit(boundary: str, standardize: bool, segments: Any, dtype: str, small_parts: int) -> None:
    X, y = data(dtype)
    model = LaggedRidgeCV(
        lags=range(-1, 4), alphas=[0.1, 10, 1e3], cv=3, boundary=boundary, standardize=standardize, dtype=dtype
    )
    expected = model.fit(X, y, segments=segments)
    coef, intercept, alpha, scores = expected.coef_, expected.intercept_, expected.alpha_, expected.cv_scores_
    dx, dy = lazily(X, y)
    predicted = expected.predict(X, segments=segments)
    found = LaggedRidgeCV(**model.get_params()).fit(dx, dy, segments=segments)
    np.testing.assert_array_equal(found.alpha_, alpha)
    assert worst(found.cv_scores_, scores, 1.0) < R2[dtype]
    assert worst(found.coef_, coef) < COEFFICIENTS[dtype] and worst(found.intercept_, intercept) < COEFFICIENTS[dtype]
    assert found.dtype_ == dtype
    lazy = found.predict(dx, segments=segments)
    assert isinstance(lazy, da.Array) and lazy.shape == predicted.shape
    assert worst(lazy.compute(), predicted) < COEFFICIENTS[dtype]


def test_one_target_and_a_plain_y(small_parts: int) -> None:
    X, y = data()
    found = LaggedRidgeCV(lags=range(3), alphas=[1.0], cv=3).fit(lazily(X, y)[0], y[:, 0])
    assert found.coef_.shape == (D, 3)
    assert found.predict(lazily(X, y)[0]).compute().shape == (N,)
    fixed = LaggedRidge(alpha=1.0, lags=range(3)).fit(X, y[:, 0])
    assert worst(found.coef_, fixed.coef_) < COEFFICIENTS["float64"]


def test_a_large_mean_in_float32_is_done_again_in_float64(small_parts: int) -> None:
    X, y = data(np.float32, mean=2000.0)
    found = LaggedRidgeCV(lags=range(3), alphas=[1.0, 10.0], cv=3).fit(*lazily(X, y), segments=LENGTHS)
    assert found.dtype_ == "float64"


def test_what_needs_the_features_here_is_refused() -> None:
    dx, dy = lazily(*data())
    for settings, match in (
        ({"scoring": "r"}, "scoring: found 'r'; expected one of .*'r2'"),
        ({"nested": True}, "nested: found True; expected False where X is a dask array"),
        ({"missing": "mask"}, "missing: found 'mask'"),
    ):
        with pytest.raises(InputError, match=match):
            LaggedRidgeCV(**settings).fit(dx, dy)
    with pytest.raises(InputError, match="y: found 299 rows; expected 300"):
        LaggedRidgeCV().fit(dx, dy[1:])
    with pytest.raises(InputError, match="compute_chunk_sizes"):
        LaggedMoments.from_data(dx[dx[:, 0] > 3], lags=range(2))


def test_memory_is_that_of_a_few_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """20 MB of features that never are there at once: at most a few parts of 0.5 MB, and their moments."""
    monkeypatch.setattr(distributed, "CHUNK_BYTES", 1 << 19)
    n, d = 80_000, 64
    X = da.random.default_rng(0).standard_normal((n, d), chunks=(2000, d), dtype=np.float32)
    y = X[:, :1] + X[:, 1:2]
    tracemalloc.start()
    moments = LaggedMoments.from_data(X, y, lags=range(4), segments=[2000] * 40)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert moments.n_rows == n
    assert peak < 8e6, f"{peak / 1e6:.0f} MB"
