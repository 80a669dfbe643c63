"""The lagged design matrix, for those who ask for it. No fit in heschl builds it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heschl import _core
from heschl.checks import check_design_size, check_lags, check_matrix
from heschl.linear.moments import Float
from heschl.linear.segments import segment_bounds
from heschl.linear.threads import n_threads


def lagged_design(X: ArrayLike, lags: Sequence[int] | NDArray[np.int64], *, segments: ArrayLike | None = None) -> Float:
    """Time-lagged copies of the features, side by side.

    Column k · d + f of row t is ``X[t - lags[k], f]``, or 0 where that frame lies outside t's segment. A positive
    lag is the past of the stimulus.

    Parameters
    ----------
    X : array-like of shape (n_frames, n_features)
        float32 or float64 (other numbers become float64).
    lags : sequence of int
        Consecutive ascending lags in frames; negative ones are allowed.
    segments : array-like, optional
        Lengths of the segments in frames, or one label per row. Default: one segment.

    Returns
    -------
    ndarray of shape (n_frames, n_lags * n_features)
        In the dtype of X.

    Raises
    ------
    InputError
        For lags that are not consecutive, segments that do not fit, NaN, or a size no memory could hold.

    Examples
    --------
    >>> lagged_design([[1.0], [2.0], [3.0]], range(0, 2))
    array([[1., 0.],
           [2., 1.],
           [3., 2.]])
    """
    H = check_matrix("X", X)
    frames = check_lags(lags, None, None, None)
    check_design_size(len(frames), H.shape[1])
    bounds = segment_bounds(segments, len(H))
    out = np.empty((len(H), len(frames) * H.shape[1]), H.dtype)
    _core.lagged_design(H, bounds, frames[0], len(frames), out, n_threads())
    return out
