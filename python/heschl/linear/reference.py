"""The kernels once more in plain NumPy, to be checked by eye: the tests' oracle and the benchmarks' baseline.

Nothing in heschl calls this. Every function builds the lagged design and does the obvious with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def lagged_design(H: Array, ranges: Array, lags: Sequence[int], outside: float | Array = 0.0) -> Array:
    """Build X[row, k · d + f] = H[t - lags[k], f] where that frame is in the range's [low, high), else `outside`.

    `ranges` (r, 4) are the rows [begin, end) and their [low, high); `bounds` (s, 2) do as well: both are the segment.
    """
    d = H.shape[1]
    rows = []
    for begin, end, *limits in ranges:
        low, high = limits if limits else (begin, end)
        for t in range(begin, end):
            row = np.empty((len(lags), d), H.dtype)
            row[:] = outside
            for k, lag in enumerate(lags):
                if low <= t - lag < high:
                    row[k] = H[t - lag]
            rows.append(row)
    return np.array(rows, H.dtype).reshape(len(rows), len(lags) * d)


def rows_of(ranges: Array) -> Array:
    """List the rows of some ranges, in order."""
    return np.concatenate([np.arange(begin, end) for begin, end in ranges[:, :2]] or [np.empty(0, np.int64)])


def lagged_moments(
    H: Array, Y: Array, h_shift: Array, y_shift: Array, ranges: Array, lags: Sequence[int]
) -> dict[str, Array]:
    """Compute the sums of `heschl.linear.LaggedMoments` that count rows, by their definitions."""
    w, d = len(lags), H.shape[1]
    rows = rows_of(ranges)
    h, y = H.astype(np.float64) - h_shift, (Y.astype(np.float64) - y_shift)[rows]
    X = lagged_design(h, ranges, lags)
    inside = lagged_design(np.ones((len(H), 1)), ranges, lags)  # (n, w): 1_i(t)
    leaving, entering = np.zeros((2, len(ranges), w, d))
    for r, (begin, end, low, high) in enumerate(ranges):
        for i, lag in enumerate(lags):
            for edges, t in ((leaving, end - 1 - lag), (entering, begin - 1 - lag)):
                if low <= t < high:
                    edges[r, i] = h[t]
    return {
        "first_column": X.T @ X[:, :d],
        "cross": X.T @ y,
        "leaving": leaving.reshape(len(ranges), w * d),
        "entering": entering.reshape(len(ranges), w * d),
        "pair_sums": np.einsum("tid,tj->ijd", X.reshape(len(rows), w, d), inside).reshape(w * w, d),
        "pair_counts": (inside.T @ inside).reshape(w * w),
        "target_sums": inside.T @ y,
        "totals": np.stack([y.sum(0), (y**2).sum(0)]),
    }


def lagged_sums(H: Array, R: Array, ranges: Array, lags: Sequence[int]) -> Array:
    """Sum h(t - lag_i) r(t)ᵀ over the rows t of the ranges, of which R (n_rows, e) holds r(t)."""
    return np.asarray(lagged_design(H, ranges, lags).T @ R)


def lagged_sums_by_frequency(H: Array, R: Array, ranges: Array, lags: Sequence[int]) -> Array:
    """Return the same from spectra: of the frames that a range sees and of its rows, padded so that nothing wraps."""
    w, d = len(lags), H.shape[1]
    out, at = np.zeros((w, d, R.shape[1])), 0
    for begin, end, low, high in ranges:
        window = np.arange(begin - lags[-1], end - lags[0])  # frame begin - lag_0 of the rows is w - 1 frames into it
        seen = np.zeros((len(window), d))
        inside = (window >= low) & (window < high)
        seen[inside] = H[window[inside]]
        rows = np.zeros((len(window), R.shape[1]))
        rows[w - 1 :] = R[at : at + end - begin]
        at += end - begin
        products = np.fft.rfft(seen, axis=0).conj()[:, :, None] * np.fft.rfft(rows, axis=0)[:, None]
        out += np.fft.irfft(products, n=len(window), axis=0)[:w]
    return out.reshape(w * d, R.shape[1])


def normal_equations(
    H: Array, Y: Array, ranges: Array, lags: Sequence[int], *, fit_intercept: bool, standardize: bool
) -> tuple[Array, Array]:
    """Compute X'X and X'Y of the materialised design of some rows, standardised by all frames they may look at."""
    H, Y = H.astype(np.float64), Y.astype(np.float64)[rows_of(ranges)]
    if standardize:
        frames = np.unique(rows_of(ranges[:, -2:]))
        mean, std = H[frames].mean(0), H[frames].std(0)
        H = (H - mean) / np.where(std > 0, std, np.inf)
    X = lagged_design(H, ranges, lags)
    if fit_intercept:
        X, Y = X - X.mean(0), Y - Y.mean(0)
    return X.T @ X, X.T @ Y


def lagged_kernel(A: Array, a: Array, B: Array, b: Array, lags: Sequence[int]) -> Array:
    """Multiply two materialised designs, X X'."""
    return lagged_design(A, a, lags) @ lagged_design(B, b, lags).T


def ridge_solve(G: Array, R: Array, alpha: float) -> Array:
    """Solve (G + alpha I) W = R."""
    return np.linalg.solve(G + alpha * np.eye(len(G)), R)


def lagged_predict(H: Array, h_shift: Array, ranges: Array, lags: Sequence[int], W: Array, intercept: Array) -> Array:
    """Multiply the design of H - h_shift by W and add the intercept."""
    return lagged_design(H - h_shift, ranges, lags) @ W + intercept


def lagged_sse(
    H: Array, Y: Array, h_shift: Array, ranges: Array, lags: Sequence[int], W: Array, intercept: Array
) -> Array:
    """Sum the squared errors of that prediction over the rows of the ranges."""
    error = Y[rows_of(ranges)] - lagged_predict(H, h_shift, ranges, lags, W, intercept)
    return np.asarray((error.astype(np.float64) ** 2).sum(0))


def penalised_ridge(
    X: Array, Y: Array, alpha: float, n_features: int, *, differences: bool = False, intercept: float = 0.0
) -> tuple[Array, Array]:
    """Fit weights (p, c) and constants (c,) of a materialised design under other penalties than plain ridge.

    `differences` penalises what weights change by from lag to lag; `intercept` is the constant's share of alpha.
    """
    p = X.shape[1]
    D = np.eye(p - n_features, p, n_features) - np.eye(p - n_features, p) if differences else np.eye(p)
    Z = np.column_stack([X, np.ones(len(X))])
    M = np.zeros((p + 1, p + 1))
    M[:p, :p], M[p, p] = D.T @ D, intercept
    solution = np.linalg.solve(Z.T @ Z + alpha * M, Z.T @ Y)
    return solution[:p], solution[p]


def haufe_patterns(X: Array, W: Array) -> Array:
    """Return the covariance of a materialised design times W times the inverse covariance of its predictions."""
    prediction = X @ W
    joint = np.atleast_2d(np.cov(np.column_stack([X, prediction]).T))
    p = X.shape[1]
    return np.asarray(joint[:p, p:] @ np.linalg.inv(joint[p:, p:]))


def ridge_cv_scores(
    H: Array,
    Y: Array,
    folds: Sequence[Array],
    lags: Sequence[int],
    alphas: Array,
    *,
    standardize: bool = False,
) -> Array:
    """Score every (fold, penalty, target) by R², each fold from its own materialised normal equations."""
    r2 = np.empty((len(folds), len(alphas), Y.shape[1]))
    for k, test in enumerate(folds):
        train = np.concatenate([fold for f, fold in enumerate(folds) if f != k])
        G, R = normal_equations(H, Y, train, lags, fit_intercept=True, standardize=standardize)
        rows = rows_of(train)
        mean, std = (H[rows].mean(0), H[rows].std(0)) if standardize else (np.zeros(H.shape[1]), np.ones(H.shape[1]))
        read = (H - mean) / np.where(std > 0, std, np.inf)
        held_out = rows_of(test)
        means = lagged_design(read, train, lags).mean(0)
        y = Y[held_out]
        for a, alpha in enumerate(alphas):
            W = ridge_solve(G, R, alpha)
            prediction = (lagged_design(read, test, lags) - means) @ W + Y[rows].mean(0)
            r2[k, a] = 1 - ((y - prediction) ** 2).sum(0) / ((y - y.mean(0)) ** 2).sum(0)
    return r2


def score_sums(Y: Array, P: Array, folds: Sequence[Array], shift: Array) -> Array:
    """Sum y', p', y'², p'², y' p' and (y - p)² over the rows of each fold, (K, 6, c); shift (K, 2, c)."""
    sums = []
    for (y_shift, p_shift), bounds in zip(shift, folds, strict=True):
        rows = np.concatenate([np.arange(begin, end) for begin, end in bounds])
        y, p = Y[rows].astype(np.float64), P[rows].astype(np.float64)
        u, v = y - y_shift, p - p_shift
        sums.append([term.sum(0) for term in (u, v, u * u, v * v, u * v, (y - p) ** 2)])
    return np.array(sums)


def block_toeplitz_gram(first_column: Array, leaving: Array, entering: Array) -> Array:
    """Assemble X'X from its first block column and its edge rows, block by block down each diagonal."""
    p, d = first_column.shape
    B = np.zeros((p // d, d, p // d, d))
    B[:, :, 0] = first_column.reshape(-1, d, d)
    B[0] = B[:, :, 0].transpose(2, 0, 1)
    out, come = leaving.reshape(-1, p // d, d), entering.reshape(-1, p // d, d)
    for i in range(1, p // d):
        for j in range(1, p // d):
            B[i, :, j] = B[i - 1, :, j - 1] - out[:, i - 1].T @ out[:, j - 1] + come[:, i - 1].T @ come[:, j - 1]
    return B.reshape(p, p)


def canonical_correlations(X: Array, Y: Array) -> Array:
    """Return the singular values of the product of both sides' orthonormal bases (features of full column rank)."""
    qx, qy = (np.linalg.qr(side.astype(np.float64) - side.mean(axis=0, dtype=np.float64))[0] for side in (X, Y))
    return np.asarray(np.linalg.svd(qx.T @ qy, compute_uv=False))


def block_lanczos(G: Array, B: Array, n_steps: int) -> Array:
    """Orthonormal basis (p, m) of span(B, G B, …, G^(n_steps - 1) B), block after block, against all of them twice."""
    basis = np.linalg.qr(B)[0]
    block = basis
    for _ in range(n_steps - 1):
        block = G @ block
        for _ in range(2):
            block = np.linalg.qr(block - basis @ (basis.T @ block))[0]
        basis = np.concatenate([basis, block], axis=1)
    return basis


def krylov_ridge(G: Array, B: Array, alphas: Array, n_steps: int) -> Array:
    """Solutions (n_alphas, p, c) of (G + alpha I) W = B in that space: Q (Qᵀ G Q + alpha I)⁻¹ Qᵀ B."""
    Q = block_lanczos(G, B, n_steps)
    return np.stack([Q @ ridge_solve(Q.T @ G @ Q, Q.T @ B, alpha) for alpha in alphas])
