"""Figures of one column of a journal (85 mm): fonts that can be read there, and who and how many are shown."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heschl.linear import CrossedMean, crossed_mean, subject_mean
from heschl.study.report.drawing import GREY, INK

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Double = NDArray[np.float64]
Chosen = NDArray[np.bool_]
MM = 1 / 25.4
COLUMN = 85.0
"""Width of a figure, mm: one column of most journals."""
TEXT, SMALL = 7.0, 6.0
"""Points."""
LINE = 69
"""Letters of a line of small text that fit into the width, whichever they are."""
LEVEL = 0.05
STARS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))
REGIONS = ("#332D56", "#71C0BB", "#8A2D3B", "#B9B28A", "#504B38", "#C599B6", "#3E5F44", "#A86523")
"""Colours of regions: none that a model has."""
SPEECH_REGION = ("temporal", "stg", "heschl", "planum", "auditory")
"""What the name of a region that answers speech holds."""


@dataclass(frozen=True)
class Shown:
    """Which electrodes a figure shows, and how it says so.

    Attributes
    ----------
    inside : (n,) array of bool
    follows : (m, n) array of bool
        Which of them follow which space.
    text : str
        "38 of 40 electrodes that respond (12 subjects)".
    rule : str
        By which test.
    """

    inside: Chosen
    follows: Chosen
    text: str
    rule: str


def responding(results: xr.Dataset) -> Shown:
    """Return the electrodes that follow some space, by the strictest test that the results have.

    Where none does, all of them.
    """
    tests = (
        ("p_max", "exchange test, maximum over electrodes and spaces"), ("p_gain_max", "sign flips over stimuli"),
    )  # fmt: skip
    name, rule = next(((name, text) for name, text in tests if name in results), ("", "no test"))
    n = results.sizes["electrode"]
    follows = np.zeros((results.sizes["space"], n), dtype=bool)
    if name:
        values = np.asarray(results[name].values, dtype=np.float64)
        follows = np.asarray(np.nan_to_num(values, nan=1.0) < LEVEL, dtype=np.bool_)
    inside = np.asarray(follows.any(axis=0), dtype=np.bool_)
    if not inside.any():
        return Shown(
            np.ones(n, dtype=bool), follows, f"all {count_text(n, results, np.ones(n, dtype=bool))}", "none responds"
        )
    text = f"{inside.sum()} of {n} electrodes respond ({_subjects(results, inside)})"
    return Shown(inside, follows, text, f"p < {LEVEL:g}, {rule}")


def count_text(n: int, results: xr.Dataset, inside: Chosen) -> str:
    """Return how many electrodes of how many subjects there are."""
    return f"{n} electrode{'s' * (n != 1)} ({_subjects(results, inside)})"


def _subjects(results: xr.Dataset, inside: Chosen) -> str:
    n = len(np.unique(results["subject"].values[inside]))
    return f"{n} subject{'s' * (n != 1)}"


def plate(
    results: xr.Dataset, title: str, n_rows: int, height: float, *, heights: Sequence[float] | None = None,
    n_columns: int = 1, sharex: bool = False, sharey: bool = False,
) -> tuple[Figure, list[Axes]]:  # fmt: skip
    """Make a figure of one column; ``height`` (mm) without its title and key."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.04, h_pad=0.03)
    figure = Figure(figsize=(COLUMN * MM, (height + 15) * MM), layout=layout, dpi=150)
    FigureCanvasAgg(figure)
    note = results.attrs["note"]
    under = results.attrs["name"] + (f" \N{EN DASH} {note}" if note else "")
    figure.suptitle(f"{title}\n", fontsize=8.5, color=INK, x=0.02, ha="left", fontweight="bold")
    figure.text(
        0.02, 1 - 5.2 * MM / figure.get_figheight(), textwrap.shorten(under, LINE, placeholder=" …"), ha="left",
        va="top", fontsize=SMALL - 0.5, color="#6b6b6b",
    )  # fmt: skip
    made: Any = figure.subplots(
        n_rows, n_columns, squeeze=False, sharex=sharex, sharey=sharey, height_ratios=heights or [1.0] * n_rows
    )
    axes = made.ravel().tolist()
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.spines[["left", "bottom"]].set(color=INK, linewidth=0.6)
        axis.tick_params(colors=INK, labelsize=SMALL + 0.5, width=0.6, length=2.5, pad=2)
        axis.xaxis.label.set(color=INK, fontsize=TEXT)
        axis.yaxis.label.set(color=INK, fontsize=TEXT)
    return figure, axes


def explain(figure: Figure, *parts: str) -> None:
    """Write under a figure what its marks mean."""
    text = "; ".join(filter(None, parts)).replace(" %", "\N{NO-BREAK SPACE}%")
    figure.supxlabel("\n".join(textwrap.wrap(text, LINE)), fontsize=SMALL, color=INK, x=0.02, ha="left")


def swarm(axis: Axes, values: Double, at: float, colour: str, *, width: float = 0.32, vertical: bool = True) -> None:
    """Draw a distribution: a point for each electrode, no two on each other where there is room."""
    finite = np.sort(values[np.isfinite(values)])
    if not finite.size:
        return
    aside = _aside(finite, width)
    size = float(np.clip(60 / np.sqrt(finite.size), 1.2, 9.0))
    x, y = (at + aside, finite) if vertical else (finite, at + aside)
    axis.scatter(x, y, s=size, color=colour, alpha=0.45, linewidths=0, zorder=2)


def _aside(values: Double, width: float) -> Double:
    """Move sorted values aside by how many are near them, turn by turn to the left and the right."""
    span = float(np.ptp(values)) or 1.0
    bins = np.floor((values - values[0]) / span * 24).astype(int)
    out = np.zeros(len(values))
    most = np.bincount(bins).max()
    for one in np.unique(bins):
        inside = np.flatnonzero(bins == one)
        turn = np.arange(len(inside))
        place = (turn + 1) // 2 * np.where(turn % 2, 1, -1)
        out[inside] = place / max(most / 2, 4.0) * width
    return out


def interval(
    axis: Axes, found: CrossedMean, at: float, colour: str = INK, *, vertical: bool = True, size: float = 4.0
) -> None:
    """Draw a mean with its 95 % interval."""
    if not np.isfinite(found.estimate):
        return
    low = found.low if np.isfinite(found.low) else found.estimate
    high = found.high if np.isfinite(found.high) else found.estimate
    line = ([at, at], [low, high]) if vertical else ([low, high], [at, at])
    point = ([at], [found.estimate]) if vertical else ([found.estimate], [at])
    axis.plot(*line, color=colour, lw=1.3, zorder=4, solid_capstyle="butt")
    axis.plot(*point, marker="D", ms=size, color=colour, mec="white", mew=0.5, zorder=5)


def mark(axis: Axes, p: float, at: float) -> None:
    """Write the stars of a p value beside the axes, in the row ``at``."""
    axis.annotate(star(p), (1.01, at), xycoords=("axes fraction", "data"), fontsize=TEXT, va="center", ha="left",
                  color=INK, annotation_clip=False)  # fmt: skip


def star(p: float) -> str:
    """Return the stars of a p value, or nothing."""
    return next((stars for level, stars in STARS if np.isfinite(p) and p < level), "")


@dataclass(frozen=True)
class Errors:
    """Errors of models over stimuli: shares of variance, and means, intervals and tests of these very numbers.

    Attributes
    ----------
    gain : (m, T, c) array
        Squared errors of the training mean less those of each model, by stimulus.
    total : (T, c) array
        Squared errors of the training mean.
    subjects : (c,) array
    """

    gain: Double
    total: Double
    subjects: NDArray[Any]

    @classmethod
    def of(cls, results: xr.Dataset, inside: Chosen, variable: str = "sse") -> Errors:
        """Take those of the best layer of each space, of some electrodes."""
        total = results["mean_sse"].values[inside].T
        sse = results[variable].values[:, inside].transpose(0, 2, 1)
        return cls(total[None] - sse, total, results["subject"].values[inside])

    def share(self, model: int) -> Double:
        """Return R² about the training mean of each electrode, pooled over stimuli."""
        return share_of(self.gain[model], self.total)

    def mean(self, model: int) -> CrossedMean:
        """Return its mean over subjects and their electrodes, with the interval for new subjects and stimuli."""
        return crossed_mean(self.gain[model], self.total, self.subjects)

    def difference(self, first: int, second: int) -> CrossedMean:
        """Return the same of the difference of two models."""
        return crossed_mean(self.gain[first] - self.gain[second], self.total, self.subjects)

    def some(self, inside: Chosen) -> Errors:
        """Return those of some electrodes."""
        return Errors(self.gain[:, :, inside], self.total[:, inside], self.subjects[inside])


def share_of(gain: Double, total: Double) -> Double:
    """Return a part of each electrode's variance, (c,): Σ gain / Σ total over the stimuli that it heard."""
    known = np.isfinite(total) & np.isfinite(gain)
    part, whole = (np.where(known, values, 0.0).sum(axis=0) for values in (gain, total))
    return np.asarray(np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0))


def over_subjects(values: Double, subjects: NDArray[Any]) -> CrossedMean:
    """Return the mean of values (c,) over subjects, with the interval for new subjects who hear these stimuli."""
    known = np.isfinite(values)
    return subject_mean(values[known], subjects[known])


def of_whom(subjects: NDArray[Any], *, stimuli: bool) -> str:
    """Return what a diamond and its line are, in the words of a key."""
    mean = "diamond and line: mean over subjects, 95 % interval for new subjects"
    if len(np.unique(subjects)) == 1:
        return "diamond: mean over electrodes of one subject" + ("; line: 95 % interval for new stimuli" * stimuli)
    return f"{mean} and stimuli" if stimuli else f"{mean} who hear these stimuli"


def regions_of(results: xr.Dataset, inside: Chosen, most: int = 6) -> dict[str, Chosen]:
    """Return the regions with most of some electrodes, else the named groups; nothing where there are neither."""
    names = np.array([str(region) for region in results["region"].values])
    found = {name: (names == name) & inside for name in dict.fromkeys(names[inside]) if name}
    if not found:
        groups = zip(results["group"].values, results["in_group"].values, strict=True)
        found = {str(name): members & inside for name, members in groups}
    kept = [(name, members) for name, members in found.items() if members.sum() > 1]
    kept.sort(key=lambda item: -int(item[1].sum()))
    return dict(kept[:most])


def zero_line(axis: Axes, *, vertical: bool = False) -> None:
    """Draw where there is nothing."""
    draw = axis.axvline if vertical else axis.axhline
    draw(0, color=GREY, lw=0.6, zorder=0)
