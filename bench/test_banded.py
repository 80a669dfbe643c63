"""Banded ridge: a λ per feature space, over given candidates."""

from __future__ import annotations

from typing import Any

import numpy as np
import ours
import pytest
from baselines import banded
from problems import BANDED, SCORE_TOLERANCE

GAMMAS = np.array([[0.5, 0.5], [0.1, 0.9], [0.9, 0.1]])
RIVALS = {"NumPy, a path per candidate": banded.numpy_banded_cv, "himalaya": banded.himalaya_banded_cv}


@pytest.mark.parametrize("rival", ["heschl", *RIVALS])
def test_banded(measure: Any, sized: Any, rival: str) -> None:
    """Two spaces, a quarter of the features in the first."""
    case = sized(BANDED)
    H, Y = case.data()
    space = (np.arange(case.d) >= case.d // 4).astype(np.int64)
    rest = (case.lengths, case.fold, case.w, space, GAMMAS, case.alphas)
    run = ours.banded_cv if rival == "heschl" else RIVALS[rival]
    found = measure("banded ridge CV", rival, lambda: run(H, Y, *rest), rounds=1, warmup=0)
    some = slice(0, 8)
    truth = banded.numpy_banded_cv(H.astype(np.float64), Y[:, some].astype(np.float64), *rest).max(1)
    found = found if rival == "himalaya" else found.max(1)
    assert np.abs(found[:, some] - truth).max() < SCORE_TOLERANCE
