"""Banded ridge against materialised designs of scaled columns, and planted truth. himalaya: test_variance.py."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

from heschl import BandedRidgeCV, FeatureSpaces, InputError, LaggedRidgeCV, Repeated, lagged_design
from heschl.linear import group_folds, unique_variance
from heschl.linear.crossval.path import AlphaEdgeWarning
from heschl.linear.estimators.bands import Candidates
from linear.estimators.test_sklearn import expected_failures
from linear.problems import make
from tolerances import COEFFICIENTS, R2, worst

SPACES = {"a": slice(0, 2), "b": [2], "c": [3, 4, 5]}
ALPHAS = [1.0, 100.0, 1e4]
LENGTHS = [40, 35, 50, 28, 33, 44]


def data(seed: int = 0, c: int = 3, dtype: str = "float64") -> Any:
    return make(seed, LENGTHS, 6, c, range(-1, 3), dtype)


def fitted(problem: Any, **how: Any) -> BandedRidgeCV:
    model = BandedRidgeCV(**{"spaces": SPACES, "alphas": ALPHAS, "lags": problem.lags, "cv": 3, **how})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AlphaEdgeWarning)
        return model.fit(problem.H, problem.Y, segments=problem.lengths)


def plain(problem: Any, penalties: NDArray[Any], train: Any, test: Any, y: Any) -> Any:
    """Scaled columns of the materialised design, and scikit-learn."""
    X = lagged_design(problem.H, problem.lags, segments=problem.lengths)
    scale = np.tile(1.0 / np.sqrt(np.repeat(penalties, [2, 1, 3])), len(problem.lags))
    model = Ridge(alpha=1.0).fit(X[train] * scale, y[train])
    return model.predict(X[test] * scale), model.coef_ * scale


@pytest.mark.parametrize("n_iter", [100, 6])
def test_scores_and_weights_equal_scaled_columns(n_iter: int) -> None:
    """The full grid (19 ratios or so) and random draws."""
    problem = data()
    model = fitted(problem, n_iter=n_iter, random_state=0)
    assert len(model.candidates_) == (27 if n_iter == 100 else 18)
    rows = np.repeat(group_folds(np.arange(6), problem.lengths, 3), problem.lengths)
    finite = np.flatnonzero(np.isfinite(model.candidates_).all(axis=1))
    for candidate in finite[:: max(1, len(finite) // 8)]:
        for j in range(3):
            scores = []
            for k in range(3):
                y = problem.Y[:, j]
                predicted, _ = plain(problem, model.candidates_[candidate], rows != k, rows == k, y)
                held_out = y[rows == k]
                scores.append(1 - ((held_out - predicted) ** 2).sum() / ((held_out - held_out.mean()) ** 2).sum())
            assert abs(np.mean(scores) - model.cv_scores_[candidate, j]) < R2["float64"]
    best = model.cv_scores_.max(axis=0)
    everything = np.ones(len(rows), bool)
    for j in range(3):
        at = np.flatnonzero((model.candidates_ == model.alphas_[:, j]).all(axis=1))
        assert model.cv_scores_[at, j].max() == best[j]
        if np.isfinite(model.alphas_[:, j]).all():
            _, coef = plain(problem, model.alphas_[:, j], everything, everything, problem.Y[:, j])
            assert worst(model.coef_[j].T.reshape(-1), coef) < COEFFICIENTS["float64"]


def test_one_space_is_plain_ridge() -> None:
    problem = data(1)
    found = fitted(problem, spaces=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = LaggedRidgeCV(lags=problem.lags, alphas=ALPHAS, cv=3).fit(
            problem.H, problem.Y, segments=problem.lengths
        )
    np.testing.assert_array_equal(found.alphas_[0], expected.alpha_)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-9)
    np.testing.assert_allclose(found.r2_split_[0], expected.cv_scores_.max(axis=0), atol=R2["float64"])


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shares_sum_to_the_score(standardize: bool, dtype: str) -> None:
    problem = data(2, dtype=dtype)
    model = fitted(problem, standardize=standardize, n_iter=5, random_state=1)
    np.testing.assert_allclose(model.r2_split_.sum(axis=0), model.cv_scores_.max(axis=0), atol=R2[dtype])


def test_shares_by_their_definition() -> None:
    """The product measure on the materialised design, fold by fold."""
    problem = data(3, c=2)
    model = fitted(problem)
    assert np.isfinite(model.alphas_).all()
    rows = np.repeat(group_folds(np.arange(6), problem.lengths, 3), problem.lengths)
    X = lagged_design(problem.H, problem.lags, segments=problem.lengths)
    member = np.tile(np.repeat(np.arange(3), [2, 1, 3]), len(problem.lags))
    for j in range(2):
        shares = np.zeros((3, 3))
        for k in range(3):
            train, test, y = rows != k, rows == k, problem.Y[:, j]
            predicted, coef = plain(problem, model.alphas_[:, j], train, test, y)
            centred, error = y[test] - y[test].mean(), 2 * (y[test] - y[test].mean()) - (predicted - y[test].mean())
            for s in range(3):
                own = (X[test] - X[train].mean(0))[:, member == s] @ coef[member == s]
                constant = (y[train].mean() - y[test].mean()) / 3
                shares[k, s] = ((own + constant) * error).sum() / (centred**2).sum()
        np.testing.assert_allclose(model.r2_split_[:, j], shares.mean(axis=0), atol=R2["float64"])


def test_an_irrelevant_space_is_penalised_and_gets_nothing() -> None:
    rng = np.random.default_rng(0)
    H = rng.standard_normal((2000, 6))
    y = H[:, :2] @ [[1.0, 0.0], [1.0, 0.0]] + H[:, 3:] @ np.array([[0.0, 1.0]] * 3) + rng.standard_normal((2000, 2))
    how = {"alphas": np.logspace(-1, 5, 7), "lags": [0, 1], "n_iter": 40, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AlphaEdgeWarning)
        model = BandedRidgeCV(SPACES, **how).fit(H, y, segments=[100] * 20)
        unique = unique_variance(BandedRidgeCV(SPACES, **how), H, y, segments=[100] * 20)
    shares = model.r2_split_
    assert shares[0, 0] > 0.5 and np.abs(shares[1:, 0]).max() < 0.02
    assert shares[2, 1] > 0.5 and np.abs(shares[:2, 1]).max() < 0.02
    assert model.alphas_[1].min() > 10 * min(model.alphas_[0, 0], model.alphas_[2, 1])
    assert unique.unique[0, 0] > 0.5 and abs(unique.unique[1:, 0]).max() < 0.02
    np.testing.assert_allclose(unique.r2, model.cv_scores_.max(axis=0), atol=1e-12)


def test_spaces_of_the_features_themselves() -> None:
    """Dense and word-rate spaces by name; unique variance leaves each out at its own rate."""
    problem = data(4)
    words = Repeated(np.random.default_rng(0).standard_normal((46, 2)), np.full(46, 5))
    X = FeatureSpaces({"mel": problem.H, "words": words})
    model = BandedRidgeCV(alphas=ALPHAS, lags=problem.lags, cv=3)
    matrix = np.hstack([problem.H, words.expand()])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AlphaEdgeWarning)
        found = model.fit(X, problem.Y, segments=problem.lengths)
        scores, unique = found.cv_scores_, unique_variance(model, X, problem.Y, segments=problem.lengths)
        same = BandedRidgeCV({"mel": slice(0, 6), "words": slice(6, 8)}, alphas=ALPHAS, lags=problem.lags, cv=3)
        expected = unique_variance(same, matrix, problem.Y, segments=problem.lengths)
        same.fit(matrix, problem.Y, segments=problem.lengths)
    assert found.space_names_ == ("mel", "words")
    np.testing.assert_allclose(scores, same.cv_scores_, atol=1e-9)
    np.testing.assert_allclose(unique.unique, expected.unique, atol=1e-9)


def test_permuting_targets_permutes_everything() -> None:
    problem = data(5, c=4)
    order = [2, 0, 3, 1]
    model = fitted(problem)
    problem.Y = np.ascontiguousarray(problem.Y[:, order])
    permuted = fitted(problem)
    np.testing.assert_array_equal(permuted.alphas_, model.alphas_[:, order])
    np.testing.assert_allclose(permuted.r2_split_, model.r2_split_[:, order], atol=1e-10)


def test_one_choice_for_all_targets_and_masks() -> None:
    problem = data(6)
    problem.Y[10:30, 1] = np.nan
    model = fitted(problem, alpha_per_target=False, missing="mask")
    assert (model.alphas_ == model.alphas_[:, :1]).all()
    assert np.isfinite(model.r2_split_).all()


def test_candidates() -> None:
    alphas = np.array([1.0, 10.0, 100.0])
    grid = Candidates.grid(2, alphas)
    assert sorted(map(tuple, grid.penalties.tolist())) == list(itertools.product(alphas.tolist(), repeat=2))
    assert len(grid.gammas) == 5
    np.testing.assert_array_equal(grid.alphas, grid.penalties.min(axis=1))
    thirds = np.logspace(0, 4, 6)  # ratios that rounding tells apart
    grid = Candidates.grid(3, thirds)
    assert np.isin(grid.penalties, thirds).all() and len(grid.gammas) == 6**3 - 5**3
    np.testing.assert_allclose(grid.alphas[:, None] / grid.gammas[grid.which], grid.penalties, rtol=1e-11)
    drawn = Candidates.random(3, np.array([1.0, 10.0]), 9, np.array([1.0]), np.random.default_rng(0))
    assert len(drawn.gammas) == 9 and np.allclose(drawn.gammas.sum(axis=1), 1.0)
    assert (np.eye(3)[:, None] == drawn.gammas).all(axis=2).any(axis=1).all()
    assert len(Candidates.random(3, alphas, 1, np.array([1.0]), np.random.default_rng(0)).gammas) == 4
    flat, spiky = (
        Candidates.random(3, alphas, 200, np.array([c]), np.random.default_rng(0)).gammas[4:].max(axis=1).mean()
        for c in (10.0, 0.05)
    )
    assert flat < 0.6 < 0.9 < spiky


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"spaces": {"a": [0, 9]}}, r"spaces\['a'\]: found"),
        ({"spaces": {"a": [0, 1], "b": [1, 2, 3, 4, 5]}}, r"spaces\['b'\].*also in \['a'\]"),
        ({"spaces": {"a": [0, 1]}}, "in no space"),
        ({"spaces": {}}, "spaces"),
        ({"spaces": [0, 1]}, "spaces"),
        ({"spaces": {"a": slice(0, 3), "b": slice(3, 99)}}, r"spaces\['b'\]: found slice\(3, 99"),
        ({"spaces": {"a": slice("x"), "b": [1]}}, r"spaces\['a'\]: found"),
        ({"n_iter": 0}, "n_iter"),
        ({"concentration": [1.0, 0.0]}, "concentration"),
        ({"concentration": []}, "concentration"),
        ({"concentration": "wide"}, "concentration"),
        ({"alphas": [-1.0]}, "alphas"),
        ({"scoring": "rho"}, "scoring"),
    ],
)
def test_bad_input_is_named(params: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fitted(data(), **params)
    if params.get("spaces") is None:
        with pytest.raises(InputError, match="at least two"):
            unique_variance(BandedRidgeCV(), data().H, data().Y)


@pytest.mark.parametrize("n_iter", [100, 6])
def test_ends_of_the_grid_are_warned_of(n_iter: int) -> None:
    """In the grid and in draws, where no penalty but a lone space's equals an α; not where the best lies inside."""
    rng = np.random.default_rng(0)
    H, noise = rng.standard_normal((600, 6)), rng.standard_normal((600, 1))
    followed = H[:, [0, 2, 4]].sum(axis=1, keepdims=True)
    # The last: 60 columns, three of weight 1 beside noise of variance 9, ask for λ = 9 / (3 / 60) = 180.
    for responses, alphas, n_lags, warned in (
        (followed, [1e3, 1e4, 1e5], 1, True),
        (noise, [1.0, 10.0, 100.0], 1, True),
        (followed + 3 * noise, [1e-5, 60.0, 180.0, 540.0, 1e9], 10, False),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = BandedRidgeCV(SPACES, alphas, n_iter=n_iter, random_state=0, lags=range(n_lags))
            model.fit(H, responses, segments=[60] * 10)
        assert [w.category for w in caught] == [AlphaEdgeWarning] * warned
        mixed = np.isfinite(model.alphas_).all()
        assert mixed or responses is noise, "a lone space would not show what draws need"


@pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")
def test_constant_responses_are_nan_and_named() -> None:
    problem = data(8)
    problem.Y[:, 1] = 2.0
    with pytest.warns(UserWarning, match="constant in every test fold for targets 1"):
        model = BandedRidgeCV(SPACES, ALPHAS, lags=problem.lags, cv=3).fit(
            problem.H, problem.Y, segments=problem.lengths
        )
    assert np.isnan(model.r2_split_[:, 1]).all() and np.isnan(model.cv_scores_[:, 1]).all()
    assert np.isfinite(model.r2_split_[:, [0, 2]]).all()


@parametrize_with_checks([BandedRidgeCV(), BandedRidgeCV(lags=(0,))], expected_failed_checks=expected_failures)
def test_scikit_learn_conformance(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)
