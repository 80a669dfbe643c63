"""LaggedRidgeCV: the lagged ridge model as a scikit-learn estimator."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from heschl.checks import (
    InputError,
    check_alphas,
    check_choice,
    check_design_size,
    check_lags,
    check_matrix,
    check_same_length,
)
from heschl.linear.cv import AlphaEdgeWarning, at_edge
from heschl.linear.engine import How, fit_cv
from heschl.linear.frames import Float, Frames
from heschl.linear.problem import Problem
from heschl.linear.ridge import Weights
from heschl.linear.rows import BOUNDARIES, whole
from heschl.linear.scores import nanmean, r2_score
from heschl.linear.segments import make_splits, segment_bounds, segment_groups

DEFAULT_ALPHAS = tuple(float(alpha) for alpha in np.logspace(-1, 8, 10))


class LaggedRidgeCV(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Ridge regression on time-lagged features, the penalty chosen for each target by cross-validation.

    Minimises ‖Y - X W - 1 bᵀ‖² + λ ‖W‖² with X the lagged design ``X[t, (k, f)] = H[t - lags[k], f]`` of the features
    H, which is never built: the fit needs one pass over the data and the memory of one X'X. The result equals
    scikit-learn's ``Ridge(alpha=λ)`` on the materialised design.

    Parameters
    ----------
    lags : sequence of int, default=range(0, 20)
        Consecutive lags in frames; a positive lag is the past of the stimulus. Ignored where `tmin` ... are given.
    tmin, tmax : float, optional
        First and last lag in seconds, both included (as in MNE); they need `sfreq`.
    sfreq : float, optional
        Frames per second (Hz).
    alphas : array-like, default=0.1 ... 1e8 by decades
        Penalties λ > 0 to choose from, in scikit-learn's scale.
    cv : int, scikit-learn splitter or iterable of (train, test) rows, default=5
        A number splits groups (segments where no groups are given) whole, balanced by frames.
    boundary : {"zero"}, default="zero"
        What stands where a lag reaches out of its segment: 0 (with `standardize`, the feature's mean).
    fit_intercept : bool, default=True
        Whether to centre the columns of the design and the responses.
    standardize : bool, default=False
        z-score the features with the mean and standard deviation of each training set's frames.
    scoring : {"r2", "pooled_r2"}, default="r2"
        The penalty maximises the mean over folds of each fold's R², or 1 - Σ SSE / Σ SST over all folds.
    alpha_per_target : bool, default=True
        One penalty for each target, or one for all (best by the mean over targets).
    dtype : {None, "float32", "float64"}, default=None
        Precision of the fit and of its results. None takes that of X, and computes in float64 where that costs no
        time worth naming.
    device : {"auto", "cpu"}, default="auto"
        Where to compute.

    Attributes
    ----------
    coef_ : ndarray of shape (n_targets, n_features, n_lags)
        Weights in the units of X and y; the first axis is dropped where y is 1-D.
    intercept_ : ndarray of shape (n_targets,), or float
        Prediction where all features, at all lags, are 0.
    alpha_ : ndarray of shape (n_targets,)
        Chosen penalties.
    cv_scores_ : ndarray of shape (n_alphas, n_targets)
        Mean over folds of R², in the order of `alphas`; a fold with a constant response is left out.
    cv_pooled_scores_ : ndarray of shape (n_alphas, n_targets)
        Pooled R².
    lags_ : ndarray of shape (n_lags,)
        Lags in frames.
    feature_mean_ : ndarray of shape (n_features,)
        What stands where history is missing: 0, with `standardize` the mean of the training frames.
    dtype_ : str
        Precision the fit was computed in: float64 where float32 could not carry it, or the problem is small.
    n_features_in_ : int

    Raises
    ------
    InputError
        A `ValueError` that names the argument, what was found, what was expected and what to do.

    See Also
    --------
    heschl.linear.nested_cv : unbiased scores with λ chosen inside each training set.

    Notes
    -----
    `cv_scores_` at the chosen penalty is optimistic: the same folds chose it. Normal equations from lagged moments:
    see `heschl.linear.moments`.

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

    def __init__(
        self,
        lags: Sequence[int] | NDArray[np.int64] = range(0, 20),
        tmin: float | None = None,
        tmax: float | None = None,
        sfreq: float | None = None,
        alphas: ArrayLike = DEFAULT_ALPHAS,
        cv: Any = 5,
        boundary: str = "zero",
        fit_intercept: bool = True,
        standardize: bool = False,
        scoring: str = "r2",
        alpha_per_target: bool = True,
        dtype: DTypeLike | None = None,
        device: str = "auto",
    ) -> None:
        self.lags = lags
        self.tmin = tmin
        self.tmax = tmax
        self.sfreq = sfreq
        self.alphas = alphas
        self.cv = cv
        self.boundary = boundary
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.scoring = scoring
        self.alpha_per_target = alpha_per_target
        self.dtype = dtype
        self.device = device

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        segments: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> LaggedRidgeCV:
        """Choose the penalties by cross-validation and fit on all frames.

        Parameters
        ----------
        X : array-like of shape (n_frames, n_features)
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
        lags, alphas = check_lags(self.lags, self.tmin, self.tmax, self.sfreq), check_alphas(self.alphas)
        check_choice("boundary", self.boundary, BOUNDARIES)
        check_choice("scoring", self.scoring, ("r2", "pooled_r2"))
        check_choice("device", self.device, ("auto", "cpu"))
        dtype = self._dtype()
        features = Frames.of(X, dtype)
        responses = np.asarray(y)
        single = responses.ndim == 1
        responses = check_matrix("y", responses.reshape(-1, 1) if single else responses, features.dtype)
        check_same_length("y", len(responses), len(features), "X")
        check_design_size(len(lags), features.shape[1])
        n = len(features)
        labels = None if groups is None else np.asarray(groups)
        if labels is not None:
            check_same_length("groups", labels.size, n, "X")
        bounds = segment_bounds(segments, n, labels)
        splits = make_splits(self.cv, bounds, segment_groups(labels, bounds, n), n)

        problem = Problem(features, responses, lags, self.boundary, self.fit_intercept, self.standardize)
        fit = fit_cv(
            problem, splits, alphas, scoring=self.scoring, per_target=self.alpha_per_target,
            how=How(small_in_float64=self.dtype is None),
        )  # fmt: skip
        scores, chosen, fitted = fit.scores, fit.chosen, fit.weights
        assert scores is not None

        self.n_features_in_ = features.shape[1]
        self.lags_ = np.asarray(lags)
        self.dtype_, self.solver_ = fit.dtype, fit.solver
        self.alpha_ = alphas[chosen]
        self.cv_scores_, self.cv_pooled_scores_ = scores.r2, scores.pooled_r2
        self.feature_mean_ = fitted.shift.astype(features.dtype)
        coef = fitted.values.reshape(len(lags), features.shape[1], -1).transpose(2, 1, 0)
        intercept = (fitted.intercept - np.einsum("cfk,f->c", coef, fitted.shift)).astype(features.dtype)
        coef = coef.astype(features.dtype, copy=False)
        self.coef_ = coef[0] if single else coef
        self.intercept_ = intercept[0] if single else intercept
        self._warn(chosen, alphas)
        return self

    def _dtype(self) -> DTypeLike | None:
        if self.dtype is None:
            return None
        try:
            name = np.dtype(self.dtype).name
        except TypeError:
            name = str(self.dtype)
        check_choice("dtype", name, ("float32", "float64"))
        return np.dtype(name)

    def _warn(self, chosen: NDArray[np.int64], alphas: NDArray[np.float64]) -> None:
        undefined = np.flatnonzero(~np.isfinite(self.cv_scores_).any(axis=0))
        if undefined.size:
            warnings.warn(
                f"The response is constant in every test fold for targets {undefined.tolist()}: "
                "their scores are NaN and they get the largest alpha.",
                UserWarning, stacklevel=3,
            )  # fmt: skip
        edge = np.setdiff1d(np.flatnonzero(at_edge(chosen, alphas)), undefined)
        if edge.size:
            warnings.warn(
                f"The chosen alpha lies at an end of the grid [{alphas.min():g}, {alphas.max():g}] for targets "
                f"{edge.tolist()}. Widen `alphas`, unless these targets hold nothing to predict.",
                AlphaEdgeWarning, stacklevel=3,
            )  # fmt: skip

    def predict(self, X: ArrayLike, *, segments: ArrayLike | None = None) -> Float:
        """Predicted responses, without a design.

        Parameters
        ----------
        X : array-like of shape (n_frames, n_features)
        segments : array-like, optional
            Lengths of the segments in frames, or one label per frame. Default: one segment.

        Returns
        -------
        ndarray of shape (n_frames,) or (n_frames, n_targets)
            In the precision of `coef_`.
        """
        check_is_fitted(self)
        features = Frames.of(X, self.coef_.dtype)
        if features.shape[1] != self.n_features_in_:
            raise InputError("X", f"{features.shape[1]} features", f"{self.n_features_in_} features, as in fit")
        bounds = segment_bounds(segments, len(features))
        coef = np.atleast_3d(self.coef_) if self.coef_.ndim == 3 else self.coef_[None]
        values = np.ascontiguousarray(coef.transpose(2, 1, 0)).reshape(-1, len(coef))
        intercept = np.atleast_1d(self.intercept_) + np.einsum("cfk,f->c", coef, self.feature_mean_)
        weights = Weights(values, self.feature_mean_, intercept.astype(values.dtype))
        lags = range(int(self.lags_[0]), int(self.lags_[-1]) + 1)
        prediction = weights.predict(features, whole(bounds), lags)
        return prediction[:, 0] if self.coef_.ndim == 2 else prediction

    def score(self, X: ArrayLike, y: ArrayLike, *, segments: ArrayLike | None = None) -> float:
        """R² of the prediction, averaged over the targets whose response varies.

        Parameters
        ----------
        X : array-like of shape (n_frames, n_features)
        y : array-like of shape (n_frames,) or (n_frames, n_targets)
        segments : array-like, optional
            As in `predict`.

        Returns
        -------
        float
            NaN where every response is constant.
        """
        prediction = self.predict(X, segments=segments)
        responses = np.asarray(y)
        if responses.shape != prediction.shape:
            raise InputError("y", f"an array of shape {responses.shape}", f"{prediction.shape}, as predicted")
        prediction = prediction.reshape(len(prediction), -1)
        responses = check_matrix("y", responses.reshape(prediction.shape))
        whole = np.array([[0, len(responses)]], dtype=np.int64)
        return float(nanmean(r2_score(responses, prediction, whole), axis=0))
