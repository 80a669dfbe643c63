"""No wrong number without a word: every solver against an SVD of the design, on data that break careless algebra."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import LinAlgWarning, cholesky

from heschl import InputError, LaggedRidge, LaggedRidgeCV
from heschl.linear import group_folds
from heschl.linear.ridge.condition import LIMIT, of_factor
from linear.oracle import Oracle, cv_r2, lagged
from tolerances import ADVERSARIAL, R2, worst

pytestmark = pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")
SOLVERS = ("auto", "cholesky", "eigh", "dual", "krylov")
KINDS = (
    "random", "slow", "rank-deficient", "constant", "all constant", "duplicate", "tiny", "huge", "many scales",
    "large mean", "ill-conditioned", "sparse", "constant at first",
)  # fmt: skip


def features(rng: np.random.Generator, kind: str, n: int, d: int) -> NDArray[Any]:
    H = rng.standard_normal((n, d))
    if kind == "slow":
        for t in range(1, n):
            H[t] = 0.99 * H[t - 1] + 0.1 * H[t]
    elif kind == "rank-deficient":
        H = rng.standard_normal((n, 1)) @ rng.standard_normal((1, d))
    elif kind == "constant":
        H[:, 0] = rng.choice([0.0, 0.1, 1e6])
    elif kind == "all constant":
        H[:] = rng.choice([0.1, 1e6])
    elif kind == "duplicate":
        H[:, -1] = H[:, 0]
    elif kind in ("tiny", "huge"):
        H *= 1e-6 if kind == "tiny" else 1e6
    elif kind == "many scales":
        H *= 10.0 ** rng.uniform(-6, 6, d)
    elif kind == "large mean":
        H += 10.0 ** rng.uniform(2, 6)
    elif kind == "ill-conditioned":
        H = H @ (np.linalg.qr(rng.standard_normal((d, d)))[0] * np.logspace(0, -5, d))
    elif kind == "constant at first":
        H *= 1e6
        H[: n // 2] = H[0]
    elif kind == "sparse":
        H = (rng.random((n, d)) < 0.05).astype(float)
    return H


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(KINDS),
    lengths=st.lists(st.integers(1, 24), min_size=4, max_size=8),
    first=st.integers(-5, 5),
    n_lags=st.integers(1, 6),
    boundary=st.sampled_from(["zero", "drop", "cross"]),
    flags=st.tuples(st.booleans(), st.booleans()),
    solver=st.sampled_from(SOLVERS),
    dtype=st.sampled_from(["float64", "float32"]),
    exponents=st.tuples(st.integers(-8, 6), st.integers(1, 6)),
    targets=st.sampled_from(["one", "many", "silent", "duplicate"]),
)
def test_scores_are_those_of_an_svd_or_there_is_a_word(
    seed: int, kind: str, lengths: list[int], first: int, n_lags: int, boundary: str, flags: tuple[bool, bool],
    solver: str, dtype: str, exponents: tuple[int, int], targets: str,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    lengths, d = [*lengths, 25, 20], int(rng.integers(1, 6))
    n, lags = sum(lengths), range(first, first + n_lags)
    H = features(rng, kind, n, d).astype(dtype)
    Y = rng.standard_normal((n, 1 if targets == "one" else 4))
    if np.ptp(H[:, 0]) > 0:
        Y[:, 0] += (H[:, 0] - H[:, 0].mean()) / H[:, 0].std()
    if targets == "silent":
        Y[:, 1] = rng.choice([0.0, 0.1])
    elif targets == "duplicate":
        Y[:, 1] = Y[:, 0]
    Y = Y.astype(dtype)
    standardize, intercept = flags
    mean_eigenvalue = n * (1.0 if standardize else float(np.maximum(H.var(axis=0).mean(), 1e-12)))
    alphas = mean_eigenvalue * 10.0 ** np.linspace(exponents[0], sum(exponents), 4)
    options = {"lags": lags, "boundary": boundary, "fit_intercept": intercept, "standardize": standardize}
    fold = group_folds(np.arange(len(lengths)), lengths, 3)
    segment = np.repeat(fold, lengths)
    folds = [np.flatnonzero(segment == k) for k in range(3)]
    model = LaggedRidgeCV(
        alphas=alphas, cv=[(np.flatnonzero(segment != k), folds[k]) for k in range(3)], solver=solver, **options
    )
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            model.fit(H, Y, segments=lengths)
        except InputError:
            return
    if any(issubclass(each.category, LinAlgWarning) for each in told):
        return
    r2, pooled = cv_r2(H, Y, lengths, folds, alphas, **options)
    for found, right in ((model.cv_scores_, r2), (model.cv_pooled_scores_, pooled)):
        known = np.isfinite(found)
        assert (np.isfinite(right) >= known).all() and (
            model.solver_ == "krylov" or (np.isfinite(right) == known).all()
        )
        assert (np.abs(found - right)[known] / np.maximum(1, np.abs(right[known]))).max(initial=0) < ADVERSARIAL
    chosen = np.array([int(np.flatnonzero(alphas == alpha)[0]) for alpha in model.alpha_])
    for j in np.flatnonzero(np.isfinite(r2).any(axis=0)):
        assert np.isfinite(model.cv_scores_[chosen[j], j])  # no penalty that has not been solved
        assert np.nanmax(r2[:, j]) - r2[chosen[j], j] < ADVERSARIAL * max(1, np.abs(r2[chosen[j], j]))


@pytest.mark.parametrize(("boundary", "mean"), [("zero", 1e3), ("cross", 1e3), ("drop", 1e6)])
def test_the_dual_of_features_with_a_large_mean(boundary: str, mean: float) -> None:
    """Where lags reach out of a segment the mean makes steps in the design; elsewhere nothing is left of it."""
    rng = np.random.default_rng(0)
    lengths, lags = [9, 14, 1, 12, 11], range(-1, 4)
    H = rng.standard_normal((47, 3)) + mean
    y = H[:, 0] - mean + rng.standard_normal(47)
    model = LaggedRidge(1.0, lags=lags, boundary=boundary, solver="dual").fit(H, y, segments=lengths)
    X, rows = lagged(H, lengths, lags, boundary)
    right = Oracle.fit(X[rows], y[rows, None], True).predict(X, 1.0)[:, 0]
    assert model.solver_ == "dual" and worst(model.predict(H, segments=lengths)[rows], right[rows]) < 1e-6


@pytest.mark.parametrize("solver", ["cholesky", "eigh", "krylov"])
def test_a_constant_feature_where_lags_cross_segments(solver: str) -> None:
    """All but the first rows see it whole: a centred column of exact zeros, not of rounding over a small penalty."""
    rng = np.random.default_rng(0)
    H, Y = np.full((400, 1), 1e6), rng.standard_normal((400, 1)) * 1e8
    options = {"lags": range(1, 7), "boundary": "cross"}
    model = LaggedRidgeCV(alphas=[1e-4, 1e5], cv=4, solver=solver, **options).fit(H, Y, segments=[50] * 8)
    held_out = np.repeat(group_folds(np.arange(8), [50] * 8, 4), 50)
    tests = [np.flatnonzero(held_out == k) for k in range(4)]
    r2, _ = cv_r2(H, Y, [50] * 8, tests, np.array([1e-4, 1e5]), **options)
    known = np.isfinite(model.cv_scores_)
    assert known.any() and np.abs(model.cv_scores_ - r2)[known].max() < R2["float64"]


@pytest.mark.parametrize("solver", ["cholesky", "eigh", "krylov"])
def test_a_feature_that_is_constant_in_one_training_set_alone(solver: str) -> None:
    """Not the constant that is subtracted while summing: rounding leaves it a variance, beside which λ is small."""
    rng = np.random.default_rng(0)
    lengths = [1, 1, 1, 20]
    H, Y = rng.standard_normal((23, 2)) * 1e8, rng.standard_normal((23, 1)) + 1e3
    H[:3, 0] = H[0, 0]
    folds = [np.arange(3), np.arange(3, 23)]
    cv = [(folds[1], folds[0]), (folds[0], folds[1])]
    model = LaggedRidgeCV(alphas=[1.0], lags=[0], cv=cv, solver=solver)
    found = model.fit(H, Y, segments=lengths).cv_scores_
    r2, _ = cv_r2(H, Y, lengths, folds, np.array([1.0]), lags=[0], boundary="zero")
    assert np.abs(found - r2).max() < 1e-6 * np.abs(r2).max()


@pytest.mark.parametrize("solver", ["cholesky", "eigh", "krylov"])
def test_a_column_whose_variance_is_lost_in_rounding_is_said(solver: str) -> None:
    rng = np.random.default_rng(0)
    H, Y = rng.standard_normal((40, 1)), rng.standard_normal((40, 1))
    H[:20] = 1e3 + 1e-8 * H[:20]
    train, test = np.arange(20), np.arange(20, 40)
    with pytest.warns(LinAlgWarning, match="leaves 0 digits"):
        LaggedRidgeCV(alphas=[1e-20], lags=[0], cv=[(train, test)], solver=solver).fit(H, Y, segments=[10] * 4)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_rare_feature_whose_lag_sees_nothing_is_no_alarm(dtype: str) -> None:
    """A phone that sounds once, at the end of a sentence: later lags never see it, and their columns are constant."""
    rng = np.random.default_rng(0)
    H, Y = (rng.random((400, 2)) < 0.3).astype(dtype), rng.standard_normal((400, 1)).astype(dtype)
    H[:, 1] = 0.0
    H[[99, 205, 210, 250], 1] = 1.0
    model = LaggedRidgeCV(alphas=[1e-2, 10.0], lags=range(3), cv=2, solver="cholesky", dtype=dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error", LinAlgWarning)
        assert model.fit(H, Y, segments=[100] * 4).dtype_ == dtype
    assert np.isfinite(model.condition_).all()


@pytest.mark.parametrize("solver", ["cholesky", "dual"])
def test_z_scores_about_a_mean_that_float32_rounds_are_made_in_float64(solver: str) -> None:
    rng = np.random.default_rng(0)
    H = (rng.standard_normal((300, 1)) + 1e6).astype(np.float32)
    y = (H[:, 0] - H.mean() + rng.standard_normal(300)).astype(np.float32)
    model = LaggedRidge(1.0, lags=[0], standardize=True, dtype="float32", solver=solver).fit(H, y)
    exact = LaggedRidge(1.0, lags=[0], standardize=True).fit(H.astype(np.float64), y.astype(np.float64))
    assert model.dtype_ == "float64"
    assert worst(model.predict(H), exact.predict(H.astype(np.float64))) < 1e-6


@pytest.mark.parametrize("name", ["X", "y"])
def test_float64_data_that_float32_would_round_are_named(name: str) -> None:
    rng = np.random.default_rng(0)
    data = {"X": rng.standard_normal((100, 2)), "y": rng.standard_normal(100)}
    data[name] += 1e5
    with pytest.warns(UserWarning, match=f"dtype='float32' rounds {name}"):
        LaggedRidge(lags=[0], dtype="float32").fit(**data)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_r_does_not_fade_where_a_large_penalty_leaves_little_to_vary(dtype: str) -> None:
    """Pearson's r knows no scale: from some λ on it stays the same, also beside a large mean of the response."""
    rng = np.random.default_rng(0)
    H = rng.standard_normal((200, 3)).astype(dtype)
    Y = (H[:, :1] + rng.standard_normal((200, 1)) + 900.0).astype(dtype)
    model = LaggedRidgeCV(alphas=[1e6, 1e9, 1e12], lags=range(2), scoring="r", dtype=dtype)
    scores = model.fit(H, Y, segments=[20] * 10).cv_scores_
    assert np.ptp(scores) < R2["float32"] and scores.min() > 0.5


def near_singular(seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(seed)
    H = rng.standard_normal((200, 3))
    H[:, 2] = H[:, 0] + 1e-7 * H[:, 2]
    return H, rng.standard_normal((200, 2))


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_float64_cannot_carry_is_said(solver: str) -> None:
    H, Y = near_singular()
    with pytest.warns(LinAlgWarning, match="nearly singular at penalties up to 1e-13"):
        model = LaggedRidge(1e-13, lags=[0], solver=solver).fit(H, Y)
    assert model.condition_[0] > LIMIT
    with warnings.catch_warnings():
        warnings.simplefilter("error", LinAlgWarning)
        assert LaggedRidge(1.0, lags=[0], solver=solver).fit(H, Y).condition_[0] < 1e4


@pytest.mark.parametrize("solver", ["cholesky", "eigh", "dual", "krylov"])
def test_a_penalty_that_is_lost_beside_the_features_is_an_input_error(solver: str) -> None:
    H, Y = near_singular()
    H[:, 2] = H[:, 0]
    with pytest.raises(InputError, match="alpha: found 1e-30") as error:
        LaggedRidge(1e-30, lags=[0], solver=solver).fit(H * 1e3, Y)
    assert "standardize=True" in error.value.advice


def test_condition_numbers_of_training_sets() -> None:
    rng = np.random.default_rng(0)
    H, Y, lengths = (
        rng.standard_normal((120, 4)) @ np.diag([1.0, 1e-2, 1.0, 1e3]),
        rng.standard_normal((120, 2)),
        [20] * 6,
    )
    H[:, 1] += H[:, 0]
    model = LaggedRidgeCV(alphas=[1e-3, 1.0], lags=range(2), cv=3, solver="cholesky").fit(H, Y, segments=lengths)
    assert model.condition_.shape == (4,) and np.isfinite(model.condition_).all()
    X, _ = lagged(H, lengths, range(2), "zero")
    A = (X - X.mean(axis=0)).T @ (X - X.mean(axis=0)) + np.min(model.alpha_) * np.eye(8)
    scaled = A / np.sqrt(np.outer(A.diagonal(), A.diagonal()))
    assert 0.2 < model.condition_[-1] / np.linalg.cond(scaled) < 1.001
    left_out = LaggedRidgeCV(alphas=[1.0], lags=range(2), cv=6).fit(H, Y, segments=lengths)
    assert left_out.condition_.shape == (7,) and np.isfinite(left_out.condition_[-1])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_estimate_from_the_factor(dtype: str) -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 20)) * 10.0 ** rng.uniform(-2, 2, 20)
    for alpha in (1e-1, 1e1):
        A = X.T @ X + alpha * np.eye(20)
        factor = np.ascontiguousarray(cholesky(A).astype(dtype))
        scaled = A / np.sqrt(np.outer(A.diagonal(), A.diagonal()))
        assert 0.3 < of_factor(factor, A.diagonal()) / np.linalg.cond(scaled) < 1.01


def test_a_small_float32_fit_that_is_ill_conditioned_is_made_in_float64() -> None:
    H, Y = near_singular()
    single = LaggedRidge(1e-4, lags=[0], dtype="float32").fit(H.astype(np.float32), Y.astype(np.float32))
    assert single.dtype_ == "float64"
    H[:, 2] = np.random.default_rng(1).standard_normal(200)
    assert (
        LaggedRidge(1.0, lags=[0], dtype="float32").fit(H.astype(np.float32), Y.astype(np.float32)).dtype_ == "float32"
    )


@pytest.mark.parametrize("solver", ["cholesky", "eigh", "krylov"])
def test_errors_without_an_intercept_of_responses_far_from_zero(solver: str) -> None:
    """Squares a million million times the variance, of which errors are small differences: by extended precision."""
    rng = np.random.default_rng(0)
    x, y = (1e6 + rng.standard_normal(60) for _ in range(2))
    how: dict[str, Any] = {"alphas": [3e4], "cv": 3, "fit_intercept": False, "solver": solver}
    model = LaggedRidgeCV([0], **how).fit(x[:, None], y[:, None], segments=[20, 20, 20])
    sse, sst = np.longdouble(0), np.longdouble(0)
    for k in range(3):
        test = np.arange(60) // 20 == k
        a, b = x[~test].astype(np.longdouble), y[~test].astype(np.longdouble)
        errors = y[test] - x[test] * ((a * b).sum() / ((a * a).sum() + np.longdouble(3e4)))
        sse += (errors**2).sum()
        sst += ((y[test] - y[test].astype(np.longdouble).mean()) ** 2).sum()
    assert model.cv_pooled_scores_[0, 0] == pytest.approx(float(1 - sse / sst), abs=R2["float64"])
