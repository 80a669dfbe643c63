"""What is shown of a fitted estimator: what was chosen, beside scikit-learn's diagram of what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray


def chosen_table(model: Any) -> str:
    """Return a small HTML table: size, solver, penalties, scores."""
    lags = model.lags_
    window = f"{lags[0]} to {lags[-1]} frames"
    if model.sfreq is not None:
        window += f" ({lags[0] / model.sfreq:.3g} to {lags[-1] / model.sfreq:.3g} s)"
    n_targets = len(np.atleast_1d(model._weights.intercept))
    n_segments = model._segments[0]
    rows = [
        ("fitted", f"{n_targets} targets, {model.n_features_in_} features, {n_segments} segments"),
        ("lags", window),
        ("solver", f"{model.solver_}, {model.dtype_}, on {model.device_}"),
    ]
    if hasattr(model, "alpha_"):
        rows.append(("λ chosen", _alphas(model.alpha_, np.atleast_1d(np.asarray(model.alphas, dtype=np.float64)))))
    for at, name in enumerate(getattr(model, "space_names_", ())):
        rows.append((f"λ of {name}", _spread(model.alphas_[at], "{:.3g}")))
    if hasattr(model, "cv_scores_"):
        best = np.full(n_targets, np.nan)
        known = np.isfinite(model.cv_scores_).any(axis=0)
        best[known] = np.nanmax(model.cv_scores_[:, known], axis=0)
        rows.append((f"{model.scoring}, cross-validated (optimistic: the same folds chose)", _spread(best, "{:.3f}")))
    if hasattr(model, "test_scores_"):
        folds = np.asarray(model.test_scores_)
        rows.append((f"{model.scoring}, of folds that chose nothing", _spread(folds.mean(axis=0), "{:.3f}")))
    cells = "".join(f"<tr><th style='text-align:left'>{escape(a)}</th><td>{escape(b)}</td></tr>" for a, b in rows)
    return f"<table class='heschl-chosen'>{cells}</table>"


def _spread(values: NDArray[Any], form: str) -> str:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return "none defined"
    low, middle, high = (form.format(v) for v in np.percentile(finite, [0, 50, 100]))
    return low if low == high else f"median {middle}, {low} to {high}"


def _alphas(chosen: NDArray[Any], grid: NDArray[np.float64]) -> str:
    text = _spread(chosen, "{:.3g}")
    at_end = int(np.isin(chosen, [grid.min(), grid.max()]).sum()) if grid.size > 1 else 0
    return text + (f"; {at_end} of {chosen.size} at an end of the grid" if at_end else "")


def named_targets(targets: Sequence[int] | NDArray[np.int64]) -> str:
    """Write out the numbers of the first few of some targets."""
    some = [str(int(target)) for target in targets[:10]]
    return ", ".join(some) + (f", ... ({len(targets)} in all)" if len(targets) > 10 else "")
