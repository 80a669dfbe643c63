"""What a Krylov space costs as it grows, beside factoring for the λ that are left."""

from __future__ import annotations

import math

import numpy as np

from heschl.linear.device.devices import DEVICES
from heschl.linear.device.host import CPU
from heschl.linear.device.threads import n_threads
from heschl.linear.ridge.growth import Growth
from heschl.linear.ridge.held_out import frequency_operations
from heschl.linear.ridge.size import FitSize, moment_bytes, moment_operations, n_workers

# Time of products with X'X by lags over that of a product of as many operations.
LAGS_SLOWNESS = 1.5
# Columns up to which training sets are solved side by side: products of fewer are too small to be shared by threads.
SIDE_BY_SIDE_COLUMNS = 2000
# Steps of a space, times the root of its targets: 16 with 50 of them, 6 with 300, at R² up to 0.9.
STEPS = 113.0
TYPICAL_ROWS = 96  # of a segment
# What a step, and a step of one λ, takes at least: operations that a product would do in that time; on a device, that
# many calls.
STEP_LEAST, SYSTEM_LEAST = 5e7, 4e6
STEP_CALLS, SYSTEM_CALLS = 20, 6
# What a space and factoring for the rest may cost together, over factoring for every λ, before one factors; the share
# of that which is spent before it is judged which of the two to go on with; and, since what one narrow step says of
# those to come is mostly noise, for how large a share they must say the same. Of 2,000 such rules the one that cost the
# least at worst, and on average, in 135 worlds of 320 and 1,280 columns: 1.32 and 1.05 times the cheaper way, by count.
MOST, UNJUDGED, PATIENCE = 1.1, 0.3, 0.06
# Factoring for all λ that takes less than this is done without a space: it would hardly have begun by then.
AT_ONCE = 4e9
# A step reads all that X'X is made of, which takes as long as the products of so many columns with it.
NARROW = 24


def lagged_product(n_lags: int, n_features: int, n_edges: int) -> float:
    """Count the operations of X'X times one vector, by frequency over lags."""
    w, d, a = n_lags, n_features, n_edges
    return LAGS_SLOWNESS * (6.0 * w * d * d + 12.0 * w * a * d + 8.0 * w * w * (d + a))


def column_operations(n_lags: int, n_features: int, n_edges: int) -> float:
    """Count the operations of X'X times one vector, by the cheaper way."""
    return min(2.0 * float(n_lags * n_features) ** 2, lagged_product(n_lags, n_features, n_edges))


def product_operations(n_lags: int, n_features: int, n_edges: int, device: str) -> float:
    """Count the operations of X'X times one vector as a device does it: away from the host it is always assembled."""
    if DEVICES[device].remote:
        return 2.0 * float(n_lags * n_features) ** 2
    return column_operations(n_lags, n_features, n_edges)


def space_targets(device: str) -> int:
    """Return how many targets share one space, at most.

    More share more directions; but what a λ costs grows with the space.
    """
    return DEVICES[device].space_targets


def step_operations(
    column: float, p: float, block: float, dimension: float, n_alphas: float, device: str = CPU.name
) -> float:
    """Count the operations of a step: products, orthogonalisation against a basis, one block of each λ's system."""
    call = DEVICES[device].call
    grown = (block + NARROW) * column + block * (4.0 * p * dimension + 12.0 * p * block)
    least, of_system = STEP_LEAST + STEP_CALLS * call, SYSTEM_LEAST + SYSTEM_CALLS * call
    return least + DEVICES[device].step_operations(p, grown) + n_alphas * (of_system + 14.0 * block**3)


def usual_steps(block: float, n_columns: float) -> float:
    """Return how many steps a space of so many targets usually takes."""
    return min(STEPS / math.sqrt(block), n_columns / block)


def factoring_operations(n_factors: int, n_columns: int, device: str = CPU.name) -> float:
    """Count the operations of factoring X'X so many times."""
    return n_factors * DEVICES[device].cholesky_operations(float(n_columns))


class Price:
    """What one space has cost, and whether it should go on.

    Parameters
    ----------
    column : float
        Operations of one vector: its product with X'X, and with the designs of test rows.
    n_columns, n_targets, n_alphas : int
    share : float
        Part of the targets that a factorisation would serve which this space has.
    device : str
        Where.
    """

    def __init__(
        self, column: float, n_columns: int, n_targets: int, n_alphas: int, share: float, device: str = CPU.name
    ) -> None:
        p, self._device = float(n_columns), device
        self._column, self._p, self._n_targets, self._n_alphas = column, p, n_targets, n_alphas
        self._factor = share * factoring_operations(1, n_columns, device) + 2.0 * p * p * n_targets
        self._spent = 0.0
        self._doubted = math.inf  # what had been spent when factoring began to seem the cheaper

    def _next(self, growth: Growth) -> float:
        size, space = growth.space.next_size, growth.space
        return step_operations(self._column, self._p, size, space.dimension + size, self._n_alphas, self._device)

    def spend(self, growth: Growth) -> None:
        """Count the step that comes next."""
        self._spent += self._next(growth)

    def too_dear(self, growth: Growth, steps: float, n_factors: int) -> bool:
        """Return whether to factor for so many λ instead of so many more steps."""
        step, everything, rest = self._next(growth), self._n_alphas * self._factor, n_factors * self._factor
        if self._spent + step <= UNJUDGED * everything:
            return False
        if steps > 1.5 and self._spent + step + rest > MOST * everything:
            return True
        self._doubted = math.inf if steps * step <= rest else min(self._doubted, self._spent)
        return self._spent + step >= self._doubted + PATIENCE * everything

    def apart(self, growth: Growth, steps: float, n_waiting: int) -> bool:
        """Return whether the targets that wait should have a space of their own."""
        if not np.isfinite(steps) or n_waiting in (0, self._n_targets):
            return False
        space = growth.space
        anew = (space.n_steps + steps) * (self._n_targets / n_waiting) ** 0.5  # narrower spaces need more steps
        narrow = step_operations(self._column, self._p, n_waiting, anew * n_waiting / 2, self._n_alphas, self._device)
        return bool(anew * narrow < steps * self._next(growth))


def _space(size: FitSize) -> tuple[float, float, float]:
    """Return the spaces of a training set, the targets in each, and the steps that a space usually takes."""
    spaces = -(-size.n_targets // space_targets(size.device))
    block = min(size.n_targets / spaces, size.n_columns)
    return float(spaces), block, usual_steps(block, size.n_columns)


def _test_column(size: FitSize) -> float:
    """Count the operations of one vector times the design of the rows of one part."""
    rows, w, d = size.n_rows / size.n_parts, size.n_lags, size.n_features
    direct = 2.0 * size.n_products / size.n_parts * size.n_columns
    if size.n_products < size.n_rows or DEVICES[size.device].remote:
        return direct
    return min(direct, frequency_operations(int(rows // TYPICAL_ROWS) + 1, TYPICAL_ROWS, d, w))


def krylov_operations(size: FitSize) -> float:
    """Count the operations of Krylov spaces, of as many steps as are usual."""
    p, edges = float(size.n_columns), int(size.n_segments * (1 - 1 / max(2, size.n_parts)))
    spaces, block, steps = _space(size)
    column = product_operations(size.n_lags, size.n_features, edges, size.device) + _test_column(size)
    dimension = steps * block
    grown = steps * step_operations(column, p, block, dimension / 2, size.n_alphas, size.device)
    scored = size.n_alphas * 2.0 * size.n_rows / size.n_parts * dimension * block
    return moment_operations(size) + size.n_sets * spaces * (grown + scored)


def _side_by_side(size: FitSize, spaces: float) -> tuple[int, float]:
    """Return how many training sets, and spaces of one or of several, are grown at a time."""
    sets = n_workers(size, size.n_columns, SIDE_BY_SIDE_COLUMNS, size.n_sets)
    return sets, 1.0 if DEVICES[size.device].remote else max(sets, min(n_threads(), spaces))


def krylov_bytes(size: FitSize) -> float:
    """Count the bytes that Krylov spaces hold."""
    p, w, d = float(size.n_columns), size.n_lags, size.n_features
    rows = size.n_rows / size.n_parts
    spaces, block, steps = _space(size)
    sets, at_once = _side_by_side(size, spaces)
    dimension = min(1.5 * steps, p / block) * block
    edges = int(size.n_segments)
    operator = min(p * p, (4.0 * w * d + 3.0 * edges * 2) * d) if w > 1 else p * p
    if DEVICES[size.device].remote:  # X'X, and its halves
        operator = (2.0 if size.itemsize == 4 else 1.0) * p * p
    vectors = 1.5 * p * dimension + 12.0 * p * block + 2.0 * rows * (dimension + block) + 5.0 * rows * d
    systems = 8.0 * size.n_alphas * 2.0 * dimension * block
    return moment_bytes(size) + sets * operator * size.itemsize + at_once * (vectors * size.itemsize + systems)


def vectors_within(size: FitSize, limit: float) -> int:
    """Count the vectors that a space may have within a limit of bytes; no more than there are columns."""
    each = (1.5 * size.n_columns + 2.0 * size.n_rows / size.n_parts) * size.itemsize
    spaces, block, steps = _space(size)
    _, at_once = _side_by_side(size, spaces)
    fixed = krylov_bytes(size) - at_once * min(1.5 * steps, size.n_columns / block) * block * each
    return int(min(size.n_columns, max(0.0, limit - fixed) / (at_once * each)))
