"""Ridge CV with more columns than frames."""

from __future__ import annotations

from typing import Any

import numpy as np
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


@pytest.mark.parametrize("rival", RIVALS)
def test_dual(measure: Any, sized: Any, rival: str) -> None:
    case = sized(DUAL)
    H, Y = case.data()
    run, expected = RIVALS[rival], expected_scores(case)
    arguments = (H, Y, case.lengths, case.fold, case.w, case.alphas)
    rounds, warmup = (1, 0) if rival == "himalaya" else (3, 1)
    found = measure("dual", rival, lambda: run(*arguments), rounds=rounds, warmup=warmup)
    if rival == "himalaya":  # says only each target's best
        expected = expected.max(axis=0)
    else:
        found = found.mean(axis=0)
    assert np.abs(found - expected).max() < SCORE_TOLERANCE
