"""From one raw recording to the responses that a study reads: ``heschl ecog prepare recording.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, ValidationError

from heschl.checks import InputError
from heschl.ecog import Responses
from heschl.ecog.ceiling import noise_ceiling
from heschl.ecog.cleaning import mark_bad_channels, remove_line_noise, rereference
from heschl.ecog.cleaning.artefacts import mark_artefacts
from heschl.ecog.derivatives import write_derivative
from heschl.ecog.epochs import epoch
from heschl.ecog.high_gamma import HighGamma, high_gamma
from heschl.ecog.onsets import corrected, find_onsets, fit_drift
from heschl.ecog.recording.readers import read_recording
from heschl.ecog.recording.recording import Recording
from heschl.ecog.recording.tables import read_table
from heschl.ecog.responses.dataset import to_dataset, write_dataset
from heschl.ecog.selection import reliable_across_repeats, speech_responsive
from heschl.ecog.triggers import trigger_events
from heschl.names import stimulus_name
from heschl.study.inputs.transcripts import named_files
from heschl.study.prepare.report import write_figure, write_text
from heschl.study.section import NotNegative, Positive, Section
from heschl.study.work.progress import Reporter
from heschl.timing.audio import duration, read_audio

if TYPE_CHECKING:
    import pandas as pd

LEAST_FOR_DRIFT = 5
"""Onsets found, below which no line is drawn through them."""


class Clean(Section):
    """[clean]: mains frequency in Hz, found by itself, or "none"; the reference; how unlike others a bad channel is.

    ``artefacts``: robust standard deviations that many electrodes move at once in what is left out; 0 looks for none.
    """

    mains: Literal["auto", "none", 50, 60] = "auto"
    reference: Literal["group", "all", "bipolar", "none"] = "group"
    threshold: Positive = 5.0
    artefacts: NotNegative = 12.0


class Gamma(Section):
    """[high_gamma]: samples per second, bands, edges in Hz; bands = "given" where the file holds high gamma already."""

    rate: Annotated[float, Field(gt=0, le=200)] = 100.0
    bands: Literal["eight", "single", "given"] = "eight"
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


class Trigger(Section):
    """[trigger]: the channel, and the stimulus of each code, or a table with the column ``stimulus`` in their order."""

    channel: str
    codes: Annotated[dict[str, str], Field(default_factory=dict)]
    order: str | None = None


class Preparation(Section):
    """A whole recording.toml; paths are relative to it.

    Where ``audio`` names the channel that recorded the sound, and ``sounds`` the stimuli (a glob), onsets are found in
    it. A column ``session`` of the events goes into the dataset. ``sfreq`` is the rate of a .npy, in Hz; ``series`` the
    one of an .nwb to read; ``open_bad`` says what becomes of a bad span without an end (see
    `heschl.ecog.read_recording`). ``derivatives``: also write the high gamma of all good electrodes for other tools, as
    "bids" (a folder OUT_bids) or "nwb" (a file beside OUT), or both.
    """

    subject: str
    file: str
    out: str
    electrodes: str | None = None
    events: str | None = None
    audio: str | None = None
    sounds: str | None = None
    sfreq: Positive | None = None
    series: str | None = None
    open_bad: Literal["raise", "to_end"] = "raise"
    derivatives: Annotated[list[Literal["bids", "nwb"]], Field(default_factory=list)]
    trigger: Trigger | None = None
    clean: Clean = Clean()
    high_gamma: Gamma = Gamma()
    epochs: Epochs = Epochs()
    select: Select = Select()


def read_preparation(path: str | Path) -> Preparation:
    """Read a recording.toml.

    Raises
    ------
    InputError
        For a file that does not exist or is not TOML, and the first key that is unknown, missing or of another kind.
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
    if (found.audio is None) != (found.sounds is None) and found.trigger is None:
        raise InputError(f"{path}: audio, sounds", "one without the other", "both, to find onsets by them, or neither")
    if found.trigger is not None and (found.sounds is None or bool(found.trigger.codes) == bool(found.trigger.order)):
        raise InputError(
            f"{path}: trigger", "no sounds" if found.sounds is None else "codes and order, or neither",
            "sounds (for their lengths), and codes or order",
        )  # fmt: skip
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
        events=beside(settings.events), audio=settings.audio, sfreq=settings.sfreq,
        trigger=settings.trigger.channel if settings.trigger else None, series=settings.series,
        open_bad=settings.open_bad,
    )  # fmt: skip
    if settings.trigger is not None:
        raw = replace(raw, events=_triggered(raw, settings, folder))
    if len(raw.events) == 0:
        raise InputError(f"{path}: events", f"no event in {settings.file}", "onset, duration and stimulus of each")
    given = settings.high_gamma.bands == "given"
    with report.stage("cleaning", 0):
        marked = clean = raw if given else _cleaned(raw, settings.clean)
        if not given:
            mains = None if settings.clean.mains == "none" else settings.clean.mains
            clean = rereference(remove_line_noise(marked, mains), settings.clean.reference)
    events, onset_notes = _onsets(clean, settings, folder, report)
    with report.stage("high gamma", 1.0) as advance:
        if given:
            gamma = _as_given(raw)
        else:
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
        provenance = (*gamma.provenance, *onset_notes, *choice)
        write_dataset(to_dataset(kept, electrodes=gamma.electrodes, tables=tables, provenance=provenance), out)
        for format in settings.derivatives:
            where = out.with_name(f"{out.stem}_bids") if format == "bids" else out.parent
            write_derivative(gamma, events, where, subject=settings.subject, format=format)
        write_text(out, f"{settings.subject}: {settings.file}", marked, provenance, tables)
        shown = {} if given else {"as recorded": raw, "cleaned": clean}
        write_figure(out.with_suffix(".png"), shown, gamma.electrodes, trials, tables)
    return out


def _cleaned(raw: Recording, settings: Clean) -> Recording:
    """Mark bad channels and artefacts."""
    marked = mark_bad_channels(raw, threshold=settings.threshold)
    return mark_artefacts(marked, threshold=settings.artefacts) if settings.artefacts > 0 else marked


def _as_given(raw: Recording) -> HighGamma:
    """Take the samples of the good electrodes as high gamma; artefacts are left out."""
    values = raw.read(0, raw.n_samples, raw.good).astype(np.float32)
    for start, stop in raw.artefacts:
        values[int(start * raw.sfreq) : int(np.ceil(stop * raw.sfreq))] = np.nan
    note = f"high gamma as the file gives it, {raw.sfreq:g} Hz"
    return HighGamma(values, raw.sfreq, raw.electrodes.loc[raw.good], (*raw.provenance, note))


def _triggered(raw: Recording, settings: Preparation, folder: Path) -> pd.DataFrame:
    """Return the events of the trigger channel."""
    assert settings.trigger is not None and settings.sounds is not None, "the settings have been checked"
    durations = {name: duration(file) for name, file in named_files(folder, settings.sounds, "sounds").items()}
    if settings.trigger.order is None:
        bad = [code for code in settings.trigger.codes if not code.isdigit()]
        if bad:
            raise InputError("trigger.codes", repr(bad[0]), "whole numbers")
        return trigger_events(raw, durations, codes={int(c): name for c, name in settings.trigger.codes.items()})
    table = read_table(folder / settings.trigger.order)
    if "stimulus" not in table or None in table["stimulus"]:
        raise InputError(
            settings.trigger.order, f"the columns {', '.join(table)}", "a column 'stimulus' with a name in every row"
        )
    return trigger_events(raw, durations, order=[stimulus_name(name) for name in table["stimulus"]])


def _onsets(
    recording: Recording, settings: Preparation, folder: Path, report: Reporter
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the events at the onsets that the recorded sound has, and what was found."""
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
    note = f"{n_found} of {len(found)} onsets found in {recording.audio!r}, median confidence {confidence:.2f}"
    if n_found < LEAST_FOR_DRIFT:
        raise InputError(f"audio {recording.audio!r}", note, "stimuli that are heard in it", "Is it the right channel?")
    drift = fit_drift(found["nominal"].to_numpy(), found["onset"].to_numpy())
    mended = corrected(found, drift)
    moved = (
        f"clock drift {drift.ppm:+.1f} ppm, offset {drift.offset:+.4f} s; {int(mended['corrected'].sum())} onsets by it"
    )
    events = mended[["onset", "duration", "stimulus"]]
    if "session" in recording.events:  # a row for each presentation, in their order
        events = events.assign(session=recording.events["session"].to_numpy())
    return events, (note, moved)


def _chosen(trials: Responses, select: Select) -> tuple[Responses, dict[str, pd.DataFrame], tuple[str, ...]]:
    """Keep the electrodes that respond; give the statistics, too."""
    if select.method == "none":
        return trials, {}, ("all good electrodes kept",)
    if select.method == "reliability":
        table = reliable_across_repeats(trials, alpha=select.alpha)
    else:
        table = speech_responsive(trials, method=select.method, alpha=select.alpha)
    keep = table["selected"].to_numpy(bool)
    note = f"{keep.sum()} of {len(keep)} electrodes chosen by {select.method}, alpha = {select.alpha:g}"
    if not keep.any():
        raise InputError(
            f"subject {trials.subject}: select", note, "at least one",
            f"The smallest p is {table['p'].min():.3g}; method = 'none' keeps all.",
        )  # fmt: skip
    names = tuple(name for name, kept in zip(trials.electrodes, keep, strict=True) if kept)
    kept = replace(trials, electrodes=names, trials=tuple(trial[:, keep] for trial in trials.trials))
    return kept, {"select": table}, (note,)


def _ceiling(trials: Responses) -> pd.DataFrame | str:
    """Return the noise ceiling, or why there is none."""
    try:
        return noise_ceiling(trials)
    except InputError as error:
        return f"no noise ceiling: {error.found}"
