"""Every tolerance of the tests, in one place: relative to the largest entry compared."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Kernels against the float64 reference: rounding of sums of up to a few thousand terms.
KERNEL = {"float64": 1e-11, "float32": 2e-5}
# Fitted weights against scikit-learn's, for penalties that keep the condition number below about 1e5.
COEFFICIENTS = {"float64": 1e-9, "float32": 1e-3}
# Weights and predictions by products whose factors are rounded to 10 bits, against float32's.
TF32 = 2e-3
# Of a product of float32 by tensor cores, beside the product of absolute values.
SPLIT_PRODUCT = 1e-6
# Canonical correlations of layers in float32, between devices.
CANONICAL_FLOAT32 = 1e-5
# R² against the reference, absolute.
R2 = {"float64": 1e-9, "float32": 1e-3}

# Numbers of float32 that went through another unit on their way: one rounding or two, relative.
FLOAT32 = 2.5e-7

# R² by Krylov spaces at their own tolerance against float64 Cholesky, absolute.
KRYLOV_R2 = {"float64": 1e-8, "float32": 1e-4}
# Where two rows predict twenty: 3e-4 of the response known, times what the prediction makes of it.
KRYLOV_R2_OF_FEW_ROWS = {"float64": 1e-6, "float32": 1e-2}

# Correlations of the published practice against another program of it, absolute.
PUBLISHED = 1e-6

# R², absolute (relative where it is below -1), of any solver on data made to break them, where there is no warning.
ADVERSARIAL = 1e-4

# Scores, predictions and moments by four threads against those by one: sums of parts in another order.
THREADS = {"float64": 1e-9, "float32": 2e-4}

# Null scores by FFT against a plain loop, absolute: a transform loses a few roundings of the norms of both sides.
SHIFTED = {"float64": 1e-12, "float32": 3e-6}


# Scores with features z-scored over all frames against those of each training set, in some hundred frames.
ALL_FRAMES = 0.05


# Shares of variance found against those planted, in a thousand frames.
PLANTED = 0.03

# p and q values of the same responses, summed in other blocks.
P_VALUES = 1e-3


def worst(found: NDArray[Any], expected: NDArray[Any], scale: float | None = None) -> float:
    """Largest difference over the largest expected entry (or over `scale`)."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape, (found.shape, expected.shape)
    if found.size == 0:
        return 0.0
    size = np.abs(expected).max() if scale is None else scale
    return float(np.abs(found - expected).max() / max(size, 1e-12))
