"""LaggedRidge and LaggedRidgeCV: the lagged ridge model as scikit-learn estimators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from heschl.checks import InputError, check_alphas
from heschl.linear.crossval.fit import fit_cv, fit_fixed
from heschl.linear.crossval.path import AlphaEdgeWarning, at_edge
from heschl.linear.crossval.scores import Score, check_score
from heschl.linear.design.segments import make_splits, partition
from heschl.linear.estimators.base import DEFAULT_LAGS, Data, LaggedModel
from heschl.linear.estimators.distributed import fit_dask
from heschl.linear.estimators.shown import named_targets
from heschl.linear.moments.distributed import is_dask
from heschl.linear.ridge.penalty import Penalty
from heschl.notices import reporting, warn

DEFAULT_ALPHAS = tuple(float(alpha) for alpha in np.logspace(-1, 8, 10))


class _Ridge(LaggedModel):
    """What both have: a choice of what is penalised."""

    penalty: str
    penalize_intercept: bool | float

    def _penalty(self, n_lags: int) -> Penalty:
        return Penalty.of(self.penalty, self.penalize_intercept, self.fit_intercept, n_lags)


class LaggedRidge(_Ridge):
    """Ridge regression on time-lagged features, at a given penalty.

    Minimises ‖Y - X W - 1 bᵀ‖² + α ‖W‖² with X the lagged design ``X[t, (k, f)] = H[t - lags[k], f]`` of the features
    H, which is never built. The result equals scikit-learn's ``Ridge(alpha)`` on the materialised design.

    Parameters
    ----------
    alpha : float or array-like of shape (n_targets,), default=1.0
        Penalty > 0 in scikit-learn's scale, one for all targets or one for each.
    lags : sequence of int, default=0 ... 19
        Consecutive lags in frames; a positive lag is the past of the stimulus. Ignored where `tmin` ... are given.
    tmin, tmax : float, optional
        First and last lag in seconds, both included (as in MNE); they need `sfreq`.
    sfreq : float, optional
        Frames per second (Hz).
    boundary : {"zero", "drop", "cross"}, default="zero"
        What stands where a lag reaches out of its segment: 0 (with `standardize`, the feature's mean); nothing, the
        row leaves the fit; the neighbouring segment, as if they were joined, which leaks between stimuli and is here
        to reproduce results obtained so.
    fit_intercept : bool, default=True
        Whether to centre the columns of the design and the responses.
    penalty : {"ridge", "tikhonov"}, default="ridge"
        What α multiplies: the squares of the weights, or of their first differences along lags, Σ_k ‖W_{k+1} - W_k‖²,
        which makes responses smooth in time. (mTRFpy's "tikhonov" of one feature is this at twice its α.)
    penalize_intercept : bool or float, default=False
        Whether the constant b is penalised too, by α b², or by α times this number: 1 / n_features is what the
        mTRF-Toolbox up to version 1.5 does. See `heschl.linear.mtrf_lags` for its other habits.
    standardize : bool, default=False
        z-score the features with the mean and standard deviation of the training frames.
    missing : {"raise", "mask"}, default="raise"
        Whether NaN in y is an error, or a row that leaves the fit of that target; its features stay in the history of
        later rows.
    solver : {"auto", "cholesky", "eigh", ...}, default="auto"
        How to solve; "auto" takes the one that costs least (`heschl.linear.ridge.solvers.SOLVERS`).
    tol : float, optional
        Of solver "krylov": relative residual, and relative error of the fit in the norm of X'X + α I, at which a
        solution counts as converged. By default such that R² is within 1e-4 of a direct solve's (float64: 1e-8), and
        final weights are as a direct solve leaves them. Larger is faster.
    memory_limit : float, optional
        Bytes that the fit may take above its data; targets are then fitted in blocks.
    dtype : {None, "float32", "float64", "tf32"}, default=None
        Precision of the fit and of its results. None takes that of X, and computes in float64 where that costs no
        time worth naming. "tf32" (a GPU's) is float32 whose matrix products round their factors to 10 bits.
    device : {"auto", "cpu", "cuda"}, default="auto"
        Where to compute: "cuda" on a GPU, or an error that says why not (`heschl.cuda_status`); "auto" where X lies,
        or on a GPU where the fit is large enough to gain by it.
    verbose : bool, default=False
        Say on stderr how far a fit is that takes longer than two seconds, and how long it will take.

    Attributes
    ----------
    coef_ : ndarray of shape (n_targets, n_features, n_lags)
        Weights in the units of X and y; the first axis is dropped where y is 1-D. Where X is an array on a GPU (torch,
        CuPy), `coef_` and `intercept_` are arrays there of the same library; all other attributes are NumPy's.
    intercept_ : ndarray of shape (n_targets,), or float
        Prediction where all features, at all lags, are 0.
    lags_ : ndarray of shape (n_lags,)
        Lags in frames.
    feature_mean_ : ndarray of shape (n_features,)
        What stands where history is missing: 0, with `standardize` the mean of the training frames.
    dtype_, solver_ : str
        Precision and solver of the fit: float64 where float32 could not carry it, or the problem is small.
    device_ : str
        Where it was done: "cpu", "cuda", or "cuda:1" of the second GPU.
    products_ : str
        What its products were made of: numbers as `dtype_` says or, on a GPU where that is as exact, "float16 x 3":
        float32 split into two halves, for the products of Krylov spaces with X'X and with test rows.
    condition_ : ndarray of shape (1,)
        Estimated condition number of X'X + α I (of "dual", X X' + α I) at the smallest α, its columns scaled alike
        where the solver does not mind their scale. About 1e-16 times it is the relative error of weights in float64;
        from 1e10 on there is a `scipy.linalg.LinAlgWarning`. NaN on a GPU, but by "krylov".
    n_steps_, dimension_ : int
        Steps and vectors of the largest Krylov space that the fit grew; 0 where there was none.
    n_features_in_ : int
    feature_names_in_, target_names_ : ndarray of shape (n_features,), (n_targets,)
        Names of the columns of X, and of y, where these are DataFrames or DataArrays with names.

    Raises
    ------
    InputError
        A `ValueError` that names the argument, what was found, what was expected and what to do; also for penalties at
        which X'X + α I is singular to float64.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl import LaggedRidge
    >>> rng = np.random.default_rng(0)
    >>> H = rng.standard_normal((1000, 3))
    >>> model = LaggedRidge(alpha=10.0, lags=range(0, 5)).fit(H, np.roll(H[:, 0], 2), segments=[100] * 10)
    >>> np.unravel_index(np.abs(model.coef_).argmax(), model.coef_.shape)
    (np.int64(0), np.int64(2))
    """

    __metadata_request__fit = {"segments": True}  # noqa: RUF012

    def __init__(
        self,
        alpha: float | ArrayLike = 1.0,
        lags: Sequence[int] | NDArray[np.int64] = DEFAULT_LAGS,
        tmin: float | None = None,
        tmax: float | None = None,
        sfreq: float | None = None,
        boundary: str = "zero",
        fit_intercept: bool = True,
        penalty: str = "ridge",
        penalize_intercept: bool | float = False,
        standardize: bool = False,
        missing: str = "raise",
        solver: str = "auto",
        tol: float | None = None,
        memory_limit: float | None = None,
        dtype: DTypeLike | None = None,
        device: str = "auto",
        verbose: bool = False,
    ) -> None:
        self.alpha = alpha
        self.lags = lags
        self.tmin = tmin
        self.tmax = tmax
        self.sfreq = sfreq
        self.boundary = boundary
        self.fit_intercept = fit_intercept
        self.penalty = penalty
        self.penalize_intercept = penalize_intercept
        self.standardize = standardize
        self.missing = missing
        self.solver = solver
        self.tol = tol
        self.memory_limit = memory_limit
        self.dtype = dtype
        self.device = device
        self.verbose = verbose

    def fit(self, X: Any, y: ArrayLike, *, segments: ArrayLike | None = None) -> LaggedRidge:
        """Fit on all frames.

        Parameters
        ----------
        X : array-like of shape (n_frames, n_features), Repeated or FeatureSpaces
            Also a DataFrame, whose index may tell segments (its level "segment", else the first of several), or a
            DataArray, by its coordinate "segment".
        y : array-like of shape (n_frames,) or (n_frames, n_targets)
        segments : array-like, optional
            Lengths of the segments (sentences, runs) in frames, or one label per frame (`heschl.segment_labels`); no
            lag crosses into another one. Default: what X tells, else one segment.

        Returns
        -------
        LaggedRidge
            Itself, fitted.
        """
        data = self._checked(X, y, segments, None)
        c = data.problem.y.shape[1]
        alphas, chosen = np.unique(check_alphas(self.alpha, unique=False), return_inverse=True)
        if chosen.size not in (1, c):
            raise InputError("alpha", f"{chosen.size} penalties", f"one, or {c}: one for each target")
        chosen = np.broadcast_to(chosen, c).astype(np.int64)
        with reporting(self.verbose):
            self._keep(fit_fixed(data.problem, [data.bounds], alphas, chosen, self._options), data)
        return self


class LaggedRidgeCV(_Ridge):
    """Ridge regression on time-lagged features, the penalty chosen for each target by cross-validation.

    Minimises ‖Y - X W - 1 bᵀ‖² + λ ‖W‖² with X the lagged design ``X[t, (k, f)] = H[t - lags[k], f]`` of the features
    H, which is never built: the fit needs one pass over the data and the memory of one X'X. The result equals
    scikit-learn's ``Ridge(alpha=λ)`` on the materialised design.

    Parameters
    ----------
    lags, tmin, tmax, sfreq
        Lags in frames, or seconds; see `LaggedRidge`.
    alphas : array-like, default=0.1 ... 1e8 by decades
        Penalties λ > 0 to choose from, in scikit-learn's scale.
    cv : int, scikit-learn splitter or iterable of (train, test) rows, default=5
        A number splits groups (segments where no groups are given) whole, balanced by frames. One single segment is
        cut into as many contiguous blocks; lags reach over their borders, to features alone.
    boundary, fit_intercept, penalty, penalize_intercept, standardize, missing
        See `LaggedRidge`; statistics are those of each training set.
    scoring : {"r2", "pooled_r2", "r", "r_squared"}, default="r2"
        The score that the penalty maximises: the mean over folds of each fold's R²; 1 - Σ SSE / Σ SST over all folds;
        the mean over folds of Pearson's r, or of r² (`heschl.linear.crossval.scores.SCORES`).
    alpha_per_target : bool, default=True
        One penalty for each target, or one for all (best by the mean over targets).
    nested : bool, default=False
        Whether to score the choice too: penalties chosen on inner folds of each training set, at half the price of
        plain nesting (`heschl.linear.nested_cv`). `cv` must be K >= 3 folds.
    solver, tol, memory_limit, dtype, device, verbose
        See `LaggedRidge`.

    Attributes
    ----------
    coef_, intercept_, lags_, feature_mean_, dtype_, solver_, device_, products_, n_steps_, dimension_
        See `LaggedRidge`.
    n_features_in_, feature_names_in_, target_names_
        See `LaggedRidge`.
    condition_ : ndarray of shape (n_splits + 1,)
        Estimated condition number, as in `LaggedRidge`, of the training set of each split, and of all frames last, at
        the smallest penalty that it was solved for. NaN where none was: of splits, where one fit to all serves them.
    alpha_ : ndarray of shape (n_targets,)
        Chosen penalties.
    cv_scores_ : ndarray of shape (n_alphas, n_targets)
        Mean over folds of R² (of r or r² where `scoring` is that), in the order of `alphas`; a fold with a constant
        response is left out. By solver "krylov", NaN where a fold's solution has not converged: smaller penalties than
        the best and its neighbours, which cannot be chosen. "cholesky" and "eigh" score every penalty.
    cv_pooled_scores_ : ndarray of shape (n_alphas, n_targets)
        Pooled R².
    test_scores_, test_alphas_ : ndarray of shape (n_folds, n_targets)
        With `nested`: R² (or r, r², as `scoring` says) of each fold by the model whose penalties were chosen without
        it, and those penalties.

    Raises
    ------
    InputError
        A `ValueError` that names the argument, what was found, what was expected and what to do; also for penalties at
        which X'X + α I is singular to float64.

    See Also
    --------
    heschl.linear.nested_cv : unbiased scores with λ chosen inside each training set.

    Notes
    -----
    `cv_scores_` at the chosen penalty is optimistic: the same folds chose it. Normal equations from lagged moments:
    see `heschl.linear.moments.lagged`.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl import LaggedRidgeCV
    >>> rng = np.random.default_rng(0)
    >>> H = rng.standard_normal((1000, 3))
    >>> y = np.roll(H[:, 0], 2) + rng.standard_normal(1000)  # responds two frames later
    >>> model = LaggedRidgeCV(lags=range(0, 5), alphas=[0.1, 10, 1e3]).fit(H, y, segments=[100] * 10)
    >>> int(np.abs(model.coef_[0]).argmax())
    2
    """

    __metadata_request__fit = {"segments": True, "groups": True}  # noqa: RUF012

    def __init__(
        self,
        lags: Sequence[int] | NDArray[np.int64] = DEFAULT_LAGS,
        tmin: float | None = None,
        tmax: float | None = None,
        sfreq: float | None = None,
        alphas: ArrayLike = DEFAULT_ALPHAS,
        cv: Any = 5,
        boundary: str = "zero",
        fit_intercept: bool = True,
        penalty: str = "ridge",
        penalize_intercept: bool | float = False,
        standardize: bool = False,
        missing: str = "raise",
        scoring: str = "r2",
        alpha_per_target: bool = True,
        nested: bool = False,
        solver: str = "auto",
        tol: float | None = None,
        memory_limit: float | None = None,
        dtype: DTypeLike | None = None,
        device: str = "auto",
        verbose: bool = False,
    ) -> None:
        self.lags = lags
        self.tmin = tmin
        self.tmax = tmax
        self.sfreq = sfreq
        self.alphas = alphas
        self.cv = cv
        self.boundary = boundary
        self.fit_intercept = fit_intercept
        self.penalty = penalty
        self.penalize_intercept = penalize_intercept
        self.standardize = standardize
        self.missing = missing
        self.scoring = scoring
        self.alpha_per_target = alpha_per_target
        self.nested = nested
        self.solver = solver
        self.tol = tol
        self.memory_limit = memory_limit
        self.dtype = dtype
        self.device = device
        self.verbose = verbose

    def fit(
        self, X: Any, y: ArrayLike, *, segments: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> LaggedRidgeCV:
        """Choose the penalties by cross-validation and fit on all frames.

        Parameters
        ----------
        X : array-like of shape (n_frames, n_features), Repeated or FeatureSpaces
            Tables may tell segments, as in `LaggedRidge.fit`.
            A dask array is summed where its chunks are: only moments come here, and the fit is theirs
            (by Cholesky; with a `scoring` of squared errors, without `nested` and masks).
        y : array-like of shape (n_frames,) or (n_frames, n_targets)
        segments : array-like, optional
            Lengths of the segments (sentences, runs) in frames, or one label per frame. Lags stay inside a segment
            and folds keep it whole.
        groups : array-like of shape (n_frames,), optional
            Stimulus identity of each frame: repeats of a stimulus never sit on both sides of a split.

        Returns
        -------
        LaggedRidgeCV
            Itself, fitted.
        """
        alphas = check_alphas(self.alphas)
        score = check_score("scoring", self.scoring)
        if is_dask(X):
            self._warn(self._fit_dask(X, y, segments, groups, score), alphas)
            return self
        data = self._checked(X, y, segments, groups)
        splits = make_splits(self.cv, data.bounds, data.groups, len(data.problem.X))
        splits = partition(splits) if self.nested else splits
        data = replace(data, problem=replace(data.problem, segments=data.bounds))
        with reporting(self.verbose):
            fit = fit_cv(
                data.problem, splits, alphas, score=score, per_target=self.alpha_per_target, options=self._options,
                nested=self.nested,
            )  # fmt: skip
        assert fit.scores is not None
        self.alpha_ = alphas[fit.chosen]
        self.cv_scores_, self.cv_pooled_scores_ = fit.scores.mean, fit.scores.pooled_r2
        self._keep(fit, data)
        if fit.tests is not None:
            self.test_scores_, self.test_alphas_ = fit.tests.scores, alphas[fit.tests.chosen]
        self._warn(fit.chosen, alphas)
        return self

    def _fit_dask(self, X: Any, y: Any, segments: Any, groups: Any, score: Score) -> NDArray[np.int64]:
        """Do the same from moments that are summed where the chunks of X are; return which penalties were chosen."""
        found = fit_dask(self, X, y, segments, groups, score)
        fit, alphas = found.fit, check_alphas(self.alphas)
        assert fit.scores is not None
        self.n_features_in_ = int(X.shape[1])
        self.alpha_ = alphas[fit.chosen]
        self.cv_scores_, self.cv_pooled_scores_ = fit.scores.mean, fit.scores.pooled_r2
        self._keep(fit, Data(found.problem, found.bounds, np.arange(len(found.bounds)), found.single, None, None))
        return fit.chosen

    def _warn(self, chosen: NDArray[np.int64], alphas: NDArray[np.float64]) -> None:
        undefined = np.flatnonzero(~np.isfinite(self.cv_scores_).any(axis=0))
        if undefined.size:
            warn(
                "The response, or its prediction, is constant in every test fold for targets "
                f"{named_targets(undefined)}: their scores are NaN and they get the largest alpha.",
                UserWarning,
            )  # fmt: skip
        edge = np.setdiff1d(np.flatnonzero(at_edge(chosen, alphas)), undefined)
        if edge.size:
            warn(
                f"The chosen alpha lies at an end of the grid [{alphas.min():g}, {alphas.max():g}] for targets "
                f"{named_targets(edge)}. Widen `alphas`, unless these targets hold nothing to predict.",
                AlphaEdgeWarning,
            )  # fmt: skip
