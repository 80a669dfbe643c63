"""Every solver of the table gives the same scores, penalties and weights; "auto" takes the cheap one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from heschl import InputError, LaggedRidge, LaggedRidgeCV
from heschl.linear import nested_cv, reference
from heschl.linear.crossval.fit import Fit, fit_cv, fit_fixed
from heschl.linear.crossval.scores import SCORES
from heschl.linear.design.frames import Frames
from heschl.linear.design.rows import row_ranges
from heschl.linear.design.segments import make_splits
from heschl.linear.device.host import HOST
from heschl.linear.ridge.dual import _kernel
from heschl.linear.ridge.engine import FitOptions
from heschl.linear.ridge.problem import Problem
from heschl.linear.ridge.size import FitSize
from heschl.linear.ridge.solvers import SOLVERS, choose_solver
from linear.moments.test_moments import boundaries
from linear.problems import Ragged, make, ragged
from tolerances import COEFFICIENTS, KERNEL, R2, worst

ALPHAS = np.array([1.0, 30.0, 1000.0])


def fit(problem: Ragged, solver: str, boundary: str = "zero", **how: bool) -> Fit:
    n = len(problem.H)
    splits = make_splits(3, problem.bounds, np.arange(len(problem.lengths)), n)
    return fit_cv(
        Problem(Frames.of(problem.H), problem.Y, problem.lags, boundary, **how), splits, ALPHAS,
        score=SCORES["r2"], per_target=True, options=FitOptions(solver, small_in_float64=False),
    )  # fmt: skip


@pytest.mark.parametrize("solver", [name for name in SOLVERS if name != "cholesky"])
@given(ragged(min_segments=3), boundaries, st.booleans(), st.booleans())
@settings(max_examples=40)
def test_all_solvers_agree(solver: str, problem: Ragged, boundary: str, standardize: bool, fit_intercept: bool) -> None:
    how = {"standardize": standardize, "fit_intercept": fit_intercept}
    double = Ragged(problem.H.astype(float), problem.Y.astype(float), problem.lengths, problem.lags)
    try:
        expected = fit(double, "cholesky", boundary, **how)
    except InputError as error:  # "drop" left a training set without rows
        assert error.argument == "y" and boundary == "drop"
        reject()
    found = fit(problem, solver, boundary, **how)
    assert expected.scores is not None and found.scores is not None
    # Test folds of a few frames that hardly vary have an R² far below 0.
    size = 1.0 + np.abs(np.nan_to_num(expected.scores.r2))
    assert (np.abs(np.nan_to_num(found.scores.r2 - expected.scores.r2)) / size).max() < R2[problem.name]
    if (found.chosen == expected.chosen).all():
        scale = max(1e-3, float(np.abs(expected.weights.values).max()))
        assert worst(found.weights.values, expected.weights.values, scale) < COEFFICIENTS[problem.name]
        size = max(1.0, float(np.abs(problem.Y).max()))
        assert worst(found.weights.intercept, expected.weights.intercept, size) < COEFFICIENTS[problem.name]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("standardize", [False, True])
def test_more_columns_than_rows_and_the_other_way_round(solver: str, dtype: str, standardize: bool) -> None:
    for lengths, d in (([30, 1, 40, 25, 33, 28], 24), ([200, 150, 300, 260, 180, 220], 5)):
        problem = make(1, lengths, d, 6, range(-2, 8), dtype)
        double = Ragged(problem.H.astype(float), problem.Y.astype(float), problem.lengths, problem.lags)
        expected, found = (
            fit(double, "cholesky", standardize=standardize),
            fit(problem, solver, standardize=standardize),
        )
        assert found.solver == solver
        assert expected.scores is not None and found.scores is not None
        np.testing.assert_allclose(found.scores.r2, expected.scores.r2, atol=R2[dtype])
        np.testing.assert_array_equal(found.chosen, expected.chosen)
        assert worst(found.weights.values, expected.weights.values) < COEFFICIENTS[dtype]


@given(ragged(), ragged(), boundaries)
def test_kernel_matrix(problem: Ragged, other: Ragged, boundary: str) -> None:
    H = np.concatenate([problem.H[:, :1], other.H[:, :1].astype(problem.name)])
    bounds = np.concatenate([problem.bounds, other.bounds + len(problem.H)])
    a, _ = row_ranges(bounds[::2], problem.lags, boundary, len(H))
    b, _ = row_ranges(bounds, problem.lags, boundary, len(H))
    found = _kernel(HOST, np.ascontiguousarray(H), a, b, problem.lags)
    expected = reference.lagged_kernel(H, a, H, b, problem.lags)
    assert worst(found, expected, max(1.0, float(np.abs(expected).max(initial=0.0)))) < KERNEL[problem.name]


def test_kernel_matrix_by_many_blocks() -> None:
    problem = make(3, [700, 3, 300], 4, 1, range(-3, 9), "float32")
    ranges, _ = row_ranges(problem.bounds, problem.lags, "zero", 1003)
    found = _kernel(HOST, problem.H, ranges, ranges, problem.lags)
    expected = reference.lagged_kernel(problem.H.astype(float), ranges, problem.H.astype(float), ranges, problem.lags)
    assert worst(found, expected) < KERNEL["float32"]
    np.testing.assert_array_equal(found, found.T)


def test_nested_scores_by_the_dual() -> None:
    problem = make(4, [30, 25, 40, 35, 28, 33], 20, 4, range(0, 10))
    how = {"segments": problem.lengths, "folds": np.arange(6) % 3, "lags": problem.lags, "alphas": ALPHAS}
    found, expected = (nested_cv(problem.H, problem.Y, solver=solver, **how) for solver in ("dual", "cholesky"))
    np.testing.assert_allclose(found.r2, expected.r2, atol=R2["float64"])
    np.testing.assert_array_equal(found.alpha, expected.alpha)
    np.testing.assert_allclose(found.predictions, expected.predictions, atol=1e-8)
    assert found.solver == "dual"


def test_auto_takes_what_costs_least() -> None:
    few_rows = make(5, [40] * 5, 30, 3, range(0, 20))
    many_rows = make(5, [400] * 5, 3, 3, range(0, 20))
    many_alphas = np.logspace(-1, 6, 200)
    assert LaggedRidge(lags=few_rows.lags).fit(few_rows.H, few_rows.Y, segments=few_rows.lengths).solver_ == "dual"
    model = LaggedRidgeCV(lags=many_rows.lags, alphas=ALPHAS)
    assert model.fit(many_rows.H, many_rows.Y, segments=many_rows.lengths).solver_ == "cholesky"
    wide = make(5, [400] * 5, 15, 1, range(0, 20))
    model = LaggedRidgeCV(lags=wide.lags, alphas=many_alphas)
    assert model.fit(wide.H, wide.Y, segments=wide.lengths).solver_ == "eigh"


@pytest.mark.parametrize("solver", ["auto", *SOLVERS])
def test_less_memory_is_more_blocks_or_another_solver(solver: str) -> None:
    problem = make(6, [300] * 5, 20, 400, range(0, 20))
    whole = Problem(Frames.of(problem.H), problem.Y, problem.lags)
    work = FitSize.of(whole, [problem.bounds[k : k + 1] for k in range(5)], 6, 10)
    method, block = choose_solver(work, solver, None)
    assert block == 400
    need = method.n_bytes(work)
    fewer, smaller = choose_solver(work, solver, 0.99 * need)
    assert smaller < 400 or fewer.name != method.name
    assert fewer.n_bytes(replace(work, n_targets=smaller)) <= 0.99 * need


def test_means_that_float32_kernels_cannot_carry_go_to_float64() -> None:
    problem = make(7, [30] * 4, 12, 2, range(0, 12), "float32", mean=20.0)
    assert fit(problem, "dual").dtype == "float64"
    assert fit(problem, "dual", standardize=True).dtype == "float32"


@pytest.mark.parametrize("alpha", [1e-3, 10.0])
def test_float32_loadings_keep_the_intercept_exact(alpha: float) -> None:
    """The kernel is singular along 1: there float32 must neither refuse a small penalty nor lose the intercept."""
    problem = make(2, [50] * 10, 40, 100, range(-3, 17), "float32")
    data = Problem(Frames.of(problem.H), problem.Y, problem.lags)
    chosen, options = np.zeros(100, dtype=np.int64), FitOptions("dual", small_in_float64=False)
    found = fit_fixed(data, [problem.bounds], np.array([alpha]), chosen, options)
    expected = fit_fixed(data.in_float64(), [problem.bounds], np.array([alpha]), chosen, options)
    assert found.dtype == "float32"
    assert worst(found.weights.values, expected.weights.values) < KERNEL["float32"]
    assert worst(found.weights.intercept, expected.weights.intercept) < KERNEL["float32"]


def test_auto_takes_a_krylov_space_where_there_are_many_columns() -> None:
    """A laptop's limit, and the width of GPT-2 XL at word rate."""
    wide = FitSize(
        n_rows=58_943, n_products=5_200, n_features=1_600, n_lags=20, n_targets=51, n_alphas=10, n_parts=5,
        n_segments=599, n_sets=6, standardize=True, itemsize=4,
    )  # fmt: skip
    assert choose_solver(wide, "auto", 8e9) == (SOLVERS["krylov"], 51)
    with pytest.raises(InputError, match="memory_limit"):
        choose_solver(wide, "eigh", 8e9)
    narrow = replace(wide, n_features=64, n_products=58_943)
    assert choose_solver(narrow, "auto", None)[0].name == "cholesky"
