"""A fitted estimator as a labelled dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear.device.exchange import on_host

if TYPE_CHECKING:
    import xarray as xr

# Attributes of estimators, where they have them: dimensions, and what it is.
OF_TARGETS: dict[str, tuple[tuple[str, ...], str]] = {
    "alpha_": (("target",), "chosen penalty, in scikit-learn's scale"),
    "cv_scores_": (("candidate", "target"), "cross-validated score of each penalty; the best one is optimistic"),
    "cv_pooled_scores_": (("candidate", "target"), "1 - SSE / SST over all folds"),
    "test_scores_": (("fold", "target"), "score of each fold by a model whose penalties were chosen without it"),
    "test_alphas_": (("fold", "target"), "penalties chosen without the fold"),
    "alphas_": (("space", "target"), "chosen penalty of each feature space; infinite where it was left out"),
    "r2_split_": (("space", "target"), "cross-validated R2, shared out among spaces by the product measure"),
    "candidates_": (("candidate", "space"), "penalties tried"),
}


def names_of(model: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the names of features and targets, or their numbers as names."""
    n_targets = 1 if np.ndim(on_host("intercept_", model.intercept_)) == 0 else len(model.intercept_)
    features = getattr(model, "feature_names_in_", np.array([f"x{i}" for i in range(model.n_features_in_)]))
    targets = getattr(model, "target_names_", np.array([f"y{i}" for i in range(n_targets)]))
    return np.asarray(features, dtype=str), np.asarray(targets, dtype=str)


def coefficients(model: Any) -> NDArray[Any]:
    """Return the weights, (n_targets, n_features, n_lags), on the host."""
    weights = np.asarray(on_host("coef_", model.coef_))
    return weights if weights.ndim == 3 else weights[None]


def lag_times(model: Any) -> tuple[NDArray[np.float64], str]:
    """Return the lags in s, or in frames where no rate is known, and their unit."""
    if model.sfreq is None:
        return model.lags_.astype(np.float64), "frames"
    return model.lags_ / float(model.sfreq), "s"


def labelled_fit(model: Any) -> xr.Dataset:
    """Return coefficients, penalties and scores with their names."""
    import xarray as xr

    features, targets = names_of(model)
    lags, unit = lag_times(model)
    intercept = np.atleast_1d(np.asarray(on_host("intercept_", model.intercept_)))
    variables: dict[str, Any] = {
        "coef": (("target", "feature", "lag"), coefficients(model), {"long_name": "weight"}),
        "intercept": (("target",), intercept, {"long_name": "prediction where all features are 0"}),
    }
    for name, (dims, meaning) in OF_TARGETS.items():
        if hasattr(model, name):
            variables[name.removesuffix("_")] = (dims, np.asarray(getattr(model, name)), {"long_name": meaning})
    if "alpha" not in variables and hasattr(model, "alpha"):
        alpha = np.broadcast_to(np.asarray(model.alpha, dtype=np.float64), len(targets))
        variables["alpha"] = (("target",), alpha.copy(), {"long_name": OF_TARGETS["alpha_"][1]})
    coordinates: dict[str, Any] = {
        "target": targets,
        "feature": features,
        "lag": ("lag", lags, {"units": unit}),
        "lag_frames": ("lag", model.lags_),
    }
    if hasattr(model, "space_names_"):
        coordinates["space"] = np.asarray(model.space_names_, dtype=str)
    elif hasattr(model, "alphas"):
        coordinates["candidate"] = np.atleast_1d(np.asarray(model.alphas, dtype=np.float64))
    attributes = {
        "model": type(model).__name__, "solver": model.solver_, "dtype": model.dtype_, "device": model.device_,
        "boundary": model.boundary,
        "standardize": int(model.standardize), "n_segments": model._segments[0],
    }  # fmt: skip
    attributes |= {"scoring": model.scoring} if hasattr(model, "scoring") else {}
    attributes |= {"sfreq": float(model.sfreq)} if model.sfreq is not None else {}
    return xr.Dataset(variables, coordinates, attributes)
