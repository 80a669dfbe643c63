"""Ridge CV with more columns than frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import ours
import pytest
from baselines import dual
from problems import DUAL, SCORE_TOLERANCE, Case

RIVALS = {"NumPy, kernel of the design": dual.numpy_dual_cv, "himalaya": dual.himalaya_kernel_ridge_cv}
EXPECTED: dict[Case, Any] = {}


def expected_scores(case: Case) -> Any:
    """Mean over folds of R² for every λ and target, in float64."""
    if case not in EXPECTED:
        H, Y = (array.astype(np.float64) for array in case.data())
        EXPECTED[case] = dual.numpy_dual_cv(H, Y, case.lengths, case.fold, case.w, case.alphas).mean(0)
    return EXPECTED[case]


@pytest.mark.parametrize("rival", ["heschl", *RIVALS])
def test_dual(measure: Any, sized: Any, rival: str) -> None:
    case = sized(DUAL)
    H, Y = case.data()
    expected = expected_scores(case)
    arguments = (H, Y, case.lengths, case.fold, case.w, case.alphas)
    rounds, warmup = (1, 0) if rival == "himalaya" else (3, 1)
    if rival == "heschl":
        given = (H, Y, case.lengths, case.n_folds, case.w, case.alphas)
        model = measure("dual", rival, lambda: ours.ridge_cv(*given), rounds=rounds, warmup=warmup)
        assert np.abs(model.cv_scores_ - expected).max() < SCORE_TOLERANCE
        return
    run = RIVALS[rival]
    found = measure("dual", rival, lambda: run(*arguments), rounds=rounds, warmup=warmup)
    if rival == "himalaya":  # says only each target's best
        expected = expected.max(axis=0)
    else:
        found = found.mean(axis=0)
    assert np.abs(found - expected).max() < SCORE_TOLERANCE
