"""Many λ solved together: the solutions, scores and refusals of one after the other, in fewer launches and waits."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from heschl import LaggedRidge, LaggedRidgeCV
from heschl.checks import InputError
from heschl.linear.device import cuda
from heschl.linear.device.cuda import CUDA, Device
from heschl.linear.ridge import primal
from heschl.linear.ridge.normal import NormalEquations, PrecisionError
from heschl.linear.ridge.primal import Primal
from linear.ridge.test_krylov import penalties, world
from tolerances import COEFFICIENTS, R2, worst


def problem(p: int, c: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(p)
    X = rng.standard_normal((2 * p + 5, p))
    return (X.T @ X).astype(dtype), rng.standard_normal((p, c)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("p", "c"), [(1, 1), (8, 3), (21, 5), (40, 1)])  # one block, whole ones, and parts of one
def test_solutions_are_those_of_one_after_the_other(device: Device, p: int, c: int, dtype: str) -> None:
    G, R = problem(p, c, dtype)
    alphas, b = np.array([1e-1, 3.0, 1e4]), device
    there, right = b.put(np.tril(G) + np.triu(np.full_like(G, np.nan), 1)), b.put(R)
    found = b.empty((p, 3 * c), dtype)
    diagonal = b.diagonal(there)
    b.kernels.ridge_path(there, diagonal, alphas.tolist(), right, found)
    exact = [np.linalg.solve(G.astype(float) + alpha * np.eye(p), R.astype(float)) for alpha in alphas]
    assert worst(b.get(found), np.hstack(exact)) < COEFFICIENTS[dtype]
    np.testing.assert_array_equal(b.get(there), np.tril(G) + np.tril(G, -1).T)  # whole, and as it was
    targets = list(range(min(c, 2)))
    residuals = b.kernels.path_residuals(there, diagonal, alphas.tolist(), right, found, targets)
    for a, alpha in enumerate(alphas):
        own = b.copy(b.part(found, slice(None), slice(a * c, (a + 1) * c)))
        same = [alpha] * len(targets)
        one = b.kernels.ridge_residual(there, diagonal, same, right, own, np.array(targets), b.handle())
        assert residuals[a] == pytest.approx(one, rel=1e-6, abs=1e-12)


def test_a_matrix_that_is_not_definite_spoils_no_other(device: Device) -> None:
    G, R = problem(20, 2, "float64")
    G -= 30.0 * np.eye(20)
    values = np.linalg.eigvalsh(G)
    alphas, b = [-values[0] + 1.0, -values[3], 100.0], device
    there, right, found = b.put(G), b.put(R), b.empty((20, 6), "float64")
    b.kernels.ridge_path(there, b.diagonal(there), alphas, right, found)
    whole = np.isfinite(b.get(found)).all(axis=0)
    assert whole.tolist() == [True] * 2 + [False] * 2 + [True] * 2
    assert worst(b.get(found)[:, 4:], np.linalg.solve(G + 100.0 * np.eye(20), R)) < COEFFICIENTS["float64"]
    residuals = b.kernels.path_residuals(there, b.diagonal(there), alphas, right, found, [0, 1])
    assert np.isnan(residuals).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("function", "skipped"),
    [("cublasDgemmStridedBatched_64", 3), ("cudaGetLastError", 6), ("cudaMallocFromPoolAsync", 2)],
)
def test_a_call_that_fails(device: Device, function: str, skipped: int) -> None:
    if not device.module.emulated:
        pytest.skip("a GPU does not fail on demand")
    G, R = problem(20, 2, "float64")
    there, right, found = device.put(G), device.put(R), device.empty((20, 4), "float64")
    diagonal = device.diagonal(there)
    before = device.module.alive()
    device.module.fail(function, 700, skipped)
    with pytest.raises(RuntimeError, match=r"failed|an emulated failure"):
        device.kernels.ridge_path(there, diagonal, [1.0, 2.0], right, found)
    assert device.module.alive() == before


def fit(device: str, dtype: str, **how: Any) -> LaggedRidgeCV:
    H, Y, lengths = world("smooth")
    settings: dict[str, Any] = {"cv": 3, "solver": "cholesky", "alphas": penalties(H, 6, -3.0, 3.0)} | how
    model = LaggedRidgeCV(range(-1, 3), device=device, dtype=dtype, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(H.astype(dtype), Y.astype(dtype), segments=lengths)


@pytest.mark.parametrize("how", [{}, {"standardize": True}, {"scoring": "r"}, {"nested": True}])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fits_are_the_hosts(dtype: str, how: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    original = primal.solve_path

    def counted(equations: NormalEquations, alphas: np.ndarray) -> Any:
        calls.append(len(alphas))
        return original(equations, alphas)

    monkeypatch.setattr(primal, "solve_path", counted)
    there, here = fit("cuda", dtype, **how), fit("cpu", "float64", **how)
    assert max(calls) == 6 or (how.get("scoring") == "r" and max(calls) > 1)  # there the final weights alone
    assert worst(there.cv_scores_, here.cv_scores_) < R2[dtype]
    assert (there.alpha_ == here.alpha_).all() and worst(there.coef_, here.coef_) < COEFFICIENTS[dtype]


def test_in_fewer_launches_and_waits(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    if not device.module.emulated:
        pytest.skip("launches are counted on the emulation")

    def counts(n_alphas: int) -> np.ndarray:
        H, *_ = world("smooth")
        device.module.counts()
        fit("cuda", "float32", alphas=penalties(H, n_alphas, -3.0, 3.0))
        return np.array(device.module.counts())

    few = counts(4)
    together = counts(12) - few
    assert together[1] == 0 and few[1] <= 25  # of three folds and all of them, however many λ
    monkeypatch.setattr(cuda, "CUDA", replace(CUDA, path_columns=0))
    one_by_one = counts(12) - counts(4)
    assert (together * 3 < one_by_one).all(), (together, one_by_one)


def test_within_the_memory_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(primal, "PATH_BYTES", 2 * 60_000)
    original = Primal.alphas_at_once.fget
    assert original is not None
    monkeypatch.setattr(Primal, "alphas_at_once", property(lambda self: seen.append(original(self)) or seen[-1]))
    there, here = fit("cuda", "float32"), fit("cpu", "float64")
    assert set(seen) == {2} or max(seen) < 6
    assert worst(there.coef_, here.coef_) < COEFFICIENTS["float32"]


def test_what_cannot_be_solved_is_said() -> None:
    H = np.ones((60, 2)) * np.random.default_rng(0).standard_normal((60, 1))  # one feature twice
    with pytest.raises(InputError, match=r"alpha: found .*singular"):
        LaggedRidgeCV(range(2), alphas=[1e-300, 1.0], cv=3, solver="cholesky", device="cuda", dtype="float64").fit(
            H, H[:, :1], segments=[20] * 3
        )
    model = LaggedRidge(1e-12, range(2), solver="cholesky", device="cuda").fit(H.astype("float32"), H[:, :1])
    assert model.dtype_ == "float64" and issubclass(PrecisionError, ArithmeticError)
