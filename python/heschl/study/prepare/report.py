"""The report of a prepared recording: what was done, and figures to look at before believing any of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.ecog import Responses
from heschl.ecog.recording.recording import Recording
from heschl.ecog.selection import reliable_across_repeats
from heschl.files import replacing
from heschl.plot.brain import draw_electrodes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

BEFORE, AFTER, GREEN, RED = "#999999", "#0072B2", "#009E73", "#D55E00"


def write_text(
    out: Path, title: str, marked: Recording, provenance: tuple[str, ...], tables: dict[str, pd.DataFrame]
) -> None:
    """Write OUT.md: every step in a sentence, bad electrodes and why, which are chosen, how high their ceilings are."""
    bad = marked.electrodes[marked.electrodes["bad"]]
    lines = [f"# {title} → {out.name}", "", f"![figures]({out.with_suffix('.png').name})", "", "## What was done", ""]
    lines += [f"- {sentence}" for sentence in provenance]
    lines += ["", f"## Bad electrodes: {len(bad)} of {len(marked.electrodes)}", ""]
    lines += [f"- {name}: {reason}" for name, reason in bad["reason"].items()]
    if "select" in tables:
        chosen = tables["select"]
        lines += ["", f"## Chosen: {int(chosen['selected'].sum())} of {len(chosen)}", ""]
        lines += [", ".join(str(name) for name in chosen.index[chosen["selected"]])]
    if "ceiling" in tables:
        ceiling = tables["ceiling"]
        lines += ["", "## Noise ceiling (R² of the mean over repeats)", ""]
        lines += [f"median {ceiling['r2'].median():.2f}, not reliably above 0: {int((~ceiling['reliable']).sum())}"]
    with replacing(out.with_suffix(".md")) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_figure(
    path: Path,
    recordings: dict[str, Recording],
    electrodes: pd.DataFrame,
    trials: Responses,
    tables: dict[str, pd.DataFrame],
) -> None:
    """Draw spectra before and after, the mean response about onset, reliability over repeats, the choice, and a map."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6.6), layout="constrained")
    FigureCanvasAgg(figure)
    (spectrum, course, spread), (reliability, left, right) = figure.subplots(2, 3)
    for (label, recording), colour in zip(recordings.items(), (BEFORE, AFTER), strict=False):
        _draw_spectrum(spectrum, recording, label, colour)
    spectrum.set(xlabel="Hz", ylabel="V²/Hz, median over electrodes", title="Power spectra", yscale="log")
    if recordings:
        spectrum.legend(frameon=False)
    else:
        spectrum.set_axis_off()
    _draw_course(course, trials)
    table, column, title = _shown(tables)
    if table is None:
        spread.set_axis_off()
    else:
        spread.hist(table[column].dropna(), bins=30, range=(0, 1) if "ceiling" in tables else None, color=GREEN)
        spread.set(xlabel=title, ylabel="electrodes", title=f"{title} ({len(table)} electrodes)")
    _draw_reliability(reliability, trials)
    _draw_map((left, right), electrodes, table, column, title)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png")


def _shown(tables: dict[str, pd.DataFrame]) -> tuple[pd.DataFrame | None, str, str]:
    """Choose what histogram and map show: ceilings, else the statistic of the choice."""
    if "ceiling" in tables:
        return tables["ceiling"], "r2", "Noise ceiling, R²"
    if "select" in tables:
        column = "t" if "t" in tables["select"] else "r"
        return tables["select"], column, f"Choice of electrodes: {column}"
    return None, "", ""


def _draw_spectrum(axis: Axes, recording: Recording, label: str, colour: str) -> None:
    from scipy import signal

    middle, size = recording.n_samples // 2, int(min(recording.n_samples, 30 * recording.sfreq))
    samples = np.nan_to_num(recording.read(middle - size // 2, middle - size // 2 + size, recording.good[:64]))
    frequency, power = signal.welch(samples, recording.sfreq, nperseg=min(size, int(2 * recording.sfreq)), axis=0)
    shown = (frequency > 1) & (frequency < 200)
    axis.plot(frequency[shown], np.median(power[shown], axis=1), color=colour, lw=1.2, label=label)


def _draw_course(axis: Axes, trials: Responses) -> None:
    """Draw the mean over electrodes and trials, with its 95 % interval over trials."""
    shortest = min(map(len, trials.trials))
    means: NDArray[Any] = np.array([np.nanmean(trial[:shortest], axis=1) for trial in trials.trials])
    times = trials.onset + np.arange(shortest) / trials.sfreq
    middle = np.nanmean(means, axis=0)
    error = 1.96 * np.nanstd(means, axis=0, ddof=1) / np.sqrt(len(means)) if len(means) > 1 else np.zeros(shortest)
    axis.fill_between(times, middle - error, middle + error, color=RED, alpha=0.25, lw=0, label="95 % interval")
    axis.plot(times, middle, color=RED, label="mean")
    axis.axvline(0, color="black", lw=0.6)
    title = f"Mean over {len(trials.trials)} trials, {trials.trials[0].shape[1]} electrodes"
    axis.set(xlabel="s from onset", ylabel="high gamma", title=title)
    axis.legend(frameon=False)


def _draw_reliability(axis: Axes, trials: Responses) -> None:
    try:
        table = reliable_across_repeats(trials)
    except InputError:
        axis.text(0.5, 0.5, "no repeats:\nreliability unknown", ha="center", va="center", fontsize=9)
        axis.set_axis_off()
        return
    axis.hist(table["r"].dropna(), bins=30, color=AFTER)
    axis.axvline(0, color="black", lw=0.6)
    axis.set(
        xlabel="r between halves of the repeats", ylabel="electrodes", title=f"Reliability ({len(table)} electrodes)"
    )


def _draw_map(
    axes: tuple[Axes, Axes], electrodes: pd.DataFrame, table: pd.DataFrame | None, column: str, title: str
) -> None:
    positions = electrodes[["x", "y", "z"]].to_numpy(np.float64)
    values = np.full(len(electrodes), np.nan)
    if table is not None:
        values = table[column].reindex(electrodes.index).to_numpy(np.float64)
    drawn = draw_electrodes(list(axes), positions, values)
    if drawn is None:
        axes[0].text(0.5, 0.5, "positions unknown", ha="center", va="center", fontsize=9)
        for axis in axes:
            axis.set_axis_off()
    elif table is not None:
        bar = axes[1].figure.colorbar(drawn, ax=axes[1], shrink=0.7)
        bar.set_label(title, fontsize=8)
