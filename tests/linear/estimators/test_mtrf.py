"""The numbers of the mTRF-Toolbox and of mTRFpy: from their definitions, and from mTRFpy itself where it is there."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from heschl import InputError, LaggedRidge, LaggedRidgeCV
from heschl.linear import average_models, mtrf_lags
from tolerances import COEFFICIENTS, worst

FS, LAMBDA = 64, 2.5


def trials(n_features: int, n: int = 3) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(0)
    x = [rng.random((150 + 20 * i, n_features)) for i in range(n)]
    return x, [np.roll(t[:, :1], 2, axis=0) * [1.0, -0.5] + rng.standard_normal((len(t), 2)) for t in x]


def toolbox_1(x: np.ndarray, y: np.ndarray, lags: range, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Do as mTRFtrain of version 1.5: a column of ones for each feature at lag 0, penalised like every other."""
    n, d = x.shape
    shifted = [np.zeros((n, d)) for _ in lags]
    for part, lag in zip(shifted, lags, strict=True):
        part[max(lag, 0) : n + min(lag, 0)] = x[max(-lag, 0) : n - max(lag, 0)]
    design = np.hstack([np.ones((n, d)), *shifted])
    solution = np.linalg.solve(design.T @ design + penalty * np.eye(design.shape[1]), design.T @ y)
    return solution[d:].reshape(len(lags), d, -1).transpose(2, 1, 0), solution[:d].sum(axis=0)


@pytest.mark.parametrize("n_features", [1, 3])
def test_version_1_penalises_its_constants(n_features: int) -> None:
    x, y = trials(n_features)
    lags = mtrf_lags(-0.06, 0.1, FS)
    model = LaggedRidge(alpha=LAMBDA, lags=lags, penalize_intercept=1 / n_features)
    models = []
    for stimulus, response in zip(x, y, strict=True):
        weights, constants = toolbox_1(stimulus, response, lags, LAMBDA)
        models.append(LaggedRidge(**model.get_params()).fit(stimulus, response))
        assert worst(models[-1].coef_, weights) < COEFFICIENTS["float64"]
        assert worst(models[-1].intercept_, constants) < COEFFICIENTS["float64"]
    mean = average_models(models[:2])  # its cross-validation: each trial by the mean of the others' models
    parts = [toolbox_1(x[i], y[i], lags, LAMBDA) for i in range(2)]
    weights, constants = (np.mean([part[k] for part in parts], axis=0) for k in range(2))
    assert worst(mean.coef_, weights) < COEFFICIENTS["float64"]
    alone = LaggedRidge(alpha=1.0, lags=lags, fit_intercept=False).fit(x[2], y[2])
    alone._weights = alone._weights.__class__(
        weights.transpose(2, 1, 0).reshape(-1, 2), np.zeros(n_features), constants
    )
    np.testing.assert_allclose(mean.predict(x[2]), alone.predict(x[2]), atol=1e-9)
    assert np.isfinite(mean.score(x[2], y[2]))


@pytest.mark.parametrize(("method", "n_features"), [("ridge", 3), ("tikhonov", 1)])
@pytest.mark.parametrize("direction", [1, -1])
def test_weights_of_mtrfpy(method: str, n_features: int, direction: int) -> None:
    mtrf = pytest.importorskip("mtrf.model")
    x, y = trials(n_features)
    if direction == -1 and method == "tikhonov":
        y = [trial[:, :1] for trial in y]
    theirs = mtrf.TRF(direction=direction, method=method)
    theirs.train([t.copy() for t in x], [t.copy() for t in y], FS, -0.05, 0.11, LAMBDA, verbose=False)
    inputs, outputs = (x, y) if direction == 1 else (y, x)
    lags = mtrf_lags(-0.05, 0.11, FS, direction=direction)
    alpha = LAMBDA * FS * len(x) / (2 if method == "tikhonov" else 1)
    ours = LaggedRidge(alpha=alpha, lags=lags, penalty=method)
    ours.fit(np.concatenate(inputs), np.concatenate(outputs), segments=[len(t) for t in x])
    np.testing.assert_allclose(np.array(list(lags)) / FS, theirs.times)
    assert worst(ours.coef_.transpose(1, 2, 0) * FS, theirs.weights) < COEFFICIENTS["float64"]
    assert worst(ours.intercept_ * FS, theirs.bias[0]) < COEFFICIENTS["float64"]
    predicted, _ = theirs.predict(x, y, average=False)
    expected = np.concatenate(predicted)
    found = ours.predict(np.concatenate(inputs), segments=[len(t) for t in x])
    assert worst(found, expected) < 10 * COEFFICIENTS["float64"]


def test_scores_of_mtrfpys_cross_validation() -> None:
    """Leave one trial out, r averaged over outputs. X'X is averaged over one trial less than in the final fit."""
    mtrf = pytest.importorskip("mtrf.model")
    x, y = trials(2, n=5)
    regularization = [0.01, 1.0, 100.0]
    theirs = mtrf.TRF(method="ridge")
    scores = theirs.train([t.copy() for t in x], [t.copy() for t in y], FS, 0, 0.1, regularization, verbose=False)
    ours = LaggedRidgeCV(
        lags=mtrf_lags(0, 0.1, FS), alphas=np.array(regularization) * FS * 4, cv=5, scoring="r", alpha_per_target=False
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours.fit(
            np.concatenate(x),
            np.concatenate(y),
            segments=[len(t) for t in x],
            groups=np.repeat(range(5), [len(t) for t in x]),
        )
    assert worst(ours.cv_scores_.mean(axis=1), np.asarray(scores), 1.0) < 1e-6


def test_lags_floor_and_ceil() -> None:
    for tmin, tmax, fs in ((-0.1, 0.25, 64), (0.0, 0.4, 100), (-0.05, 0.05, 128.0), (0.011, 0.012, 64)):
        assert mtrf_lags(tmin, tmax, fs) == range(int(np.floor(tmin * fs)), int(np.ceil(tmax * fs)) + 1)
        backward = mtrf_lags(tmin, tmax, fs, direction=-1)
        assert backward == range(int(np.floor(-tmax * fs)), int(np.ceil(-tmin * fs)) + 1)
    for bad, match in (
        ((0.2, 0.1, 64), "tmin <= tmax"), ((0, np.nan, 64), "finite"), ((0, 1, 0), "sfreq"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=match):
            mtrf_lags(*bad)
    with pytest.raises(InputError, match="direction"):
        mtrf_lags(0, 1, 64, direction=0)


def test_models_that_do_not_go_together() -> None:
    x, y = trials(2)
    fitted = LaggedRidge(lags=range(3)).fit(x[0], y[0])
    for others, match in (
        ([], "none"), ([fitted, LaggedRidge()], r"models\[1\]: found a model that is not fitted"),
        ([fitted, LaggedRidge(lags=range(2)).fit(x[0], y[0])], r"models\[1\]: found other lags"),
        ([fitted, LaggedRidge(lags=range(3), standardize=True).fit(x[0], y[0])], "Standardise the features before"),
        ([fitted, LaggedRidge(lags=range(3)).fit(x[0], y[0][:, 0])], "targets"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=match):
            average_models(others)
