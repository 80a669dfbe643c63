"""What spaces explain: the product measure and unique variance, by definition, against himalaya, by planted truth."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.model_selection import PredefinedSplit

from heschl import BandedRidgeCV, lagged_design
from heschl.linear import group_folds, unique_variance
from heschl.linear.estimators.bands import Candidates
from heschl.linear.ridge.problem import Problem
from linear.problems import Ragged, make, ragged
from tolerances import COEFFICIENTS, R2, worst

pytestmark = pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")
SPACES = {"a": [0, 4], "b": [2], "c": [1, 3, 5]}  # not side by side
ALPHAS = [1.0, 100.0, 1e4]
LENGTHS = [40, 35, 1, 50, 28, 33, 44]


def data(seed: int = 0, dtype: str = "float64") -> Ragged:
    problem = make(seed, LENGTHS, 6, 3, range(-1, 3), dtype)
    problem.Y[:] += 4 * np.random.default_rng(seed).standard_normal(problem.Y.shape).astype(dtype)
    return problem


def chosen_score(model: BandedRidgeCV) -> Any:
    """cv_scores_ at the chosen penalties."""
    same = (model.candidates_[:, :, None] == model.alphas_[None]).all(axis=1)
    return np.where(same, model.cv_scores_, -np.inf).max(axis=0)


@given(ragged(min_segments=4), st.booleans(), st.booleans(), st.sampled_from(["r2", "pooled_r2"]), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_shares_sum_to_the_score(
    problem: Ragged, standardize: bool, fit_intercept: bool, scoring: str, n_iter: int
) -> None:
    d = problem.H.shape[1]
    model = BandedRidgeCV(
        {str(f): [f] for f in range(d)}, ALPHAS, n_iter=n_iter, random_state=0, lags=problem.lags, cv=3,
        standardize=standardize, fit_intercept=fit_intercept, scoring=scoring,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(problem.H, problem.Y, segments=problem.lengths)
    score, shares = chosen_score(model), model.r2_split_.sum(axis=0)
    np.testing.assert_array_equal(np.isfinite(score), np.isfinite(shares))
    known = np.isfinite(score)
    # R² of a fold of two near rows may be -1e6: relative there.
    np.testing.assert_allclose(shares[known], score[known], rtol=R2[problem.name], atol=R2[problem.name])


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"standardize": True, "scoring": "pooled_r2"},
        {"alpha_per_target": False},
        {"boundary": "drop", "fit_intercept": False},
        {"n_iter": 6, "random_state": 3, "missing": "mask"},
        {"dtype": "float32"},
    ],
)
def test_unique_variance_equals_separate_fits(how: dict[str, Any]) -> None:
    problem = data()
    if how.get("missing"):
        problem.Y[5:30, 1] = np.nan
    settings = {"alphas": ALPHAS, "lags": problem.lags, "cv": 3, **how}
    found = unique_variance(BandedRidgeCV(SPACES, **settings), problem.H, problem.Y, segments=problem.lengths)
    tolerance = R2[how.get("dtype", "float64")]
    full = BandedRidgeCV(SPACES, **settings).fit(problem.H, problem.Y, segments=problem.lengths)
    np.testing.assert_allclose(found.r2, chosen_score(full), atol=tolerance)
    for at, name in enumerate(SPACES):
        columns = sorted(f for other in SPACES if other != name for f in SPACES[other])
        spaces = {other: np.flatnonzero(np.isin(columns, SPACES[other])) for other in SPACES if other != name}
        rest = BandedRidgeCV(spaces, **settings).fit(problem.H[:, columns], problem.Y, segments=problem.lengths)
        np.testing.assert_allclose(found.r2_without[at], chosen_score(rest), atol=tolerance)
    np.testing.assert_array_equal(found.unique, found.r2 - found.r2_without)


def test_the_data_are_passed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = Problem.gathered

    def counted(self: Problem, parts: Any) -> Any:
        calls.append(self.X.shape)
        return real(self, parts)

    monkeypatch.setattr(Problem, "gathered", counted)
    problem = data(1)
    model = BandedRidgeCV(SPACES, ALPHAS, lags=problem.lags, cv=3)
    unique_variance(model, problem.H, problem.Y, segments=problem.lengths)
    assert calls == [problem.H.shape]
    assert not hasattr(model, "n_features_in_")


def test_what_two_spaces_say_alike_is_unique_to_neither() -> None:
    """a and b hold one signal, c another, d noise: shares of a and b add up to the signal's, unique ones are 0."""
    rng = np.random.default_rng(0)
    n = 3000
    signal, other = rng.standard_normal((2, n, 1))
    H = np.hstack([signal, signal, other, rng.standard_normal((n, 2))])
    y = signal + other + np.sqrt(2) * rng.standard_normal((n, 1))
    model = BandedRidgeCV(
        {"a": [0], "b": [1], "c": [2], "d": [3, 4]}, np.logspace(-1, 5, 7), n_iter=50, random_state=0, lags=[0, 1]
    )
    lengths = [100] * 30
    shares = model.fit(H, y, segments=lengths).r2_split_[:, 0]
    assert abs(shares[0] + shares[1] - 0.25) < 0.04 and abs(shares[2] - 0.25) < 0.04 and abs(shares[3]) < 0.01
    unique = unique_variance(model, H, y, segments=lengths).unique[:, 0]
    assert np.abs(unique[[0, 1, 3]]).max() < 0.01 and abs(unique[2] - 0.25) < 0.04


def test_equals_himalaya() -> None:
    """GroupRidgeCV over the same draws and folds: scores, choices, weights; and its split of R², fold by fold."""
    pytest.importorskip("himalaya", reason="himalaya comes with the extra `bench`")
    from himalaya.backend import set_backend
    from himalaya.ridge import GroupRidgeCV
    from himalaya.scoring import r2_score, r2_score_split

    set_backend("numpy")
    problem = data(2)
    w, alphas = len(problem.lags), np.array(ALPHAS)
    model = BandedRidgeCV(SPACES, ALPHAS, n_iter=8, random_state=0, lags=problem.lags, cv=3)
    model.fit(problem.H, problem.Y, segments=problem.lengths)
    gammas = Candidates.random(3, alphas, 8, np.array([1.0, 0.1]), np.random.default_rng(0)).gammas
    positive = np.maximum(gammas, 1e-14)  # himalaya divides by them
    X = lagged_design(problem.H, problem.lags, segments=problem.lengths)
    space = np.tile([0, 2, 1, 2, 0, 2], w)
    rows = np.repeat(group_folds(np.arange(len(LENGTHS)), problem.lengths, 3), problem.lengths)
    rival = GroupRidgeCV(
        groups=space, fit_intercept=True, cv=PredefinedSplit(rows),
        solver_params={"n_iter": positive, "alphas": alphas, "score_func": r2_score, "progress_bar": False},
    ).fit(X, problem.Y)  # fmt: skip
    found = model.cv_scores_.reshape(len(gammas), len(alphas), -1).max(axis=1)
    np.testing.assert_allclose(found, rival.cv_scores_, atol=R2["float64"])
    np.testing.assert_allclose(1.0 / model.alphas_, np.exp(rival.deltas_), rtol=1e-9, atol=1e-12)
    coef = model.coef_.transpose(2, 1, 0).reshape(6 * w, -1)[np.argsort(space, kind="stable")]  # himalaya: by group
    assert worst(coef, rival.coef_) < COEFFICIENTS["float64"]

    shares = np.zeros((3, 3, 3))
    for k in range(3):
        train, test = rows != k, rows == k
        y_mean = problem.Y[test].mean(axis=0)
        for j in range(3):
            scale = 1.0 / np.sqrt(model.alphas_[space, j])
            fitted = Ridge(alpha=1.0).fit(X[train] * scale, problem.Y[train, j])
            own = np.array([(X[test] - X[train].mean(0)) @ (fitted.coef_ * scale * (space == s)) for s in range(3)])
            own += (problem.Y[train, j].mean() - y_mean[j]) / 3
            centred = problem.Y[test, j : j + 1] - y_mean[j]
            shares[k, :, j] = r2_score_split(centred, own[:, :, None])[:, 0]
    np.testing.assert_allclose(model.r2_split_, shares.mean(axis=0), atol=R2["float64"])


def test_blocks_of_targets_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = data(3)
    model = BandedRidgeCV(SPACES, ALPHAS, lags=problem.lags, cv=3)
    shares = model.fit(problem.H, problem.Y, segments=problem.lengths).r2_split_
    monkeypatch.setattr("heschl.linear.estimators.bands.STACKED_BYTES", 1)  # one target at a time
    again = model.fit(problem.H, problem.Y, segments=problem.lengths).r2_split_
    np.testing.assert_allclose(again, shares, atol=1e-13)
