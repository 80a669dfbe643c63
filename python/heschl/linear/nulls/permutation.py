"""A permutation test of a lagged ridge model in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from heschl.checks import InputError, check_alphas, check_choice, check_lags
from heschl.linear.design.frames import Frames
from heschl.linear.design.segments import group_folds, segment_bounds
from heschl.linear.design.trials import trials_and_segments
from heschl.linear.nulls.distribution import NullDistribution
from heschl.linear.nulls.exchange import exchange_test
from heschl.linear.nulls.refitted import null_refit


def permutation_test(
    X: Any,
    y: ArrayLike,
    *,
    segments: ArrayLike | None = None,
    folds: ArrayLike | None = None,
    lags: Sequence[int] | None = None,
    alphas: ArrayLike | None = None,
    estimator: Any = None,
    tmin: float | None = None,
    tmax: float | None = None,
    sfreq: float | None = None,
    cv: int = 5,
    groups: ArrayLike | None = None,
    sessions: ArrayLike | None = None,
    null: str = "exchange",
    standardize: bool = True,
    n_permutations: int = 500,
    statistic: str | None = None,
    device: str = "auto",
    random_state: int | np.random.Generator | None = None,
) -> NullDistribution:
    """Test for each target whether a lagged ridge model predicts new stimuli better than chance.

    Whole stimuli's responses are exchanged among stimuli of nearly the same length, and the analysis is repeated.

    Parameters
    ----------
    X : array-like of shape (n_frames, n_features), Repeated or FeatureSpaces, or a list of these
        Of a list (layers) the best is chosen on inner folds, for each permutation anew; with null="exchange" only.
    y : array-like of shape (n_frames, n_targets)
    segments : array-like
        Lengths of the segments in frames (or one label per row). It may be left out where X and y are arrays of trials
        (trial × time × column).
    folds : array-like of shape (n_segments,), optional
        Fold 0 ... K - 1 of each segment, K >= 3. Default: `cv` folds of whole stimuli.
    lags : sequence of int, optional
        Consecutive lags in frames; positive = past of the stimulus.
    tmin, tmax, sfreq : float, optional
        First and last lag in seconds, both included, and frames per second (Hz), in place of `lags`.
    alphas : array-like, optional
        Penalties to choose from.
    estimator : LaggedRidge or LaggedRidgeCV, optional
        Its lags, penalties, `cv` and `standardize` are taken where they are not given here. It is not fitted.
    cv : int
        Number of folds, where `folds` are not given.
    groups : array-like of shape (n_segments,), optional
        Stimulus of each segment: repeats are exchanged together.
    sessions : array-like of shape (n_segments,), optional
        Session of each segment: responses stay in their session.
    null : {"exchange", "refit"}
        "exchange": λ (and the layer) chosen again for each permutation as for the data; see `exchange_test`. "refit":
        for a single, given penalty, where there is nothing to choose: the same exchange at less cost; see
        `null_refit`. ("scores" of version 0.1, shifts against fixed predictions, is refused: predictions of K folds
        are fitted to each other's responses, which halves the variance of such a null. `null_scores` remains for
        predictions of a model that saw none of the responses.)
    standardize, n_permutations, random_state
        See `exchange_test` and `null_refit`.
    statistic : str, optional
        Default: "r" with null="exchange", "r2" with null="refit".
    device : {"auto", "cpu", "cuda"}
        Where models are fitted, and permutations scored; "auto": on a GPU where there is one and the fits are large
        enough to gain by it.

    Returns
    -------
    NullDistribution
        With p values for each target, by the maximum over targets, and adjusted for the false discovery rate.

    Raises
    ------
    InputError
        As `exchange_test` and `null_refit`, and for null="refit" with more than one penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import permutation_test
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((400, 2))
    >>> y = X @ [[1.0, 0.0], [0.0, 0.0]] + rng.standard_normal((400, 2))
    >>> how = dict(segments=[40] * 10, folds=np.arange(10) % 5, lags=range(2), alphas=[1.0, 100.0])
    >>> found = permutation_test(X, y, n_permutations=99, random_state=0, **how)
    >>> bool(found.p_values[0] == 0.01), bool(found.p_values[1] > 0.01)
    (True, True)

    With an estimator, of trials of equal length:

    >>> from heschl import LaggedRidgeCV
    >>> model = LaggedRidgeCV(tmin=0.0, tmax=0.02, sfreq=50.0, alphas=[1.0, 100.0])
    >>> trials = X.reshape(10, 40, 2), y.reshape(10, 40, 2)
    >>> bool(permutation_test(*trials, estimator=model, n_permutations=99, random_state=0).p_values[0] == 0.01)
    True
    """
    if null == "scores":
        raise InputError(
            "null", "'scores'", "'exchange'",
            "Predictions of K folds are fitted to each other's responses: shifts against them have half the variance "
            "that chance has. For predictions of a model that saw none of the responses, see null_scores.",
        )  # fmt: skip
    check_choice("null", null, ("exchange", "refit"))
    given = _taken(estimator, lags, tmin, tmax, sfreq, alphas, cv, standardize)
    lags, alphas, cv, standardize = given
    if not isinstance(X, (list, tuple)):  # a list is of layers
        X, y, segments = trials_and_segments(X, y, segments)
    if folds is None:
        if segments is None:
            raise InputError("segments", "None", "lengths of the segments", "Folds are made of whole segments.")
        bounds = segment_bounds(segments, len(Frames.of(X[0] if isinstance(X, (list, tuple)) else X)))
        names = np.arange(len(bounds)) if groups is None else np.asarray(groups)
        folds = group_folds(names, bounds[:, 1] - bounds[:, 0], cv)
    how: dict[str, Any] = {
        "segments": segments, "folds": folds, "lags": lags, "groups": groups, "sessions": sessions,
        "standardize": standardize, "n_permutations": n_permutations, "random_state": random_state, "device": device,
    }  # fmt: skip
    if null == "exchange":
        return exchange_test({"X": X}, y, alphas=alphas, statistic=statistic or "r", **how)["X"]
    penalties = check_alphas(alphas)
    if len(penalties) > 1:
        raise InputError(
            "alphas", f"{len(penalties)} penalties with null='refit'", "one",
            "Where λ is chosen on the responses it must be chosen again for each permutation: null='exchange'.",
        )  # fmt: skip
    return null_refit(X, y, alphas=float(penalties[0]), statistic=statistic or "r2", **how)


def _taken(
    estimator: Any,
    lags: Sequence[int] | None,
    tmin: float | None,
    tmax: float | None,
    sfreq: float | None,
    alphas: ArrayLike | None,
    cv: int,
    standardize: bool,
) -> tuple[Sequence[int], ArrayLike, int, bool]:
    """Return lags, penalties, folds and standardisation, from an estimator where they are not given."""
    own: dict[str, Any] = {}
    if estimator is not None:
        if not hasattr(estimator, "get_params") or not {"lags", "standardize"} <= set(estimator.get_params()):
            raise InputError(
                "estimator", f"a {type(estimator).__name__}", "a LaggedRidge or LaggedRidgeCV",
                "Of another model give X, lags and alphas.",
            )  # fmt: skip
        own = estimator.get_params(deep=False)
        standardize = bool(own["standardize"])
        if isinstance(own.get("cv"), (int, np.integer)) and not isinstance(own.get("cv"), bool):
            cv = int(own["cv"])
    if (tmin, tmax, sfreq) == (None, None, None) and lags is None:
        tmin, tmax, sfreq, lags = (own.get(name) for name in ("tmin", "tmax", "sfreq", "lags"))
    if alphas is None:
        alphas = own.get("alphas", own.get("alpha"))
    missing = [name for name, value in (("lags", tmin if lags is None else lags), ("alphas", alphas)) if value is None]
    if missing:
        raise InputError(missing[0], "None", "a value", "Or an estimator= that has one, or tmin=, tmax= and sfreq=.")
    assert alphas is not None
    return check_lags(() if lags is None else lags, tmin, tmax, sfreq), alphas, cv, standardize
