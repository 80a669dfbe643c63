"""Krylov spaces against float64 Cholesky: the same λ, R² to 1e-4, weights as a direct solve leaves them."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from heschl import BandedRidgeCV, InputError, LaggedRidge, LaggedRidgeCV
from heschl.linear import FeatureSpaces, Repeated, nested_cv, unique_variance
from heschl.linear.ridge import krylov
from heschl.linear.ridge.krylov import KrylovTrained
from heschl.linear.ridge.price import Price, krylov_bytes, krylov_operations
from heschl.linear.ridge.size import FitSize
from heschl.linear.ridge.solvers import SOLVERS, choose_solver
from linear.problems import Ragged, ragged
from tolerances import COEFFICIENTS, KRYLOV_R2, KRYLOV_R2_OF_FEW_ROWS, worst

Array = NDArray[Any]
KINDS = ("smooth", "flat", "outlier", "scales", "large", "small", "deficient", "constant")


@pytest.fixture
def never_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Problems as small as a test's would be factored: here they are not, until their space is complete."""
    monkeypatch.setattr(krylov, "AT_ONCE", 0.0)
    monkeypatch.setattr(Price, "too_dear", lambda *_: False)


def world(kind: str, c: int = 12, d: int = 16, strongest: float = 0.99, seed: int = 0) -> tuple[Array, Array, Array]:
    """Features, responses of R² from 0 to `strongest`, and lengths of segments."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(15, 60, size=30)
    n = int(lengths.sum())
    H = rng.standard_normal((n, d))
    if kind != "flat":
        H = H * np.arange(1.0, d + 1) ** -0.7 @ rng.standard_normal((d, d))
        for t in range(1, n):
            H[t] = 0.7 * H[t - 1] + 0.5 * H[t]
        H += 0.05 * rng.standard_normal(H.shape) + rng.standard_normal(d)
    if kind == "deficient":
        H = H @ rng.standard_normal((d, d // 3)) @ rng.standard_normal((d // 3, d))
    if kind == "constant":
        H[:, ::3] = 2.5
    z = (H - H.mean(0)) / np.maximum(H.std(0), 1e-9)
    Y = sum(np.roll(z @ rng.standard_normal((d, c)), k, axis=0) for k in (0, 2, 3))
    if kind in ("outlier", "scales"):
        Y[:, ::2] += 8.0 * z[:, :1]
        H *= np.where(np.arange(d) == 0, 450.0, 1.0) if kind == "outlier" else np.logspace(0, 3, d)
    H *= {"large": 1e6, "small": 1e-6}.get(kind, 1.0)
    share = np.linspace(0.0, strongest, c)
    Y = Y / Y.std(0) * np.sqrt(share) + rng.standard_normal((n, c)) * np.sqrt(1.0 - share)
    return H, Y + 3.0, lengths


def penalties(H: Array, n: int = 22, low: float = -8.0, high: float = 6.0) -> Array:
    """From 10**low to 10**high of the mean eigenvalue."""
    return float(H.var(axis=0).mean() * len(H)) * np.logspace(low, high, n)


def fitted(H: Any, Y: Array, lengths: Array, alphas: Array, solver: str, dtype: str, **how: Any) -> LaggedRidgeCV:
    model = LaggedRidgeCV(lags=range(-1, 6), alphas=alphas, cv=4, solver=solver, dtype=dtype, **how)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(H.astype(dtype) if isinstance(H, np.ndarray) else H, Y.astype(dtype), segments=lengths)


def assert_as_exact(
    found: LaggedRidgeCV, exact: LaggedRidgeCV, alphas: Array, dtype: str, tolerance: float | None = None,
    far: float = 1.0,
) -> None:  # fmt: skip
    """The λ chosen has a score, is no worse than the exact best, and nothing that is known is wrong.

    Scores of λ that are neither chosen nor beside one that is may be wrong by `far` times as much.
    """
    tolerance = KRYLOV_R2[dtype] if tolerance is None else tolerance
    chosen = np.searchsorted(alphas, found.alpha_ * 0.999)
    targets = np.arange(len(chosen))
    defined = np.isfinite(exact.cv_scores_).any(axis=0)
    assert np.isfinite(found.cv_scores_[chosen, targets][defined]).all()
    size = 1.0 + np.abs(np.nan_to_num(exact.cv_scores_))
    wrong = np.abs(found.cv_scores_ - exact.cv_scores_) / size
    near = np.abs(np.arange(len(alphas))[:, None] - chosen) <= 1
    assert np.nanmax(wrong[near], initial=0.0) < tolerance
    assert np.nanmax(wrong, initial=0.0) < far * tolerance
    lost = exact.cv_scores_.max(axis=0) - exact.cv_scores_[chosen, targets]
    assert (lost[defined] < tolerance).all()
    for smaller in (chosen - 1, chosen + 1):
        inside = defined & (smaller >= 0) & (smaller < len(alphas))
        assert np.isfinite(found.cv_scores_[smaller[inside], targets[inside]]).all()


@pytest.mark.usefixtures("never_factor")
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_world(kind: str, dtype: str, standardize: bool) -> None:
    H, Y, lengths = world(kind)
    alphas = penalties((H - H.mean(0)) / np.maximum(H.std(0), 1e-9) if standardize else H)
    exact = fitted(H, Y, lengths, alphas, "cholesky", "float64", standardize=standardize)
    found = fitted(H, Y, lengths, alphas, "krylov", dtype, standardize=standardize)
    assert found.solver_ == "krylov" and found.n_steps_ > 1 and found.dimension_ >= found.n_steps_
    assert_as_exact(found, exact, alphas, dtype)


@pytest.mark.usefixtures("never_factor")
def test_penalties_that_nobody_chooses_are_left_out() -> None:
    H, Y, lengths = world("smooth", d=60)
    alphas = penalties(H)
    exact, found = (fitted(H, Y, lengths, alphas, solver, "float32") for solver in ("cholesky", "krylov"))
    assert_as_exact(found, exact, alphas, "float32")
    assert np.isnan(found.cv_scores_).any() and found.dimension_ < 7 * 60


@pytest.mark.usefixtures("never_factor")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["smooth", "flat", "constant", "large", "small"])
def test_weights_are_those_of_a_direct_solve(kind: str, dtype: str) -> None:
    H, Y, lengths = world(kind, strongest=0.9)
    alpha = penalties(H, Y.shape[1], -3.0, 3.0)
    exact, found = (
        LaggedRidge(alpha, range(7), solver=solver, dtype=kind_of).fit(
            H.astype(kind_of), Y.astype(kind_of), segments=lengths
        )
        for solver, kind_of in (("cholesky", "float64"), ("krylov", dtype))
    )
    assert found.dtype_ == dtype and found.n_steps_ > 0
    for target in range(Y.shape[1]):
        assert worst(found.coef_[target], exact.coef_[target]) < COEFFICIENTS[dtype]


@pytest.mark.usefixtures("never_factor")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_silent_duplicate_and_noise_only_targets(dtype: str) -> None:
    H, Y, lengths = world("smooth", c=6)
    rng = np.random.default_rng(1)
    Y = np.column_stack([Y, Y[:, 3], Y[:, 3], -5.0 * Y[:, 3], np.full(len(Y), 2.0), rng.standard_normal(len(Y))])
    alphas = penalties(H)
    exact = fitted(H, Y, lengths, alphas, "cholesky", "float64")
    found = fitted(H, Y, lengths, alphas, "krylov", dtype)
    assert_as_exact(found, exact, alphas, dtype)
    assert not found.coef_[9].any() and found.intercept_[9] == 2.0
    np.testing.assert_array_equal(found.alpha_[[6, 7, 8]], found.alpha_[3])


@pytest.mark.usefixtures("never_factor")
@pytest.mark.parametrize("c", [1, 3, 60])
@pytest.mark.parametrize("d", [1, 5])
def test_one_target_and_more_targets_than_columns(c: int, d: int) -> None:
    H, Y, lengths = world("smooth", c=c, d=d)
    alphas = penalties(H)
    exact, found = (fitted(H, Y, lengths, alphas, solver, "float64") for solver in ("cholesky", "krylov"))
    assert_as_exact(found, exact, alphas, "float64")


@pytest.mark.usefixtures("never_factor")
@given(ragged(min_segments=4), st.sampled_from(["zero", "drop", "cross"]), st.booleans(), st.booleans())
@settings(max_examples=40)
def test_any_shape(problem: Ragged, boundary: str, standardize: bool, fit_intercept: bool) -> None:
    alphas = np.array([0.5, 30.0, 1e3, 1e6])
    how = {"boundary": boundary, "standardize": standardize, "fit_intercept": fit_intercept}
    double = replace(problem, H=problem.H.astype(float), Y=problem.Y.astype(float))
    models = []
    for data, solver in ((double, "cholesky"), (problem, "krylov")):
        model = LaggedRidgeCV(lags=data.lags, alphas=alphas, cv=3, solver=solver, dtype=data.name, **how)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                models.append(model.fit(data.H, data.Y, segments=data.lengths))
        except InputError as error:  # "drop" left a training set without rows
            assert error.argument == "y" and boundary == "drop"
            return
    exact, found = models
    # Two rows predict twenty: R² of penalties far too small is -17, and whatever misses the solution is in it.
    assert_as_exact(found, exact, alphas, problem.name, KRYLOV_R2_OF_FEW_ROWS[problem.name], far=1e3)


@pytest.mark.usefixtures("never_factor")
def test_targets_that_need_more_steps_have_spaces_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(krylov, "space_targets", lambda _: 5)
    monkeypatch.setattr(Price, "apart", lambda self, growth, _, n: growth.space.n_steps > 2 and n < self._n_targets)
    spaces: list[int] = []
    grow = KrylovTrained._grow
    monkeypatch.setattr(
        KrylovTrained, "_grow", lambda self, targets, *rest: spaces.append(len(targets)) or grow(self, targets, *rest)
    )
    H, Y, lengths = world("smooth", c=20)
    alphas = penalties(H)
    exact, found = (fitted(H, Y, lengths, alphas, solver, "float32") for solver in ("cholesky", "krylov"))
    assert_as_exact(found, exact, alphas, "float32")
    assert max(spaces) == 5 and min(spaces) < 4


def test_what_is_too_dear_is_factored(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the third step: what has converged by then is kept, all else comes from Cholesky."""
    monkeypatch.setattr(Price, "too_dear", lambda self, growth, *_: growth.space.n_steps >= 3)
    H, Y, lengths = world("flat")
    alphas = penalties(H, 10)
    exact, found = (fitted(H, Y, lengths, alphas, solver, "float64") for solver in ("cholesky", "krylov"))
    assert found.n_steps_ == 3
    assert_as_exact(found, exact, alphas, "float64")
    assert worst(found.coef_, exact.coef_) < COEFFICIENTS["float64"]


def test_small_problems_are_factored_at_once() -> None:
    H, Y, lengths = world("smooth", c=40, d=2)
    alphas = penalties(H, 5)
    exact, found = (fitted(H, Y, lengths, alphas, solver, "float64") for solver in ("cholesky", "krylov"))
    assert found.n_steps_ <= 1 and found.solver_ == "krylov"
    assert_as_exact(found, exact, alphas, "float64")


@pytest.mark.usefixtures("never_factor")
@pytest.mark.parametrize("per_target", [True, False])
def test_nested(per_target: bool) -> None:
    H, Y, lengths = world("smooth")
    how: dict[str, Any] = {
        "segments": lengths, "folds": np.arange(len(lengths)) % 4, "lags": range(5), "alphas": penalties(H, 12),
        "alpha_per_target": per_target,
    }  # fmt: skip
    found, exact = (nested_cv(H, Y, solver=solver, **how) for solver in ("krylov", "cholesky"))
    np.testing.assert_array_equal(found.alpha, exact.alpha)
    np.testing.assert_allclose(found.r2, exact.r2, atol=KRYLOV_R2["float64"])
    np.testing.assert_allclose(found.inner_r2, exact.inner_r2, atol=KRYLOV_R2["float64"])
    assert found.solver == "krylov"


@pytest.mark.usefixtures("never_factor")
@pytest.mark.parametrize("per_target", [True, False])
def test_one_penalty_for_all(per_target: bool) -> None:
    H, Y, lengths = world("smooth")
    alphas = penalties(H)
    how = {"alpha_per_target": per_target, "scoring": "pooled_r2"}
    exact, found = (fitted(H, Y, lengths, alphas, solver, "float32", **how) for solver in ("cholesky", "krylov"))
    chosen, targets = np.searchsorted(alphas, found.alpha_ * 0.999), np.arange(12)
    scores = exact.cv_pooled_scores_ if per_target else exact.cv_pooled_scores_.mean(axis=1, keepdims=True)
    assert (scores.max(axis=0) - scores[chosen, targets if per_target else 0] < KRYLOV_R2["float32"]).all()


@pytest.mark.usefixtures("never_factor")
@pytest.mark.parametrize("scoring", ["r", "r_squared"])
def test_correlations_come_from_the_same_spaces(scoring: str, monkeypatch: pytest.MonkeyPatch) -> None:
    H, Y, lengths = world("smooth")
    alphas = penalties(H, 12)
    exact = fitted(H, Y, lengths, alphas, "cholesky", "float64", scoring=scoring)
    monkeypatch.setattr(KrylovTrained, "weights", lambda *_: pytest.fail("a λ was solved by itself"))
    found = fitted(H, Y, lengths, alphas, "krylov", "float64", scoring=scoring)
    assert_as_exact(found, exact, alphas, "float64")
    np.testing.assert_array_equal(found.alpha_, exact.alpha_)


@pytest.mark.usefixtures("never_factor")
def test_bands_and_what_each_space_adds() -> None:
    H, Y, lengths = world("smooth")
    spaces = {"few": slice(0, 6), "many": slice(6, 16)}
    how: dict[str, Any] = {"alphas": penalties(H, 5, -3.0, 3.0), "lags": range(4), "cv": 3, "standardize": True}
    found, exact = (
        BandedRidgeCV(spaces, solver=solver, **how).fit(H, Y, segments=lengths) for solver in ("krylov", "cholesky")
    )
    assert found.solver_ == "krylov" and found.n_steps_ > 0
    np.testing.assert_array_equal(found.alphas_, exact.alphas_)
    np.testing.assert_allclose(found.r2_split_, exact.r2_split_, atol=KRYLOV_R2["float64"])
    parts = [
        unique_variance(BandedRidgeCV(spaces, solver=solver, **how), H, Y, segments=lengths)
        for solver in ("krylov", "cholesky")
    ]
    np.testing.assert_allclose(parts[0].unique, parts[1].unique, atol=KRYLOV_R2["float64"])


@pytest.mark.usefixtures("never_factor")
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_words_stay_at_their_rate(mixed: bool, dtype: str) -> None:
    H, Y, lengths = world("smooth")
    rng = np.random.default_rng(2)
    words = rng.standard_normal((90, 12)).astype(dtype)
    ends = np.sort(rng.choice(np.arange(1, len(H)), 89, replace=False))
    counts = np.diff(np.r_[0, ends, len(H)])
    run = np.repeat(np.arange(90), counts)
    Y[:, :8] += 2.0 * words[run] @ rng.standard_normal((12, 8))
    said = Repeated(words, counts)
    X = FeatureSpaces({"words": said, "sound": H.astype(dtype)}) if mixed else said
    dense = np.concatenate([words[run], H], axis=1) if mixed else words[run]
    alphas = penalties(dense.astype(float))
    exact = fitted(dense.astype(float), Y, lengths, alphas, "cholesky", "float64", standardize=True)
    found = fitted(X, Y, lengths, alphas, "krylov", dtype, standardize=True)
    assert_as_exact(found, exact, alphas, dtype)


@pytest.mark.usefixtures("never_factor")
def test_masked_responses() -> None:
    H, Y, lengths = world("smooth")
    Y[100:140, ::2] = np.nan
    alphas = penalties(H)
    exact, found = (
        fitted(H, Y, lengths, alphas, solver, "float64", missing="mask") for solver in ("cholesky", "krylov")
    )
    assert_as_exact(found, exact, alphas, "float64")


@pytest.mark.usefixtures("never_factor")
def test_a_larger_tolerance_takes_fewer_steps() -> None:
    H, Y, lengths = world("smooth", d=60)
    alphas = penalties(H)
    loose, strict = (fitted(H, Y, lengths, alphas, "krylov", "float32", tol=tol) for tol in (1e-2, 1e-6))
    assert loose.dimension_ < strict.dimension_
    for wrong in (0.0, 1.0, -1e-3, "small", True):
        with pytest.raises(InputError, match="tol: found"):
            fitted(H, Y, lengths, alphas, "krylov", "float32", tol=wrong)


@pytest.mark.usefixtures("never_factor")
def test_penalties_under_the_rounding_of_float32() -> None:
    """Nothing may be known of them in float32, and a noiseless target wants them."""
    H, Y, lengths = world("scales", c=2, strongest=1.0)
    alphas = penalties(H, 8, -13.0, -6.0)
    exact, found = (fitted(H, Y, lengths, alphas, s, t) for s, t in (("cholesky", "float64"), ("krylov", "float32")))
    assert_as_exact(found, exact, alphas, "float32")


def test_a_space_that_does_not_hold_in_float64_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Solutions confirmed against X'X: where that fails, float32 goes to float64, float64 to Cholesky."""
    monkeypatch.setattr(Price, "too_dear", lambda *_: False)
    monkeypatch.setattr(krylov, "ROUNDING", {"float32": -1.0, "float64": -1.0})
    H, Y, lengths = world("smooth")
    alphas = penalties(H, 6, -3.0, 3.0)
    exact, found = (fitted(H, Y, lengths, alphas, s, t) for s, t in (("cholesky", "float64"), ("krylov", "float32")))
    assert found.dtype_ == "float64"
    assert np.isfinite(found.cv_scores_).all()
    np.testing.assert_allclose(found.cv_scores_, exact.cv_scores_, atol=KRYLOV_R2["float64"])


def test_without_room_nothing_is_factored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Price, "too_dear", lambda *_: True)
    H, Y, lengths = world("smooth", c=4)
    alphas = penalties(H, 6, -2.0, 3.0)
    monkeypatch.setattr(krylov, "cholesky_bytes", lambda _: np.inf)
    monkeypatch.setattr(krylov, "vectors_within", lambda *_: 6)
    exact, found = (fitted(H, Y, lengths, alphas, solver, "float64") for solver in ("cholesky", "krylov"))
    assert_as_exact(found, exact, alphas, "float64")


def test_auto_counts_what_spaces_save() -> None:
    layer = FitSize(58_943, 58_943.0, 768, 20, 822, 10, 5, 599, 6, True, 4)
    words = replace(layer, n_products=5_200.0, n_features=1_600)
    for size in (layer, replace(layer, n_targets=64), words):
        assert choose_solver(size, "auto", 8e9)[0].name == "krylov"
        assert SOLVERS["cholesky"].operations(size) > 4 * krylov_operations(size)
        assert krylov_bytes(size) < 8e9
    assert krylov_operations(replace(words, n_alphas=50)) < 1.3 * krylov_operations(words)
    narrow = replace(layer, n_rows=12_000, n_products=12_000.0, n_features=64, n_targets=200, n_segments=120)
    assert choose_solver(narrow, "auto", None)[0].name == "cholesky"
