"""Sound files: how long they are, their samples at the rate asked for, and which are the same."""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.notices import warn
from heschl.timing.decoding import RATES_HZ, opened


def duration(path: str | Path) -> float:
    """Return a sound's duration, as it decodes.

    Where samples are of one size (WAV, SPHERE, AIFF …) the file's length tells it; FLAC, MP3 and Ogg are decoded, once
    for each file, since their headers may not know it.

    Parameters
    ----------
    path : str or Path
        A file that libsndfile reads (WAV, FLAC, MP3, SPHERE …).

    Returns
    -------
    float
        Seconds; 0.0 for a sound without samples.

    Raises
    ------
    InputError
        For a file that is not there, is no sound, or ends before its header says so; for a sampling rate that no sound
        has.

    Examples
    --------
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from heschl.timing import duration
    >>> import tempfile, soundfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "s1.flac")
    ...     soundfile.write(path, np.zeros(8000), 16000)
    ...     duration(path)
    0.5
    """
    with opened(path) as (header, _):
        if header.stated and header.frames is not None:
            return header.frames / header.rate
    state = Path(path).stat()
    return _decoded_duration(str(path), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=10_000)
def _decoded_duration(path: str, size: int, modified: int) -> float:
    """Return the duration of what decodes; size and time of the file stand for its content."""
    with opened(path) as (header, blocks):
        return sum(len(block) for block in blocks) / header.rate


def read_audio(path: str | Path, sfreq: float) -> NDArray[np.float32]:
    """Return a sound as one channel at a given rate.

    Channels are mixed by their mean (with a warning, once). Resampling (soxr, linear phase) adds no delay:
    sample i lies at ``i / sfreq`` s.

    Parameters
    ----------
    path : str or Path
        A file that libsndfile reads (WAV, FLAC, MP3, SPHERE …).
    sfreq : float
        Samples per second wanted, Hz; at most 1 MHz.

    Returns
    -------
    (n_samples,) array of float32
        Full scale is ±1; ``n_samples`` is the sound's `duration` times ``sfreq``, rounded.

    Raises
    ------
    InputError
        As `duration`; for a file that holds no samples, or NaN or infinite ones, and for a rate asked for that is none.

    Examples
    --------
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from heschl.timing import sound_digest
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from heschl.timing import read_audio
    >>> import tempfile, soundfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "s1.wav")
    ...     soundfile.write(path, np.zeros(44100), 44100)
    ...     read_audio(path, 16000).shape
    (16000,)
    """
    if not (math.isfinite(sfreq) and 0 < sfreq <= RATES_HZ[1]):
        raise InputError("sfreq", f"{sfreq} Hz", f"a finite sampling rate above 0 Hz, at most {RATES_HZ[1]:g} Hz")
    sound, rate, channels = read_mono(path)
    if channels > 1:
        # One text for all files, so that Python's default filter shows it once.
        warn("a sound with several channels was mixed to one")
    return to_rate(sound, rate, sfreq)


def sound_digest(path: str | Path) -> str:
    """Return a hash of a sound's samples, the same for every file that decodes to the same sound.

    Headers, tags and containers have no part in it, nor has the depth: a 16-bit WAV, its 24-bit copy, its FLAC, and a
    copy with the same signal in two channels are one sound.

    Parameters
    ----------
    path : str or Path
        A file that libsndfile reads.

    Returns
    -------
    str
        32 letters, of the samples of one channel and their rate.

    Raises
    ------
    InputError
        As `read_audio`.

    Examples
    --------
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from heschl.timing import sound_digest
    >>> import tempfile, soundfile
    >>> sound = np.array([0, 1000, -1000], dtype=np.int16)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = Path(folder, "s1.wav"), Path(folder, "copy.wav")
    ...     for path, subtype in zip(paths, ("PCM_16", "PCM_24")):
    ...         soundfile.write(path, sound, 16000, subtype=subtype)
    ...     sound_digest(paths[0]) == sound_digest(paths[1])
    True
    """
    sound, rate, _ = read_mono(path)
    return samples_digest(sound, rate)


def samples_digest(sound: NDArray[np.float32], rate: int) -> str:
    """Return the hash of samples at a rate in Hz; see `sound_digest`."""
    total = hashlib.blake2b(f"{rate} Hz".encode(), digest_size=16)
    total.update((sound + np.float32(0)).data)  # which makes 0 of −0
    return total.hexdigest()


def read_mono(path: str | Path) -> tuple[NDArray[np.float32], int, int]:
    """Return the mean of a sound's channels at its own rate, that rate in Hz, and how many channels there are."""
    with opened(path) as (header, blocks):
        parts = [block.mean(axis=1, dtype=np.float32) for block in blocks]
    sound = np.concatenate([*parts, np.zeros(0, dtype=np.float32)])
    if len(sound) == 0:
        raise InputError(str(path), "a sound without samples", "a sound")
    if not np.isfinite(sound).all():
        raise InputError(str(path), "NaN or infinite samples", "finite samples")
    return sound, header.rate, header.channels


def to_rate(sound: NDArray[np.float32], rate: float, sfreq: float) -> NDArray[np.float32]:
    """Return a sound at another sampling rate, without delay: sample i lies at ``i / sfreq`` s."""
    if rate == sfreq:
        return sound
    import soxr

    out: NDArray[Any] = soxr.resample(sound, rate, sfreq, quality="HQ")
    n = max(1, round(len(sound) * sfreq / rate))
    # soxr rounds the length in its own way, by at most one sample
    return np.pad(out[:n], (0, max(0, n - len(out))), mode="edge" if len(out) else "constant").astype(np.float32)
