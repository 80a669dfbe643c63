"""Trials as lists of arrays and as trial × time × column: the same as frames with the lengths of their segments."""

from __future__ import annotations

import numpy as np
import pytest

from heschl import BandedRidgeCV, InputError, LaggedRidge, LaggedRidgeCV
from heschl.linear import permutation_test, unique_variance

LENGTHS = [30] * 8


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((240, 3))
    return X, X[:, :2] + rng.standard_normal((240, 2))


def test_three_axes_and_lists_are_segments(data: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = data
    expected = LaggedRidge(1.0, lags=[0, 1, 2]).fit(X, y, segments=LENGTHS)
    for trials in (lambda values: values.reshape(8, 30, -1), lambda values: list(values.reshape(8, 30, -1))):
        found = LaggedRidge(1.0, lags=[0, 1, 2]).fit(trials(X), trials(y))
        np.testing.assert_array_equal(found.coef_, expected.coef_)
        np.testing.assert_array_equal(found.predict(trials(X)), expected.predict(X, segments=LENGTHS))
        assert found.score(trials(X), trials(y)) == expected.score(X, y, segments=LENGTHS)


def test_uneven_trials_are_a_list(data: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = data
    cuts = [50, 120]
    found = LaggedRidgeCV(lags=[0, 1], cv=3).fit(np.split(X, cuts), np.split(y, cuts))
    expected = LaggedRidgeCV(lags=[0, 1], cv=3).fit(X, y, segments=[50, 70, 120])
    np.testing.assert_array_equal(found.coef_, expected.coef_)


def test_other_trials_are_refused(data: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = data
    with pytest.raises(InputError, match="those of X: 8 trials"):
        LaggedRidge(1.0).fit(X.reshape(8, 30, 3), y.reshape(6, 40, 2))
    with pytest.raises(InputError, match="one width"):
        LaggedRidge(1.0).fit([X[:100], X[100:, :2]], y)


def test_milliseconds_for_seconds_are_refused(data: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(InputError, match=r"10,001 lags at 50 Hz.*seconds.*tmax=0\.2"):
        LaggedRidge(1.0, tmin=0, tmax=200, sfreq=50).fit(*data)


def test_unique_variance_says_which_estimator(data: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(InputError, match=r"LaggedRidgeCV.*BandedRidgeCV"):
        unique_variance(LaggedRidgeCV(), *data)  # type: ignore[arg-type]
    assert unique_variance(BandedRidgeCV({"a": [0], "b": [1, 2]}, lags=[0]), *data).unique.shape == (2, 2)


def test_a_permutation_test_takes_an_estimator_seconds_and_a_number_of_folds(
    data: tuple[np.ndarray, np.ndarray],
) -> None:
    X, y = data
    how = {"segments": LENGTHS, "n_permutations": 19, "random_state": 0}
    expected = permutation_test(X, y, lags=range(3), alphas=[1.0, 10.0], cv=4, **how)
    model = LaggedRidgeCV(tmin=0.0, tmax=0.04, sfreq=50.0, alphas=[1.0, 10.0], cv=4, standardize=True)
    for found in (
        permutation_test(X, y, estimator=model, **how),
        permutation_test(X, y, tmin=0.0, tmax=0.04, sfreq=50.0, alphas=[1.0, 10.0], cv=4, **how),
    ):
        np.testing.assert_array_equal(found.p_values, expected.p_values)
    with pytest.raises(InputError, match="alphas"):
        permutation_test(X, y, lags=range(3), **how)
    with pytest.raises(InputError, match="LaggedRidge"):
        permutation_test(X, y, estimator="ridge", **how)
    with pytest.raises(InputError, match="segments"):
        permutation_test(X, y, lags=range(3), alphas=[1.0])
