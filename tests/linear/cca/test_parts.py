"""Features learned in each training set: canonical parts, residual context, probes, and their nested scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from heschl import CCA, InputError
from heschl.linear import SharedParts, nested_cv, nested_cv_learned, probe, residual
from heschl.linear.cca.parts import level
from heschl.linear.moments.formulas import column_correlations

N, LENGTHS = 600, [30] * 20
FOLDS = np.arange(20) % 5
HOW: dict[str, Any] = {"segments": LENGTHS, "folds": FOLDS, "lags": range(2)}


def layers(seed: int = 0, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two models of 8 and 6 features that share two latents."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((N, 2))
    A = np.hstack([z, rng.standard_normal((N, 6))]) @ rng.standard_normal((8, 8)) + 3
    B = np.hstack([z + noise * rng.standard_normal((N, 2)), rng.standard_normal((N, 4))]) @ rng.standard_normal((6, 6))
    return A, B, z


def test_what_is_learned_of_nothing_is_nested_cv() -> None:
    A, B, _ = layers()
    y = (A[:, :2] + B[:, :2]).astype(np.float32)
    seen: list[int] = []

    def learn(k: int, train: np.ndarray) -> dict[str, Any]:
        seen.append(k)
        np.testing.assert_array_equal(train, np.repeat(FOLDS, 30) != k)
        return {"A": lambda: A, "B": lambda: B.astype(np.float32)}

    calls: list[tuple[int, int]] = []
    found = nested_cv_learned(learn, y, alphas=[1, 100], progress=lambda i, n: calls.append((i, n)), **HOW)
    assert seen == list(range(5)) and calls == [(i, 10) for i in range(1, 11)]
    for name, X in (("A", A), ("B", B.astype(np.float32))):
        whole = nested_cv(X, y, alphas=[1, 100], **HOW)
        for field in ("r2", "r", "alpha", "inner_r2", "sst", "pooled_r2", "edge"):
            np.testing.assert_allclose(getattr(found[name], field), getattr(whole, field), atol=1e-5)
        np.testing.assert_allclose(found[name].predictions, whole.predictions, atol=1e-4)


@pytest.mark.parametrize("coords", ["variates", "features"])
def test_top_and_rest_together_are_everything(coords: str) -> None:
    A, B, _ = layers()
    spoken = np.arange(N) % 30 > 4
    y = A @ np.random.default_rng(1).standard_normal((8, 3)) + np.random.default_rng(2).standard_normal((N, 3))
    parts = SharedParts.learn(CCA(2), A, B, np.arange(N) < 400, spoken=spoken)
    top, rest, all_ = (parts.features("a", A, part, coords) for part in ("top", "rest", "all"))
    if coords == "variates":
        assert top.shape == (N, 2) and rest.shape == (N, 6) and not all_[~spoken].any()
        np.testing.assert_allclose(np.hstack([top, rest]), all_, atol=1e-12)
        np.testing.assert_allclose(parts.features("a", A, "top", k=1), top[:, :1], atol=1e-12)
    else:
        np.testing.assert_allclose(top + rest - parts.cca.x_mean_, all_, atol=1e-10)
        np.testing.assert_allclose(all_[spoken], A[spoken], atol=1e-10)
        assert np.linalg.matrix_rank(top - top[0], tol=1e-8) == 2
        joined = np.hstack([top, rest])
        assert joined.shape == (N, 16)
    # Without a penalty the split predicts what the layer itself predicts.
    how = {**HOW, "alphas": [1e-6], "standardize": False, "boundary": "drop"}  # 0 is another value in each coordinates
    masked = np.where(spoken[:, None], A, parts.cca.x_mean_)
    a, b = (nested_cv(X, y, **how).r2 for X in (np.hstack([top, rest]), masked))
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_training_correlations_lie_and_held_out_ones_do_not() -> None:
    rng = np.random.default_rng(3)
    A, B = rng.standard_normal((N, 40)), rng.standard_normal((N, 30))
    train = np.arange(N) < 480
    parts = SharedParts.learn(CCA(5), A, B, train)
    assert parts.cca.correlations_[0] > 0.4 and np.abs(parts.held_out(A, B, ~train)).max() < 0.3
    everywhere = SharedParts.learn(CCA(5), A, B, np.ones(N, dtype=bool))  # scope="all": the test rows had a part
    assert everywhere.held_out(A, B, ~train)[0] > 0.35
    A, B, _ = layers(noise=0.1)
    assert SharedParts.learn(CCA(2), A, B, train).held_out(A, B, ~train).min() > 0.9


def test_words_are_means_over_their_frames() -> None:
    A, B, _ = layers()
    words = np.array([[i, i + 3 + i % 4] for i in range(2, N - 10, 9)] + [[N - 1, N]])
    means = np.stack([A[start:stop].mean(axis=0) for start, stop in words])
    np.testing.assert_allclose(level(A, np.ones(N, dtype=bool), words), means, atol=1e-12)
    train = np.arange(N) < 300
    found = SharedParts.learn(CCA(2), A, B, train, words=words)
    first = words[:, 0] < 300
    expected = CCA(2).fit(means[first], np.stack([B[start:stop].mean(axis=0) for start, stop in words[first]]))
    np.testing.assert_allclose(found.cca.correlations_, expected.correlations_, atol=1e-10)
    assert found.held_out(A, B, ~train, words).shape == (2,)
    with pytest.raises(InputError, match="no row with a word"):
        SharedParts.learn(CCA(2), A, B, train, spoken=~train)


def test_residual_context_is_what_the_words_do_not_say() -> None:
    rng = np.random.default_rng(4)
    base, context = rng.standard_normal((N, 5)), rng.standard_normal((N, 2))
    X = base @ rng.standard_normal((5, 7)) + context @ rng.standard_normal((2, 7)) + 1
    train = np.arange(N) < 400
    found = residual(X, base, train)
    np.testing.assert_allclose(found[train].T @ base[train], 0, atol=1e-8)
    np.testing.assert_allclose(found[train].mean(axis=0), 0, atol=1e-10)
    W = np.linalg.lstsq(np.hstack([base, np.ones((N, 1))])[train], X[train], rcond=None)[0]
    np.testing.assert_allclose(found, X - np.hstack([base, np.ones((N, 1))]) @ W, atol=1e-9)
    shrunk = residual(X, base, train, reg=1e9)
    np.testing.assert_allclose(shrunk, X - X[train].mean(axis=0), atol=1e-3)
    assert residual(X.astype(np.float32), base, train).dtype == np.float32


def test_probes_predict_by_what_they_share_and_the_degenerate_one_is_refused() -> None:
    rng = np.random.default_rng(5)
    z = rng.standard_normal((N, 4))
    shared, spoken, train = z @ rng.standard_normal((4, 4)), np.ones(N, dtype=bool), np.arange(N) < 400
    meaning = np.hstack([z[:, :1], rng.standard_normal((N, 3))]) @ rng.standard_normal((4, 4))
    sound = np.hstack([z[:, 1:2], rng.standard_normal((N, 5))]) @ rng.standard_normal((6, 6))
    own = {
        n: probe(shared, X, train, spoken=spoken, n_components=3) for n, X in (("meaning", meaning), ("sound", sound))
    }
    assert own["meaning"].shape == own["sound"].shape == (N, 3)
    assert np.corrcoef(own["meaning"][:, 0], z[:, 0])[0, 1] ** 2 > 0.9
    for X in (meaning, sound):  # all variates of the shared side: the same space, whatever the probe
        theirs = CCA(4).fit(shared[train], X[train]).transform(shared)
        both = np.hstack([theirs, shared])
        assert np.linalg.matrix_rank(both - both.mean(axis=0), tol=1e-8) == 4
    with pytest.raises(InputError, match='side: found "shared" with 4 of 4'):
        probe(shared, meaning, train, spoken=spoken, n_components=4, side="shared")
    with pytest.raises(InputError, match="n_components: found 4 variates of a probe of 4 directions"):
        probe(shared, meaning, train, spoken=spoken)
    whole = probe(shared, meaning, train, spoken=spoken, whole=True)
    both = np.hstack([whole, meaning])
    assert np.linalg.matrix_rank(both - both.mean(axis=0), tol=1e-8) == 4  # a rotation of the probe
    one = probe(shared, meaning, train, spoken=spoken, n_components=1, side="shared")
    assert one.shape == (N, 1) and np.corrcoef(one[:, 0], z[:, 0])[0, 1] ** 2 > 0.9
    silent = spoken & (np.arange(N) % 3 > 0)
    assert not probe(shared, meaning, train, spoken=silent, n_components=2)[~silent].any()


def test_planted_electrodes_are_found_where_they_belong() -> None:
    A, B, z = layers(noise=0.2)
    rng = np.random.default_rng(6)
    y = np.stack([z[:, 0], A @ rng.standard_normal(8)], axis=1) + 0.3 * rng.standard_normal((N, 2))

    def learn(k: int, train: np.ndarray) -> dict[str, Any]:
        parts = SharedParts.learn(CCA(2), A, B, train)
        return {part: lambda part=part: parts.features("a", A, part) for part in ("top", "rest", "all")}

    found = {name: scores.pooled_r2 for name, scores in nested_cv_learned(learn, y, alphas=[1, 10], **HOW).items()}
    assert found["top"][0] > 0.8 and found["rest"][0] < 0.05
    assert found["rest"][1] > 0.3 and found["all"][1] > found["top"][1]


def test_correlations_of_constants_are_nan() -> None:
    a = np.random.default_rng(7).standard_normal((10, 2))
    a[:, 1] = 1
    assert np.isnan(column_correlations(a, a)[1]) and column_correlations(a, a)[0] == pytest.approx(1)
