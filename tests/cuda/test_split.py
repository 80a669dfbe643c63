"""Products of float32 split into halves, with the rounding of tensor cores: as exact as one product of float32."""

from __future__ import annotations

import numpy as np
import pytest

from cuda.test_krylov import path
from heschl import cca_grid, lagged_design
from heschl.linear.cca import grid
from heschl.linear.design.frames import Frames
from heschl.linear.device import cuda
from heschl.linear.device.backend import SPLIT
from heschl.linear.device.cuda import Device
from heschl.linear.ridge import held_out, krylov
from heschl.linear.ridge.held_out import HeldOut
from heschl.linear.ridge.krylov import KrylovTrained
from heschl.linear.ridge.normal import Scaling
from heschl.linear.ridge.price import Price
from linear.ridge.test_krylov import assert_as_exact
from tolerances import CANONICAL_FLOAT32, KRYLOV_R2, SPLIT_PRODUCT, worst


@pytest.fixture
def split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "SPLIT_LEAST", 1)
    monkeypatch.setattr(Price, "too_dear", lambda *_: False)
    monkeypatch.setattr(krylov, "AT_ONCE", 0.0)


@pytest.mark.usefixtures("split")
@pytest.mark.parametrize("scales", ["one", "rows", "outliers"])
def test_a_product_is_as_exact_as_one_of_float32(device: Device, scales: str) -> None:
    """Also where rows, and columns of the other side, are of sizes that half precision does not hold together."""
    rng = np.random.default_rng(0)
    G, V = rng.standard_normal((150, 150)), rng.standard_normal((150, 7))
    if scales == "rows":
        G, V = G * np.logspace(-20, 20, 150)[:, None], V * np.logspace(15, -15, 7)
    if scales == "outliers":
        G[:, 3] *= 450.0
        G[5], V[:, 2] = 0.0, 0.0
    G, V = G.astype(np.float32), V.astype(np.float32)
    times = device.multiplier(device.put(G), split=True)
    found = device.get(times(device.put(V))).astype(float)
    size = np.abs(G).astype(float) @ np.abs(V).astype(float)  # what rounding errors are small beside
    exact = G.astype(float) @ V.astype(float)
    wrong = np.abs(found - exact) / np.maximum(size, np.finfo(float).tiny)
    of_float32 = np.abs((G @ V).astype(float) - exact) / np.maximum(size, np.finfo(float).tiny)
    assert wrong.max() < SPLIT_PRODUCT and wrong.max() < 4 * of_float32.max()
    assert worst(device.get(device.multiplier(device.put(G), split=False)(device.put(V))), G @ V) < 1e-6


@pytest.mark.usefixtures("split")
def test_halves_of_every_size(device: Device) -> None:
    """A diagonal matrix gives the numbers back that it was split into: 21 bits of each at least, beside the largest."""
    values = np.float32(np.r_[np.logspace(-12, 0, 40), -np.logspace(-3, 0, 20), 0.0, 1.0 - 2.0**-24])
    row = np.zeros((len(values), len(values)), np.float32)
    row[0] = values
    times = device.multiplier(device.put(row), split=True)
    found = device.get(times(device.put(np.eye(len(values), dtype=np.float32))))[0]
    assert np.abs(found.astype(float) - values).max() < 2.0**-22
    small = np.abs(values) < 1e-3
    assert np.abs(found.astype(float) - values)[small].max() < 1e-3 * 2.0**-20


@pytest.mark.usefixtures("split")
def test_paths_by_tensor_cores_choose_the_same() -> None:
    there, exact = path("cuda", "float32"), path("cpu", "float64", "cholesky")
    assert there.products_ == SPLIT and there.dtype_ == "float32"
    assert_as_exact(there, exact, exact.alphas, "float32", KRYLOV_R2["float32"])
    assert path("cuda", "float64").products_ == "float64" and path("cpu", "float32").products_ == "float32"


@pytest.mark.usefixtures("split")
def test_what_misses_its_equation_goes_by_plain_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    confirm = KrylovTrained._residual
    monkeypatch.setattr(KrylovTrained, "_residual", lambda self, *given: 1.0 if self.split else confirm(self, *given))
    exact, there = path("cpu", "float64", "cholesky"), path("cuda", "float32")
    assert there.products_ == "float32" and there.dtype_ == "float32" and there.solver_ == "krylov"
    assert_as_exact(there, exact, exact.alphas, "float32", KRYLOV_R2["float32"])
    assert SPLIT not in there.products_


@pytest.mark.usefixtures("split")
def test_designs_of_test_rows_times_vectors(device: Device) -> None:
    """As exact as in float32, rows in order, where ranges, features' sizes and signs of lags differ; scaled."""
    rng = np.random.default_rng(1)
    H = rng.standard_normal((90, 6)) * np.array([1.0, 450.0, 1e-3, 1.0, 0.0, 1.0]) + 2.0
    H, lags, lengths = H.astype(np.float32), range(-2, 5), [40, 20, 30]
    scaling = Scaling(H.mean(axis=0, dtype=np.float64), 1.0 / np.maximum(H.std(axis=0, dtype=np.float64), 1e-2))
    ranges = np.array([[0, 40, 0, 40], [65, 90, 60, 90]])
    V = (rng.standard_normal((42, 9)) * np.logspace(-12, 12, 9)).astype(np.float32)
    missed: list[int] = []
    rows = HeldOut(Frames.of(H).to(device), ranges, lags, scaling, split=True, missed=lambda: missed.append(1))
    assert rows._split is not None
    found = device.get(rows.product(device.put(V))).astype(float)
    mean = scaling.mean.astype(np.float32).astype(float)
    X = lagged_design((H - mean) * scaling.scale, lags, segments=lengths)[np.r_[0:40, 65:90]]
    size = np.abs(X) @ np.abs(V).astype(float)
    assert (np.abs(found - X @ V.astype(float)) / size).max() < SPLIT_PRODUCT and not missed


@pytest.mark.usefixtures("split")
def test_products_with_test_rows_that_float32_contradicts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out, "SPLIT_ROUNDING", 0.0)
    exact, there = path("cpu", "float64", "cholesky"), path("cuda", "float32")
    assert there.products_ == "float32" and there.solver_ == "krylov"
    assert_as_exact(there, exact, exact.alphas, "float32", KRYLOV_R2["float32"])


@pytest.mark.usefixtures("split")
def test_correlations_of_layers_by_tensor_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    common = rng.standard_normal((150, 3))
    a, b = (
        {
            str(i): (common @ rng.standard_normal((3, d)) + rng.standard_normal((150, d))).astype(np.float32)
            for i in range(2)
        }
        for d in (5, 7)
    )
    exact, found = (cca_grid(a, b, n_components=4, device=device) for device in ("cpu", "cuda"))
    assert found.attrs["products"] == SPLIT and exact.attrs["products"] == "as given"
    assert worst(found.values, exact.values) < CANONICAL_FLOAT32
    monkeypatch.setattr(grid, "ROUNDING", 0.0)
    plain = cca_grid(a, b, n_components=4, device="cuda")
    assert plain.attrs["products"] == "as given" and worst(plain.values, exact.values) < CANONICAL_FLOAT32


@pytest.mark.usefixtures("split")
@pytest.mark.parametrize(("rows", "inner", "cols"), [(9, 31, 411), (17, 8, 1), (1, 1300, 7), (40, 65, 12), (16, 24, 8)])
def test_odd_widths(device: Device, rows: int, inner: int, cols: int) -> None:
    """Operands begin and end at multiples of 16 bytes, which the emulation insists on; zeros fill what is between."""
    rng = np.random.default_rng(0)
    A, B = (rng.standard_normal(shape).astype(np.float32) for shape in ((rows, inner), (inner, cols)))
    exact = A.astype(float) @ B
    size = np.abs(A).astype(float) @ np.abs(B)
    by_rows = device.module.SplitMatrix.of(device.put(A), False).times(device.put(B))
    left, right = (device.module.SplitMatrix.of(device.put(side), True) for side in (np.ascontiguousarray(A.T), B))
    for found in (by_rows, left.crossed(right)):
        assert found.shape == (rows, cols)
        assert (np.abs(device.get(found) - exact) / size).max() < SPLIT_PRODUCT


@pytest.mark.usefixtures("split")
@pytest.mark.parametrize("broken", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("inner", [3, 40])
def test_what_is_not_finite_stays_so(device: Device, broken: float, inner: int) -> None:
    """Also where the rest is 0; and other rows and columns are as they would be."""
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((6, inner)).astype(np.float32), rng.standard_normal((inner, 5)).astype(np.float32)
    exact = A.astype(float) @ B
    A[2, 1], B[inner - 1, 3], A[4, 0], A[4, 1:] = broken, broken, broken, 0.0
    by_rows = device.module.SplitMatrix.of(device.put(A), False).times(device.put(B))
    left, right = (device.module.SplitMatrix.of(device.put(side), True) for side in (np.ascontiguousarray(A.T), B))
    for found in (device.get(by_rows), device.get(left.crossed(right))):
        touched = np.zeros(found.shape, bool)
        touched[[2, 4]], touched[:, 3] = True, True
        assert not np.isfinite(found[touched]).any()
        assert np.abs(found - exact)[~touched].max() < 1e-5
