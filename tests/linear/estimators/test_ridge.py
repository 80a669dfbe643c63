"""LaggedRidgeCV against scikit-learn on the materialised design, and what its users may expect of an estimator."""

from __future__ import annotations

import pickle
import threading
import tracemalloc
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut, ShuffleSplit
from threadpoolctl import threadpool_limits

from heschl import AlphaEdgeWarning, InputError, LaggedRidgeCV, lagged_design
from heschl.linear import reference
from heschl.linear.design.segments import group_folds
from heschl.linear.device.threads import n_threads
from linear.problems import Ragged, make, ragged
from tolerances import COEFFICIENTS, R2, worst

pytestmark = pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")
ALPHAS = (1.0, 30.0, 1000.0)


def standardised(H: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    H = H.astype(np.float64)
    std = H.std(0)
    return (H - H.mean(0)) / np.where(std > 0, std, np.inf), np.where(std > 0, std, np.inf)


def assert_equals_ridge(model: LaggedRidgeCV, problem: Ragged) -> None:
    H, std = standardised(problem.H) if model.standardize else (problem.H.astype(np.float64), 1.0)
    X, Y = lagged_design(H, problem.lags, segments=problem.lengths), problem.Y.astype(np.float64)
    prediction = model.predict(problem.H, segments=problem.lengths)
    for j, alpha in enumerate(model.alpha_):
        ridge = Ridge(alpha=alpha, fit_intercept=model.fit_intercept).fit(X, Y[:, j])
        coef = ridge.coef_.reshape(len(problem.lags), -1).T / np.reshape(std, (-1, 1))
        assert worst(model.coef_[j], coef, max(np.abs(coef).max(), 1e-2)) < COEFFICIENTS[problem.name]
        expected = ridge.predict(X)
        assert worst(prediction[:, j], expected, max(1.0, np.abs(expected).max())) < COEFFICIENTS[problem.name]


@given(ragged(min_segments=5), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_equals_scikit_learn(problem: Ragged, standardize: bool, fit_intercept: bool) -> None:
    if standardize and problem.H.std(0).min() < 1e-2:
        return
    model = LaggedRidgeCV(lags=problem.lags, alphas=ALPHAS, cv=3, standardize=standardize, fit_intercept=fit_intercept)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(problem.H, problem.Y, segments=problem.lengths)
    assert_equals_ridge(model, problem)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("lags", [range(0, 6), range(-4, 3), range(5, 9), range(-6, -2)])
def test_scores_and_choice_equal_the_reference(dtype: str, standardize: bool, lags: range) -> None:
    problem = make(7, [40, 1, 25, 60, 33, 12, 50, 44], 4, 5, lags, dtype)
    rng = np.random.default_rng(0)
    problem.Y[:] += 8 * rng.standard_normal(problem.Y.shape).astype(dtype)
    alphas = np.logspace(0, 4, 5)
    model = LaggedRidgeCV(lags=lags, alphas=alphas, cv=4, standardize=standardize, dtype=dtype)
    model.fit(problem.H, problem.Y, segments=problem.lengths)
    folds = group_folds(np.arange(8), problem.lengths, 4)
    expected = reference.ridge_cv_scores(
        problem.H.astype(np.float64), problem.Y.astype(np.float64),
        [problem.bounds[folds == k] for k in range(4)], lags, alphas, standardize=standardize,
    ).mean(axis=0)  # fmt: skip
    assert np.abs(model.cv_scores_ - expected).max() < R2[dtype]
    np.testing.assert_array_equal(model.alpha_, alphas[expected.argmax(axis=0)])
    assert model.dtype_ == dtype
    assert_equals_ridge(model, problem)


def test_one_alpha_for_all_and_pooled_scoring() -> None:
    problem = make(3, [30] * 10, 3, 4, range(0, 4))
    model = LaggedRidgeCV(lags=problem.lags, alphas=ALPHAS, alpha_per_target=False)
    model.fit(problem.H, problem.Y, segments=problem.lengths)
    assert np.unique(model.alpha_).tolist() == [ALPHAS[model.cv_scores_.mean(axis=1).argmax()]]
    pooled = clone(model).set_params(scoring="pooled_r2", alpha_per_target=True)
    pooled.fit(problem.H, problem.Y, segments=problem.lengths)
    np.testing.assert_array_equal(pooled.alpha_, np.array(ALPHAS)[pooled.cv_pooled_scores_.argmax(axis=0)])


def test_pooled_scores_equal_their_definition() -> None:
    problem = make(4, [30] * 4, 2, 2, range(0, 3))
    alphas = [5.0]
    model = LaggedRidgeCV(lags=problem.lags, alphas=alphas, cv=2).fit(problem.H, problem.Y, segments=problem.lengths)
    folds = group_folds(np.arange(4), problem.lengths, 2)
    X = lagged_design(problem.H, problem.lags, segments=problem.lengths)
    row_fold = np.repeat(folds, problem.lengths)
    sse, sst = np.zeros(2), np.zeros(2)
    for k in range(2):
        train, test = row_fold != k, row_fold == k
        error = problem.Y[test] - Ridge(alpha=5.0).fit(X[train], problem.Y[train]).predict(X[test])
        sse += (error**2).sum(0)
        sst += ((problem.Y[test] - problem.Y[test].mean(0)) ** 2).sum(0)
    np.testing.assert_allclose(model.cv_pooled_scores_[0], 1 - sse / sst, atol=R2["float64"])


def test_seconds_mean_both_ends_included() -> None:
    problem = make(5, [30] * 6, 2, 1, range(0, 1))
    model = LaggedRidgeCV(tmin=-0.04, tmax=0.1, sfreq=50.0, alphas=[1.0], cv=2)
    model.fit(problem.H, problem.Y, segments=problem.lengths)
    assert model.lags_.tolist() == list(range(-2, 6))


def test_shapes_for_one_and_many_targets() -> None:
    problem = make(6, [30] * 6, 3, 2, range(0, 4))
    kwargs: dict[str, Any] = {"segments": problem.lengths}
    model = LaggedRidgeCV(lags=problem.lags, alphas=ALPHAS)
    many = clone(model).fit(problem.H, problem.Y, **kwargs)
    assert many.coef_.shape == (2, 3, 4) and many.intercept_.shape == (2,) and many.cv_scores_.shape == (3, 2)
    one = clone(model).fit(problem.H, problem.Y[:, 0], **kwargs)
    assert one.coef_.shape == (3, 4) and np.ndim(one.intercept_) == 0 and one.alpha_.shape == (1,)
    np.testing.assert_allclose(one.predict(problem.H, **kwargs), many.predict(problem.H, **kwargs)[:, 0], atol=1e-12)
    expected = np.mean(r2_score(problem.Y, many.predict(problem.H, **kwargs), multioutput="raw_values"))
    assert abs(many.score(problem.H, problem.Y, **kwargs) - expected) < 1e-12
    again = pickle.loads(pickle.dumps(many))
    np.testing.assert_array_equal(again.predict(problem.H, **kwargs), many.predict(problem.H, **kwargs))


def test_labels_and_lengths_say_the_same() -> None:
    problem = make(8, [30, 10, 20, 25, 5], 2, 1, range(0, 4))
    labels = np.repeat(["a", "b", "c", "d", "e"], problem.lengths)
    model = LaggedRidgeCV(lags=problem.lags, alphas=ALPHAS, cv=2)
    by_lengths = clone(model).fit(problem.H, problem.Y, segments=problem.lengths)
    by_labels = clone(model).fit(problem.H, problem.Y, segments=labels)
    by_groups = clone(model).fit(problem.H, problem.Y, groups=labels)
    np.testing.assert_array_equal(by_lengths.coef_, by_labels.coef_)
    np.testing.assert_array_equal(by_lengths.coef_, by_groups.coef_)


def test_repeats_of_a_stimulus_share_a_fold() -> None:
    groups = ["s1", "s2", "s1", "s3", "s2", "s1"]
    folds = group_folds(groups, [10, 20, 10, 30, 20, 10], 3)
    for name in set(groups):
        assert len({int(fold) for fold, group in zip(folds, groups, strict=True) if group == name}) == 1


@pytest.mark.parametrize("splitter", [GroupKFold(3), LeaveOneGroupOut()])
def test_scikit_learn_splitters(splitter: Any) -> None:
    problem = make(9, [20] * 6, 2, 2, range(0, 3))
    groups = np.repeat([0, 1, 2, 0, 1, 2], 20)
    found = LaggedRidgeCV(lags=problem.lags, alphas=ALPHAS, cv=splitter)
    found.fit(problem.H, problem.Y, segments=problem.lengths, groups=groups)
    expected = LaggedRidgeCV(lags=problem.lags, alphas=ALPHAS, cv=3)
    expected.fit(problem.H, problem.Y, segments=problem.lengths, groups=groups)
    np.testing.assert_allclose(found.cv_scores_, expected.cv_scores_, atol=R2["float64"])


def test_overlapping_splits_are_scored_as_given() -> None:
    """Not a partition: two splits share test segments, one segment is never used."""
    problem = make(10, [20] * 5, 2, 1, range(0, 3))
    rows = [np.arange(20 * s, 20 * s + 20) for s in range(5)]
    splits = [(np.r_[rows[0], rows[1]], rows[2]), (np.r_[rows[1], rows[3]], np.r_[rows[2], rows[0]])]
    model = LaggedRidgeCV(lags=problem.lags, alphas=[3.0], cv=splits)
    model.fit(problem.H, problem.Y, segments=problem.lengths)
    X = lagged_design(problem.H, problem.lags, segments=problem.lengths)
    scores = [
        r2_score(problem.Y[test], Ridge(alpha=3.0).fit(X[train], problem.Y[train]).predict(X[test]))
        for train, test in splits
    ]
    assert abs(model.cv_scores_[0, 0] - np.mean(scores)) < R2["float64"]


def test_constant_features_and_responses() -> None:
    problem = make(11, [25] * 8, 3, 3, range(0, 4))
    problem.H[:, 1] = 0.1
    problem.Y[:, 2] = -7.3
    model = LaggedRidgeCV(lags=problem.lags, alphas=ALPHAS, standardize=True)
    with pytest.warns(UserWarning, match=r"constant in every test fold for targets 2:"):
        model.fit(problem.H, problem.Y, segments=problem.lengths)
    assert (model.coef_[:, 1] == 0).all()
    assert np.isnan(model.cv_scores_[:, 2]).all() and np.isfinite(model.cv_scores_[:, :2]).all()
    np.testing.assert_allclose(model.predict(problem.H, segments=problem.lengths)[:, 2], -7.3)
    assert np.isfinite(model.score(problem.H, problem.Y, segments=problem.lengths))


def test_a_fold_with_a_constant_response_is_left_out_of_the_mean() -> None:
    problem = make(12, [25] * 4, 2, 2, range(0, 2))
    problem.Y[:25, 0] = 5.0
    model = LaggedRidgeCV(lags=problem.lags, alphas=ALPHAS, cv=4).fit(problem.H, problem.Y, segments=problem.lengths)
    assert np.isfinite(model.cv_scores_).all()


def test_warns_at_the_edge_of_the_grid_and_names_the_targets() -> None:
    problem = make(13, [40] * 8, 2, 2, range(0, 3))
    problem.Y[:, 1] = np.random.default_rng(0).standard_normal(len(problem.Y))
    with pytest.warns(AlphaEdgeWarning, match="targets"):
        LaggedRidgeCV(lags=problem.lags, alphas=[1e-9, 1e-8]).fit(problem.H, problem.Y, segments=problem.lengths)


def test_large_penalty_gives_nothing_but_the_mean() -> None:
    problem = make(14, [30] * 6, 3, 2, range(0, 4))
    model = LaggedRidgeCV(lags=problem.lags, alphas=[1e14]).fit(problem.H, problem.Y, segments=problem.lengths)
    assert np.abs(model.coef_).max() < 1e-8
    np.testing.assert_allclose(
        model.predict(problem.H, segments=problem.lengths),
        np.broadcast_to(problem.Y.mean(0), problem.Y.shape), atol=1e-6,
    )  # fmt: skip


def test_permuting_targets_permutes_weights() -> None:
    problem = make(15, [30] * 6, 3, 4, range(0, 4))
    order = [2, 0, 3, 1]

    def fit(Y: np.ndarray) -> LaggedRidgeCV:
        return LaggedRidgeCV(lags=problem.lags, alphas=ALPHAS).fit(problem.H, Y, segments=problem.lengths)

    np.testing.assert_allclose(fit(problem.Y[:, order]).coef_, fit(problem.Y).coef_[order], atol=1e-12)


def test_planted_response_is_found() -> None:
    rng = np.random.default_rng(0)
    H = rng.standard_normal((3000, 5))
    kernel = rng.standard_normal((5, 8))
    X = lagged_design(H, range(0, 8), segments=[150] * 20)
    y = X @ kernel.T.reshape(-1) + 3.0
    model = LaggedRidgeCV(lags=range(-2, 10), alphas=[1e-3, 1.0, 1e3]).fit(H, y, segments=[150] * 20)
    assert model.alpha_[0] == 1e-3
    assert np.abs(model.coef_[:, 2:10] - kernel).max() < 1e-4
    assert np.abs(np.delete(model.coef_, np.s_[2:10], axis=1)).max() < 1e-4
    assert abs(model.intercept_ - 3.0) < 1e-4


def test_float32_that_cannot_carry_the_solve_is_done_in_float64() -> None:
    rng = np.random.default_rng(0)
    base = rng.standard_normal((600, 3)).astype(np.float32)
    H = np.concatenate([base, base + 1e-4 * rng.standard_normal((600, 3)).astype(np.float32)], axis=1)
    y = base @ np.ones((3, 1), np.float32)
    problem = Ragged(H, y, np.array([60] * 10), range(0, 3))
    model = LaggedRidgeCV(lags=problem.lags, alphas=[1e-6], dtype="float32").fit(H, y, segments=problem.lengths)
    assert model.dtype_ == "float64" and model.coef_.dtype == np.float32
    # Weights of nearly equal features are loose (condition number 1e9); their prediction is not.
    X = lagged_design(H.astype(np.float64), problem.lags, segments=problem.lengths)
    expected = Ridge(alpha=1e-6).fit(X, y[:, 0]).predict(X)
    found = model.predict(H, segments=problem.lengths)[:, 0]
    assert worst(found, expected) < COEFFICIENTS["float32"]


def test_float32_beside_a_large_mean_is_done_in_float64() -> None:
    """Zero padding of features whose mean is a thousand standard deviations: float32 would be wrong by per cents."""
    problem = make(21, [30] * 8, 3, 2, range(0, 5), "float32", mean=1000.0)
    model = LaggedRidgeCV(lags=problem.lags, alphas=[1.0], dtype="float32")
    model.fit(problem.H, problem.Y, segments=problem.lengths)
    assert model.dtype_ == "float64"
    H = problem.H.astype(np.float64)
    X = lagged_design(H, problem.lags, segments=problem.lengths)
    for j in range(2):
        expected = Ridge(alpha=1.0, solver="svd").fit(X, problem.Y[:, j].astype(np.float64))
        assert worst(model.coef_[j], expected.coef_.reshape(5, 3).T) < COEFFICIENTS["float32"]


def test_small_float32_problems_are_computed_in_float64_and_given_back_in_float32() -> None:
    problem = make(22, [30] * 8, 3, 2, range(0, 5), "float32")
    model = LaggedRidgeCV(lags=problem.lags, alphas=ALPHAS).fit(problem.H, problem.Y, segments=problem.lengths)
    assert model.dtype_ == "float64"
    assert model.coef_.dtype == model.intercept_.dtype == model.predict(problem.H).dtype == np.float32


def test_nothing_calls_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("the fast path called reference.py")

    for name in ("lagged_design", "lagged_moments", "normal_equations", "ridge_solve", "lagged_predict",
                 "lagged_sse", "ridge_cv_scores"):  # fmt: skip
        monkeypatch.setattr(reference, name, forbidden)
    problem = make(16, [30] * 6, 3, 2, range(-1, 4))
    model = LaggedRidgeCV(lags=problem.lags, alphas=ALPHAS).fit(problem.H, problem.Y, segments=problem.lengths)
    model.score(problem.H, problem.Y, segments=problem.lengths)
    lagged_design(problem.H, problem.lags)


def test_fit_needs_less_memory_than_the_design() -> None:
    rng = np.random.default_rng(0)
    H, Y = rng.standard_normal((20_000, 30)), rng.standard_normal((20_000, 2))
    design = H.nbytes * 20
    tracemalloc.start()
    LaggedRidgeCV(alphas=[1.0, 10.0]).fit(H, Y, segments=[100] * 200)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    blocks = 2 * (64 << 20)  # what the kernels take beside Python: one block of the design, at most 64 MB, and more
    assert peak + min(blocks, design // 4) < design / 2, peak / design


def test_two_threads_may_fit_at_once_and_limits_hold() -> None:
    problem = make(17, [50] * 10, 8, 3, range(0, 10))
    model = LaggedRidgeCV(lags=problem.lags, alphas=ALPHAS)
    with threadpool_limits(1):
        expected = clone(model).fit(problem.H, problem.Y, segments=problem.lengths).coef_
    found: list[Any] = [None, None]

    def work(i: int) -> None:
        found[i] = clone(model).fit(problem.H, problem.Y, segments=problem.lengths).coef_

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for coef in found:
        np.testing.assert_allclose(coef, expected, atol=1e-11)


BAD = {
    "nan": (lambda H, Y: (np.where(np.arange(100)[:, None] == 3, np.nan, H), Y, {}), "X: found NaN or infinity"),
    "infinite response": (
        lambda H, Y: (H, np.where(np.arange(100)[:, None] == 3, np.inf, Y), {}), "y: found NaN .* row 3"),
    "lengths": (lambda H, Y: (H, Y, {"segments": [50, 49]}), "segments: found lengths that sum to 99"),
    "empty segment": (lambda H, Y: (H, Y, {"segments": [50, 0, 50]}), "segments: found length 0 at position 1"),
    "rows": (lambda H, Y: (H, Y[:99], {}), "y: found 99 entries"),
    "groups": (lambda H, Y: (H, Y, {"segments": [50, 50], "groups": np.r_[0, np.ones(99)]}), "groups: found more"),
    "groups length": (lambda H, Y: (H, Y, {"groups": [1, 2]}), "groups: found 2 entries"),
    "labels come back": (
        lambda H, Y: (H, Y, {"segments": np.repeat([0, 1, 0, 2], 25)}), "segments: found a label that comes back"),
    "empty": (lambda H, Y: (H[:0], Y[:0], {}), "X: found an empty array"),
    "text": (lambda H, Y: (H.astype(str), Y, {}), "X: found values of type"),
    "1-D features": (lambda H, Y: (H[:, 0], Y, {}), r"X: found an array of shape \(100,\).*reshape"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_data_is_named(case: str) -> None:
    problem = make(18, [100], 2, 1, range(0, 3))
    change, message = BAD[case]
    H, Y, kwargs = change(problem.H, problem.Y)
    with pytest.raises(InputError, match=message):
        LaggedRidgeCV().fit(H, Y, **kwargs)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"alphas": [1.0, 0.0]}, "alphas: found 0.0"),
        ({"alphas": [-1.0]}, "alphas: found -1.0"),
        ({"alphas": [np.nan]}, "alphas: found nan"),
        ({"alphas": []}, "alphas"),
        ({"alphas": [1.0, 1.0]}, "alphas"),
        ({"lags": [0, 2]}, "lags: found"),
        ({"lags": []}, "lags"),
        ({"lags": 20}, r"Use|range\(0, 20\)"),
        ({"lags": [0.5]}, "lags"),
        ({"tmin": 0.0}, "tmin, tmax, sfreq: found only tmin"),
        ({"tmin": 0.0, "tmax": 0.4, "sfreq": 0.0}, "sfreq: found 0.0"),
        ({"tmin": 0.4, "tmax": 0.0, "sfreq": 50.0}, "tmin, tmax"),
        ({"boundary": "wrap"}, "boundary: found 'wrap'"),
        ({"scoring": "accuracy"}, "scoring"),
        ({"device": "tpu"}, "device"),
        ({"dtype": "int32"}, "dtype"),
        ({"cv": 1}, "cv: found 1"),
        ({"cv": 7}, "cv: found 7 folds for 5"),
        ({"cv": ShuffleSplit(2, random_state=0)}, "cuts segment"),
        ({"cv": "five"}, "cv"),
        ({"lags": range(0, 2**30)}, "lags and X: found"),
    ],
)  # fmt: skip
def test_bad_parameters_are_named(params: dict[str, Any], message: str) -> None:
    problem = make(19, [20] * 5, 2, 1, range(0, 3))
    with pytest.raises(InputError, match=message):
        LaggedRidgeCV(**params).fit(problem.H, problem.Y, segments=problem.lengths)


def test_predict_refuses_other_features() -> None:
    problem = make(20, [20] * 5, 2, 1, range(0, 3))
    model = LaggedRidgeCV(lags=problem.lags, alphas=ALPHAS).fit(problem.H, problem.Y, segments=problem.lengths)
    with pytest.raises(InputError, match="X: found 1 features; expected 2"):
        model.predict(problem.H[:, :1])


def test_blas_gets_its_threads_back() -> None:
    """Small fits hold BLAS at one thread while they share the cores; two at once must not leave it so."""
    problem = make(23, [50] * 10, 8, 3, range(0, 10))
    model = LaggedRidgeCV(lags=problem.lags, alphas=ALPHAS)
    with threadpool_limits(2):
        before = n_threads()
        threads = [
            threading.Thread(
                target=lambda: [clone(model).fit(problem.H, problem.Y, segments=problem.lengths) for _ in range(5)]
            )
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert n_threads() == before
