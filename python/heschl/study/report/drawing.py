"""What all figures of a study share: the palette of `heschl.plot`, the table of figures, numbers as text."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from heschl.plot.style import GREY, INK, PALETTE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["GREY", "INK", "PALETTE", "Drawing", "colour_of", "count_text", "number_text"]


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
