"""Resampling between uniform grids of any rates and offsets: windowed sinc, zero delay, no aliasing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from heschl.checks import InputError

ZERO_CROSSINGS = 16
"""Half length of the kernel, in zero crossings of the sinc; the cut spreads over ±1/8 of the Nyquist."""
KAISER_BETA = 6.2
"""Shape of the window; side lobes 65 dB down."""
_UNIFORM = 1e-6
"""How far a time may lie from its place on a uniform grid, in steps of the grid."""


def resample(values: ArrayLike, times_in: ArrayLike, times_out: ArrayLike) -> NDArray[Any]:
    """Evaluate a sampled signal at other times, after removing what the output grid cannot carry.

    The signal is convolved with a Kaiser-windowed sinc that cuts at the lower of the two Nyquist frequencies (flat
    to 0.02 dB up to 0.88 of it, −6 dB at it, below −70 dB from 1.2 times it on), evaluated at the very times asked
    for, so that nothing is delayed. Beyond its ends the signal is taken as mirrored about its first and last
    sample; the weights of each output sum to 1, so that constants stay constants up to the edges.

    Parameters
    ----------
    values : (n_in, k) array
        The signal; k channels. Computed in float32 if it is float32, in float64 otherwise.
    times_in : (n_in,) array
        Times of the samples, s; uniform and increasing.
    times_out : (n_out,) array
        Times wanted, s; uniform and increasing. They may lie outside ``times_in`` by less than the kernel's
        half length (16 samples of the slower grid).

    Returns
    -------
    (n_out, k) array
        In the dtype of the computation.

    Raises
    ------
    InputError
        For shapes that do not match, no samples, times that are not uniform and increasing, values that are
        not finite, and output times out of reach of the input.

    Examples
    --------
    >>> times_in, times_out = np.arange(100) / 100, np.arange(25) / 25 + 0.02
    >>> resample(np.full((100, 1), 3.0), times_in, times_out)[:2].round(12).tolist()
    [[3.0], [3.0]]
    """
    values = np.asarray(values)
    values = values if values.dtype == np.float32 else values.astype(np.float64)
    weights = _checked_weights(values, times_in, times_out)
    if not np.isfinite(values).all():
        raise InputError("values", "NaN or infinite values", "finite values")
    return np.asarray(weights.astype(values.dtype) @ values)


def resample_known(values: ArrayLike, times_in: ArrayLike, times_out: ArrayLike, *, most: float = 0.05) -> NDArray[Any]:
    """Evaluate a signal of which some samples are missing at other times; see `resample`.

    Missing samples have no part in any output: the weights of the others are scaled to sum to 1. Where more than `most`
    of an output's kernel (by absolute weight) lies on missing samples, it is missing, too.

    Parameters
    ----------
    values : (n_in, k) array
        NaN where a sample is missing.
    times_in, times_out
        See `resample`.
    most : float
        Largest share of a kernel that may be missing.

    Returns
    -------
    (n_out, k) array
        NaN where an output is missing.

    Raises
    ------
    InputError
        See `resample`; for infinite values.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.timing import resample_known
    >>> times = np.arange(100) / 100
    >>> values = np.where(np.abs(times - 0.5) < 0.055, np.nan, 3.0)[:, None]
    >>> found = resample_known(values, times, np.array([0.1, 0.5, 0.9]))
    >>> found.ravel().round(12).tolist()
    [3.0, nan, 3.0]
    """
    values = np.asarray(values)
    values = values if values.dtype == np.float32 else values.astype(np.float64)
    weights = _checked_weights(values, times_in, times_out)
    if np.isinf(values).any():
        raise InputError("values", "infinite values", "finite values, or NaN where one is missing")
    known = np.isfinite(values)
    if known.all():
        return np.asarray(weights.astype(values.dtype) @ values)
    sums = weights @ np.where(known, values, 0.0)
    kept = weights @ known.astype(np.float64)
    lost = abs(weights) @ (~known).astype(np.float64)
    share = lost / np.asarray(abs(weights).sum(axis=1)).reshape(-1, 1)
    out = np.divide(sums, kept, out=np.full(sums.shape, np.nan), where=(share <= most) & (kept > 0.5))
    return np.asarray(out.astype(values.dtype))


def _checked_weights(values: NDArray[Any], times_in: ArrayLike, times_out: ArrayLike) -> csr_array:
    """Return the (n_out, n_in) weights, after looking at shapes and times."""
    t_in, t_out = np.asarray(times_in, dtype=np.float64), np.asarray(times_out, dtype=np.float64)
    if values.ndim != 2 or t_in.shape != values.shape[:1] or len(values) == 0:
        raise InputError(
            "values",
            f"shape {values.shape} with times_in of shape {t_in.shape}",
            "(n_in, k) with one time for each of n_in ≥ 1 samples",
        )
    steps = [step for step in (_step("times_in", t_in), _step("times_out", t_out)) if step is not None]
    if len(values) == 1 or len(t_out) == 0:
        return csr_array(np.ones((len(t_out), 1)) @ np.eye(1, len(values)))
    return _weights(len(t_in), t_in[0], steps[0], t_out, slower=max(steps))


def _weights(n_in: int, first: float, step: float, times: NDArray[np.float64], slower: float) -> csr_array:
    """Return the (n_out, n_in) weights of the kernel; ``slower`` is the step of the slower grid, s."""
    reach = ZERO_CROSSINGS * slower
    if times[0] < first - reach or times[-1] > first + step * (n_in - 1) + reach:
        raise InputError(
            "times_out",
            f"{times[0]:.6g} to {times[-1]:.6g} s",
            f"times within or near the input, {first:.6g} to {first + step * (n_in - 1):.6g} s",
        )
    position = (times - first) / step  # of each output, in input samples
    half = int(np.ceil(reach / step))
    taps = np.round(position).astype(np.int64)[:, None] + np.arange(-half, half + 1)
    lag = (taps - position[:, None]) * (step / slower)  # in samples of the slower grid
    window = np.i0(KAISER_BETA * np.sqrt(np.clip(1 - (lag / ZERO_CROSSINGS) ** 2, 0, None)))
    kernel = np.where(np.abs(lag) < ZERO_CROSSINGS, np.sinc(lag) * window, 0.0)
    kernel /= kernel.sum(axis=1, keepdims=True)
    period = 2 * (n_in - 1)
    columns = np.abs((taps + n_in - 1) % period - (n_in - 1))  # mirrored about the first and the last sample
    rows = np.arange(len(times) + 1) * taps.shape[1]
    weights = csr_array((kernel.ravel(), columns.ravel(), rows), shape=(len(times), n_in))
    weights.sum_duplicates()
    return weights


def _step(name: str, times: NDArray[np.float64]) -> float | None:
    """Return the step of a uniform grid in s; None for a grid of one time or none, which has no step."""
    if times.ndim != 1 or not np.isfinite(times).all():
        raise InputError(
            name,
            f"shape {times.shape}" if times.ndim != 1 else "NaN or infinite times",
            "one finite time for each sample",
        )
    if len(times) < 2:
        return None
    step = float(times[-1] - times[0]) / (len(times) - 1)
    places = times[0] + step * np.arange(len(times))
    # the spacing of floating-point numbers bounds how well times far from 0 can be written
    slack = _UNIFORM * step + 4 * float(np.spacing(np.abs(times).max()))
    if not step > 0 or np.abs(times - places).max() > slack:
        raise InputError(name, "times that are not uniform and increasing", "times at equal distances")
    return step
