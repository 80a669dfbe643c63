"""Word-rate features and spaces side by side give what their expanded matrices give, and are never expanded."""

from __future__ import annotations

import sys
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from heschl import InputError, LaggedRidgeCV, _core, lagged_design
from heschl.linear import FeatureSpaces, LaggedMoments, Repeated, nested_cv
from heschl.linear.design.frames import Frames
from heschl.linear.design.rows import row_ranges
from heschl.linear.ridge.weights import Weights
from linear.moments.test_moments import assert_same, boundaries
from linear.problems import Ragged, make, ragged
from tolerances import KERNEL, R2, worst


def words(n: int, d: int, seed: int, dtype: str) -> Repeated:
    """Runs of 1 to 6 frames over n frames, a third of them silence."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 7, n)
    counts = counts[: int(np.searchsorted(np.cumsum(counts), n)) + 1]
    counts[-1] -= counts.sum() - n
    values = rng.standard_normal((len(counts), d)) * (rng.random((len(counts), 1)) > 0.3)
    return Repeated(values.astype(dtype), counts)


def expanded(X: Any) -> NDArray[Any]:
    if isinstance(X, FeatureSpaces):
        return np.concatenate([expanded(X[name]) for name in X], axis=1)
    return X.expand() if isinstance(X, Repeated) else X


@st.composite
def mixed(draw: Any) -> tuple[Ragged, Any]:
    problem = draw(ragged())
    n, seed = len(problem.H), draw(st.integers(0, 1000))
    word = words(n, draw(st.integers(1, 3)), seed, problem.name)
    other = words(n, 2, seed + 1, problem.name)
    kind = draw(st.sampled_from(["words", "dense+words", "words+dense", "words+words", "all"]))
    spaces = {"words": word, "other": other, "dense": problem.H}
    X = {
        "words": lambda: word,
        "dense+words": lambda: FeatureSpaces({k: spaces[k] for k in ("dense", "words")}),
        "words+dense": lambda: FeatureSpaces({k: spaces[k] for k in ("words", "dense")}),
        "words+words": lambda: FeatureSpaces({k: spaces[k] for k in ("words", "other")}),
        "all": lambda: FeatureSpaces(spaces),
    }[kind]()
    return problem, X


@given(mixed(), boundaries)
def test_moments(case: tuple[Ragged, Any], boundary: str) -> None:
    """Edge terms, silences and runs that span segments included."""
    problem, X = case
    how = {"segments": problem.lengths, "lags": problem.lags, "boundary": boundary}
    found = LaggedMoments.from_data(X, problem.Y, **how)
    assert_same(found, LaggedMoments.from_data(expanded(X), problem.Y, **how), factor=3)


@given(mixed(), boundaries)
def test_prediction_and_design(case: tuple[Ragged, Any], boundary: str) -> None:
    problem, X = case
    rng = np.random.default_rng(0)
    d, c = X.shape[1], 3
    weights = Weights(
        rng.standard_normal((len(problem.lags) * d, c)).astype(problem.name),
        rng.standard_normal(d).astype(problem.name),
        rng.standard_normal(c).astype(problem.name),
    )
    ranges, _ = row_ranges(problem.bounds[::2], problem.lags, boundary, len(problem.H))
    found = weights.predict(Frames.of(X), ranges, problem.lags)
    expected = weights.predict(Frames.of(expanded(X)), ranges, problem.lags)
    assert worst(found, expected, max(1.0, np.abs(expected).max(initial=0.0))) < KERNEL[problem.name]
    np.testing.assert_array_equal(
        Frames.of(X).design(ranges, problem.lags), Frames.of(expanded(X)).design(ranges, problem.lags)
    )


def test_squared_errors_of_runs_and_of_frames() -> None:
    problem, X = make(1, [40, 25, 60], 3, 4, range(-1, 4), "float64"), words(125, 3, 0, "float64")
    rng = np.random.default_rng(0)
    ranges, _ = row_ranges(problem.bounds, problem.lags, "zero", 125)
    W, shift, intercept = rng.standard_normal((15, 4)), rng.standard_normal(3), rng.standard_normal(4)
    a, b = np.empty(4), np.empty(4)
    for values, run, out in ((X.values, X.run, a), (X.expand(), None, b)):
        _core.lagged_sse(values, run, problem.Y, shift, ranges, -1, 5, W, intercept, out, 1)
    assert worst(a, b) < KERNEL["float64"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("standardize", [False, True])
def test_estimator(dtype: str, standardize: bool) -> None:
    problem = make(3, [37, 60, 1, 44] * 5, 3, 4, range(-1, 5), dtype)
    X = FeatureSpaces({"mel": problem.H, "gpt2": words(len(problem.H), 5, 1, dtype)})
    how = {"lags": problem.lags, "alphas": [0.1, 10.0, 1e3], "standardize": standardize}
    found, expected = (
        LaggedRidgeCV(**how).fit(features, problem.Y, segments=problem.lengths) for features in (X, expanded(X))
    )
    np.testing.assert_allclose(found.cv_scores_, expected.cv_scores_, atol=R2[dtype])
    assert worst(found.coef_, expected.coef_) < 50 * KERNEL[dtype]
    predictions = [m.predict(f, segments=problem.lengths) for m, f in ((found, X), (expected, expanded(X)))]
    assert worst(*predictions) < 50 * KERNEL[dtype]
    folds = np.arange(20) % 4
    scores = [
        nested_cv(f, problem.Y, segments=problem.lengths, folds=folds, lags=problem.lags, alphas=[1.0, 100.0]).r2
        for f in (X, expanded(X))
    ]
    np.testing.assert_allclose(*scores, atol=R2[dtype])


def test_words_are_never_expanded() -> None:
    """Moments and predictions of 40,000 frames of 500 words take less memory than the frames would."""
    rng = np.random.default_rng(0)
    X = Repeated(rng.standard_normal((500, 200)), np.full(500, 80))
    y = rng.standard_normal((40_000, 1))
    n_bytes = 40_000 * 200 * 8
    tracemalloc.start()
    moments = LaggedMoments.from_data(X, y, segments=np.full(20, 2000), lags=range(4))
    weights = Weights(rng.standard_normal((800, 1)), np.zeros(200), np.zeros(1))
    weights.predict(Frames.of(X), row_ranges(np.array([[0, 40_000]]), range(4), "zero", 40_000)[0], range(4))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert moments.n_rows == 40_000
    assert peak < n_bytes / 3


def test_averaging_frames_over_words_is_the_adjoint_of_repeating_them() -> None:
    X = words(200, 3, 0, "float64")
    frames = np.random.default_rng(0).standard_normal((200, 4))
    mean = X.average(frames)
    assert worst((X.values * X.counts[:, None]).T @ mean, X.expand().T @ frames) < KERNEL["float64"]
    assert worst(X.average(X.expand()), X.values) < KERNEL["float64"]
    with pytest.raises(InputError, match="frames"):
        X.average(frames[1:])


def test_lagged_design_of_words() -> None:
    X = Repeated([[1.0], [2.0]], [2, 1])
    np.testing.assert_array_equal(lagged_design(X, range(2)), [[1, 0], [1, 1], [2, 1]])


@pytest.mark.parametrize(
    ("make_it", "argument"),
    [
        (lambda: Repeated([[1.0], [2.0]], [1]), "counts"),
        (lambda: Repeated([[1.0], [2.0]], [1, 0]), "counts"),
        (lambda: Repeated([[1.0], [2.0]], [1.0, 2.0]), "counts"),
        (lambda: Repeated([[1.0], [np.nan]], [1, 2]), "values"),
        (lambda: FeatureSpaces({}), "spaces"),
        (lambda: FeatureSpaces({"a": np.zeros((3, 1)), "b": Repeated([[1.0]], [2])}), "spaces"),
        (lambda: FeatureSpaces({"a": np.zeros(3)}), "spaces\\['a'\\]"),
    ],
)
def test_bad_operands_are_named(make_it: Any, argument: str) -> None:
    with pytest.raises(InputError, match=argument):
        make_it()


def test_a_run_of_python_is_not_needed() -> None:
    """Frames of a Repeated are its own values, not a copy."""
    X = Repeated(np.zeros((3, 2)), [1, 2, 3])
    assert np.shares_memory(Frames.of(X).spaces[0].values, X.values)
    assert sys.getrefcount(X.values) > 1
