"""High gamma the plain way: a loop over channels and bands, each a Gaussian filter and a Hilbert transform."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

Array = NDArray[Any]


def scipy_loop(samples: Array, sfreq: float, rate: float, centres: Array, sigmas: Array) -> Array:
    """Mean over bands of the analytic amplitude at `rate`, (n_out, channels); float64, the whole recording at once."""
    n = fft.next_fast_len(len(samples))
    frequency = np.abs(np.fft.fftfreq(n, 1 / sfreq))
    out = []
    for channel in samples.T:
        amplitude = np.zeros(len(samples))
        for centre, sigma in zip(centres, sigmas, strict=True):
            gain = np.exp(-((frequency - centre) ** 2) / (2 * sigma**2))
            filtered = fft.ifft(fft.fft(channel, n) * gain).real
            amplitude += np.abs(signal.hilbert(filtered)[: len(samples)])
        out.append(signal.resample_poly(amplitude / len(centres), int(rate), int(sfreq)))
    return np.stack(out, axis=1)
