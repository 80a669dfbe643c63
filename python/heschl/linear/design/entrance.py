"""The entrance of every fit: all that can be wrong with its data and settings is refused here, before any work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from heschl.checks import (
    InputError,
    check_alphas,
    check_choice,
    check_design_size,
    check_labels,
    check_lags,
    check_same_length,
    check_tolerance,
)
from heschl.linear.design.frames import Frames
from heschl.linear.design.labels import is_row_labels, row_labels
from heschl.linear.design.responses import Responses
from heschl.linear.design.rows import BOUNDARIES
from heschl.linear.design.segments import fold_numbers, segment_bounds, segment_groups
from heschl.linear.design.trials import trials_and_segments
from heschl.linear.device.arrays import Bounds, Double, Integers
from heschl.linear.device.exchange import on_host
from heschl.linear.device.place import AUTO, TF32, check_device


@dataclass(frozen=True)
class FitInput:
    """Checked data and settings of a fit; n frames, d features, c targets, s segments.

    Attributes
    ----------
    features : Frames or None
        (n, d); None where they are made, or read, later (`with_features`).
    responses : Responses
        (n, c); c is 0 where there are none.
    single : bool
        Whether responses came without an axis for targets.
    lags : range
        Consecutive lags in frames.
    bounds : ndarray of shape (s, 2)
        First frame and one past the last of each segment.
    groups : ndarray of shape (s,)
        Stimulus of each segment.
    folds : ndarray of shape (s,)
        Fold of each segment, all 0 where none were asked for.
    alphas : ndarray of shape (n_alphas,)
        Penalties; none where none were asked for.
    """

    features: Frames | None
    responses: Responses
    single: bool
    lags: range
    bounds: Bounds
    groups: NDArray[Any]
    folds: Integers
    alphas: Double

    @property
    def parts(self) -> list[Bounds]:
        """Segments of each fold."""
        return [self.bounds[self.folds == fold] for fold in range(int(self.folds.max()) + 1)]

    def with_features(self, X: Any) -> tuple[Frames, Responses]:
        """Check features that were made later; return them, and the responses in their precision."""
        features = Frames.of(X)
        check_same_length("X", len(features), len(self.responses.host), "y")
        check_design_size(len(self.lags), features.shape[1])
        return features, self.responses.astype(features.dtype)


def check_fit(
    *,
    lags: Sequence[int] | NDArray[np.int64],
    X: Any = None,
    y: Any = None,
    n_frames: int | None = None,
    tmin: float | None = None,
    tmax: float | None = None,
    sfreq: float | None = None,
    segments: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    folds: ArrayLike | None = None,
    least_folds: int = 1,
    boundary: str = "zero",
    missing: str = "raise",
    alphas: ArrayLike | None = None,
    memory_limit: float | None = None,
    tol: float | None = None,
    dtype: DTypeLike | None = None,
    device: str = AUTO,
) -> FitInput:
    """Check the data and settings of a fit.

    Parameters
    ----------
    lags, tmin, tmax, sfreq
        Lags in frames, or seconds; see `heschl.LaggedRidge`.
    X : array-like of shape (n_frames, n_features), Repeated or FeatureSpaces, optional
        Or trials, each a segment: a list of arrays (time, features), or one array (trial, time, features). None where
        features are made, or read, later.
    y : array-like of shape (n_frames,) or (n_frames, n_targets), optional
        None where there are no responses.
    n_frames : int, optional
        Frames, where X is not given; default: those of y.
    segments : array-like, optional
        Lengths of the segments in frames, or one label per frame. Default: what X itself says where it is a table
        (`row_labels`), the runs of equal `groups`, or one segment.
    groups : array-like of shape (n_frames,), optional
        Stimulus of each frame.
    folds : array-like of shape (n_segments,), optional
        Fold 0 ... K - 1 of each segment.
    least_folds : int
        The least K.
    boundary : {"zero", "drop", "cross"}
    missing : {"raise", "mask"}
        Whether NaN in y is an error.
    alphas : array-like, optional
        Penalties to choose from: above 0, each once.
    memory_limit : float, optional
        Bytes, above 0.
    tol : float, optional
        Tolerance of a solver, between 0 and 1.
    dtype : {None, "float32", "float64", "tf32"}
        Precision; None takes that of X.
    device : str
        "auto" or a name in `heschl.linear.device.devices.DEVICES`, of one of several with its number ("cuda:1").

    Returns
    -------
    FitInput

    Raises
    ------
    InputError
        For the first thing that is wrong: it names the argument, what was found, what was expected and what to do.

    Examples
    --------
    >>> from heschl.linear.design.entrance import check_fit
    >>> given = check_fit(X=np.zeros((6, 2)), y=np.ones(6), lags=range(2), segments=[3, 3], folds=[0, 1])
    >>> given.responses.host.shape, given.single, [part.tolist() for part in given.parts]
    ((6, 1), True, [[[0, 3]], [[3, 6]]])
    """
    window = check_lags(lags, tmin, tmax, sfreq)
    X, y, segments = trials_and_segments(X, y, segments)
    check_choice("boundary", boundary, BOUNDARIES)
    check_device(device, dtype)
    penalties = np.empty(0) if alphas is None else check_alphas(alphas)
    check_tolerance(tol)
    if memory_limit is not None and not memory_limit > 0:
        raise InputError("memory_limit", repr(memory_limit), "bytes, more than 0, or None")
    features = None if X is None else Frames.of(X, check_dtype(dtype))
    if features is not None:
        n, precision = len(features), features.dtype
        check_design_size(len(window), features.shape[1])
    else:
        values = np.empty(0) if y is None else np.asarray(on_host("y", y))
        n = len(values) if n_frames is None else n_frames
        precision = np.result_type(values, np.float32)
    if y is None and X is None:
        responses, single = Responses(np.empty((n, 0), precision)), False
    else:
        responses, single = Responses.of(y, n, precision, missing)
    if segments is None and X is not None:
        segments = row_labels(X)
    if groups is None and is_row_labels(segments) and len(np.asarray(segments)) == n:
        groups = np.asarray(segments)["segment"]  # what a split has cut in two stays one stimulus
    labels = None if groups is None else check_labels("groups", groups)
    if labels is not None:
        check_same_length("groups", labels.size, n, "X")
    bounds = segment_bounds(segments, n, labels)
    return FitInput(
        features, responses, single, window, bounds, segment_groups(labels, bounds, n),
        fold_numbers(folds, len(bounds), least_folds), penalties,
    )  # fmt: skip


def check_dtype(dtype: DTypeLike | None) -> np.dtype[Any] | None:
    """Return the precision of numbers that a `dtype` asks for; None where it is that of the data."""
    if dtype is None:
        return None
    if dtype == TF32:
        return np.dtype(np.float32)
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    check_choice("dtype", name, ("float32", "float64"))
    return np.dtype(name)
