"""Canonical correlations: the directions in which two sets of features agree most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from heschl.checks import InputError, check_choice, check_matrix
from heschl.linear.cca.costs import map_operations
from heschl.linear.cca.whitening import Whitened, largest_singular_vectors, product, whiten, whiten_gram
from heschl.linear.design.segments import group_folds, segment_bounds, segment_groups
from heschl.linear.device.arrays import Array, Double
from heschl.linear.device.exchange import adopt, in_kind, on_device, on_host
from heschl.linear.device.host import CPU
from heschl.linear.device.place import backend_of, check_device, name_of, open_device
from heschl.linear.device.threads import one_blas_thread
from heschl.linear.moments.formulas import column_correlations
from heschl.linear.pickles import with_defaults
from heschl.notices import warn

if TYPE_CHECKING:
    from heschl.linear.moments.lagged import LaggedMoments

PARTS = ("top", "rest", "all")
Columns = slice | Sequence[int] | NDArray[np.int64]


class CCA(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Canonical correlation analysis by whitening and one singular value decomposition.

    Finds a, b that maximise corr(X a, Y b), then the next pair uncorrelated with all before (Hotelling 1936, Biometrika
    28:321). Each side is made orthonormal by as careful a QR as its condition number κ asks for; the singular values of
    the product of both bases are the correlations (Björck & Golub 1973, Math. Comp. 27:579), to about 100 eps κ. No
    iterations, no order to get wrong.

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
    standardize : bool
        Scale each feature to variance 1 first: it matters to `reg` and `pca` alone.
    cv : None or int
        Folds of whole segments, for correlations on rows that had no part in finding the variates.
    device : {"auto", "cpu", "cuda"}
        Where the products with the rows are made; "auto": on a GPU where there is one and the products are large enough
        to gain by it. Rows that lie on a GPU stay there, and so do their variates, which come as arrays of the same
        library. Bases are found in float64, and kept in the precision of the rows.

    Attributes
    ----------
    correlations_ : ndarray of shape (``n_components_``,)
        Of the variates of the rows fitted, falling.
    x_weights_, y_weights_ : ndarray of shape (d, ``n_components_``)
        ``(X - x_mean_) @ x_weights_`` are the variates, with mean 0 and variance 1 (over n) on the rows fitted. In each
        column of `x_weights_` the largest number is positive; corresponding variates correlate positively.
    x_loadings_, y_loadings_ : ndarray of shape (``n_components_``, d)
        Variates @ loadings + mean is the part of the features that they carry.
    x_rest_weights_, y_rest_weights_ : ndarray of shape (d, rank − ``n_components_``)
        The same for what has no part in the variates: an orthonormal basis (times √n) of the complement.
    x_mean_, y_mean_ : (d,) arrays
    cv_correlations_ : (cv, n_components) array
        With `cv`: see `held_out_correlations`.
    x_rank_, y_rank_ : int
    device_ : str
        Where the products with the rows were made: "cpu", "cuda", or "cuda:1" of the second GPU.
    n_components_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from heschl import CCA
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
        standardize: bool = False,
        cv: int | None = None,
        device: str = "auto",
    ) -> None:
        self.n_components = n_components
        self.reg = reg
        self.rank_tol = rank_tol
        self.pca = pca
        self.standardize = standardize
        self.cv = cv
        self.device = device

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the state of this or an older version."""
        super().__setstate__(with_defaults(type(self), state))

    def fit(
        self, X: ArrayLike, Y: ArrayLike, *, segments: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> CCA:
        """Find the variates of (n, d_x) and (n, d_y) features; rows belong together.

        Parameters
        ----------
        X, Y : (n, d) array-like
        segments, groups : array-like, optional
            With `cv`: rows that stay together, and repeats of a stimulus; see `LaggedRidgeCV`.

        Raises
        ------
        InputError
            For shapes that do not fit, NaN, parameters out of range, a side that does not vary, and a side with as many
            directions as there are rows, which correlates perfectly with anything.

        Warns
        -----
        UserWarning
            Where a side has fewer directions than components are asked for, and where both sides together have as many
            as there are rows, so that some correlations are 1 whatever the data.
        """
        check_device(self.device)
        x, y = self._check(X, Y)
        where = open_device(self.device, lambda _: map_operations((1, x.shape[1]), (1, y.shape[1]), len(x)), x, y)
        self.device_ = name_of(where)
        a, b = (
            whiten(name, where.put(side), reg=reg, **self.cut())
            for name, side, reg in zip(("X", "Y"), (x, y), self.penalties(), strict=True)
        )
        with one_blas_thread():
            self._finish(a, b, where.get(product(a, b)), len(x))
        if self.cv is not None:
            self.cv_correlations_ = held_out_correlations(self, X, Y, segments=segments, groups=groups, cv=self.cv)
        return self

    def fit_moments(self, moments: LaggedMoments, x: Columns, y: Columns) -> CCA:
        """Find the variates of two sets of features from their moments, data unseen.

        Squares lose half of the digits: directions below 1e-7 of the largest are lost whatever `rank_tol` says, and
        correlations carry an error of eps κ².

        Parameters
        ----------
        moments : LaggedMoments
            Of both sets of features together, lag 0 among the lags.
        x, y : column numbers or slice
            Which features are which side.

        Raises
        ------
        InputError
            As `fit`; and where lag 0 is not among the lags.
        """
        if self.cv is not None:
            raise InputError("cv", repr(self.cv), "None with moments", "Held-out correlations need the data: use fit.")
        check_parameters(self.n_components, self.rank_tol, self.pca)
        if 0 not in moments.lags:
            raise InputError("moments", f"lags {moments.lags[0]} to {moments.lags[-1]}", "lag 0 among them")
        left, right = (np.arange(moments.first_column.shape[1])[part] for part in (x, y))
        self.device_ = CPU.name
        both, split = moments.select(features=np.concatenate([left, right]), lags=[0]), len(left)
        n, sums = both.n_rows, both.pair_sums[0]
        gram = both.first_column.astype(np.float64) - np.outer(sums, sums) / n
        mean = both.shift.features + sums / n
        parts = (slice(0, split), slice(split, None))
        a, b = (
            whiten_gram(name, gram[part, part], mean[part], n, reg=reg, **self.cut())
            for name, part, reg in zip(("x", "y"), parts, self.penalties(), strict=True)
        )
        self._finish(a, b, a.back.T @ gram[parts[0], parts[1]] @ b.back, n)
        return self

    def _finish(self, a: Whitened, b: Whitened, P: Double, n: int) -> None:
        """Find the variates from both sides and the product P of their bases."""
        count = self._count(a, b, n)
        left, _, right = largest_singular_vectors(a.shrink[:, None] * P * b.shrink, count)
        tops = []
        for side, rotation in ((a, left), (b, right)):
            top = side.shrink[:, None] * rotation
            tops.append(top / np.sqrt((top**2).sum(axis=0) / n))
        x, y = tops
        self.x_weights_, self.y_weights_ = a.back @ x, b.back @ y
        correlations = (x * (P @ y)).sum(axis=0) / n
        sign = np.sign(self.x_weights_[np.abs(self.x_weights_).argmax(axis=0), np.arange(count)])
        signs = sign, sign * np.where(correlations < 0, -1.0, 1.0)
        self.x_weights_ *= signs[0]
        self.y_weights_ *= signs[1]
        self.correlations_ = np.minimum(np.abs(correlations), 1.0)
        # Least squares of features on variates.
        self.x_loadings_, self.y_loadings_ = (
            np.linalg.solve(top.T @ top, top.T @ side.forth) * turned[:, None]
            for top, side, turned in ((x, a, signs[0]), (y, b, signs[1]))
        )
        self.x_mean_, self.y_mean_ = a.mean, b.mean
        self.x_rank_, self.y_rank_, self.n_components_ = a.rank, b.rank, count
        self.n_features_in_ = len(a.back)
        self._x_back, self._y_back, self._x_top, self._y_top, self._n = a.back, b.back, x, y, n

    @property
    def x_rest_weights_(self) -> Double:
        """Made when asked for."""
        check_is_fitted(self)
        return _complement(self._x_back, self._x_top, self._n)

    @property
    def y_rest_weights_(self) -> Double:
        """Made when asked for."""
        check_is_fitted(self)
        return _complement(self._y_back, self._y_top, self._n)

    def transform(self, X: ArrayLike, Y: ArrayLike | None = None, *, part: str = "top") -> Any:
        """Project new rows on the variates: those of X, or of both sides.

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
        x = _apply("X", X, self.x_mean_, self._weights("x", part))
        if Y is None:
            return x
        return x, _apply("Y", Y, self.y_mean_, self._weights("y", part))

    def split_features(self, X: ArrayLike) -> tuple[Double, Double]:
        """Split features into what the canonical variates carry of them and what is left.

        Parameters
        ----------
        X : (n, d) array-like
            Features of the first side.

        Returns
        -------
        carried, left : (n, d) arrays of float64
            Their sum is X.
        """
        check_is_fitted(self)
        values = np.asarray(on_host("X", X), dtype=np.float64)
        shared = self.transform(values) @ self.x_loadings_ + self.x_mean_
        return shared, values - shared

    def _weights(self, side: str, part: str) -> Double:
        top = getattr(self, f"{side}_weights_")
        if part == "top":
            return np.asarray(top)
        rest = getattr(self, f"{side}_rest_weights_")
        return np.asarray(rest) if part == "rest" else np.concatenate([top, rest], axis=1)

    def _check(self, X: Any, Y: Any) -> tuple[Array, Array]:
        check_parameters(self.n_components, self.rank_tol, self.pca)
        self.penalties()
        x, y = _matrix("X", X), _matrix("Y", Y)
        if len(x) != len(y) or len(x) < 2:
            raise InputError("Y", f"{len(y)} rows", f"{len(x)}, as many as X, and two or more")
        return x, y

    def penalties(self) -> tuple[float, float]:
        """Return `reg` of X and of Y."""
        a, b = np.broadcast_to(np.asarray(self.reg, dtype=np.float64), 2).tolist()
        if not all(np.isfinite(value) and value >= 0 for value in (a, b)):
            raise InputError("reg", repr(self.reg), "a penalty of 0 or more, or one for each side")
        return a, b

    def cut(self) -> dict[str, Any]:
        """Return how a side is cut, for `whiten`."""
        return {"rank_tol": self.rank_tol, "pca": self.pca, "standardize": self.standardize}

    def _count(self, a: Whitened, b: Whitened, n: int) -> int:
        for name, side, reg in zip(("X", "Y"), (a, b), self.penalties(), strict=True):
            if side.rank >= n - 1 and reg == 0:
                raise InputError(
                    name, f"{side.rank} directions in {n} rows", f"fewer directions than {n - 1}",
                    "As they are they correlate perfectly with any features. Give more rows, a penalty (reg) or "
                    "fewer principal components (pca).",
                )  # fmt: skip
        forced = a.rank + b.rank - (n - 1)
        if forced > 0 and not any(self.penalties()):
            found = f"{forced} correlations are 1 whatever the data: {a.rank} + {b.rank} directions in {n} rows"
            warn(found + "; give a penalty (reg) or fewer principal components (pca)", UserWarning)
        count = min(self.n_components, a.rank, b.rank)
        if count < self.n_components:
            found = f"{count} components, not {self.n_components}: X has rank {a.rank} and Y {b.rank}"
            warn(found)
        return count


def _complement(back: Double, top: Double, n: int) -> Double:
    """Return weights of an orthonormal basis (times √n) of what has no part in the variates."""
    with one_blas_thread():
        whole, _ = np.linalg.qr(top, mode="complete")
        return np.asarray(back @ whole[:, top.shape[1] :] * np.sqrt(n))


def _matrix(name: str, X: Any) -> Array:
    """Check rows and return them in float64, where they lie."""
    if not on_device(X):
        return check_matrix(name, X, np.float64)
    values = adopt(name, X)
    return values if values.dtype == np.float64 else backend_of(values).cast(values, np.float64)


def _apply(name: str, X: Any, mean: Double, weights: Double) -> Any:
    values = _matrix(name, X)
    if values.shape[1] != len(mean):
        raise InputError(name, f"{values.shape[1]} features", f"{len(mean)}, as in the fit")
    if not on_device(X):
        with one_blas_thread():
            return np.asarray((values - mean) @ weights)
    b = backend_of(values)
    return in_kind(b.product(b.shifted(b.copy(values), np.zeros(len(values)), -mean), b.put(weights)), X)


def check_parameters(n_components: int, rank_tol: float, pca: float | int | None) -> None:
    """Refuse parameters of `CCA` that are out of range."""
    if isinstance(n_components, bool) or not isinstance(n_components, int | np.integer) or n_components < 1:
        raise InputError("n_components", repr(n_components), "1 or more")
    if not 0 <= rank_tol < 1:
        raise InputError("rank_tol", repr(rank_tol), "0 or more, and below 1")
    whole = isinstance(pca, int | np.integer) and not isinstance(pca, bool)
    if pca is not None and not (pca >= 1 if whole else isinstance(pca, float) and 0 < pca <= 1):
        raise InputError("pca", repr(pca), "None, a share of variance up to 1.0, or a whole number of components")


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
    >>> import numpy as np
    >>> from heschl import CCA
    >>> from heschl.linear import held_out_correlations
    >>> rng = np.random.default_rng(0)
    >>> X, Y = rng.standard_normal((300, 5)), rng.standard_normal((300, 5))
    >>> Y[:, 0] = X[:, 0]
    >>> held_out_correlations(CCA(2), X, Y, segments=[30] * 10).round(1)[:, 0].tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    from sklearn.base import clone

    x, y = (check_matrix(name, on_host(name, side), np.float64) for name, side in (("X", X), ("Y", Y)))
    bounds = segment_bounds(segments, len(x))
    names = segment_groups(groups, bounds, len(x))
    fold = np.repeat(group_folds(names, bounds[:, 1] - bounds[:, 0], cv), bounds[:, 1] - bounds[:, 0])
    out = np.full((cv, model.n_components), np.nan)
    for k in range(cv):
        test = fold == k
        fitted = clone(model).set_params(cv=None).fit(x[~test], y[~test])
        r = column_correlations(*fitted.transform(x[test], y[test]))
        out[k, : len(r)] = r
    return out
