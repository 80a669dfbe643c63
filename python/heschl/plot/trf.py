"""Temporal response functions: the weights of a fitted estimator over lags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.linear.estimators.labelled import coefficients, lag_times, names_of
from heschl.plot.style import INK, PALETTE, bare, own_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MANY = 6
"""Features above which weights are an image, not lines."""


def plot_trf(
    model: Any,
    *,
    target: int | str = 0,
    features: Sequence[int | str] | None = None,
    kind: str = "auto",
    limit: float | None = None,
    colorbar: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw the temporal response function of one target: its weights over lags.

    Parameters
    ----------
    model : LaggedRidge, LaggedRidgeCV or BandedRidgeCV
        Fitted.
    target : int or str
        Which target, by number or name.
    features : sequence of int or str, optional
        Which features, by number or name; all by default.
    kind : {"auto", "lines", "image"}
        A line for each feature, or an image (feature × lag) as for a spectrogram; "auto" draws up to six as lines.
    limit : float, optional
        The weight, either way, at which the colours of an image end. Default: the largest one drawn.
    colorbar : bool
        Whether an image gets a bar of its colours.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        For a target or feature that the model does not have.

    Examples
    --------
    >>> import matplotlib, numpy as np
    >>> matplotlib.use("Agg")
    >>> from heschl import LaggedRidge, plot_trf
    >>> X = np.random.default_rng(0).standard_normal((500, 2))
    >>> model = LaggedRidge(tmin=0, tmax=0.1, sfreq=100).fit(X, np.roll(X, 3, axis=0))
    >>> plot_trf(model, target=1).get_xlabel()
    'lag (s)'
    """
    feature_names, target_names = names_of(model)
    chosen = numbers("target", [target], target_names)[0]
    some = numbers("features", features, feature_names) if features is not None else list(range(len(feature_names)))
    weights: NDArray[Any] = coefficients(model)[chosen][some]
    lags, unit = lag_times(model)
    if kind not in ("auto", "lines", "image"):
        raise InputError("kind", repr(kind), "'auto', 'lines' or 'image'")
    ax = own_axes(ax)
    ax.set_xlabel(f"lag ({unit})")
    ax.set_title(str(target_names[chosen]), fontsize=10)
    if kind == "lines" or (kind == "auto" and len(some) <= MANY):
        for i, row in enumerate(weights):
            ax.plot(lags, row, color=PALETTE[i % len(PALETTE)], label=str(feature_names[some[i]]))
        ax.axhline(0, color=INK, lw=0.6, zorder=0)
        ax.set_ylabel("weight")
        if len(some) > 1:
            ax.legend(frameon=False, fontsize=8)
        return bare(ax)
    top = float(np.abs(weights).max()) if limit is None else float(limit)
    half = 0.5 * (lags[1] - lags[0]) if len(lags) > 1 else 0.5
    drawn = ax.imshow(
        weights, aspect="auto", origin="lower", cmap="RdBu_r", vmin=-top, vmax=top, interpolation="nearest",
        extent=(lags[0] - half, lags[-1] + half, -0.5, len(some) - 0.5),
    )  # fmt: skip
    ax.set_ylabel("feature")
    if hasattr(model, "feature_names_in_"):
        shown = np.unique(np.linspace(0, len(some) - 1, min(len(some), 6)).round().astype(int))
        ax.set_yticks(shown, [str(feature_names[some[i]]) for i in shown])
    if colorbar and ax.figure is not None:
        ax.figure.colorbar(drawn, ax=ax, label="weight")
    return ax


def numbers(argument: str, wanted: Sequence[int | str], names: NDArray[Any]) -> list[int]:
    """Return the places of names (or numbers) among all names."""
    found = []
    for name in wanted:
        known = np.flatnonzero(names == name) if isinstance(name, str) else np.arange(len(names))[[int(name)]] \
            if -len(names) <= int(name) < len(names) else np.empty(0, int)  # fmt: skip
        if not known.size:
            raise InputError(argument, repr(name), f"a number below {len(names)}, or one of {', '.join(names[:6])} …")
        found.append(int(known[0]))
    return found
