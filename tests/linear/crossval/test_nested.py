"""Nested cross-validation against its plain definition: K(K - 1) + K fits, nothing shared."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from heschl import InputError, lagged_design
from heschl.linear import nested_cv
from linear.problems import make
from tolerances import R2


def r2(y: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    return 1 - ((y - prediction) ** 2).sum(0) / ((y - y.mean(0)) ** 2).sum(0)


def plain(problem, folds, alphas, standardize, known=None):
    known = np.ones(len(problem.H), bool) if known is None else known
    row_fold = np.repeat(folds, problem.lengths)
    n_folds = folds.max() + 1
    H, Y = problem.H.astype(np.float64), problem.Y.astype(np.float64)

    def predict(train, test, alpha):
        mean, std = (H[train].mean(0), H[train].std(0)) if standardize else (0.0, 1.0)
        X = lagged_design((H - mean) / std, problem.lags, segments=problem.lengths)
        return Ridge(alpha=alpha).fit(X[train & known], Y[train & known]).predict(X[test & known])

    scores, chosen, inner = [], [], []
    for j in range(n_folds):
        means = np.mean(
            [
                [
                    r2(Y[(row_fold == k) & known], predict(~np.isin(row_fold, (j, k)), row_fold == k, alpha))
                    for alpha in alphas
                ]
                for k in range(n_folds)
                if k != j
            ],
            axis=0,
        )
        best = means.argmax(axis=0)
        test = row_fold == j
        prediction = np.stack([predict(~test, test, alphas[best[t]])[:, t] for t in range(Y.shape[1])], axis=1)
        scores.append(r2(Y[test & known], prediction))
        chosen.append(alphas[best])
        inner.append(means.max(axis=0))
    return np.array(scores), np.array(chosen), np.array(inner)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("standardize", [True, False])
def test_equals_the_plain_definition(dtype: str, standardize: bool) -> None:
    problem = make(0, [30, 12, 44, 25, 38, 21, 33, 50, 17], 3, 4, range(-1, 4), dtype)
    problem.Y[:] += 6 * np.random.default_rng(1).standard_normal(problem.Y.shape).astype(dtype)
    folds = np.arange(9) % 4
    alphas = np.logspace(0, 4, 5)
    calls: list[tuple[int, int]] = []
    found = nested_cv(
        problem.H, problem.Y, segments=problem.lengths, folds=folds, lags=problem.lags, alphas=alphas,
        standardize=standardize, progress=lambda done, total: calls.append((done, total)),
    )  # fmt: skip
    scores, chosen, inner = plain(problem, folds, alphas, standardize)
    np.testing.assert_array_equal(found.alpha, chosen)
    assert np.abs(found.r2 - scores).max() < R2[dtype]
    assert np.abs(found.inner_r2 - inner).max() < R2[dtype]
    row_fold = np.repeat(folds, problem.lengths)
    for j in range(4):
        rows = row_fold == j
        assert np.abs(r2(problem.Y[rows].astype(float), found.predictions[rows]) - scores[j]).max() < R2[dtype]
        r = [np.corrcoef(problem.Y[rows, t], found.predictions[rows, t])[0, 1] for t in range(4)]
        np.testing.assert_allclose(found.r[j], r, atol=R2[dtype])
    assert calls[-1] == (10, 10) and len(calls) == 10
    np.testing.assert_array_equal(found.edge, np.isin(found.alpha, (alphas[0], alphas[-1])))


@pytest.mark.parametrize("standardize", [True, False])
def test_missing_responses_leave_fit_and_score_of_their_targets(standardize: bool) -> None:
    problem = make(0, [30, 12, 44, 25, 38, 21, 33, 50, 17], 3, 4, range(-1, 4))
    rng = np.random.default_rng(1)
    problem.Y[:] += 6 * rng.standard_normal(problem.Y.shape)
    folds, alphas = np.arange(9) % 4, np.logspace(0, 4, 5)
    y, known = problem.Y.copy(), np.ones(problem.Y.shape, bool)
    for targets in ([0, 2], [3]):
        for start in rng.integers(0, len(y) - 20, 3):
            known[start : start + rng.integers(1, 20), targets] = False
    y[~known] = np.nan
    settings = {"segments": problem.lengths, "folds": folds, "lags": problem.lags, "alphas": alphas}
    with pytest.raises(InputError, match="NaN"):
        nested_cv(problem.H, y, **settings)
    found = nested_cv(problem.H, y, missing="mask", standardize=standardize, **settings)
    for target in range(4):
        expected = plain(problem, folds, alphas, standardize, known[:, target])
        for one, other in zip((found.r2, found.alpha, found.inner_r2), expected, strict=True):
            np.testing.assert_allclose(one[:, target], other[:, target], atol=R2["float64"])
    np.testing.assert_array_equal(np.isfinite(found.predictions), known)


def test_scores_of_noise_are_not_above_zero() -> None:
    """The reason to nest: with λ chosen on the test folds, noise would seem predictable."""
    rng = np.random.default_rng(0)
    H, Y = rng.standard_normal((1000, 8)), rng.standard_normal((1000, 40))
    found = nested_cv(H, Y, segments=[50] * 20, folds=np.arange(20) % 5, lags=range(5), alphas=np.logspace(0, 6, 7))
    assert found.r2.mean() < 0.0
    assert found.r2.mean() > -0.05


def test_one_alpha_for_all_targets() -> None:
    problem = make(2, [30] * 9, 2, 3, range(0, 3))
    found = nested_cv(
        problem.H, problem.Y, segments=problem.lengths, folds=np.arange(9) % 3, lags=problem.lags,
        alphas=[1.0, 100.0], alpha_per_target=False,
    )  # fmt: skip
    assert (found.alpha == found.alpha[:, :1]).all()


def test_constant_response_is_nan_not_zero() -> None:
    problem = make(3, [30] * 6, 2, 2, range(0, 3))
    problem.Y[:60, 1] = 2.0
    found = nested_cv(
        problem.H,
        problem.Y,
        segments=problem.lengths,
        folds=[0, 0, 1, 1, 2, 2],
        lags=problem.lags,
        alphas=[1.0],
    )
    assert np.isnan(found.r2[0, 1]) and np.isfinite(found.r2[1:]).all() and np.isfinite(found.pooled_r2).all()


@pytest.mark.parametrize(
    "folds", [[0, 0, 1, 1], [0, 1, 1, 1, 0, 0], [0, 2, 2, 1, 3, 5], [-1, 0, 1, 2, 0, 1], [0.0] * 6]
)
def test_bad_folds_are_named(folds: list[int]) -> None:
    problem = make(4, [30] * 6, 2, 2, range(0, 3))
    with pytest.raises(InputError, match="folds: found"):
        nested_cv(problem.H, problem.Y, segments=problem.lengths, folds=folds, lags=problem.lags, alphas=[1.0])


def test_one_penalty_for_all_where_targets_lack_different_rows() -> None:
    """Targets that are not fitted together, for rows that some of them lack, still share their λ in each fold."""
    rng = np.random.default_rng(3)
    H, lengths, folds, alphas = rng.standard_normal((240, 3)), [20] * 12, np.arange(12) % 4, np.logspace(-1, 4, 6)
    Y = H @ rng.standard_normal((3, 5)) * [0.05, 0.1, 0.5, 1.0, 2.0] + rng.standard_normal((240, 5))
    for target in range(3):
        Y[20 * target : 20 * target + 9, target] = np.nan
    how = {"segments": lengths, "folds": folds, "lags": range(3), "missing": "mask"}
    found = nested_cv(H, Y, alphas=alphas, alpha_per_target=False, **how)
    inner = np.stack([  # each target and λ alone
        np.concatenate([nested_cv(H, Y[:, [t]], alphas=[alpha], **how).inner_r2 for t in range(5)], axis=1)
        for alpha in alphas
    ])  # fmt: skip
    best = inner.mean(axis=2).argmax(axis=0)
    assert len(set(inner.argmax(axis=0).ravel())) > 2  # by themselves they would choose otherwise
    np.testing.assert_array_equal(found.alpha, np.repeat(alphas[best][:, None], 5, axis=1))
    np.testing.assert_allclose(found.inner_r2, inner[best, np.arange(4)], atol=R2["float64"])
    for t in range(5):
        alone = np.concatenate([
            nested_cv(H, Y[:, [t]], alphas=[alphas[best[j]]], **how).r2[[j]] for j in range(4)
        ])  # fmt: skip
        np.testing.assert_allclose(found.r2[:, [t]], alone, atol=R2["float64"])
