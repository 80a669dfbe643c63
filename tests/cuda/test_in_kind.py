"""Data that lie on the device stay there, results are of their kind, and nothing is sent twice."""

from __future__ import annotations

import copy
import ctypes
import gc
import pickle
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

import elsewhere
from cuda.test_estimators import ALPHAS, PROBLEM, fitted
from heschl import CCA, BandedRidgeCV, InputError, LaggedRidge, LaggedRidgeCV
from heschl import lagged_design as design_of
from heschl.linear import null_refit
from heschl.linear.device.cuda import Device, cuda_backend
from heschl.linear.ridge.solvers import SOLVERS
from tolerances import COEFFICIENTS, KERNEL, R2, TF32, worst


def on_host(value: Any) -> Any:
    return value.numpy() if hasattr(value, "numpy") else np.asarray(value)


@pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("solver", ["cholesky", "dual"])
def test_results_in_kind(dtype: str, solver: str) -> None:
    H, Y = PROBLEM.H.astype(dtype), PROBLEM.Y.astype(dtype)
    how: dict[str, Any] = dict(segments=PROBLEM.lengths)
    model = LaggedRidgeCV(PROBLEM.lags, alphas=ALPHAS, solver=solver, dtype=dtype)
    expected = clone(model).fit(H, Y, **how)
    X, y = elsewhere.tensor(H), elsewhere.tensor(Y)
    elsewhere.STREAMS.clear()
    model.fit(X, y, **how)
    assert elsewhere.STREAMS and all(isinstance(stream, int) and stream > 2 for stream in elsewhere.STREAMS)
    for name in ("coef_", "intercept_"):
        found = getattr(model, name)
        assert isinstance(found, elsewhere.Tensor) and str(found.dtype) == f"elsewhere.{dtype}"
        assert worst(found.numpy(), getattr(expected, name)) < COEFFICIENTS[dtype], name
    assert isinstance(model.alpha_, np.ndarray) and not isinstance(model._weights.values, np.ndarray)
    prediction = model.predict(X, **how)
    assert isinstance(prediction, elsewhere.Tensor)
    assert worst(prediction.numpy(), expected.predict(H, **how)) < COEFFICIENTS[dtype]
    assert worst(model.predict(H, **how), expected.predict(H, **how)) < COEFFICIENTS[dtype]
    assert abs(model.score(X, y, **how) - expected.score(H, Y, **how)) < R2[dtype]
    one = clone(model).fit(X, Y[:, 0], **how)  # responses from the host, without an axis for targets
    assert one.coef_.shape == expected.coef_.shape[1:] and isinstance(one.intercept_, float)
    copy = deepcopy(model)
    assert isinstance(copy._weights.values, np.ndarray)
    assert worst(copy.predict(X, **how).numpy(), prediction.numpy()) < COEFFICIENTS[dtype]


def test_tf32_where_the_data_are() -> None:
    X, y = elsewhere.tensor(PROBLEM.H.astype("f4")), elsewhere.tensor(PROBLEM.Y.astype("f4"))
    model = LaggedRidge(100.0, PROBLEM.lags, dtype="tf32", device="cuda", solver="cholesky")
    model.fit(X, y, segments=PROBLEM.lengths)
    assert model.dtype_ == "tf32"
    expected = clone(model).set_params(dtype="float32").fit(PROBLEM.H, PROBLEM.Y, segments=PROBLEM.lengths)
    # Products of 10 bits: seen in the weights, and no more than that; the solve keeps to float32's residual.
    assert KERNEL["float32"] < worst(model.coef_.numpy(), expected.coef_) < TF32
    assert worst(model.predict(X).numpy(), expected.predict(PROBLEM.H)) < TF32


def test_a_model_fitted_on_the_device_can_be_pickled(device: Device) -> None:
    H, Y = device.put(PROBLEM.H), device.put(PROBLEM.Y)
    model = LaggedRidge(10.0, PROBLEM.lags).fit(H, Y, segments=PROBLEM.lengths)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.coef_, on_host(model.coef_))
    assert worst(again.predict(PROBLEM.H), model.predict(H).numpy()) < 1e-12


@pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")
def test_missing_responses_on_the_device() -> None:
    Y = PROBLEM.Y.copy()
    Y[5:9, 1] = Y[70:90, 2] = np.nan
    how: dict[str, Any] = dict(alphas=ALPHAS, missing="mask", solver="cholesky")
    expected = LaggedRidgeCV(PROBLEM.lags, **how).fit(PROBLEM.H, Y, segments=PROBLEM.lengths)
    found = LaggedRidgeCV(PROBLEM.lags, **how).fit(
        elsewhere.tensor(PROBLEM.H), elsewhere.tensor(Y), segments=PROBLEM.lengths
    )
    assert worst(found.coef_.numpy(), expected.coef_) < COEFFICIENTS["float64"]


@pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")
def test_data_on_the_device_stay_there(device: Device) -> None:
    H, Y = device.put(PROBLEM.H), device.put(PROBLEM.Y)
    model = LaggedRidgeCV(PROBLEM.lags, alphas=ALPHAS, solver="cholesky").fit(H, Y, segments=PROBLEM.lengths)
    expected = fitted("cpu", "float64")
    assert worst(on_host(model.coef_), expected.coef_) < COEFFICIENTS["float64"]
    prediction = model.predict(H, segments=PROBLEM.lengths)
    assert type(prediction) is type(H)
    assert worst(prediction.numpy(), expected.predict(PROBLEM.H, segments=PROBLEM.lengths)) < 1e-9
    design = design_of(H, PROBLEM.lags, segments=PROBLEM.lengths)
    np.testing.assert_array_equal(design.numpy(), design_of(PROBLEM.H, PROBLEM.lags, segments=PROBLEM.lengths))
    with pytest.raises(InputError, match="X: found NaN or infinity"):
        model.fit(device.put(np.where(PROBLEM.H > 2, np.nan, PROBLEM.H)), Y)
    with pytest.raises(InputError, match="X: found an array of shape"):
        model.fit(device.put(np.ones(5)), np.ones(5))


def test_dlpack_both_ways(device: Device) -> None:
    torch = pytest.importorskip("torch")
    values = np.arange(12.0).reshape(3, 4)
    tensor = torch.from_dlpack(device.put(values))
    np.testing.assert_array_equal(tensor.cpu().numpy(), values)
    back = device.module.from_dlpack(device.context, tensor[:, 1:3].__dlpack__())
    np.testing.assert_array_equal(back.numpy(), values[:, 1:3])
    with pytest.raises(ValueError, match="expected"):
        device.module.from_dlpack(device.context, tensor.to(torch.int64).__dlpack__())
    for how in ({"copy": True}, {"dl_device": (13, 0)}):
        with pytest.raises(BufferError, match="heschl gives"):
            device.put(values).__dlpack__(**how)
    capsule = tensor.__dlpack__()
    device.module.from_dlpack(device.context, capsule)
    with pytest.raises(ValueError, match="unused"):
        device.module.from_dlpack(device.context, capsule)


NUMBERS = [0.0, -0.0, 1.0, -2.5, 6e-8, -6.1e-5, 65504.0, 3.14159, float("inf"), float("-inf"), float("nan"), 0.1]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_arrays_in_any_order_of_memory_and_of_16_bits(device: Device, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    values = elsewhere.on_gpu(torch.tensor(NUMBERS).reshape(3, 4).to(getattr(torch, dtype)))
    for tensor in (values, values.T, values[::2, 1::2], values[:, 2], values[1], values.T[1:2], values[:, :1].T):
        found = device.adopt(elsewhere.Foreign(tensor))
        assert found.dtype == ("float64" if dtype == "float64" else "float32")
        np.testing.assert_array_equal(found.numpy(), tensor.cpu().to(torch.float64).numpy().astype(found.dtype))


def test_what_a_model_gives_is_fitted_as_it_comes(device: Device) -> None:
    torch = pytest.importorskip("torch")
    how: dict[str, Any] = dict(segments=PROBLEM.lengths)
    model = LaggedRidge(10.0, PROBLEM.lags, device="cuda")
    short = elsewhere.on_gpu(torch.tensor(PROBLEM.H, dtype=torch.float16))
    expected = clone(model).fit(short.float().cpu().numpy(), PROBLEM.Y.astype("f4"), **how)
    states = elsewhere.Foreign(short.T.contiguous().T.requires_grad_())
    with pytest.warns(UserWarning, match="X requires gradients"):
        found = clone(model).fit(states, PROBLEM.Y.astype("f4"), **how)
    assert worst(on_host(found._weights.values), on_host(expected._weights.values)) < COEFFICIENTS["float32"]
    with pytest.raises(InputError, match=r"X: found numbers of type torch\.int64; expected float32 or"):
        clone(model).fit(elsewhere.Foreign(short.long()), PROBLEM.Y, **how)
    with pytest.raises(InputError, match="X: found an array of shape"):
        clone(model).fit(elsewhere.Foreign(short[None]), PROBLEM.Y, **how)


def test_one_of_several_gpus(device: Device) -> None:
    if device.module.device_count() < 2:
        pytest.skip("one GPU")
    how: dict[str, Any] = dict(segments=PROBLEM.lengths)
    expected = LaggedRidge(10.0, PROBLEM.lags).fit(PROBLEM.H, PROBLEM.Y, **how)
    second = cuda_backend(1)
    for X, y in [(second.put(PROBLEM.H), PROBLEM.Y), (second.put(PROBLEM.H), device.put(PROBLEM.Y))]:
        found = LaggedRidge(10.0, PROBLEM.lags).fit(X, y, **how)
        assert found.coef_.context.device == 1
        assert worst(on_host(found.coef_), expected.coef_) < COEFFICIENTS["float64"]
    found = LaggedRidge(10.0, PROBLEM.lags, device="cuda:1").fit(PROBLEM.H, PROBLEM.Y, **how)
    assert worst(found.coef_, expected.coef_) < COEFFICIENTS["float64"]
    for wrong, said in (("cuda:7", "0 to 1"), ("cuda:x", "auto"), ("cpu:1", "auto"), ("cuda:", "auto"), (1, "auto")):
        with pytest.raises(InputError, match=f"device: found .*{said}"):
            LaggedRidge(10.0, PROBLEM.lags, device=wrong).fit(PROBLEM.H, PROBLEM.Y)


def test_memory_of_others_is_read_before_it_is_given_back(device: Device) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.from_dlpack(device.put(np.arange(12.0).reshape(3, 4))).clone()
    own = device.adopt(elsewhere.Foreign(tensor))
    copy = device.copy(own)
    del own
    gc.collect()
    tensor.zero_()  # what its library may do from now on
    np.testing.assert_array_equal(copy.numpy(), np.arange(12.0).reshape(3, 4))


def _address(capsule: Any) -> int:
    address = ctypes.pythonapi.PyCapsule_GetPointer
    address.restype, address.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(address(capsule, b"dltensor"))


def test_arrays_of_another_gpu_are_refused(device: Device) -> None:
    torch = pytest.importorskip("torch")
    capsule = torch.from_dlpack(device.put(np.ones((3, 4)))).__dlpack__()
    device_id = ctypes.c_int32.from_address(_address(capsule) + 12)
    device_id.value = 1
    with pytest.raises(ValueError, match=r"expected an array on GPU 0, .* CUDA_VISIBLE_DEVICES"):
        device.module.from_dlpack(device.context, capsule)
    device_id.value = 0


def test_memory_that_cuda_moves_is_on_the_device(device: Device) -> None:
    torch = pytest.importorskip("torch")
    X = elsewhere.Foreign(elsewhere.on_gpu(torch.tensor(PROBLEM.H)), number=13)  # as CuPy says of its managed memory
    found = LaggedRidge(10.0, PROBLEM.lags).fit(X, PROBLEM.Y, segments=PROBLEM.lengths)
    expected = LaggedRidge(10.0, PROBLEM.lags).fit(PROBLEM.H, PROBLEM.Y, segments=PROBLEM.lengths)
    assert found.device_ == "cuda"
    assert worst(on_host(found._weights.values), expected._weights.values) < COEFFICIENTS["float64"]
    capsule = torch.from_dlpack(device.put(np.ones((3, 4)))).__dlpack__()
    ctypes.c_int32.from_address(_address(capsule) + 8).value = 13
    np.testing.assert_array_equal(device.module.from_dlpack(device.context, capsule).numpy(), np.ones((3, 4)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cca_of_rows_on_the_device(device: Device, dtype: str) -> None:
    rng = np.random.default_rng(2)
    X, Y = rng.standard_normal((2, 300, 5)).astype(dtype) + 2
    Y[:, :2] += X[:, :2]
    x, y = device.put(X), device.put(Y)
    how: dict[str, Any] = dict(segments=[30] * 10)
    a, b, c = CCA(3, cv=3).fit(X, Y, **how), CCA(3, cv=3).fit(x, y, **how), CCA(3, cv=3).fit(X, y, **how)
    for found in (b, c):
        assert worst(found.correlations_, a.correlations_) < 1e-9
        assert worst(found.cv_correlations_, a.cv_correlations_) < 1e-9
    for part in ("top", "rest", "all"):
        there = b.transform(x, part=part)
        assert type(there) is type(device.zeros((1, 1), np.float64))
        assert worst(there.numpy(), b.transform(X, part=part)) < 1e-9
    for found, expected in zip(b.split_features(x), a.split_features(X), strict=True):
        assert worst(found, expected) < 1e-6
    with pytest.raises(InputError, match="X: found 4 features"):
        b.transform(device.put(X[:, :4]))


MODELS = [
    LaggedRidge(5.0, PROBLEM.lags, solver="cholesky"),
    LaggedRidge(5.0, PROBLEM.lags, solver="dual", standardize=True),
    LaggedRidgeCV(PROBLEM.lags, alphas=ALPHAS, solver="cholesky", standardize=True),
    LaggedRidgeCV(PROBLEM.lags, alphas=ALPHAS, solver="eigh", dtype="float32"),
    BandedRidgeCV({"a": [0, 1], "b": [2, 3]}, lags=PROBLEM.lags, alphas=ALPHAS, random_state=0, n_iter=5),
]


@pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("kind", ["heschl", "elsewhere"])
def test_results_are_of_the_kind_of_x(device: Device, model: Any, single: bool, kind: str) -> None:
    Y, how = PROBLEM.Y[:, 0] if single else PROBLEM.Y, dict(segments=PROBLEM.lengths)
    own = (device.module.Array32, device.module.Array64)
    as_kind, known = (elsewhere.Tensor, elsewhere.Tensor) if kind == "elsewhere" else (lambda array: array, own)
    H, y = as_kind(device.put(PROBLEM.H)), as_kind(device.put(Y))
    expected = clone(model).set_params(device="cpu").fit(PROBLEM.H, Y, **how)
    found = clone(model).fit(H, y, **how)
    dtype = "float32" if model.dtype == "float32" else "float64"
    for value, mine in (
        (found.coef_, expected.coef_), (found.intercept_, expected.intercept_),
        (found.predict(H, **how), expected.predict(PROBLEM.H, **how)),
    ):  # fmt: skip
        assert tuple(np.shape(value)) == np.shape(mine)
        assert isinstance(value, float if np.ndim(mine) == 0 else known)
        assert worst(on_host(value), mine) < COEFFICIENTS[dtype]
    for name in ("lags_", "feature_mean_", "alpha_", "alphas_", "cv_scores_"):
        assert isinstance(getattr(found, name, expected.lags_), np.ndarray)
    score = expected.score(PROBLEM.H, Y, **how)
    for data in ((H, y), (PROBLEM.H, Y), (H, Y)):
        assert abs(found.score(*data, **how) - score) < R2[dtype]
    # What leaves the process leaves the device.
    for there in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert type(there.coef_) is np.ndarray and there.get_params().keys() == found.get_params().keys()
        np.testing.assert_array_equal(there.coef_, on_host(found.coef_))
        assert worst(there.intercept_, on_host(found.intercept_)) < COEFFICIENTS[dtype]
        assert worst(there.predict(PROBLEM.H, **how), expected.predict(PROBLEM.H, **how)) < COEFFICIENTS[dtype]
    assert isinstance(found.coef_, known)


@pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")
@pytest.mark.parametrize("model", MODELS)
def test_numpy_in_numpy_out(model: Any) -> None:
    found = clone(model).set_params(device="cuda").fit(PROBLEM.H, PROBLEM.Y, segments=PROBLEM.lengths)
    assert type(found.coef_) is type(found.intercept_) is type(found.predict(PROBLEM.H)) is np.ndarray


@pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")
def test_what_lies_on_the_device_is_not_sent_there_again(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    Y = np.tile(PROBLEM.Y, 30)
    H, y = device.put(PROBLEM.H), device.put(Y)
    sent: list[int] = []
    put = Device.put

    def counted(self: Device, values: Any) -> Any:
        sent.extend([values.size] if isinstance(values, np.ndarray) else [])
        return put(self, values)

    monkeypatch.setattr(Device, "put", counted)
    how: dict[str, Any] = dict(segments=PROBLEM.lengths)
    model = LaggedRidgeCV(PROBLEM.lags, alphas=ALPHAS, solver="cholesky").fit(H, y, **how)
    model.predict(H, **how)
    assert max(sent) < 1000 < min(H.size, y.size, model.coef_.size)
    sent.clear()
    clone(model).set_params(device="cuda").fit(PROBLEM.H, y, **how)
    assert sorted(sent)[-2] < 1000 and max(sent) == H.size  # X alone
    how |= dict(folds=np.arange(10) % 5, lags=PROBLEM.lags, alphas=10.0)
    sent.clear()
    found = null_refit(H, y, n_permutations=3, random_state=0, **how)
    assert max(sent) < 5000 < y.size
    monkeypatch.undo()
    assert worst(found.null, null_refit(PROBLEM.H, Y, n_permutations=3, random_state=0, **how).null) < R2["float64"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_block_of_targets_after_the_other(device: Device, monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    """Targets in blocks, that lack different rows, y of another type than X: all of it on the device."""
    monkeypatch.setattr("heschl.linear.ridge.engine.choose_solver", lambda *_, **__: (SOLVERS["cholesky"], 2))
    Y = np.tile(PROBLEM.Y, 3)
    Y[5:9, 1] = Y[70:90, 5] = np.nan
    H = PROBLEM.H.astype(dtype)
    model = LaggedRidge([1.0, 5.0, 1.0] * 3, PROBLEM.lags, missing="mask")
    expected, found = (
        clone(model).fit(*data, segments=PROBLEM.lengths) for data in ((H, Y), (device.put(H), device.put(Y)))
    )
    assert worst(on_host(found.coef_), expected.coef_) < COEFFICIENTS[dtype]
    assert worst(on_host(found.intercept_), expected.intercept_) < COEFFICIENTS[dtype]


def test_large_arrays_are_sent_while_work_waits(device: Device) -> None:
    if not device.module.emulated:
        pytest.skip("seen on the emulation")
    small = device.put(np.arange(6.0).reshape(2, 3))
    device.context.synchronize()
    copies = [device.copy(small) for _ in range(10)]
    before = device.module.waiting()
    large = np.arange(5_000_000.0).reshape(-1, 5)  # three staging blocks: the third waits for the first to be gone
    there = device.put(large)
    assert before >= 10 and device.module.waiting() > before  # none of the work was waited for
    product = device.product(there, device.put(np.eye(5)))
    np.testing.assert_array_equal(product.numpy(), large)
    np.testing.assert_array_equal(copies[-1].numpy(), small.numpy())


def test_shapes_of_device_arrays(device: Device) -> None:
    values = np.arange(24.0)
    own = device.put(values)
    for shape in ((24,), (4, 6), (2, 3, 4), (3, 8, 1)):
        there = own.reshape(shape)
        assert (there.shape, there.ndim, len(there), there.size) == (shape, len(shape), shape[0], 24)
        np.testing.assert_array_equal(there.numpy(), values.reshape(shape))
        np.testing.assert_array_equal(np.from_dlpack(there), values.reshape(shape)) if device.module.emulated else None
    for bad in ((5, 5), (2, 2, 2, 3), (), (-4, -6), (24, 0, 0)):
        with pytest.raises(ValueError, match="expected"):
            own.reshape(bad)
    with pytest.raises(ValueError, match="contiguous"):
        own.reshape((4, 6)).part(0, 4, 0, 3).reshape((12,))
    with pytest.raises(ValueError, match="1-D or 2-D"):
        own.reshape((2, 3, 4)).take(np.array([0]), None)
    with pytest.raises(ValueError, match="within"):
        device.set_columns(own.reshape((4, 6)), np.array([6]), own.reshape((4, 6)).part(0, 4, 0, 1))
