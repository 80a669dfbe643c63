"""What labelled tables say beside their numbers: names of columns, and to which segment each row belongs.

pandas DataFrames and xarray DataArrays are known by their attributes; neither package is imported here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heschl.checks import InputError, check_labels

ROW = "segment", "frame"
"""Fields of a label that says where a row lies: in which segment, and at which place in it."""


def is_frame(value: Any) -> bool:
    """Return whether this is a table of named columns, such as a pandas DataFrame."""
    return hasattr(value, "columns") and hasattr(value, "iloc")


def is_labelled_array(value: Any) -> bool:
    """Return whether this is an xarray DataArray."""
    return hasattr(value, "dims") and hasattr(value, "coords")


def column_names(value: Any) -> NDArray[Any] | None:
    """Return the names of the columns of a DataFrame, Series or two-dimensional DataArray, where it has any."""
    if is_frame(value):
        names = list(value.columns)
    elif is_labelled_array(value) and len(value.dims) == 2 and value.dims[1] in value.coords:
        names = value.coords[value.dims[1]].values.tolist()
    elif hasattr(value, "iloc") and getattr(value, "name", None) is not None:
        names = [value.name]
    else:
        return None
    return np.array([str(name) for name in names], dtype=object)


def named(value: Any) -> Any:
    """Return what scikit-learn reads the names of features from: a DataArray as a DataFrame without rows."""
    if not is_labelled_array(value) or len(value.dims) != 2 or value.dims[1] not in value.coords:
        return value
    import pandas as pd

    return pd.DataFrame(columns=value.coords[value.dims[1]].values.tolist())


def row_labels(value: Any) -> NDArray[Any] | None:
    """Return where each row of a table lies, as `segment_labels` would, where the table says it.

    A DataFrame does by an index of several levels: the one named "segment", else the first, is the segment; the last,
    where it holds numbers, the time or place of the row. A DataArray does by a coordinate "segment" of its first
    dimension, and the coordinate of that dimension.
    """
    if is_frame(value) and getattr(value.index, "nlevels", 1) > 1:
        levels = list(value.index.names)
        segment = value.index.get_level_values(levels.index("segment") if "segment" in levels else 0)
        return _rows(segment.to_numpy(), value.index.get_level_values(-1).to_numpy())
    if is_labelled_array(value) and value.dims and "segment" in value.coords:
        segment = value.coords["segment"]
        if segment.dims == value.dims[:1]:
            places = value.coords[value.dims[0]].values if value.dims[0] in value.coords else None
            return _rows(segment.values, places)
    return None


def _rows(segment: NDArray[Any], places: NDArray[Any] | None) -> NDArray[Any]:
    labels = check_labels("segments", segment)
    _, numbers = np.unique(labels, return_inverse=True)
    if places is None or places.dtype.kind not in "iuf":
        return labelled(numbers, np.arange(len(numbers)))
    return labelled(numbers, places)


def labelled(segment: NDArray[Any], frame: NDArray[Any]) -> NDArray[Any]:
    """Put segments and places of rows into one array of records."""
    out = np.empty(len(segment), dtype=[(ROW[0], segment.dtype), (ROW[1], frame.dtype)])
    out[ROW[0]], out[ROW[1]] = segment, frame
    return out


def is_row_labels(value: Any) -> bool:
    """Return whether these are labels as `segment_labels` makes them."""
    return getattr(getattr(value, "dtype", None), "names", None) == ROW


def runs_of(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Number the runs of rows that follow each other in one segment, one number per row.

    A split of a cross-validation may have taken rows out of the middle of a segment: what lies on either side of the
    gap are then two runs, and no lag crosses from one into the other.
    """
    segment, frame = labels[ROW[0]], labels[ROW[1]]
    same = segment[1:] == segment[:-1]
    steps = np.diff(frame.astype(np.float64))
    forward = steps[same & (steps > 0)]
    step = float(np.min(forward)) if forward.size else 1.0
    goes_on = same & (np.abs(steps - step) < 0.5 * step)
    return np.concatenate([[0], np.cumsum(~goes_on)]).astype(np.int64)


def segment_labels(lengths: ArrayLike) -> NDArray[Any]:
    """Label every row with its segment and its place in it, from the lengths of the segments.

    A cross-validation of scikit-learn's hands rows on to a model, with the labels of these rows. So where a list of
    lengths says nothing about some of the rows, labels do: every fold gets its own segments, and where a split cut one
    in two, no lag crosses the gap.

    Parameters
    ----------
    lengths : array-like of shape (n_segments,)
        Frames in each segment, at least 1.

    Returns
    -------
    ndarray of shape (n_frames,)
        Records of ``segment`` (its number) and ``frame`` (counted from 0 in each segment): `segments` of every fit,
        prediction and score. The field ``labels["segment"]`` serves as `groups`.

    Raises
    ------
    InputError
        For lengths that are no whole numbers of at least 1.

    Examples
    --------
    >>> import numpy as np, sklearn
    >>> from sklearn.model_selection import GroupKFold, cross_val_score
    >>> from heschl import LaggedRidge
    >>> from heschl.linear import segment_labels
    >>> rng = np.random.default_rng(0)
    >>> labels = segment_labels([100] * 10)
    >>> X = rng.standard_normal((1000, 3))
    >>> y = np.roll(X[:, 0], 2) + rng.standard_normal(1000)
    >>> with sklearn.config_context(enable_metadata_routing=True):
    ...     scores = cross_val_score(LaggedRidge(lags=range(5)), X, y, cv=GroupKFold(5),
    ...                              params={"segments": labels, "groups": labels["segment"]})
    >>> bool(scores.mean() > 0.4)
    True
    """
    counts = np.asarray(lengths)
    if counts.ndim != 1 or counts.size == 0 or counts.dtype.kind not in "iu" or (counts < 1).any():
        raise InputError("lengths", repr(lengths)[:60], "whole numbers of frames, at least 1 for each segment")
    counts = counts.astype(np.int64)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    return labelled(np.repeat(np.arange(counts.size), counts), np.arange(int(counts.sum())) - starts)
