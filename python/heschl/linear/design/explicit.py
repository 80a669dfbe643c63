"""The lagged design matrix, for those who ask for it. No fit in heschl builds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heschl.checks import check_design_size, check_lags
from heschl.linear.design.frames import Frames
from heschl.linear.design.rows import whole
from heschl.linear.design.segments import segment_bounds
from heschl.linear.device.exchange import in_kind, on_device


def lagged_design(X: Any, lags: Sequence[int] | NDArray[np.int64], *, segments: ArrayLike | None = None) -> Any:
    """Build the lagged design: time-lagged copies of the features, side by side.

    Column k · d + f of row t is ``X[t - lags[k], f]``, or 0 where that frame lies outside t's segment. A positive
    lag is the past of the stimulus.

    Parameters
    ----------
    X : array-like of shape (n_frames, n_features), Repeated or FeatureSpaces
        float32 or float64 (other numbers become float64).
    lags : sequence of int
        Consecutive ascending lags in frames; negative ones are allowed.
    segments : array-like, optional
        Lengths of the segments in frames, or one label per row. Default: one segment.

    Returns
    -------
    ndarray of shape (n_frames, n_lags * n_features)
        In the dtype of X; on the GPU, and as X is, where X lies there.

    Raises
    ------
    InputError
        For lags that are not consecutive, segments that do not fit, NaN, or a size no memory could hold.

    Examples
    --------
    >>> from heschl import lagged_design
    >>> lagged_design([[1.0], [2.0], [3.0]], range(0, 2))
    array([[1., 0.],
           [2., 1.],
           [3., 2.]])
    """
    H = Frames.of(X)
    frames = check_lags(lags, None, None, None)
    check_design_size(len(frames), H.shape[1])
    design = H.design(whole(segment_bounds(segments, len(H))), frames)
    return in_kind(design, X) if on_device(X) else design
