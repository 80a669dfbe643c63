"""What a path by Krylov spaces costs, by count: hardly more than the cheaper of spaces alone and factoring alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from heschl.linear.design.frames import Frames
from heschl.linear.ridge import krylov, price
from heschl.linear.ridge.krylov import Krylov
from heschl.linear.ridge.price import Price
from heschl.linear.ridge.problem import Problem

Array = NDArray[Any]
N_LAGS, N_FEATURES, N_ALPHAS = 8, 40, 8
MOST = 1.3
TOL = 3e-4  # as float32 is solved to; in float64, for some of these worlds are more than float32 carries


def problem(c: int, decay: float, strength: float) -> tuple[Problem, list[Array]]:
    """Features whose standard deviation falls as rank^-decay, and c responses of one R²."""
    rng = np.random.default_rng(0)
    n = 1500
    H = rng.standard_normal((n, N_FEATURES)) * np.arange(1.0, N_FEATURES + 1) ** -decay
    H = H @ rng.standard_normal((N_FEATURES, N_FEATURES))
    for t in range(1, n):
        H[t] += 0.7 * H[t - 1]
    H /= H.std(axis=0)
    Y = sum(np.roll(H @ rng.standard_normal((N_FEATURES, c)), lag, axis=0) for lag in (0, 2, 5))
    Y = Y / Y.std(axis=0) * strength**0.5 + rng.standard_normal((n, c)) * (1.0 - strength) ** 0.5
    edges = np.linspace(0, n, 21).astype(np.int64)
    bounds = np.stack([edges[:-1], edges[1:]], axis=1)
    return Problem(Frames.of(H), Y, range(N_LAGS), tol=TOL), [bounds[:16], bounds[16:]]


def operations(solved: Problem, parts: list[Array], monkeypatch: pytest.MonkeyPatch) -> float:
    """Count the operations of a path: of all steps, and of each λ that is factored for."""
    total = 0.0
    spend, solve = Price.spend, krylov.solve

    def spending(self: Price, growth: Any) -> None:
        nonlocal total
        total += self._next(growth)
        spend(self, growth)

    def solving(equations: Any, alpha: float, targets: Array) -> Any:
        nonlocal total
        p = len(equations.cross)
        total += price.factoring_operations(1, p) + 2.0 * p * p * len(targets)
        return solve(equations, alpha, targets)

    with monkeypatch.context() as patched:
        patched.setattr(Price, "spend", spending)
        patched.setattr(krylov, "solve", solving)
        family = Krylov(solved, parts)
        family.train([0], family.scratch()).errors(float(len(solved.y)) * np.logspace(-4, 2, N_ALPHAS), [[1]])
    return total


@pytest.mark.parametrize("c", [1, 12, 320])
@pytest.mark.parametrize("decay", [0.0, 0.7, 2.0])
@pytest.mark.parametrize("strength", [0.0, 0.5, 0.99])
def test_the_price_is_bounded(c: int, decay: float, strength: float, monkeypatch: pytest.MonkeyPatch) -> None:
    for least in ("STEP_LEAST", "SYSTEM_LEAST", "NARROW"):  # as in a problem so large that these do not count
        monkeypatch.setattr(price, least, 0.0)
    monkeypatch.setattr(krylov, "AT_ONCE", 0.0)
    solved, parts = problem(c, decay, strength)
    found = operations(solved, parts, monkeypatch)
    with monkeypatch.context() as patched:
        patched.setattr(Price, "too_dear", lambda *_: False)
        alone = operations(solved, parts, monkeypatch)
    p = solved.n_columns
    factored = N_ALPHAS * (price.factoring_operations(1, p) + 2.0 * p * p * c)
    assert 0.0 < found <= MOST * min(alone, factored)
