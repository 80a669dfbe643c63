"""Memory of the device: what is free goes back to it after a fit, and fits without number, or at once, take no more."""

from __future__ import annotations

import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from heschl import CCA, LaggedRidge, LaggedRidgeCV, cca_grid
from heschl.linear import null_scores
from heschl.linear.device.cuda import Device, cuda_backend
from linear.problems import make
from tolerances import COEFFICIENTS, worst

PROBLEM = make(0, [40, 25, 60, 30, 45, 50], 4, 3, range(-1, 5))


def _fit() -> None:
    H = np.random.default_rng(0).standard_normal((300, 20))
    LaggedRidge(1.0, range(5), device="cuda", solver="cholesky").fit(H, H[:, :3])


def _does_not_fit() -> None:
    H = np.random.default_rng(0).standard_normal((300, 20))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("heschl.linear.ridge.engine.choose_solver", lambda *_, **__: (_Broken, 3))
        with pytest.raises(MemoryError, match="asked for"):
            LaggedRidge(1.0, range(5), device="cuda", solver="cholesky").fit(H, H[:, :3])


class _Broken:
    """A solver that takes memory, and then more than there is."""

    name, all_at_once, operations = "broken", True, staticmethod(lambda _: 1e12)

    @staticmethod
    def build(*_: Any) -> Any:
        backend = cuda_backend()
        held = backend.zeros((1000, 1000), np.float64)
        return held, backend.empty((1 << 20, 1 << 20), np.float64)


def _predict() -> None:
    model = LaggedRidge(1.0, range(2), device="cpu").fit(PROBLEM.H, PROBLEM.Y)
    model.set_params(device="cuda").predict(np.tile(PROBLEM.H, (100, 1)))


def _cca() -> None:
    H = np.random.default_rng(0).standard_normal((2000, 8))
    CCA(2, device="cuda").fit(H, H[:, :4])
    cca_grid({"a": H}, {"b": H, "c": H[:, :4]}, n_components=2, device="cuda")


def _nulls() -> None:
    Y = np.random.default_rng(0).standard_normal((4000, 4))
    null_scores(Y, Y + 1.0, segments=[1000] * 4, folds=[0, 0, 1, 1], n_permutations=5, min_shift=10, device="cuda")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("work", [_fit, _does_not_fit, _predict, _cca, _nulls])
def test_memory_goes_back_to_the_device(device: Device, work: Callable[[], None]) -> None:
    """But for a little: as another pool of the device sees it."""
    other = cuda_backend(tf32=True)
    gc.collect()
    device.context.synchronize()
    before = other.free_memory
    work()
    gc.collect()
    device.context.synchronize()
    assert before - other.free_memory < (1 << 14 if device.module.emulated else 1 << 29)


def _layer(seed: int = 0) -> LaggedRidgeCV:
    rng = np.random.default_rng(seed)
    H, noise = rng.standard_normal((400, 10)).astype(np.float32), rng.standard_normal((400, 4))
    Y = (H[:, :4] + noise).astype(np.float32)
    model = LaggedRidgeCV(range(4), alphas=[1.0, 10.0, 100.0], cv=4, device="cuda", dtype="float32")
    return model.fit(H, Y, segments=[50] * 8)


@pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")
def test_twelve_fits_take_no_more_than_one(device: Device) -> None:
    _layer()
    gc.collect()
    used, free = device.context.in_use(), cuda_backend(tf32=True).free_memory
    for seed in range(12):
        _layer(seed)
    gc.collect()
    assert device.context.in_use() == used
    assert cuda_backend(tf32=True).free_memory >= free - (0 if device.module.emulated else 1 << 27)


@pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")
def test_four_threads_at_once() -> None:
    expected = [_layer(seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(_layer, range(8)))
    for one, same in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.alpha_, same.alpha_)
        assert worst(one.coef_, same.coef_) < COEFFICIENTS["float32"]


def test_a_fit_that_does_not_fit(device: Device) -> None:
    """It says so before it begins, or where memory ends; the next one is as before."""
    rng = np.random.default_rng(0)
    H = rng.standard_normal((200, 50)).astype(np.float32)
    model = LaggedRidge(1.0, range(5), device="cuda", solver="cholesky", dtype="float32")
    expected = model.fit(H, H[:, :2]).coef_
    lags = int(np.sqrt(2.0 * device.free_memory / 4) / 50)  # X'X twice as large as what is free
    wide = np.zeros((2 * lags, 50), np.float32)
    wide[: len(H)] = H
    with pytest.raises(ValueError, match="memory_limit"):
        clone(model).set_params(lags=range(lags)).fit(wide, wide[:, :2], segments=[len(wide)])
    with pytest.raises(MemoryError, match="asked for"):
        device.empty((1 << 20, 1 << 20), np.float32)
    assert worst(model.fit(H, H[:, :2]).coef_, expected) < COEFFICIENTS["float32"]
