"""A score is one row: whatever takes a score by name takes every row of the table, and one that is added to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error, r2_score

from heschl import BandedRidgeCV, InputError, LaggedRidgeCV, lagged_design
from heschl.linear import nested_cv, nested_cv_learned, null_refit, null_scores, permutation_test, unique_variance
from heschl.linear.crossval.scores import SCORES, FoldSums, Score
from linear.problems import make
from tolerances import R2

PROBLEM = make(3, [30, 12, 44, 25, 38, 21, 33, 50, 17], 4, 3, range(-1, 3))
PROBLEM.Y[:] += 4 * np.random.default_rng(1).standard_normal(PROBLEM.Y.shape)
FOLDS = np.arange(9) % 3
ALPHAS = np.array([1.0, 30.0, 1000.0, 1e5])
ROW_FOLDS = np.repeat(FOLDS, PROBLEM.lengths)
SPLITS = [(np.flatnonzero(k != ROW_FOLDS), np.flatnonzero(k == ROW_FOLDS)) for k in range(3)]
WHERE: dict[str, Any] = dict(segments=PROBLEM.lengths)


def mean_squared(sums: FoldSums) -> Any:
    return sums.sse / 60.0


@pytest.fixture(autouse=True)
def further(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of which less is better, as a contributor would add it."""
    row = Score("mse", "MSE", mean_squared, errors_suffice=True, higher_is_better=False)
    monkeypatch.setitem(SCORES, "mse", row)  # type: ignore[arg-type]


NAMES = [*SCORES, "mse"]


def plain(name: str, rows: np.ndarray, member: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """A score over folds by its definition, (c,)."""
    y = PROBLEM.Y[rows]
    folds = [member == k for k in np.unique(member)]
    targets = range(y.shape[1])
    if name == "pooled_r2":
        sst = sum(((y[k] - y[k].mean(0)) ** 2).sum(0) for k in folds)
        return 1 - ((y - prediction) ** 2).sum(0) / sst
    r = np.array([[np.corrcoef(y[k, t], prediction[k, t])[0, 1] for t in targets] for k in folds])
    of_folds = {
        "r2": [r2_score(y[k], prediction[k], multioutput="raw_values") for k in folds],
        "r": r,
        "r_squared": r**2,
        "mse": [mean_squared_error(y[k], prediction[k], multioutput="raw_values") * k.sum() / 60.0 for k in folds],
    }
    return np.mean(of_folds[name], axis=0)


def predicted(alpha: float) -> np.ndarray:
    X = lagged_design(PROBLEM.H, PROBLEM.lags, segments=PROBLEM.lengths)
    out = np.empty_like(PROBLEM.Y)
    for train, test in SPLITS:
        out[test] = Ridge(alpha).fit(X[train], PROBLEM.Y[train]).predict(X[test])
    return out


EXPECTED = {
    name: np.array([plain(name, np.arange(len(PROBLEM.Y)), ROW_FOLDS, predicted(alpha)) for alpha in ALPHAS])
    for name in NAMES
}


def best(name: str) -> np.ndarray:
    return EXPECTED[name].argmin(0) if name == "mse" else EXPECTED[name].argmax(0)


@pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")
@pytest.mark.parametrize("solver", ["cholesky", "eigh", "dual", "krylov"])
@pytest.mark.parametrize("name", NAMES)
def test_an_estimator_chooses_by_it(name: str, solver: str) -> None:
    model = LaggedRidgeCV(PROBLEM.lags, alphas=ALPHAS, cv=SPLITS, scoring=name, nested=True, solver=solver)
    model.fit(PROBLEM.H, PROBLEM.Y, **WHERE)
    np.testing.assert_array_equal(model.alpha_, ALPHAS[best(name)])
    of_folds = "r2" if name == "pooled_r2" else name
    tolerance = R2["float64"] if solver != "krylov" else 1e-3
    known = np.isfinite(model.cv_scores_)  # the shared space leaves out penalties that nobody would choose
    assert known.all() or (solver == "krylov" and known[best(name), np.arange(3)].all())
    for found, expected in ((model.cv_scores_, EXPECTED[of_folds]), (model.cv_pooled_scores_, EXPECTED["pooled_r2"])):
        np.testing.assert_allclose(found[known], expected[known], atol=tolerance, rtol=tolerance)
    assert model.test_scores_.shape == (3, 3) and np.isfinite(model.test_scores_).all()


@pytest.mark.parametrize("name", NAMES)
def test_many_groups_are_scored_by_it(name: str) -> None:
    """Where the closed form of leaving groups out knows no predictions, the groups are fitted one by one."""
    splits = [(np.flatnonzero(s != np.repeat(np.arange(9), PROBLEM.lengths)), np.flatnonzero(
        s == np.repeat(np.arange(9), PROBLEM.lengths))) for s in range(9)]  # fmt: skip
    models = [
        LaggedRidgeCV(PROBLEM.lags, alphas=ALPHAS, cv=splits, scoring=name, solver=solver).fit(
            PROBLEM.H, PROBLEM.Y, **WHERE
        )
        for solver in ("auto", "eigh")
    ]
    np.testing.assert_allclose(models[0].cv_scores_, models[1].cv_scores_, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(models[0].alpha_, models[1].alpha_)


@pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")
@pytest.mark.parametrize("name", NAMES)
def test_banded_ridge_and_unique_variance_choose_by_it(name: str) -> None:
    model = BandedRidgeCV(alphas=ALPHAS, lags=PROBLEM.lags, cv=SPLITS, scoring=name).fit(PROBLEM.H, PROBLEM.Y, **WHERE)
    np.testing.assert_array_equal(model.alphas_[0], ALPHAS[best(name)])
    order = np.argsort(model.candidates_[:, 0])
    np.testing.assert_allclose(model.cv_scores_[order], EXPECTED[name], rtol=R2["float64"], atol=R2["float64"])
    reported = EXPECTED["pooled_r2" if name == "pooled_r2" else "r2"][best(name), np.arange(3)]
    np.testing.assert_allclose(model.r2_split_.sum(0), reported, atol=R2["float64"])
    spaces = BandedRidgeCV({"a": [0, 1], "b": [2, 3]}, ALPHAS, lags=PROBLEM.lags, cv=SPLITS, scoring=name)
    found = unique_variance(spaces, PROBLEM.H, PROBLEM.Y, **WHERE)
    assert (found.r2 >= reported - 0.05).all() and np.isfinite(found.unique).all()


@pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")
@pytest.mark.parametrize("name", NAMES)
def test_nested_cross_validation_chooses_and_scores_by_it(name: str) -> None:
    how: dict[str, Any] = dict(folds=FOLDS, lags=PROBLEM.lags, alphas=ALPHAS, scoring=name, standardize=False, **WHERE)
    found = nested_cv(PROBLEM.H, PROBLEM.Y, **how)
    X = lagged_design(PROBLEM.H, PROBLEM.lags, segments=PROBLEM.lengths)
    for j in range(3):
        inner = []
        for alpha in ALPHAS:
            prediction, rows = np.empty_like(PROBLEM.Y), np.flatnonzero(j != ROW_FOLDS)
            for k in {0, 1, 2} - {j}:
                train, test = (j != ROW_FOLDS) & (k != ROW_FOLDS), k == ROW_FOLDS
                prediction[test] = Ridge(alpha).fit(X[train], PROBLEM.Y[train]).predict(X[test])
            inner.append(plain(name, rows, ROW_FOLDS[rows], prediction[rows]))
        sign = -1 if name == "mse" else 1
        chosen = (sign * np.array(inner)).argmax(0)
        np.testing.assert_array_equal(found.alpha[j], ALPHAS[chosen])
        expected = sign * np.array(inner)[chosen, np.arange(3)]
        np.testing.assert_allclose(found.inner_score[j], expected, rtol=R2["float64"], atol=R2["float64"])
    everything = plain(name, np.arange(len(PROBLEM.Y)), ROW_FOLDS, found.predictions)
    np.testing.assert_allclose(found.over_folds(name), everything, rtol=R2["float64"], atol=R2["float64"])
    assert found.of_folds(name).shape == (3, 3)
    learned = nested_cv_learned(lambda k, train: {"same": lambda: PROBLEM.H}, PROBLEM.Y, **how)["same"]
    np.testing.assert_allclose(learned.over_folds(name), found.over_folds(name), rtol=R2["float64"], atol=R2["float64"])
    np.testing.assert_array_equal(learned.alpha, found.alpha)


@pytest.mark.parametrize("name", NAMES)
def test_null_distributions_are_of_it(name: str) -> None:
    P = 0.3 * PROBLEM.Y + np.random.default_rng(2).standard_normal(PROBLEM.Y.shape)
    rows, member = np.arange(len(P)), np.repeat(FOLDS, 30)  # of one length each, so that all of them can be exchanged
    how: dict[str, Any] = dict(segments=[30] * 9, folds=FOLDS, n_permutations=99, statistic=name, random_state=0)
    found = null_scores(PROBLEM.Y, P, **how)
    np.testing.assert_allclose(found.observed, plain(name, rows, member, P), rtol=1e-9, atol=1e-9)
    assert found.statistic == name and (found.p_values == 0.01).all()
    refit = null_refit(PROBLEM.H, PROBLEM.Y, lags=PROBLEM.lags, alphas=30.0, standardize=False, **how)
    X, prediction = lagged_design(PROBLEM.H, PROBLEM.lags, segments=[30] * 9), np.empty_like(PROBLEM.Y)
    for k in range(3):
        train, test = member != k, member == k
        prediction[test] = Ridge(30.0).fit(X[train], PROBLEM.Y[train]).predict(X[test])
    expected = plain(name, rows, member, prediction)
    np.testing.assert_allclose(refit.observed, expected, rtol=R2["float64"], atol=R2["float64"])
    whole = permutation_test(PROBLEM.H, PROBLEM.Y, lags=PROBLEM.lags, alphas=ALPHAS, **how | {"n_permutations": 19})
    assert whole.statistic == name and np.isfinite(whole.null).all()


def test_an_unknown_score_is_refused_everywhere() -> None:
    how: dict[str, Any] = dict(folds=FOLDS, **WHERE)
    lagged: dict[str, Any] = dict(lags=PROBLEM.lags, alphas=ALPHAS, **how)
    with pytest.raises(InputError, match="scoring: found 'rho'; expected 'r2' or 'pooled_r2' or 'r'"):
        LaggedRidgeCV(scoring="rho").fit(PROBLEM.H, PROBLEM.Y)
    with pytest.raises(InputError, match="scoring"):
        BandedRidgeCV(scoring="rho").fit(PROBLEM.H, PROBLEM.Y)
    with pytest.raises(InputError, match="scoring"):
        nested_cv(PROBLEM.H, PROBLEM.Y, scoring="rho", **lagged)
    with pytest.raises(InputError, match="scoring"):
        nested_cv_learned(lambda k, train: {}, PROBLEM.Y, scoring="rho", **lagged)
    with pytest.raises(InputError, match="statistic"):
        null_scores(PROBLEM.Y, PROBLEM.Y, statistic="rho", **how)
    with pytest.raises(InputError, match="statistic"):
        null_refit(PROBLEM.H, PROBLEM.Y, statistic="rho", **lagged)
