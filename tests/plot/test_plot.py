"""Plots draw the numbers they are given, on the axes they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import heschl
from heschl import InputError, LaggedRidge, LaggedRidgeCV
from heschl.linear import nested_cv

RNG = np.random.default_rng(0)
X = RNG.standard_normal((600, 8))
Y = X[:, :2] + RNG.standard_normal((600, 2))


def axes(n: int = 1) -> Any:
    return Figure().subplots(1, n)


def test_a_trf_is_lines_or_an_image_of_its_weights() -> None:
    model = LaggedRidge(tmin=0, tmax=0.1, sfreq=100).fit(X, Y)
    ax = heschl.plot_trf(model, target=1, features=[0, "x3"], ax=axes())
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), model.coef_[1, 3])
    np.testing.assert_allclose(ax.lines[0].get_xdata(), np.arange(11) / 100)
    image = heschl.plot_trf(model, ax=axes()).images[0]
    np.testing.assert_array_equal(image.get_array(), model.coef_[0])
    assert image.get_clim() == pytest.approx((-np.abs(model.coef_[0]).max(), np.abs(model.coef_[0]).max()))
    for wrong in ({"target": 2}, {"target": "STG"}, {"features": [8]}, {"kind": "pie"}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            heschl.plot_trf(model, ax=axes(), **wrong)


def test_scores_are_means_over_folds_with_median_and_quartiles() -> None:
    scored = nested_cv(X, Y, segments=[60] * 10, folds=np.arange(10) % 5, lags=[0], alphas=[1.0, 10.0])
    ax = heschl.plot_scores({"a": scored, "b": [0.1, 0.2, np.nan]}, baseline={"a": [0.0, 0.01]}, ax=axes())
    heights = [np.sort(points.get_offsets()[:, 1]) for points in ax.collections]
    np.testing.assert_allclose(heights[0], np.sort(scored.r2.mean(axis=0)))
    np.testing.assert_allclose(heights[1], [0.0, 0.01])
    np.testing.assert_allclose(heights[2], [0.1, 0.2])
    model = LaggedRidgeCV(lags=[0], alphas=[1.0], cv=3, nested=True, scoring="r").fit(X, Y, segments=[60] * 10)
    ax = heschl.plot_scores(model, ax=axes())
    assert ax.get_ylabel() == "r"
    np.testing.assert_allclose(np.sort(ax.collections[0].get_offsets()[:, 1]), np.sort(model.test_scores_.mean(axis=0)))
    for nothing in ("words", np.zeros((2, 2, 2))):
        with pytest.raises(InputError, match="scores of"):
            heschl.plot_scores(nothing, ax=axes())


def test_penalties_at_an_end_are_hollow() -> None:
    with pytest.warns(heschl.AlphaEdgeWarning):
        model = LaggedRidgeCV(lags=[0], alphas=[1e5, 10.0, 1e9], cv=3).fit(X, Y, segments=[60] * 10)
    filled, hollow = heschl.plot_alphas(model, ax=axes()).collections
    assert len(filled.get_offsets()) == 0 and len(hollow.get_offsets()) == 2
    np.testing.assert_allclose(hollow.get_offsets()[:, 1], model.cv_scores_.max(axis=0))
    with pytest.raises(InputError, match="model: found LaggedRidge"):
        heschl.plot_alphas(LaggedRidge(), ax=axes())


def test_layers_are_medians_over_targets() -> None:
    layers = RNG.random((4, 30))
    ax = heschl.plot_layers({"wav2vec2": layers, "gpt2": layers + 1}, ax=axes())
    np.testing.assert_allclose(ax.lines[1].get_ydata(), np.median(layers + 1, axis=1))
    with pytest.raises(InputError, match=r"\(n_layers, n_targets\)"):
        heschl.plot_layers(layers[0], ax=axes())


def test_electrodes_of_each_hemisphere_on_its_own_axes() -> None:
    places = np.array([[-0.06, 0, 0], [-0.05, 0.5, 0], [0.06, 0, 0], [np.nan] * 3])
    left, right = heschl.plot_brain(places, [0.1, np.nan, 0.3, 0.2], axes=axes(2))
    assert left.get_title() == "left, 2 electrodes" and right.get_title() == "right, 1 electrodes"
    with pytest.raises(InputError, match="in m"):
        heschl.plot_brain([[60.0, 0, 0]], [0.1], axes=axes(2))
    with pytest.raises(InputError, match="values"):
        heschl.plot_brain(places, [0.1], axes=axes(2))
