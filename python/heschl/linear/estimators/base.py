"""What the lagged ridge estimators share: parameters, checked data, fitted weights, prediction and score."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils import estimator_html_repr
from sklearn.utils.validation import _check_feature_names, check_is_fitted

from heschl.checks import InputError, check_responses
from heschl.linear.crossval.fit import Fit
from heschl.linear.crossval.scores import SCORES, score_predictions
from heschl.linear.design.entrance import check_fit
from heschl.linear.design.frames import Frames
from heschl.linear.design.labels import column_names, named, row_labels
from heschl.linear.design.rows import row_numbers, row_ranges
from heschl.linear.design.segments import segment_bounds
from heschl.linear.design.trials import joined_trials, trials_and_segments
from heschl.linear.device.arrays import Bounds, Float
from heschl.linear.device.exchange import in_kind, on_device, on_host
from heschl.linear.device.host import CPU, HOST
from heschl.linear.device.place import AUTO, TF32, backend_of, open_device
from heschl.linear.device.threads import beside_others
from heschl.linear.estimators.distributed import predict_dask
from heschl.linear.estimators.patterns import features_here, haufe_patterns
from heschl.linear.estimators.shown import chosen_table
from heschl.linear.moments.distributed import is_dask
from heschl.linear.moments.formulas import mean_of_defined
from heschl.linear.moments.shift import SHIFT_FRAMES
from heschl.linear.pickles import with_defaults
from heschl.linear.ridge.engine import FitOptions
from heschl.linear.ridge.normal import FLOAT32_ROUNDED_MEAN_TO_STD
from heschl.linear.ridge.penalty import Penalty
from heschl.linear.ridge.problem import Problem
from heschl.linear.ridge.weights import Weights
from heschl.notices import warn

if TYPE_CHECKING:
    import xarray as xr

DEFAULT_LAGS = tuple(range(20))
ROUTE = (
    "In scikit-learn's cross-validation give every fold its own: X as a DataFrame whose index tells segments, or "
    "segments=heschl.segment_labels(lengths) by metadata routing (which reaches no prediction of cross_val_predict)."
)


@dataclass(frozen=True)
class Data:
    """Checked data of one fit."""

    problem: Problem
    bounds: Bounds  # (s, 2) segments
    groups: NDArray[Any]  # (s,) stimulus of each
    single: bool  # y came without an axis for targets
    X: Any  # as given
    y: Any


class LaggedModel(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Base of the estimators; see `LaggedRidge` for the parameters."""

    lags: Any
    tmin: float | None
    tmax: float | None
    sfreq: float | None
    boundary: str
    fit_intercept: bool
    standardize: bool
    missing: str
    solver: str
    tol: float | None
    memory_limit: float | None
    dtype: DTypeLike | None
    device: str
    verbose: bool

    # Where scikit-learn's routing of metadata is on, labels of segments go along without a request.
    __metadata_request__predict = {"segments": True}  # noqa: RUF012
    __metadata_request__score = {"segments": True}  # noqa: RUF012

    def __sklearn_clone__(self) -> Any:
        """Clone, and remember it: scikit-learn's cross-validations fit clones, on some of the rows."""
        clone = super().__sklearn_clone__()
        clone._cloned = True
        return clone

    def _checked(self, X: Any, y: Any, segments: Any, groups: Any) -> Data:
        """Refuse all that can be wrong with parameters and data, before any work."""
        _check_feature_names(self, named(X), reset=True)
        given = check_fit(
            X=X, y=y, lags=self.lags, tmin=self.tmin, tmax=self.tmax, sfreq=self.sfreq, segments=segments,
            groups=groups, boundary=self.boundary, missing=self.missing, memory_limit=self.memory_limit,
            tol=self.tol,            dtype=self.dtype, device=self.device,
        )  # fmt: skip
        assert given.features is not None
        if given.features.dtype == np.float32:
            _warn_of_rounding(X=X, y=y)
        if len(given.bounds) == 1 and segments is None and groups is None:
            self._warn_of_lost_rows(int(given.bounds[0, 1]), given.lags)
        self.n_features_in_ = given.features.shape[1]
        problem = Problem(
            given.features, given.responses, given.lags, self.boundary, self.fit_intercept, self.standardize,
            penalty=self._penalty(len(given.lags)),
        )  # fmt: skip
        return Data(problem, given.bounds, given.groups, given.single, X, y)

    def _warn_of_lost_rows(self, n_rows: int, lags: range) -> None:
        """Warn where a fit without segments is probably one on some of the rows, joined."""
        if getattr(self, "_cloned", False) and self.boundary != "cross" and lags != range(1):
            warn(
                f"A clone of {type(self).__name__} is fitted on {n_rows} rows without segments. Where they are some of "
                f"the rows of a cross-validation, lags reach over what was left out. {ROUTE} For one whole recording: "
                "segments=[len(X)]."
            )

    def _warn_of_joined_segments(self, n_rows: int) -> None:
        """Warn where rows of several segments are probably predicted as if they were one."""
        n_segments, longest = self._segments
        cloned = getattr(self, "_cloned", False)
        if n_segments > 1 and (n_rows > longest or cloned) and self.boundary != "cross" and self._lags != range(1):
            warn(
                f"The fit knew {n_segments} segments of at most {longest} rows; {n_rows} rows are predicted without "
                f"segments, as if they were one: lags cross from each into the next. Pass segments=. {ROUTE}"
            )

    def _penalty(self, n_lags: int) -> Penalty:
        """Return what is penalised: the sizes of weights, where an estimator leaves no choice."""
        return Penalty()

    @property
    def _options(self) -> FitOptions:
        tf32 = self.dtype == TF32
        return FitOptions(self.solver, self.memory_limit, self.dtype is None, self.device, tf32, self.tol)

    @beside_others()
    def _keep(self, fit: Fit, data: Data) -> None:
        """Set the fitted attributes; keep the weights as fitted, where X lies: predictions lose nothing to units."""
        problem = data.problem
        self._single = data.single
        self._segments = len(data.bounds), int((data.bounds[:, 1] - data.bounds[:, 0]).max())
        names = column_names(data.y)
        if names is not None:
            self.target_names_ = names
        elif hasattr(self, "target_names_"):
            del self.target_names_
        self.lags_ = np.asarray(problem.lags)
        self.dtype_, self.solver_, self.device_ = fit.dtype, fit.solver, fit.device
        self.products_ = fit.products or fit.dtype
        self.condition_ = fit.condition
        self.n_steps_, self.dimension_ = fit.n_steps, fit.dimension
        self.feature_mean_ = fit.weights.shift.astype(problem.X.dtype)
        self._weights = fit.weights.on(problem.X.backend)
        self.coef_, self.intercept_ = self._coefficients(self._weights, data.X)

    def _coefficients(self, weights: Weights, X: Any) -> tuple[Any, Any]:
        """Compute `coef_` and `intercept_`, as X's kind of array where X lies on a device."""
        coef, intercept = weights.coefficients(len(self.lags_), self.feature_mean_.dtype)
        if self._single:
            coef = coef.reshape(coef.shape[1:])
        if not on_device(X):
            return coef, intercept[0] if self._single else intercept
        placed = float(intercept[0]) if self._single else in_kind(backend_of(coef).put(intercept), X)
        return in_kind(coef, X), placed

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled or copied: plain arrays, on the host, to be read where there is no device."""
        state = dict(super().__getstate__())
        if "_weights" in state:
            weights = self._weights.on(HOST)
            if weights is not self._weights:
                state["coef_"], state["intercept_"] = self._coefficients(weights, None)
            state["_weights"] = vars(weights)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what `__getstate__` gave, in this or an older version (whose weights were an object)."""
        state = with_defaults(type(self), state)
        if isinstance(state.get("_weights"), dict):
            state["_weights"] = Weights(**state["_weights"])
        if "_weights" in state:
            state.setdefault("_segments", (1, 0))  # of a version that did not keep them: nothing to compare with
            state.setdefault("device_", CPU.name)
            state.setdefault("products_", state.get("dtype_"))
        super().__setstate__(state)

    def to_xarray(self) -> xr.Dataset:
        """Return all that was fitted as one labelled dataset.

        Returns
        -------
        xarray.Dataset
            ``coef`` (target, feature, lag) and ``intercept`` (target); where they were chosen ``alpha`` and
            ``cv_scores``, and what else the estimator keeps of each target. ``lag`` is in s where `sfreq` is known,
            else in frames; features and targets go by their names (`feature_names_in_`, `target_names_`), or by number.
            Targets have their dimension also where y was 1-D.

        Raises
        ------
        ModuleNotFoundError
            Without xarray: it comes with the extra "xarray".
        """
        from heschl.linear.estimators.labelled import labelled_fit

        check_is_fitted(self)
        return labelled_fit(self)

    def _repr_html_inner(self) -> str:
        """Return scikit-learn's diagram and, of a fitted model, what was chosen."""
        diagram = str(estimator_html_repr(self))
        return diagram + str(chosen_table(self)) if hasattr(self, "_weights") else diagram

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        """Return what a notebook shows."""
        bundle: dict[str, str] = dict(super()._repr_mimebundle_(**kwargs))
        return bundle | ({"text/html": self._repr_html_inner()} if "text/html" in bundle else {})

    def predict(self, X: Any, *, segments: ArrayLike | None = None) -> Any:
        """Predict responses; the design is never built.

        Parameters
        ----------
        X : array-like of shape (n_frames, n_features), Repeated or FeatureSpaces
        segments : array-like, optional
            Lengths of the segments in frames, or one label per frame (`heschl.segment_labels`). Default: what X tells
            where it is a table, as in `fit`, else one segment.

        Returns
        -------
        ndarray of shape (n_frames,) or (n_frames, n_targets)
            In the precision of X in the fit; a dask array where X is one, a torch tensor where X is one, on the GPU
            where X is there. With boundary="drop" frames without full history are predicted as if it were 0; `score`
            leaves them out.
        """
        check_is_fitted(self)
        if is_dask(X):
            return predict_dask(self, X, segments, self._weights.values.shape[1])
        prediction = self._predict(X, segments)[0]
        if self._single:
            prediction = prediction.reshape((len(prediction),))
        if on_device(X):
            return in_kind(prediction, X)
        return _like(backend_of(prediction).get(prediction), X)

    @beside_others()
    def _predict(self, X: Any, segments: Any) -> tuple[Any, Bounds]:
        _check_feature_names(self, named(X), reset=False)
        X, _, segments = trials_and_segments(X, None, segments)
        weights: Weights = self._weights
        dtype = self.feature_mean_.dtype
        features = Frames.of(X, dtype).astype(weights.values.dtype)
        d, expected = features.shape[1], self.n_features_in_
        if d != expected:
            raise InputError(
                "X", f"{d} features", f"{expected}, as in fit",
                f"X has {d} features, but {type(self).__name__} is expecting {expected} features as input.",
            )  # fmt: skip
        segments = row_labels(X) if segments is None else segments
        bounds = segment_bounds(segments, len(features))
        if segments is None:
            self._warn_of_joined_segments(len(features))
        boundary = "cross" if self.boundary == "cross" else "zero"
        ranges, _ = row_ranges(bounds, self._lags, boundary, len(features))
        if self.device != AUTO:  # which is where X lies
            where = open_device(self.device, lambda _: 0.0, features.spaces[0].values, tf32=self.dtype == TF32)
            features = features.to(where)
        prediction, b = weights.predict_placed(features, ranges, self._lags), features.backend
        return prediction if prediction.dtype == dtype else b.cast(prediction, dtype), bounds

    @property
    def _lags(self) -> range:
        return range(int(self.lags_[0]), int(self.lags_[-1]) + 1)

    def patterns(self, X: Any, *, segments: ArrayLike | None = None) -> Any:
        """Transform weights into patterns: how X, at each lag, goes with what the model extracts from it.

        The weights of a decoder (a backward model) say how to filter its channels, not where its targets are seen: a
        channel that only cancels noise has large ones. Its patterns are the forward model that belongs to it, A = Σ_X W
        Σ_ŷ⁻¹ with the covariances of the lagged X and of the predictions ŷ [1]_.

        Parameters
        ----------
        X : array-like of shape (n_frames, n_features), trials, Repeated or FeatureSpaces
            As a rule the training data.
        segments : array-like, optional
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_targets, n_features, n_lags)
            In units of X for a unit of each prediction, as `coef_` is arranged; the first axis is dropped where y was
            1-D. Of predictions that are combinations of each other, the least-squares solution.

        Raises
        ------
        InputError
            For features that are not those of the fit, and for a dask array.

        References
        ----------
        .. [1] Haufe et al. (2014), On the interpretation of weight vectors of linear models in multivariate
           neuroimaging, NeuroImage 87, 96-110.

        Examples
        --------
        >>> import numpy as np
        >>> from heschl import LaggedRidge
        >>> rng = np.random.default_rng(0)
        >>> sound, noise = rng.standard_normal((2, 2000))
        >>> channels = np.stack([sound + noise, noise], axis=1)  # the second channel hears nothing
        >>> decoder = LaggedRidge(alpha=1.0, lags=[0]).fit(channels, sound)
        >>> decoder.coef_[:, 0].round(1), decoder.patterns(channels)[:, 0].round(1) + 0.0
        (array([ 1., -1.]), array([1., 0.]))
        """
        check_is_fitted(self)
        X, segments = features_here(X, segments)
        prediction, bounds = self._predict(X, segments)
        on_this_side = backend_of(prediction).get(prediction)
        found = haufe_patterns(X, on_this_side, bounds, self._lags, self.boundary, self.feature_mean_)
        by_target = found.reshape(len(self.lags_), self.n_features_in_, -1).transpose(2, 1, 0)
        out = np.ascontiguousarray(by_target, self.feature_mean_.dtype)
        return out[0] if self._single else out

    def score(
        self, X: Any, y: ArrayLike, *, segments: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Compute R² of the prediction, averaged over the targets whose response varies.

        Parameters
        ----------
        X : array-like of shape (n_frames, n_features)
        y : array-like of shape (n_frames,) or (n_frames, n_targets)
        segments : array-like, optional
            As in `predict`.
        sample_weight : array-like of shape (n_frames,), optional
            How much the error of each frame counts, at least 0.

        Returns
        -------
        float
            NaN where every response is constant.
        """
        check_is_fitted(self)
        prediction, bounds = self._predict(X, segments)
        prediction = backend_of(prediction).get(prediction)
        y, _ = joined_trials("y", y)
        responses, _ = check_responses(on_host("y", y), len(prediction), np.float64, self.missing)
        if responses.shape != prediction.shape:
            raise InputError("y", f"{responses.shape[1]} targets", f"{prediction.shape[1]}, as predicted")
        ranges, _ = row_ranges(bounds, self._lags, self.boundary, len(responses))
        from sklearn.metrics import r2_score

        weights = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        if weights is not None and (weights.shape != responses.shape[:1] or not (weights >= 0).all()):
            raise InputError(
                "sample_weight", f"an array of shape {weights.shape}", f"{len(responses)} numbers from 0 on"
            )
        scores = np.full(responses.shape[1], np.nan)
        rows = row_numbers(ranges)
        for j in range(responses.shape[1]):
            known = rows[~np.isnan(responses[rows, j])]
            whole = np.array([[0, len(known)]], dtype=np.int64)
            y, predicted = responses[known, j : j + 1], prediction[known, j : j + 1]
            if weights is None:
                scores[j] = score_predictions(SCORES["r2"], y, predicted, whole)[0]
            elif weights[known].sum() > 0 and np.ptp(y) > 0:
                scores[j] = r2_score(y, predicted, sample_weight=weights[known])
        return float(mean_of_defined(scores, axis=0))


def _warn_of_rounding(**arrays: Any) -> None:
    """Warn where float32, asked for, rounds away what float64 data hold beside a large mean."""
    for name, values in arrays.items():
        if not isinstance(values, np.ndarray) or values.dtype != np.float64:
            continue
        some = values[:: max(1, len(values) // SHIFT_FRAMES)]
        with np.errstate(invalid="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of columns that are NaN throughout
            mean, std = np.abs(np.nanmean(some, axis=0)), np.nanstd(some, axis=0)
        if ((std > 0) & (mean > FLOAT32_ROUNDED_MEAN_TO_STD * std)).any():
            warn(
                f"dtype='float32' rounds {name}, whose mean is over {FLOAT32_ROUNDED_MEAN_TO_STD:.0f} standard "
                "deviations, before it is centred. Subtract the mean, or leave dtype at None."
            )


def _like(prediction: Float, X: Any) -> Any:
    """Return the prediction as a torch tensor where X is one, without a copy."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(X, torch.Tensor):
        return torch.from_dlpack(np.ascontiguousarray(prediction))
    return prediction
