"""One Krylov space for every λ beside a Cholesky factorisation for each, on the same data in one process."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import ours
import pytest
from problems import BY_FRAMES, BY_WORDS, SCORE_TOLERANCE, Case, WordCase

from heschl import LaggedRidgeCV, Repeated

EXACT: dict[Case, LaggedRidgeCV] = {}  # by case, fitted once


def features(case: Case) -> Any:
    """At the rate that they come in."""
    if not isinstance(case, WordCase):
        return case.features()
    values, rows, counts = case.words()
    return Repeated(values[rows], counts)


def agree(found: LaggedRidgeCV, exact: LaggedRidgeCV, alphas: Any) -> None:
    """No λ is chosen whose exact R² is worse by more than the tolerance, none that has not converged."""
    chosen, best = (np.abs(np.log(alphas[:, None] / model.alpha_)).argmin(axis=0) for model in (found, exact))
    targets = np.arange(len(chosen))
    lost = exact.cv_scores_[best, targets] - exact.cv_scores_[chosen, targets]
    wrong = np.abs(found.cv_scores_ - exact.cv_scores_)[chosen, targets]
    assert lost.max() < SCORE_TOLERANCE and wrong.max() < SCORE_TOLERANCE  # NaN is not
    assert np.mean(chosen == best) >= 0.999 or len(chosen) < 1000


@pytest.mark.parametrize("solver", ["cholesky", "krylov"])
@pytest.mark.parametrize("name", ["frames", "words"])
def test_path(measure: Any, benchmark: Any, sized: Any, name: str, solver: str) -> None:
    case = sized({"frames": BY_FRAMES, "words": BY_WORDS}[name])
    H, (_, Y) = features(case), case.data()
    arguments = (H, Y, case.lengths, case.n_folds, case.w, case.alphas, solver, True)
    rival = "heschl" if solver == "krylov" else "own Cholesky path"
    model = measure(f"all λ, {name}", rival, lambda: ours.ridge_cv(*arguments), rounds=3)
    benchmark.extra_info["steps"], benchmark.extra_info["dimension"] = model.n_steps_, model.dimension_
    if solver == "cholesky":
        EXACT[case] = model
    elif case in EXACT:
        agree(model, EXACT[case], case.alphas)


@pytest.mark.parametrize("n_alphas", [10, 50])
def test_penalties(measure: Any, sized: Any, n_alphas: int) -> None:
    """Fifty λ beside ten of the same range."""
    case = sized(replace(BY_WORDS, n_alphas=n_alphas))
    H, (_, Y) = features(case), case.data()
    arguments = (H, Y, case.lengths, case.n_folds, case.w, case.alphas, "krylov", True)
    rival = "heschl" if n_alphas == 10 else "heschl, 50 λ"
    measure("10 λ, words", rival, lambda: ours.ridge_cv(*arguments), rounds=3)
