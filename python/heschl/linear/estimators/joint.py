"""What several feature spaces explain together, alone and in common: every subset of them as a model of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from heschl.checks import InputError, check_count
from heschl.linear.crossval.crossed import CrossedMean, crossed_mean
from heschl.linear.crossval.learned import Learn
from heschl.linear.crossval.path import Progress, choose_alpha
from heschl.linear.crossval.scores import SCORES
from heschl.linear.design.entrance import check_fit
from heschl.linear.design.rows import row_numbers
from heschl.linear.design.segments import Splits, labels_of_segments
from heschl.linear.design.spaces import FeatureSpaces
from heschl.linear.device.arrays import Bounds, Double, Integers
from heschl.linear.device.host import HOST
from heschl.linear.estimators.bands import Candidates, Spaces, fit_chosen, search
from heschl.linear.estimators.common import beyond_time_course, by_stimulus, learned_features, training_means
from heschl.linear.ridge.engine import FitOptions, in_blocks
from heschl.linear.ridge.primal import Primal
from heschl.linear.ridge.problem import Problem

MOST_SPACES = 5
RATIOS = (1.0, 1e-1, 1e-2, 1e-3, 0.0)
"""Weights of spaces against each other that are tried: penalties whose ratios are powers of ten, and no weight."""

Subset = tuple[int, ...]


def subsets_of(n_spaces: int) -> tuple[Subset, ...]:
    """Return all subsets of the spaces but the empty one: each alone, pairs, … all together.

    Examples
    --------
    >>> subsets_of(2)
    ((0,), (1,), (0, 1))
    """
    spaces = range(n_spaces)
    return tuple(subset for size in range(1, n_spaces + 1) for subset in itertools.combinations(spaces, size))


@dataclass(frozen=True)
class JointVariance:
    """Errors of a model of every subset of m feature spaces, and what follows; T stimuli, c targets.

    R² is about the mean of the training folds, pooled over stimuli, out of fold: parts add up, and those of nothing are
    0 but for what fitting costs.

    Attributes
    ----------
    names : tuple of str
        The spaces.
    subsets : tuple of tuple of int
        The models: each space alone, pairs, … all.
    sse : ndarray of shape (2^m - 1, T, c)
        Squared errors of each model, summed over each stimulus; NaN where it was not heard.
    total : ndarray of shape (T, c)
        Squared errors of the training folds' mean.
    baseline : ndarray of shape (T, c)
        Squared errors that gains are from: `total`, or those of the time course that was taken out first.
    shares : ndarray of shape (m, c)
        R² of all spaces together, shared out among them by the product measure; it sums to that R².
    stimuli : ndarray of shape (T,)
        Labels.
    alphas : ndarray of shape (K, m, c)
        Penalties of all spaces together that inner folds chose for each outer fold; infinite for one left out.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import joint_variance
    >>> rng = np.random.default_rng(0)
    >>> X = {name: rng.standard_normal((300, 2)) for name in ("mel", "speech", "words")}
    >>> y = X["mel"][:, :1] + X["words"][:, :1] + rng.standard_normal((300, 1))
    >>> found = joint_variance(X, y, segments=[30] * 10, folds=np.arange(10) % 5, lags=[0], alphas=[1.0, 100.0])
    >>> found.subsets[-1], found.shares.shape
    ((0, 1, 2), (3, 1))
    >>> bool(found.unique("mel")[0] > 0.2), bool(abs(found.unique("speech")[0]) < 0.03)
    (True, True)
    """

    names: tuple[str, ...]
    subsets: tuple[Subset, ...]
    sse: Double
    total: Double
    baseline: Double
    shares: Double
    stimuli: np.ndarray[Any, Any]
    alphas: Double

    def r2(self, spaces: Sequence[str]) -> Double:
        """Return R² of the model of some spaces, (c,)."""
        return self._share(self.gain(spaces))

    def unique(self, space: str) -> Double:
        """Return what only one space explains: R² of all less R² of all others, (c,)."""
        return self._share(self.common_gain([space]))

    def common(self, spaces: Sequence[str]) -> Double:
        """Return what each of some spaces could explain, and no other: their commonality, (c,).

        One space: its unique part. The commonalities of all subsets add up to R² of all spaces together.
        """
        return self._share(self.common_gain(spaces))

    def adds(self, space: str, to: Sequence[str]) -> Double:
        """Return what a space explains beyond others: R² with it less R² without, (c,)."""
        return self._share(self.gain([*to, space]) - self.gain(to))

    def gain(self, spaces: Sequence[str]) -> Double:
        """Return what each stimulus adds to R² of some spaces, (T, c); `r2` is its sum over that of `total`."""
        members = self._members(spaces)
        return np.asarray(self.baseline - self.sse[self.subsets.index(members)] if members else 0.0 * self.total)

    def common_gain(self, spaces: Sequence[str]) -> Double:
        """Return what each stimulus adds to a commonality, (T, c)."""
        inside = self._members(spaces)
        rest = [space for i, space in enumerate(self.names) if i not in inside]
        out = np.zeros_like(self.total)
        for size in range(len(inside) + 1):
            for some in itertools.combinations(inside, size):
                out += (-1.0) ** (size + 1) * self.gain([*rest, *(self.names[i] for i in some)])
        return out

    def over_subjects(self, gain: Double, subjects: ArrayLike) -> CrossedMean:
        """Mean over subjects and their electrodes of a part, with its interval for new subjects and new stimuli.

        Parameters
        ----------
        gain : ndarray of shape (T, c)
            Of `gain` or `common_gain`, or a difference of them.
        subjects : array-like of shape (c,)
            Whose electrode each target is.
        """
        return crossed_mean(gain, self.total, subjects)

    def _members(self, spaces: Sequence[str]) -> Subset:
        unknown = [space for space in spaces if space not in self.names]
        if unknown:
            raise InputError("spaces", repr(unknown[0]), f"some of {', '.join(self.names)}")
        return tuple(sorted({self.names.index(space) for space in spaces}))

    def _share(self, gain: Double) -> Double:
        known = np.isfinite(self.total)
        part, whole = (np.where(known, values, 0.0).sum(axis=0) for values in (gain, self.total))
        return np.asarray(np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0))


def joint_variance(
    spaces: Mapping[str, Any] | Learn,
    y: ArrayLike,
    *,
    segments: ArrayLike,
    folds: ArrayLike,
    lags: Sequence[int],
    alphas: ArrayLike,
    groups: ArrayLike | None = None,
    n_iter: int = 30,
    random_state: int = 0,
    standardize: bool = True,
    boundary: str = "zero",
    missing: str = "raise",
    memory_limit: float | None = None,
    device: str = "auto",
    over_time_course: bool = False,
    progress: Progress | None = None,
) -> JointVariance:
    """Fit a model of every subset of some feature spaces and score all of them out of fold.

    Banded ridge, min ‖Y - Σ_j X_j W_j - 1 bᵀ‖² + Σ_j λ_j ‖W_j‖²: each model has penalties of its own, chosen for each
    target on inner folds. So a wide space does not drown a narrow one, and nothing that scores has chosen.

    Parameters
    ----------
    spaces : mapping of names to features, or callable
        Two to five. Features are array-like of shape (n_frames, d) or `Repeated`. A callable learns them in each
        training set: spaces(k, train) gives the names and functions without arguments, as in `nested_cv_learned`.
    y : array-like of shape (n_frames, c)
    segments, folds, lags, standardize, boundary, missing, device
        As in `nested_cv`.
    alphas : array-like
        Penalties to choose from; those of several spaces are λ_j = α / γ_j.
    groups : array-like of shape (n_segments,), optional
        Stimulus of each segment: errors are summed over its repeats. None: each segment by itself.
    n_iter : int
        Most weightings γ of the spaces to try: ratios by powers of ten, and each space alone; of more than these, so
        many are drawn.
    random_state : int
        Of the draws.
    memory_limit : float, optional
        Bytes above the data.
    over_time_course : bool
        Take what all stimuli evoke alike (known from the training folds) out of responses and features first: R², parts
        and shares are then of what lies beyond it, still over the variance about the training mean.
    progress : callable, optional
        Called with (models done, models in all).

    Returns
    -------
    JointVariance

    Raises
    ------
    InputError
        As `nested_cv`, and for fewer than two spaces or more than five.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import joint_variance
    >>> rng = np.random.default_rng(0)
    >>> a, b, both = rng.standard_normal((3, 1200, 1))
    >>> X = {"first": np.hstack([a, both]), "second": np.hstack([b, both])}
    >>> y = a + b + both + rng.standard_normal((1200, 1))
    >>> found = joint_variance(X, y, segments=[40] * 30, folds=np.arange(30) % 5, lags=[0], alphas=[1.0, 100.0])
    >>> parts = found.unique("first"), found.unique("second"), found.common(["first", "second"])
    >>> [bool(abs(part[0] - 0.25) < 0.05) for part in parts]
    [True, True, True]
    """
    checks: dict[str, Any] = {
        "lags": lags, "segments": segments, "folds": folds, "least_folds": 3, "boundary": boundary, "missing": missing,
        "alphas": alphas, "memory_limit": memory_limit, "device": device,
    }  # fmt: skip
    given = check_fit(y=y, **checks)
    check_count("n_iter", n_iter, 1)
    responses, bounds, fold, parts = given.responses.host, given.bounds, given.folds, given.parts
    labels = labels_of_segments("groups", groups, len(bounds))
    options = FitOptions("cholesky", memory_limit, True, device)
    alone = callable(spaces) or over_time_course
    rounds = [[k] for k in range(len(parts))] if alone else [list(range(len(parts)))]
    taken = np.zeros(responses.shape)
    out: _Gathered | None = None
    names: tuple[str, ...] = ()
    for scored in rounds:
        held_out = bounds[fold == scored[0]]
        found = learned_features(spaces, scored[0], held_out, len(responses)) if callable(spaces) else spaces
        if not isinstance(found, Mapping) or not 2 <= len(found) <= MOST_SPACES:
            raise InputError("spaces", repr(found)[:60], f"a mapping of two to {MOST_SPACES} names to features")
        own = given
        if over_time_course:
            found, left, taken = beyond_time_course(found, responses, bounds, fold, scored[0], taken)
            own = check_fit(y=left, **checks)
        X = FeatureSpaces(found)
        names = tuple(X.columns)
        widths = [X.columns[name].stop - X.columns[name].start for name in names]
        every = Spaces(names, np.repeat(np.arange(len(names)), widths).astype(np.int64))
        problem = Problem(*own.with_features(X), given.lags, boundary, True, standardize, segments=bounds)
        out = out or _Gathered.of(len(names), len(parts), responses, progress)
        work = _Models(scored, parts, every, given.alphas, n_iter, random_state, out.advance).work
        n_sets = len(scored) * (len(parts) - 1) * 2 ** len(names) * 10
        for targets, block in in_blocks(problem, parts, n_sets, len(given.alphas), work, options)[0]:
            out.put(targets, block)
    assert out is not None, "there is a fold to score"
    stimuli, of_segment = np.unique(labels, return_inverse=True)
    of_row = np.repeat(of_segment.reshape(-1), bounds[:, 1] - bounds[:, 0])
    mean = training_means(responses, np.repeat(fold, bounds[:, 1] - bounds[:, 0]))
    sse = np.stack([by_stimulus(responses - taken - each, of_row, len(stimuli)) for each in out.predictions])
    total = by_stimulus(responses - mean, of_row, len(stimuli))
    baseline = by_stimulus(responses - taken, of_row, len(stimuli)) if over_time_course else total
    shares = _product_measure(out.own, responses, taken if over_time_course else mean, total)
    return JointVariance(names, subsets_of(len(names)), sse, total, baseline, shares, stimuli, out.alphas)


def _product_measure(own: Double, y: Any, mean: Double, total: Double) -> Double:
    """Share R² of all spaces together out among them, (m, c): Σ p_j (2 (y - ȳ) - Σ_i p_i) / Σ (y - ȳ)².

    p_j is what space j predicts beside the training rows' mean (Pratt 1987; Dupré la Tour et al. 2022).
    """
    known = np.isfinite(y) & np.isfinite(own).all(axis=0)
    whole = np.where(np.isfinite(total), total, 0.0).sum(axis=0)
    gain = np.where(known, 2.0 * (y - mean) - own.sum(axis=0), 0.0)
    part = (np.where(known, own, 0.0) * gain).sum(axis=1)
    return np.asarray(np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0))


Block = tuple[Double, Double, Double]
"""Predictions of the models (2^m - 1, n, c), of each space in that of all (m, n, c), penalties (K, m, c)."""


@dataclass
class _Gathered:
    """What the models of all targets and outer folds leave, put together."""

    predictions: Double
    own: Double
    alphas: Double
    advance: Callable[[], None]

    @classmethod
    def of(cls, m: int, n_folds: int, y: Any, progress: Progress | None) -> _Gathered:
        done, in_all = 0, n_folds * (2**m - 1)

        def advance() -> None:
            nonlocal done
            done += 1
            if progress is not None:
                progress(min(done, in_all), in_all)

        predictions, own = (np.full((models, *y.shape), np.nan) for models in (2**m - 1, m))
        return cls(predictions, own, np.full((n_folds, m, y.shape[1]), np.nan), advance)

    def put(self, targets: Integers, block: Block) -> None:
        for mine, new in zip((self.predictions, self.own, self.alphas), block, strict=True):
            here = mine[:, :, targets]
            found = np.isfinite(new) | np.isinf(new)
            here[found] = new[found]
            mine[:, :, targets] = here


@dataclass(frozen=True)
class _Models:
    """All models of a block of targets."""

    scored: list[int]
    parts: list[Bounds]
    every: Spaces
    alphas: Double
    n_iter: int
    seed: int
    advance: Callable[[], None]

    def work(self, problem: Problem, solver: Primal, _: Integers) -> Block:
        m, n_folds, c = len(self.every.names), len(self.parts), problem.y.shape[1]
        predictions = np.full((2**m - 1, *problem.y.shape), np.nan)
        own, penalties = np.full((m, *problem.y.shape), np.nan), np.full((n_folds, m, c), np.nan)
        for at, subset in enumerate(subsets_of(m)):
            columns = np.flatnonzero(np.isin(self.every.member, subset))
            whole = len(subset) == m
            part = solver if whole else solver.of_features(columns)
            member = np.searchsorted(subset, self.every.member[columns])
            spaces = Spaces(tuple(self.every.names[i] for i in subset), member.astype(np.int64))
            candidates = weightings(len(subset), self.alphas, self.n_iter, self.seed)
            for k in self.scored:
                inner = [j for j in range(n_folds) if j != k]
                splits = Splits(self.parts, [[i for i in inner if i != j] for j in inner], [[j] for j in inner])
                scores = search(part, splits, spaces, candidates, SCORES["r2"])
                best = choose_alpha(scores.chosen_by, candidates.alphas, True)
                weights = fit_chosen(part, inner, spaces, candidates, best).on(HOST)
                ranges = problem.ranges(self.parts[k])
                rows = row_numbers(ranges)
                predictions[at, rows] = weights.predict(part.problem.X, ranges, problem.lags)
                if whole:
                    penalties[k] = candidates.penalties[best].T
                    own[:, rows] = self._each(part, inner, weights, ranges)
                self.advance()
        return predictions, own, penalties

    def _each(self, solver: Primal, train: list[int], weights: Any, ranges: Bounds) -> Double:
        """What each space predicts about its mean in the training rows, (m, rows, c)."""
        problem = solver.problem
        member = np.tile(self.every.member, len(problem.lags))
        means = solver.column_means(train, weights)
        out = []
        for j in range(len(self.every.names)):
            values = np.where((member == j)[:, None], weights.values, 0)
            alone = type(weights)(values, weights.shift, np.zeros_like(weights.intercept))
            out.append(alone.predict(problem.X, ranges, problem.lags) - means @ values)
        return np.stack(out).astype(np.float64)


def weightings(n_spaces: int, alphas: Double, n_iter: int, seed: int) -> Candidates:
    """Return the candidates of some spaces: ratios by powers of ten, at most `n_iter` of them, with every α.

    Examples
    --------
    >>> len(weightings(2, np.array([1.0, 10.0]), 30, 0).gammas), len(weightings(3, np.array([1.0]), 30, 0).gammas)
    (9, 30)
    """
    if n_spaces == 1:
        return Candidates.grid(1, alphas)
    every = [gamma for gamma in itertools.product(RATIOS, repeat=n_spaces) if max(gamma) == 1.0]
    first = [np.ones(n_spaces), *np.eye(n_spaces)]
    others = [np.array(gamma) for gamma in every if not any((np.array(gamma) == one).all() for one in first)]
    room = max(0, n_iter - len(first))
    if len(others) > room:
        drawn = np.random.default_rng(seed).choice(len(others), room, replace=False)
        others = [others[i] for i in sorted(drawn.tolist())]
    return Candidates.of(np.array([*first, *others]), np.sort(alphas)[::-1])
