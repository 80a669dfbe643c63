"""Compiled kernels. Shapes and meaning: csrc/include/heschl/kernels.hpp.

All arrays of one call share float32 or float64 (`_Float`); `ranges` is (r, 4) int64
(`heschl.linear.design.rows`), `run` the row of each frame for run-length features. Outputs are written in place.
`n_threads` is the number of threads.
"""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

_Float = NDArray[Any]
_Double = NDArray[np.float64]
_Int = NDArray[np.int64]
_Run = NDArray[np.int64] | None

def lagged_design(
    H: _Float, run: _Run, h_shift: _Float, ranges: _Int, first_lag: int, n_lags: int, X: _Float, n_threads: int
) -> None: ...
def lagged_moments(
    H: _Float,
    run: _Run,
    h_shift: _Float,
    ranges: _Int,
    first_lag: int,
    n_lags: int,
    first_column: _Float,
    leaving: _Float,
    entering: _Float,
    pair_sums: _Double,
    pair_counts: _Double,
    n_threads: int,
) -> None: ...
def lagged_pair(
    a: _Float,
    a_run: _Run,
    a_shift: _Float,
    b: _Float,
    b_run: _Run,
    b_shift: _Float,
    ranges: _Int,
    first_lag: int,
    n_lags: int,
    first_column: _Float,
    n_threads: int,
) -> None: ...
def lagged_targets(
    H: _Float,
    run: _Run,
    h_shift: _Float,
    Y: _Float,
    y_shift: _Float,
    ranges: _Int,
    first_lag: int,
    n_lags: int,
    cross: _Float,
    target_sums: _Double,
    totals: _Double,
    n_threads: int,
) -> None: ...

class Product:
    """What is multiplied with lagged features."""

    itself: ClassVar[Product]
    features: ClassVar[Product]
    responses: ClassVar[Product]

def sum_by_lag(
    a: _Float,
    a_shift: _Float,
    b: _Float,
    b_shift: _Float,
    product: Product,
    ranges: _Int,
    first_lag: int,
    n_lags: int,
    out: _Float,
    n_threads: int,
) -> None: ...
def sum_by_frequency(
    a: _Float,
    a_shift: _Float,
    b: _Float,
    b_shift: _Float,
    product: Product,
    ranges: _Int,
    first_lag: int,
    n_lags: int,
    out: _Float,
    n_threads: int,
) -> None: ...
def sum_operations(
    ranges: _Int, first_lag: int, n_lags: int, d_a: int, d_b: int, product: Product
) -> tuple[float, float]: ...
def lagged_kernel(
    a: _Float, a_ranges: _Int, b: _Float, b_ranges: _Int, first_lag: int, n_lags: int, K: _Float, n_threads: int
) -> None: ...
def feature_statistics(
    H: _Float, run: _Run, h_shift: _Float, ranges: _Int, sums: _Double, extremes: _Float, n_threads: int
) -> None: ...
def lagged_gram(
    first_column: _Float,
    leaving: _Float,
    entering: _Float,
    pair_sums: _Double,
    pair_counts: _Double,
    offset: _Double,
    scale: _Double,
    inverse_n: float,
    first_lag: int,
    n_lags: int,
    G: _Float,
    n_threads: int,
) -> None: ...
def lagged_cross(
    cross: _Float,
    pair_sums: _Double,
    pair_counts: _Double,
    target_sums: _Double,
    y_mean: _Double,
    offset: _Double,
    scale: _Double,
    inverse_n: float,
    first_lag: int,
    n_lags: int,
    R: _Float,
    n_threads: int,
) -> None: ...
def ridge_solve(G: _Float, diagonal: _Float, alpha: float, W: _Float, n_threads: int) -> None: ...
def leave_out(U: _Float, starts: _Int, less: float, A: _Float, E: _Float, n_threads: int) -> None: ...
def ridge_residual(
    G: _Float, diagonal: _Float, alphas: list[float], R: _Float, W: _Float, targets: _Int, n_threads: int
) -> float: ...
def quadratic_errors(G: _Float, R: _Float, W: _Float, out: _Double, n_threads: int) -> None: ...
def lagged_predict(
    H: _Float,
    run: _Run,
    h_shift: _Float,
    ranges: _Int,
    first_lag: int,
    n_lags: int,
    W: _Float,
    P: _Float,
    n_threads: int,
) -> None: ...
def lagged_sse(
    H: _Float,
    run: _Run,
    Y: _Float,
    h_shift: _Float,
    ranges: _Int,
    first_lag: int,
    n_lags: int,
    W: _Float,
    intercept: _Float,
    sse: _Double,
    n_threads: int,
) -> None: ...
def whiten_rows(
    X: _Float, mean: _Double, factor: _Double, U: _Double | None, Q: _Float | None, gram: _Double | None, n_threads: int
) -> None: ...
def largest_singular(
    M: _Double, edges: _Int, k: int, values: _Double, vectors: _Double | None, n_threads: int
) -> None: ...
def score_sums(
    Y: _Float, P: _Float, bounds: _Int, fold: _Int, shift: _Double, sums: _Double, n_threads: int
) -> None: ...
def multiply(
    a: _Float,
    b: _Float,
    transpose_a: bool,
    transpose_b: bool,
    scale: float,
    keep: float,
    out: _Float,
    n_threads: int,
) -> None: ...
def complex_products(
    middle: _Float,
    plus: _Float,
    minus: _Float | None,
    transposed: bool,
    frequencies: int,
    V: _Float,
    keep: float,
    out: _Float,
    n_threads: int,
) -> None: ...
