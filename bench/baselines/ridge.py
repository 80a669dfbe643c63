"""Ridge with λ by cross-validation: NumPy with care, scikit-learn, himalaya, mTRFpy."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.lagged import numpy_design
from baselines.scores import r2

Array = NDArray[Any]


def numpy_ridge_cv(H: Array, Y: Array, lengths: Array, fold: Array, n_lags: int, alphas: Array) -> Array:
    """The expert's way: one design, fold Grams subtracted from the total, one eigendecomposition per fold.

    Returns R² of shape (n_folds, n_alphas, c).
    """
    X, rows = numpy_design(H, lengths, n_lags), np.repeat(fold, lengths)
    n_folds = fold.max() + 1
    X = X - X.mean(0)  # near-centring keeps float32 exact enough; the fold's own means follow below
    Y = Y - Y.mean(0)
    parts = []
    for k in range(n_folds):
        x, y = X[rows == k], Y[rows == k]
        parts.append((x.T @ x, x.T @ y, x.sum(0), y.sum(0), len(x)))
    total = [sum(part[i] for part in parts) for i in range(5)]
    out = np.empty((n_folds, len(alphas), Y.shape[1]))
    for k in range(n_folds):
        G, R, sx, sy, m = (total[i] - parts[k][i] for i in range(5))
        G, R = G - np.outer(sx, sx) / m, R - np.outer(sx, sy) / m
        values, vectors = np.linalg.eigh(G)
        rotated = vectors.T @ R
        test, y = (X[rows == k] - sx / m) @ vectors, Y[rows == k]
        for a, alpha in enumerate(alphas):
            out[k, a] = r2(y, test @ (rotated / (values + alpha)[:, None]) + sy / m)
    return out


def sklearn_ridge_cv(H: Array, Y: Array, lengths: Array, fold: Array, n_lags: int, alphas: Array) -> Array:
    """scikit-learn's Ridge in a fold × λ loop on the materialised design."""
    from sklearn.linear_model import Ridge

    X, rows = numpy_design(H, lengths, n_lags), np.repeat(fold, lengths)
    out = np.empty((fold.max() + 1, len(alphas), Y.shape[1]))
    for k in range(len(out)):
        train, test = rows != k, rows == k
        for a, alpha in enumerate(alphas):
            prediction = Ridge(alpha=alpha).fit(X[train], Y[train]).predict(X[test])
            out[k, a] = r2(Y[test], prediction.reshape(Y[test].shape))
    return out


def himalaya_ridge_cv(H: Array, Y: Array, lengths: Array, fold: Array, n_lags: int, alphas: Array) -> Array:
    """himalaya's RidgeCV, torch backend on the CPU, the same folds; mean R² over folds at the best λ, (c,)."""
    from himalaya.backend import set_backend
    from himalaya.ridge import RidgeCV
    from himalaya.scoring import r2_score
    from sklearn.model_selection import PredefinedSplit

    set_backend("torch")
    X = numpy_design(H, lengths, n_lags)
    params = {"score_func": r2_score, "n_targets_batch": None, "local_alpha": True}
    model = RidgeCV(
        alphas=alphas, fit_intercept=True, cv=PredefinedSplit(np.repeat(fold, lengths)), solver_params=params
    )
    model.fit(X, Y)
    return np.asarray(model.cv_scores_).reshape(-1)


MTRF_RATE = 64  # Hz: a power of two, so that lags in seconds are whole frames without rounding


def mtrf_penalties(alphas: Array, n_trials: int) -> Array:
    """Penalties in mTRFpy's scale, which stand for `alphas` (scikit-learn's) where a model is trained on `n_trials`.

    mTRFpy divides X'X by the number of trials it is trained on and multiplies its penalty by the sampling rate, so
    λ_sklearn = λ_mTRF · rate · trials: a fold's model and the final one have different λ in scikit-learn's scale.
    """
    return alphas / (MTRF_RATE * n_trials)


def mtrf_folds(n_trials: int, n_folds: int, seed: int) -> list[Array]:
    """Trials of each test fold, as mTRFpy draws them: shuffled by Python's generator."""
    trials = np.arange(n_trials)
    random.seed(seed)
    random.shuffle(trials)  # type: ignore[arg-type]
    return np.array_split(trials, n_folds)


def mtrf_cv(H: Array, Y: Array, lengths: Array, n_folds: int, n_lags: int, alphas: Array, seed: int) -> Any:
    """mTRFpy's TRF with cross-validated λ, a trial per segment: its weights and (per λ) its mean r over trials.

    Its covariances are kept for all trials (`preload`), its default and its fast way. A positive lag is the past of the
    stimulus, as here; missing history is 0; the constant column is not penalised, which is a fitted intercept.
    """
    from mtrf.model import TRF

    ends = np.cumsum(lengths)
    stimulus = [H[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    response = [Y[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    n_train = len(lengths) - len(lengths) // n_folds
    model = TRF()
    r = model.train(
        stimulus, response, MTRF_RATE, 0.0, (n_lags - 1) / MTRF_RATE,
        list(mtrf_penalties(alphas, n_train)), k=n_folds, seed=seed, verbose=False,
    )  # fmt: skip
    return model, np.asarray(r)


def numpy_trial_r(H: Array, Y: Array, lengths: Array, folds: list[Array], n_lags: int, alphas: Array) -> Array:
    """What mTRFpy reports, by plain means: Pearson's r of each held-out trial, averaged over trials, then folds."""
    X, trial = numpy_design(H, lengths, n_lags), np.repeat(np.arange(len(lengths)), lengths)
    out = np.empty((len(folds), len(alphas)))
    for k, test in enumerate(folds):
        train = ~np.isin(trial, test)
        mean_x, mean_y = X[train].mean(0), Y[train].mean(0)
        x, y = X[train] - mean_x, Y[train] - mean_y
        for a, alpha in enumerate(alphas):
            W = np.linalg.solve(x.T @ x + alpha * np.eye(x.shape[1]), x.T @ y)
            r = []
            for t in test:
                predicted = (X[trial == t] - mean_x) @ W + mean_y
                r.append([np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.T, Y[trial == t].T, strict=True)])
            out[k, a] = np.mean(r)
    return out.mean(0)


def numpy_ridge(H: Array, Y: Array, lengths: Array, n_lags: int, alpha: float) -> tuple[Array, Array]:
    """One ridge by the normal equations: weights (n_lags, d, c) and intercept (c,)."""
    X = numpy_design(H, lengths, n_lags)
    mean_x, mean_y = X.mean(0), Y.mean(0)
    x = X - mean_x
    W = np.linalg.solve(x.T @ x + alpha * np.eye(x.shape[1]), x.T @ (Y - mean_y))
    return W.reshape(n_lags, H.shape[1], -1), mean_y - mean_x @ W
