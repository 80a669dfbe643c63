"""What becomes of solutions that a Krylov space has found: scores of a path, or weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from heschl.linear.device.arrays import Array, Double, Integers
from heschl.linear.device.place import backend_of
from heschl.linear.ridge.growth import Found
from heschl.linear.ridge.held_out import HeldOut
from heschl.linear.ridge.lanczos import EVERYTHING, BlockLanczos

# A path of scores is followed beyond its best λ by one step at least, and until R² has fallen by so much or λ by such
# a factor: other folds, averaged with this one, choose others nearby, and should find them solved.
FALLEN, FACTOR = 0.002, 10.0
# So far below a target's smallest λ that has converged others are followed.
AHEAD = 30.0
# A path may rise again at far smaller λ, where features of another size come in. What a space has of λ that have not
# converged, at steps of STRIDE, is no score, but shows it: a path is followed to where R² might be better by so much.
BETTER, STRIDE = 0.001, 3.0


@dataclass
class Sight:
    """A space, and the designs of some test sets times as much of its basis as was looked at, a piece at a time."""

    space: BlockLanczos
    designs: list[list[Array]] = field(default_factory=list)
    seen: int = 0


class Collector(Protocol):
    """What a fit makes of solutions: scores of a path, or weights. Entries are (λ, target), λ falling, all targets.

    Spaces of different targets may be collected from side by side.
    """

    alphas: Double
    known: NDArray[np.bool_]

    def waiting(self, targets: Integers) -> NDArray[np.bool_]:
        """Return entries (n_alphas, m) of some targets that are not known and should be followed."""

    def unsure(self, targets: Integers, n_steps: int) -> NDArray[np.bool_]:
        """Entries (n_alphas, m) to be looked at, as they are, before targets that wait for nothing are done.

        Not twice in a space of as many steps.
        """

    def look(self, sight: Sight, unsure: Integers, targets: Integers, found: Sequence[Found]) -> None:
        """See what becomes of those entries; targets may wait again."""

    def ask_all(self, targets: Integers) -> None:
        """Wait for every λ of some targets."""

    def take(self, sight: Sight, targets: Integers, found: Sequence[Found]) -> None:
        """Take solutions from the space of some targets."""

    def take_weights(self, index: int, targets: Integers, weights: Array) -> None:
        """Take weights (p, m) of some targets at one λ."""


@dataclass(frozen=True)
class Test:
    """Rows to be scored: their design, and their responses.

    Attributes
    ----------
    rows : HeldOut
    y : array of shape (n, c)
        Responses less the means of the training rows; on the host or a device.
    variation : ndarray of shape (c,)
        Σ (y - mean)² over the rows.
    """

    rows: HeldOut
    y: Array
    variation: Double

    @classmethod
    def of(cls, rows: HeldOut, y: Array) -> Test:
        """Prepare responses less the means of the training rows."""
        sums = backend_of(y).get(_six_sums(y, y, False))
        return cls(rows, y, np.maximum(sums[2] - sums[0] ** 2 / max(1, len(y)), 0.0))

    def sums(self, predicted: Array, targets: Integers, whole: bool) -> Array:
        """Sum over the rows what `errors` reads, where these lie."""
        return _six_sums(backend_of(self.y).columns(self.y, targets), predicted, whole)

    def errors(self, sums: Double, whole: bool) -> Double:
        """Σ (y - p)² over the rows, (1, m); if `whole`, (p - mean)² and (y - mean) (p - mean) as well, (3, m)."""
        n = max(1, len(self.y))
        if not whole:
            return np.asarray(sums[5:])
        return np.stack([sums[5], sums[3] - sums[1] ** 2 / n, sums[4] - sums[0] * sums[1] / n])


def _six_sums(y: Array, p: Array, about_means: bool) -> Array:
    """Σ of y, p', y², p'², y p' and (y - p)² over the rows, (6, m), p' = p less its means or, without, p itself."""
    (n, m), b = y.shape, backend_of(y)
    if n == 0:
        return b.zeros((6, m), np.float64)
    out, about = b.empty((6, m), np.float64), np.zeros((2, m))
    if about_means:
        about[1] = b.means(p, 0)
    rows, fold = np.array([[0, n]], dtype=np.int64), np.zeros(1, dtype=np.int64)
    b.kernels.score_sums(y, p, rows, fold, b.put(about), out, b.handle())
    return out


class PathErrors:
    """Squared errors on test rows of every λ and target that it pays to know.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,)
        Falling.
    sizes : ndarray of shape (c,)
        ‖b‖ of each target.
    means : ndarray of shape (p,)
        Of the design's columns over the training rows.
    tests : list of Test
    wanted : ndarray of shape (n_alphas, c), optional
        Entries to be known; None leaves it to the scores.
    whole : bool
        Whether sums of predictions are wanted, too.

    Attributes
    ----------
    known : ndarray of shape (n_alphas, c)
    sums : ndarray of shape (1 or 3, n_tests, n_alphas, c)
        As `Test.sums`, of solutions that have converged; else NaN. The first are `sse`.
    guessed : ndarray of shape (n_tests, n_alphas, c)
        Squared errors of some solutions that have not converged; else NaN.
    """

    def __init__(
        self, alphas: Double, sizes: Double, means: Double, tests: Sequence[Test],
        wanted: NDArray[np.bool_] | None = None, whole: bool = False,
    ) -> None:  # fmt: skip
        self.alphas, self._sizes, self._means, self._tests, self._wanted = alphas, sizes, means, tests, wanted
        self.known = np.zeros((len(alphas), len(sizes)), dtype=bool)
        self._whole = whole
        self.sums = np.full((3 if whole else 1, len(tests), *self.known.shape), np.nan)
        self.sse, self.guessed = self.sums[0], np.full_like(self.sums[0], np.nan)
        strides = np.floor(np.log(alphas[0] / alphas) / np.log(STRIDE))
        self._coarse = np.diff(strides, append=np.inf) > 0
        # Index of the smallest λ that each target must be known for, and the step at which better ones were looked for.
        self._down_to = np.zeros(len(sizes), dtype=np.int64)
        self._looked = np.full(len(sizes), 0 if wanted is None else np.iinfo(np.int64).max)

    def waiting(self, targets: Integers) -> NDArray[np.bool_]:
        """Return entries (n_alphas, m) of some targets that are not known and should be followed.

        Where scores decide, that is from the largest λ down, until the best is passed in every test set.
        """
        known = self.known[:, targets]
        if self._wanted is not None:
            return np.asarray(self._wanted[:, targets] & ~known)
        last, best = self._best(targets)
        columns, passed = np.arange(len(targets)), last >= self._down_to[targets]
        for test, sse, own in zip(self._tests, self.sse[:, :, targets], best, strict=True):
            fallen = sse[last, columns] - sse[own, columns] >= FALLEN * test.variation[targets]
            passed &= (last > own) & (fallen | (self.alphas[own] >= FACTOR * self.alphas[last]))
        index = np.arange(len(known))[:, None]
        near = self.alphas[:, None] * AHEAD >= self.alphas[np.maximum(last, 0)]
        return np.asarray(~known & ~passed & (near | (index < last + 3) | (index <= self._down_to[targets])))

    def _best(self, targets: Integers) -> tuple[Integers, Integers]:
        """Index of each target's last λ known, from the largest on (-1: none), and of each test's best among these."""
        last = self.known[:, targets].cumprod(axis=0).sum(axis=0) - 1
        inside = np.arange(len(self.known))[:, None] <= last
        return last, np.where(inside, self.sse[:, :, targets], np.inf).argmin(axis=1)

    def unsure(self, targets: Integers, n_steps: int) -> NDArray[np.bool_]:
        """Entries (n_alphas, m) to be looked at, as they are, before targets that wait for nothing are done.

        Not twice in a space of as many steps.
        """
        done = (self._looked[targets] < n_steps) & ~self.waiting(targets).any(axis=0)
        return np.asarray(self._coarse[:, None] & ~self.known[:, targets] & done)

    def look(self, sight: Sight, unsure: Integers, targets: Integers, found: Sequence[Found]) -> None:
        """See where R² might be better, at the largest such λ; targets wait again until it is known there."""
        _, best = self._best(targets)
        self._looked[unsure] = sight.space.n_steps
        scored = self._scored(sight, found, targets)
        for each, of_tests in zip(reversed(found), reversed(scored), strict=True):  # the largest λ has the last word
            some, columns = targets[each.columns], each.columns
            for at, (sse, *_) in enumerate(of_tests):
                self.guessed[at, each.index, some] = sse
                hope = sse < self.sse[at, best[at, columns], some] - BETTER * self._tests[at].variation[some]
                self._down_to[some[hope]] = each.index

    def ask_all(self, targets: Integers) -> None:
        """Wait for every λ of some targets, but where it is said what is wanted."""
        self._down_to[targets] = len(self.known) - 1

    def take(self, sight: Sight, targets: Integers, found: Sequence[Found]) -> None:
        """Score solutions by products of the test rows' design with the basis, no weights of theirs formed."""
        for each, of_tests in zip(found, self._scored(sight, found, targets), strict=True):
            some = targets[each.columns]
            for at, sums in enumerate(of_tests):
                self.sums[:, at, each.index, some] = sums
            self.known[each.index, some] = True

    def _scored(self, sight: Sight, found: Sequence[Found], targets: Integers) -> list[list[Double]]:
        """Return sums on each test set, once their designs were multiplied with what is new of the basis."""
        sight.designs = sight.designs or [[] for _ in self._tests]
        for new in sight.space.panels(sight.seen, sight.space.dimension):
            for pieces, test in zip(sight.designs, self._tests, strict=True):
                pieces.append(self._design(test, new))
        sight.seen = sight.space.dimension
        asked: list[Array] = []
        for each in found:
            some = targets[each.columns]
            values = each.coefficients(self._sizes[some], self._tests[0].y)
            for pieces, test in zip(sight.designs, self._tests, strict=True):
                asked.append(test.sums(_predicted(pieces, values, test.rows.n_rows), some, self._whole))
        return self._brought(asked)

    def _brought(self, sums: list[Array]) -> list[list[Double]]:
        """Read sums of each test set, one solution after the other, in one wait."""
        tests, brought = self._tests, iter(backend_of(self._tests[0].y).bring(sums))
        return [[test.errors(next(brought), self._whole) for test in tests] for _ in range(len(sums) // len(tests))]

    def take_weights(self, index: int, targets: Integers, weights: Array) -> None:
        """Score weights (p, m) of some targets at one λ."""
        asked = [test.sums(self._design(test, weights), targets, self._whole) for test in self._tests]
        for at, sums in enumerate(self._brought(asked)[0]):
            self.sums[:, at, index, targets] = sums
        self.known[index, targets] = True

    def _design(self, test: Test, V: Array) -> Array:
        """Multiply the centred design of the test rows by vectors (p, m), (n, m)."""
        b = backend_of(V)
        return b.lessened(test.rows.product(V), self._means.astype(V.dtype), V)


def _predicted(pieces: Sequence[Array], values: Array, n_rows: int) -> Array:
    """Add up products of pieces of a design times a basis with coefficients in that basis, (n_rows, m)."""
    b, begin = backend_of(values), 0
    predicted = b.zeros((n_rows, values.shape[1]), values.dtype)
    for piece in pieces:
        end = begin + piece.shape[1]
        b.multiply(piece, b.part(values, slice(begin, end), EVERYTHING), add_to=predicted)
        begin = end
    return predicted


class ChosenWeights:
    """Weights of every target at its own λ.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,)
        Falling.
    sizes : ndarray of shape (c,)
        ‖b‖ of each target.
    chosen : ndarray of shape (c,)
        Index of each target's λ.
    values : array of shape (p, c)
        Written; on the host or a device.
    """

    def __init__(self, alphas: Double, sizes: Double, chosen: Integers, values: Array) -> None:
        self.alphas, self._sizes, self.values = alphas, sizes, values
        self._own = np.arange(len(alphas))[:, None] == chosen
        self.known = np.zeros_like(self._own)

    def waiting(self, targets: Integers) -> NDArray[np.bool_]:
        """Return entries (n_alphas, m) of some targets that are not known."""
        return np.asarray((self._own & ~self.known)[:, targets])

    def unsure(self, targets: Integers, n_steps: int) -> NDArray[np.bool_]:
        """None: λ is chosen."""
        return np.zeros((len(self.alphas), len(targets)), dtype=bool)

    def look(self, sight: Sight, unsure: Integers, targets: Integers, found: Sequence[Found]) -> None:
        """Nothing is unsure."""

    def ask_all(self, targets: Integers) -> None:
        """Nothing but the λ chosen is waited for."""

    def take(self, sight: Sight, targets: Integers, found: Sequence[Found]) -> None:
        """Make weights of coefficients in the basis."""
        for each in found:
            some = targets[each.columns]
            weights = sight.space.combine(each.coefficients(self._sizes[some], self.values))
            backend_of(self.values).set_columns(self.values, some, weights)
            self.known[each.index, some] = True

    def take_weights(self, index: int, targets: Integers, weights: Array) -> None:
        """Keep weights (p, m) of some targets at one λ."""
        backend_of(self.values).set_columns(self.values, targets, weights)
        self.known[index, targets] = True
