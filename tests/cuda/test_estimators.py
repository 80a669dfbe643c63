"""Estimators on the device give what they give on the CPU; inputs there stay there; nothing leaks."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from heschl import CCA, BandedRidgeCV, FeatureSpaces, InputError, LaggedRidge, LaggedRidgeCV, Repeated, cca_grid
from heschl.linear import nested_cv, null_scores, permutation_test, permuted_correlations
from heschl.linear.device.cuda import CUDA, Device
from heschl.linear.device.place import FREE_SHARE, check_device
from heschl.linear.nulls import shifted as nulls
from heschl.linear.ridge.primal import path_bytes
from heschl.linear.ridge.size import FitSize
from heschl.linear.ridge.solvers import SOLVERS, choose_solver
from linear.problems import make
from tolerances import COEFFICIENTS, R2, SHIFTED, worst

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
    from heschl.linear.design.segments import make_splits, segment_groups

    Y = np.tile(PROBLEM.Y, 20)
    groups = segment_groups(None, PROBLEM.bounds, len(Y))
    n_parts = len(make_splits(5, PROBLEM.bounds, groups, len(Y)).parts)
    size = FitSize(len(Y), len(Y), 4, 6, 60, 3, n_parts, 10, 6, False, 8, "cuda")
    limit = SOLVERS["cholesky"].n_bytes(replace(size, n_targets=31))  # two blocks of 60 targets
    small = fitted("cuda", "float64", Y, solver="cholesky", memory_limit=limit)
    whole = fitted("cuda", "float64", Y, solver="cholesky")
    assert worst(small.coef_, whole.coef_) < COEFFICIENTS["float64"]


@pytest.mark.filterwarnings("ignore::heschl.AlphaEdgeWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("solver", ["cholesky", "eigh", "dual"])
@pytest.mark.parametrize(("n", "d", "w", "c"), [(2000, 24, 10, 200), (600, 100, 10, 10), (800, 40, 20, 20)])
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
    work = FitSize(n, n, d, w, c, 10, 5, len(lengths), 6, False, H.itemsize, "cuda")
    planned = SOLVERS[solver].n_bytes(work) - CUDA.blocks_bytes  # which are next to nothing here
    spare = 10 * path_bytes(work) if solver == "cholesky" else 0.0  # λ together, where memory is left beside the plan
    assert taken < planned + spare
    if solver == "dual":  # the others plan with stacks of weights that problems as small as these do not fill
        assert taken > planned / 2


def test_what_takes_a_card_of_24_gigabytes_and_of_80() -> None:
    """One layer of GPT-2 XL, p = 32,000, and 822 electrodes; targets in blocks on the smaller card, if need be."""
    work = FitSize(58_943, 58_943, 1_600, 20, 822, 10, 5, 599, 6, True, 4, "cuda")
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


@pytest.mark.parametrize("null", ["refit", "exchange"])
@pytest.mark.parametrize("statistic", ["r2", "r", "pooled_r2"])
def test_permutations(null: str, statistic: str) -> None:
    alphas = ALPHAS if null == "exchange" else ALPHAS[:1]
    how: dict[str, Any] = dict(segments=PROBLEM.lengths, folds=np.arange(10) % 5, lags=PROBLEM.lags, alphas=alphas)
    a, b = (
        permutation_test(
            PROBLEM.H,
            PROBLEM.Y,
            null=null,
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
@pytest.mark.parametrize("lie_there", ["neither", "y", "predictions", "both"])
def test_the_null_of_shifted_responses(
    device: Device, monkeypatch: pytest.MonkeyPatch, dtype: str, statistic: str, lie_there: str
) -> None:
    """Units of several lengths in folds that are not in order, means far from 0, blocks of targets and permutations."""
    rng = np.random.default_rng(0)
    y = (rng.standard_normal((len(PROBLEM.H), 5)) + 300).astype(dtype)
    P = (0.2 * (y - 300) + 300 + 0.1 * rng.standard_normal(y.shape)).astype(dtype)
    how: dict[str, Any] = dict(
        segments=PROBLEM.lengths, folds=[0, 0, 2, 1, 1, 2, 0, 0, 1, 2], runs=[0, 0, 1, 2, 2, 3, 4, 5, 6, 7],
        n_permutations=9, statistic=statistic, min_shift=3, random_state=1,
    )  # fmt: skip
    expected = null_scores(y, P, **how)
    a, b = (device.put(X) if lie_there in (name, "both") else X for name, X in (("y", y), ("predictions", P)))
    monkeypatch.setattr(nulls, "memory_limit", lambda *_: 2 * len(y) * (8 + 8 * y.itemsize))
    monkeypatch.setattr(nulls, "GATHER_BYTES", 200)
    found = null_scores(a, b, device="cuda" if lie_there == "neither" else "cpu", **how)
    assert np.abs(found.observed - expected.observed).max() < R2["float64"]
    assert np.abs(found.null - expected.null).max() < SHIFTED[dtype]
    np.testing.assert_array_equal(found.p_values, expected.p_values)
    other = "float64" if dtype == "float32" else "float32"  # the predictions' precision is the one
    mixed = null_scores(y.astype(other), b, device="cuda", **how)
    assert np.abs(mixed.null - expected.null).max() < 20 * SHIFTED["float32"]


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


def test_cca_grid_with_layers_on_the_device(device: Device) -> None:
    rng = np.random.default_rng(0)
    layers = {str(i): rng.standard_normal((300, 5 + i)).astype(np.float32) for i in range(3)}
    there = {name: device.put(layer) for name, layer in layers.items()}
    a = cca_grid(layers, layers, n_components=4)
    b = cca_grid(layers, there, n_components=4, device="cuda")
    assert np.abs(a.values - b.values).max() < 1e-5


def test_nothing_is_left_behind(device: Device) -> None:
    gc.collect()
    before = device.context.in_use()
    fitted("cuda", "float64", solver="cholesky", nested=True)
    with pytest.raises(InputError, match="alpha"):  # two equal columns
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
    monkeypatch.setattr("heschl.linear.device.place.FREE_SHARE", 1000.0)  # a plan that is wrong
    H = np.random.default_rng(0).standard_normal((50, 24_000)).astype(np.float32)
    with pytest.raises(MemoryError, match=r"device memory: .* asked for.* with 1 of 1 targets at a time by 'cholesky'"):
        LaggedRidge(1.0, range(1), device="cuda", solver="cholesky").fit(H, H[:, :1])
