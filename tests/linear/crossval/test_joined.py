"""The published practice against plain NumPy on the joined, delayed design; and what it makes of noise."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import KFold

from heschl import InputError, Repeated
from heschl.linear import joined_cv, nested_cv
from heschl.linear.crossval.joined import ALPHAS
from tolerances import PUBLISHED


def published(
    X: np.ndarray, y: np.ndarray, n_lags: int, alphas: np.ndarray, n_folds: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """Do what the published code is described to do, in plain NumPy: no centring, no scaling, eigh of X'X."""
    delayed = np.hstack([np.vstack([np.zeros((k, X.shape[1])), X[: len(X) - k]]) for k in range(n_lags)])
    r, chosen = [], []
    for train, held_out in KFold(n_folds).split(delayed):
        half = round(len(held_out) / 2)
        values, vectors = np.linalg.eigh(delayed[train].T @ delayed[train])
        projected = vectors.T @ (delayed[train].T @ y[train])
        scores = []
        for rows in (held_out[:half], held_out[half:]):
            fits = [delayed[rows] @ vectors @ (projected / (values + alpha)[:, None]) for alpha in alphas]
            scores.append([[np.corrcoef(a, b)[0, 1] for a, b in zip(y[rows].T, fit.T, strict=True)] for fit in fits])
        best = np.argmax(scores[0], axis=0)
        chosen.append(alphas[best])
        r.append(np.array(scores[1])[best, np.arange(y.shape[1])])
    return np.array(r), np.array(chosen)


@pytest.mark.parametrize(("n", "dtype"), [(400, "float64"), (403, "float64"), (407, "float32"), (45, "float64")])
@pytest.mark.parametrize(("mean", "scale"), [(0.0, 1.0), (3.0, 0.1)])
def test_the_published_practice_to_the_last_digit(n: int, dtype: str, mean: float, scale: float) -> None:
    """Frames left over by the folds, halves of odd folds, features and responses that are not centred."""
    rng = np.random.default_rng(0)
    X = (scale * rng.standard_normal((n, 4)) * np.geomspace(0.1, 1, 4) + mean).astype(dtype)
    y = (np.roll(X[:, :2], 1, axis=0) / scale + 2 * rng.standard_normal((n, 2)) + 1).astype(dtype)
    calls: list[tuple[int, int]] = []
    found = joined_cv(X, y, lags=range(3), progress=lambda i, n: calls.append((i, n)))
    r, alpha = published(X.astype(np.float64), y.astype(np.float64), 3, ALPHAS)
    np.testing.assert_allclose(found.r, r, atol=PUBLISHED)
    np.testing.assert_allclose(found.alpha, alpha)
    np.testing.assert_allclose(found.mean_squared_r, (r**2).mean(axis=0), atol=PUBLISHED)
    assert calls[-1] == (5, 5)


def test_centred_and_scaled_where_that_is_asked_for() -> None:
    rng = np.random.default_rng(3)
    X, noise = rng.standard_normal((400, 4)) * np.geomspace(0.1, 1, 4) + 2, rng.standard_normal((400, 2))
    y = X[:, :2] + noise
    r, _ = published(X, y, 3, ALPHAS)
    for options in ({"fit_intercept": True}, {"standardize": True}):
        found = joined_cv(X, y, lags=range(3), **options)
        assert np.abs(found.r - r).max() > 1e-3, options


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
