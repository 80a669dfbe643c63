"""What all figures of a study share: palette, panels, points, bands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from heschl.study.statistics.tests import quartiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Drawing(NamedTuple):
    """A row of the table of figures.

    Attributes
    ----------
    name : str
        Of its files; the figures of the paper begin with their number.
    draw : callable
        draw(results) returns the figure; its docstring is the caption.
    shown : callable
        shown(results): whether these results have what it shows.
    """

    name: str
    draw: Callable[[Any], Figure]
    shown: Callable[[Any], bool] = lambda results: True


PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
GREY, INK = "#9A9A9A", "#333333"


def draw_band(axis: Axes, depth: NDArray[np.intp], scores: NDArray[np.float64], colour: str) -> None:
    """Draw median and quartiles of each row of scores along the depth of a model."""
    median, low, high = np.array([quartiles(row) for row in scores]).T
    axis.fill_between(depth, low, high, color=colour, alpha=0.18, lw=0)
    axis.plot(depth, median, color=colour, lw=1.2, marker="o", ms=2.5)


def colour_of(space: int) -> str:
    """Return a space's colour, the same in all figures."""
    return PALETTE[space % len(PALETTE)]


def count_text(scores: NDArray[np.float64]) -> str:
    """Return the number of electrodes that have scores, or its range over the rows."""
    counts = np.isfinite(scores).sum(axis=1)
    low, high = counts.min(), counts.max()
    return f"{low}" if low == high else f"{low} to {high}"


def number_text(value: float) -> str:
    """Write two digits with a true minus sign, and no minus before 0.00."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "\N{MINUS SIGN}")
