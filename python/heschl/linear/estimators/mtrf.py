"""For users of the mTRF-Toolbox and mTRFpy: their lags, and their mean over the models of single trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy

import numpy as np

from heschl.checks import InputError
from heschl.linear.device.host import HOST
from heschl.linear.estimators.ridge import LaggedRidge
from heschl.linear.ridge.weights import Weights


def mtrf_lags(tmin: float, tmax: float, sfreq: float, *, direction: int = 1) -> range:
    """Return lags in frames as the mTRF-Toolbox and mTRFpy take them: floor of the first, ceiling of the last.

    (`LaggedRidge(tmin=…)` rounds both to the nearest frame, as MNE does.)

    Parameters
    ----------
    tmin, tmax : float
        First and last lag, s.
    sfreq : float
        Frames per second, Hz.
    direction : {1, -1}
        1 for a forward model, stimulus to response; -1 for a backward model, whose lags the toolbox turns round.

    Returns
    -------
    range
        For `lags`; a positive lag is the past of X.

    Raises
    ------
    InputError
        For times that are not finite or not in order, a rate that is not above 0, another direction.

    Notes
    -----
    The toolbox's numbers, with its λ, for trials of stimulus x and response y at fs Hz:

    - mTRF-Toolbox 2 and mTRFpy, "ridge": ``LaggedRidge(alpha=λ * fs * n_trials, lags=mtrf_lags(tmin, tmax, fs))``
      fitted with a segment for each trial has their weights divided by fs, and their constant (they average X'X over
      trials, and scale it by 1 / fs).
    - "tikhonov", of one feature: ``penalty="tikhonov", alpha=λ * fs * n_trials / 2``. With several features, theirs
      takes differences between neighbouring columns, from feature to feature.
    - mTRF-Toolbox up to 1.5: ``alpha=λ, penalize_intercept=1 / n_features``: of its constants, one for each feature,
      each is penalised; ours is their sum. Its cross-validation averages the models of single trials: `average_models`.

    Examples
    --------
    >>> from heschl.linear import mtrf_lags
    >>> mtrf_lags(-0.1, 0.25, 64.0), mtrf_lags(-0.1, 0.25, 64.0, direction=-1)
    (range(-7, 17), range(-16, 8))
    """
    if not (math.isfinite(tmin) and math.isfinite(tmax) and tmin <= tmax):
        raise InputError("tmin, tmax", f"{tmin}, {tmax}", "finite seconds with tmin <= tmax")
    if not (math.isfinite(sfreq) and sfreq > 0):
        raise InputError("sfreq", repr(sfreq), "a sampling rate above 0 Hz")
    if direction not in (1, -1):
        raise InputError("direction", repr(direction), "1 (forward) or -1 (backward)")
    first, last = (tmin, tmax) if direction == 1 else (-tmax, -tmin)
    return range(math.floor(first * sfreq), math.ceil(last * sfreq) + 1)


def average_models(models: Sequence[LaggedRidge]) -> LaggedRidge:
    """Average fitted models: the one whose weights and constants are the means of theirs.

    The mTRF-Toolbox up to 1.5 cross-validates so: a model for each trial, and each trial predicted by the mean of all
    others' models. Every trial counts the same, however long it is; a fit of all trials together, which is the better
    model as a rule, weighs them by their frames.

    Parameters
    ----------
    models : sequence of LaggedRidge
        Fitted on the same features, lags and targets, without ``standardize`` (or all with the same means).

    Returns
    -------
    LaggedRidge
        Predicts and scores as any; `coef_` and `intercept_` are the means.

    Raises
    ------
    InputError
        For no model, one that is not fitted, and models of different features, lags, targets or padding.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl import LaggedRidge
    >>> from heschl.linear import average_models
    >>> rng = np.random.default_rng(0)
    >>> trials = [rng.standard_normal((100, 2)) for _ in range(3)]
    >>> models = [LaggedRidge(alpha=1.0, lags=[0, 1]).fit(x, x[:, 0] + rng.standard_normal(100)) for x in trials]
    >>> mean = average_models(models)
    >>> bool(np.allclose(mean.coef_, np.mean([model.coef_ for model in models], axis=0)))
    True
    """
    if not models:
        raise InputError("models", "none", "one or more fitted models")
    for i, model in enumerate(models):
        if not hasattr(model, "_weights"):
            raise InputError(
                f"models[{i}]", "a model that is not fitted", "a fitted LaggedRidge", "Call its fit first."
            )
    first = models[0]
    weights = [model._weights.on(HOST) for model in models]
    for i, (model, own) in enumerate(zip(models, weights, strict=True)):
        same = (
            np.array_equal(model.lags_, first.lags_)
            and own.values.shape == weights[0].values.shape
            and model._single == first._single
            and model.boundary == first.boundary
            and np.array_equal(own.shift, weights[0].shift)
        )
        if not same:
            raise InputError(
                f"models[{i}]", "other lags, features, targets, boundary or feature means than models[0]",
                "models that differ in their data alone", "Standardise the features before fitting, not in the models.",
            )  # fmt: skip
    out = copy(first)
    values, intercept = (np.mean([getattr(own, name) for own in weights], axis=0) for name in ("values", "intercept"))
    out._weights = Weights(values, weights[0].shift, intercept)
    out.coef_, out.intercept_ = out._coefficients(out._weights, None)
    return out
