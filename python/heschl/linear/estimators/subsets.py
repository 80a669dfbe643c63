"""A model of every subset of some feature spaces, each with penalties of its own, scored out of fold."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from heschl.checks import InputError
from heschl.linear.crossval.learned import Learn
from heschl.linear.crossval.path import Progress, choose_alpha
from heschl.linear.crossval.scores import SCORES
from heschl.linear.design.entrance import check_fit
from heschl.linear.design.frames import Frames
from heschl.linear.design.rows import row_numbers
from heschl.linear.design.segments import Splits, labels_of_segments
from heschl.linear.design.spaces import FeatureSpaces
from heschl.linear.design.time_course import without_time_course
from heschl.linear.device.arrays import Bounds, Double, Integers
from heschl.linear.device.host import HOST
from heschl.linear.estimators.bands import Candidates, Spaces, fit_chosen, search
from heschl.linear.ridge.engine import FitOptions, in_blocks
from heschl.linear.ridge.primal import Primal
from heschl.linear.ridge.problem import Problem

Subset = tuple[int, ...]
Weightings = Callable[[int, Double], Candidates]
"""The candidates of so many spaces from the penalties that were given."""
Block = tuple[Double, Double, Double]
"""Predictions of the models (2^m - 1, n, c), of each space in that of all (m, n, c), penalties (K, m, c)."""


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
class SubsetModels:
    """What the models of all subsets leave over; T stimuli, c targets, m spaces.

    Attributes
    ----------
    names : tuple of str
        The spaces.
    sse : ndarray of shape (2^m - 1, T, c)
        Squared errors of each model, in the order of `subsets_of`; NaN where a stimulus was not heard.
    total, baseline : ndarray of shape (T, c)
        Squared errors of the training folds' mean, and of what gains are counted from: the same, or the time course.
    shares : ndarray of shape (m, c)
        R² of all spaces together by the product measure; NaN where it was not asked for.
    stimuli : ndarray of shape (T,)
    alphas : ndarray of shape (K, m, c)
        Penalties chosen for all spaces together.
    """

    names: tuple[str, ...]
    sse: Double
    total: Double
    baseline: Double
    shares: Double
    stimuli: np.ndarray[Any, Any]
    alphas: Double


def fit_subsets(
    spaces: Mapping[str, Any] | Learn,
    y: ArrayLike,
    weightings: Weightings,
    *,
    most: int,
    with_shares: bool,
    segments: ArrayLike,
    folds: ArrayLike,
    lags: Sequence[int],
    alphas: ArrayLike,
    groups: ArrayLike | None,
    standardize: bool,
    boundary: str,
    missing: str,
    memory_limit: float | None,
    device: str,
    over_time_course: bool,
    progress: Progress | None,
) -> SubsetModels:
    """Fit a model of each subset of two to `most` spaces; see `common_variance` and `joint_variance`."""
    checks: dict[str, Any] = {
        "lags": lags, "segments": segments, "folds": folds, "least_folds": 3, "boundary": boundary, "missing": missing,
        "alphas": alphas, "memory_limit": memory_limit, "device": device,
    }  # fmt: skip
    given = check_fit(y=y, **checks)
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
        found = _learned(spaces, scored[0], held_out, len(responses)) if callable(spaces) else spaces
        if not isinstance(found, Mapping) or not 2 <= len(found) <= most:
            expected = "two names" if most == 2 else f"two to {most} names"
            raise InputError("spaces", repr(found)[:60], f"a mapping of {expected} to features")
        own = given
        if over_time_course:
            found, left, taken = _beyond_time_course(found, responses, bounds, fold, scored[0], taken)
            own = check_fit(y=left, **checks)
        X = FeatureSpaces(found)
        names = tuple(X.columns)
        widths = [X.columns[name].stop - X.columns[name].start for name in names]
        every = Spaces(names, np.repeat(np.arange(len(names)), widths).astype(np.int64))
        problem = Problem(*own.with_features(X), given.lags, boundary, True, standardize, segments=bounds)
        candidates = [weightings(len(subset), given.alphas) for subset in subsets_of(len(names))]
        out = out or _Gathered.of(len(names), len(parts), responses, progress)
        models = _Models(scored, parts, every, candidates, with_shares, out.advance)
        n_sets = len(scored) * (len(parts) - 1) * sum(len(each.gammas) for each in candidates)
        for targets, block in in_blocks(problem, parts, n_sets, len(given.alphas), models.work, options).results:
            out.put(targets, block)
    assert out is not None, "there is a fold to score"
    stimuli, of_segment = np.unique(labels, return_inverse=True)
    of_row = np.repeat(of_segment.reshape(-1), bounds[:, 1] - bounds[:, 0])
    mean = _training_means(responses, np.repeat(fold, bounds[:, 1] - bounds[:, 0]))
    sse = np.stack([_by_stimulus(responses - taken - each, of_row, len(stimuli)) for each in out.predictions])
    total = _by_stimulus(responses - mean, of_row, len(stimuli))
    baseline = _by_stimulus(responses - taken, of_row, len(stimuli)) if over_time_course else total
    shares = np.full((len(names), responses.shape[1]), np.nan)
    if with_shares:
        shares = _product_measure(out.own, responses, taken if over_time_course else mean, total)
    return SubsetModels(names, sse, total, baseline, shares, stimuli, out.alphas)


def share_of(gain: Double, total: Double) -> Double:
    """Return the sum of gains over stimuli as a share of the sum of `total`, (c,); NaN where that is 0."""
    known = np.isfinite(total)
    part, whole = (np.where(known, values, 0.0).sum(axis=0) for values in (gain, total))
    return np.asarray(np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0))


def _beyond_time_course(
    spaces: Mapping[str, Any], y: Any, bounds: Bounds, fold: Integers, k: int, taken: Double
) -> tuple[dict[str, Any], Any, Double]:
    """Take out what all stimuli of the training folds evoke alike, for outer fold k.

    Returns
    -------
    features : dict of str to ndarray
    y : ndarray of shape (n, c)
        Responses without it.
    taken : ndarray of shape (n, c)
        `taken`, with what was taken out of the rows of fold k.
    """
    train = fold != k
    features = {
        name: without_time_course(Frames.of(X, name=name).expanded(), bounds, train)[0] for name, X in spaces.items()
    }
    left, course = without_time_course(y, bounds, train)
    rows = np.repeat(~train, bounds[:, 1] - bounds[:, 0])
    return features, left, np.where(rows[:, None], course, taken)


def _learned(learn: Learn, k: int, held_out: Bounds, n: int) -> dict[str, Any]:
    """Return the features of all rows, learned without those of outer fold k."""
    train = np.ones(n, dtype=bool)
    for start, stop in held_out:
        train[start:stop] = False
    return {name: make() for name, make in learn(k, train).items()}


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
    candidates: list[Candidates]
    with_shares: bool
    advance: Callable[[], None]

    def work(self, problem: Problem, solver: Primal, _: Integers) -> Block:
        m, n_folds, c = len(self.every.names), len(self.parts), problem.y.shape[1]
        predictions = np.full((2**m - 1, *problem.y.shape), np.nan)
        own, penalties = np.full((m, *problem.y.shape), np.nan), np.full((n_folds, m, c), np.nan)
        for at, (subset, candidates) in enumerate(zip(subsets_of(m), self.candidates, strict=True)):
            columns = np.flatnonzero(np.isin(self.every.member, subset))
            whole = len(subset) == m
            part = solver if whole else solver.of_features(columns)
            member = np.searchsorted(subset, self.every.member[columns])
            spaces = Spaces(tuple(self.every.names[i] for i in subset), member.astype(np.int64))
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
                if whole and self.with_shares:
                    own[:, rows] = self._each(part, inner, weights, ranges)
                self.advance()
        return predictions, own, penalties

    def _each(self, solver: Primal, train: list[int], weights: Any, ranges: Bounds) -> Double:
        """Return what each space predicts about its mean in the training rows, (m, rows, c)."""
        problem = solver.problem
        member = np.tile(self.every.member, len(problem.lags))
        means = solver.column_means(train, weights)
        out = []
        for j in range(len(self.every.names)):
            values = np.where((member == j)[:, None], weights.values, 0)
            alone = type(weights)(values, weights.shift, np.zeros_like(weights.intercept))
            out.append(alone.predict(problem.X, ranges, problem.lags) - means @ values)
        return np.stack(out).astype(np.float64)


def _product_measure(own: Double, y: Any, mean: Double, total: Double) -> Double:
    """Share R² of all spaces together out among them, (m, c): Σ p_j (2 (y - ȳ) - Σ_i p_i) / Σ (y - ȳ)².

    p_j is what space j predicts beside the training rows' mean (Pratt 1987; Dupré la Tour et al. 2022).
    """
    known = np.isfinite(y) & np.isfinite(own).all(axis=0)
    whole = np.where(np.isfinite(total), total, 0.0).sum(axis=0)
    gain = np.where(known, 2.0 * (y - mean) - own.sum(axis=0), 0.0)
    part = (np.where(known, own, 0.0) * gain).sum(axis=1)
    return np.asarray(np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0))


def _training_means(y: Any, row_fold: Integers) -> Double:
    """Return the mean of each target over the rows of all other folds, for each row."""
    out = np.empty(y.shape)
    for k in range(int(row_fold.max()) + 1):
        out[row_fold == k] = np.nanmean(y[row_fold != k], axis=0, dtype=np.float64)
    return out


def _by_stimulus(errors: Double, of_row: Integers, count: int) -> Double:
    """Return sums of squares over the rows of each stimulus, (T, c); NaN where none is known."""
    squares, known = np.square(errors, dtype=np.float64), np.isfinite(errors)
    out, rows = np.zeros((2, count, errors.shape[1]))
    np.add.at(out, of_row, np.where(known, squares, 0.0))
    np.add.at(rows, of_row, known)
    return np.where(rows > 0, out, np.nan)
