"""Types of arrays, and the shapes that go by a name of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Double = NDArray[np.float64]
Array = Any
"""NumPy's, or a matrix on a device; float32 or float64, with ``shape``, ``dtype`` and ``len``."""
Float = NDArray[Any]  # float32 or float64, one of the two throughout
Integers = NDArray[np.int64]
Bounds = NDArray[np.int64]  # (s, 2): first row and one past the last of each segment
Ranges = NDArray[np.int64]  # (r, 4): rows [begin, end), and [low, high) which their lags may reach into
