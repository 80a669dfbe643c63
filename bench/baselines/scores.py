"""R² as everyone writes it."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


def r2(y: Array, prediction: Array) -> Array:
    """1 - SSE / SST of each column, about the mean of `y`."""
    error, centred = y - prediction, y - y.mean(0)
    return 1 - (error * error).sum(0) / (centred * centred).sum(0)
