"""Leave-one-group-out by its closed form against explicit refits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from sklearn.model_selection import LeaveOneGroupOut

from heschl import InputError, LaggedRidgeCV
from heschl.linear.cv import cross_validate
from heschl.linear.frames import Frames
from heschl.linear.leave_out import leave_out_errors, leaves_one_out, pays
from heschl.linear.normal import PrecisionError
from heschl.linear.primal import Primal
from heschl.linear.problem import Problem
from heschl.linear.scores import Variation
from heschl.linear.segments import Splits, make_splits
from linear.problems import Ragged, make, ragged
from linear.test_moments import boundaries
from tolerances import COEFFICIENTS, R2, worst

ALPHAS = np.array([3.0, 100.0])


def one_out(problem: Ragged) -> Splits:
    return make_splits(LeaveOneGroupOut(), problem.bounds, np.arange(len(problem.lengths)), int(problem.lengths.sum()))


@given(ragged(min_segments=3), boundaries, st.booleans())
def test_equals_refits(problem: Ragged, boundary: str, fit_intercept: bool) -> None:
    splits = one_out(problem)
    assert leaves_one_out(splits)
    data = Problem(Frames.of(problem.H), problem.Y, problem.lags, boundary, fit_intercept)
    rows = [data.ranges(splits.test_bounds(s)) for s in range(len(splits.test))]
    double = data.in_float64()
    try:
        refits = Primal(double, splits.parts)
        expected = np.stack([
            refits.train(splits.train[s], refits.scratch()).errors(ALPHAS, [splits.test[s]])[0]
            for s in range(len(splits.test))
        ])  # fmt: skip
        found = leave_out_errors(Primal(data, [np.concatenate(splits.parts)]), rows, ALPHAS)
    except InputError:  # "drop" left a training set without rows
        assert boundary == "drop"
        reject()
    except PrecisionError:
        assert problem.name == "float32"
        reject()
    assert worst(found, expected, max(1.0, float((problem.Y.astype(float) ** 2).sum()))) < R2[problem.name]


def test_many_groups_take_the_closed_form(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = make(1, [12] * 40, 8, 3, range(0, 10))
    splits = one_out(problem)
    data = Problem(Frames.of(problem.H), problem.Y, problem.lags)
    assert pays(data, splits)
    expected = cross_validate(
        Primal(data, splits.parts), splits.train, splits.test,
        [Variation.of(problem.Y, data.ranges(splits.test_bounds(s))) for s in range(40)], ALPHAS,
    )  # fmt: skip

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("refitted for every group")

    monkeypatch.setattr("heschl.linear.engine.cross_validate", forbidden)
    model = LaggedRidgeCV(lags=problem.lags, alphas=ALPHAS, cv=LeaveOneGroupOut())
    model.fit(problem.H, problem.Y, segments=problem.lengths)
    np.testing.assert_allclose(model.cv_scores_, expected.r2, atol=R2["float64"])
    monkeypatch.undo()
    direct = LaggedRidgeCV(lags=problem.lags, alphas=ALPHAS, cv=LeaveOneGroupOut(), solver="eigh")
    direct.fit(problem.H, problem.Y, segments=problem.lengths)
    assert worst(model.coef_, direct.coef_) < COEFFICIENTS["float64"]


def test_where_it_does_not_hold_or_pay() -> None:
    problem = make(1, [12] * 40, 8, 3, range(0, 10))
    splits = one_out(problem)
    assert not pays(Problem(Frames.of(problem.H), problem.Y, problem.lags, standardize=True), splits)
    few = make(1, [200] * 4, 4, 3, range(0, 3))
    assert not pays(Problem(Frames.of(few.H), few.Y, few.lags), one_out(few))
    overlapping = Splits(splits.parts, [[0, 1], [1, 2]], [[2], [0]])
    assert not leaves_one_out(overlapping)
