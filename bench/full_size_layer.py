"""Full-size layers, each by the solver that it gets and by Cholesky. Not collected unless named.

pytest bench/full_size_layer.py -k "speech"                      # p = 15,360: both solvers, the same answers
pytest bench/full_size_layer.py --solver krylov                  # all layers by one solver
pytest bench/full_size_layer.py -k "language" --solver krylov    # p = 32,000 at word rate, within 8 GB
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import ours
import pytest
import truth
from memory import Watch
from problems import LANGUAGE, LAYER, SCORE_TOLERANCE, Case
from test_krylov import agree, features

CHECKED = 3  # targets checked in float64
GRADIENT_TOLERANCE = 1e-3  # of the gradient at the solution, beside the one at 0


def operations(n: float, d: float, w: float, c: float, n_folds: float, n_alphas: float) -> float:
    """Counted as a direct solver must: moments, X'Y, a Cholesky and its solves per fold and λ, test predictions.

    The final fit factors once for every λ that some target chose: at most n_alphas, counted once here.
    """
    p = w * d
    n_solves = n_folds * n_alphas + 1
    return 2 * n * p * (d + c) + n_solves * (p**3 / 3 + 2 * p**2 * c) + n_alphas * 2 * n * p * c


CASES = {"speech": LAYER, "subject": replace(LAYER, c=64), "language": LANGUAGE}
MODELS: dict[Case, Any] = {}  # by Cholesky, where that was fitted before


@pytest.mark.parametrize("solver", ["cholesky", "krylov"])
@pytest.mark.parametrize("name", CASES)
def test_full_size_layer(
    measure: Any, benchmark: Any, against_limit: Any, sized: Any, request: Any, name: str, solver: str
) -> None:
    if request.config.getoption("--solver") not in (None, solver):
        pytest.skip("another solver is asked for")
    if (name, solver) == ("language", "cholesky"):
        pytest.skip("p³/3 operations for each of 51 factorisations: counted, not run")
    case = sized(CASES[name])
    H, (dense, Y) = features(case), case.data()
    with Watch() as watch:  # in this process: another one would take as long again
        model = measure(
            f"full-size layer, {name}", "heschl" if solver == "krylov" else "own Cholesky path",
            lambda: ours.ridge_cv(H, Y, case.lengths, case.n_folds, case.w, case.alphas, solver), rounds=1, warmup=0,
        )  # fmt: skip
    against_limit(operations(case.n_frames, case.d, case.w, case.c, case.n_folds, case.n_alphas))
    benchmark.extra_info["chosen_alphas"] = len(np.unique(model.alpha_))  # factorisations of the final fit
    benchmark.extra_info["steps"], benchmark.extra_info["dimension"] = model.n_steps_, model.dimension_
    benchmark.extra_info["peak_bytes"] = watch.peak
    benchmark.extra_info["peak_limit_bytes"] = 8e9 if name == "language" else 2.3 * case.p**2 * 4
    if solver == "cholesky":
        MODELS[case] = model
    elif case in MODELS:
        agree(model, MODELS[case], case.alphas)
        benchmark.extra_info["same_alpha"] = float(np.mean(model.alpha_ == MODELS[case].alpha_))
    some = slice(0, CHECKED)
    W = model.coef_[some].transpose(2, 1, 0)
    y = Y[:, some]
    gradient = truth.ridge_gradient(dense, y, case.lengths, W, model.intercept_[some], model.alpha_[some])
    assert gradient.max() < GRADIENT_TOLERANCE
    if name == "language":  # a float64 answer would take an hour
        return
    largest = int(np.argmax(case.alphas))
    scores = [
        truth.held_out_r2(dense, y, case.lengths, case.fold == k, case.w, case.alphas[largest], 1e-6)
        for k in range(case.n_folds)
    ]
    assert np.abs(model.cv_scores_[largest, some] - np.mean(scores, axis=0)).max() < SCORE_TOLERANCE
