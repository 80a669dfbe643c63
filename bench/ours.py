"""heschl's side of every benchmark, in the shapes of the rivals': the one place that follows its interface."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from heschl import CCA, LaggedMoments, LaggedRidge, LaggedRidgeCV, Repeated, _core, lagged_design
from heschl.ecog.high_gamma import GaussianBands, high_gamma
from heschl.ecog.recording.recording import ArraySource, Recording
from heschl.linear import null_scores
from heschl.linear.cca import grid as grid_of_layers
from heschl.linear.cca.whitening import largest_singular_values
from heschl.linear.crossval.scores import SCORES, fold_squares
from heschl.linear.design.frames import Frames
from heschl.linear.design.permuter import Permuter
from heschl.linear.design.rows import cut_rows, whole
from heschl.linear.design.segments import fold_members, make_splits
from heschl.linear.device.threads import map_threads, n_threads
from heschl.linear.estimators.bands import Candidates, Spaces, search
from heschl.linear.nulls.refitted import Fold, _block_size, _refit
from heschl.linear.ridge.engine import FitOptions, in_blocks
from heschl.linear.ridge.normal import normal_equations
from heschl.linear.ridge.problem import Problem
from heschl.linear.ridge.weights import Weights

Array = NDArray[Any]


def design(H: Array, lengths: Array, n_lags: int) -> Array:
    return lagged_design(H, range(n_lags), segments=lengths)


def moments(H: Any, lengths: Array, fold: Array, n_lags: int) -> list[LaggedMoments]:
    """Moments of each fold, without X'Y."""
    return LaggedMoments.by_fold(H, segments=lengths, folds=fold, lags=range(n_lags))


def moments_by_lag(H: Array, lengths: Array, fold: Array, n_lags: int) -> list[Array]:
    """First block column of each fold by one product per lag; threads share rows, each with sums of its own."""
    ends, d = np.cumsum(lengths), H.shape[1]
    bounds, none = np.stack([ends - lengths, ends], axis=1), np.zeros(d, H.dtype)

    def sums(rows: Array, _: None) -> Array:
        out = np.zeros((n_lags * d, d), H.dtype)
        _core.sum_by_lag(H, none, H, none, _core.Product.itself, rows, 0, n_lags, out, 1)
        return out

    folds = [cut_rows(whole(bounds[inside]), n_threads()) for inside in fold_members(fold, len(bounds))]
    return [sum(map_threads(sums, pieces, lambda: None, small=True)) for pieces in folds]


def word_moments(values: Array, rows: Array, counts: Array, lengths: Array, n_lags: int) -> list[LaggedMoments]:
    """Moments of all segments of features that stay as they are through a word."""
    return [LaggedMoments.from_data(Repeated(values[rows], counts), segments=lengths, lags=range(n_lags))]


def gram(parts: list[LaggedMoments]) -> Array:
    """X'X of all parts together, uncentred, in the lower triangle."""
    return normal_equations(LaggedMoments.total(parts), fit_intercept=False).gram


def ridge_cv(
    H: Any,
    Y: Array,
    lengths: Array,
    cv: Any,
    n_lags: int,
    alphas: Array,
    solver: str = "auto",
    standardize: bool = False,
) -> LaggedRidgeCV:
    """The fitted model; `cv` is a number of folds or pairs of rows."""
    model = LaggedRidgeCV(lags=range(n_lags), alphas=alphas, cv=cv, solver=solver, standardize=standardize)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of penalties at an end of the grid
        return model.fit(H, Y, segments=lengths)


def word_path(
    values: Array, rows: Array, counts: Array, Y: Array, lengths: Array, test: Array, n_lags: int, alphas: Array
) -> Array:
    """R² (n_alphas, c) on the segments `test` (bool, per segment) of models of the others; NaN where left out."""
    ends = np.cumsum(lengths)
    bounds = np.stack([ends - lengths, ends], axis=1)
    problem = Problem(Frames.of(Repeated(values[rows], counts)), Y, range(n_lags))
    parts = [bounds[~test], bounds[test]]

    def path(part: Problem, solver: Any, _: Any) -> Array:
        sse = solver.train([0], solver.scratch()).errors(alphas, [[1]])[0]
        sse[sse < 0] = np.nan  # a guess
        return 1.0 - sse / fold_squares(part.y, [part.ranges(parts[1])])[0]

    options = FitOptions("auto", memory_limit=8e9, small_in_float64=False)
    found = in_blocks(problem, parts, 1, len(alphas), path, options).results
    return np.concatenate([scores for _, scores in found], axis=1)


def predict(H: Array, lengths: Array, W: Array, intercept: Array) -> Array:
    """The public `predict` of a model that holds the weights W (n_lags, d, c)."""
    n_lags, d, c = W.shape
    model = LaggedRidge(lags=range(n_lags))
    model._weights, model._single = Weights(W.reshape(n_lags * d, c), np.zeros(d, W.dtype), intercept), False
    model.coef_, model.lags_, model.n_features_in_ = W.transpose(2, 1, 0), np.arange(n_lags), d
    return model.predict(H, segments=lengths)


def shift_null(Y: Array, prediction: Array, lengths: Array, fold: Array, n_shifts: int, seed: int) -> Array:
    """Mean over folds of R² under the shifts ``default_rng(seed).integers(0, lengths, (n_shifts, n_segments))``."""
    return null_scores(Y, prediction, segments=lengths, folds=fold, n_permutations=n_shifts, random_state=seed).null


def refit_null(H: Array, Y: Array, lengths: Array, fold: Array, n_lags: int, alpha: Array, orders: Array) -> Array:
    """Mean over folds of R² of refits at fixed λ (c,), for given orders of the segments (n_perm, n_segments)."""
    ends = np.cumsum(lengths)
    bounds = np.stack([ends - lengths, ends], axis=1)
    problem = Problem(Frames.of(H), Y, range(n_lags))
    of_fold = [bounds[fold == k] for k in range(fold.max() + 1)]
    folds = [
        Fold(problem.ranges(part), alpha, own) for part, own in zip(of_fold, problem.moments(of_fold), strict=True)
    ]
    permuter = Permuter.of(bounds, fold, None)
    moves = [(order, np.zeros(len(lengths), dtype=np.int64)) for order in orders]
    return _refit(problem, folds, permuter, moves, _block_size(problem, folds, 2 << 30), "r2", None)


def banded_cv(
    H: Array, Y: Array, lengths: Array, fold: Array, n_lags: int, space: Array, gammas: Array, alphas: Array
) -> Array:
    """Mean over folds of R² of every (γ, α, target), (k, n_alphas, c)."""
    ends = np.cumsum(lengths)
    bounds = np.stack([ends - lengths, ends], axis=1)
    rows = np.repeat(fold, lengths)
    splits = make_splits([(np.flatnonzero(rows != k), np.flatnonzero(rows == k)) for k in range(fold.max() + 1)],
                         bounds, np.arange(len(bounds)), len(H))  # fmt: skip
    candidates = Candidates.of(gammas, alphas)
    spaces = Spaces(tuple(str(s) for s in np.unique(space)), space)

    def scores(part: Problem, solver: Any, _: Any) -> Array:
        return search(solver, splits, spaces, candidates, SCORES["r2"]).r2

    problem = Problem(Frames.of(H), Y, range(n_lags))
    options = FitOptions(small_in_float64=False, banded=True)
    found = in_blocks(problem, splits.parts, len(gammas) * len(splits.test), len(alphas), scores, options)
    return found.results[0][1].reshape(len(gammas), len(alphas), -1)


def cca(X: Array, Y: Array, k: int) -> Array:
    """Canonical correlations."""
    return CCA(k).fit(X, Y).correlations_


def cca_grid(spaces_a: Any, spaces_b: Any, k: int) -> Array:
    """Of every layer with every layer, (layers a, layers b, k)."""
    return np.asarray(grid_of_layers(spaces_a, spaces_b, n_components=k))


def top_singular_values(M: Array, k: int) -> Array:
    """Of a stack of matrices (count, rows, cols)."""
    count, rows, cols = M.shape
    return largest_singular_values(M.reshape(-1, cols), rows * np.arange(count + 1), k)


def _recording(values: Array, sfreq: float) -> Recording:
    names = tuple(f"e{i}" for i in range(values.shape[1]))
    table = pd.DataFrame({"bad": False, "reason": ""}, index=list(names))
    events = pd.DataFrame(columns=["onset", "duration", "stimulus"])
    return Recording("S1", sfreq, len(values), names, table, events, np.zeros((0, 2)), ArraySource(values))


def bands() -> tuple[Array, Array]:
    """Centres and widths of the eight Gaussian bands, Hz."""
    found = GaussianBands.of("eight", 70.0, 150.0)
    return found.centres, found.sigmas


def high_gamma_of(values: Array, sfreq: float) -> Array:
    """Amplitude at 100 Hz, (n_out, channels)."""
    return high_gamma(_recording(values, sfreq), normalize="none").values


def high_gamma_of_file(path: str, sfreq: float, n: int | None = None) -> Array:
    """The same of an array on disk, or of its first samples."""
    return high_gamma(_recording(np.load(path, mmap_mode="r")[:n], sfreq), normalize="none").values
