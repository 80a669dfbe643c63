"""Leave-one-group-out by its closed forms against explicit refits."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from sklearn.model_selection import LeaveOneGroupOut

from heschl import InputError, LaggedRidgeCV, _core
from heschl.linear.crossval.path import PathSums, choose_alpha, cross_validate
from heschl.linear.crossval.scores import SCORES, fold_squares
from heschl.linear.design.frames import Frames
from heschl.linear.design.segments import Splits, make_splits
from heschl.linear.ridge.dual import Dual
from heschl.linear.ridge.leave_out import LeaveOutDual, LeaveOutPrimal, leaves_one_out
from heschl.linear.ridge.normal import PrecisionError
from heschl.linear.ridge.primal import Primal
from heschl.linear.ridge.problem import Problem
from heschl.linear.ridge.size import FitSize
from heschl.linear.ridge.solvers import Method, choose_solver
from linear.moments.test_moments import boundaries
from linear.problems import Ragged, make, ragged
from tolerances import COEFFICIENTS, KERNEL, R2, worst

ALPHAS = np.array([3.0, 100.0])


def one_out(problem: Ragged) -> Splits:
    return make_splits(LeaveOneGroupOut(), problem.bounds, np.arange(len(problem.lengths)), int(problem.lengths.sum()))


CLOSED = [LeaveOutPrimal, LeaveOutDual]


def refitted(data: Problem, splits: Splits, alphas: Any) -> Any:
    refits = Primal(data.in_float64(), splits.parts)
    return np.stack([
        refits.train(splits.train[s], refits.scratch()).errors(alphas, [splits.test[s]])[0]
        for s in np.argsort([test[0] for test in splits.test])
    ])  # fmt: skip


@pytest.mark.parametrize("closed", CLOSED)
@given(ragged(min_segments=3), boundaries, st.booleans(), st.integers(0, 3))
def test_equals_refits(closed: type, problem: Ragged, boundary: str, fit_intercept: bool, folds: int) -> None:
    """One segment at a time, or K folds of them."""
    splits = one_out(problem)
    if 2 <= folds <= len(problem.lengths):
        splits = make_splits(folds, problem.bounds, np.arange(len(problem.lengths)), int(problem.lengths.sum()))
    assert leaves_one_out(splits)
    data = Problem(Frames.of(problem.H), problem.Y, problem.lags, boundary, fit_intercept)
    try:
        expected = refitted(data, splits, ALPHAS)
        found = closed(data, splits.parts).left_out(ALPHAS)
    except InputError:  # "drop" left a training set without rows
        assert boundary == "drop"
        reject()
    except PrecisionError:
        assert problem.name == "float32"
        reject()
    assert worst(found, expected, max(1.0, float((problem.Y.astype(float) ** 2).sum()))) < R2[problem.name]


@pytest.mark.parametrize("sizes", [[600], [1] * 40 + [300, 0, 5], [200, 200, 200], [0, 7, 0]])
def test_kernel_by_many_panels(sizes: list[int]) -> None:
    """Groups larger and smaller than what is solved together, single rows and none."""
    rng = np.random.default_rng(0)
    n = sum(sizes)
    root, Y = rng.standard_normal((n, n + 5)), rng.standard_normal((n, 3))
    K = root @ root.T / n + np.eye(n)
    starts = np.cumsum([0, *sizes])
    inverse, less = np.linalg.inv(K), 1e-4
    found = np.empty_like(Y)
    _core.leave_out(np.linalg.cholesky(K).T.copy(), starts, less, inverse @ Y, found, 2)
    expected = np.concatenate([
        np.linalg.solve(inverse[a:b, a:b] - less, (inverse @ Y)[a:b]) for a, b in itertools.pairwise(starts)
    ])  # fmt: skip
    assert worst(found, expected) < KERNEL["float64"]


@pytest.mark.parametrize("bad", [[0, 5, 3, 9], [1, 9], [0, 8], []])
def test_kernel_refuses_groups_that_do_not_fit(bad: list[int]) -> None:
    A = np.ones((9, 2))
    with pytest.raises(ValueError, match="starts"):
        _core.leave_out(np.eye(9), np.array(bad, dtype=np.int64), 0.0, A, A.copy(), 1)


def fitted(problem: Ragged, cv: Any, solver: str, alphas: Any = ALPHAS, **how: Any) -> LaggedRidgeCV:
    model = LaggedRidgeCV(lags=problem.lags, alphas=alphas, cv=cv, solver=solver, **how)
    return model.fit(problem.H, problem.Y, segments=problem.lengths)


@pytest.mark.parametrize("d", [8, 60])
def test_many_groups_take_the_closed_form(d: int, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = make(1, [12] * 40, d, 3, range(0, 10))
    splits = one_out(problem)
    data = Problem(Frames.of(problem.H), problem.Y, problem.lags)
    sst = fold_squares(problem.Y, [data.ranges(splits.test_bounds(s)) for s in range(40)])
    sums = PathSums(SCORES["r2"], sst, len(ALPHAS))
    expected = cross_validate(
        SCORES["r2"], data, Primal(data, splits.parts), splits, sums, ALPHAS,
        lambda scores: choose_alpha(scores.chosen_by, ALPHAS, True),
    )  # fmt: skip
    direct = fitted(problem, LeaveOneGroupOut(), "eigh")

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("refitted for every group")

    monkeypatch.setattr("heschl.linear.crossval.fit.cross_validate", forbidden)
    model = fitted(problem, LeaveOneGroupOut(), "auto")
    assert model.solver_ == ("dual" if d * 10 > 480 else "cholesky")
    np.testing.assert_allclose(model.cv_scores_, expected.r2, atol=R2["float64"])
    np.testing.assert_array_equal(model.alpha_, direct.alpha_)
    assert worst(model.coef_, direct.coef_) < COEFFICIENTS["float64"]
    assert worst(model.intercept_, direct.intercept_) < COEFFICIENTS["float64"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_folds_of_fewer_rows_than_columns_take_the_closed_form(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = make(2, [50] * 10, 40, 100, range(-3, 17), dtype)
    alphas = np.logspace(1, 5, 7)
    expected = fitted(problem, 5, "cholesky", alphas, dtype="float64")

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("refitted for every fold")

    monkeypatch.setattr("heschl.linear.crossval.fit.cross_validate", forbidden)
    for kept in (10, 0):  # loadings of every λ kept for the final weights, or solved for again
        monkeypatch.setattr("heschl.linear.ridge.leave_out.KEPT_MATRICES", kept)
        found = fitted(problem, 5, "dual", alphas)
        assert found.solver_ == "dual"
        np.testing.assert_allclose(found.cv_scores_, expected.cv_scores_, atol=R2[dtype])
        assert worst(found.coef_, expected.coef_) < COEFFICIENTS[dtype]
        assert worst(found.intercept_, expected.intercept_) < COEFFICIENTS[dtype]


def test_missing_responses_leave_their_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = make(3, [20] * 12, 30, 4, range(0, 12))
    problem.Y[25:70, 1] = np.nan  # all of one group and parts of two
    problem.Y[100:103, 2:] = np.nan
    found, expected = (fitted(problem, LeaveOneGroupOut(), solver, missing="mask") for solver in ("dual", "eigh"))
    np.testing.assert_allclose(found.cv_scores_, expected.cv_scores_, atol=R2["float64"])
    assert worst(found.coef_, expected.coef_) < COEFFICIENTS["float64"]


@pytest.mark.parametrize("closed", [*CLOSED, Dual])
def test_nothing_to_predict_from_is_refused(closed: type) -> None:
    """With boundary "drop" only one segment has rows."""
    problem = make(5, [3, 40, 2], 4, 2, range(0, 10))
    data = Problem(Frames.of(problem.H), problem.Y, problem.lags, "drop")
    with pytest.raises(InputError, match="no response"):
        family = closed(data, one_out(problem).parts)
        family.train([0, 2], family.scratch())


def test_float32_is_refused_rather_than_wrong() -> None:
    """Over penalties from harmless to hopeless: what is returned is right."""
    problem = make(4, [40] * 8, 30, 5, range(0, 15), "float32")
    problem.H[:, 1:] = problem.H[:, :1] + 1e-3 * problem.H[:, 1:]  # hardly more than one feature
    splits = one_out(problem)
    data = Problem(Frames.of(problem.H - problem.H.mean(0)), problem.Y, problem.lags)
    sst = float(((problem.Y - problem.Y.mean(0)) ** 2).sum())
    refused = 0
    for alpha in np.logspace(-6, 4, 11):
        try:
            found = LeaveOutDual(data, splits.parts).left_out(np.array([alpha]))
        except PrecisionError:
            refused += 1
        else:
            assert worst(found, refitted(data, splits, np.array([alpha])), sst) < R2["float32"]
    assert 0 < refused < 11


def test_where_it_does_not_hold_or_pay() -> None:
    problem = make(1, [12] * 40, 8, 3, range(0, 10))
    assert fitted(problem, LeaveOneGroupOut(), "auto", standardize=True).solver_ == "cholesky"
    overlapping = Splits(one_out(problem).parts, [[0, 1], [1, 2]], [[2], [0]])
    assert not leaves_one_out(overlapping)

    def chosen(lengths: list[int], d: int, w: int, n_alphas: int = 10) -> Method:
        given = make(1, lengths, d, 3, range(w))
        data = Problem(Frames.of(given.H), given.Y, given.lags)
        parts = one_out(given).parts
        return choose_solver(FitSize.of(data, parts, len(parts) + 1, n_alphas), "auto", None, left_out=True)[0]

    assert (chosen([200] * 4, 4, 3).name, chosen([200] * 4, 4, 3).all_at_once) == ("cholesky", False)
    assert (chosen([12] * 40, 8, 10).name, chosen([12] * 40, 8, 10).all_at_once) == ("cholesky", True)
    # Far more columns than rows: never by p × p matrices, however many the groups.
    assert (chosen([10] * 50, 200, 20).name, chosen([10] * 50, 200, 20).all_at_once) == ("dual", True)
