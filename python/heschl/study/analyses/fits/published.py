"""A layer scored as the code published with the paper does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heschl.linear import joined_cv
from heschl.study.extraction.features import Features
from heschl.study.inputs.groups import FitGroup
from heschl.study.work.cache import Progress, save_arrays

MEAN_SQUARED_R = "mean_squared_r"


def fft_resampled(
    values: NDArray[np.float64], times_in: NDArray[np.float64], times_out: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Resample a trial by its discrete Fourier transform (scipy.signal.resample), as the published code does.

    The first sample stays the first: a frame gets the value at its begin, half a frame before its centre.

    Parameters
    ----------
    values : (n_in, c) array
    times_in : (n_in,) array
        s, evenly spaced. What lies before or after the frames that are asked for is cut off first.
    times_out : (n_out,) array
        Centres of frames, s.

    Returns
    -------
    (n_out, c) array
        Missing (NaN) throughout, in an electrode that has a gap.
    """
    from scipy.signal import resample

    step = times_out[1] - times_out[0] if len(times_out) > 1 else 2 * times_out[0]
    begin, end = times_out[0] - step / 2, times_out[-1] + step / 2
    inside = (times_in > begin - 1e-9) & (times_in < end - 1e-9)
    return np.asarray(resample(values[inside], len(times_out), axis=0))


def write_published(
    features: Features, layer: int, group: FitGroup, lags: range, device: str, path: Path, progress: Progress
) -> None:
    """Write the mean over folds of r² of one layer, (electrodes,).

    Parameters
    ----------
    features : Features
        Of one space.
    layer : int
        Which of its layers.
    group : FitGroup
        Responses resampled by `fft_resampled`, in the order of their presentation, none of them missing.
    lags : range
        In frames.
    device : {"auto", "cpu", "cuda"}
    path : Path
        The file.
    progress : callable
    """
    scores = joined_cv(features.layer(layer, group.segments), group.y, lags=lags, device=device, progress=progress)
    save_arrays(path, {MEAN_SQUARED_R: scores.mean_squared_r})
