"""`LaggedRidgeCV` on dask arrays: moments are summed where the data are, the penalties chosen and solved here.

What comes to this machine are the moments of each fold, w · d² numbers, and never the features: test folds are scored
from their moments, too. Predictions of a dask array are a dask array.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError, check_alphas
from heschl.linear.crossval.fit import Fit, fit_moments
from heschl.linear.crossval.scores import SCORES, Score
from heschl.linear.design.entrance import check_dtype, check_fit
from heschl.linear.design.frames import Frames
from heschl.linear.design.segments import Splits, make_splits, segment_bounds
from heschl.linear.moments.distributed import (
    Part,
    added,
    delayed_sums,
    n_rows_of,
    parts_of,
    rows_at_a_time,
    shift_of,
)
from heschl.linear.moments.lagged import LaggedMoments
from heschl.linear.ridge.normal import PrecisionError
from heschl.linear.ridge.problem import Problem


@dataclass(frozen=True)
class DaskFit:
    """What a fit of dask arrays found."""

    fit: Fit
    problem: Problem  # without rows
    bounds: NDArray[np.int64]
    single: bool


def fit_dask(model: Any, X: Any, y: Any, segments: Any, groups: Any, score: Score) -> DaskFit:
    """Choose penalties and fit, from moments that are summed where the chunks of X and y are.

    Raises
    ------
    InputError
        For what needs the features here: scores that are made of predictions, nested scores, masks.
    """
    if not score.errors_suffice:
        suffice = [name for name, row in SCORES.items() if row.errors_suffice]
        raise InputError("scoring", repr(score.name), f"one of {suffice} where X is a dask array")
    for name, wanted in (
        ("nested", False), ("missing", "raise"), ("penalty", "ridge"), ("penalize_intercept", False),
    ):  # fmt: skip
        given = getattr(model, name)
        if given != wanted:
            raise InputError(name, repr(given), f"{wanted!r} where X is a dask array")
    n = n_rows_of(X)
    if not hasattr(y, "dask"):
        import dask.array as da

        y = da.from_array(np.asarray(y), chunks=(X.chunks[0], *(-1 for _ in np.shape(y)[1:])))
    single = y.ndim == 1
    y = y[:, None] if single else y
    if n_rows_of(y, "y") != n:
        raise InputError("y", f"{y.shape[0]} rows", f"{n}, as X has")
    given = check_fit(
        n_frames=n, lags=model.lags, tmin=model.tmin, tmax=model.tmax, sfreq=model.sfreq, segments=segments,
        groups=groups, boundary=model.boundary, alphas=model.alphas, dtype=model.dtype, device=model.device,
    )  # fmt: skip
    splits = make_splits(model.cv, given.bounds, given.groups, n)
    dtype = check_dtype(model.dtype) or np.promote_types(X.dtype, np.float32)
    for precision in dict.fromkeys((np.dtype(dtype), np.dtype(np.float64))):
        moments = _moments(X, y, splits, given.lags, model.boundary, given.bounds, precision)
        problem = Problem(
            Frames.of(np.zeros((1, X.shape[1]), precision)), np.zeros((1, y.shape[1]), precision),  # type: ignore[arg-type]
            given.lags, model.boundary, model.fit_intercept, model.standardize,
        )  # fmt: skip
        try:
            fit = fit_moments(problem, moments, splits, check_alphas(model.alphas), score, model.alpha_per_target)
        except PrecisionError:
            if precision == np.float64:
                raise
        else:
            return DaskFit(fit, problem, given.bounds, single)
    raise AssertionError("float64 is the last resort")


def _moments(
    X: Any, y: Any, splits: Splits, lags: range, boundary: str, bounds: NDArray[np.int64], dtype: np.dtype[Any]
) -> list[LaggedMoments]:
    """Sum the moments of each part of the splits; all of them in one pass over the data."""
    import dask

    most = rows_at_a_time(X, y)
    parts = [parts_of(part, lags, boundary, len(X), most, segments=bounds) for part in splits.parts]
    shift = shift_of(X, y, parts[0][0], dtype)
    sums = [
        added(LaggedMoments, delayed_sums(LaggedMoments, X, y, lags, boundary, part, dtype, shift)) for part in parts
    ]
    return list(dask.compute(*sums))


def predict_dask(model: Any, X: Any, segments: Any, n_targets: int) -> Any:
    """Predict a dask array part by part, as a dask array."""
    import dask
    import dask.array as da

    n = n_rows_of(X)
    boundary = "cross" if model.boundary == "cross" else "zero"
    lags = range(int(model.lags_[0]), int(model.lags_[-1]) + 1)
    parts = parts_of(segment_bounds(segments, n), lags, boundary, n, rows_at_a_time(X))
    predict, fitted = dask.delayed(_predicted, pure=False), dask.delayed(model)
    shape = () if model._single else (n_targets,)
    return da.concatenate(
        [
            da.from_delayed(
                predict(fitted, X[part.first : part.last], part),
                (int(part.bounds[-1, 1] - part.bounds[0, 0]), *shape), model.feature_mean_.dtype,
            )
            for part in parts
        ]
    )  # fmt: skip


def _predicted(model: Any, X: NDArray[Any], part: Part) -> Any:
    own = part.bounds if part.segments is None else np.unique(part.segments, axis=0)
    segments = None if model.boundary == "cross" else own[:, 1] - own[:, 0]
    return model.predict(np.asarray(X), segments=segments)[part.bounds[0, 0] : part.bounds[-1, 1]]
