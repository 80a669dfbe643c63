"""The estimators as scikit-learn's own tools use them."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from heschl import InputError, LaggedRidge, LaggedRidgeCV, lagged_design
from heschl.linear import nested_cv
from heschl.linear.ridge.primal import Primal
from linear.problems import make
from tolerances import COEFFICIENTS, R2, worst

# What a frame predicts depends on the frames before it: that is what lags are.
ORDER = {
    "check_methods_sample_order_invariance": "rows are time, their order is part of the input",
    "check_methods_subset_invariance": "rows are time, a row alone has no history",
}


def expected_failures(estimator: Any) -> dict[str, str]:
    return {} if tuple(estimator.lags) == (0,) else ORDER


@parametrize_with_checks(
    [LaggedRidge(), LaggedRidgeCV(), LaggedRidge(lags=(0,)), LaggedRidgeCV(lags=(0,), standardize=True)],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_conformance(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def test_pipeline_clone_and_pickle() -> None:
    problem = make(0, [40] * 6, 3, 2, range(0, 4))
    labels = np.repeat(np.arange(6), 40)
    pipeline = Pipeline([("scale", StandardScaler()), ("ridge", LaggedRidgeCV(lags=problem.lags, alphas=[1.0, 100.0]))])
    pipeline.fit(problem.H, problem.Y, ridge__segments=labels)
    scaled = StandardScaler().fit_transform(problem.H)
    direct = clone(pipeline.named_steps["ridge"]).fit(scaled, problem.Y, segments=labels)
    np.testing.assert_allclose(pipeline.named_steps["ridge"].coef_, direct.coef_)
    again = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(again.predict(problem.H), pipeline.predict(problem.H))


def test_cross_val_score_and_grid_search_with_segments() -> None:
    problem = make(1, [40] * 8, 3, 1, range(0, 4))
    labels = np.repeat(np.arange(8), 40)
    with sklearn.config_context(enable_metadata_routing=True):
        model = LaggedRidge(10.0, lags=problem.lags).set_fit_request(segments=True).set_score_request(segments=True)
        splitter = GroupKFold(4)
        scores = cross_val_score(
            model, problem.H, problem.Y, cv=splitter, params={"segments": labels, "groups": labels}
        )
        search = GridSearchCV(model, {"alpha": [1.0, 1e3]}, cv=splitter)
        search.fit(problem.H, problem.Y, segments=labels, groups=labels)
    X = lagged_design(problem.H, problem.lags, segments=problem.lengths)
    expected = cross_val_score(Ridge(10.0), X, problem.Y, cv=splitter, groups=labels)
    np.testing.assert_allclose(scores, expected, atol=R2["float64"])
    assert search.best_params_["alpha"] in (1.0, 1e3)


@pytest.mark.parametrize("cv", [4, KFold(4)])
def test_one_recording_is_cut_into_blocks(cv: Any) -> None:
    """Blocks of one segment keep its history: rows of the design of the whole, as KFold on it."""
    problem = make(2, [203], 3, 2, range(-2, 5))
    model = LaggedRidgeCV(lags=problem.lags, alphas=[1.0, 30.0], cv=cv).fit(problem.H, problem.Y)
    X = lagged_design(problem.H, problem.lags)
    expected = [
        [cross_val_score(Ridge(alpha), X, problem.Y[:, j], cv=KFold(4)).mean() for j in range(2)]
        for alpha in (1.0, 30.0)
    ]
    np.testing.assert_allclose(model.cv_scores_, expected, atol=R2["float64"])
    with pytest.raises(InputError, match="cuts segment"):
        LaggedRidgeCV(cv=KFold(4, shuffle=True, random_state=0)).fit(problem.H, problem.Y)
    with pytest.raises(InputError, match="n_samples = 3"):
        LaggedRidgeCV().fit(problem.H[:3], problem.Y[:3])


def test_penalties_for_each_target() -> None:
    problem = make(3, [50, 60], 3, 3, range(0, 4))
    alphas = [1.0, 300.0, 1.0]
    model = LaggedRidge(alphas, lags=problem.lags).fit(problem.H, problem.Y, segments=problem.lengths)
    X = lagged_design(problem.H, problem.lags, segments=problem.lengths)
    expected = Ridge(alphas).fit(X, problem.Y)
    assert worst(model.coef_.transpose(0, 2, 1).reshape(3, -1), expected.coef_) < COEFFICIENTS["float64"]
    assert worst(model.intercept_, expected.intercept_) < COEFFICIENTS["float64"]
    with pytest.raises(InputError, match="alpha: found 2 penalties"):
        LaggedRidge([1.0, 2.0]).fit(problem.H, problem.Y)


@pytest.mark.parametrize(
    "model", [LaggedRidge(10.0, lags=range(-1, 4)), LaggedRidgeCV(lags=range(-1, 4), alphas=[10.0])]
)
def test_dropped_rows_and_masks(model: Any) -> None:
    """Rows without full history, and rows without a response, leave the fit: scikit-learn on the rows that stay."""
    problem = make(4, [50, 3, 60, 40, 30], 2, 2, range(-1, 4))
    Y = problem.Y.copy()
    Y[20:35, 1] = np.nan
    fitted = clone(model).set_params(boundary="drop", missing="mask", cv=3) if hasattr(model, "cv") else None
    fitted = fitted or clone(model).set_params(boundary="drop", missing="mask")
    fitted.fit(problem.H, Y, segments=problem.lengths)
    X = lagged_design(problem.H, problem.lags, segments=problem.lengths)
    full = np.concatenate([np.arange(a + 3, b - 1) for a, b in problem.bounds if b - a > 4])
    predicted = fitted.predict(problem.H, segments=problem.lengths)
    scores = []
    for j in range(2):
        known = full[~np.isnan(Y[full, j])]
        expected = Ridge(10.0).fit(X[known], Y[known, j])
        assert worst(fitted.coef_[j].T.reshape(-1), expected.coef_) < COEFFICIENTS["float64"]
        assert worst(predicted[full, j], expected.predict(X[full])) < COEFFICIENTS["float64"]
        scores.append(expected.score(X[known], Y[known, j]))
    assert abs(fitted.score(problem.H, Y, segments=problem.lengths) - np.mean(scores)) < R2["float64"]
    with pytest.raises(InputError, match=r"missing='mask'"):
        clone(model).fit(problem.H, Y, segments=problem.lengths)
    with pytest.raises(InputError, match="no known response of target 1"):
        fitted.fit(problem.H, np.where([False, True], np.nan, Y), segments=problem.lengths)
    with pytest.raises(InputError, match="infinity"):
        fitted.fit(problem.H, np.where(np.arange(183)[:, None] == 3, np.inf, Y), segments=problem.lengths)


def test_joined_segments_reproduce_what_was_published_so() -> None:
    problem = make(5, [50, 3, 60, 40], 2, 1, range(0, 4))
    model = LaggedRidge(10.0, lags=problem.lags, boundary="cross")
    model.fit(problem.H, problem.Y, segments=problem.lengths)
    X = lagged_design(problem.H, problem.lags)
    expected = Ridge(10.0).fit(X, problem.Y)
    assert worst(model.coef_[0].T.reshape(-1), expected.coef_.reshape(-1)) < COEFFICIENTS["float64"]
    predicted = model.predict(problem.H, segments=problem.lengths)
    assert worst(predicted, expected.predict(X).reshape(-1, 1)) < COEFFICIENTS["float64"]


def test_nested_scores_of_the_estimator() -> None:
    problem = make(6, [40] * 10, 3, 3, range(0, 4))
    alphas = [0.1, 10.0, 1e3]
    model = LaggedRidgeCV(lags=problem.lags, alphas=alphas, cv=5, nested=True, standardize=True)
    model.fit(problem.H, problem.Y, segments=problem.lengths)
    from heschl.linear import group_folds

    folds = group_folds(np.arange(10), problem.lengths, 5)
    expected = nested_cv(problem.H, problem.Y, segments=problem.lengths, folds=folds, lags=problem.lags, alphas=alphas)
    np.testing.assert_allclose(model.test_scores_, expected.r2, atol=R2["float64"])
    np.testing.assert_array_equal(model.test_alphas_, expected.alpha)
    for cv in (2, [(np.arange(200), np.arange(200, 400))]):
        with pytest.raises(InputError, match="cv: found"):
            clone(model).set_params(cv=cv).fit(problem.H, problem.Y, segments=problem.lengths)


@pytest.mark.parametrize("per_target", [True, False])
@pytest.mark.parametrize("solver", ["cholesky", "dual", "krylov"])
def test_nested_scores_where_targets_lack_rows_and_splits_come_in_any_order(solver: str, per_target: bool) -> None:
    problem = make(7, [40] * 10, 3, 4, range(0, 4))
    problem.Y += 3.0 * np.random.default_rng(1).standard_normal(problem.Y.shape)
    problem.Y[50:70, 1], problem.Y[200:260, 2] = np.nan, np.nan
    alphas, folds = np.logspace(-1, 4, 7), np.array([2, 0, 3, 1, 1, 2, 0, 3, 2, 0])
    rows = np.repeat(folds, 40)
    splits = [(np.flatnonzero(rows != k), np.flatnonzero(rows == k)) for k in range(4)]
    how = {
        "lags": problem.lags,
        "alphas": alphas,
        "standardize": True,
        "missing": "mask",
        "alpha_per_target": per_target,
    }
    model = LaggedRidgeCV(cv=splits, nested=True, solver=solver, **how)
    model.fit(problem.H, problem.Y, segments=problem.lengths)
    expected = nested_cv(problem.H, problem.Y, segments=problem.lengths, folds=folds, solver="cholesky", **how)
    np.testing.assert_array_equal(model.test_alphas_, expected.alpha)
    assert per_target or (model.test_alphas_ == model.test_alphas_[:, :1]).all()
    np.testing.assert_allclose(model.test_scores_, expected.r2, atol=R2["float64"])
    plain = clone(model).set_params(nested=False).fit(problem.H, problem.Y, segments=problem.lengths)
    np.testing.assert_array_equal(model.alpha_, plain.alpha_)
    np.testing.assert_allclose(model.coef_, plain.coef_, atol=1e-8)


def test_nested_scores_take_the_pairs_beside_the_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    """K (K - 1) / 2 pairs of folds, K splits that choose and are tested, and all rows."""
    problem, trained = make(8, [40] * 10, 3, 3, range(0, 4)), []
    train = Primal.train
    monkeypatch.setattr(
        Primal, "train", lambda self, parts, *rest: trained.append(tuple(parts)) or train(self, parts, *rest)
    )
    LaggedRidgeCV(lags=problem.lags, alphas=[10.0], cv=5, nested=True, solver="cholesky").fit(
        problem.H, problem.Y, segments=problem.lengths
    )
    assert len(trained) == len(set(trained)) == 10 + 5 + 1


def test_names_of_features() -> None:
    problem = make(7, [40] * 5, 2, 1, range(0, 2))
    frame = pd.DataFrame(problem.H, columns=["low", "high"])
    model = LaggedRidge(lags=problem.lags).fit(frame, problem.Y)
    assert model.feature_names_in_.tolist() == ["low", "high"]
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["high", "low"]])
    nullable = LaggedRidge(lags=problem.lags).fit(frame.astype("Float64"), problem.Y)
    np.testing.assert_array_equal(nullable.coef_, model.coef_)
    frame = frame.astype("Float64")
    frame.iloc[3, 0] = pd.NA
    with pytest.raises(InputError, match="X: found NaN"):
        model.fit(frame, problem.Y)


def test_labels_and_masks_that_say_nothing() -> None:
    problem = make(8, [40] * 5, 2, 1, range(0, 2))
    model = LaggedRidgeCV(lags=problem.lags)
    mixed: Any = np.array([None] * 100 + ["a"] * 100, dtype=object)
    for name in ("segments", "groups"):
        with pytest.raises(InputError, match=f"{name}: found labels of types"):
            model.fit(problem.H, problem.Y, **{name: mixed})
    with pytest.raises(InputError, match="X: found a masked array"):
        model.fit(np.ma.masked_greater(problem.H, 2.0), problem.Y)
    with pytest.raises(InputError, match="memory_limit"):
        LaggedRidge(memory_limit=-1).fit(problem.H, problem.Y)
    with pytest.raises(InputError, match="solver"):
        LaggedRidge(solver="magic").fit(problem.H, problem.Y)


@pytest.mark.parametrize("mean", [1e3, 1e4, 1e5])
def test_standardised_float32_predictions_keep_their_offset(mean: float) -> None:
    """Feature means of many standard deviations are taken off before anything is multiplied."""
    problem = make(9, [200] * 8, 3, 2, range(0, 5), "float32", mean=mean)
    how = {"lags": problem.lags, "standardize": True}
    H = problem.H.astype(np.float64)
    found = LaggedRidge(10.0, dtype="float32", **how).fit(problem.H, problem.Y, segments=problem.lengths)
    expected = LaggedRidge(10.0, **how).fit(H, problem.Y.astype(np.float64), segments=problem.lengths)
    predictions = [m.predict(x, segments=problem.lengths) for m, x in ((found, problem.H), (expected, H))]
    assert np.abs(predictions[0] - predictions[1]).max() < 1e-3 * problem.Y.std()


def test_fits_do_not_gather_memory() -> None:
    import os

    psutil = pytest.importorskip("psutil")
    problem = make(10, [200] * 10, 16, 20, range(0, 10), "float32")
    model, process = LaggedRidgeCV(lags=problem.lags, alphas=[1.0, 100.0], dtype="float32"), psutil.Process(os.getpid())
    sizes = []
    for _ in range(50):
        model.fit(problem.H, problem.Y, segments=problem.lengths)
        sizes.append(process.memory_info().rss)
    assert sizes[-1] - sizes[10] < 8 << 20
