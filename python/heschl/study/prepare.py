"""From one raw recording to the responses that a study reads: ``heschl ecog prepare recording.toml``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from heschl.checks import InputError
from heschl.ecog import Responses
from heschl.ecog.ceiling import noise_ceiling
from heschl.ecog.clean import mark_bad_channels, remove_line_noise, rereference
from heschl.ecog.dataset import to_dataset, write_dataset
from heschl.ecog.epochs import epoch
from heschl.ecog.high_gamma import HighGamma, high_gamma
from heschl.ecog.onsets import corrected, find_onsets, fit_drift
from heschl.ecog.readers import read_recording
from heschl.ecog.recording import Recording
from heschl.ecog.selection import reliable_across_repeats, speech_responsive
from heschl.files import replacing
from heschl.study.config_spaces import NotNegative, Positive, Section
from heschl.study.progress import Reporter
from heschl.study.transcripts import named_files
from heschl.timing.audio import read_audio

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

LEAST_FOR_DRIFT = 5
"""Onsets found, below which no line is drawn through them."""


class Clean(Section):
    """[clean]: mains frequency in Hz, found by itself, or "none"; the reference; how unlike others a bad channel is."""

    mains: Literal["auto", "none", 50, 60] = "auto"
    reference: Literal["group", "all", "bipolar", "none"] = "group"
    threshold: Positive = 5.0


class Gamma(Section):
    """[high_gamma]: samples per second, bands, edges in Hz."""

    rate: Annotated[float, Field(gt=0, le=200)] = 100.0
    bands: Literal["eight", "single"] = "eight"
    low: Positive = 70.0
    high: Positive = 150.0
    normalize: Literal["z", "log", "none"] = "z"


class Epochs(Section):
    """[epochs]: what to keep before the onset and after the end of each stimulus, s."""

    pre: NotNegative = 0.5
    post: NotNegative = 0.5


class Select(Section):
    """[select]: which electrodes are kept; the statistics of all of those kept stay with them."""

    method: Literal["t_test", "permutation", "reliability", "none"] = "t_test"
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.01


class Preparation(Section):
    """A whole recording.toml; paths are relative to it.

    Where ``audio`` names the channel that recorded the sound, and ``sounds`` the stimuli (a glob), onsets are found in
    it.
    """

    subject: str
    file: str
    out: str
    electrodes: str | None = None
    events: str | None = None
    audio: str | None = None
    sounds: str | None = None
    clean: Clean = Clean()
    high_gamma: Gamma = Gamma()
    epochs: Epochs = Epochs()
    select: Select = Select()


def read_preparation(path: str | Path) -> Preparation:
    """Read a recording.toml.

    Raises
    ------
    InputError
        For a file that is not there or not TOML, and for the first key that is unknown, missing or of another kind.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(str(path), "no such file", "a recording.toml")
    try:
        found = Preparation.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(str(path), str(error), "TOML") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        what = "an unknown key" if first["type"] == "extra_forbidden" else repr(first.get("input"))
        raise InputError(f"{path}: {key}", what, first["msg"].removeprefix("Input should be ")) from None
    if (found.audio is None) != (found.sounds is None):
        raise InputError(f"{path}: audio, sounds", "one without the other", "both, to find onsets by them, or neither")
    return found


def prepare(path: str | Path, report: Reporter) -> Path:
    """Prepare a recording: clean, high gamma, onsets, trials, choice of electrodes, ceilings; dataset and report.

    Parameters
    ----------
    path : str or Path
        The recording.toml.
    report : Reporter
        Told of the progress.

    Returns
    -------
    Path
        The dataset (.zarr); ``.md`` and ``.png`` of its name lie beside it.

    Raises
    ------
    InputError
        For anything wrong in the file or what it names; no event; no electrode that is left.
    """
    path = Path(path)
    settings, folder = read_preparation(path), path.resolve().parent

    def beside(name: str | None) -> Path | None:
        return None if name is None else folder / name

    out = folder / settings.out
    if out.suffix != ".zarr":
        raise InputError(f"{path}: out", repr(settings.out), "a name that ends in .zarr")
    raw = read_recording(
        folder / settings.file, subject=settings.subject, electrodes=beside(settings.electrodes),
        events=beside(settings.events), audio=settings.audio,
    )  # fmt: skip
    if len(raw.events) == 0:
        raise InputError(f"{path}: events", f"no event in {settings.file}", "onset, duration and stimulus of each")
    with report.stage("cleaning", 0):
        marked = mark_bad_channels(raw, threshold=settings.clean.threshold)
        mains = None if settings.clean.mains == "none" else settings.clean.mains
        clean = rereference(remove_line_noise(marked, mains), settings.clean.reference)
    events, said = _onsets(clean, settings, folder, report)
    with report.stage("high gamma", 1.0) as advance:
        gamma = high_gamma(
            clean, **settings.high_gamma.model_dump(), progress=lambda done, total: advance(done / total)
        )
    with report.stage("trials, electrodes, ceilings", 0):
        trials = epoch(
            gamma.values, gamma.rate, events, **settings.epochs.model_dump(), subject=settings.subject,
            electrodes=tuple(str(name) for name in gamma.electrodes.index),
        )  # fmt: skip
        kept, tables, choice = _chosen(trials, settings.select)
        ceiling = _ceiling(kept)
        if isinstance(ceiling, str):
            choice += (ceiling,)
        else:
            tables["ceiling"] = ceiling
        provenance = (*gamma.provenance, *said, *choice)
        write_dataset(to_dataset(kept, electrodes=gamma.electrodes, tables=tables, provenance=provenance), out)
        _write_report(out, settings, marked, provenance, tables)
        _write_figure(out.with_suffix(".png"), raw, clean, gamma, trials, tables)
    return out


def _onsets(
    recording: Recording, settings: Preparation, folder: Path, report: Reporter
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Give the events at the onsets that the recorded sound has, and what was found."""
    if recording.audio is None or settings.sounds is None:
        return recording.events, ("onsets as the events say",)
    files = named_files(folder, settings.sounds, "sounds")
    heard = set(recording.events["stimulus"])
    sounds = {name: read_audio(file, recording.sfreq) for name, file in files.items() if name in heard}
    with report.stage("onsets in the recorded sound", 0):
        audio = recording.read(0, recording.n_samples, [recording.audio])[:, 0]
        found = find_onsets(np.nan_to_num(audio), recording.sfreq, sounds, recording.events)
    n_found = int(found["onset"].notna().sum())
    confidence = found["confidence"].median()
    said = f"{n_found} of {len(found)} onsets found in {recording.audio!r}, median confidence {confidence:.2f}"
    if n_found < LEAST_FOR_DRIFT:
        raise InputError(f"audio {recording.audio!r}", said, "stimuli that are heard in it", "Is it the right channel?")
    drift = fit_drift(found["nominal"].to_numpy(), found["onset"].to_numpy())
    mended = corrected(found, drift)
    moved = (
        f"clock drift {drift.ppm:+.1f} ppm, offset {drift.offset:+.4f} s; {int(mended['corrected'].sum())} onsets by it"
    )
    return mended[["onset", "duration", "stimulus"]], (said, moved)


def _chosen(trials: Responses, select: Select) -> tuple[Responses, dict[str, pd.DataFrame], tuple[str, ...]]:
    """Keep the electrodes that respond; give the statistics, too."""
    if select.method == "none":
        return trials, {}, ("all good electrodes kept",)
    if select.method == "reliability":
        table = reliable_across_repeats(trials, alpha=select.alpha)
    else:
        table = speech_responsive(trials, method=select.method, alpha=select.alpha)
    keep = table["selected"].to_numpy(bool)
    said = f"{keep.sum()} of {len(keep)} electrodes chosen by {select.method}, alpha = {select.alpha:g}"
    if not keep.any():
        raise InputError(
            f"subject {trials.subject}: select", said, "at least one",
            f"The smallest p is {table['p'].min():.3g}; method = 'none' keeps all.",
        )  # fmt: skip
    names = tuple(name for name, own in zip(trials.electrodes, keep, strict=True) if own)
    kept = Responses(
        trials.subject,
        names,
        trials.sfreq,
        trials.onset,
        trials.stimuli,
        tuple(trial[:, keep] for trial in trials.trials),
    )
    return kept, {"select": table}, (said,)


def _ceiling(trials: Responses) -> pd.DataFrame | str:
    """Give the noise ceiling, or why there is none."""
    try:
        return noise_ceiling(trials)
    except InputError as error:
        return f"no noise ceiling: {error.found}"


def _write_report(
    out: Path, settings: Preparation, marked: Recording, provenance: tuple[str, ...], tables: dict[str, pd.DataFrame]
) -> None:
    bad = marked.electrodes[marked.electrodes["bad"]]
    lines = [f"# {settings.subject}: {settings.file} → {out.name}", "", "## What was done", ""]
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


def _write_figure(
    path: Path, raw: Recording, clean: Recording, gamma: HighGamma, trials: Responses, tables: dict[str, pd.DataFrame]
) -> None:
    """Draw spectra before and after, the mean response about onset, and what the choice and the ceilings look like."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    spectrum, course, spread = figure.subplots(1, 3)
    for recording, label, colour in ((raw, "as recorded", "#999999"), (clean, "cleaned", "#0072B2")):
        _draw_spectrum(spectrum, recording, label, colour)
    spectrum.set(xlabel="Hz", ylabel="V²/Hz, median over electrodes", title="Power spectra", yscale="log")
    spectrum.legend(frameon=False)
    _draw_course(course, trials)
    table = tables.get("ceiling", tables.get("select"))
    if table is not None:
        column = "r2" if "ceiling" in tables else ("t" if "t" in table else "r")
        limits = (0.0, 1.0) if "ceiling" in tables else None
        spread.hist(table[column].dropna(), bins=30, range=limits, color="#009E73")
        title = "Noise ceiling, R²" if "ceiling" in tables else f"Choice of electrodes: {column}"
        spread.set(xlabel=title, ylabel="electrodes", title=f"{title} ({len(table)} electrodes)")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png")


def _draw_spectrum(axis: Axes, recording: Recording, label: str, colour: str) -> None:
    from scipy import signal

    middle, size = recording.n_samples // 2, int(min(recording.n_samples, 30 * recording.sfreq))
    samples = np.nan_to_num(recording.read(middle - size // 2, middle - size // 2 + size, recording.good[:64]))
    frequency, power = signal.welch(samples, recording.sfreq, nperseg=min(size, int(2 * recording.sfreq)), axis=0)
    shown = (frequency > 1) & (frequency < 200)
    axis.plot(frequency[shown], np.median(power[shown], axis=1), color=colour, lw=1.2, label=label)


def _draw_course(axis: Axes, trials: Responses) -> None:
    shortest = min(map(len, trials.trials))
    mean: NDArray[Any] = np.nanmean([trial[:shortest] for trial in trials.trials], axis=0)
    times = trials.onset + np.arange(shortest) / trials.sfreq
    low, middle, high = np.nanpercentile(mean, [25, 50, 75], axis=1)
    axis.fill_between(times, low, high, color="#D55E00", alpha=0.25, lw=0, label="quartiles")
    axis.plot(times, middle, color="#D55E00", label="median")
    axis.axvline(0, color="black", lw=0.6)
    title = f"Mean over {len(trials.trials)} trials ({mean.shape[1]} electrodes)"
    axis.set(xlabel="s from onset", ylabel="high gamma", title=title)
    axis.legend(frameon=False)
