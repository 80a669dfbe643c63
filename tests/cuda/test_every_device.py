"""A further device is one row: what takes a device by name takes it, and "auto" goes to it where that is done first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cuda.test_estimators import ALPHAS, PROBLEM
from heschl import CCA, BandedRidgeCV, LaggedRidge, LaggedRidgeCV, cca_grid
from heschl.linear import (
    exchange_test,
    joined_cv,
    nested_cv,
    nested_cv_learned,
    null_refit,
    null_scores,
    permutation_test,
    permuted_correlations,
)
from heschl.linear.device.cuda import CUDA
from heschl.linear.device.devices import DEVICES

H, Y = PROBLEM.H, PROBLEM.Y
EQUAL: dict[str, Any] = dict(segments=[len(H) // 9] * 9, folds=np.arange(9) % 3)
ROWS = slice(0, len(H) // 9 * 9)
LAGGED: dict[str, Any] = dict(lags=PROBLEM.lags, alphas=ALPHAS)
DRAWN: dict[str, Any] = dict(n_permutations=9, random_state=0)

WAYS: dict[str, Callable[[str], Any]] = {
    "LaggedRidge": lambda d: LaggedRidge(10.0, PROBLEM.lags, device=d).fit(H, Y).coef_,
    "LaggedRidgeCV": lambda d: LaggedRidgeCV(**LAGGED, device=d).fit(H, Y, segments=PROBLEM.lengths).coef_,
    "BandedRidgeCV": lambda d: BandedRidgeCV(**LAGGED, device=d).fit(H, Y, segments=PROBLEM.lengths).coef_,
    "CCA": lambda d: CCA(2, device=d).fit(H, Y).correlations_,
    "cca_grid": lambda d: cca_grid({"a": H}, {"b": Y}, n_components=2, device=d).values,
    "permuted_correlations": lambda d: permuted_correlations(CCA(2, device=d), H, Y, **DRAWN).null,
    "joined_cv": lambda d: joined_cv(H, Y, **LAGGED, device=d).r,
    "nested_cv": lambda d: nested_cv(H[ROWS], Y[ROWS], **EQUAL, **LAGGED, device=d).r2,
    "nested_cv_learned": lambda d: (
        nested_cv_learned(lambda k, train: {"same": lambda: H[ROWS]}, Y[ROWS], **EQUAL, **LAGGED, device=d)["same"].r2
    ),
    "null_refit": lambda d: (
        null_refit(H[ROWS], Y[ROWS], **EQUAL, lags=PROBLEM.lags, alphas=10.0, device=d, **DRAWN).null
    ),
    "null_scores": lambda d: null_scores(Y[ROWS], 0.3 * Y[ROWS] + H[ROWS, :1], **EQUAL, device=d, **DRAWN).null,
    "exchange_test": lambda d: exchange_test({"a": H[ROWS]}, Y[ROWS], **EQUAL, **LAGGED, device=d, **DRAWN)["a"].null,
    "permutation_test": lambda d: permutation_test(H[ROWS], Y[ROWS], **EQUAL, **LAGGED, device=d, **DRAWN).null,
}


@pytest.mark.filterwarnings("ignore")  # of few stimuli, and penalties at an end of the grid
@pytest.mark.parametrize("way", WAYS)
def test_a_row_is_enough(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def opening(tf32: bool, number: int) -> Any:
        opened.append(way)
        return CUDA.open(tf32, number)

    on_host, on_cuda = WAYS[way]("cpu"), WAYS[way]("cuda")
    np.testing.assert_allclose(on_cuda, on_host, atol=1e-7)
    monkeypatch.setitem(DEVICES, "twin", replace(CUDA, name="twin", open=opening))  # type: ignore[arg-type]
    np.testing.assert_array_equal(WAYS[way]("twin"), on_cuda)
    assert opened
    # Nothing is done sooner than on it: "auto" goes there. Where it pays not at all, "auto" stays.
    for start, times in ((-1e9, 1), (1e9, 0)):
        opened.clear()
        monkeypatch.setitem(DEVICES, "cuda", replace(CUDA, start=start, open=opening))  # type: ignore[arg-type]
        monkeypatch.delitem(DEVICES, "twin", raising=False)  # type: ignore[arg-type]
        found = WAYS[way]("auto")
        assert bool(opened) == bool(times), way
        np.testing.assert_array_equal(found, on_cuda if times else on_host)
