"""The exchange test against the analysis repeated from scratch, and what it finds where there is nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter
from sklearn.linear_model import Ridge

from heschl import InputError, lagged_design
from heschl.linear import exchange_test, permutation_test
from heschl.linear.design.permuter import Permuter
from heschl.linear.design.time_course import beyond_length
from heschl.linear.nulls import exchange
from tolerances import R2

LAGS = range(3)
Array = np.ndarray


def bounds_of(lengths: Array) -> Array:
    ends = np.cumsum(lengths)
    return np.stack([ends - lengths, ends], axis=1).astype(np.int64)


def out_of_fold(
    X: Array, y: Array, row: Array, keep: Array, lengths: Array, alphas: Array, held_out: tuple[int, ...], test: int
) -> Array:
    """Predictions of one target in fold `test` at every λ, by a model that never saw the folds held out: (α, rows)."""
    heard = X[~np.isin(row, held_out)]
    design = lagged_design((X - heard.mean(0)) / heard.std(0), LAGS, segments=lengths)
    train, rows = ~np.isin(row, held_out) & keep, (row == test) & keep
    return np.array([Ridge(alpha=a).fit(design[train], y[train]).predict(design[rows]) for a in alphas])


def plain(layers: list[Array], y: Array, fold: Array, lengths: Array, alphas: Array, keep: Array) -> float:
    """Covariance over variance of one target, λ and layer chosen on inner folds by r."""
    row, K = np.repeat(fold, lengths), int(fold.max()) + 1
    covariance = variance = 0.0
    for j in range(K):
        best: tuple[float, Array] = (-np.inf, np.empty(0))
        for X in layers:
            scores = []
            for k in set(range(K)) - {j}:
                actual = y[(row == k) & keep]
                predicted = out_of_fold(X, y, row, keep, lengths, alphas, (j, k), k)
                scores.append([np.corrcoef(actual, each)[0, 1] for each in predicted])
            inner = np.mean(scores, axis=0)
            if inner.max() > best[0]:
                found = out_of_fold(X, y, row, keep, lengths, alphas, (j,), j)[inner.argmax()]
                best = (float(inner.max()), found)
        actual = y[(row == j) & keep] - y[(row == j) & keep].mean()
        covariance += actual @ best[1]
        variance += actual @ actual
    return covariance / variance


def test_equals_the_analysis_from_scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    """λ and layer again for each permutation, rows cropped alike, in blocks of permutations too."""
    rng = np.random.default_rng(0)
    lengths, fold = np.array([20, 21, 30, 22, 31, 33, 20, 32, 21]), np.arange(9) % 3
    n, alphas = int(lengths.sum()), np.array([1.0, 30.0, 1000.0])
    layers = [rng.standard_normal((n, d)) for d in (2, 3)]
    y = rng.standard_normal((n, 3)) + layers[1][:, :1] * [1.0, 0.3, 0.0]
    how: dict[str, Any] = {"segments": lengths, "folds": fold, "lags": LAGS, "alphas": alphas, "random_state": 5,
                           "statistic": "covariance"}  # fmt: skip
    found = exchange_test({"space": layers}, y, n_permutations=4, **how)["space"]
    permuter, draws = Permuter.of(bounds_of(lengths), fold, None), np.random.default_rng(5)
    assert 0 < permuter.cropped < 0.1
    left = beyond_length(y, bounds_of(lengths))
    rows = [np.arange(n), *(permuter.rows(permuter.draw(draws)) for _ in range(4))]
    expected = np.array([
        [plain(layers, left[move, j], fold, lengths, alphas, permuter.keep) for j in range(3)] for move in rows
    ])  # fmt: skip
    np.testing.assert_allclose(np.concatenate([found.observed[None], found.null]), expected, atol=R2["float64"])
    monkeypatch.setattr(exchange, "RESPONSE_BYTES", 2 * exchange.COPIES * y.nbytes)
    calls: list[tuple[int, int]] = []
    parts = exchange_test({"space": layers}, y, n_permutations=4, progress=lambda *at: calls.append(at), **how)["space"]
    np.testing.assert_allclose(parts.null, found.null, atol=R2["float64"])
    assert calls == [(2, 5), (4, 5), (5, 5)]


def ar(rng: np.random.Generator, n: int, c: int, smooth: float) -> Array:
    return np.asarray(lfilter([np.sqrt(1 - smooth**2)], [1.0, -smooth], rng.standard_normal((n, c)), axis=0))


def world(seed: int, *, layers: int = 1, course: float = 0.0, share: float = 0.0, c: int = 30) -> tuple[Any, ...]:
    """Features, responses, lengths and folds of 30 stimuli; `course`: variance of a common time course."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(20, 50, 30)
    n, time = int(lengths.sum()), np.concatenate([np.arange(length) for length in lengths])
    X = [ar(rng, n, 4, 0.6) for _ in range(layers)]
    y = ar(rng, n, c, 0.9)
    onset = (np.exp(-time / 6.0) - np.exp(-time / 6.0).mean()) / np.exp(-time / 6.0).std()
    if course:
        for H in X:
            H[:, 0] += onset
        y = np.sqrt(1 - course) * y + np.sqrt(course) * onset[:, None]
    if share:
        y = np.sqrt(1 - share) * y + np.sqrt(share) * X[0] @ np.linalg.qr(rng.standard_normal((4, 4)))[0][:, :1]
    return X, y, lengths, rng.permutation(30) % 4


def p_values(worlds: range, **kind: Any) -> tuple[Array, Array]:
    """p (worlds, c) and the smallest p by the maximum of each world."""
    p, smallest = [], []
    for seed in worlds:
        X, y, lengths, fold = world(seed, **kind)
        found = exchange_test(
            {"space": X}, y, segments=lengths, folds=fold, lags=LAGS, alphas=np.logspace(0, 6, 4),
            n_permutations=39, random_state=seed, device="cpu",
        )["space"]  # fmt: skip
        p.append(found.p_values)
        smallest.append(np.nanmin(found.p_values_max))
    return np.array(p), np.array(smallest)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("course", [0.0, 0.1])
def test_electrodes_that_follow_nothing_are_found_as_often_as_said(layers: int, course: float) -> None:
    """Also where they, and the features, follow what all stimuli have in common; see bench/nulls_calibration.py."""
    p, smallest = p_values(range(12), layers=layers, course=course)
    rate = (p <= 0.05).mean(axis=1)
    assert abs(rate.mean() - 0.05) < 4 * max(rate.std() / 12**0.5, 0.01)
    assert (p <= 0.5).mean() == pytest.approx(0.5, abs=0.12)
    assert (smallest <= 0.05).sum() <= 4  # of 12, 5 % each: more than four once in 5,000


def test_the_end_and_the_length_of_a_stimulus_are_no_evidence() -> None:
    """Lengths of stimuli that change places differ a little; see `beyond_length`."""
    rates = []
    for seed in range(4):
        X, y, lengths, fold = world(seed, c=20)
        size = np.repeat((lengths - lengths.mean()) / lengths.std(), lengths)[:, None]
        until = np.concatenate([np.arange(length)[::-1] for length in lengths])
        for course in (size, 3 * np.exp(-until / 6.0)[:, None]):
            found = permutation_test(
                X[0] + course, y + course, segments=lengths, folds=fold, lags=LAGS, alphas=np.logspace(0, 6, 4),
                n_permutations=39, random_state=seed, device="cpu",
            )  # fmt: skip
            rates.append((found.p_values <= 0.05).mean())
    assert np.mean(rates) < 0.12


def test_what_follows_the_features_is_found() -> None:
    p, smallest = p_values(range(4), share=0.1, course=0.1)
    assert (p <= 0.05).mean() > 0.5 and (smallest <= 0.05).all()


def test_the_maximum_runs_over_spaces_and_neither_decides_it_alone() -> None:
    X, y, lengths, fold = world(3, layers=2)
    y[:, 0] += 2 * X[1][:, 1]
    how: dict[str, Any] = {"segments": lengths, "folds": fold, "lags": LAGS, "alphas": [1.0, 100.0, 1e4]}
    both = exchange_test({"a": X[0], "b": X[1]}, y, n_permutations=199, random_state=0, **how)
    alone = exchange_test({"b": X[1]}, y, n_permutations=199, random_state=0, **how)["b"]
    np.testing.assert_array_equal(both["b"].p_values, alone.p_values)
    assert both["b"].p_values_max[0] == 0.005 and both["b"].p_fitted_max[0] < 0.005
    assert both["a"].p_values_max.min() > 0.05
    assert (both["b"].p_values_max >= alone.p_values_max).mean() > 0.8
    assert both["a"].null.shape == (199, 30) and both["a"].p_limits.shape == (30, 2)


def test_repeats_move_together_and_responses_stay_in_their_session() -> None:
    """What a stimulus evokes in all its repeats alike is no evidence, nor what a session has in common."""
    found = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        lengths, groups = np.repeat(rng.integers(20, 30, 20), 2), np.repeat(np.arange(20), 2)
        sessions = (groups >= 10).astype(int)
        n, stimulus = int(lengths.sum()), np.repeat(groups, lengths)
        later = (stimulus >= 10)[:, None]
        X = rng.standard_normal((20, 3))[stimulus] + later
        y = rng.standard_normal((20, 10))[stimulus] + 3 * later + rng.standard_normal((n, 10))
        how: dict[str, Any] = {"segments": lengths, "folds": groups % 4, "lags": [0], "alphas": [1.0, 100.0, 1e4]}
        test = [
            permutation_test(X, y, n_permutations=39, random_state=seed, **how, **own).p_values
            for own in ({"groups": groups, "sessions": sessions}, {})
        ]  # fmt: skip
        found.append([(p <= 0.05).mean() for p in test])
    held, naive = np.mean(found, axis=0)
    assert held < 0.13 and naive > 0.5


def test_missing_responses_and_one_penalty_for_all() -> None:
    X, y, lengths, fold = world(2, c=4)
    y[:, 0] += 2 * X[0][:, 1]
    y[5:60, 1] = np.nan
    y[:, 3] = 1.0
    how: dict[str, Any] = {"segments": lengths, "folds": fold, "lags": LAGS, "alphas": [1.0, 100.0]}
    for per_target in (True, False):
        found = exchange_test(
            {"a": X}, y, missing="mask", n_permutations=19, random_state=0, alpha_per_target=per_target, **how
        )["a"]  # fmt: skip
        assert found.p_values[0] == 0.05 and np.isfinite(found.p_values[:3]).all() and np.isnan(found.p_values[3])
    with pytest.raises(InputError, match=r"^y: found"):
        exchange_test({"a": X}, y, n_permutations=19, **how)


@pytest.mark.parametrize("statistic", exchange.statistics())
def test_every_statistic_finds_a_planted_effect(statistic: str) -> None:
    X, y, lengths, fold = world(4, c=3)
    y[:, 0] += X[0][:, 1]
    found = permutation_test(
        X, y, segments=lengths, folds=fold, lags=LAGS, alphas=[1.0, 100.0], statistic=statistic, n_permutations=39,
        random_state=0,
    )  # fmt: skip
    assert found.p_values[0] == 0.025 and found.statistic == statistic


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"spaces": {}}, "spaces"),
        ({"spaces": np.ones((40, 2))}, "spaces"),
        ({"statistic": "R2"}, "statistic"),
        ({"n_permutations": 0}, "n_permutations"),
        ({"folds": [0, 1, 0, 1]}, "folds"),
        ({"sessions": [0, 1, 2, 3]}, "segments"),
        ({"groups": [0, 0, 1, 1]}, "folds"),
        ({"y": np.ones((39, 1))}, "y"),
        ({"alphas": [0.0]}, "alphas"),
    ],
)
def test_bad_input_is_named(change: dict[str, Any], name: str) -> None:
    given = {"spaces": {"a": np.ones((40, 2))}, "y": np.ones((40, 1)), "segments": [10] * 4, "folds": [0, 1, 2, 0]}
    given |= {"lags": range(2), "alphas": [1.0]} | change
    with pytest.raises(InputError, match=f"^{name}: found"):
        exchange_test(given.pop("spaces"), given.pop("y"), **given)


def test_nulls_that_do_not_hold_are_refused() -> None:
    X, y, lengths, fold = world(0, c=1)
    how: dict[str, Any] = {"segments": lengths, "folds": fold, "lags": LAGS}
    with pytest.raises(InputError, match=r"^null: found 'scores'"):
        permutation_test(X[0], y, null="scores", alphas=[1.0], **how)
    with pytest.raises(InputError, match=r"^alphas: found 2 penalties"):
        permutation_test(X[0], y, null="refit", alphas=[1.0, 2.0], **how)
    assert 0 < permutation_test(X[0], y, null="refit", alphas=[1.0], n_permutations=9, **how).p_values[0] <= 1
