"""One full-size layer: a quarter of an hour. Not collected unless named: pytest bench/full_size_layer.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import ours
import truth
from memory import Watch
from problems import LAYER, SCORE_TOLERANCE

CHECKED = 3  # targets checked in float64
GRADIENT_TOLERANCE = 1e-3  # of the gradient at the solution, beside the one at 0


def operations(n: float, d: float, w: float, c: float, n_folds: float, n_alphas: float) -> float:
    """Counted as a direct solver must: moments, X'Y, a Cholesky and its solves per fold and λ, test predictions.

    The final fit factors once for every λ that some target chose: at most n_alphas, counted once here.
    """
    p = w * d
    n_solves = n_folds * n_alphas + 1
    return 2 * n * p * (d + c) + n_solves * (p**3 / 3 + 2 * p**2 * c) + n_alphas * 2 * n * p * c


def test_full_size_layer(measure: Any, benchmark: Any, against_limit: Any, sized: Any) -> None:
    case = sized(LAYER)
    H, Y = case.data()
    with Watch() as watch:  # in this process: another one would take as long again
        model = measure(
            "full-size layer", "heschl",
            lambda: ours.ridge_cv(H, Y, case.lengths, case.n_folds, case.w, case.alphas), rounds=1, warmup=0,
        )  # fmt: skip
    against_limit(operations(case.n_frames, case.d, case.w, case.c, case.n_folds, case.n_alphas))
    n_chosen = len(np.unique(model.alpha_))
    benchmark.extra_info["chosen_alphas"] = n_chosen  # factorisations of the final fit
    benchmark.extra_info["peak_bytes"] = watch.peak
    benchmark.extra_info["peak_limit_bytes"] = 2.3 * case.p**2 * 4
    some = slice(0, CHECKED)
    W = model.coef_[some].transpose(2, 1, 0)
    y = Y[:, some]
    assert (
        truth.ridge_gradient(H, y, case.lengths, W, model.intercept_[some], model.alpha_[some]).max()
        < GRADIENT_TOLERANCE
    )
    largest = int(np.argmax(case.alphas))
    scores = [
        truth.held_out_r2(H, y, case.lengths, case.fold == k, case.w, case.alphas[largest], 1e-6)
        for k in range(case.n_folds)
    ]
    assert np.abs(model.cv_scores_[largest, some] - np.mean(scores, axis=0)).max() < SCORE_TOLERANCE
