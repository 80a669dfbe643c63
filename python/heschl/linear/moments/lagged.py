"""Lagged moments: what one pass over the data leaves behind, and every ridge regression is made of.

With X the lagged design of the features H (X[t, (k, f)] = H[t - lag_k, f], 0 outside t's segment), X'X has w² blocks
of d × d numbers, but block (i, j) differs from block (i - 1, j - 1) by a few frames at the segments' edges only. So
the first block column and the edge frames say all of X'X, in w · d² numbers instead of (w · d)², and moments of
disjoint segments add up. Centring and standardisation are algebra on them (`heschl.linear.ridge.normal`);
nothing is read twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from heschl.checks import InputError, check_design_size, check_matrix, check_same_length
from heschl.linear.design.chunks import chunks, fingerprints
from heschl.linear.design.entrance import check_fit
from heschl.linear.design.frames import Frames
from heschl.linear.design.rows import row_ranges
from heschl.linear.design.segments import fold_members
from heschl.linear.device.arrays import Array, Bounds, Float, Ranges
from heschl.linear.moments.distributed import is_dask, is_delayed, moments_of_dask, moments_of_recordings
from heschl.linear.moments.gather import row_sums
from heschl.linear.moments.margins import Margins
from heschl.linear.moments.select import selected
from heschl.linear.moments.shift import Shift
from heschl.linear.moments.storage import load_moments, save_moments
from heschl.linear.moments.sums import LaggedSums


@dataclass
class LaggedMoments(LaggedSums):
    """Sums over the frames of some segments; `+` joins the moments of disjoint segments, `-` takes segments out.

    Shapes: w lags, d features, c targets (0 without responses), p = w · d, s segments, r ranges of rows (a range for
    each segment, more where responses are missing). h' = H - shift.features where a row's lags may look, 0 elsewhere;
    y' = Y - shift.targets; 1_i(t) says that frame t - lag_i is where a row's lags may look.

    Attributes
    ----------
    lags : range
        Consecutive lags in frames; a positive lag is the past of the stimulus.
    boundary : {"zero", "drop", "cross"}
    shift : Shift
    n_rows, n_frames : int
        Rows of the design; frames of the segments (which standardisation counts). They differ where frames have no row.
    first_column : ndarray of shape (p, d)
        Σ h'(t - lag_i) h'(t - lag_0)ᵀ.
    leaving, entering : ndarray of shape (r, p), or (0, p) where all of it is 0
        h'(end - 1 - lag_i) and h'(begin - 1 - lag_i) of each range of rows: by their products one block of X'X
        differs from the next along its diagonal.
    pair_sums : ndarray of shape (w², d)
        Row i · w + j: Σ 1_j(t) h'(t - lag_i).
    pair_counts : ndarray of shape (w²,)
        Σ 1_i(t) 1_j(t).
    cross : ndarray of shape (p, c)
        Σ h'(t - lag_i) y'(t)ᵀ.
    target_sums, totals : ndarray of shape (w, c) and (2, c)
        Σ 1_i(t) y'(t); Σ y', Σ y'² over the rows.
    feature_sums : ndarray of shape (2, d)
        Σ h', Σ h'² over all frames.
    extremes : ndarray of shape (s, 2, d)
        Least and greatest value in each segment: a constant is known exactly, not by a variance that rounding leaves.
    ids : ndarray of shape (s,)
        What `-` knows segments by.
    owner, room : ndarray of shape (r,) and (r, 3)
        Segment of each range; frames that its lags may see before it, in it and after it.
    margins : Margins or None
        With boundary "drop", the frames at the segments' ends: a narrower range of lags drops fewer rows.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl import LaggedMoments
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_normal((300, 3)), rng.standard_normal((300, 2))
    >>> moments = LaggedMoments.from_data(X, y, segments=[30] * 10, lags=range(4))
    >>> half = LaggedMoments.from_data(X[:150], y[:150], segments=[30] * 5, lags=range(4))
    >>> rest = moments - half
    >>> rest.n_rows, rest.select(lags=range(1, 3), features=[0, 2]).first_column.shape
    (150, (4, 2))
    """

    @classmethod
    def from_data(
        cls,
        X: Any,
        y: ArrayLike | None = None,
        *,
        lags: Sequence[int] | NDArray[np.int64],
        segments: ArrayLike | None = None,
        boundary: str = "zero",
        ids: ArrayLike | None = None,
        dtype: DTypeLike | None = None,
    ) -> LaggedMoments:
        """Gather the moments of all segments of X and y.

        Parameters
        ----------
        X : array-like of shape (n_frames, n_features), Repeated or FeatureSpaces
            Arrays on disk (memory-mapped, zarr) are read by chunks of whole segments. A dask array, or a list of
            delayed recordings, is summed where it is, part by part, and only sums travel.
        y : array-like of shape (n_frames, n_targets), optional
            With a list of recordings, a list, too; and so are `segments` (by default each recording is one).
        lags : sequence of int
            Consecutive lags in frames; a positive lag is the past of the stimulus.
        segments : array-like, optional
            Lengths of the segments in frames, or one label per frame. Default: one segment.
        boundary : {"zero", "drop", "cross"}
            What stands where a lag reaches out of its segment: 0; the row leaves; the neighbouring segment.
        ids : array-like of shape (n_segments,), optional
            Names of the segments (int or str), for `-`. Default: a fingerprint of length and content.
        dtype : {None, "float32", "float64"}
            Precision; None takes that of X.

        Raises
        ------
        InputError
            For bad shapes, NaN, lags or segments that do not fit.
        """
        if is_dask(X):
            return moments_of_dask(cls, X, y, lags, segments, boundary, ids, dtype)
        if is_delayed(X):
            return moments_of_recordings(cls, X, y, lags, segments, boundary, dtype)
        window, bounds, names = _checked(X, y, lags, segments, boundary, ids)
        found: LaggedMoments | None = None
        for chunk, inside in chunks(X, y, bounds, boundary):
            H, Y = _frames(chunk[0], chunk[1], dtype, window)
            shift = Shift.near_mean(H, Y) if found is None else found.shift
            local = bounds[inside] - bounds[inside][0, 0]
            labels = fingerprints(H, Y, local) if names is None else names[inside]
            part = cls.of_rows(H, Y, local, window, boundary, shift, ids=labels)
            found = part if found is None else cls.total([found, part])
        assert found is not None
        return found

    @classmethod
    def by_fold(
        cls,
        X: Any,
        y: ArrayLike | None = None,
        *,
        folds: ArrayLike,
        lags: Sequence[int] | NDArray[np.int64],
        segments: ArrayLike | None = None,
        boundary: str = "zero",
        dtype: DTypeLike | None = None,
    ) -> list[LaggedMoments]:
        """Gather the moments of each fold, in one pass: any training set is a sum of them (`total`).

        Parameters
        ----------
        folds : array-like of shape (n_segments,)
            Fold 0 ... K - 1 of each segment (see `group_folds`).
        X, y, lags, segments, boundary, dtype
            As in `from_data`; X and y are read whole.

        Returns
        -------
        list of LaggedMoments
            K of them, all about the same shift.
        """
        window, bounds, _ = _checked(X, y, lags, segments, boundary, None)
        H, Y = _frames(X, y, dtype, window)
        shift, names = Shift.near_mean(H, Y), fingerprints(H, Y, bounds)
        return [
            cls.of_rows(H, Y, bounds[inside], window, boundary, shift, ids=names[inside])
            for inside in fold_members(folds, len(bounds))
        ]

    @classmethod
    def of_rows(
        cls,
        X: Frames,
        y: Float,
        bounds: Bounds,
        lags: range,
        boundary: str,
        shift: Shift,
        *,
        keep: NDArray[np.bool_] | None = None,
        segments: Bounds | None = None,
        ids: NDArray[Any] | None = None,
    ) -> LaggedMoments:
        """Gather the moments of the segments `bounds` (s, 2), or blocks of `segments`, of checked data."""
        ranges, owner = row_ranges(bounds, lags, boundary, len(X), keep, segments)
        feature_sums, extremes = X.statistics(bounds, shift.features)
        sums = row_sums(X, y, ranges, owner, lags, shift)
        small = {name: sums[name] for name in ("pair_sums", "pair_counts", "target_sums", "totals")}
        small |= {"feature_sums": feature_sums, "extremes": extremes}
        sums |= zip(small, X.backend.bring(list(small.values())), strict=True)
        return cls(
            lags=lags,
            boundary=boundary,
            shift=shift,
            n_frames=int((bounds[:, 1] - bounds[:, 0]).sum()),
            ids=bounds[:, 0] if ids is None else ids,
            margins=Margins.of(X, y, bounds, lags)
            if boundary == "drop" and keep is None and segments is None and X.backend.kind.keeps_margins
            else None,
            **sums,
        )

    def with_targets(self, X: Frames, y: Array, ranges: Ranges, shift: Float) -> LaggedMoments:
        """Add responses (n, c) of the same rows, about `shift` (c,); X'X stays as it is."""
        cross, *sums = X.targets(y, ranges, self.lags, self.shift.features, shift)
        target_sums, totals = X.backend.bring(sums)
        shifts = Shift(self.shift.features, shift)
        return replace(self, shift=shifts, cross=cross, target_sums=target_sums, totals=totals)

    def update(
        self, X: Any, y: ArrayLike | None = None, *, segments: ArrayLike | None = None, ids: ArrayLike | None = None
    ) -> LaggedMoments:
        """Add further segments, in place: recordings that come one after another, and never lie in memory together.

        Parameters
        ----------
        X, y, segments, ids
            As in `from_data`, with the same features and targets.

        Returns
        -------
        LaggedMoments
            Itself.
        """
        dtype = self.first_column.dtype
        more = LaggedMoments.from_data(
            X, y, lags=self.lags, segments=segments, boundary=self.boundary, ids=ids, dtype=dtype
        )
        joined = self + more
        for field in fields(self):
            setattr(self, field.name, getattr(joined, field.name))
        return self

    def select(
        self,
        *,
        features: ArrayLike | slice | None = None,
        lags: Sequence[int] | None = None,
        targets: ArrayLike | slice | None = None,
    ) -> LaggedMoments:
        """Select some of the features, lags or targets: the moments that a pass over them alone would have gathered.

        Parameters
        ----------
        features, targets : column numbers or slice, optional
        lags : sequence of int, optional
            Consecutive, among these.

        Returns
        -------
        LaggedMoments

        Raises
        ------
        InputError
            For columns or lags that are not among these.
        """
        return selected(self, features, lags, targets)

    def save(self, path: str | Path) -> None:
        """Write to one .npz file (no pickle), whole or not at all."""
        save_moments(self, path)

    @classmethod
    def load(cls, path: str | Path) -> LaggedMoments:
        """Read what `save` wrote.

        Raises
        ------
        InputError
            Where the file holds something else.
        """
        return cls(**load_moments(path))


def _checked(
    X: Any, y: Any, lags: Any, segments: Any, boundary: str, ids: Any
) -> tuple[range, Bounds, NDArray[Any] | None]:
    """Check lags, segments and names before any data is read."""
    n = X.shape[0] if hasattr(X, "shape") and len(X.shape) else len(X)
    given = check_fit(n_frames=n, lags=lags, segments=segments, boundary=boundary)
    window, bounds = given.lags, given.bounds
    names = None if ids is None else np.asarray(ids)
    if names is not None and (names.shape != (len(bounds),) or names.dtype.kind not in "iuU"):
        raise InputError("ids", f"shape {names.shape}, type {names.dtype}", f"{len(bounds)} whole numbers or words")
    if y is not None:
        shape = np.shape(y)
        check_same_length("y", shape[0] if shape else 0, n, "X")
    return window, bounds, names


def _frames(X: Any, y: Any, dtype: DTypeLike | None, lags: range) -> tuple[Frames, Float]:
    """Check features and responses of one precision."""
    H = Frames.of(X, dtype)
    check_design_size(len(lags), H.shape[1])
    return H, np.empty((len(H), 0), H.dtype) if y is None else check_matrix("y", y, H.dtype)
