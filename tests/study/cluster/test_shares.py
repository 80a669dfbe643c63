"""A fit that several machines make in shares is the fit of one, to the last bit."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from heschl.linear import NestedScores, nested_cv, nested_cv_learned
from heschl.linear.ridge.normal import PrecisionError
from heschl.study.cluster.cuts import Node, in_shares
from heschl.study.cluster.shares import Known, Place, Share, gone_through
from heschl.study.cluster.worker import threads

SEGMENTS, FOLDS = [40] * 12, np.arange(12) % 4


def problem(dtype: Any = np.float32) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((480, 6)).cumsum(axis=0) / 5
    y = X[:, :3] + rng.standard_normal((480, 3))
    return X.astype(dtype), y.astype(dtype)


def by_shares(work: Callable[[], object]) -> int:
    """Do work as a cluster would: part by part, each in its own pass over the whole; return the number of passes."""
    passes = 0

    def computed(node: Node) -> Share | None:
        nonlocal passes
        while True:
            passes += 1
            counts, shares = node.known()
            found = gone_through(work, Known(counts, pickle.loads(pickle.dumps(shares))), node.place)
            if not isinstance(found, int):
                return found
            step: list[Any] = [None] * found
            node.steps.append(step)
            for i in range(found):
                place: Place = (*node.place, (len(node.steps) - 1, i))
                step[i] = computed(Node(place, node, lambda _: None, 0.0))

    assert computed(Node((), None, lambda _: None, 0.0)) is None
    return passes


def assert_same(found: NestedScores, expected: NestedScores) -> None:
    for field in fields(NestedScores):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if field.name == "sums":
            for sums in fields(one):
                np.testing.assert_array_equal(getattr(one, sums.name), getattr(other, sums.name))
        else:
            np.testing.assert_array_equal(one, other, err_msg=field.name)


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(
    "how", [{}, {"solver": "krylov"}, {"solver": "dual"}, {"solver": "eigh", "scoring": "r"}, {"missing": "mask"}]
)  # fmt: skip
def test_nested_cross_validation(how: dict[str, Any], n_threads: int) -> None:
    X, y = problem()
    if how.get("missing"):
        y[50:60, 0] = np.nan
    made: list[NestedScores] = []

    def work() -> None:
        grid = {"lags": range(4), "alphas": [1.0, 1e2, 1e4]}
        made.append(nested_cv(X, y, segments=SEGMENTS, folds=FOLDS, **grid, **how))

    with threads(n_threads):
        work()
        passes = by_shares(work)
    assert_same(made[1], made[0])
    moments = 0 if how.get("solver") == "dual" else len(FOLDS[:4])
    passes_of_one_problem = sum(count + 1 for count in (moments, 6, 4) if count) + 1
    assert passes == passes_of_one_problem or (how.get("missing") and passes > passes_of_one_problem)


def test_features_learned_in_each_training_set() -> None:
    X, y = problem()
    made: list[dict[str, NestedScores]] = []

    def learn(k: int, train: Any) -> dict[str, Callable[[], Any]]:
        v = np.linalg.svd(X[train], full_matrices=False)[2]
        return {"two": lambda: X @ v[:2].T, "three": lambda: X @ v[:3].T}

    def work() -> None:
        how: dict[str, Any] = {"lags": range(3), "alphas": [1.0, 1e3], "over_time_course": True}
        made.append(nested_cv_learned(learn, y, segments=SEGMENTS, folds=FOLDS, **how))

    with threads(1):
        work()
        by_shares(work)
    for name in ("two", "three"):
        assert_same(made[1][name], made[0][name])


def test_a_share_for_which_float32_is_too_coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole fit is one in float64, as on one machine."""
    from heschl.linear.ridge.primal import Primal

    X, y = problem()
    made: list[NestedScores] = []
    original = Primal.train

    def coarse(self: Primal, parts: Any, scratch: Any) -> Any:
        if self.problem.y.dtype == np.float32 and list(parts) == [0, 3]:
            raise PrecisionError("too coarse")
        return original(self, parts, scratch)

    monkeypatch.setattr(Primal, "train", coarse)

    def work() -> None:
        made.append(nested_cv(X, y, segments=SEGMENTS, folds=FOLDS, lags=range(4), alphas=[1.0], solver="cholesky"))

    with threads(1):
        work()
        by_shares(work)
    assert made[0].dtype == "float64"
    assert_same(made[1], made[0])


def test_which_pieces_are_made_in_shares() -> None:
    assert in_shares(1300.0, 60 * 1300.0, 64)
    assert not in_shares(1300.0, 60 * 1300.0, 4)  # many pieces for each worker
    assert not in_shares(1300.0, 1300.0, 1) and not in_shares(1.0, 1.0, 64)
