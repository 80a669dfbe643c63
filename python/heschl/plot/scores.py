"""Scores, penalties and layers: of a fitted estimator, of arrays, or of a study's results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heschl.checks import InputError
from heschl.plot.style import GREY, INK, PALETTE, bare, own_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Double = NDArray[np.float64]


def plot_scores(scores: Any, *, baseline: Any = None, ylabel: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw scores of targets, a column of points for each model: points, medians and quartiles.

    Parameters
    ----------
    scores : mapping of str to scores, or scores of one model
        Of each model an array (n_targets,) or (n_folds, n_targets), whose mean over folds is drawn; a fitted
        `LaggedRidgeCV` (its `test_scores_` where it has them, else the best of `cv_scores_`); an object with ``r2``
        of shape (n_folds, n_targets), such as `nested_cv` returns.
    baseline : the same, optional
        Of each model, or of one: the control, drawn in grey beside it.
    ylabel : str, optional
        Default: the score's name, as far as known.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        For what holds no scores.

    Examples
    --------
    >>> import matplotlib, numpy as np
    >>> matplotlib.use("Agg")
    >>> from heschl import plot_scores
    >>> ax = plot_scores({"mel": np.linspace(0, 0.3, 20), "wav2vec2": np.linspace(0.1, 0.5, 20)})
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['mel', 'wav2vec2']
    """
    models = dict(scores) if isinstance(scores, Mapping) else {"": scores}
    control = baseline if isinstance(baseline, Mapping) else dict.fromkeys(models, baseline)
    ax = own_axes(ax, (1.2 + 1.1 * len(models), 3.2))
    found = {str(name): values_of(name, value) for name, value in models.items()}
    for at, (name, values) in enumerate(found.items()):
        beside = control.get(name)
        shift = 0.0 if beside is None else 0.14
        _points(ax, values, at - shift, PALETTE[at % len(PALETTE)], 0.12)
        if beside is not None:
            _points(ax, values_of(f"baseline of {name}", beside), at + 0.24, GREY, 0.08)
    ax.axhline(0, color=INK, lw=0.6, zorder=0)
    ax.set_xticks(range(len(found)), list(found))
    ax.set_xlim(-0.6, len(found) - 0.4)
    ax.set_ylabel(ylabel or _name_of(next(iter(models.values()))))
    return bare(ax)


def plot_alphas(model: Any, *, ax: Axes | None = None) -> Axes:
    """Draw cross-validated scores over the penalties: a line for each target, its choice as a point.

    Penalties chosen at an end of the grid are drawn hollow: the best ones may lie beyond.

    Parameters
    ----------
    model : LaggedRidgeCV
        Fitted.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        For a model that chose no penalty for each target.

    Examples
    --------
    >>> import matplotlib, numpy as np
    >>> matplotlib.use("Agg")
    >>> from heschl import LaggedRidgeCV, plot_alphas
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((500, 2))
    >>> y = X + 3 * rng.standard_normal((500, 2))
    >>> plot_alphas(LaggedRidgeCV(lags=[0, 1], alphas=[1, 100, 1e4]).fit(X, y)).get_xscale()
    'log'
    """
    if not hasattr(model, "alpha_") or not hasattr(model, "cv_scores_"):
        raise InputError("model", type(model).__name__, "a fitted LaggedRidgeCV")
    alphas = np.atleast_1d(np.asarray(model.alphas, dtype=np.float64))
    order = np.argsort(alphas)
    ax = own_axes(ax)
    scores: Double = model.cv_scores_[order]
    faint = max(0.12, min(0.8, 12 / scores.shape[1]))
    ax.plot(alphas[order], scores, color=PALETTE[0], alpha=faint, lw=1)
    at = np.searchsorted(alphas[order], model.alpha_)
    edge = np.isin(model.alpha_, [alphas.min(), alphas.max()]) & (alphas.size > 1)
    chosen = scores[at, np.arange(scores.shape[1])]
    ax.scatter(model.alpha_[~edge], chosen[~edge], s=14, color=PALETTE[1], zorder=3)
    ax.scatter(model.alpha_[edge], chosen[edge], s=18, facecolors="none", edgecolors=PALETTE[1], zorder=3)
    ax.set_xscale("log")
    ax.set_xlabel("penalty λ")
    ax.set_ylabel(f"{_name_of(model)}, mean over folds")
    ax.set_title(f"{scores.shape[1]} targets, {int(edge.sum())} at an end of the grid", fontsize=10)
    return bare(ax)


def plot_layers(layers: Mapping[str, ArrayLike] | ArrayLike, *, ylabel: str = "R²", ax: Axes | None = None) -> Axes:
    """Draw scores over the layers of models: medians over targets, and quartiles as bands.

    Parameters
    ----------
    layers : mapping of str to array-like of shape (n_layers, n_targets), or one such array
        Scores of each model. With a ``DataArray`` of a study's results: ``results["r2"].mean("fold")`` of one space.
    ylabel : str
        The score's name.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        For arrays that are not two-dimensional.

    Examples
    --------
    >>> import matplotlib, numpy as np
    >>> matplotlib.use("Agg")
    >>> from heschl import plot_layers
    >>> plot_layers({"wav2vec2": np.random.default_rng(0).random((12, 30))}).get_xlabel()
    'layer'
    """
    models = dict(layers) if isinstance(layers, Mapping) else {"": layers}
    ax = own_axes(ax)
    for i, (name, value) in enumerate(models.items()):
        scores = np.asarray(value, dtype=np.float64)
        if scores.ndim != 2:
            raise InputError(f"layers[{name!r}]", f"an array of shape {scores.shape}", "(n_layers, n_targets)")
        draw_band(ax, scores, PALETTE[i % len(PALETTE)], label=str(name))
    ax.axhline(0, color=INK, lw=0.6, zorder=0)
    ax.set_xlabel("layer")
    ax.set_ylabel(f"{ylabel}: median and quartiles of targets")
    if len(models) > 1:
        ax.legend(frameon=False, fontsize=8)
    return bare(ax)


def draw_band(ax: Axes, scores: Double, colour: str, *, label: str = "", thin: bool = False) -> None:
    """Draw median and quartiles of what is finite in each row of scores, along the depth of a model."""
    known = np.where(np.isfinite(scores), scores, np.nan)
    rows = [np.nanpercentile(row, [25, 50, 75]) if np.isfinite(row).any() else [np.nan] * 3 for row in known]
    low, median, high = np.transpose(rows)
    depth = np.arange(len(scores))
    ax.fill_between(depth, low, high, color=colour, alpha=0.18, lw=0)
    width, size = (1.2, 2.5) if thin else (1.8, 4.0)
    ax.plot(depth, median, color=colour, lw=width, marker="o", ms=size, label=label)


def values_of(name: str, value: Any) -> Double:
    """Return one score for each target, of whatever holds scores."""
    if hasattr(value, "test_scores_"):
        value = value.test_scores_
    elif hasattr(value, "cv_scores_"):
        known = np.where(np.isfinite(value.cv_scores_), value.cv_scores_, -np.inf).max(axis=0)
        value = np.where(np.isfinite(known), known, np.nan)
    elif hasattr(value, "r2") and not isinstance(value, np.ndarray):
        value = value.r2
    try:
        scores = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        scores = np.empty(0)
    if scores.ndim not in (1, 2) or not scores.size:
        raise InputError(f"scores of {name!r}", type(value).__name__, "an array (n_targets,) or (n_folds, n_targets)")
    return scores if scores.ndim == 1 else scores.mean(axis=0)


def _name_of(value: Any) -> str:
    """Return the name of a model's score, R² where nothing else is known."""
    names = {"r2": "R²", "pooled_r2": "pooled R²", "r": "r", "r_squared": "r²"}
    return names.get(str(getattr(value, "scoring", "r2")), "R²")


def _points(ax: Axes, values: Double, x: float, colour: str, spread: float) -> None:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return
    aside = np.random.default_rng(0).uniform(-spread, spread, finite.size)
    ax.scatter(x + aside, finite, s=9, color=colour, alpha=0.55, linewidths=0)
    low, median, high = np.percentile(finite, [25, 50, 75])
    ax.plot([x, x], [low, high], color=INK, lw=1.2)
    ax.plot([x - spread, x + spread], [median, median], color=INK, lw=2.2, solid_capstyle="butt")
