"""What every solver is: training sets of one problem, each with weights at any λ and their errors elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from heschl.linear.device.arrays import Double, Integers
from heschl.linear.ridge.condition import Conditions
from heschl.linear.ridge.weights import Weights


class Trained(Protocol):
    """One training set: weights at any λ, and their errors elsewhere."""

    def weights(self, alpha: float, targets: NDArray[np.int64] | None = None) -> Weights:
        """Return the weights of all targets, or of some, in the units of the data."""

    def errors(self, alphas: Double, tests: Sequence[Sequence[int]], wanted: NDArray[np.bool_] | None = None) -> Double:
        """Sum (y - prediction)² over the rows of each test set (a list of parts), (n_tests, n_alphas, c).

        Where a solver has reason not to know it, NaN or minus a guess; `wanted` (n_alphas, c) are then entries that it
        must find out.
        """

    def sums(
        self, alphas: Double, tests: Sequence[Sequence[int]], wanted: NDArray[np.bool_] | None = None
    ) -> Double | None:
        """Sum (y - p)² likewise, (p - mean)² and (y - mean) (p - mean) of predictions p, (3, n_tests, n_alphas, c).

        None where a solver has no better way to them than to predict at one λ after the other.
        """

    def chosen(self, alphas: Double, chosen: Integers) -> Iterator[tuple[Integers, Weights]]:
        """Yield the weights of each target at its own λ, alphas[chosen], some targets after the other."""


class Solver(Protocol):
    """All training sets of one problem cut into parts; see `heschl.linear.ridge.primal.Primal`.

    `conditions` are estimates for the training sets so far (`heschl.linear.ridge.condition`); `n_steps` and
    `dimension` are those of the largest Krylov space that was grown, 0 where none was.
    """

    side_by_side: bool
    conditions: Conditions
    n_steps: int
    dimension: int

    def scratch(self) -> Any:
        """Allocate the memory that one training set after the other is solved in."""

    def train(self, parts: Sequence[int], scratch: Any) -> Trained:
        """Prepare the training set of some parts."""


def one_by_one(
    weights: Callable[[float, Integers], Weights], alphas: Double, chosen: Integers
) -> Iterator[tuple[Integers, Weights]]:
    """Fit each target at its own λ, one λ after the other: targets of one λ together."""
    for a in np.unique(chosen):
        targets = np.flatnonzero(chosen == a)
        yield targets, weights(float(alphas[a]), targets)
