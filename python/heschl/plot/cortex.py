"""Values of electrodes on the brain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from heschl.checks import InputError, check_same_length
from heschl.plot.brain import draw_electrodes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_brain(
    positions: ArrayLike,
    values: ArrayLike,
    *,
    label: str = "R²",
    limits: tuple[float, float] | None = None,
    cmap: str = "viridis",
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw values at electrodes, each hemisphere from the side.

    Positions near the cortex of fsaverage5 (MNI space) are drawn on it, others in a plane. nilearn, which has that
    cortex, comes with the extra "study".

    Parameters
    ----------
    positions : array-like of shape (n_electrodes, 3)
        x to the right, y to the front, z up, in m; electrodes with NaN are left out.
    values : array-like of shape (n_electrodes,)
        NaN is drawn in grey.
    label : str
        What the values are, beside the colour bar.
    limits : (float, float), optional
        Where the colours begin and end; by default with the values.
    cmap : str
        A colour map of matplotlib's.
    axes : two matplotlib.axes.Axes, optional
        For the left and the right hemisphere; by default a new figure.

    Returns
    -------
    list of two matplotlib.axes.Axes

    Raises
    ------
    InputError
        For arrays that do not fit, and positions that are in mm.

    Examples
    --------
    >>> import matplotlib, numpy as np
    >>> matplotlib.use("Agg")
    >>> from heschl import plot_brain
    >>> axes = plot_brain([[-0.06, -0.02, 0.01], [0.06, -0.01, 0.0]], [0.1, 0.3])
    >>> [ax.get_title() for ax in axes]
    ['left, 1 electrodes', 'right, 1 electrodes']
    """
    places, scores = np.asarray(positions, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if places.ndim != 2 or places.shape[1] != 3:
        raise InputError("positions", f"an array of shape {places.shape}", "(n_electrodes, 3)")
    if scores.ndim != 1:
        raise InputError("values", f"an array of shape {scores.shape}", "(n_electrodes,)")
    check_same_length("values", len(scores), len(places), "positions")
    if np.isfinite(places).any() and np.nanmax(np.abs(places)) > 1:
        raise InputError("positions", f"{np.nanmax(np.abs(places)):g}", "positions in m", "Divide mm by 1000.")
    if axes is None:
        from matplotlib import pyplot

        axes = pyplot.subplots(1, 2, figsize=(7, 2.9), layout="constrained")[1]
    both: list[Any] = list(axes)
    drawn = draw_electrodes(both, places, scores, limits=limits, cmap=cmap)
    if drawn is not None:
        both[0].figure.colorbar(drawn, ax=both, label=label, shrink=0.7)
    return both
