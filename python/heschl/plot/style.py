"""What all plots share: axes, colours, labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colours, told apart by colour-blind readers."""
GREY, INK = "#9A9A9A", "#333333"


def own_axes(ax: Axes | None, size: tuple[float, float] = (4.5, 3.2)) -> Axes:
    """Return the axes given, or new ones of a new figure."""
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots(figsize=size, layout="constrained")[1]


def bare(ax: Axes) -> Axes:
    """Take off the lines that frame nothing."""
    ax.spines[["top", "right"]].set_visible(False)
    return ax
