"""Estimators on the device give what they give on the CPU; inputs there stay there; nothing leaks."""

from __future__ import annotations

import ctypes
import gc
import pickle
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

import elsewhere
from heschl import CCA, BandedRidgeCV, FeatureSpaces, InputError, LaggedRidge, LaggedRidgeCV, Repeated, cca_grid
from heschl import lagged_design as design_of
from heschl.linear import nested_cv, null_scores, permutation_test, permuted_correlations
from heschl.linear.cuda import Device, check_device
from heschl.linear.solvers import DEVICE_BLOCKS, FREE_SHARE, SOLVERS, Work, choose_solver
from linear.problems import make
from tolerances import COEFFICIENTS, KERNEL, R2, TF32, worst

PROBLEM = make(0, [40, 25, 60, 30, 45, 50, 33, 41, 38, 52], 4, 3, range(-1, 5))
ALPHAS = [10.0, 100.0, 1000.0]


def fitted(device: str, dtype: str, responses: Any = PROBLEM.Y, **how: Any) -> LaggedRidgeCV:
    model = LaggedRidgeCV(PROBLEM.lags, alphas=ALPHAS, dtype=dtype, device=device, **how)
    return model.fit(PROBLEM.H.astype(dtype), np.asarray(responses, dtype), segments=PROBLEM.lengths)


@pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("solver", ["cholesky", "eigh", "dual"])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("missing", [False, True])
def test_the_same_fit(dtype: str, solver: str, standardize: bool, missing: bool) -> None:
    Y = PROBLEM.Y.copy()
    if missing:
        Y[5:9, 1] = Y[70:90, 2] = np.nan
    how: dict[str, Any] = dict(solver=solver, standardize=standardize, missing="mask", nested=True)
    expected, found = fitted("cpu", dtype, Y, **how), fitted("cuda", dtype, Y, **how)
    assert (found.dtype_, found.solver_) == (expected.dtype_, solver)
    np.testing.assert_array_equal(found.alpha_, expected.alpha_)
    assert worst(found.coef_, expected.coef_) < COEFFICIENTS[dtype]
    for name in ("cv_scores_", "cv_pooled_scores_", "test_scores_"):
        assert np.abs(getattr(found, name) - getattr(expected, name)).max() < R2[dtype], name
    H = PROBLEM.H.astype(dtype)
    assert worst(found.predict(H), expected.predict(H)) < COEFFICIENTS[dtype]


@pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")
def test_blocks_of_targets_by_a_memory_limit(device: Device) -> None:
    from heschl.linear.segments import make_splits, segment_groups

    Y = np.tile(PROBLEM.Y, 20)
    groups = segment_groups(None, PROBLEM.bounds, len(Y))
    n_parts = len(make_splits(5, PROBLEM.bounds, groups, len(Y)).parts)
    size = Work(len(Y), len(Y), 4, 6, 60, 3, n_parts, 10, 6, False, 8, "cuda")
    limit = SOLVERS["cholesky"].n_bytes(size) * 0.99
    small = fitted("cuda", "float64", Y, solver="cholesky", memory_limit=limit)
    whole = fitted("cuda", "float64", Y, solver="cholesky")
    assert worst(small.coef_, whole.coef_) < COEFFICIENTS["float64"]


@pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("solver", ["cholesky", "eigh", "dual"])
@pytest.mark.parametrize(("n", "d", "w", "c"), [(3000, 24, 10, 300), (600, 100, 20, 10), (1000, 60, 20, 20)])
def test_no_more_memory_than_planned(device: Device, dtype: str, solver: str, n: int, d: int, w: int, c: int) -> None:
    if not device.module.emulated:
        pytest.skip("counted on the emulation")
    rng = np.random.default_rng(0)
    lengths = [100] * (n // 100)
    H, Y = rng.standard_normal((n, d)).astype(dtype), rng.standard_normal((n, c)).astype(dtype)
    model = LaggedRidgeCV(range(w), alphas=np.logspace(1, 4, 10), cv=5, solver=solver, device="cuda", dtype=dtype)
    gc.collect()
    device.module.alive()  # work that waits is done: what was freed is free
    device.module.peak()
    before = device.module.peak()
    model.fit(H, Y, segments=lengths)
    taken = device.module.peak() - before - H.nbytes - Y.nbytes
    work = Work(n, n, d, w, c, 10, 5, len(lengths), 6, False, H.itemsize, "cuda")
    planned = SOLVERS[solver].n_bytes(work) - DEVICE_BLOCKS  # which are next to nothing here
    assert taken < planned
    if solver == "dual":  # the others plan with stacks of weights that problems as small as these do not fill
        assert taken > planned / 2


def test_what_takes_a_card_of_24_gigabytes_and_of_80() -> None:
    """One layer of GPT-2 XL, p = 32,000, and 822 electrodes; targets in blocks on the smaller card, if need be."""
    work = Work(58_943, 58_943, 1_600, 20, 822, 10, 5, 599, 6, True, 4, "cuda")
    for gigabytes, least in ((24, 400), (80, 822)):
        method, block = choose_solver(work, "cholesky", FREE_SHARE * gigabytes * 1e9)
        assert method.name == "cholesky" and block >= least


def test_one_penalty_for_all_and_one_given() -> None:
    for per_target in (True, False):
        a, b = (fitted(where, "float64", alpha_per_target=per_target, solver="cholesky") for where in ("cpu", "cuda"))
        np.testing.assert_array_equal(a.alpha_, b.alpha_)
    a, b = (
        LaggedRidge([1.0, 5.0, 1.0], PROBLEM.lags, device=where).fit(PROBLEM.H, PROBLEM.Y, segments=PROBLEM.lengths)
        for where in ("cpu", "cuda")
    )
    assert worst(b.coef_, a.coef_) < COEFFICIENTS["float64"]
    assert abs(a.score(PROBLEM.H, PROBLEM.Y) - b.score(PROBLEM.H, PROBLEM.Y)) < R2["float64"]


def test_nested_banded_and_several_spaces() -> None:
    rng = np.random.default_rng(0)
    n = len(PROBLEM.H)
    X = FeatureSpaces({"sound": PROBLEM.H, "words": Repeated(rng.standard_normal((n // 3, 2)), [3] * (n // 3))})
    how: dict[str, Any] = dict(segments=PROBLEM.lengths, lags=PROBLEM.lags, alphas=ALPHAS)
    a, b = (nested_cv(X, PROBLEM.Y, folds=np.arange(10) % 5, device=where, **how) for where in ("cpu", "cuda"))
    assert worst(b.r2, a.r2) < R2["float64"] and worst(b.predictions, a.predictions) < COEFFICIENTS["float64"]
    a, b = (
        BandedRidgeCV(lags=PROBLEM.lags, alphas=ALPHAS, random_state=0, n_iter=6, device=where).fit(
            X, PROBLEM.Y, segments=PROBLEM.lengths
        )
        for where in ("cpu", "cuda")
    )
    assert worst(b.coef_, a.coef_) < COEFFICIENTS["float64"]
    assert worst(b.r2_split_, a.r2_split_) < R2["float64"]


@pytest.mark.parametrize("statistic", ["r2", "r", "pooled_r2"])
def test_permutations(statistic: str) -> None:
    how: dict[str, Any] = dict(segments=PROBLEM.lengths, folds=np.arange(10) % 5, lags=PROBLEM.lags, alphas=ALPHAS)
    a, b = (
        permutation_test(
            PROBLEM.H,
            PROBLEM.Y,
            null="refit",
            n_permutations=19,
            statistic=statistic,
            random_state=0,
            device=where,
            **how,
        )
        for where in ("cpu", "cuda")
    )
    assert worst(b.observed, a.observed) < R2["float64"] and worst(b.null, a.null) < R2["float64"]
    np.testing.assert_array_equal(b.p_values, a.p_values)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("statistic", ["r2", "r", "pooled_r2"])
@pytest.mark.parametrize("runs", [None, np.arange(10) // 2])
def test_nulls_of_shifted_responses(device: Device, dtype: str, statistic: str, runs: Any) -> None:
    rng = np.random.default_rng(0)
    y = (PROBLEM.Y + 3).astype(dtype)
    predictions = (y + rng.standard_normal(y.shape)).astype(dtype)
    folds = np.array([2, 2, 0, 0, 1, 1, 2, 2, 0, 0])
    how: dict[str, Any] = dict(
        segments=PROBLEM.lengths, folds=folds, runs=runs, n_permutations=40, statistic=statistic, random_state=1
    )
    expected = null_scores(y, predictions, **how)
    for found in (
        null_scores(y, predictions, device="cuda", **how),
        null_scores(elsewhere.tensor(y), elsewhere.tensor(predictions), **how),
    ):
        assert worst(found.observed, expected.observed) < R2[dtype] and worst(found.null, expected.null) < R2[dtype]
        np.testing.assert_array_equal(found.p_values, expected.p_values)
    how |= dict(lags=PROBLEM.lags, alphas=ALPHAS)
    a, b = (
        permutation_test(PROBLEM.H, y, device=where, **{k: v for k, v in how.items() if k != "runs"})
        for where in ("cpu", "cuda")
    )
    assert worst(b.null, a.null) < R2[dtype]


@pytest.mark.parametrize("kind", ["plain", "dependent", "wide", "penalty"])
def test_cca(kind: str) -> None:
    rng = np.random.default_rng(1)
    X = rng.standard_normal((400, 8)) + 2
    Y = np.hstack([X[:, :3] + rng.standard_normal((400, 3)), rng.standard_normal((400, 4))])
    if kind == "dependent":
        X[:, 7] = X[:, :7].sum(axis=1)
    if kind == "wide":
        X = X * 10.0 ** np.linspace(0, 5, 8) @ rng.standard_normal((8, 8))
    reg = 3.0 if kind == "penalty" else 0.0
    a, b = (CCA(4, reg=reg, device=where).fit(X, Y) for where in ("cpu", "cuda"))
    assert worst(b.correlations_, a.correlations_) < 1e-8
    assert worst(b.x_weights_, a.x_weights_) < 1e-6
    if kind == "plain":
        c, d = (
            permuted_correlations(CCA(2, device=where), X, Y, segments=[40] * 10, n_permutations=20, random_state=0)
            for where in ("cpu", "cuda")
        )
        assert worst(d.null, c.null) < 1e-8


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


def test_cca_grid_with_layers_on_the_device(device: Device) -> None:
    rng = np.random.default_rng(0)
    layers = {str(i): rng.standard_normal((300, 5 + i)).astype(np.float32) for i in range(3)}
    there = {name: device.put(layer) for name, layer in layers.items()}
    a = cca_grid(layers, layers, n_components=4)
    b = cca_grid(layers, there, n_components=4, device="cuda")
    assert np.abs(a.values - b.values).max() < 1e-5


@pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")
def test_data_on_the_device_stay_there(device: Device) -> None:
    H, Y = device.put(PROBLEM.H), device.put(PROBLEM.Y)
    model = LaggedRidgeCV(PROBLEM.lags, alphas=ALPHAS, solver="cholesky").fit(H, Y, segments=PROBLEM.lengths)
    expected = fitted("cpu", "float64")
    assert worst(model.coef_, expected.coef_) < COEFFICIENTS["float64"]
    prediction = model.predict(H, segments=PROBLEM.lengths)
    assert type(prediction) is type(H)
    assert worst(prediction.numpy(), expected.predict(PROBLEM.H, segments=PROBLEM.lengths)) < 1e-9
    design = design_of(H, PROBLEM.lags, segments=PROBLEM.lengths)
    np.testing.assert_array_equal(design.numpy(), design_of(PROBLEM.H, PROBLEM.lags, segments=PROBLEM.lengths))
    with pytest.raises(InputError, match="X: found NaN or infinity"):
        model.fit(device.put(np.where(PROBLEM.H > 2, np.nan, PROBLEM.H)), Y)
    with pytest.raises(InputError, match="X: found an array of shape"):
        model.fit(device.put(np.ones(5)), np.ones(5))


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
    assert one.coef_.shape == expected.coef_.shape[1:] and one.intercept_.shape == ()
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
    np.testing.assert_array_equal(again.coef_, model.coef_)
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


def test_dlpack_both_ways(device: Device) -> None:
    torch = pytest.importorskip("torch")
    values = np.arange(12.0).reshape(3, 4)
    tensor = torch.from_dlpack(device.put(values))
    np.testing.assert_array_equal(tensor.cpu().numpy(), values)
    back = device.module.from_dlpack(device.context, tensor[:, 1:3].__dlpack__())
    np.testing.assert_array_equal(back.numpy(), values[:, 1:3])
    for bad in (tensor.T, tensor.to(torch.int64)):
        with pytest.raises(ValueError, match="expected"):
            device.module.from_dlpack(device.context, bad.__dlpack__())
    for how in ({"copy": True}, {"dl_device": (13, 0)}):
        with pytest.raises(BufferError, match="heschl gives"):
            device.put(values).__dlpack__(**how)
    capsule = tensor.__dlpack__()
    device.module.from_dlpack(device.context, capsule)
    with pytest.raises(ValueError, match="unused"):
        device.module.from_dlpack(device.context, capsule)


def test_memory_of_others_is_read_before_it_is_given_back(device: Device) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.from_dlpack(device.put(np.arange(12.0).reshape(3, 4))).clone()
    own = device.module.from_dlpack(device.context, tensor.__dlpack__())
    copy = device.copy(own)
    del own
    gc.collect()
    tensor.zero_()  # what its library may do from now on
    np.testing.assert_array_equal(copy.numpy(), np.arange(12.0).reshape(3, 4))


def test_arrays_of_another_gpu_are_refused(device: Device) -> None:
    torch = pytest.importorskip("torch")
    capsule = torch.from_dlpack(device.put(np.ones((3, 4)))).__dlpack__()
    address = ctypes.pythonapi.PyCapsule_GetPointer
    address.restype, address.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    device_id = ctypes.c_int32.from_address(address(capsule, b"dltensor") + 12)
    device_id.value = 1
    with pytest.raises(ValueError, match=r"expected an array on GPU 0, .* CUDA_VISIBLE_DEVICES"):
        device.module.from_dlpack(device.context, capsule)
    device_id.value = 0


def test_nothing_is_left_behind(device: Device) -> None:
    gc.collect()
    before = device.context.in_use()
    fitted("cuda", "float64", solver="cholesky", nested=True)
    with pytest.raises(np.linalg.LinAlgError):  # two equal columns
        model = LaggedRidge(1e-300, range(1), fit_intercept=False, solver="cholesky", device="cuda")
        model.fit(np.ones((4, 2)), np.arange(4.0))
    with pytest.raises(MemoryError, match=r"device memory: .* MB asked for, .* MB .* are free"):
        device.empty((1 << 20, 1 << 20), np.float64)
    gc.collect()
    assert device.context.in_use() == before
    assert device.free_memory > 0


def test_what_does_not_fit_is_said_before(device: Device) -> None:
    H = np.random.default_rng(0).standard_normal((3000, 500)).astype(np.float32)
    with pytest.raises(InputError, match=r"memory_limit: found .* expected at least"):
        LaggedRidge(1.0, range(60), device="cuda", solver="cholesky", memory_limit=1e9).fit(H, H[:, :1])


def test_choices_that_a_device_does_not_know() -> None:
    with pytest.raises(InputError, match="solver: found 'cg' with device='cuda'"):
        fitted("cuda", "float64", solver="cg")
    with pytest.raises(InputError, match="dtype: found 'tf32' with device='cpu'"):
        LaggedRidge(dtype="tf32", device="cpu").fit(PROBLEM.H, PROBLEM.Y)
    with pytest.raises(InputError, match="device: found 'gpu'"):
        check_device("gpu")


def test_precision_is_said() -> None:
    model = fitted_tf32()
    assert model.dtype_ == "tf32" and model.coef_.dtype == np.float32


def fitted_tf32() -> LaggedRidgeCV:
    model = LaggedRidgeCV(PROBLEM.lags, alphas=[10.0, 100.0, 1e3], dtype="tf32", device="cuda", solver="cholesky")
    return model.fit(PROBLEM.H, PROBLEM.Y, segments=PROBLEM.lengths)


def test_a_full_device_says_what_would_fit(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    if not device.module.emulated:
        pytest.skip("made for the 2 GB of the emulation")
    monkeypatch.setattr("heschl.linear.solvers.FREE_SHARE", 1000.0)  # a plan that is wrong
    H = np.random.default_rng(0).standard_normal((500, 1200)).astype(np.float32)
    with pytest.raises(MemoryError, match=r"device memory: .* asked for.* with 1 of 1 targets at a time by 'cholesky'"):
        LaggedRidge(1.0, range(20), device="cuda", solver="cholesky").fit(H, H[:, :1])
