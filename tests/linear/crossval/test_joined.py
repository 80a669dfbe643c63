"""The published practice against scikit-learn on the joined, delayed design; and what it makes of noise."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from heschl import InputError, Repeated
from heschl.linear import joined_cv, nested_cv
from heschl.linear.crossval.joined import ALPHAS


def by_hand(
    X: np.ndarray, y: np.ndarray, n_lags: int, alphas: np.ndarray, n_folds: int
) -> tuple[np.ndarray, np.ndarray]:
    delayed = np.hstack([np.vstack([np.zeros((k, X.shape[1])), X[: len(X) - k]]) for k in range(n_lags)])
    edges = np.linspace(0, len(X), 2 * n_folds + 1).astype(int)
    r, chosen = [], []
    for k in range(n_folds):
        a, b, c = edges[2 * k : 2 * k + 3]
        train = np.r_[0:a, c : len(X)]
        fits = [Ridge(alpha=alpha).fit(delayed[train], y[train]) for alpha in alphas]
        scores = np.array([
            [[np.corrcoef(y[s, t], fit.predict(delayed[s])[:, t])[0, 1] for t in range(y.shape[1])] for fit in fits]
            for s in (slice(a, b), slice(b, c))
        ])  # fmt: skip
        best = scores[0].argmax(axis=0)
        chosen.append(alphas[best])
        r.append(scores[1][best, np.arange(y.shape[1])])
    return np.array(r), np.array(chosen)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_against_scikit_learn_on_the_joined_design(dtype: str) -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((403, 4)).astype(dtype)
    y = (np.roll(X[:, :2], 1, axis=0) + 2 * rng.standard_normal((403, 2))).astype(dtype)
    calls: list[tuple[int, int]] = []
    found = joined_cv(X, y, lags=range(3), standardize=False, progress=lambda i, n: calls.append((i, n)))
    r, alpha = by_hand(X.astype(np.float64), y.astype(np.float64), 3, ALPHAS, 5)
    np.testing.assert_allclose(found.r, r, atol=1e-4 if dtype == "float32" else 1e-9)
    if dtype == "float64":  # in float32 two λ may be as good as each other
        np.testing.assert_allclose(found.alpha, alpha)
    np.testing.assert_allclose(found.mean_squared_r, (r**2).mean(axis=0), atol=1e-4)
    assert calls[-1] == (5, 5)


def test_it_finds_something_in_noise_and_the_sound_way_does_not() -> None:
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((600, 5)), np.cumsum(rng.standard_normal((600, 40)), axis=0)  # slow, as recordings are
    joined = joined_cv(X, y, lags=range(4)).mean_squared_r
    sound = nested_cv(X, y, segments=[30] * 20, folds=np.arange(20) % 5, lags=range(4), alphas=ALPHAS).pooled_r2
    assert joined.min() > 0 and np.median(joined) > 0.005 and np.median(sound) <= 0


def test_word_rate_features_and_bad_input() -> None:
    rng = np.random.default_rng(2)
    values, counts = rng.standard_normal((50, 3)), np.full(50, 6)
    X = Repeated(values, counts)
    y = rng.standard_normal((300, 2))
    one, other = joined_cv(X, y, lags=range(2)), joined_cv(np.repeat(values, counts, axis=0), y, lags=range(2))
    np.testing.assert_allclose(one.r, other.r, atol=1e-8)
    with pytest.raises(InputError, match="n_folds"):
        joined_cv(X, y, lags=range(2), n_folds=100)
    with pytest.raises(InputError, match="NaN"):
        joined_cv(X, np.full((300, 1), np.nan), lags=range(2))
