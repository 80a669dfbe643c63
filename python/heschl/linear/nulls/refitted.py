"""The null distribution of a model of given λ: it is fitted again to responses exchanged between stimuli.

X'X knows nothing of the responses, so of each fit only X'Y, a solve and a prediction are left to do; permuted
responses are just more targets. One factorisation of each fold and λ serves a block of permutations, as many as
`memory_limit` holds. Factors are not kept from block to block: they would take that memory themselves, and with as
much of it for responses, factorising once a block costs less than a fifth of the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from heschl.checks import InputError, check_count
from heschl.linear.crossval.path import Progress
from heschl.linear.crossval.scores import SUMS, FoldSums, Score, check_score
from heschl.linear.design.entrance import check_fit
from heschl.linear.design.frames import Frames
from heschl.linear.design.permuter import Move, Permuter
from heschl.linear.design.rows import row_numbers
from heschl.linear.device.arrays import Array, Double, Ranges
from heschl.linear.device.place import open_device
from heschl.linear.moments.lagged import LaggedMoments
from heschl.linear.nulls.distribution import NullDistribution
from heschl.linear.ridge.condition import Conditions, warn
from heschl.linear.ridge.normal import NormalEquations, PrecisionError, normal_equations
from heschl.linear.ridge.problem import Problem
from heschl.linear.ridge.weights import in_units, solve


def null_refit(
    X: Any,
    y: ArrayLike,
    *,
    segments: ArrayLike,
    folds: ArrayLike,
    lags: Sequence[int],
    alphas: ArrayLike,
    groups: ArrayLike | None = None,
    sessions: ArrayLike | None = None,
    standardize: bool = True,
    n_permutations: int = 1000,
    statistic: str = "r2",
    memory_limit: int = 2 << 30,
    device: str = "auto",
    random_state: int | np.random.Generator | None = None,
    progress: Progress | None = None,
) -> NullDistribution:
    """Compute a null distribution of cross-validated scores: responses permuted among segments, the model refitted.

    Each fit minimises ‖Y - X W - 1 bᵀ‖² + λ ‖W‖² on the training folds at the given λ and scores the fold left out.
    H₀: which of the segments of nearly the same length (in the same session) evoked a response has nothing to do with
    its features; see `exchange_test` for what that allows, and how segments are cropped. All targets move together.
    Responses are taken as they are: what they owe to a segment's length or its end is not taken out first, as it is
    there.

    *λ must not have been chosen by these responses.* Permuted responses would choose others: with the λ that nested
    cross-validation chose, 5 % of maxima over 60 silent electrodes were found at twice that rate. Where λ is chosen,
    `exchange_test` chooses it again for each permutation.

    Parameters
    ----------
    X : array-like of shape (n_frames, n_features), Repeated or FeatureSpaces
    y : array-like of shape (n_frames, n_targets)
    segments : array-like
        Lengths of the segments in frames (or one label per row).
    folds : array-like of shape (n_segments,)
        Fold 0 ... K - 1 of each segment, K >= 2.
    lags : sequence of int
        Consecutive lags in frames; positive = past of the stimulus.
    alphas : array-like of shape (), (n_targets,) or (K, n_targets)
        λ: one for all, one for each target, or for each outer fold and target; fixed in advance.
    groups : array-like of shape (n_segments,), optional
        Stimulus of each segment: the repeats of one stimulus, in order, are exchanged together for those of another
        with as many repeats. None: each segment by itself.
    sessions : array-like of shape (n_segments,), optional
        Session of each segment: responses stay in their session. None: one session.
    standardize : bool
        z-score the features with the statistics of each training set.
    n_permutations : int
        The smallest p value is 1 / (n_permutations + 1).
    statistic : {"r2", "pooled_r2", "r", "r_squared"}
        Mean over folds of each fold's R² about its own mean, 1 - Σ SSE / Σ SST over folds, or mean over folds of
        Pearson's r, or of r².
    memory_limit : int
        Bytes that permuted responses and their normal equations may take, beside what a fit takes anyway (moments,
        one X'X in each thread). The more, the fewer factorisations.
    random_state : int or numpy.random.Generator, optional
    device : {"auto", "cpu", "cuda"}
        Where to fit and score; features that lie on a GPU stay there. "auto": else on a GPU where there is one and the
        fits are large enough to gain by it.
    progress : callable, optional
        Called with (permutations done, permutations in all), the true alignment counted as one.

    Returns
    -------
    NullDistribution
        `observed` is the score of the unpermuted responses by the same computation.

    Raises
    ------
    InputError
        For bad shapes, NaN, folds that do not fit or part the repeats of a stimulus, penalties that are not positive,
        a `memory_limit` too small for one permutation, or where nothing can be permuted.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.linear import null_refit
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((400, 2))
    >>> y = X @ [[1.0, 0.0], [0.0, 0.0]] + rng.standard_normal((400, 2))
    >>> found = null_refit(X, y, segments=[20] * 20, folds=np.arange(20) % 4, lags=range(2), alphas=10.0,
    ...                    n_permutations=99, random_state=0)
    >>> bool(found.p_values[0] == 0.01), bool(abs(found.null.mean()) < 0.1)
    (True, True)
    """
    score = check_score("statistic", statistic)
    check_count("n_permutations", n_permutations, 1)
    given = check_fit(X=X, y=y, lags=lags, segments=segments, folds=folds, least_folds=2, device=device)
    features, bounds, fold, c = given.features, given.bounds, given.folds, given.responses.host.shape[1]
    assert features is not None
    penalties = _penalties(alphas, int(fold.max()) + 1, c)
    permuter = Permuter.of(bounds, fold, groups, sessions)
    permuter.tell(n_permutations)
    rng = np.random.default_rng(random_state)
    moves = [permuter.identity(), *(permuter.draw(rng) for _ in range(n_permutations))]
    operations = _operations(features, len(given.lags), c, penalties, n_permutations)
    features = features.to(open_device(device, lambda _: operations, features.spaces[0].values))
    keep = None if permuter.keep.all() else permuter.keep
    problem = Problem(features, given.responses, given.lags, standardize=standardize, keep=keep)

    def scores(at: Problem) -> Double:
        of_fold = [bounds[fold == k] for k in range(len(penalties))]
        responses, moments = at.gathered(of_fold)
        each = zip(of_fold, penalties, moments, strict=True)
        parts = [Fold(at.ranges(rows), alphas, moments) for rows, alphas, moments in each]
        size = _block_size(at, parts, memory_limit)
        return _refit(at, responses, parts, permuter, moves, size, score, progress)

    with features.backend.at_work():
        try:
            found = scores(problem)
        except PrecisionError:
            found = scores(problem.in_float64())
    return NullDistribution.of(score, found[0], found[1:])


@dataclass(frozen=True)
class Fold:
    """What of a fold does not change with the responses."""

    ranges: Ranges
    alphas: Double  # (c,) λ of the model that predicts this fold
    moments: LaggedMoments


def _refit(
    problem: Problem,
    responses: Array,
    folds: list[Fold],
    permuter: Permuter,
    moves: list[Move],
    size: int,
    score: Score,
    progress: Progress | None,
) -> Double:
    """Score of every permutation and target, (len(moves), c)."""
    n_folds, c = len(folds), problem.y.shape[1]
    p = problem.n_columns
    b = problem.X.backend
    gram, found = b.empty((p, p), problem.y.dtype), np.empty((len(moves), c))
    conditions: Conditions = {}
    for first in range(0, len(moves), size):
        rows = [permuter.rows(move) for move in moves[first : first + size]]
        y = b.side_by_side([b.rows(responses, row) for row in rows])  # permutations are targets side by side
        moments = [permuted_moments(problem.X, y, fold) for fold in folds]
        parts = []
        for k, fold in enumerate(folds):
            equations = normal_equations(
                LaggedMoments.total([moments[j] for j in range(n_folds) if j != k]),
                standardize=problem.standardize, gram=gram,
            )  # fmt: skip
            equations = replace(equations, conditions=conditions.setdefault((k,), {}))
            parts.append(_score(problem, equations, fold, y))
        # Permutations, which were targets side by side, go before folds: (B, K, c).
        sums = FoldSums(*(
            np.stack([getattr(part, name).reshape(len(rows), c) for part in parts], axis=1) for name in SUMS
        ))  # fmt: skip
        found[first : first + len(rows)] = score.over_folds(sums)
        if progress is not None:
            progress(first + len(rows), len(moves))
    if problem.y.dtype == np.float64:
        warn(conditions)
    return found


def _score(problem: Problem, equations: NormalEquations, fold: Fold, y: Array) -> FoldSums:
    """Fit and score a block of permuted responses (n, B · c) in one fold: one factorisation for each λ."""
    alphas, rows = np.tile(fold.alphas, y.shape[1] // len(fold.alphas)), row_numbers(fold.ranges)
    sums = FoldSums(*np.empty((4, 1, y.shape[1])))
    for alpha in np.unique(alphas):
        targets = np.flatnonzero(alphas == alpha)
        weights = in_units(equations, solve(equations, float(alpha), targets), targets)
        prediction = weights.predict_placed(problem.X, fold.ranges, problem.lags)
        part = FoldSums.of(problem.X.backend.block(y, rows, targets), prediction, [np.array([[0, len(rows)]])])
        sums.assign_targets(targets, part)
    return sums


def permuted_moments(X: Frames, y: Array, fold: Fold) -> LaggedMoments:
    """Compute the moments of a fold with other responses (n, B · c), several of each target."""
    shift = fold.moments.shift.targets
    return fold.moments.with_targets(X, y, fold.ranges, np.tile(shift, y.shape[1] // len(shift)))


def _block_size(problem: Problem, folds: list[Fold], memory_limit: int) -> int:
    """Return how many permutations fit into `memory_limit` bytes at a time."""
    (n, d), c, w = problem.X.shape, problem.y.shape[1], len(problem.lags)
    longest = max(fold.moments.n_rows for fold in folds)
    # X'Y of every fold, of a training set, centred and picked by λ, weights, also in units; responses, twice while they
    # are made, and with their predictions twice where picked by λ, and a block in the kernels; sums in double.
    numbers = (len(folds) + 6) * w * d + 2 * n + 4 * longest + 512
    each = c * (numbers * problem.itemsize + 8 * (len(folds) + 1) * (w + 8)) + 24 * n
    if memory_limit < each:
        raise InputError(
            "memory_limit", f"{memory_limit} bytes", f"at least {each}, what one permutation takes",
            "Give more, or fewer targets at a time with the same random_state.",
        )  # fmt: skip
    return int(memory_limit // each)


def _operations(X: Frames, n_lags: int, n_targets: int, penalties: Double, n_permutations: int) -> float:
    """Count: moments, a factorisation of each fold and λ for a block of permutations, then X'Y, solves, predictions."""
    n, d = len(X), int(X.shape[1])
    p = float(n_lags * d)
    factors = sum(len(np.unique(own)) for own in penalties) * p**3 / 3
    return 2.0 * n * p * d + factors + n_permutations * n_targets * (4.0 * n * p + len(penalties) * 2.0 * p * p)


def _penalties(alphas: ArrayLike, n_folds: int, c: int) -> Double:
    """Check λ of each fold and target, (K, c)."""
    values = np.asarray(alphas, dtype=np.float64)
    if values.shape not in ((), (c,), (n_folds, c)):
        raise InputError(
            "alphas", f"an array of shape {values.shape}", f"one penalty, ({c},) for targets or ({n_folds}, {c})"
        )
    if not (np.isfinite(values) & (values > 0)).all():
        raise InputError("alphas", f"{values.min():g}", "finite penalties above 0")
    return np.broadcast_to(values, (n_folds, c))
