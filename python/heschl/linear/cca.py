"""Canonical correlations: the directions in which two sets of features agree most."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh, svd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from heschl.checks import InputError, check_choice, check_matrix
from heschl.linear.segments import group_folds, segment_bounds, segment_groups
from heschl.linear.whitening import Double, Whitened, whiten

if TYPE_CHECKING:
    import xarray as xr

PARTS = ("top", "rest", "all")


class CCA(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Canonical correlation analysis by whitening and one singular value decomposition.

    Finds a, b that maximise corr(X a, Y b), then the next pair uncorrelated with all before (Hotelling 1936, Biometrika
    28:321). Each side is whitened by QR and SVD, which no condition number spoils; the singular values of the product
    of both bases are the correlations (Björck & Golub 1973, Math. Comp. 27:579). No iterations, no order to get wrong.

    Parameters
    ----------
    n_components : int
        Pairs of variates; fewer, with a warning, where the rank of a side is smaller.
    reg : float or (float, float)
        Ridge penalty of each side, ‖X a‖² + reg ‖a‖² being what is held at 1.
    rank_tol : float
        Directions whose singular value is below this times the largest are no directions: a rank-deficient side loses
        them, and nothing else.
    pca : None, float or int
        Cut each side to so much of its variance, or so many principal components, first.

    Attributes
    ----------
    correlations_ : (n_components_,) array
        Of the variates of the rows fitted, falling.
    x_weights_, y_weights_ : (d, n_components_) arrays
        (X − x_mean_) @ x_weights_ are the variates, with mean 0 and variance 1 (over n) on the rows fitted. In each
        column of x_weights_ the largest number is positive; corresponding variates correlate positively.
    x_loadings_, y_loadings_ : (n_components_, d) arrays
        Variates @ loadings + mean is the part of the features that they carry.
    x_rest_weights_, y_rest_weights_ : (d, rank − n_components_) arrays
        The same for what has no part in the variates: an orthonormal basis (times √n) of the complement.
    x_mean_, y_mean_ : (d,) arrays
    x_rank_, y_rank_ : int
    n_components_ : int

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> shared = rng.standard_normal((500, 1))
    >>> X = np.hstack([shared + 0.1 * rng.standard_normal((500, 1)), rng.standard_normal((500, 3))])
    >>> Y = np.hstack([rng.standard_normal((500, 2)), shared])
    >>> model = CCA(n_components=2).fit(X, Y)
    >>> model.correlations_.round(2).tolist()[0], model.transform(X).shape, model.transform(X, part="rest").shape
    (1.0, (500, 2), (500, 2))
    """

    def __init__(
        self,
        n_components: int = 50,
        *,
        reg: float | tuple[float, float] = 0.0,
        rank_tol: float = 1e-10,
        pca: float | int | None = None,
    ) -> None:
        self.n_components = n_components
        self.reg = reg
        self.rank_tol = rank_tol
        self.pca = pca

    def fit(self, X: ArrayLike, Y: ArrayLike) -> CCA:
        """Find the variates of (n, d_x) and (n, d_y) features; rows belong together.

        Raises
        ------
        InputError
            For shapes that do not fit, NaN, parameters out of range, a side that does not vary.

        Warns
        -----
        UserWarning
            Where a side has fewer directions than components are asked for.
        """
        a, b = self._sides(X, Y)
        count = self._count(a, b)
        self.n_features_in_ = a.back.shape[0]
        left, _, right = svd((a.basis * a.shrink).T @ (b.basis * b.shrink), check_finite=False)
        sides = []
        for side, rotation in ((a, left), (b, right.T)):
            variates = (side.basis * side.shrink) @ rotation[:, :count]
            scale = np.sqrt((variates**2).mean(axis=0))
            weights = (side.back * side.shrink) @ rotation[:, :count] / scale
            # What is left: the complement of the variates in the whitened space.
            top, _ = np.linalg.qr(side.shrink[:, None] * rotation[:, :count])
            rest = svd(top, full_matrices=True, check_finite=False)[0][:, count:]
            sides.append((weights, variates / scale, side.back @ rest * np.sqrt(len(variates))))
        (self.x_weights_, x, self.x_rest_weights_), (self.y_weights_, y, self.y_rest_weights_) = sides
        x_sign = np.sign(self.x_weights_[np.abs(self.x_weights_).argmax(axis=0), np.arange(count)])
        correlations = (x * y).mean(axis=0)
        y_sign = x_sign * np.where(correlations < 0, -1.0, 1.0)
        self.x_weights_ *= x_sign
        self.y_weights_ *= y_sign
        self.correlations_ = np.minimum(np.abs(correlations), 1.0)
        self.x_mean_, self.y_mean_ = a.mean, b.mean
        self.x_rank_, self.y_rank_, self.n_components_ = a.rank, b.rank, count
        self.x_loadings_ = _loadings(x * x_sign, check_matrix("X", X, np.float64) - a.mean)
        self.y_loadings_ = _loadings(y * y_sign, check_matrix("Y", Y, np.float64) - b.mean)
        return self

    def transform(self, X: ArrayLike, Y: ArrayLike | None = None, *, part: str = "top") -> Any:
        """Give the variates of new rows: of X, or (of X, of Y).

        Parameters
        ----------
        X, Y : (n, d) array-like
        part : {"top", "rest", "all"}
            The canonical variates; an orthonormal basis of the complement; both side by side.

        Returns
        -------
        (n, k) array, or two of them
        """
        check_is_fitted(self)
        check_choice("part", part, PARTS)
        x = _apply("X", X, self.x_mean_, self.x_weights_, self.x_rest_weights_, part)
        if Y is None:
            return x
        return x, _apply("Y", Y, self.y_mean_, self.y_weights_, self.y_rest_weights_, part)

    def split_features(self, X: ArrayLike) -> tuple[Double, Double]:
        """Split features into what the canonical variates carry and what is left: both (n, d), their sum X."""
        check_is_fitted(self)
        shared = self.transform(X) @ self.x_loadings_ + self.x_mean_
        return shared, np.asarray(X, dtype=np.float64) - shared

    def _sides(self, X: ArrayLike, Y: ArrayLike) -> tuple[Whitened, Whitened]:
        _check_parameters(self.n_components, self.rank_tol, self.pca)
        x, y = check_matrix("X", X, np.float64), check_matrix("Y", Y, np.float64)
        if len(x) != len(y) or len(x) < 2:
            raise InputError("Y", f"{len(y)} rows", f"{len(x)}, as many as X, and two or more")
        reg = tuple(np.broadcast_to(np.asarray(self.reg, dtype=np.float64), 2))
        if not all(np.isfinite(value) and value >= 0 for value in reg):
            raise InputError("reg", repr(self.reg), "a penalty of 0 or more, or one for each side")
        a, b = (
            whiten(name, side, reg=float(value), rank_tol=self.rank_tol, pca=self.pca)
            for name, side, value in (("X", x, reg[0]), ("Y", y, reg[1]))
        )
        return a, b

    def _count(self, a: Whitened, b: Whitened) -> int:
        count = min(self.n_components, a.rank, b.rank)
        if count < self.n_components:
            said = f"{count} components, not {self.n_components}: X has rank {a.rank} and Y {b.rank}"
            warnings.warn(said, UserWarning, stacklevel=3)
        return count


def held_out_correlations(
    model: CCA,
    X: ArrayLike,
    Y: ArrayLike,
    *,
    segments: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    cv: int = 5,
) -> Double:
    """Correlate variates on rows that had no part in finding them.

    Parameters
    ----------
    model : CCA
        Its parameters are used; it is not fitted.
    X, Y : (n, d) array-like
    segments, groups : array-like, optional
        Rows that stay together: segments (lengths, or a label per row), and repeats of a stimulus; see `LaggedRidgeCV`.
    cv : int
        Folds of whole segments.

    Returns
    -------
    (cv, n_components) array
        NaN where a fold has fewer components, or a variate is constant in it.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, Y = rng.standard_normal((300, 5)), rng.standard_normal((300, 5))
    >>> Y[:, 0] = X[:, 0]
    >>> held_out_correlations(CCA(2), X, Y, segments=[30] * 10).round(1)[:, 0].tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    from sklearn.base import clone

    x, y = check_matrix("X", X, np.float64), check_matrix("Y", Y, np.float64)
    bounds = segment_bounds(segments, len(x))
    names = segment_groups(groups, bounds, len(x))
    fold = np.repeat(group_folds(names, bounds[:, 1] - bounds[:, 0], cv), bounds[:, 1] - bounds[:, 0])
    out = np.full((cv, model.n_components), np.nan)
    for k in range(cv):
        test = fold == k
        fitted = clone(model).fit(x[~test], y[~test])
        a, b = fitted.transform(x[test], y[test])
        a, b = a - a.mean(axis=0), b - b.mean(axis=0)
        norm = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
        r = np.divide((a * b).sum(axis=0), norm, out=np.full(norm.shape, np.nan), where=norm > 0)
        out[k, : len(r)] = r
    return out


Layer = ArrayLike | Callable[[], ArrayLike]


def cca_grid(
    spaces_a: Mapping[str, Layer],
    spaces_b: Mapping[str, Layer],
    *,
    n_components: int = 50,
    rank_tol: float = 1e-10,
    pca: float | int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> xr.DataArray:
    """Correlate every layer of one model with every layer of another.

    Every layer is whitened once. The bases of `spaces_a` stay in memory, side by side; a layer of `spaces_b` is loaded,
    whitened and multiplied with all of them in one product, of whose parts the largest singular values are taken, as
    roots of eigenvalues: those below 1e-7 are lost in rounding.

    Parameters
    ----------
    spaces_a, spaces_b : mapping of layer to (n, d) array-like, or to a function that loads one
        Rows belong together throughout. The model with fewer or narrower layers goes first.
    n_components : int
        Correlations of each pair; 0 beyond the rank of a side.
    rank_tol, pca
        See `CCA`.
    progress : callable, optional
        Called with (layers of `spaces_b` done, in all).

    Returns
    -------
    xarray.DataArray
        (layer_a, layer_b, component) of float64.

    Raises
    ------
    InputError
        For no layer, layers of other numbers of rows, NaN, a layer that does not vary.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> layers = {str(i): rng.standard_normal((100, 3)) for i in range(2)}
    >>> found = cca_grid(layers, layers, n_components=2)
    >>> found.dims, found.sel(layer_a="0", layer_b="0").values.round(6).tolist()
    (('layer_a', 'layer_b', 'component'), [1.0, 1.0])
    """
    import xarray as xr

    _check_parameters(n_components, rank_tol, pca)
    if not spaces_a or not spaces_b:
        raise InputError("spaces_a, spaces_b", f"{len(spaces_a)} and {len(spaces_b)} layers", "one or more of each")
    n: int | None = None

    def basis(side: str, name: str, layer: Layer) -> Double:
        nonlocal n
        where = f"{side}[{name!r}]"
        X = check_matrix(where, layer() if callable(layer) else layer, np.float64)
        n = len(X) if n is None else n
        if len(X) != n:
            raise InputError(where, f"{len(X)} rows", f"{n}, as many as the layers before")
        return whiten(where, X, reg=0.0, rank_tol=rank_tol, pca=pca).basis

    bases = [basis("spaces_a", name, layer) for name, layer in spaces_a.items()]
    stacked = np.concatenate(bases, axis=1)
    edges = np.cumsum([0, *(own.shape[1] for own in bases)])
    del bases
    out = np.zeros((len(spaces_a), len(spaces_b), n_components))
    for j, (name, layer) in enumerate(spaces_b.items()):
        products = stacked.T @ basis("spaces_b", name, layer)
        for i in range(len(spaces_a)):
            values = _largest_singular_values(products[edges[i] : edges[i + 1]], n_components)
            out[i, j, : len(values)] = np.minimum(values, 1.0)
        if progress is not None:
            progress(j + 1, len(spaces_b))
    return xr.DataArray(
        out,
        dims=("layer_a", "layer_b", "component"),
        coords={"layer_a": list(spaces_a), "layer_b": list(spaces_b), "component": np.arange(n_components)},
        name="correlation",
    )


def _largest_singular_values(M: Double, k: int) -> Double:
    M = M if M.shape[0] <= M.shape[1] else M.T
    r = len(M)
    k = min(k, r)
    squares = eigh(M @ M.T, eigvals_only=True, subset_by_index=(r - k, r - 1), check_finite=False, overwrite_a=True)
    return np.asarray(np.sqrt(np.maximum(squares[::-1], 0.0)))


def _check_parameters(n_components: int, rank_tol: float, pca: float | int | None) -> None:
    if isinstance(n_components, bool) or not isinstance(n_components, int | np.integer) or n_components < 1:
        raise InputError("n_components", repr(n_components), "1 or more")
    if not 0 <= rank_tol < 1:
        raise InputError("rank_tol", repr(rank_tol), "0 or more, and below 1")
    whole = isinstance(pca, int | np.integer) and not isinstance(pca, bool)
    if pca is not None and not (pca >= 1 if whole else isinstance(pca, float) and 0 < pca <= 1):
        raise InputError("pca", repr(pca), "None, a share of variance up to 1.0, or a whole number of components")


def _apply(name: str, X: ArrayLike, mean: Double, top: Double, rest: Double, part: str) -> Double:
    values = check_matrix(name, X, np.float64)
    if values.shape[1] != len(mean):
        raise InputError(name, f"{values.shape[1]} features", f"{len(mean)}, as in the fit")
    weights = {"top": top, "rest": rest, "all": np.concatenate([top, rest], axis=1)}[part]
    return np.asarray((values - mean) @ weights)


def _loadings(variates: Double, centred: NDArray[Any]) -> Double:
    """Least squares of features on variates."""
    return np.asarray(np.linalg.lstsq(variates, centred, rcond=None)[0])
