"""Data that break careless sums: constants in some folds only, exact constants, overflow, large offsets."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from heschl import InputError, LaggedRidgeCV, lagged_design
from linear.problems import make
from tolerances import COEFFICIENTS, R2, worst

pytestmark = pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")


@pytest.mark.parametrize("seed", range(12))
def test_a_feature_constant_in_one_training_fold_only(seed: int) -> None:
    """Its weight is 0 there, and its variance, which rounding never leaves at 0, is not divided by."""
    rng = np.random.default_rng(seed)
    H = rng.standard_normal((240, 2))
    H[60:, 1] = 1.0
    y = H[:, 0] + 0.3 * rng.standard_normal(240)
    train, test = np.arange(60, 240), np.arange(60)
    model = LaggedRidgeCV(lags=range(3), alphas=[0.1, 10.0], cv=[(train, test)], standardize=True)
    model.fit(H, y, segments=[30] * 8)
    z = np.column_stack([(H[:, 0] - H[train, 0].mean()) / H[train, 0].std(), np.zeros(240)])
    X = lagged_design(z, range(3), segments=[30] * 8)
    expected = [Ridge(alpha=alpha).fit(X[train], y[train]).score(X[test], y[test]) for alpha in (0.1, 10.0)]
    assert np.abs(model.cv_scores_[:, 0] - expected).max() < R2["float64"]


@pytest.mark.parametrize("constant", [0.1, 100.0])
def test_a_constant_feature_as_given_is_what_scikit_learn_makes_of_it(constant: float) -> None:
    problem = make(1, [14] * 7, 2, 1, range(0, 3))
    problem.H[:, 1] = constant
    model = LaggedRidgeCV(lags=problem.lags, alphas=[1.0], cv=3).fit(problem.H, problem.Y, segments=problem.lengths)
    X = lagged_design(problem.H, problem.lags, segments=problem.lengths)
    expected = Ridge(alpha=1.0, solver="svd").fit(X, problem.Y[:, 0]).coef_.reshape(3, 2).T
    assert worst(model.coef_[0], expected) < COEFFICIENTS["float64"]
    assert abs(model.coef_[0, 1, 0]) < 1e-12  # at lag 0 it is a constant column


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_products_that_overflow_are_named() -> None:
    problem = make(2, [20] * 6, 2, 1, range(0, 3))
    with pytest.raises(InputError, match="overflow"), np.errstate(over="ignore", invalid="ignore"):
        LaggedRidgeCV(lags=problem.lags, cv=3).fit(problem.H * 1e160, problem.Y, segments=problem.lengths)


def test_large_offsets_of_the_response_do_not_cost_float32_its_scores() -> None:
    problem = make(3, [30] * 9, 3, 1, range(0, 4), "float32")
    problem.Y[:] += 1e5
    model = LaggedRidgeCV(lags=problem.lags, alphas=[1.0, 100.0], cv=3, dtype="float32")
    found = model.fit(problem.H, problem.Y, segments=problem.lengths)
    assert found.dtype_ == "float64"
    exact = LaggedRidgeCV(lags=problem.lags, alphas=[1.0, 100.0], cv=3)
    exact.fit(problem.H.astype(np.float64), problem.Y.astype(np.float64), segments=problem.lengths)
    assert np.abs(found.cv_scores_ - exact.cv_scores_).max() < R2["float64"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"cv": [(np.arange(60), np.array([], dtype=int))]}, "cv: found split 0"),
        ({"cv": [(np.arange(60), np.array([200]))]}, "cv: found split 0"),
        ({"alphas": ["a"]}, "alphas"),
        ({"dtype": "abc"}, "dtype"),
        ({"lags": range(2**40, 2**40 + 3)}, "lags"),
        ({"tmin": 0.0, "tmax": 1e30, "sfreq": 50.0}, "tmin, tmax"),
        ({"lags": range(10**6)}, "lags and X"),
    ],
)
def test_parameters_that_would_raise_elsewhere(params: dict[str, object], message: str) -> None:
    problem = make(4, [20] * 6, 2, 1, range(0, 3))
    with pytest.raises(InputError, match=message):
        LaggedRidgeCV(**params).fit(problem.H, problem.Y, segments=problem.lengths)  # type: ignore[arg-type]


def test_score_refuses_another_shape() -> None:
    problem = make(5, [20] * 6, 2, 2, range(0, 3))
    model = LaggedRidgeCV(lags=problem.lags, alphas=[1.0], cv=3).fit(problem.H, problem.Y, segments=problem.lengths)
    with pytest.raises(InputError, match="y: found 1 targets; expected 2"):
        model.score(problem.H, problem.Y[:, :1], segments=problem.lengths)
