"""Common and unique variance against planted shares, and against scikit-learn's ridge."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter
from sklearn.linear_model import Ridge

from heschl import InputError
from heschl.linear import common_variance, lagged_design
from tolerances import R2

Array = np.ndarray


def ar(rng: np.random.Generator, n: int, c: int, smooth: float) -> Array:
    return np.asarray(lfilter([np.sqrt(1 - smooth**2)], [1.0, -smooth], rng.standard_normal((n, c)), axis=0))


def mixed(rng: np.random.Generator, latents: Array, width: int) -> Array:
    """Latents seen through a random mixture of many features."""
    return latents @ rng.standard_normal((latents.shape[1], width)) / np.sqrt(latents.shape[1])


@pytest.mark.parametrize("shares", [(0.0, 0.0, 0.3), (0.15, 0.15, 0.15), (0.0, 0.3, 0.0)])
def test_planted_shares_are_found(shares: tuple[float, float, float]) -> None:
    """Of the first space alone, of the second alone and of both: each within .03."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(40, 100, 60)
    n, c = int(lengths.sum()), 12
    latents = ar(rng, n, 9, 0.5)
    first, second, both = np.split(latents, 3, axis=1)
    y = np.sqrt(1 - sum(shares)) * ar(rng, n, c, 0.9)
    for share, own in zip(shares, (first, second, both), strict=True):
        signal = own @ rng.standard_normal((3, c))
        y += np.sqrt(share) * signal / signal.std(axis=0)
    X = {"a": mixed(rng, np.hstack([first, both]), 12), "b": mixed(rng, np.hstack([second, both]), 12)}
    found = common_variance(
        X, y, segments=lengths, folds=rng.permutation(60) % 5, lags=[0], alphas=[1e-1, 1e2, 1e4, 1e6]
    )
    parts = ("unique_first", "unique_second", "common")
    for name, share in zip(parts, shares, strict=True):
        assert found.part(name).mean() == pytest.approx(share, abs=0.03), name
    assert found.part("both").mean() == pytest.approx(sum(found.part(name).mean() for name in parts))
    subjects = np.arange(12) // 3
    interval = found.over_subjects("common", subjects)
    assert interval.estimate == pytest.approx(found.part("common").mean()) and interval.n_stimuli == 60
    assert interval.low < interval.estimate < interval.high and interval.note == ""


def test_equals_scikit_learn_at_one_penalty_and_repeats_are_one_stimulus() -> None:
    rng = np.random.default_rng(1)
    lengths, groups = np.repeat([20, 25, 30, 22, 27, 21], 2), np.repeat([3, 1, 2, 0, 5, 4], 2)
    n, fold = int(lengths.sum()), np.repeat([0, 1, 2, 0, 1, 2], 2)
    a, b = rng.standard_normal((n, 2)), rng.standard_normal((n, 3))
    y = a[:, :1] + b[:, :2] + rng.standard_normal((n, 2))
    found = common_variance(
        {"a": a, "b": b}, y, segments=lengths, folds=fold, lags=range(2), alphas=[5.0], groups=groups, standardize=False
    )
    row = np.repeat(fold, lengths)
    for m, X in enumerate((a, b, np.hstack([a, b]))):
        design = lagged_design(X, range(2), segments=lengths)
        predicted, mean = np.empty_like(y), np.empty_like(y)
        for k in range(3):
            predicted[row == k] = Ridge(5.0).fit(design[row != k], y[row != k]).predict(design[row == k])
            mean[row == k] = y[row != k].mean(axis=0)
        stimulus = np.repeat(groups, lengths)
        expected, total = (
            np.array([((y - other) ** 2)[stimulus == s].sum(axis=0) for s in range(6)]) for other in (predicted, mean)
        )
        np.testing.assert_allclose(found.sse[m], expected, rtol=1e-6)
        np.testing.assert_allclose(found.total, total, rtol=1e-9)
    np.testing.assert_allclose(found.alphas, 5.0)
    np.testing.assert_array_equal(found.stimuli, np.arange(6))
    given = ((found.total - found.sse[2]).sum(0) / found.total.sum(0)) - found.part("first")
    np.testing.assert_allclose(found.part("unique_second"), given, atol=R2["float64"])


def test_learned_spaces_and_missing_responses() -> None:
    """Features learned in each training set give the same where nothing is learned; frames without response leave."""
    rng = np.random.default_rng(2)
    lengths, fold = np.full(12, 20), np.arange(12) % 3
    a, b, y = rng.standard_normal((240, 2)), rng.standard_normal((240, 2)), rng.standard_normal((240, 3))
    y[:, :1] += a[:, :1]
    y[30:45, 1], y[:20, 2] = np.nan, np.nan
    how: dict[str, Any] = {"segments": lengths, "folds": fold, "lags": [0], "alphas": [1.0, 100.0], "missing": "mask"}
    seen: list[tuple[int, int]] = []

    def learn(k: int, train: Array) -> dict[str, Any]:
        seen.append((k, int(train.sum())))
        return {"a": lambda: a, "b": lambda: b}

    calls: list[tuple[int, int]] = []
    learned = common_variance(learn, y, progress=lambda *at: calls.append(at), **how)
    given = common_variance({"a": a, "b": b}, y, **how)
    assert seen == [(0, 160), (1, 160), (2, 160)] and calls[-1][1] == 9
    np.testing.assert_allclose(learned.sse, given.sse, rtol=1e-9)
    np.testing.assert_array_equal(learned.alphas, given.alphas)
    assert np.isnan(given.sse[:, 0, 2]).all() and np.isfinite(given.part("common")).all()
    assert given.part("first")[0] > 0.3


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"spaces": {"a": np.ones((40, 2))}}, "spaces"),
        ({"spaces": [np.ones((40, 2))] * 2}, "spaces"),
        ({"spaces": {"a": np.ones((30, 2)), "b": np.ones((40, 2))}}, "spaces"),
        ({"y": np.ones((39, 1)), "segments": [13] * 3, "folds": [0, 1, 2]}, "X"),
        ({"folds": [0, 1, 0, 1]}, "folds"),
        ({"groups": [0]}, "groups"),
        ({"alphas": [0.0]}, "alphas"),
        ({"boundary": "wrap"}, "boundary"),
    ],
)
def test_bad_input_is_named(change: dict[str, Any], name: str) -> None:
    given = {"spaces": {"a": np.ones((40, 2)), "b": np.ones((40, 1))}, "y": np.ones((40, 1)), "segments": [10] * 4}
    given |= {"folds": [0, 1, 2, 0], "lags": range(2), "alphas": [1.0]} | change
    with pytest.raises(InputError, match=rf"^{name}: found"):
        common_variance(given.pop("spaces"), given.pop("y"), **given)
    with pytest.raises(InputError, match=r"^name: found"):
        common_variance(
            {"a": np.eye(9), "b": np.eye(9)}, np.arange(9.0)[:, None], segments=[3] * 3, folds=range(3), lags=[0],
            alphas=[1.0],
        ).part("shared")  # fmt: skip
