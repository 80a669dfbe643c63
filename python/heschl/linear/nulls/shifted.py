"""The null distribution of predictions that know none of the responses: responses shifted within their segments.

Frames depend on their neighbours, so they must not be shuffled. `null_scores` keeps the predictions and shifts the
responses against them, circularly, each segment (or run) by its own random number of frames. All shifts of a segment
come from one FFT (on a device those that were drawn, from plain sums); a permutation is then a gather and a sum. The
squares of either side do not change under a shift that stays in its fold, so
    SSE = SSE_observed - 2 (C - C_observed),    C = Σ y(t - shift) prediction(t),
says every score of every permutation. `heschl.linear.exchange_test` tests models that were fitted to the responses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike

from heschl.checks import InputError, check_count, check_matrix
from heschl.linear.crossval.scores import FoldSums, check_score
from heschl.linear.design.rows import row_numbers
from heschl.linear.design.segments import fold_numbers, labels_of_segments, segment_bounds
from heschl.linear.device.arrays import Array, Bounds, Double, Float, Integers
from heschl.linear.device.backend import Backend
from heschl.linear.device.devices import DEVICES
from heschl.linear.device.exchange import adopt, on_device
from heschl.linear.device.place import backend_of, check_device, memory_limit, moved, open_device
from heschl.linear.device.threads import n_threads
from heschl.linear.nulls.distribution import NullDistribution
from heschl.notices import warn

# Working memory of one block of targets (on a device, what is free there), and of one gather of permutations in it.
BLOCK_BYTES = 128 << 20
GATHER_BYTES = 4 << 20


class CrossValidatedWarning(UserWarning):
    """Predictions that may have been fitted to responses of the same test."""


def null_scores(
    y: ArrayLike,
    predictions: ArrayLike,
    *,
    segments: ArrayLike | None = None,
    folds: ArrayLike | None = None,
    runs: ArrayLike | None = None,
    n_permutations: int = 1000,
    statistic: str = "r2",
    min_shift: int = 0,
    device: str = "auto",
    random_state: int | np.random.Generator | None = None,
) -> NullDistribution:
    """Compute the null distribution of the scores of fixed predictions, responses shifted within segments or runs.

    H₀: the responses do not depend on what was predicted for them, and are stationary within each segment. Then every
    circular shift of them is as likely as the one observed; each segment is shifted by its own random number of
    frames, all its targets together, so that the autocorrelation of the responses and the correlation between targets
    stay as they are.

    Two assumptions, neither of which can be seen in the data:

    - *No response had a part in fitting the predictions.* Cross-validated predictions break this: fold j is predicted
      from fold k and fold k from fold j, so the observed score counts each pair of folds twice, a shifted one counts
      two different numbers, and the null has half the variance it should have: at a fixed λ, 12 % of silent electrodes
      lie below p = 0.05. Use `exchange_test` for those. With more than one fold this function warns.
    - *Nothing happens at a time since the onset of all segments alike.* A response to onsets, and features that follow
      onsets, are shifted apart: what they have in common passes for a finding.

    Parameters
    ----------
    y : array-like of shape (n_frames, n_targets)
        Responses.
    predictions : array-like of shape (n_frames, n_targets)
        Of each frame, by a model that was fitted to none of these responses (to other recordings, or to none).
    segments : array-like, optional
        Lengths of the segments in frames (or one label per row). None: one single segment.
    folds : array-like of shape (n_segments,), optional
        Fold number of each segment, 0 ... K - 1; scores are those of folds. None: one fold.
    runs : array-like of shape (n_segments,), optional
        Label of the run of each segment: consecutive segments of one label are joined and shifted as one. For
        recordings that go on from segment to segment, or segments too short to be shifted. A run must lie in one fold:
        shifted across folds, responses would meet predictions of models that were fitted to them.
    n_permutations : int
        The smallest p value is 1 / (n_permutations + 1).
    statistic : {"r2", "pooled_r2", "r", "r_squared"}
        Mean over folds of each fold's R² about its own mean, 1 - Σ SSE / Σ SST over folds, or mean over folds of
        Pearson's r, or of r².
    min_shift : int
        Least shift in frames, either way round. 0 draws from all circular shifts, the true alignment among them: a
        group, for which p values are uniform where responses are stationary in their segments. (They are not quite
        where responses drift through whole segments: of autoregressive noise cut into segments of 60 frames, 5 % of
        p values lie below 0.05 at a coefficient of 0.95 and 10 % at 0.995.) More than 0 leaves out the shifts near the
        alignment, at which an effect is still seen as far as the predictions are autocorrelated. The null then lies
        lower, but finds too much unless `min_shift` is small beside the segments: at a coefficient of 0.9, 18 % below
        0.05 where 15 of 60 frames are left out either way, 6 % where 21 of 400.
    device : {"auto", "cpu", "cuda"}
        Where to compute; where y or the predictions lie on a GPU, it is done there. "auto": else on a GPU where there
        is one and shifts and targets are so many that it gains by it.
    random_state : int or numpy.random.Generator, optional

    Returns
    -------
    NullDistribution

    Raises
    ------
    InputError
        For bad shapes, NaN, runs that cross folds, or where nothing can be shifted.

    Warns
    -----
    CrossValidatedWarning
        With more than one fold.

    Notes
    -----
    A shift leaves the mean of a segment in its segment, so what predictions say of whole segments' means stays in the
    null: it asks for the time course within segments (or runs). `exchange_test` asks for both.

    The 1 added to both counts of p values is the true alignment; see Phipson and Smyth (2010), *Permutation p-values
    should never be zero*.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import null_scores
    >>> rng = np.random.default_rng(0)
    >>> signal = rng.standard_normal((400, 2))
    >>> y = signal * [1, 0] + rng.standard_normal((400, 2))
    >>> found = null_scores(y, 0.5 * signal * [1, 0.1], segments=[40] * 10, n_permutations=99, random_state=0)
    >>> bool(found.p_values[0] == 0.01), found.null.shape
    (True, (99, 2))
    """
    check_device(device)
    check_count("n_permutations", n_permutations, 1)
    predicted, responses = _in_one_place(device, predictions, y, n_permutations)
    b = backend_of(predicted)
    if responses.shape != predicted.shape:
        raise InputError("y", f"an array of shape {responses.shape}", f"{predicted.shape}, as predicted")
    score = check_score("statistic", statistic)
    bounds = segment_bounds(segments, len(responses))
    fold = fold_numbers(folds, len(bounds), 1)
    if fold.max() > 0:
        warn(
            "null_scores holds for predictions of a model that was fitted to none of these responses. If these are "
            f"cross-validated predictions of {int(fold.max()) + 1} folds, they were fitted to each other's responses, "
            "and p values come out too small: use exchange_test.",
            CrossValidatedWarning
        )  # fmt: skip
    units, fold = _join(bounds, fold, runs)
    check_count("min_shift", min_shift, 0)
    lengths = units[:, 1] - units[:, 0]
    if lengths.max() == 1:
        raise InputError(
            "segments", "segments of one frame each", "at least one that can be shifted", "Join them by `runs`."
        )
    if lengths.min() < 2 * min_shift:
        raise InputError(
            "min_shift", str(min_shift), f"at most half of the shortest segment or run, {lengths.min()} frames",
            "Lower it, or join segments by `runs`.",
        )  # fmt: skip
    rng = np.random.default_rng(random_state)
    shifts = rng.integers(min_shift, lengths - max(min_shift, 1) + 1, size=(n_permutations, len(lengths)))

    order = np.argsort(fold, kind="stable")
    units, fold, shifts = units[order], fold[order], shifts[:, order]
    observed = FoldSums.of(responses, predicted, [units[fold == k] for k in range(int(fold[-1]) + 1)])
    null = np.empty((n_permutations, responses.shape[1]))
    n_bytes = memory_limit(b, None) or BLOCK_BYTES
    n_block = max(1, int(n_bytes) // (len(responses) * (8 + 8 * responses.dtype.itemsize)))
    for first in range(0, responses.shape[1], n_block):
        block = slice(first, first + n_block)
        sums = observed.targets(block)
        assert sums.spy is not None
        for some, change in _changes(responses, predicted, block, units, fold, shifts):
            shifted = replace(sums, spy=sums.spy + change, sse=sums.sse - 2.0 * change)
            null[some, block] = score.over_folds(shifted)
    return NullDistribution.of(score, score.over_folds(observed), null)


def _in_one_place(device: str, predictions: Any, y: Any, n_permutations: int) -> tuple[Array, Array]:
    """Return checked predictions and responses of one precision, on a device where either lies there, else as asked."""
    predicted = (
        adopt("predictions", predictions) if on_device(predictions) else check_matrix("predictions", predictions)
    )
    responses = adopt("y", y) if on_device(y) else check_matrix("y", y, predicted.dtype)
    n, c = (int(size) for size in predicted.shape)

    def operations(name: str) -> float:
        """Count: all shifts of a segment by FFT, and a sum for each permutation; or sums for the shifts drawn."""
        by_fft = 15.0 * n * float(np.log2(n + 1)) * c
        return by_fft + n_permutations * c if DEVICES[name].host_threads else 2.0 * n * c * min(n, n_permutations)

    backend = open_device(device, operations, predicted, responses)
    predicted, responses = (moved(X, backend) for X in (predicted, responses))
    return predicted, responses if responses.dtype == predicted.dtype else backend.cast(responses, predicted.dtype)


def _changes(
    y: Array, prediction: Array, targets: slice, units: Bounds, fold: Integers, shifts: Integers
) -> Iterator[tuple[slice, Double]]:
    """Yield what shifts (m, U) of units add to Σ y · prediction of their folds, some (., K, c) at a time."""
    b, columns = backend_of(y), np.arange(y.shape[1])[targets]
    lengths, first = units[:, 1] - units[:, 0], np.searchsorted(fold, np.arange(fold[-1] + 1))
    folds = [row_numbers(own) for own in np.split(units, first[1:])]
    y, prediction = (_centred(b, side, folds, columns) for side in (y, prediction))
    starts = np.cumsum(lengths) - lengths  # row starts[u] + s stands for unit u shifted by s
    if b.kind.host_threads:
        sums, gathered = _all_shifts(y, prediction, starts, lengths), len(units)

        def of_folds(rows: Integers) -> Double:
            return np.asarray(np.add.reduceat(sums.take(rows, axis=0), first, axis=1))
    else:
        drawn, gathered = np.unique(np.concatenate([starts[None], starts + shifts])), len(first)
        unit = np.searchsorted(starts, drawn, side="right") - 1
        table = np.stack([starts[unit], lengths[unit], drawn - starts[unit]], axis=1)
        sums, edges = b.kernels.shifted_products(y, prediction, table), np.append(first, len(units))

        def of_folds(rows: Integers) -> Double:
            found = b.kernels.sums_of_groups(sums, np.searchsorted(drawn, rows), edges)
            return b.get(found).reshape(len(rows), len(first), len(columns))

    unshifted = of_folds(starts[None])
    n_some = max(1, GATHER_BYTES // (8 * gathered * len(columns)))
    for begin in range(0, len(shifts), n_some):
        some = slice(begin, begin + n_some)
        yield some, of_folds(starts + shifts[some]) - unshifted


def _centred(b: Backend, values: Array, folds: Sequence[Integers], columns: Integers) -> Array:
    """Centre the rows of each fold in turn: float32 would have to carry their mean beside what a shift changes."""
    parts = [b.block(values, rows, columns) for rows in folds]
    return b.below([b.shifted(part, np.zeros(len(part)), -b.means(part, 0)) for part in parts])


def _all_shifts(y: Float, prediction: Float, starts: Integers, lengths: Integers) -> Double:
    """Correlate circularly: row starts[u] + s is Σ y(t - s) prediction(t) over the frames of unit u, (n, c)."""
    sums = np.empty(y.shape)
    for length in np.unique(lengths):
        rows = starts[lengths == length][:, None] + np.arange(length)
        ahead = scipy.fft.rfft(prediction[rows], axis=1, workers=n_threads())
        ahead *= scipy.fft.rfft(y[rows], axis=1, workers=n_threads()).conj()
        sums[rows] = scipy.fft.irfft(ahead, length, axis=1, workers=n_threads(), overwrite_x=True)
    return sums


def _join(bounds: Bounds, fold: Integers, runs: ArrayLike | None) -> tuple[Bounds, Integers]:
    """Return bounds and folds of what is shifted as one: segments, or runs of them."""
    if runs is None:
        return bounds, fold
    labels = labels_of_segments("runs", runs, len(bounds))
    first = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])
    if len(first) != np.unique(labels).size:
        raise InputError("runs", "a label that comes back after another one", "one label for consecutive segments")
    last = np.r_[first[1:], len(labels)] - 1
    run = np.repeat(np.arange(len(first)), last - first + 1)
    crossing = np.flatnonzero(fold != fold[first][run])
    if crossing.size:
        at = run[crossing[0]]
        raise InputError(
            "runs",
            f"run {labels[first[at]]!r} with segments of folds {np.unique(fold[run == at]).tolist()}",
            "runs that lie in one fold",
            "Cut runs where the fold changes: across folds, responses would meet predictions of models fitted to them.",
        )
    return np.stack([bounds[first, 0], bounds[last, 1]], axis=1), fold[first]
