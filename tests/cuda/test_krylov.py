"""Krylov spaces on the device: the host's algorithm on other arrays, so the host's laws, and its results."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.linalg import qr

from heschl import BandedRidgeCV, LaggedRidge, LaggedRidgeCV
from heschl.linear import nested_cv, nested_cv_learned, reference
from heschl.linear.device.cuda import Device
from heschl.linear.device.host import HOST
from heschl.linear.ridge import krylov, lanczos
from heschl.linear.ridge.collected import PathErrors
from heschl.linear.ridge.growth import Growth
from heschl.linear.ridge.krylov import KrylovTrained
from heschl.linear.ridge.lanczos import BlockLanczos, orthonormal_columns
from heschl.linear.ridge.price import Price, krylov_bytes, krylov_operations
from heschl.linear.ridge.shifted import Shifted, errors, residuals
from heschl.linear.ridge.size import FitSize
from heschl.linear.ridge.solvers import SOLVERS, choose_solver
from linear.ridge.test_krylov import assert_as_exact, penalties, world
from tolerances import COEFFICIENTS, KERNEL, KRYLOV_R2, worst


@pytest.fixture
def never_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Problems of a test's size would be factored: here they are not, until their space is complete."""
    monkeypatch.setattr(Price, "too_dear", lambda *_: False)
    monkeypatch.setattr(krylov, "AT_ONCE", 0.0)


def path(device: str, dtype: str, solver: str = "krylov", kind: str = "smooth", **how: Any) -> LaggedRidgeCV:
    H, Y, lengths = world(kind)
    model = LaggedRidgeCV(range(-1, 4), alphas=penalties(H, 8, -4.0, 3.0), cv=3, **how)
    model.set_params(solver=solver, device=device, dtype=dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(H.astype(dtype), Y.astype(dtype), segments=lengths)


@pytest.mark.usefixtures("never_factor")
@pytest.mark.parametrize("small_block", [0, 128])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_paths_are_the_hosts(dtype: str, small_block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(krylov, "SMALL_BLOCK", small_block)
    there = path("cuda", dtype)
    assert there.solver_ == "krylov" and there.dtype_ == dtype and there.n_steps_ > 1
    exact = path("cpu", "float64", "cholesky")
    assert_as_exact(there, exact, exact.alphas, dtype, KRYLOV_R2[dtype])
    here = path("cpu", dtype)
    assert abs(there.n_steps_ - here.n_steps_) <= 1
    assert worst(there.coef_, here.coef_) < COEFFICIENTS[dtype]


@pytest.mark.usefixtures("never_factor")
@pytest.mark.parametrize("small_block", [0, 128])
def test_waits_for_the_device(device: Device, small_block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many λ are followed: one for a step, three for their systems where these lie there, one for scores."""
    if not device.module.emulated:
        pytest.skip("waits are counted on the emulation")
    monkeypatch.setattr(krylov, "SMALL_BLOCK", small_block)
    seen: dict[str, list[int]] = {}
    elsewhere = 0

    def count(owner: type, name: str) -> None:
        original = getattr(owner, name)

        def counted(*args: Any) -> Any:
            nonlocal elsewhere
            elsewhere += device.module.counts()[1]
            found = original(*args)
            seen.setdefault(name, []).append(device.module.counts()[1])
            return found

        monkeypatch.setattr(owner, name, counted)

    for owner, name in (BlockLanczos, "step"), (Growth, "converged"), (PathErrors, "take"), (KrylovTrained, "_confirm"):
        count(owner, name)
    device.module.counts()
    assert path("cuda", "float32").dtype_ == "float32"
    elsewhere += device.module.counts()[1]
    assert {name: max(waits) for name, waits in seen.items()} == {
        "step": 1, "converged": 0 if small_block else 3, "take": 1, "_confirm": 1
    }  # fmt: skip
    assert elsewhere <= 45  # three folds, their moments, and all of them


@pytest.mark.usefixtures("never_factor")
def test_silent_columns_and_other_readings() -> None:
    """Constant features, z-scores, correlations as scores: each reads sums that the device brings."""
    for how in ({"kind": "constant", "standardize": True}, {"scoring": "r"}):
        exact, there = path("cpu", "float64", "cholesky", **how), path("cuda", "float64", **how)
        assert_as_exact(there, exact, exact.alphas, "float64")


def test_what_is_too_dear_is_factored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Price, "too_dear", lambda self, growth, *_: growth.space.n_steps >= 2)
    monkeypatch.setattr(krylov, "AT_ONCE", 0.0)
    exact, there = path("cpu", "float64", "cholesky", "flat"), path("cuda", "float64", kind="flat")
    assert there.n_steps_ == 2
    assert_as_exact(there, exact, exact.alphas, "float64")


@pytest.mark.usefixtures("never_factor")
def test_weights_bands_and_nested_folds() -> None:
    H, Y, lengths = world("smooth", c=5, d=6)
    how: dict[str, Any] = {"alphas": penalties(H, 5, -3.0, 2.0), "lags": range(3), "solver": "krylov"}
    alpha = float(how["alphas"][2])
    found, exact = (
        LaggedRidge(alpha, range(3), solver=s, device=d).fit(H, Y, segments=lengths).coef_
        for s, d in (("krylov", "cuda"), ("cholesky", "cpu"))
    )
    assert worst(found, exact) < COEFFICIENTS["float64"]
    folds = np.arange(len(lengths)) % 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for fit in (
            lambda d: BandedRidgeCV({"a": slice(2), "b": slice(2, 6)}, **how, cv=3, n_iter=3, device=d, random_state=0)
            .fit(H, Y, segments=lengths).cv_scores_,
            lambda d: nested_cv(H, Y, **how, segments=lengths, folds=folds, device=d).r2,
            lambda d: nested_cv_learned(
                lambda k, train: {"same": lambda: H}, Y, **how, segments=lengths, folds=folds, device=d
            )["same"].r2,
        ):  # fmt: skip
            np.testing.assert_allclose(fit("cuda"), fit("cpu"), atol=2 * KRYLOV_R2["float64"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_columns_are_orthonormalised(device: Device, dtype: str) -> None:
    """Of full rank, dependent, silent, and of sizes that products of columns of their own type do not tell apart."""
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((60, 12))
    Z[:, 3], Z[:, 7], Z[:, 9] = Z[:, 2], 0.0, Z[:, 0] - 2.0 * Z[:, 1]
    Z[:, 10] = Z[:, 4] + (1e-9 if dtype == "float64" else 1e-4) * Z[:, 10]  # in sight of float's own rounding
    Z = Z.astype(dtype)
    least = float(np.finfo(dtype).eps) * np.linalg.norm(Z, 2)
    there, R = orthonormal_columns(device.put(Z), least)
    V = device.get(there).astype(float)
    assert worst(V.T @ V, np.eye(V.shape[1]), 1.0) < KERNEL[dtype]
    assert worst(V @ R, Z.astype(float)) < KERNEL[dtype]
    expected = orthonormal_columns(Z, least)[0].astype(float)
    assert V.shape[1] >= 9 and abs(V.shape[1] - expected.shape[1]) <= 2
    new = np.abs(qr(Z.astype(float), mode="economic", pivoting=True)[1].diagonal()) > 10 * least
    assert np.linalg.matrix_rank(np.c_[V, expected], tol=1e-3) == new.sum() or V.shape[1] >= new.sum()


@pytest.mark.parametrize("on_device", [False, True])
def test_a_space_and_its_systems(device: Device, on_device: bool) -> None:
    rng = np.random.default_rng(1)
    A = rng.standard_normal((90, 40)) * np.arange(1.0, 41) ** -1.0
    G, B = A.T @ A, rng.standard_normal((40, 3))
    B /= np.linalg.norm(B, axis=0)
    there = device.put(G)
    space = BlockLanczos(lambda V: device.multiply(there, V), device.put(B), device if on_device else HOST)
    systems = [Shifted(alpha, space.first) for alpha in (10.0, 1e-1)]
    for step in range(4):
        space.step()
        for system in systems:
            system.advance(space.diagonal[-1], space.below[-1])
        exact = reference.krylov_ridge(G, B, np.array([10.0, 1e-1]), step + 1)
        for system, twin in zip(systems, exact, strict=True):
            values = system.solution(space.below, np.arange(3))
            W = device.get(space.combine(values if on_device else device.put(values)))
            assert worst(W, twin) < 1e4 * KERNEL["float64"]
            R = B - G @ W - system.alpha * W
            assert worst(residuals([system])[0], np.linalg.norm(R, axis=0), 1.0) < 10 * KERNEL["float64"]
            left = np.sqrt(np.einsum("pc,pc->c", R, np.linalg.solve(G + system.alpha * np.eye(40), R)))
            assert (errors([system], systems[-1])[0] > left * (1.0 - 1e-3) - KERNEL["float64"]).all()


@pytest.mark.parametrize("on_device", [False, True])
def test_a_penalty_too_small_fails_alone(device: Device, on_device: bool) -> None:
    """T + λI is not definite at one λ: seen when residuals are read, whatever was eliminated since, and of no other."""
    small = device if on_device else HOST
    first, below = small.put(np.eye(3)), small.put(np.eye(3))
    systems = [Shifted(alpha, first) for alpha in (10.0, 1.0)]
    for system in systems:
        for diagonal in (np.eye(3), np.diag([1.0, -2.0, 3.0]), np.eye(3)):
            system.advance(small.put(diagonal), below)
    assert np.isfinite(residuals(systems)[0]).all()
    assert [system.failed for system in systems] == [False, True]
    assert np.isfinite(errors(systems[:1], systems[0])[0]).all()


def test_norms_of_large_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    A = np.random.default_rng(2).standard_normal((60, 20))
    exact = lanczos._norm(A.T @ A)
    monkeypatch.setattr(lanczos, "NORMED", 5)
    assert 0.9 * exact < lanczos._norm(A.T @ A) <= exact * (1 + 1e-12)


def test_counts_choose() -> None:
    """Layers of the paper by spaces; what has few columns, and takes a card milliseconds either way, by factoring."""
    speech = FitSize(58_943, 58_943, 768, 20, 822, 10, 5, 599, 6, False, 4, "cuda")
    for size in (speech, replace(speech, n_features=1600), replace(speech, n_targets=64)):
        assert choose_solver(size, "auto", 100e9) == (SOLVERS["krylov"], size.n_targets)
        assert SOLVERS["cholesky"].operations(size) > 2 * krylov_operations(size)
        assert krylov_bytes(size) < 60e9
    assert choose_solver(replace(speech, n_features=5), "auto", 100e9)[0].name != "krylov"
    # A card with less memory takes fewer targets at a time.
    assert choose_solver(speech, "krylov", 0.9 * krylov_bytes(speech))[1] < 822
