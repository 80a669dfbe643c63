"""Conjugate gradients: the operator is X'X, the preconditioner its circulant, the path what a direct solve gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, reject
from hypothesis import strategies as st
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.linear import reference
from heschl.linear.design.frames import Frames
from heschl.linear.moments.lagged import LaggedMoments
from heschl.linear.moments.shift import Shift
from heschl.linear.ridge import cg
from heschl.linear.ridge.cg import CirculantPreconditioner, ConvergenceError, cg_operations, solve_path
from heschl.linear.ridge.normal import NormalEquations, PrecisionError, normal_equations
from heschl.linear.ridge.operators import AssembledOperator, LaggedOperator, LagTerms
from linear.problems import Ragged, make, ragged
from tolerances import ITERATED, ITERATED_R2, KERNEL, SOLVED, worst

Array = NDArray[Any]


def moments_and_equations(problem: Ragged, **how: bool) -> tuple[LaggedMoments, NormalEquations]:
    X = Frames.of(problem.H)
    shift = Shift.near_mean(X, problem.Y)
    found = LaggedMoments.of_rows(X, problem.Y, problem.bounds, problem.lags, "zero", shift)
    try:
        return found, normal_equations(found, **how)
    except PrecisionError:  # a few frames, so alike that float32 has no say
        assert problem.name == "float32" and not how.get("standardize")
        reject()


def terms_of(found: LaggedMoments, equations: NormalEquations, fit_intercept: bool = True) -> LagTerms:
    offset = equations.scaling.mean - found.shift.features.astype(np.float64)
    inverse_n = 1.0 / found.n_rows if fit_intercept else 0.0
    return LagTerms.from_sums(found.pair_sums, found.pair_counts, offset, equations.scaling.scale, inverse_n)


def operator_of(found: LaggedMoments, terms: LagTerms) -> LaggedOperator:
    return LaggedOperator(found.first_column, found.leaving, found.entering, terms)


def as_given(w: int, d: int) -> LagTerms:
    return LagTerms.from_sums(np.zeros((w * w, d)), np.zeros(w * w), np.zeros(d), np.ones(d), 0.0)


def symmetric(lower: Array) -> Array:
    lower = np.tril(lower).astype(np.float64)
    return lower + np.tril(lower, -1).T


@given(ragged(), st.booleans(), st.booleans())
def test_the_operator_is_the_gram(problem: Ragged, fit_intercept: bool, standardize: bool) -> None:
    found, equations = moments_and_equations(problem, fit_intercept=fit_intercept, standardize=standardize)
    if (
        standardize
        and (found.extremes[:, 1].max(0) > found.extremes[:, 0].min(0)).any()
        and equations.scaling.scale.max() > 1e3
    ):
        return  # nearly equal frames: the standard deviation itself is rounding
    G, _ = reference.normal_equations(
        problem.H, problem.Y, problem.bounds, problem.lags, fit_intercept=fit_intercept, standardize=standardize
    )
    operator = operator_of(found, terms_of(found, equations, fit_intercept))
    assert operator.n_columns == len(G) and operator.dtype == problem.H.dtype
    size = max(1.0, np.abs(G).max(), float(problem.lengths.sum()))
    product = operator.product(np.eye(len(G), dtype=problem.name))
    assert product.dtype == problem.H.dtype
    assert worst(product, G, size) < KERNEL[problem.name]
    assert worst(product, product.T, size) < KERNEL[problem.name]
    assert np.linalg.eigvalsh(symmetric(product)).min() > -KERNEL[problem.name] * size * len(G)
    in_double = operator.product(np.eye(len(G)))
    assert in_double.dtype == np.float64
    assert worst(in_double, in_double.T, size) < KERNEL["float64"]
    assert worst(in_double, G, size) < KERNEL[problem.name]


@given(*(st.integers(0, 3),) * 2, st.integers(1, 7), st.integers(1, 4), st.integers(0, 99))
def test_any_edge_rows(a: int, b: int, w: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first_column, leaving, entering = (rng.standard_normal((rows, w * d)) for rows in (d, a, b))
    first_column = first_column.T.copy()
    first_column[:d] += first_column[:d].T.copy()
    V = rng.standard_normal((w * d, 2))
    found = LaggedOperator(first_column, leaving, entering, as_given(w, d)).product(V)
    expected = reference.block_toeplitz_gram(first_column, leaving, entering) @ V
    assert worst(found, expected, max(1.0, np.abs(expected).max())) < KERNEL["float64"]


@pytest.mark.parametrize("p", [1, 7, 1100])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_assembled_gram_is_read_below_its_diagonal(p: int, dtype: str) -> None:
    rng = np.random.default_rng(p)
    gram = rng.standard_normal((p, p)).astype(dtype)
    full = symmetric(gram)
    diagonal = gram.diagonal().copy()
    gram[np.triu_indices(p)] = np.nan
    operator = AssembledOperator(gram, diagonal)
    V = rng.standard_normal((p, 3))
    assert operator.n_columns == p and operator.dtype == gram.dtype
    assert worst(operator.product(V), full @ V) < KERNEL["float64"]
    assert worst(operator.product(V.astype(dtype)), full @ V.astype(dtype)) < KERNEL[dtype]


@given(ragged(), st.booleans(), st.sampled_from([3.0, 300.0]))
def test_the_preconditioner_inverts_the_nearest_circulant(problem: Ragged, standardize: bool, alpha: float) -> None:
    found, equations = moments_and_equations(problem, standardize=standardize)
    if equations.scaling.scale.max() > 1e3:
        return
    w, d = len(problem.lags), problem.H.shape[1]
    terms = terms_of(found, equations)
    none = np.zeros((0, w * d), problem.name)
    toeplitz = operator_of(found, terms) if w == 1 else LaggedOperator(found.first_column, none, none, terms)
    circulant = reference.nearest_block_circulant(symmetric(toeplitz.product(np.eye(w * d))), w)
    if np.linalg.eigvalsh(circulant).min() < -0.5 * alpha:
        return  # short segments: edges are all there is, and another penalty is put in its place
    expected = np.linalg.inv(circulant + alpha * np.eye(w * d))
    inverse = CirculantPreconditioner(found.first_column, terms).factor(alpha)
    found_inverse = inverse.solve(np.eye(w * d, dtype=problem.name))
    assert worst(found_inverse, expected) < KERNEL[problem.name] * max(10.0, np.linalg.cond(circulant / alpha + 1.0))


@given(st.integers(1, 7), st.integers(1, 4), st.integers(0, 99))
def test_a_circulant_gram_takes_one_iteration(w: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    M = rng.standard_normal((w * d, 3 * w * d))
    G = reference.nearest_block_circulant(M @ M.T, w)
    first_column, none = np.ascontiguousarray(G[:, :d]), np.zeros((0, w * d))
    operator = LaggedOperator(first_column, none, none, as_given(w, d))
    R = rng.standard_normal((w * d, 2))
    assert worst(CirculantPreconditioner(first_column, as_given(w, d)).factor(0.5).solve(
        operator.product(R) + 0.5 * R), R) < KERNEL["float64"] * 100  # fmt: skip
    solutions = solve_path(operator, CirculantPreconditioner(first_column, as_given(w, d)), R, np.array([0.5]))
    assert next(solutions).iterations == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_indefinite_circulant_still_preconditions(dtype: str) -> None:
    first_column = np.array([[1.0], [4.0], [0.0]], dtype)
    factored = CirculantPreconditioner(first_column, as_given(3, 1)).factor(1e-9)
    assert np.linalg.eigvalsh(symmetric(factored.solve(np.eye(3, dtype=dtype)))).min() > 0


@given(ragged(), st.booleans(), st.booleans())
def test_the_path_is_that_of_direct_solves(problem: Ragged, standardize: bool, assembled: bool) -> None:
    found, equations = moments_and_equations(problem, standardize=standardize)
    if equations.scaling.scale.max() > 1e3:
        return
    terms = terms_of(found, equations)
    gram = symmetric(equations.gram)
    operator = (
        AssembledOperator(equations.gram, equations.diagonal) if assembled else operator_of(found, terms)
    )  # fmt: skip
    top = max(1.0, float(np.trace(gram)) / len(gram))
    alphas = np.array([0.1, 10.0, 1.0]) * top
    preconditioner = CirculantPreconditioner(found.first_column, terms)
    solutions = list(solve_path(operator, preconditioner, equations.cross, alphas, tolerance=SOLVED[problem.name]))
    assert [s.index for s in solutions] == [1, 2, 0]
    for solution in solutions:
        assert solution.alpha == alphas[solution.index] and solution.weights.dtype == problem.H.dtype
        assert solution.residual <= SOLVED[problem.name]
        R = equations.cross.astype(np.float64)
        expected = scipy.linalg.solve(gram + solution.alpha * np.eye(len(gram)), R, assume_a="pos")
        size = np.abs(expected).max(axis=0).max(initial=1e-9)
        assert worst(solution.weights, expected, size) < ITERATED[problem.name]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_targets_of_every_kind(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Zero, equal and proportional targets, of sizes far apart, more of them than a block or than columns."""
    problem = make(4, [40, 30, 50], 2, 1, range(-1, 3), dtype)
    found, equations = moments_and_equations(problem)
    terms = terms_of(found, equations)
    rng = np.random.default_rng(0)
    R = rng.standard_normal((8, 21)).astype(dtype) * np.logspace(-8, 8, 21).astype(dtype)
    R[:, 0], R[:, 3], R[:, 4] = 0, R[:, 2], -3 * R[:, 2]
    expected = scipy.linalg.solve(symmetric(equations.gram) + 5 * np.eye(8), R.astype(np.float64))
    circulant = CirculantPreconditioner(found.first_column, terms)
    for targets in (1, 5, 64):
        monkeypatch.setattr(cg, "TARGETS", targets)
        solutions = solve_path(operator_of(found, terms), circulant, R, np.array([5.0]), tolerance=SOLVED[dtype])
        weights = next(solutions).weights
        assert not weights[:, 0].any()
        for j in range(1, R.shape[1]):
            assert worst(weights[:, j], expected[:, j], np.abs(expected[:, j]).max() + 1e-30) < ITERATED[dtype]


def hard(dtype: str) -> tuple[LaggedOperator, CirculantPreconditioner, Array, float]:
    """Smooth, strongly correlated features: a condition number that float32 does not carry."""
    rng = np.random.default_rng(3)
    H = np.cumsum(rng.standard_normal((900, 3)), axis=0) @ rng.standard_normal((3, 12))
    H += 1e-4 * rng.standard_normal(H.shape)
    problem = Ragged(H.astype(dtype), rng.standard_normal((900, 2)).astype(dtype), np.array([400, 500]), range(0, 10))
    found, equations = moments_and_equations(problem, standardize=True)
    terms = terms_of(found, equations)
    circulant = CirculantPreconditioner(found.first_column, terms)
    return operator_of(found, terms), circulant, equations.cross, float(equations.diagonal.mean())


def test_float32_refuses_what_it_cannot_carry() -> None:
    operator, circulant, R, top = hard("float32")
    with pytest.raises(PrecisionError, match="relative error"):
        list(solve_path(operator, circulant, R, np.array([1e-9 * top]), tolerance=1e-6))


def test_float64_refuses_what_it_did_not_reach() -> None:
    operator, circulant, R, top = hard("float64")
    with pytest.raises(ConvergenceError, match="after 2 iterations"):
        list(solve_path(operator, circulant, R, np.array([1e-4 * top]), tolerance=1e-8, max_iterations=2))
    assert next(solve_path(operator, circulant, R, np.array([1e-4 * top]), tolerance=1e-8)).residual <= 1e-8


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_default_tolerance_keeps_r2(dtype: str) -> None:
    """Words held for their duration, correlated features, a planted response; R² on other segments."""
    rng = np.random.default_rng(1)
    d, lags, n_segments, length = 24, range(0, 20), 40, 100
    words = rng.standard_normal((400, d)) * np.arange(1, d + 1) ** -0.75
    H = np.repeat(words @ rng.standard_normal((d, d)), 1 + rng.poisson(11, 400), axis=0)[: n_segments * length]
    H = (H + 3 * rng.standard_normal(d)).astype(dtype)
    X = reference.lagged_design((H - H.mean(0)) / H.std(0), np.array([[0, len(H)]]), lags)
    Y = X @ rng.standard_normal((X.shape[1], 8))
    Y = (Y / Y.std(0) + 2 * rng.standard_normal(Y.shape)).astype(dtype)
    training = Ragged(H[:3000], Y[:3000], np.full(30, length), lags)
    found, equations = moments_and_equations(training, standardize=True)
    terms = terms_of(found, equations)
    gram, R = symmetric(equations.gram), equations.cross.astype(np.float64)

    def r2(weights: Array) -> Array:
        error = Y[3000:] - X[3000:] @ weights.astype(np.float64)
        return np.asarray(1 - error.var(0) / Y[3000:].var(0))

    alphas = np.logspace(0, 5, 6)
    circulant = CirculantPreconditioner(found.first_column, terms)
    for solution in solve_path(operator_of(found, terms), circulant, equations.cross, alphas):
        expected = scipy.linalg.solve(gram + solution.alpha * np.eye(len(gram)), R, assume_a="pos")
        assert np.abs(r2(solution.weights) - r2(expected)).max() < ITERATED_R2
        assert solution.iterations <= 20


def test_bad_input_is_named() -> None:
    operator, circulant, R, _ = hard("float64")
    for arguments, name in (
        ((R[:-1], np.ones(1)), "cross"),
        ((R.astype(np.float32), np.ones(1)), "cross"),
        ((R, np.array([0.0])), "alphas"),
    ):
        with pytest.raises(InputError, match=name):
            solve_path(operator, circulant, *arguments)
    with pytest.raises(InputError, match="tolerance"):
        solve_path(operator, circulant, R, np.ones(1), tolerance=0.0)
    with pytest.raises(InputError, match="first_column"):
        LaggedOperator(np.ones((4, 2)), np.ones((1, 3)), np.ones((0, 4)), as_given(2, 2))
    with pytest.raises(InputError, match="gram"):
        AssembledOperator(np.ones((2, 3)), np.ones(2))
    with pytest.raises(InputError, match="pair_sums"):
        LagTerms.from_sums(np.zeros((3, 1)), np.zeros(3), np.zeros(1), np.ones(1), 0.0)


def test_operations_grow_with_what_is_asked() -> None:
    sizes = {"n_lags": 20, "n_features": 100, "n_targets": 5, "n_edges": 50, "iterations": 9, "n_alphas": 3}
    least = cg_operations(**sizes)
    assert all(cg_operations(**{**sizes, name: 2 * size}) > least for name, size in sizes.items())
    # The leading terms by hand: one frequency, no edges, no Fourier transform to speak of.
    assert cg_operations(1, 10_000, 1, 0, 1, 0) == pytest.approx(14 * 10_000**2, rel=0.6)
