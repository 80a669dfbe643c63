"""The estimators' own suites once more, with the device as their default."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import partial
from types import ModuleType
from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import linear.cca.test_cca
import linear.cca.test_parts
import linear.crossval.test_joined
import linear.crossval.test_nested
import linear.design.test_word_rate
import linear.estimators.test_banded
import linear.estimators.test_ridge
import linear.estimators.test_sklearn
import linear.estimators.test_variance
import linear.moments.test_masks
import linear.nulls.test_refitted
import linear.nulls.test_shifted
import linear.ridge.test_hard_data
from heschl import CCA, BandedRidgeCV, LaggedRidge, LaggedRidgeCV, cca_grid
from heschl.linear import (
    exchange_test,
    joined_cv,
    nested_cv,
    nested_cv_learned,
    null_refit,
    null_scores,
    permutation_test,
)
from linear.estimators.test_sklearn import expected_failures

SUITES = [
    linear.cca.test_cca,
    linear.cca.test_parts,
    linear.crossval.test_joined,
    linear.crossval.test_nested,
    linear.design.test_word_rate,
    linear.estimators.test_banded,
    linear.estimators.test_ridge,
    linear.estimators.test_sklearn,
    linear.estimators.test_variance,
    linear.moments.test_masks,
    linear.nulls.test_refitted,
    linear.nulls.test_shifted,
    linear.ridge.test_hard_data,
]


def on_cuda(estimator: type) -> type:
    """The same class with another default."""

    class OnCuda(estimator):  # type: ignore[misc]
        def __init__(self, *args: Any, **how: Any) -> None:
            super().__init__(*args, **{"device": "cuda", **how})

    OnCuda.__init__.__signature__ = inspect.signature(estimator.__init__)  # type: ignore[attr-defined]
    OnCuda.__name__ = estimator.__name__
    return OnCuda


DEFAULTS = {kind.__name__: on_cuda(kind) for kind in (CCA, BandedRidgeCV, LaggedRidge, LaggedRidgeCV)} | {
    "cca_grid": partial(cca_grid, device="cuda"),
    "nested_cv": partial(nested_cv, device="cuda"),
    "nested_cv_learned": partial(nested_cv_learned, device="cuda"),
    "joined_cv": partial(joined_cv, device="cuda"),
    "null_scores": partial(null_scores, device="cuda"),
    "null_refit": partial(null_refit, device="cuda"),
    "exchange_test": partial(exchange_test, device="cuda"),
    "permutation_test": partial(permutation_test, device="cuda"),
}
# Words of tests that ask for what only the CPU has, or for what a class made here lacks; conformance is below.
CPU_ONLY = ("pickle", "get_params", "test_scikit_learn_conformance")


def cases_of(suite: ModuleType) -> dict[str, Any]:
    prefix = f"test_{suite.__name__.rpartition('test_')[2]}__"
    found = {}
    for name, value in vars(suite).items():
        if name.startswith("test_") and not any(word in inspect.getsource(value) for word in CPU_ONLY):
            found[prefix + name.removeprefix("test_")] = value
    return found


for _suite in SUITES:
    globals().update(cases_of(_suite))


@pytest.fixture(autouse=True)
def _defaults(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for suite in SUITES:
        for name, kind in DEFAULTS.items():
            if hasattr(suite, name):
                monkeypatch.setattr(suite, name, kind)
    yield


@parametrize_with_checks(
    [
        LaggedRidge(lags=(0,), device="cuda"),
        LaggedRidgeCV(device="cuda"),
        BandedRidgeCV(lags=(0,), standardize=True, device="cuda"),
    ],
    expected_failed_checks=expected_failures,
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_conformance(estimator: Any, check: Any) -> None:
    check(estimator)
