"""Spaces that are files, and whether what the analyses ask of the spaces can be had from so many rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from heschl.checks import InputError
from heschl.ecog import Responses
from heschl.files import read_npy
from heschl.names import name_hint
from heschl.study.check.models import model_facts
from heschl.study.check.problems import Problem, attempt, listed
from heschl.study.config.encoding import WHOLE
from heschl.study.config.study import Study
from heschl.study.kinds.base import Tier
from heschl.study.kinds.given import ArraySpace, FrameArrays
from heschl.study.kinds.words import WordSpace
from heschl.timing.words import Transcript


def array_problems(
    study: Study, folder: Path, lengths: Mapping[str, float], words: Mapping[str, int] | None
) -> list[Problem]:
    """Check features that were computed elsewhere, and tables of word vectors.

    Parameters
    ----------
    study : Study
    folder : Path
        Where the study.toml lies.
    lengths : mapping of stimulus to float
        Of what was heard, with the silence after it, in s.
    words : mapping of stimulus to int, or None
        Words of each; None where the transcripts cannot be read.
    """
    found: list[Problem] = []
    for name, space in study.features.items():
        key = f"features.{name}"
        if isinstance(space, ArraySpace):
            found += _arrays(key, space, folder, lengths, words)
        elif isinstance(space, WordSpace):
            found += _vectors(key, space, folder)
    return found


def _arrays(
    key: str, space: ArraySpace, folder: Path, lengths: Mapping[str, float], words: Mapping[str, int] | None
) -> list[Problem]:
    place = folder / Path(space.folder).expanduser()
    if not place.is_dir():
        siblings = [other.name for other in place.parent.glob("*") if other.is_dir()]
        return [Problem("error", f"{key}.folder", f"no folder {place}", "a folder of .npy files",
                        name_hint(place.name, siblings))]  # fmt: skip
    missing = [name for name in lengths if not space.path(folder, name).is_file()]
    if missing:
        there = [file.stem for file in place.rglob("*.npy")]
        return [
            Problem(
                "error", f"{key}.folder", f"no file for {len(missing)} of {len(lengths)} stimuli: {listed(missing)}",
                f"NAME.npy for each stimulus that was heard, in {place}", name_hint(missing[0], there),
            )
        ]  # fmt: skip
    wrong: list[str] = []
    shapes: dict[tuple[int, int], str] = {}
    rates: list[float] = []
    for name, seconds in lengths.items():
        try:
            values = read_npy(space.path(folder, name), mapped=True)
        except InputError as error:
            wrong.append(f"{name}: {error.found}")
            continue
        values = values[None] if values.ndim == 2 else values
        if values.ndim != 3 or values.dtype.kind != "f":
            wrong.append(f"{name}: dtype {values.dtype}, shape {values.shape}")
            continue
        shapes.setdefault((values.shape[0], values.shape[2]), name)
        rows = space.grid().n_frames(seconds) if isinstance(space, FrameArrays) else (words or {}).get(name)
        if rows is not None and values.shape[1] != rows:
            wrong.append(f"{name}: {values.shape[1]} rows for {rows}")
            rates.append(values.shape[1] / seconds if seconds > 0 else 0.0)
    found = []
    if wrong:
        expected, remedy = (
            "a row for each word of the stimulus",
            "The rows are the words of the transcript, in its order.",
        )
        if isinstance(space, FrameArrays):
            expected = (
                f"(layers, frames, width) in floats, with frames at {space.rate:g} Hz of sound and the silence after it"
            )
            remedy = _rate_advice(space, rates)
        found.append(Problem("error", key, f"{len(wrong)} files of another shape: {listed(wrong)}", expected, remedy))
    if len(shapes) > 1:
        each = [f"{name} {layers} × {width}" for (layers, width), name in shapes.items()]
        found.append(Problem("error", key, f"files of different layers × width: {listed(each)}", "all alike", ""))
    return found


def _rate_advice(space: FrameArrays, rates: list[float]) -> str:
    if rates:
        rate = float(np.median(rates))
        if not 0.9 < rate / space.rate < 1.1:
            return f"The files have about {rate:.3g} rows per second: rate = {rate:.3g}?"
    return (
        'responses.tail = "crop" asks for frames of the sound alone; centre and width say where a model\'s frames lie.'
    )


def _vectors(key: str, space: WordSpace, folder: Path) -> list[Problem]:
    """Look whether a table of word vectors can be one, by its first lines."""
    file = folder / space.file
    if not file.is_file():
        siblings = [other.name for other in file.parent.glob("*") if other.is_file()] if file.parent.is_dir() else []
        return [Problem("error", f"{key}.file", f"no file {file}", "word vectors", name_hint(file.name, siblings))]
    if file.suffix != ".npy":
        with open(file, "rb") as lines:
            first = lines.readline(1_000_000).split()
        if len(first) < 2 or not _is_number(first[-1]):
            return [
                Problem(
                    "error", f"{key}.file", f"a first line that is no word and numbers, in {file}",
                    "GloVe's or word2vec's text: a word and its vector in each line", "",
                )
            ]  # fmt: skip
        return []
    if space.words is None:
        return []
    words = folder / space.words
    if not words.is_file():
        return [Problem("error", f"{key}.words", f"no file {words}", "a word in each line", "")]
    return []


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def rate_of(study: Study, folder: Path) -> float | None:
    """Return the rate of the study's frames in Hz, where configurations say it."""
    name = study.grid_model()
    if name is None:
        return study.grid.rate
    facts = model_facts(study.features[name], folder)
    return None if facts is None else facts.rate


def lag_problems(study: Study, rate: float | None, longest: float) -> list[Problem]:
    """Look at the lags in frames: whole numbers, and fewer than a trial has."""
    if rate is None:
        return []
    found = []
    for name in ("tmin", "tmax"):
        seconds = getattr(study.encoding, name)
        frames = seconds * rate
        if abs(frames - round(frames)) > WHOLE:
            at = study.encoding.lags(rate)
            taken = (at.start if name == "tmin" else at.stop - 1) / rate
            found.append(
                Problem(
                    "warning", f"encoding.{name}", f"{seconds:g} s, {frames:.4g} frames at {rate:g} Hz",
                    "a whole number of frames", f"{taken:.4g} s is taken: write {name} = {taken:.4g}.",
                )
            )  # fmt: skip
    if longest and max(abs(study.encoding.tmin), abs(study.encoding.tmax)) >= longest:
        found.append(
            Problem(
                "error", "encoding.tmin, encoding.tmax", f"lags to {study.encoding.tmax:g} s",
                f"lags shorter than the longest trial, {longest:.3g} s", "They are in seconds.",
            )
        )  # fmt: skip
    return found


def shared_problems(
    study: Study, folder: Path, subjects: Mapping[str, Responses], read: Mapping[Tier, Mapping[str, Transcript]],
    rate: float | None, widths: Mapping[str, int],
) -> list[Problem]:  # fmt: skip
    """Count, before any work, whether [shared] can find so many components in so many rows."""
    shared = study.shared
    if shared is None:
        return []
    widths = {
        side: widths[space] for side, space in (("speech", shared.speech), ("language", shared.language))
        if space in widths
    }  # fmt: skip
    heard = {name for subject in subjects.values() for name in subject.stimuli}
    words = [word for name in heard for word in getattr(read.get("words", {}).get(name), "words", ())]
    rows = len(words)
    if shared.level == "frames":
        rows = round(sum(word.end - word.start for word in words) * (rate or 0.0))
    rows = rows if shared.scope == "all" else rows * (study.encoding.folds - 1) // study.encoding.folds
    found: list[Problem] = []
    attempt(found, lambda: shared.check_counts(widths, rows))
    return found
