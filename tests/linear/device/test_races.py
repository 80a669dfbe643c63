"""Threads of the core and of Python: results do not depend on their number.

CI runs this file on a core built with ThreadSanitizer, too, which ends the run at the first race it sees.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from heschl import LaggedRidgeCV, lagged_design
from heschl.linear import CCA, FeatureSpaces, LaggedMoments, Repeated
from heschl.linear.device import threads
from linear.problems import make
from tolerances import THREADS, worst

pytestmark = pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")


class Pool:
    """A pool of BLAS threads as heschl asks it, without BLAS: it may count what this machine does not have."""

    def __init__(self, count: int) -> None:
        self.num_threads = count

    def set_num_threads(self, count: int) -> None:
        pass


@pytest.fixture
def with_threads(monkeypatch: pytest.MonkeyPatch) -> Any:
    def use(count: int) -> None:
        monkeypatch.setattr(threads, "_pools", lambda: (Pool(count),))

    return use


def data(dtype: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]]:
    problem = make(0, [150, 1, 149, 140, 160, 90, 110], 64, 130, range(16), dtype)
    return problem.H, problem.Y, problem.lengths


@pytest.mark.parametrize(
    ("solver", "dtype", "params"),
    [
        ("cholesky", "float32", {"standardize": True}),
        ("cholesky", "float64", {"scoring": "r", "lags": range(2)}),
        ("cholesky", "float64", {"cv": 7, "lags": range(4)}),
        ("eigh", "float64", {"lags": range(4)}),
        ("dual", "float32", {"standardize": True}),
        ("dual", "float64", {"boundary": "cross"}),
        ("krylov", "float32", {"alphas": [1e3, 1e5], "lags": range(8)}),
    ],
)
def test_fits(solver: str, dtype: str, params: dict[str, Any], with_threads: Any) -> None:
    H, Y, lengths = data(dtype)
    given = {"lags": range(16), "alphas": [10.0, 1e3], "cv": 3, "dtype": dtype, **params}
    found = []
    for count in (1, 4):
        with_threads(count)
        model = LaggedRidgeCV(solver=solver, **given).fit(H, Y, segments=lengths)
        found.append((model.cv_scores_, model.predict(H, segments=lengths)))
    assert model.solver_ == solver
    for one, four in zip(*found, strict=True):
        assert worst(np.nan_to_num(four), np.nan_to_num(one)) < THREADS[model.dtype_]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_moments(dtype: str, with_threads: Any) -> None:
    """By lag, by frequency, of words and of spaces side by side."""
    H, Y, lengths = data(dtype)
    words = Repeated(H[:300, :20], np.r_[np.full(299, 2), len(H) - 598])
    for X, lags in (
        (H, range(2)),
        (H, range(-20, 21)),
        (words, range(6)),
        (FeatureSpaces({"a": words, "b": H}), range(4)),
    ):
        found = []
        for count in (1, 4):
            with_threads(count)
            found.append(LaggedMoments.from_data(X, Y, segments=lengths, lags=lags))
        for name in ("first_column", "cross", "pair_sums", "target_sums", "totals", "leaving"):
            assert worst(getattr(found[1], name), getattr(found[0], name)) < THREADS[dtype], name


def test_the_design_and_cca(with_threads: Any) -> None:
    H, Y, lengths = data("float64")
    found = []
    for count in (1, 4):
        with_threads(count)
        found.append((lagged_design(H, range(16), segments=lengths), CCA(3).fit(H, Y).correlations_))
    np.testing.assert_array_equal(found[1][0], found[0][0])
    assert worst(found[1][1], found[0][1]) < THREADS["float64"]
