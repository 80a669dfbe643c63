"""The mel spectrum."""

from __future__ import annotations

import math
import warnings

import numpy as np
from numpy.typing import NDArray
from transformers import audio_utils

from heschl.checks import InputError
from heschl.timing.grid import FrameGrid

FLOOR_DB = -100.0
"""Power below which nothing is told apart, dB re full scale: digital silence is this, not minus infinity."""
RANGE_DB = 80.0
"""Range below a sound's loudest value; what is softer is raised to it, lest silence rule the variance."""


def mel_spectrogram(
    sound: NDArray[np.floating],
    sfreq: int,
    *,
    n_mels: int = 80,
    fmin: float = 0.0,
    fmax: float | None = None,
    window: float = 0.025,
    hop: float = 0.010,
) -> tuple[NDArray[np.float32], FrameGrid]:
    """Compute the log-mel spectrum of a sound.

    The power spectrum of Hann-windowed frames, gathered by triangular filters of equal area on the (Slaney)
    mel scale, in dB. Only frames that lie wholly within the sound are there: no sample is made up at the
    ends.

    Parameters
    ----------
    sound : (n_samples,) array of floats
        One channel, full scale ±1.
    sfreq : int
        Its sampling rate, Hz.
    n_mels : int
        Filters.
    fmin, fmax : float
        Lowest and highest frequency, Hz; ``fmax`` None is the Nyquist frequency.
    window, hop : float
        Length of a frame and distance between frames, s; brought to whole samples (the window to an even
        number), and the grid returned tells the true ones.

    Returns
    -------
    values : (n_frames, n_mels) array of float32
        dB, at least −100 and at least 80 dB below the loudest value.
    grid : FrameGrid
        The frames' times; ``grid.n_frames(n_samples / sfreq)`` is ``n_frames``.

    Raises
    ------
    InputError
        For a sound that is not one channel of finite samples or is shorter than one frame, and settings that
        make no filter bank.

    Examples
    --------
    >>> values, grid = mel_spectrogram(np.zeros(16000, dtype=np.float32), 16000)
    >>> values.shape, float(values.max()), grid.rate, grid.times(1).tolist()
    ((98, 80), -100.0, 100.0, [0.0125])
    """
    sound = np.asarray(sound)
    if not (math.isfinite(sfreq) and sfreq > 0):
        raise InputError("sfreq", f"{sfreq} Hz", "a sampling rate above 0 Hz")
    fmax = sfreq / 2 if fmax is None else fmax
    grid = mel_grid(sfreq, window, hop)
    n_fft = 1 << (grid.width - 1).bit_length()
    filters = _filters(n_mels, fmin, fmax, sfreq, n_fft)
    if sound.ndim != 1 or not np.isfinite(sound).all():
        raise InputError(
            "sound",
            f"shape {sound.shape}" if sound.ndim != 1 else "NaN or infinite samples",
            "(n_samples,) finite samples of one channel",
        )
    if len(sound) < grid.width:
        raise InputError("sound", f"{len(sound)} samples", f"at least one frame, {grid.width} samples")
    values = audio_utils.spectrogram(
        sound,
        audio_utils.window_function(grid.width, "hann", periodic=True),  # periodic: its peak is at width / 2 exactly
        frame_length=grid.width,
        hop_length=grid.stride,
        fft_length=n_fft,
        power=2.0,
        center=False,
        mel_filters=filters,
        mel_floor=10 ** (FLOOR_DB / 10),
        log_mel="dB",
        min_value=10 ** (FLOOR_DB / 10),
        db_range=RANGE_DB,
        dtype=np.dtype(np.float32),
    )
    return np.ascontiguousarray(values.T), grid


def mel_grid(sfreq: int, window: float, hop: float) -> FrameGrid:
    """Give the times of the frames of `mel_spectrogram`.

    Raises
    ------
    InputError
        For a window or hop of less than one sample.
    """
    for name, seconds in (("window", window), ("hop", hop)):
        if not (math.isfinite(seconds) and seconds * sfreq >= 1):
            raise InputError(name, f"{seconds} s", f"at least one sample, {1 / sfreq:.3g} s")
    width = 2 * max(1, round(window * sfreq / 2))
    return FrameGrid(unit_hz=float(sfreq), stride=round(hop * sfreq), centre=width // 2, width=width)


def _filters(n_mels: int, fmin: float, fmax: float, sfreq: int, n_fft: int) -> NDArray[np.float64]:
    if not 0 <= fmin < fmax <= sfreq / 2:
        raise InputError("fmin, fmax", f"{fmin} and {fmax} Hz", f"0 ≤ fmin < fmax ≤ {sfreq / 2} Hz (the Nyquist)")
    if not 1 <= n_mels <= n_fft // 2:
        raise InputError("n_mels", str(n_mels), f"1 to {n_fft // 2} filters for this window")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of empty filters, which are an error here
        bank = audio_utils.mel_filter_bank(n_fft // 2 + 1, n_mels, fmin, fmax, sfreq, norm="slaney", mel_scale="slaney")
    empty = np.flatnonzero(~(bank.max(axis=0) > 0))
    if len(empty):
        raise InputError(
            "n_mels",
            f"{n_mels} filters, of which {len(empty)} are narrower than the spectrum's lines",
            f"filters wider than {sfreq / n_fft:.4g} Hz",
            "Take fewer filters or a longer window.",
        )
    return np.asarray(bank)
