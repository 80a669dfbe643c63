"""X'X as an operator: what it multiplies by is the X'X of the materialised design."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from numpy.typing import NDArray

from heschl import _core
from heschl.checks import InputError
from heschl.linear import reference
from heschl.linear.design.frames import Frames
from heschl.linear.moments.lagged import LaggedMoments
from heschl.linear.moments.shift import Shift
from heschl.linear.ridge.normal import NormalEquations, PrecisionError, normal_equations
from heschl.linear.ridge.operators import LaggedOperator, LagTerms
from linear.problems import Ragged, ragged
from tolerances import KERNEL, worst

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


def test_bad_input_is_named() -> None:
    with pytest.raises(InputError, match="first_column"):
        LaggedOperator(np.ones((4, 2)), np.ones((1, 3)), np.ones((0, 4)), as_given(2, 2))
    with pytest.raises(InputError, match="pair_sums"):
        LagTerms.from_sums(np.zeros((3, 1)), np.zeros(3), np.zeros(1), np.ones(1), 0.0)


@pytest.mark.parametrize("keep", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("transposed", [False, True])
def test_complex_products_add_to_what_is_kept(transposed: bool, keep: float) -> None:
    rng = np.random.default_rng(0)
    real, imaginary = rng.standard_normal((2, 3, 4, 5))
    V = rng.standard_normal((2, 3, 4 if transposed else 5, 2))
    out = rng.standard_normal((2, 3, 5 if transposed else 4, 2))
    M, v = real + 1j * imaginary, V[0] + 1j * V[1]
    product = np.swapaxes(M, 1, 2) @ v if transposed else M @ v
    expected = np.stack([product.real, product.imag]) + keep * out
    middle, plus, minus = (part.reshape(12, 5) for part in (real, real + imaginary, real - imaginary))
    found = out.reshape(-1, 2).copy()
    _core.complex_products(middle, plus, minus, transposed, 3, V.reshape(-1, 2), keep, found, 1)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=1e-12)
