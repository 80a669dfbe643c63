"""[encoding] scoring: inner folds choose λ and layer by any score of the table, and by that one alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heschl.checks import InputError
from heschl.linear import nested_cv
from heschl.linear.crossval.scores import SCORES
from heschl.study.analyses.fits.encoding import best_layers, fit_layer
from heschl.study.config.encoding import Encoding
from heschl.study.config.study import read_study
from heschl.study.inputs.groups import FitGroup
from heschl.study.inputs.load import load_inputs
from heschl.study.inputs.targets import fit_groups
from heschl.timing.grid import FrameGrid


@pytest.fixture(scope="module")
def group(cohort: Path) -> FitGroup:
    return fit_groups(load_inputs(cohort), FrameGrid.from_rate(50.0))[0]


@pytest.mark.parametrize("scoring", SCORES)
def test_any_score_chooses(group: FitGroup, scoring: str) -> None:
    X = np.random.default_rng(0).standard_normal((sum(group.lengths), 3)).astype(np.float32)
    settings = Encoding(tmin=0.0, tmax=0.08, alphas=[1.0, 1e2, 1e4], folds=3, scoring=scoring)
    fit = fit_layer(X, group, settings, 50.0)
    expected = nested_cv(
        X, group.targets, segments=group.lengths, folds=group.folds, lags=settings.lags(50.0),
        alphas=settings.alpha_grid(), scoring=scoring, missing="mask",
    )  # fmt: skip
    np.testing.assert_array_equal(fit.alpha, expected.alpha)
    np.testing.assert_array_equal(fit.inner_score, expected.inner_score)


def test_a_layer_is_chosen_by_the_score_and_not_by_r2(group: FitGroup) -> None:
    X = np.random.default_rng(0).standard_normal((sum(group.lengths), 3)).astype(np.float32)
    first = fit_layer(X, group, Encoding(alphas=[1e2], folds=3, tmax=0.02), 50.0)
    second = replace(first, inner_score=first.inner_score + 1.0, inner_r2=first.inner_r2 - 1.0)
    chosen = best_layers([first, second], group).layer
    assert (chosen[np.isfinite(first.inner_score)] == 1).all()


def test_an_unknown_score_is_refused(own_cohort: Path) -> None:
    own_cohort.write_text(own_cohort.read_text().replace("[encoding]", '[encoding]\nscoring = "best"'))
    with pytest.raises(InputError, match=r"encoding\.scoring.*r2, pooled_r2, r, r_squared"):
        read_study(own_cohort)
