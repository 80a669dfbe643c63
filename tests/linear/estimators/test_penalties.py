"""First differences along lags, a penalised constant, and patterns, against plain NumPy on the materialised design."""

from __future__ import annotations

import warnings

import dask.array
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from heschl import InputError, LaggedRidge, LaggedRidgeCV, Repeated, lagged_design
from heschl.linear import reference
from heschl.linear.ridge.penalty import Penalty
from linear.problems import Ragged, make, ragged
from tolerances import COEFFICIENTS, R2, worst

pytestmark = pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")


def expected(
    problem: Ragged, alpha: float, penalty: str, intercept: float, scale: np.ndarray | float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    d = problem.H.shape[1]
    H = problem.H.astype(np.float64)
    X, Y = lagged_design(H / scale, problem.lags, segments=problem.lengths), problem.Y.astype(np.float64)
    return reference.penalised_ridge(X, Y, alpha, d, differences=penalty == "tikhonov", intercept=intercept)


@given(ragged(), st.sampled_from(["ridge", "tikhonov"]), st.sampled_from([False, True, 0.25]), st.floats(0.1, 1e3))
@settings(max_examples=60, deadline=None)
def test_weights_of_every_penalty(problem: Ragged, penalty: str, intercept: bool | float, alpha: float) -> None:
    model = LaggedRidge(alpha=alpha, lags=problem.lags, penalty=penalty, penalize_intercept=intercept)
    try:
        model.fit(problem.H, problem.Y, segments=problem.lengths)
    except InputError as error:  # what the penalty leaves free is more than the data know
        assert penalty == "tikhonov" and (len(problem.lags) == 1 or "singular" in str(error))
        return
    try:
        weights, constant = expected(problem, alpha, penalty, float(intercept))
    except np.linalg.LinAlgError:  # of constant features: their weights are 0
        assert penalty == "tikhonov" and not model.coef_.any()
        return
    design = lagged_design(problem.H, problem.lags, segments=problem.lengths)
    if penalty == "tikhonov" and not intercept and not np.ptp(design, axis=0).any():  # any level does as well
        assert not model.coef_.any()
        return
    coef = weights.reshape(len(problem.lags), -1, problem.Y.shape[1]).transpose(2, 1, 0)
    size = max(np.abs(coef).max(), np.abs(constant).max(), 1e-2)
    assert worst(model.coef_, coef, size) < 10 * COEFFICIENTS[problem.name]
    assert worst(np.atleast_1d(model.intercept_), constant, size) < 100 * COEFFICIENTS[problem.name]


@pytest.mark.parametrize("penalty", ["ridge", "tikhonov"])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("lengths", [[30, 41, 25, 37, 33], [8, 9, 7, 8, 9]])  # scored from moments, and by prediction
def test_penalties_are_chosen_by_the_scores_of_held_out_segments(
    penalty: str, intercept: bool, lengths: list[int]
) -> None:
    problem, alphas = make(5, lengths, 3, 2, range(-1, 3)), [0.3, 10.0, 300.0]
    model = LaggedRidgeCV(lags=problem.lags, alphas=alphas, cv=5, penalty=penalty, penalize_intercept=intercept)
    model.fit(problem.H, problem.Y, segments=lengths)
    X = lagged_design(problem.H, problem.lags, segments=lengths)
    scores = np.empty((5, 3, 2))
    owner = np.repeat(np.arange(5), lengths)
    for fold in range(5):
        train, test = owner != fold, owner == fold
        for a, alpha in enumerate(alphas):
            options = {"differences": penalty == "tikhonov", "intercept": float(intercept)}
            weights, constant = reference.penalised_ridge(X[train], problem.Y[train], alpha, 3, **options)
            y = problem.Y[test]
            scores[fold, a] = 1 - ((y - X[test] @ weights - constant) ** 2).sum(0) / ((y - y.mean(0)) ** 2).sum(0)
    assert worst(model.cv_scores_, scores.mean(0), 1.0) < R2["float64"]
    assert model.solver_ == "cholesky" and clone(model).penalty == penalty
    best = np.array(alphas)[scores.mean(0).argmax(axis=0)]
    np.testing.assert_array_equal(model.alpha_, best)
    for j, alpha in enumerate(best):
        weights, _ = expected(problem, alpha, penalty, float(intercept))
        assert worst(model.coef_[j].T.reshape(-1), weights[:, j]) < COEFFICIENTS["float64"]


def test_standardised_word_rate_masked_and_nested() -> None:
    rng = np.random.default_rng(0)
    values, counts, lengths = rng.standard_normal((60, 2)) * [1, 10], np.full(60, 5), [50] * 6
    H = np.repeat(values, counts, axis=0)
    y = np.stack([H[:, 0] + rng.standard_normal(300), rng.standard_normal(300)], axis=1)
    options = {"lags": range(4), "penalty": "tikhonov", "penalize_intercept": True}
    one = LaggedRidge(alpha=20.0, **options).fit(Repeated(values, counts), y, segments=lengths)
    other = LaggedRidge(alpha=20.0, **options).fit(H, y, segments=lengths)
    np.testing.assert_allclose(one.coef_, other.coef_, atol=1e-9)
    missing = y.copy()
    missing[:40, 1] = np.nan
    masked = LaggedRidge(alpha=20.0, missing="mask", **options).fit(H, missing, segments=lengths)
    X = lagged_design(H, range(4), segments=lengths)[40:]
    weights, constant = reference.penalised_ridge(X, y[40:, 1:], 20.0, 2, differences=True, intercept=1.0)
    np.testing.assert_allclose(masked.coef_[1].T.reshape(-1), weights[:, 0], atol=1e-9)
    np.testing.assert_allclose(masked.intercept_[1], constant[0], atol=1e-9)
    scaled = LaggedRidge(alpha=20.0, standardize=True, boundary="cross", **options).fit(H, y)
    z = (H - H.mean(0)) / H.std(0)
    weights, _ = reference.penalised_ridge(lagged_design(z, range(4)), y, 20.0, 2, differences=True, intercept=1.0)
    np.testing.assert_allclose(scaled.coef_[0].T * H.std(0), weights[:, 0].reshape(4, 2), atol=1e-9)
    nested = LaggedRidgeCV(alphas=[1.0, 50.0], cv=3, nested=True, **options).fit(H, y, segments=lengths)
    assert nested.test_scores_.shape == (3, 2) and nested.test_scores_[:, 0].min() > 0.2


def test_weights_become_smooth_and_the_constant_small() -> None:
    problem = make(2, [200, 150], 1, 1, range(12), mean=2.0)
    fits = {
        penalty: LaggedRidge(alpha=1e6, lags=problem.lags, penalty=penalty, penalize_intercept=constant)
        .fit(problem.H, problem.Y, segments=problem.lengths)
        for penalty, constant in (("ridge", False), ("tikhonov", True))
    }  # fmt: skip
    smooth = fits["tikhonov"].coef_[0, 0]
    assert np.abs(np.diff(smooth)).max() < 1e-3 < np.abs(smooth).min()
    assert abs(fits["tikhonov"].intercept_[0]) < 1e-3 < abs(fits["ridge"].intercept_[0])


def test_what_cannot_be_done_is_refused() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 2)), rng.standard_normal(60)
    for options, match in (
        ({"penalty": "lasso"}, "penalty: found 'lasso'; expected 'ridge' or 'tikhonov'"),
        ({"penalty": "tikhonov", "lags": [3]}, "with one lag"),
        ({"penalize_intercept": -1.0}, "penalize_intercept: found -1.0"),
        ({"penalize_intercept": "yes"}, "penalize_intercept: found 'yes'"),
        ({"penalize_intercept": True, "fit_intercept": False}, "an intercept to penalise"),
        ({"penalty": "tikhonov", "solver": "dual"}, "solver: found 'dual'"),
        ({"penalize_intercept": True, "device": "cuda"}, "device|solver"),
    ):
        with pytest.raises(InputError, match=match):
            LaggedRidge(**{"lags": range(3), **options}).fit(X, y)
    twice = np.column_stack([X, X[:, :1]])  # differences along lags do not say which of two equal features
    with pytest.raises(InputError, match=r"singular.*repeat each other"):
        LaggedRidge(lags=range(3), penalty="tikhonov").fit(twice, y)
    with_constant = LaggedRidge(lags=range(3), penalty="tikhonov", standardize=True).fit(np.c_[X, np.ones(60)], y)
    assert (with_constant.coef_[2] == 0).all()


@given(ragged(), st.sampled_from(["zero", "drop", "cross"]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_patterns_against_the_materialised_design(problem: Ragged, boundary: str, standardize: bool) -> None:
    segments = None if boundary == "cross" else problem.lengths
    X = lagged_design(problem.H.astype(np.float64), problem.lags, segments=segments)
    if boundary == "drop":  # rows whose lags all see their segment
        X = X[lagged_design(np.ones((len(problem.H), 1)), problem.lags, segments=segments).all(axis=1)]
    if len(X) < X.shape[1] + 5 or (standardize and boundary != "cross"):
        return
    model = LaggedRidge(alpha=1.0, lags=problem.lags, boundary=boundary, standardize=standardize, dtype="float64")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(problem.H, problem.Y, segments=problem.lengths)
    if standardize:  # padded by the mean
        X = lagged_design(problem.H - model.feature_mean_, problem.lags)
    W = model.coef_.transpose(2, 1, 0).reshape(X.shape[1], -1)
    if np.linalg.cond(np.cov((X @ W).T).reshape(W.shape[1], -1)) > 1e6:
        return
    found = model.patterns(problem.H, segments=problem.lengths).transpose(2, 1, 0).reshape(W.shape)
    assert worst(found, reference.haufe_patterns(X, W)) < 1e4 * COEFFICIENTS["float64"]


def test_patterns_find_the_channel_that_hears() -> None:
    rng = np.random.default_rng(0)
    sound, noise = rng.standard_normal((2, 5000))
    channels = np.stack([np.roll(sound, 3) + noise, noise, rng.standard_normal(5000)], axis=1)
    decoder = LaggedRidge(alpha=1.0, lags=range(-5, 1)).fit(channels, sound)
    patterns = decoder.patterns(channels)
    assert patterns.shape == (3, 6) and decoder.coef_[1, 2] < -0.9  # lag -3
    assert patterns[0, 2] > 0.9 and np.abs(patterns[1:]).max() < 0.1


def test_patterns_of_trials_and_tables() -> None:
    X = np.random.default_rng(0).standard_normal((90, 2))
    decoder = LaggedRidge(alpha=1.0, lags=[0, 1]).fit(X, X @ [1.0, -0.5], segments=[30, 30, 30])
    expected = decoder.patterns(X, segments=[30, 30, 30])
    index = pd.MultiIndex.from_product([range(3), range(30)], names=["segment", "time"])
    for same in (list(X.reshape(3, 30, 2)), X.reshape(3, 30, 2), pd.DataFrame(X, index=index)):
        np.testing.assert_array_equal(decoder.patterns(same), expected)
    with pytest.warns(UserWarning, match="as if they were one"):
        assert np.abs(decoder.patterns(X) - expected).max() > 0
    with pytest.raises(InputError, match=r"dask array.*compute"):
        decoder.patterns(dask.array.from_array(X))


def test_a_penalty_says_what_it_is() -> None:
    assert Penalty().plain and not Penalty(differences=True).plain and not Penalty(intercept=1.0).plain
    D = np.diff(np.eye(4), axis=0)
    gram = np.zeros((8, 8))
    Penalty(differences=True).add(gram, 3.0, 2)
    np.testing.assert_array_equal(gram, 3.0 * np.kron(D.T @ D, np.eye(2)))
