"""Permutation nulls: fixed predictions against shifted responses, and models fitted again with fixed λ."""

from __future__ import annotations

from typing import Any

import numpy as np
import ours
import pytest
from baselines import nulls, ridge
from problems import SCORE_TOLERANCE, SHIFT_SEED, SHIFTS, SWAPS, Case, shift_problem, swap_problem

# Times are compared per permutation, of which slow rivals, being plain loops, need not do many.
N_SHIFTS = {"heschl": 1000, "NumPy, a loop over shifts": 100}
N_SWAPS = {
    "heschl": 20,
    "heschl, λ path again": 1,
    "NumPy, λ path again": 1,
    "NumPy, factors kept": 4,
}
EXPECTED: dict[Case, Any] = {}


@pytest.mark.parametrize("rival", N_SHIFTS)
def test_shift_null(measure: Any, benchmark: Any, sized: Any, quick: bool, rival: str) -> None:
    case = sized(SHIFTS)
    Y, prediction, shifts = shift_problem(case, 20 if quick else N_SHIFTS[rival])
    run = {
        "heschl": lambda: ours.shift_null(Y, prediction, case.lengths, case.fold, len(shifts), SHIFT_SEED),
        "NumPy, a loop over shifts": lambda: nulls.numpy_shift_null(Y, prediction, case.lengths, case.fold, shifts),
    }[rival]
    found = measure(
        'null="scores", per shift', rival,
        run, rounds=1, warmup=0,
    )  # fmt: skip
    benchmark.extra_info["permutations"] = len(shifts)
    some = slice(0, 2)  # a few targets and shifts by np.roll in float64
    ends = np.cumsum(case.lengths)
    for i in (0, len(shifts) - 1):
        moved = np.concatenate([
            np.roll(Y[end - length : end, some].astype(np.float64), shift, axis=0)
            for end, length, shift in zip(ends, case.lengths, shifts[i], strict=True)
        ])  # fmt: skip
        scores = []
        for k in range(case.n_folds):
            rows = np.repeat(case.fold == k, case.lengths)
            sse = ((moved[rows] - prediction[rows, some]) ** 2).sum(0)
            scores.append(1 - sse / (moved[rows].var(0) * rows.sum()))
        np.testing.assert_allclose(found[i, some], np.mean(scores, axis=0), atol=1e-4)


def expected_scores(case: Case) -> Any:
    """Mean over folds of R² for every λ and the first targets, in the first order of segments, in float64."""
    if case not in EXPECTED:
        H, Y = case.data()
        y = nulls.swap_segments(Y, case.lengths[0], swap_problem(case, 1)[0])[:, :4].astype(np.float64)
        scores = ridge.numpy_ridge_cv(H.astype(np.float64), y, case.lengths, case.fold, case.w, case.alphas)
        EXPECTED[case] = scores.mean(0)
    return EXPECTED[case]


@pytest.mark.parametrize("rival", N_SWAPS)
def test_refit_null(measure: Any, benchmark: Any, against_limit: Any, sized: Any, rival: str) -> None:
    """One λ for each target; the median is of all permutations together, `permutations` says how many."""
    case = sized(SWAPS)
    H, Y = case.data()
    orders = swap_problem(case, N_SWAPS[rival])
    alpha = np.resize(case.alphas, case.c)
    given = (H, Y, case.lengths, case.fold, case.w)
    swapped = nulls.swap_segments(Y, case.lengths[0], orders[0])
    run = {
        "heschl": lambda: ours.refit_null(*given, alpha, orders),
        "heschl, λ path again": lambda: ours.ridge_cv(H, swapped, case.lengths, case.n_folds, case.w, case.alphas),
        "NumPy, λ path again": lambda: nulls.numpy_refit_path(*given, case.alphas, orders),
        "NumPy, factors kept": lambda: nulls.numpy_refit_kept(*given, alpha, orders),
    }[rival]
    found = measure('null="refit", per permutation', rival, run, rounds=1, warmup=0)
    benchmark.extra_info["permutations"] = len(orders)
    if rival == "heschl":
        # X'X once; for each permutation X'Y, two triangular solves in each fold, predictions; factors once
        n, p, K = case.n_frames, case.p, case.n_folds
        each = 2.0 * n * p * case.c * 2 + K * 2.0 * p * p * case.c
        against_limit(2.0 * n * p * case.d + len(orders) * each + K * case.n_alphas * p**3 / 3)
    if rival == "heschl, λ path again":
        found = found.cv_scores_.max(axis=0)[None]
    scores = expected_scores(case)
    which = np.arange(scores.shape[1])
    expected = scores.max(0) if rival.endswith("again") else scores[which % case.n_alphas, which]
    assert np.abs(found[0, : len(expected)] - expected).max() < SCORE_TOLERANCE
