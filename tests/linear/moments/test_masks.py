"""Missing responses leave the fit of their target, exactly, and the history they interrupt stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from heschl import InputError, lagged_design
from heschl.linear.crossval.fit import fit_cv
from heschl.linear.crossval.scores import SCORES
from heschl.linear.design.frames import Frames
from heschl.linear.design.segments import make_splits
from heschl.linear.moments.masks import mask_groups
from heschl.linear.ridge.engine import FitOptions
from heschl.linear.ridge.normal import PrecisionError, normal_equations
from heschl.linear.ridge.problem import Problem
from linear.moments.test_moments import boundaries
from linear.problems import Ragged, make, ragged
from tolerances import COEFFICIENTS, KERNEL, R2, worst


def holes(problem: Ragged, seed: int, share: float = 0.2) -> NDArray[np.float64]:
    """Responses with spans missing: two patterns over three or more targets."""
    rng = np.random.default_rng(seed)
    Y = np.repeat(problem.Y, 2, axis=1)
    masks = rng.random((len(Y), 2)) < share
    Y[:, ::2][masks[:, 0]] = np.nan
    Y[:, 1::2][masks[:, 1]] = np.nan
    return Y


@given(ragged(min_segments=2), boundaries, st.integers(0, 99))
def test_moments_of_known_rows_by_taking_the_others_away(problem: Ragged, boundary: str, seed: int) -> None:
    Y = holes(problem, seed)
    whole = Problem(Frames.of(problem.H), Y, problem.lags, boundary)
    half = len(problem.bounds) // 2
    parts = [problem.bounds[:half], problem.bounds[half:]]
    for _, part in whole.by_mask(parts):
        if part.keep is None or part.keep.mean() <= 0.5:
            reject()
        direct = Problem(part.X, part.y, part.lags, boundary, keep=part.keep).moments(parts)
        for found, expected in zip(part.moments(parts), direct, strict=True):
            assert found.n_rows == expected.n_rows
            if found.n_rows == 0:
                continue
            try:
                grams = [np.tril(normal_equations(m, fit_intercept=False).gram) for m in (found, expected)]
                crosses = [normal_equations(m).cross for m in (found, expected)]
            except PrecisionError:
                reject()
            scale = max(1.0, float(problem.lengths.sum()) * max(1.0, np.nanmax(np.abs(Y))))
            assert worst(*grams, scale) < 10 * KERNEL[problem.name]
            assert worst(*crosses, scale) < 10 * KERNEL[problem.name]


def test_groups_are_targets_that_lack_the_same_rows() -> None:
    y = np.zeros((4, 5))
    y[1, [0, 3]] = np.nan
    y[2, 4] = np.nan
    groups = {tuple(targets.tolist()): keep.tolist() for targets, keep in mask_groups(y)}
    assert groups == {
        (0, 3): [True, False, True, True], (1, 2): [True] * 4, (4,): [True, True, False, True],
    }  # fmt: skip


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.7])
@pytest.mark.parametrize("per_target", [False, True])
def test_fit_equals_scikit_learn_on_the_rows_that_are_known(standardize: bool, share: float, per_target: bool) -> None:
    problem = make(2, [40, 25, 1, 60, 33, 50, 44, 38], 3, 2, range(-1, 4))
    Y = holes(problem, 0, share)
    alphas = np.array([1.0, 30.0, 1000.0])
    splits = make_splits(4, problem.bounds, np.arange(8), len(Y))
    fit = fit_cv(
        Problem(Frames.of(problem.H), Y, problem.lags, standardize=standardize), splits, alphas,
        score=SCORES["r2"], per_target=per_target, options=FitOptions(),
    )  # fmt: skip

    def read(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        mean, std = (problem.H[rows].mean(0), problem.H[rows].std(0)) if standardize else (0.0, 1.0)
        return lagged_design((problem.H - mean) / std, problem.lags, segments=problem.lengths)

    def rows_of(parts: list[int]) -> NDArray[np.int64]:
        return np.concatenate([np.arange(a, b) for part in parts for a, b in splits.parts[part]])

    scores = np.full((4, len(alphas), Y.shape[1]), np.nan)
    for s in range(4):
        train, test = rows_of(splits.train[s]), rows_of(splits.test[s])
        X = read(train)
        for j in range(Y.shape[1]):
            known, held_out = train[~np.isnan(Y[train, j])], test[~np.isnan(Y[test, j])]
            for a, alpha in enumerate(alphas):
                y = Y[held_out, j]
                predicted = Ridge(alpha=alpha).fit(X[known], Y[known, j]).predict(X[held_out])
                scores[s, a, j] = 1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    assert fit.scores is not None
    np.testing.assert_allclose(fit.scores.r2, scores.mean(0), atol=R2["float64"])
    judged = scores.mean(0) if per_target else np.repeat(scores.mean((0, 2))[:, None], Y.shape[1], axis=1)
    np.testing.assert_array_equal(alphas[fit.chosen], alphas[judged.argmax(0)])
    X = read(np.arange(len(Y)))
    scale = 1.0 / problem.H.std(0) if standardize else np.ones(3)
    for j in range(Y.shape[1]):
        known = ~np.isnan(Y[:, j])
        model = Ridge(alpha=alphas[fit.chosen[j]]).fit(X[known], Y[known, j])
        assert worst(fit.weights.values[:, j], model.coef_ * np.tile(scale, 5)) < COEFFICIENTS["float64"]


def test_a_target_that_a_training_set_does_not_know() -> None:
    problem = make(2, [40, 25, 60], 2, 2, range(0, 2))
    problem.Y[:65, 1] = np.nan
    splits = make_splits(3, problem.bounds, np.arange(3), 125)
    with pytest.raises(InputError, match="knows no response"):
        fit_cv(
            Problem(Frames.of(problem.H), problem.Y, problem.lags), splits, np.array([1.0]),
            score=SCORES["r2"], per_target=True, options=FitOptions(),
        )  # fmt: skip


def test_a_fold_without_a_known_response_has_no_say() -> None:
    problem = make(2, [40, 25, 60, 30], 2, 2, range(0, 2))
    problem.Y[:40, 1] = np.nan
    splits = make_splits(4, problem.bounds, np.arange(4), 155)
    fit = fit_cv(
        Problem(Frames.of(problem.H), problem.Y, problem.lags), splits, np.array([1.0, 10.0]),
        score=SCORES["r2"], per_target=True, options=FitOptions(),
    )  # fmt: skip
    assert fit.scores is not None and np.isfinite(fit.scores.r2).all()


@pytest.mark.parametrize("solver", ["cholesky", "eigh"])
@pytest.mark.parametrize("per_target", [False, True])
def test_blocks_of_targets_give_the_same(solver: str, per_target: bool) -> None:
    """A memory limit changes how, not what."""
    problem = make(3, [300, 250, 400, 350], 6, 40, range(0, 10))
    splits = make_splits(4, problem.bounds, np.arange(4), 1300)
    whole = Problem(Frames.of(problem.H), problem.Y, problem.lags)
    alphas = np.array([1.0, 100.0, 1e4])
    how = {"score": SCORES["r2"], "per_target": per_target}
    expected = fit_cv(whole, splits, alphas, options=FitOptions(solver), **how)
    found = fit_cv(whole, splits, alphas, options=FitOptions(solver, memory_limit=72e6), **how)
    np.testing.assert_array_equal(found.chosen, expected.chosen)
    assert worst(found.weights.values, expected.weights.values) < KERNEL["float64"] * 10
    assert found.scores is not None and expected.scores is not None
    np.testing.assert_allclose(found.scores.r2, expected.scores.r2, atol=R2["float64"])
    with pytest.raises(InputError, match=r"memory_limit.*at least"):
        fit_cv(whole, splits, alphas, options=FitOptions(solver, memory_limit=1e6), **how)
