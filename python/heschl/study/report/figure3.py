"""After the paper's Fig. 3: a sentence and its predictions; whether models predict the same."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from heschl.study.report.drawing import GREY, INK, Drawing, colour_of, number_text
from heschl.study.report.plates import (
    SMALL,
    SPEECH_REGION,
    TEXT,
    Errors,
    explain,
    interval,
    mark,
    of_whom,
    over_subjects,
    plate,
    responding,
    swarm,
    zero_line,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LETTER_MM = 1.35
"""Width of a letter of a word's label."""
MOST_ROWS = 4


def example_sentence(results: xr.Dataset) -> Figure:
    """Draw a response to a sentence and the predictions, at the best electrode of the speech region (Fig. 3a)."""
    spaces = [str(space) for space in results["space"].values]
    best, rule = example_electrode(results)
    errors = Errors.of(results, np.arange(results.sizes["electrode"]) == best)
    shown = results.isel(electrode=best)
    time, response = shown["example_time"].values, shown["example_response"].values
    known = np.isfinite(response)
    stimulus = str(shown["example_stimulus"].values)
    words = json.loads(results.attrs["example_words"]).get(stimulus, [])
    words = [word for word in words if word[1] < time[known].max()]
    figure, axes = plate(results, "A stimulus and its predictions", len(spaces), 21.0 * len(spaces) + 6,
                         sharex=True, sharey=True)  # fmt: skip
    for s, axis in enumerate(axes):
        for _, start, _ in words:
            axis.axvline(start, color=GREY, lw=0.3, alpha=0.5, zorder=0)
        axis.plot(time[known], response[known], color=GREY, lw=0.9)
        axis.plot(time[known], shown["example_prediction"].values[s][known], color=colour_of(s), lw=1.3)
        axis.set_title(f"{spaces[s]}, R² = {number_text(float(errors.share(s)[0]))} over all stimuli", fontsize=TEXT,
                       loc="left", color=colour_of(s), pad=2)  # fmt: skip
        axis.margins(x=0.01)
    if words:
        _write_words(axes[-1], words, float(np.ptp(time[known])))
    axes[-1].set_xlabel("time from sound onset (s)", labelpad=3 + 7.5 * _n_rows(words, float(np.ptp(time[known]))))
    figure.supylabel("response (units of the file)", fontsize=TEXT, color=INK)
    explain(figure, "grey: response; colour: prediction, which never saw this stimulus",
            f"{stimulus} at {shown['electrode'].values}, the electrode of {rule}",
            "stimulus: of at least median length, the one to which responses vary most")  # fmt: skip
    return figure


def example_electrode(results: xr.Dataset) -> tuple[int, str]:
    """Return the electrode that an example shows, and by which rule: whatever it looks like, it was not picked."""
    shown = responding(results)
    regions = [str(region).lower() for region in results["region"].values]
    speech = np.array([any(part in region for part in SPEECH_REGION) for region in regions]) & shown.inside
    errors = Errors.of(results, np.ones(results.sizes["electrode"], dtype=bool))
    mean = np.nanmean([errors.share(s) for s in range(results.sizes["space"])], axis=0)
    inside = speech if speech.any() else shown.inside
    best = int(np.argmax(np.where(inside & np.isfinite(mean), mean, -np.inf)))
    where = "in the speech region" if speech.any() else "of all"
    return best, f"the highest mean R² over the models {where}"


def _rows(words: list[list[object]], seconds: float) -> list[int]:
    """Give each word's label the first row in which it does not meet the one before it."""
    per_second = 72.0 / max(seconds, 1e-9)  # mm of the axis
    ends = [-np.inf] * MOST_ROWS
    rows = []
    for text, start, stop in words:
        middle = (float(start) + float(stop)) / 2 * per_second  # type: ignore[arg-type]
        half = LETTER_MM * len(str(text)) / 2
        row = next((r for r in range(MOST_ROWS) if middle - half > ends[r] + 0.8), int(np.argmin(ends)))
        ends[row] = middle + half
        rows.append(row)
    return rows


def _n_rows(words: list[list[object]], seconds: float) -> int:
    return 1 + max(_rows(words, seconds)) if words else 0


def _write_words(axis: Axes, words: list[list[object]], seconds: float) -> None:
    for (text, start, stop), row in zip(words, _rows(words, seconds), strict=True):
        axis.annotate(
            str(text), ((float(start) + float(stop)) / 2, 0), xycoords=("data", "axes fraction"),  # type: ignore[arg-type]
            xytext=(0, -11 - 7.5 * row), textcoords="offset points", ha="center", va="top", fontsize=SMALL, color=INK,
        )  # fmt: skip


def prediction_similarity(results: xr.Dataset) -> Figure:
    """Draw how much of what one model predicts another predicts too, and paired differences (Fig. 3b)."""
    from heschl.study.report.figures_shared import COLOURS, space_names

    named, shown = space_names(results), responding(results)
    pairs = [str(pair) for pair in results["pair"].values]
    values = results["prediction_similarity"].values
    there = [i for i in range(len(pairs)) if np.isfinite(values[i]).any()]
    labels = [" and ".join(named[side] for side in pairs[i].split(" ~ ")) for i in there]
    contrasts = list(itertools.combinations(range(len(there)), 2))
    subjects = results["subject"].values[shown.inside]
    figure, axes = plate(results, "Do the models predict the same?", 1 + bool(contrasts),
                         8.0 * len(there) + 7.0 * len(contrasts) + 22,
                         heights=[len(there) + 1.0, *([len(contrasts) + 0.8] if contrasts else [])])  # fmt: skip
    beyond = "prediction_similarity_beyond" in results
    if beyond:
        for row, i in enumerate(there):
            swarm(axes[0], values[i, shown.inside], row + 0.32, GREY, width=0.14, vertical=False)
        values = results["prediction_similarity_beyond"].values
    for row, i in enumerate(there):
        own: NDArray[np.float64] = values[i, shown.inside]
        swarm(axes[0], own, row, (INK, COLOURS["speech"], COLOURS["language"])[i], vertical=False)
        interval(axes[0], over_subjects(own, subjects), row, INK, vertical=False)
    axes[0].set_yticks(range(len(there)), labels)
    axes[0].set_ylim(len(there) - 0.4, -0.6)
    axes[0].set_xlim(0, 1)
    axes[0].set_xlabel("variance that their predictions share, r²")
    for row, (a, b) in enumerate(contrasts):
        own = values[there[a], shown.inside] - values[there[b], shown.inside]
        found = over_subjects(own, subjects)
        swarm(axes[1], own, row, "#777777", vertical=False)
        interval(axes[1], found, row, INK, vertical=False)
        mark(axes[1], found.p * len(contrasts), row)
    if contrasts:
        axes[1].set_yticks(
            range(len(contrasts)), [f"{labels[a]}\n\N{MINUS SIGN} {labels[b]}" for a, b in contrasts], fontsize=SMALL
        )
        axes[1].set_ylim(len(contrasts) - 0.4, -0.6)
        zero_line(axes[1], vertical=True)
        axes[1].set_xlabel("paired difference")
    mean = "without the mean prediction at each time since onset, which all stimuli share (grey: with it)"
    explain(figure, f"{shown.text}; {shown.rule}", mean if beyond else "",
            "out-of-fold predictions; point: electrode", of_whom(subjects, stimuli=False),
            "stars: that mean is not 0, Bonferroni over pairs")  # fmt: skip
    return figure


FIGURE_3 = (
    Drawing("3a_example", example_sentence),
    Drawing("3b_prediction_similarity", prediction_similarity, lambda results: "shared_r2" in results),
)
