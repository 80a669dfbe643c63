"""Sound files: how long they are, and their samples at the rate asked for."""

from __future__ import annotations

import math
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError

_SHORT = re.compile(r"data : (?P<said>\d+) \(should be (?P<found>\d+)\)")
_UNKNOWN_LENGTH = 0x7FFFFFFF - 4096
"""What streams write for a length that they do not know is about this, or twice as much."""


def duration(path: str | Path) -> float:
    """Give a sound's duration from its header, without decoding it.

    Parameters
    ----------
    path : str or Path
        A file that libsndfile reads (WAV, FLAC, SPHERE …).

    Returns
    -------
    float
        Seconds; 0.0 for a sound without samples.

    Raises
    ------
    InputError
        For a file that is not there or is no sound, and a sampling rate of 0.
    """
    import soundfile

    _check_file(path)
    try:
        info = soundfile.info(str(path))
    except soundfile.SoundFileError as error:
        raise _unreadable(path, error) from None
    _check_rate(path, info.samplerate)
    _check_whole(path, info.extra_info)
    return float(info.frames / info.samplerate)


def read_audio(path: str | Path, sfreq: float) -> NDArray[np.float32]:
    """Read a sound as one channel at a given rate.

    Channels are mixed by their mean (with a warning, once). Resampling (soxr, linear phase) adds no delay:
    sample i lies at ``i / sfreq`` s.

    Parameters
    ----------
    path : str or Path
        A file that libsndfile reads (WAV, FLAC, SPHERE …).
    sfreq : float
        Samples per second wanted, Hz.

    Returns
    -------
    (n_samples,) array of float32
        Full scale is ±1; ``n_samples`` is the sound's duration times ``sfreq``, rounded.

    Raises
    ------
    InputError
        For a file that is not there, is no sound or holds no samples, NaN or infinite samples, and a rate of
        0, the file's or the one asked for.
    """
    import soundfile

    if not (math.isfinite(sfreq) and sfreq > 0):
        raise InputError("sfreq", f"{sfreq} Hz", "a finite sampling rate above 0 Hz")
    _check_file(path)
    try:
        _check_whole(path, soundfile.info(str(path)).extra_info)
        channels, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise _unreadable(path, error) from None
    _check_rate(path, rate)
    if len(channels) == 0:
        raise InputError(str(path), "a sound without samples", "a sound")
    if not np.isfinite(channels).all():
        raise InputError(str(path), "NaN or infinite samples", "finite samples")
    if channels.shape[1] > 1:
        # One text for all files, so that Python's default filter shows it once.
        warnings.warn("a sound with several channels was mixed to one", UserWarning, stacklevel=2)
    return _to_rate(channels.mean(axis=1, dtype=np.float32), rate, sfreq)


def _to_rate(sound: NDArray[np.float32], rate: float, sfreq: float) -> NDArray[np.float32]:
    if rate == sfreq:
        return sound
    import soxr

    out: NDArray[Any] = soxr.resample(sound, rate, sfreq, quality="HQ")
    n = max(1, round(len(sound) * sfreq / rate))
    # soxr rounds the length in its own way, by at most one sample
    return np.pad(out[:n], (0, max(0, n - len(out))), mode="edge" if len(out) else "constant").astype(np.float32)


def _check_file(path: str | Path) -> None:
    if not Path(path).is_file():
        raise InputError(str(path), "no such file", "a sound file")


def _check_whole(path: str | Path, log: str) -> None:
    """Refuse a WAV that ends before its header says so; libsndfile reads what there is, and notes it in its log."""
    short = _SHORT.search(log)
    if short and int(short["found"]) < int(short["said"]) < _UNKNOWN_LENGTH:
        raise InputError(
            str(path), f"{short['found']} bytes of samples, where its header says {short['said']}", "a whole sound",
            "It may have been cut off in copying.",
        )  # fmt: skip


def _check_rate(path: str | Path, rate: float) -> None:
    if not rate > 0:
        raise InputError(str(path), f"a sampling rate of {rate} Hz", "a sampling rate above 0 Hz")


def _unreadable(path: str | Path, error: Exception) -> InputError:
    return InputError(str(path), f"no readable sound ({error})", "a sound file that libsndfile reads")
