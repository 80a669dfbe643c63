"""A permutation test of a lagged ridge model in one call: nested scores, and the null they are judged by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from heschl.checks import check_choice
from heschl.linear.crossval.nested import nested_cv
from heschl.linear.nulls.distribution import NullDistribution
from heschl.linear.nulls.refitted import null_refit
from heschl.linear.nulls.shifted import null_scores


def permutation_test(
    X: Any,
    y: ArrayLike,
    *,
    segments: ArrayLike,
    folds: ArrayLike,
    lags: Sequence[int],
    alphas: ArrayLike,
    null: str = "scores",
    standardize: bool = True,
    n_permutations: int = 1000,
    statistic: str = "r2",
    device: str = "cpu",
    random_state: int | np.random.Generator | None = None,
) -> NullDistribution:
    """Whether a lagged ridge model predicts new stimuli better than chance, for each target.

    λ is chosen inside each training set (`nested_cv`); the scores of the outer folds are compared with those of
    permuted responses.

    Parameters
    ----------
    X : array-like of shape (n_frames, n_features), Repeated or FeatureSpaces
    y : array-like of shape (n_frames, n_targets)
    segments : array-like
        Lengths of the segments in frames (or one label per row).
    folds : array-like of shape (n_segments,)
        Fold 0 ... K - 1 of each segment, K >= 3.
    lags : sequence of int
        Consecutive lags in frames; positive = past of the stimulus.
    alphas : array-like
        Penalties to choose from.
    null : {"scores", "refit"}
        "scores": the predictions stay, responses are circularly shifted within segments; fast, and asks for the time
        course within segments. "refit": responses are exchanged between segments of equal length (shifted where there
        are none) and the model is fitted again, at the λ it has; asks for anything that the features say.
    standardize, n_permutations, statistic, random_state
        See `null_scores` and `null_refit`.
    device : {"cpu", "cuda"}
        Where models are fitted, and permutations scored.

    Returns
    -------
    NullDistribution
        With p values for each target, by the maximum over targets, and adjusted for the false discovery rate.

    Raises
    ------
    InputError
        As `nested_cv`, `null_scores` and `null_refit`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((400, 2))
    >>> y = X @ [[1.0, 0.0], [0.0, 0.0]] + rng.standard_normal((400, 2))
    >>> how = dict(segments=[40] * 10, folds=np.arange(10) % 5, lags=range(2), alphas=[1.0, 100.0])
    >>> found = permutation_test(X, y, n_permutations=99, random_state=0, **how)
    >>> bool(found.p_values[0] == 0.01), bool(found.p_values[1] > 0.01)
    (True, True)
    """
    check_choice("null", null, ("scores", "refit"))
    nested = nested_cv(
        X, y, segments=segments, folds=folds, lags=lags, alphas=alphas, standardize=standardize, device=device
    )
    how: dict[str, Any] = {
        "segments": segments, "folds": folds, "n_permutations": n_permutations, "statistic": statistic,
        "random_state": random_state, "device": device,
    }  # fmt: skip
    if null == "scores":
        return null_scores(y, nested.predictions, **how)
    return null_refit(X, y, lags=lags, alphas=nested.alpha, standardize=standardize, **how)
