"""Null distributions beside a loop over shifts and refits of the whole λ path. Answers are asserted."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from problems import Case

from heschl.linear import null_refit, null_scores
from heschl.linear.cv import Problem
from heschl.linear.ridge import solve
from heschl.linear.scores import FoldScores

N_PERMUTATIONS, N_LOOPED = 1000, 5  # the loop is the same every time round: a few of its turns tell its rate
REFIT = Case(n_segments=120, length=100, d=128, w=20, c=822)


def recording(single: bool) -> tuple[Any, Any, Any, Any]:
    """58,943 frames of 822 responses and predictions, in 599 segments and 5 folds or in one."""
    rng = np.random.default_rng(0)
    n, c = 58_943, 822
    predictions = 0.3 * rng.standard_normal((n, c), dtype=np.float32)
    y = predictions + rng.standard_normal((n, c), dtype=np.float32)
    cuts = np.linspace(0, n, 600).astype(np.int64) + np.r_[0, rng.integers(-30, 31, 598), 0]
    lengths = np.array([n]) if single else np.diff(cuts)
    return y, predictions, lengths, np.arange(len(lengths)) % 5


def numpy_loop(y: Any, predictions: Any, lengths: Any, fold: Any, shifts: Any) -> Any:
    """R² of each shift with what does not change computed once: a gather and a product sum for every fold."""
    begin, row_fold = np.repeat(np.cumsum(lengths) - lengths, lengths), np.repeat(fold, lengths)
    rows = [np.flatnonzero(row_fold == k) for k in range(fold.max() + 1)]
    p = [predictions[r] for r in rows]
    squares = [np.einsum("tc,tc->c", y[r], y[r]) + np.einsum("tc,tc->c", q, q) for r, q in zip(rows, p, strict=True)]
    sst = [((y[r] - y[r].mean(0)) ** 2).sum(0) for r in rows]
    out = np.empty((len(shifts), y.shape[1]))
    start = time.perf_counter()
    for i, shift in enumerate(shifts):
        source = begin + (np.arange(len(y)) - begin - np.repeat(shift, lengths)) % np.repeat(lengths, lengths)
        sse = [s - 2 * np.einsum("tc,tc->c", y[source[r]], q) for r, q, s in zip(rows, p, squares, strict=True)]
        out[i] = np.mean([1 - e / s for e, s in zip(sse, sst, strict=True)], axis=0)
    return out, (time.perf_counter() - start) / len(shifts)


@pytest.mark.parametrize("single", [False, True], ids=["599 segments", "one run"])
def test_null_scores(benchmark: Any, single: bool) -> None:
    y, predictions, lengths, fold = recording(single)
    benchmark.group = "null of shifted responses, 1,000 x 822, n = 58,943"
    found = benchmark.pedantic(
        lambda: null_scores(
            y, predictions, segments=lengths, folds=fold, n_permutations=N_PERMUTATIONS, random_state=0
        ),
        rounds=3, warmup_rounds=1,
    )  # fmt: skip
    shifts = np.random.default_rng(0).integers(0, lengths, size=(N_PERMUTATIONS, len(lengths)))
    expected, seconds = numpy_loop(y, predictions, lengths, fold, shifts[:N_LOOPED])
    assert np.abs(found.null[:N_LOOPED] - expected).max() < 1e-4
    benchmark.extra_info["times as fast as a NumPy loop over shifts"] = (
        seconds * N_PERMUTATIONS / benchmark.stats.stats.median
    )


def test_null_refit(benchmark: Any, gemm_rate: float) -> None:
    case, n_permutations = REFIT, 15
    H, Y = case.data()
    n, p, K = len(H), case.d * case.w, case.n_folds
    chosen = np.random.default_rng(0).integers(0, case.n_alphas, (K, case.c))
    benchmark.group = "null of refits, n = 12,000, p = 2,560, c = 822"
    found = benchmark.pedantic(
        lambda: null_refit(
            H, Y, segments=case.lengths, folds=case.fold, lags=range(case.w), alphas=case.alphas[chosen],
            n_permutations=n_permutations, random_state=0, standardize=False,
        ),
        rounds=1, warmup_rounds=0,
    )  # fmt: skip
    # the rival: one fit of the whole path, which also gives the observed scores
    ends = np.cumsum(case.lengths)
    bounds = np.stack([ends - case.lengths, ends], axis=1)
    parts = [bounds[case.fold == k] for k in range(K)]
    problem = Problem(H, Y, range(case.w), True, False)
    start = time.perf_counter()
    moments, gram, r2 = problem.moments(parts), problem.gram_memory(), np.empty((K, case.n_alphas, case.c))
    for k in range(K):
        equations = problem.equations([moments[j] for j in range(K) if j != k], gram)
        for a, alpha in enumerate(case.alphas):
            prediction = solve(equations, float(alpha)).predict(H, parts[k], problem.lags)
            r2[k, a] = FoldScores.of(Y, prediction, [parts[k]]).r2[0]
    path = time.perf_counter() - start
    observed = r2[np.arange(K)[:, None], chosen, np.arange(case.c)].mean(axis=0)
    assert np.abs(found.observed - observed).max() < 2e-3
    seconds = benchmark.stats.stats.median
    # X'X once; for each permutation X'Y, two triangular solves in each fold, predictions; factors once (one block)
    each = 2.0 * n * p * case.c * 2 + K * 2.0 * p * p * case.c
    operations = 2.0 * n * p * case.d + (n_permutations + 1) * each + K * case.n_alphas * p**3 / 3
    benchmark.extra_info["fraction of the sgemm rate on its own operations"] = operations / seconds / gemm_rate
    benchmark.extra_info["times as fast as refitting with the path"] = path * (n_permutations + 1) / seconds
