"""What a sound is before any model: the mel spectrum, its onsets, the envelope."""

from __future__ import annotations

import math
import warnings

import numpy as np
from numpy.typing import NDArray
from transformers import audio_utils

from heschl.checks import InputError, check_choice
from heschl.timing.grid import FrameGrid

FLOOR_DB = -100.0
"""Power below which nothing is told apart, dB re full scale: digital silence is this, not minus infinity."""
SCALES = ("db", "log", "power")
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
    scale: str = "db",
) -> tuple[NDArray[np.float32], FrameGrid]:
    """Compute the log-mel spectrum of a sound.

    The power spectrum of Hann-windowed frames, gathered by triangular filters of equal area on the (Slaney)
    mel scale, in dB by default. Only frames that lie wholly within the sound are there: no sample is made up at the
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
    scale : {"db", "log", "power"}
        dB; the natural logarithm of the same; or power as it is.

    Returns
    -------
    values : (n_frames, n_mels) array of float32
        In dB at least −100, and at most 80 below the loudest value.
    grid : FrameGrid
        The frames' times; ``grid.n_frames(n_samples / sfreq)`` is ``n_frames``.

    Raises
    ------
    InputError
        For a sound that is not one channel of finite samples or is shorter than one frame, and settings that
        make no filter bank.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.timing.grid import FrameGrid
    >>> from heschl.features import onset_spectrogram
    >>> import numpy as np
    >>> from heschl.features import mel_spectrogram
    >>> values, grid = mel_spectrogram(np.zeros(16000, dtype=np.float32), 16000)
    >>> values.shape, float(values.max()), grid.rate, grid.times(1).tolist()
    ((98, 80), -100.0, 100.0, [0.0125])
    """
    check_choice("scale", scale, SCALES)
    if not (math.isfinite(sfreq) and sfreq > 0):
        raise InputError("sfreq", f"{sfreq} Hz", "a sampling rate above 0 Hz")
    fmax = sfreq / 2 if fmax is None else fmax
    grid = mel_grid(sfreq, window, hop)
    n_fft = 1 << (grid.width - 1).bit_length()
    filters = _filters(n_mels, fmin, fmax, sfreq, n_fft)
    sound = _checked(sound)
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
    if scale != "db":  # from what dB has kept of it
        values = values * np.float32(math.log(10) / 10)
        values = np.exp(values) if scale == "power" else values
    return np.ascontiguousarray(values.T), grid


def onset_spectrogram(values: NDArray[np.floating], grid: FrameGrid) -> NDArray[np.float32]:
    """Compute how fast each band of a spectrum rises: its derivative in time, where that is above 0.

    Half-wave rectified derivatives of a spectrogram mark acoustic onsets (Daube et al. 2019, Current Biology 29:1924).

    Parameters
    ----------
    values : (n_frames, n_bands) array
        A spectrum, as `mel_spectrogram` gives it.
    grid : FrameGrid
        Its frames.

    Returns
    -------
    (n_frames, n_bands) array of float32
        In units of `values` per s. At a frame the derivative is that between its neighbours (at the ends, to the one
        neighbour), so that it is at the frame's own time.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.timing.grid import FrameGrid
    >>> from heschl.features import onset_spectrogram
    >>> onset_spectrogram(np.array([[0.0], [1.0], [0.0], [0.0]]), FrameGrid.from_rate(100.0)).ravel().tolist()
    [100.0, 0.0, 0.0, 0.0]
    """
    if len(values) < 2:
        return np.zeros(values.shape, dtype=np.float32)
    slope = np.gradient(np.asarray(values, dtype=np.float64), 1 / grid.rate, axis=0)
    return np.maximum(slope, 0.0).astype(np.float32)


def envelope(
    sound: NDArray[np.floating], sfreq: int, *, rate: float = 100.0, cutoff: float = 25.0
) -> tuple[NDArray[np.float32], FrameGrid]:
    """Compute the broadband amplitude envelope of a sound.

    The magnitude of the analytic signal (Hilbert transform), low-pass filtered forwards and backwards (Butterworth,
    order 3 each way: no delay), read at the middle of frames that tile time.

    Parameters
    ----------
    sound : (n_samples,) array of floats
        One channel.
    sfreq : int
        Its sampling rate, Hz.
    rate : float
        Frames per second, Hz.
    cutoff : float
        Where the low-pass is at half power in all, Hz; at most half of `rate`.

    Returns
    -------
    values : (n_frames, 1) array of float32
        At least 0, in the sound's units.
    grid : FrameGrid
        The frames' times.

    Raises
    ------
    InputError
        For a sound that is not one channel of finite samples or is shorter than one frame, and a cutoff that the rate
        cannot carry.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.features import envelope
    >>> t = np.arange(16000) / 16000
    >>> values, grid = envelope(0.5 * np.sin(2 * np.pi * 500 * t), 16000)
    >>> values.shape, values[20:80].round(3).ravel().min()
    ((100, 1), np.float32(0.5))
    """
    from scipy import signal

    grid = FrameGrid.from_rate(rate)
    if not (math.isfinite(cutoff) and 0 < cutoff <= rate / 2 and rate <= sfreq):
        found = f"{cutoff:g} Hz for {rate:g} frames per second of a sound at {sfreq:g} Hz"
        raise InputError("cutoff", found, "above 0 and at most half of rate, which is at most sfreq")
    sound = _checked(sound)
    n_frames = grid.n_frames(len(sound) / sfreq)
    if n_frames == 0:
        raise InputError("sound", f"{len(sound)} samples", f"at least one frame, {1 / rate:g} s")
    low_pass = signal.butter(3, cutoff, fs=sfreq, output="sos")
    amplitude = np.abs(signal.hilbert(sound.astype(np.float64)))
    pad = min(len(sound) - 1, round(sfreq / cutoff))
    smooth = signal.sosfiltfilt(low_pass, amplitude, padlen=pad)
    values = np.interp(grid.times(n_frames), np.arange(len(sound)) / sfreq, np.maximum(smooth, 0.0))
    return values[:, None].astype(np.float32), grid


def mel_grid(sfreq: int, window: float, hop: float) -> FrameGrid:
    """Return the grid of the frames of `mel_spectrogram`.

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


def _checked(sound: NDArray[np.floating]) -> NDArray[np.floating]:
    sound = np.asarray(sound)
    if sound.ndim != 1 or not np.isfinite(sound).all():
        raise InputError(
            "sound",
            f"shape {sound.shape}" if sound.ndim != 1 else "NaN or infinite samples",
            "(n_samples,) finite samples of one channel",
        )
    return sound


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
