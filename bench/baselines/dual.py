"""Ridge with more columns than frames: himalaya's kernel ridge and NumPy's dual, on the materialised design."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.lagged import numpy_design
from baselines.scores import r2

Array = NDArray[Any]


def himalaya_kernel_ridge_cv(H: Array, Y: Array, lengths: Array, fold: Array, n_lags: int, alphas: Array) -> Array:
    """himalaya's KernelRidgeCV, torch backend on the CPU, the same folds; mean R² over folds at the best λ, (c,)."""
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV
    from himalaya.scoring import r2_score
    from sklearn.model_selection import PredefinedSplit

    set_backend("torch")
    X = numpy_design(H, lengths, n_lags)
    model = KernelRidgeCV(
        alphas=alphas, kernel="linear", fit_intercept=True, cv=PredefinedSplit(np.repeat(fold, lengths)),
        solver_params={"score_func": r2_score, "local_alpha": True},
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # says, at reduced size, that the primal would be faster
        model.fit(X, Y)
    return np.asarray(model.cv_scores_).reshape(-1)


def numpy_dual_cv(H: Array, Y: Array, lengths: Array, fold: Array, n_lags: int, alphas: Array) -> Array:
    """The expert's way: one kernel, centred for each training set, one eigendecomposition per fold.

    Returns R² of shape (n_folds, n_alphas, c).
    """
    X, rows = numpy_design(H, lengths, n_lags), np.repeat(fold, lengths)
    X -= X.mean(0)  # near-centring keeps float32 exact enough; the fold's own means follow below
    K = X @ X.T
    del X
    out = np.empty((fold.max() + 1, len(alphas), Y.shape[1]))
    for k in range(len(out)):
        train, test = rows != k, rows == k
        inner, across = K[np.ix_(train, train)], K[np.ix_(test, train)]
        means = inner.mean(0)
        across = across - means - (across.mean(1) - means.mean())[:, None]
        inner = inner - means - (means - means.mean())[:, None]
        y_mean = Y[train].mean(0)
        values, vectors = np.linalg.eigh(inner)
        rotated, across = vectors.T @ (Y[train] - y_mean), across @ vectors
        for a, alpha in enumerate(alphas):
            out[k, a] = r2(Y[test], across @ (rotated / (values + alpha)[:, None]) + y_mean)
    return out
