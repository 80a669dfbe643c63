"""What all figures of a study share: palette, panels, points, bands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from heschl.study.statistics.tests import quartiles

if TYPE_CHECKING:
    import xarray as xr
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


def make_figure(
    results: xr.Dataset,
    title: str,
    n_rows: int,
    n_columns: int,
    panel: tuple[float, float],
    sharex: bool = False,
) -> tuple[Figure, list[Axes]]:
    """Make a figure of equal panels with the study's name and note above them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(0.5 + panel[0] * n_columns, 1.1 + panel[1] * n_rows), layout="constrained")
    FigureCanvasAgg(figure)
    note = results.attrs["note"]
    figure.suptitle(f"{title}\n", fontsize=11, color=INK)
    under = results.attrs["name"] + (f" ({note})" if note else "")
    figure.text(0.5, 1 - 0.33 / figure.get_figheight(), under, ha="center", va="top", fontsize=8, color=GREY)
    axes = figure.subplots(n_rows, n_columns, sharey=not sharex, sharex=sharex, squeeze=False).ravel().tolist()
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.spines[["left", "bottom"]].set_color(INK)
        axis.tick_params(colors=INK, labelsize=8)
        axis.yaxis.label.set(color=INK, fontsize=9)
        axis.xaxis.label.set(color=INK, fontsize=9)
    return figure, axes


def columns_of(n_panels: int) -> int:
    """Return the number of columns for panels: up to three, and two for four panels."""
    return 2 if n_panels == 4 else min(3, n_panels)


def draw_points(axis: Axes, values: NDArray[np.float64], x: float, colour: str, spread: float) -> None:
    """Draw one point per electrode, with median and quartiles over them."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return
    scatter = np.random.default_rng(0).uniform(-spread, spread, finite.size)
    axis.scatter(x + scatter, finite, s=9, color=colour, alpha=0.55, linewidths=0)
    median, low, high = quartiles(finite)
    axis.plot([x, x], [low, high], color=INK, lw=1.2)
    axis.plot([x - spread, x + spread], [median, median], color=INK, lw=2.2, solid_capstyle="butt")


def draw_band(axis: Axes, depth: NDArray[np.intp], scores: NDArray[np.float64], colour: str) -> None:
    """Draw median and quartiles of each row of scores along the depth of a model."""
    median, low, high = np.array([quartiles(row) for row in scores]).T
    axis.fill_between(depth, low, high, color=colour, alpha=0.18, lw=0)
    axis.plot(depth, median, color=colour, lw=1.8, marker="o", ms=4)


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


def stand_side_by_side(names: list[str], width: float) -> bool:
    """Return whether names fit side by side under a panel of this width (inches)."""
    return max(len(name) for name in names) * 0.075 < (width - 0.6) / len(names)


def write_key(figure: Figure, text: str) -> None:
    """Write under a figure what its marks mean."""
    figure.supxlabel(text, fontsize=7.5, color=INK)
