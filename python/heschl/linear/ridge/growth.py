"""A Krylov space of some targets that grows, the λ followed in it, and what becomes of what has converged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from heschl.linear.device.arrays import Double, Float, Integers
from heschl.linear.ridge.held_out import HeldOut
from heschl.linear.ridge.lanczos import BlockLanczos, multiply
from heschl.linear.ridge.shifted import Shifted

# A path of scores is followed beyond its best λ by one step at least, and until R² has fallen by so much or λ by such
# a factor: other folds, averaged with this one, choose others nearby, and should find them solved.
FALLEN, FACTOR = 0.002, 10.0
# So far below a target's smallest λ that has converged others are followed.
AHEAD = 30.0
# A path may rise again at far smaller λ, where features of another size come in. What a space has of λ that have not
# converged, at steps of STRIDE, is no score, but shows it: a path is followed to where R² might be better by so much.
BETTER, STRIDE = 0.001, 3.0


@dataclass(frozen=True)
class Tolerance:
    """When a solution w of (G + λI) w = b has converged.

    Attributes
    ----------
    residual : float
        ‖b - (G + λI) w‖ / ‖b‖.
    error : float
        Of w, in the norm of G + λI, beside √Σ(y - mean)² of the training rows: what it may change of a fit.
    """

    residual: float
    error: float


@dataclass(frozen=True)
class Found:
    """Solutions that have converged: `values` (dimension, m) in the basis, for right-hand sides of length 1."""

    index: int  # of λ
    columns: Integers  # (m,) of the space's targets
    values: Double


class Growth:
    """One space, and the λ that are followed in it.

    Parameters
    ----------
    space : BlockLanczos
        Started from b / ‖b‖ of each target, (p, c).
    alphas : ndarray of shape (n_alphas,)
        Falling.
    unit : ndarray of shape (c,)
        ‖b‖ / √Σ(y - mean)² of each target, over the training rows.
    tolerance : Tolerance
    """

    def __init__(self, space: BlockLanczos, alphas: Double, unit: Double, tolerance: Tolerance) -> None:
        self.space, self.tolerance = space, tolerance
        self._unit = unit
        self._shifted = [Shifted(float(alpha), space.first) for alpha in alphas]
        # How far each (λ, target) is from the tolerance (above 1 it is not met), now and when it was first looked at,
        # which was after so many steps.
        self._excess, self._first = np.full((2, len(alphas), len(unit)), np.inf)
        self._since = np.zeros(self._first.shape, dtype=np.int64)
        self._decay = 0.0  # of the slowest that could be told

    def step(self) -> None:
        """Grow by one block."""
        self.space.step()
        new = np.isinf(self._first) & np.isfinite(self._excess)
        self._first[new], self._since[new] = self._excess[new], self.space.n_steps - 1

    def converged(self, wanted: NDArray[np.bool_]) -> list[Found]:
        """Solve what has converged of some entries (n_alphas, c)."""
        space, going, found = self.space, self._advanced(wanted), []
        for a in going:
            shifted = self._shifted[a]
            residual = shifted.residual()
            self._excess[a] = residual / self.tolerance.residual
            if not (self._excess[a][wanted[a]] <= 1.0).any():
                continue
            error = shifted.error(self._shifted[going[-1]])
            self._excess[a] = self._beyond(residual, error * self._unit)
            ready = np.flatnonzero((self._excess[a] <= 1.0) & wanted[a])
            if not ready.size:
                continue
            values = shifted.solution(space.below, ready)
            lost = self._lost(values)
            residual, error = np.hypot(residual[ready], lost), np.hypot(error[ready], lost / np.sqrt(shifted.alpha))
            self._excess[a, ready] = self._beyond(residual, error * self._unit[ready])
            held = self._excess[a, ready] <= 1.0
            if held.any():
                found.append(Found(a, ready[held], values[:, held]))
        return found

    def so_far(self, wanted: NDArray[np.bool_]) -> list[Found]:
        """Solve some entries (n_alphas, c) in the space as it is, converged or not."""
        columns = [(a, np.flatnonzero(wanted[a])) for a in self._advanced(wanted)]
        return [Found(a, some, self._shifted[a].solution(self.space.below, some)) for a, some in columns]

    def _advanced(self, wanted: NDArray[np.bool_]) -> list[int]:
        """Indices of the λ of some entries, as far eliminated as the space has come; of those that can be."""
        space, indices = self.space, np.flatnonzero(wanted.any(axis=1)).tolist()
        for a in indices:
            shifted = self._shifted[a]
            for k in range(shifted.n_blocks, space.n_steps):
                shifted.advance(space.diagonal[k], space.below[k])
        return [a for a in indices if not self._shifted[a].failed]

    def _beyond(self, residual: Double, error: Double) -> Double:
        return np.asarray(np.maximum(residual / self.tolerance.residual, error / self.tolerance.error))

    def _lost(self, values: Double) -> Double:
        """Bound the residual in directions that were left out of the space, (m,)."""
        total, begin = np.zeros(values.shape[1]), 0
        for diagonal, lost in zip(self.space.diagonal, self.space.lost, strict=True):
            end = begin + len(diagonal)
            if lost:
                total += lost**2 * np.einsum("ij,ij->j", values[begin:end], values[begin:end])
            begin = end
        return np.asarray(np.sqrt(total))

    def steps_left(self, waiting: NDArray[np.bool_]) -> float:
        """Foresee the steps until some entries (n_alphas, c) converge, from their decay so far; inf if there is none.

        From one step to the next residuals may rise. A λ that has only now come into sight decays as the slowest of
        those before it did.
        """
        if self.space.next_size == 0:
            return np.inf
        first, now = self._first[waiting], self._excess[waiting]
        seen = np.isfinite(first)
        with np.errstate(divide="ignore", invalid="ignore"):
            decay = np.where(seen, np.log(first / now) / (self.space.n_steps - self._since[waiting]), self._decay)
            if seen.any():
                self._decay = max(0.0, float(decay[seen].min()))
            steps = np.where(decay > 0.0, np.log(np.maximum(now, 1.0)) / decay, np.inf)
        return float(np.where(now <= 1.0, 1.0, steps).max(initial=0.0))


@dataclass
class Sight:
    """A space, and the designs of some test sets times as much of its basis as was looked at, a piece at a time."""

    space: BlockLanczos
    designs: list[list[Float]] = field(default_factory=list)
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

    def take_weights(self, index: int, targets: Integers, weights: Float) -> None:
        """Take weights (p, m) of some targets at one λ."""


@dataclass(frozen=True)
class Test:
    """Rows to be scored: their design, and their responses.

    Attributes
    ----------
    rows : HeldOut
    y : ndarray of shape (n, c)
        Responses less the means of the training rows.
    variation : ndarray of shape (c,)
        Σ (y - mean)² over the rows.
    """

    rows: HeldOut
    y: Float
    variation: Double

    @classmethod
    def of(cls, rows: HeldOut, y: Float) -> Test:
        """Prepare responses less the means of the training rows."""
        about = y - y.mean(axis=0, dtype=np.float64) if len(y) else y
        return cls(rows, y, np.einsum("nc,nc->c", about, about, dtype=np.float64))

    def sums(self, predicted: Float, targets: Integers, whole: bool) -> Double:
        """Sum (y - p)² over the rows, (1, m); if `whole`, (p - mean)² and (y - mean) (p - mean) as well, (3, m)."""
        y = self.y[:, targets]
        pairs = [(y - predicted,) * 2]
        if whole:
            about = predicted - predicted.mean(axis=0, dtype=np.float64).astype(predicted.dtype)
            pairs += [(about, about), (y, about)]
        return np.stack([np.einsum("nc,nc->c", a, b, dtype=np.float64) for a, b in pairs])


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
        for each in reversed(found):  # the largest λ has the last word
            some, columns = targets[each.columns], each.columns
            for at, (sse, *_) in enumerate(self._scored(sight, each, some)):
                self.guessed[at, each.index, some] = sse
                hope = sse < self.sse[at, best[at, columns], some] - BETTER * self._tests[at].variation[some]
                self._down_to[some[hope]] = each.index

    def ask_all(self, targets: Integers) -> None:
        """Wait for every λ of some targets, but where it is said what is wanted."""
        self._down_to[targets] = len(self.known) - 1

    def take(self, sight: Sight, targets: Integers, found: Sequence[Found]) -> None:
        """Score solutions by products of the test rows' design with the basis, no weights of theirs formed."""
        for each in found:
            some = targets[each.columns]
            for at, sums in enumerate(self._scored(sight, each, some)):
                self.sums[:, at, each.index, some] = sums
            self.known[each.index, some] = True

    def _scored(self, sight: Sight, found: Found, targets: Integers) -> Iterator[Double]:
        """Yield sums on each test set, once their designs were multiplied with what is new of the basis."""
        sight.designs = sight.designs or [[] for _ in self._tests]
        for new in sight.space.panels(sight.seen, sight.space.dimension):
            for pieces, test in zip(sight.designs, self._tests, strict=True):
                pieces.append(self._design(test, new))
        sight.seen = sight.space.dimension
        values = np.ascontiguousarray((found.values * self._sizes[targets]).astype(self._tests[0].y.dtype))
        for pieces, test in zip(sight.designs, self._tests, strict=True):
            predicted, begin = np.zeros((test.rows.n_rows, len(targets)), values.dtype), 0
            for piece in pieces:
                end = begin + piece.shape[1]
                multiply(piece, values[begin:end], add_to=predicted)
                begin = end
            yield test.sums(predicted, targets, self._whole)

    def take_weights(self, index: int, targets: Integers, weights: Float) -> None:
        """Score weights (p, m) of some targets at one λ."""
        for at, test in enumerate(self._tests):
            self.sums[:, at, index, targets] = test.sums(self._design(test, weights), targets, self._whole)
        self.known[index, targets] = True

    def _design(self, test: Test, V: Float) -> Float:
        """Multiply the centred design of the test rows by vectors (p, m), (n, m)."""
        return np.asarray(test.rows.product(V) - multiply(self._means[None].astype(V.dtype), V))


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
    values : ndarray of shape (p, c)
        Written.
    """

    def __init__(self, alphas: Double, sizes: Double, chosen: Integers, values: Float) -> None:
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
            self.values[:, some] = sight.space.combine((each.values * self._sizes[some]).astype(self.values.dtype))
            self.known[each.index, some] = True

    def take_weights(self, index: int, targets: Integers, weights: Float) -> None:
        """Keep weights (p, m) of some targets at one λ."""
        self.values[:, targets] = weights
        self.known[index, targets] = True
