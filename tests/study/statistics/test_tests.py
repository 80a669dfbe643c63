"""Statistics over stimuli: they find what is there, and little where nothing is."""

from __future__ import annotations

import numpy as np
from scipy.stats import ttest_1samp

from heschl.study.statistics.tests import false_discovery_rate, prediction_p_values, quartiles


def test_p_values_are_conservative_where_the_model_only_adds_noise() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=(60, 30, 400))  # stimulus, frame, electrode
    noise = 0.2 * rng.normal(size=y.shape)
    p = prediction_p_values(np.square(y - noise).sum(axis=1), np.square(y).sum(axis=1))
    assert (p < 0.05).mean() < 0.05


def test_p_values_find_a_weak_prediction() -> None:
    rng = np.random.default_rng(1)
    signal = rng.normal(size=(60, 30, 50))
    y = 0.3 * signal + rng.normal(size=signal.shape)
    p = prediction_p_values(np.square(y - 0.3 * signal).sum(axis=1), np.square(y).sum(axis=1))
    assert (p < 0.001).all()


def test_no_p_value_without_errors() -> None:
    sse = np.full((5, 2), np.nan)
    assert np.isnan(prediction_p_values(sse, sse)).all()
    assert np.isnan(prediction_p_values(np.zeros((5, 1)), np.zeros((5, 1)))).all()


def test_false_discovery_rate_leaves_nan_out() -> None:
    q = false_discovery_rate(np.array([0.01, np.nan, 0.04]))
    np.testing.assert_allclose(q, [0.02, np.nan, 0.04])
    assert np.isnan(false_discovery_rate(np.array([np.nan]))).all()


def test_quartiles_of_what_is_finite() -> None:
    assert quartiles(np.array([1.0, 2, 3, 4, 5, np.nan])) == (3, 2, 4)
    assert np.isnan(quartiles(np.array([np.nan]))).all()


def test_p_values_are_those_of_a_t_test_over_stimuli() -> None:
    rng = np.random.default_rng(2)
    sse, mean_sse = rng.chisquare(50, (30, 200)), rng.chisquare(50, (30, 200))
    p = prediction_p_values(sse, mean_sse)
    np.testing.assert_allclose(p, ttest_1samp(mean_sse - sse, 0.0, alternative="greater").pvalue)
    assert 0.4 < p.mean() < 0.6  # uniform where neither errs more: halved, they would not be
