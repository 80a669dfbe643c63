"""How large a fit is, and what every solver pays alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from heschl.linear.design.rows import whole
from heschl.linear.device.arrays import Bounds
from heschl.linear.device.devices import DEVICES
from heschl.linear.device.host import CPU, HOST
from heschl.linear.device.threads import n_threads
from heschl.linear.ridge.problem import Problem

# Spectra, and the products of some of their columns, that are held beside moments summed by frequency
# (csrc/cpu/spectral.cpp).
SPECTRA_BYTES = 128 << 20


@dataclass(frozen=True)
class FitSize:
    """How large a fit is.

    Attributes
    ----------
    n_rows : int
        Rows of the design.
    n_products : float
        Rows that a product with the features counts: frames, or runs of word-rate features.
    n_features, n_lags, n_targets, n_alphas : int
    n_parts : int
        Parts (folds) that moments are kept of.
    n_segments : int
    n_sets : int
        Training sets solved for all alphas.
    standardize : bool
        Whether features are read anew in each of them.
    itemsize : int
        Bytes of a number.
    device : str
        Where it is to be done: a name in `heschl.linear.device.devices.DEVICES`.
    """

    n_rows: int
    n_products: float
    n_features: int
    n_lags: int
    n_targets: int
    n_alphas: int
    n_parts: int
    n_segments: int
    n_sets: int
    standardize: bool
    itemsize: int
    device: str = CPU.name

    @classmethod
    def of(cls, problem: Problem, parts: Sequence[Bounds], n_sets: int, n_alphas: int) -> FitSize:
        """Measure a problem that is cut into parts."""
        X = problem.X
        return cls(
            len(X), X.n_products, X.shape[1], len(problem.lags), problem.y.shape[1], n_alphas, len(parts),
            sum(map(len, parts)), n_sets,
            problem.standardize, problem.itemsize,
        )  # fmt: skip

    @property
    def n_columns(self) -> int:
        """Columns of the design, p."""
        return self.n_lags * self.n_features

    @property
    def test_operations(self) -> float:
        """Of scoring one λ in one test set."""
        p, c = self.n_columns, self.n_targets
        return 2.0 * p * c * min(self.n_products / self.n_parts, p)


def moment_operations(size: FitSize) -> float:
    """Count the operations of gathering moments: by lag or, of features at the rate of frames, by frequency if fewer.

    A device brings all features to the rate of frames.

    Segments count as equally long, and features as one space.
    """
    d, c = size.n_features, size.n_targets
    on_gpu = DEVICES[size.device].remote
    if not on_gpu and size.n_products < size.n_rows:
        return 2.0 * size.n_products * size.n_columns * (d + c)
    part = size.n_rows / size.n_parts, max(1, size.n_segments // size.n_parts)
    return size.n_parts * _sums_of_a_part(*part, size.n_lags, d, c, on_gpu)


@lru_cache(maxsize=256)
def _sums_of_a_part(n_rows: float, n_segments: int, n_lags: int, d: int, c: int, on_gpu: bool) -> float:
    """Count the operations of one part's sums: the same for every solver whose price is asked."""
    edges = np.linspace(0, n_rows, n_segments + 1).astype(np.int64)
    ranges = whole(np.stack([edges[:-1], edges[1:]], axis=1)[np.diff(edges) > 0])
    product, count = HOST.kernels.Product, HOST.kernels.sum_operations
    of_features = min(count(ranges, 0, n_lags, d, d, product.itself, on_gpu))
    return float(of_features + min(count(ranges, 0, n_lags, d, c, product.responses, on_gpu)))


def moment_bytes(size: FitSize) -> float:
    """Count the bytes of the moments of the parts and of one sum, and of the weights being made and scored."""
    p, c = size.n_columns, size.n_targets
    # ... and the block's own responses, with what scoring makes of them
    kept = (size.n_parts + 2) * p * (size.n_features + c) + 4 * p * c + 3 * size.n_rows * c
    stacked = min(STACKED_BYTES, p * c * size.n_alphas * size.itemsize) * 2 + STACKED_BYTES
    spectra = min(SPECTRA_BYTES, 4 * size.n_rows * (size.n_features + c) * size.itemsize)
    blocks = device_blocks(size) if DEVICES[size.device].remote else spectra
    return float(kept * size.itemsize + stacked + blocks)


def device_blocks(size: FitSize) -> float:
    """Count the bytes of the blocks that kernels of the device hold."""
    return float(DEVICES[size.device].blocks_bytes)


def n_workers(size: FitSize, order: float, most: int, items: int) -> int:
    """Count the training sets, or λ, whose p × p or n × n matrices are solved side by side, by threads."""
    return min(n_threads(), items) if order <= most and DEVICES[size.device].host_threads else 1


# Weights of several λ are scored together, so that the design, or the test rows' X'X, is gone through once for all of
# them; so many bytes of them at most.
STACKED_BYTES = 64 << 20
