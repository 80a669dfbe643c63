"""CCA of one pair and of many: scikit-learn's iterations, cca-zoo, and NumPy by QR or by Cholesky factors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

Array = NDArray[Any]


def scikit_learn(X: Array, Y: Array, k: int) -> Array:
    """The call of the paper's published code."""
    from sklearn.cross_decomposition import CCA

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of components that did not converge
        a, b = CCA(n_components=k, max_iter=20_000).fit_transform(X, Y)
    a, b = (side - side.mean(axis=0) for side in (a, b))
    return (a * b).sum(axis=0) / np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))


def cca_zoo(X: Array, Y: Array, k: int) -> Array:
    from cca_zoo.linear import CCA

    model = CCA(n_components=k).fit([X, Y])
    a, b = model.transform([X, Y])
    a, b = (side - side.mean(axis=0) for side in (a, b))
    return (a * b).sum(axis=0) / np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))


def numpy_qr(X: Array, Y: Array, k: int) -> Array:
    qx, _ = np.linalg.qr(X - X.mean(axis=0))
    qy, _ = np.linalg.qr(Y - Y.mean(axis=0))
    return np.linalg.svd(qx.T @ qy, full_matrices=False)[1][:k]


def numpy_cholesky(X: Array, Y: Array, k: int) -> Array:
    x, y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    a, b = np.linalg.cholesky(x.T @ x), np.linalg.cholesky(y.T @ y)
    M = solve_triangular(a, solve_triangular(b, (x.T @ y).T, lower=True).T, lower=True)
    return np.linalg.svd(M, full_matrices=False)[1][:k]
