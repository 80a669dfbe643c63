"""Banded ridge, one penalty per feature space: himalaya's GroupRidgeCV and NumPy, over the same candidates."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.lagged import numpy_design
from baselines.ridge import numpy_ridge_cv

Array = NDArray[Any]

# A candidate is a point of the simplex (gamma_1 ... gamma_s) and a λ: features of space i are multiplied by
# gamma_i^½ and share the penalty λ, so that the penalty of space i is λ / gamma_i.


def himalaya_banded_cv(
    H: Array, Y: Array, lengths: Array, fold: Array, n_lags: int, space: Array, gammas: Array, alphas: Array
) -> Array:
    """himalaya's GroupRidgeCV, torch backend on the CPU; mean R² over folds at the best λ, (n_gammas, c).

    `space` (d,) numbers the space of each feature; `gammas` has shape (n_gammas, n_spaces).
    """
    from himalaya.backend import set_backend
    from himalaya.ridge import GroupRidgeCV
    from himalaya.scoring import r2_score
    from sklearn.model_selection import PredefinedSplit

    set_backend("torch")
    X = numpy_design(H, lengths, n_lags)
    params = {"n_iter": gammas.astype(X.dtype), "alphas": alphas, "score_func": r2_score, "progress_bar": False}
    model = GroupRidgeCV(
        groups=np.tile(space, n_lags), fit_intercept=True, cv=PredefinedSplit(np.repeat(fold, lengths)),
        solver_params=params,
    )  # fmt: skip
    return np.asarray(model.fit(X, Y).cv_scores_)


def numpy_banded_cv(
    H: Array, Y: Array, lengths: Array, fold: Array, n_lags: int, space: Array, gammas: Array, alphas: Array
) -> Array:
    """One ridge path on scaled features for each candidate; mean R² over folds, (n_gammas, n_alphas, c)."""
    scores = []
    for gamma in gammas:
        scaled = H * np.sqrt(gamma[space]).astype(H.dtype)
        scores.append(numpy_ridge_cv(scaled, Y, lengths, fold, n_lags, alphas).mean(0))
    return np.stack(scores)
