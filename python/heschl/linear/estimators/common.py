"""What two feature spaces explain together and apart: commonality, of new stimuli, with penalties of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from heschl.checks import InputError, check_choice
from heschl.linear.crossval.crossed import CrossedMean, crossed_mean
from heschl.linear.crossval.learned import Learn
from heschl.linear.crossval.path import Progress, choose_alpha
from heschl.linear.crossval.scores import SCORES
from heschl.linear.design.entrance import FitInput, check_fit
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

# Signs of the R² of the first space, the second, and both.
PARTS: dict[str, tuple[int, int, int]] = {
    "first": (1, 0, 0),
    "second": (0, 1, 0),
    "both": (0, 0, 1),
    "common": (1, 1, -1),
    "unique_first": (0, -1, 1),
    "unique_second": (-1, 0, 1),
}


@dataclass(frozen=True)
class CommonVariance:
    """R² of two spaces, of both together, and what follows: common and unique parts; T stimuli, c targets.

    R² is about the mean of the training folds, pooled over stimuli: out of fold, so that parts of nothing are 0 but for
    what fitting costs, and add up. Over the common time course it is the share of the same variance that is explained
    beyond that course.

    Attributes
    ----------
    names : tuple of str
        The first and the second space.
    sse : ndarray of shape (3, T, c)
        Squared errors of the first, the second and both, summed over each stimulus; NaN where it was not heard.
    total : ndarray of shape (T, c)
        Squared errors of the training folds' mean.
    baseline : ndarray of shape (T, c)
        Squared errors of what the spaces are compared with: that mean, or the mean time course of the training folds.
    stimuli : ndarray of shape (T,)
        Labels.
    alphas : ndarray of shape (K, 2, c)
        Penalties of the two spaces together that inner folds chose for each outer fold; infinite for one left out.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import common_variance
    >>> rng = np.random.default_rng(0)
    >>> X = {"mel": rng.standard_normal((300, 2)), "words": rng.standard_normal((300, 2))}
    >>> y = X["mel"][:, :1] + rng.standard_normal((300, 1))
    >>> found = common_variance(X, y, segments=[30] * 10, folds=np.arange(10) % 5, lags=[0], alphas=[1.0])
    >>> found.names, found.gain("common").shape, bool(found.part("unique_first")[0] > 0.3)
    (('mel', 'words'), (10, 1), True)
    """

    names: tuple[str, str]
    sse: Double
    total: Double
    baseline: Double
    stimuli: np.ndarray[Any, Any]
    alphas: Double

    def part(self, name: str) -> Double:
        """Share of the variance of each target, (c,).

        Parameters
        ----------
        name : {"first", "second", "both", "common", "unique_first", "unique_second"}
            common = R²(first) + R²(second) - R²(both); unique_first = R²(both) - R²(second).
        """
        known = np.isfinite(self.total)
        gain, whole = (np.where(known, values, 0.0).sum(axis=0) for values in (self.gain(name), self.total))
        return np.asarray(np.divide(gain, whole, out=np.full(whole.shape, np.nan), where=whole > 0))

    def gain(self, name: str) -> Double:
        """Return what each stimulus adds to a part, (T, c): `part` is its sum over that of `total`."""
        check_choice("name", name, tuple(PARTS))
        return np.asarray(sum(sign * (self.baseline - sse) for sign, sse in zip(PARTS[name], self.sse, strict=True)))

    def over_subjects(self, name: str, subjects: ArrayLike) -> CrossedMean:
        """Mean of a part over subjects and their electrodes, with its interval for new subjects and new stimuli.

        Parameters
        ----------
        name : str
            See `part`.
        subjects : array-like of shape (c,)
            Whose electrode each target is.
        """
        return crossed_mean(self.gain(name), self.total, subjects)


def common_variance(
    spaces: Mapping[str, Any] | Learn,
    y: ArrayLike,
    *,
    segments: ArrayLike,
    folds: ArrayLike,
    lags: Sequence[int],
    alphas: ArrayLike,
    groups: ArrayLike | None = None,
    standardize: bool = True,
    boundary: str = "zero",
    missing: str = "raise",
    memory_limit: float | None = None,
    device: str = "auto",
    over_time_course: bool = False,
    progress: Progress | None = None,
) -> CommonVariance:
    """Split what two feature spaces explain into what either could explain and what only one can.

    common = R²(first) + R²(second) - R²(both), each R² out of fold and each model with penalties of its own: banded
    ridge, min ‖Y - X₁W₁ - X₂W₂ - 1 bᵀ‖² + λ₁ ‖W₁‖² + λ₂ ‖W₂‖², all pairs of `alphas` tried on inner folds for each
    target. So a wide space does not drown a narrow one, and nothing that scores has chosen.

    Where a probe of what two models share is asked of, the first space is the shared part and the second the probe:
    what is common is what the shared part says *and* the probe says. (The R² of a probe's own variates is not: with as
    many of them as the probe is wide it scores what the probe predicts, though the shared part predict nothing.)

    Parameters
    ----------
    spaces : mapping of two names to features, or callable
        Features are array-like of shape (n_frames, d) or `Repeated`. A callable learns them in each training set:
        spaces(k, train) gives the two names and functions without arguments, as in `nested_cv_learned`.
    y : array-like of shape (n_frames, c)
    segments, folds, lags, standardize, boundary, missing, device
        As in `nested_cv`.
    alphas : array-like
        Penalties to choose from; two spaces try their square, at one factorisation for each ratio and least penalty.
    groups : array-like of shape (n_segments,), optional
        Stimulus of each segment: errors are summed over its repeats. None: each segment by itself.
    memory_limit : float, optional
        Bytes above the data.
    over_time_course : bool
        Take what all stimuli evoke alike out first, as in `nested_cv_learned`: parts are of what lies beyond it.
    progress : callable, optional
        Called with (models done, models in all).

    Returns
    -------
    CommonVariance

    Raises
    ------
    InputError
        As `nested_cv`, and for other than two spaces.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import common_variance
    >>> rng = np.random.default_rng(0)
    >>> a, b, both = rng.standard_normal((3, 1200, 1))
    >>> X = {"first": np.hstack([a, both]), "second": np.hstack([b, both])}
    >>> y = a + b + both + rng.standard_normal((1200, 1))
    >>> found = common_variance(X, y, segments=[40] * 30, folds=np.arange(30) % 5, lags=[0], alphas=[1.0, 100.0])
    >>> [bool(abs(found.part(name)[0] - 0.25) < 0.05) for name in ("common", "unique_first", "unique_second")]
    [True, True, True]
    """
    checks: dict[str, Any] = {
        "lags": lags, "segments": segments, "folds": folds, "least_folds": 3, "boundary": boundary, "missing": missing,
        "alphas": alphas, "memory_limit": memory_limit, "device": device,
    }  # fmt: skip
    given = check_fit(y=y, **checks)
    responses, bounds, fold, parts = given.responses.host, given.bounds, given.folds, given.parts
    labels = labels_of_segments("groups", groups, len(bounds))
    options = FitOptions("cholesky", memory_limit, True, device)

    def problem_of(pair: Mapping[str, Any], own: FitInput) -> tuple[tuple[str, str], Problem, Spaces]:
        if not isinstance(pair, Mapping) or len(pair) != 2:
            raise InputError("spaces", repr(pair)[:60], "a mapping of two names to features")
        X = FeatureSpaces(pair)
        first, second = X.columns
        member = np.repeat([0, 1], [X.columns[name].stop - X.columns[name].start for name in X.columns])
        problem = Problem(*own.with_features(X), given.lags, boundary, True, standardize, segments=bounds)
        return (first, second), problem, Spaces((first, second), member.astype(np.int64))

    n_folds, c = len(parts), responses.shape[1]
    predictions, chosen = np.full((3, *responses.shape), np.nan), np.full((n_folds, 2, c), np.nan)
    learned = callable(spaces)
    rounds = [[k] for k in range(n_folds)] if learned or over_time_course else [list(range(n_folds))]
    taken = np.zeros(responses.shape)
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, 3 * n_folds)

    for scored in rounds:
        pair = (
            learned_features(spaces, scored[0], bounds[fold == scored[0]], len(responses))
            if callable(spaces)
            else spaces
        )
        own = given
        if over_time_course:
            pair, left, taken = beyond_time_course(pair, responses, bounds, fold, scored[0], taken)
            own = check_fit(y=left, **checks)
        names, problem, both = problem_of(pair, own)
        work = _work(scored, parts, both, given.alphas, advance)
        n_sets = len(scored) * (n_folds - 1) * (2 * len(given.alphas) + 1)
        for targets, (predicted, alpha) in in_blocks(problem, parts, n_sets, len(given.alphas), work, options).results:
            rows = np.isfinite(predicted)
            here = predictions[:, :, targets]
            here[rows] = predicted[rows]
            predictions[:, :, targets] = here
            chosen[np.ix_(np.array(scored), np.arange(2), targets)] = alpha[scored]
    stimuli, of_segment = np.unique(labels, return_inverse=True)
    of_row = np.repeat(of_segment.reshape(-1), bounds[:, 1] - bounds[:, 0])
    mean = training_means(responses, np.repeat(fold, bounds[:, 1] - bounds[:, 0]))
    sse = np.stack([by_stimulus(responses - taken - each, of_row, len(stimuli)) for each in predictions])
    total = by_stimulus(responses - mean, of_row, len(stimuli))
    baseline = by_stimulus(responses - taken, of_row, len(stimuli)) if over_time_course else total
    return CommonVariance(names, sse, total, baseline, stimuli, chosen)


def beyond_time_course(
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


def learned_features(learn: Learn, k: int, held_out: Bounds, n: int) -> dict[str, Any]:
    """Features of all rows, learned without those of outer fold k."""
    train = np.ones(n, dtype=bool)
    for start, stop in held_out:
        train[start:stop] = False
    return {name: make() for name, make in learn(k, train).items()}


def _work(
    scored: list[int], parts: list[Bounds], both: Spaces, alphas: Double, advance: Callable[[], None]
) -> Callable[[Problem, Primal, Integers], tuple[Double, Double]]:
    """What is done with a block of targets: out-of-fold predictions (3, n, c) and penalties (K, 2, c)."""
    alone = [(np.flatnonzero(both.member == s), Spaces((both.names[s],), both.member[both.member == s] * 0))
             for s in (0, 1)]  # fmt: skip
    one, two = Candidates.grid(1, alphas), Candidates.grid(2, alphas)

    def work(problem: Problem, solver: Primal, _: Integers) -> tuple[Double, Double]:
        models = [(solver.of_features(columns), own, one) for columns, own in alone] + [(solver, both, two)]
        predictions = np.full((3, *problem.y.shape), np.nan)
        penalties = np.full((len(parts), 2, problem.y.shape[1]), np.nan)
        for k in scored:
            inner = [j for j in range(len(parts)) if j != k]
            splits = Splits(parts, [[i for i in inner if i != j] for j in inner], [[j] for j in inner])
            ranges = problem.ranges(parts[k])
            for m, (own, spaces, candidates) in enumerate(models):
                scores = search(own, splits, spaces, candidates, SCORES["r2"])
                best = choose_alpha(scores.chosen_by, candidates.alphas, True)
                weights = fit_chosen(own, inner, spaces, candidates, best).on(HOST)
                found = weights.predict(own.problem.X, ranges, problem.lags)
                predictions[m, row_numbers(ranges)] = found
                if m == 2:
                    penalties[k] = candidates.penalties[best].T
                advance()
        return predictions, penalties

    return work


def training_means(y: Any, row_fold: Integers) -> Double:
    """Mean of each target over the rows of all other folds, for each row."""
    out = np.empty(y.shape)
    for k in range(int(row_fold.max()) + 1):
        out[row_fold == k] = np.nanmean(y[row_fold != k], axis=0, dtype=np.float64)
    return out


def by_stimulus(errors: Double, of_row: Integers, count: int) -> Double:
    """Sums of squares over the rows of each stimulus, (T, c); NaN where none is known."""
    squares, known = np.square(errors, dtype=np.float64), np.isfinite(errors)
    out, rows = np.zeros((2, count, errors.shape[1]))
    np.add.at(out, of_row, np.where(known, squares, 0.0))
    np.add.at(rows, of_row, known)
    return np.where(rows > 0, out, np.nan)
