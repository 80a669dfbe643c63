"""Ridge with λ per target by cross-validation, and what a fit costs at least."""

from __future__ import annotations

from typing import Any

import numpy as np
import ours
import pytest
from baselines import ridge
from problems import MIDDLE, SCORE_TOLERANCE, SMALL, TINY, Case

CASES = {"small": SMALL, "middle": MIDDLE}
RIVALS = {
    "NumPy": ridge.numpy_ridge_cv,
    "scikit-learn": ridge.sklearn_ridge_cv,
    "himalaya": ridge.himalaya_ridge_cv,
}
EXPECTED: dict[Case, Any] = {}  # float64 scores by case, computed once


def expected_scores(case: Case) -> Any:
    """Mean over folds of R² for every λ and target."""
    if case not in EXPECTED:
        H, Y = (array.astype(np.float64) for array in case.data())
        EXPECTED[case] = ridge.numpy_ridge_cv(H, Y, case.lengths, case.fold, case.w, case.alphas).mean(0)
    return EXPECTED[case]


@pytest.mark.parametrize("size", CASES)
@pytest.mark.parametrize("rival", ["heschl", *RIVALS])
def test_ridge_cv(measure: Any, note_memory: Any, sized: Any, size: str, rival: str) -> None:
    case = sized(CASES[size])
    H, Y = case.data()
    expected = expected_scores(case)
    if rival == "heschl":
        arguments = (H, Y, case.lengths, case.n_folds, case.w, case.alphas)
        model = measure(f"ridge CV, {size}", rival, lambda: ours.ridge_cv(*arguments), rounds=7)
        found = model.cv_scores_
    else:
        run, arguments = RIVALS[rival], (H, Y, case.lengths, case.fold, case.w, case.alphas)
        slow = size == "middle" and rival != "NumPy"
        rounds, warmup = (1, 0) if slow else (5, 1)
        found = measure(f"ridge CV, {size}", rival, lambda: run(*arguments), rounds=rounds, warmup=warmup)
        if rival == "himalaya":  # says only each target's best
            expected = expected.max(axis=0)
        else:
            found = found.mean(axis=0)
    assert np.abs(found - expected).max() < SCORE_TOLERANCE
    if size == "middle" and rival in ("heschl", "NumPy"):
        tiny = MIDDLE.quick()
        rest = (tiny.lengths, tiny.n_folds if rival == "heschl" else tiny.fold, tiny.w, tiny.alphas)
        note_memory(ours.ridge_cv if rival == "heschl" else RIVALS[rival], arguments, (*tiny.data(), *rest))


def test_mtrf(measure: Any, sized: Any) -> None:
    """mTRFpy draws its own folds and reports r per trial: both are asserted by its own definitions, in float64."""
    case, seed = sized(SMALL), 0
    H, Y = case.data()
    model, r = measure(
        "ridge CV, small", "mTRFpy",
        lambda: ridge.mtrf_cv(H, Y, case.lengths, case.n_folds, case.w, case.alphas, seed), rounds=3,
    )  # fmt: skip
    folds = ridge.mtrf_folds(case.n_segments, case.n_folds, seed)
    np.testing.assert_allclose(
        r, ridge.numpy_trial_r(H, Y, case.lengths, folds, case.w, case.alphas), rtol=1e-7, atol=1e-9
    )
    # The final model's λ in scikit-learn's scale; heschl and the normal equations give the same weights there.
    alpha = float(model.regularization) * ridge.MTRF_RATE * case.n_segments
    W, intercept = ridge.numpy_ridge(H, Y, case.lengths, case.w, alpha)
    weights = model.weights.transpose(1, 0, 2) / ridge.MTRF_RATE
    np.testing.assert_allclose(weights, W, rtol=1e-7, atol=1e-9 * np.abs(W).max())
    np.testing.assert_allclose(model.bias[0] / ridge.MTRF_RATE, intercept, rtol=1e-7, atol=1e-9)
    ours_at = ours.ridge_cv(H, Y, case.lengths, case.n_folds, case.w, np.array([alpha]))
    np.testing.assert_allclose(ours_at.coef_.transpose(2, 1, 0), W, rtol=1e-7, atol=1e-9 * np.abs(W).max())


def test_fixed_cost(measure: Any) -> None:
    """A fit of next to nothing: what every call costs, checks and folds included."""
    H, Y = TINY.data()
    model = measure(
        "fixed cost of a fit", "heschl",
        lambda: ours.ridge_cv(H, Y, TINY.lengths, TINY.n_folds, TINY.w, TINY.alphas), rounds=200, warmup=20,
    )  # fmt: skip
    assert np.abs(model.cv_scores_ - expected_scores(TINY)).max() < 1e-10
