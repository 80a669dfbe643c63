"""Whitening one side of a CCA: an orthonormal basis of what varies in it, found once and used with every other side."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr, svd

from heschl.checks import InputError

Double = NDArray[np.float64]


@dataclass(frozen=True)
class Whitened:
    """One side of a CCA.

    Attributes
    ----------
    basis : (n, r) array of float64
        Orthonormal columns that span the centred features, by falling variance.
    back : (d, r) array of float64
        (features − mean) @ back = basis.
    shrink : (r,) array of float64
        s / √(s² + reg) of each column, s its singular value: 1 without a penalty.
    mean : (d,) array of float64
        Of the features.
    """

    basis: Double = field(repr=False)
    back: Double = field(repr=False)
    shrink: Double = field(repr=False)
    mean: Double = field(repr=False)

    @property
    def rank(self) -> int:
        """How many directions there are."""
        return int(self.basis.shape[1])


def whiten(name: str, X: Double, *, reg: float, rank_tol: float, pca: float | int | None) -> Whitened:
    """Find the basis by QR and the SVD of R: backward stable, whatever the condition number.

    Parameters
    ----------
    name : str
        Of the argument, for messages.
    X : (n, d) array of float64
        Features.
    reg : float
        Ridge penalty on weights, in units of the centred features' sums of squares.
    rank_tol : float
        Singular values below this times the largest are no direction.
    pca : None, float or int
        Keep so much of the variance (0 … 1), or so many principal components.

    Raises
    ------
    InputError
        For features that do not vary.
    """
    mean = X.mean(axis=0)
    centred = X - mean
    if len(centred) > centred.shape[1]:
        q, r = qr(centred, mode="economic", overwrite_a=True, check_finite=False)
        u, s, vt = svd(r, full_matrices=False, check_finite=False)
        u = q @ u
    else:
        u, s, vt = svd(centred, full_matrices=False, check_finite=False)
    largest = float(s.max(initial=0.0))
    # Rounding of the mean leaves that much of a constant.
    noise = np.finfo(np.float64).eps * np.sqrt(len(X)) * float(np.abs(X).max(initial=0.0)) * max(X.shape)
    keep = int((s > max(rank_tol * largest, noise)).sum())
    if keep == 0:
        raise InputError(name, "features that do not vary", "at least one that does")
    if isinstance(pca, int):
        keep = min(keep, pca)
    elif pca is not None:
        share = np.cumsum(s**2) / np.sum(s**2)
        keep = min(keep, int(np.searchsorted(share, pca * (1 - 1e-12)) + 1))
    s = s[:keep]
    return Whitened(np.ascontiguousarray(u[:, :keep]), vt[:keep].T / s, s / np.sqrt(s**2 + reg), mean)
