"""Feature spaces as the study sees them: layers, width, and the rows of each stimulus, frames or words.

A new kind of space is one class here and its settings in ``config.py``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from heschl.files import digest, digest_code, digest_files
from heschl.study.config import MEL_SFREQ, LanguageSpace, MelSpace, SpeechSpace, WordSpace
from heschl.study.inputs import Inputs, Stimulus, model_source
from heschl.timing.audio import read_audio
from heschl.timing.grid import FrameGrid

Floats = NDArray[np.float32]

NAMED_WORDS = 12
"""Words without a vector that a note names."""


class OpenSpace(Protocol):
    """A feature space with its model in memory.

    Attributes
    ----------
    rows : {"frame", "word"}
        What a row of its features is.
    layers : sequence of str
        Names of the layers.
    width : int
        Features per layer.
    own_grid : FrameGrid or None
        The times of the frames; None where rows are words.
    settings : mapping
        Every choice that was made, in plain values.
    note : str
        What a reader of the results should know; or nothing.
    """

    rows: Literal["frame", "word"]
    layers: Sequence[str]
    width: int
    own_grid: FrameGrid | None
    settings: Mapping[str, Any]
    note: str

    def extract(self, stimuli: Sequence[Stimulus], lengths: Mapping[str, float]) -> Iterator[Floats]:
        """Give (n_layers, n_rows, width) of each stimulus; a sound with silence up to its length (s by name)."""
        ...


def open_space(name: str, inputs: Inputs) -> OpenSpace:
    """Load what a space of [features] needs (a model, word vectors).

    Parameters
    ----------
    name : str
        The space's name in the study.toml.
    inputs : Inputs
        The study.

    Returns
    -------
    OpenSpace
        Let go of it before opening the next: a model fills memory.

    Raises
    ------
    InputError
        For a model that cannot be used, named by its key.
    """
    space = inputs.study.features[name]
    match space:
        case MelSpace():
            return _Mel(space)
        case SpeechSpace():
            return _Speech(model_source(inputs.folder, space.model))
        case LanguageSpace():
            return _Language(model_source(inputs.folder, space.model))
        case WordSpace():
            return _Words(inputs.folder / space.file, _vocabulary(inputs))


def source_key(name: str, inputs: Inputs) -> str:
    """Hash a space's settings with the content of the files behind it (for a model on the Hub: its revision)."""
    space = inputs.study.features[name]
    settings = [
        space.model_dump(exclude={"model", "file"}),
        inputs.study.store.dtype,
        digest_code("features", "study.spaces", "timing.audio"),
    ]
    if isinstance(space, MelSpace):
        return digest(settings)
    if isinstance(space, WordSpace):
        return digest(settings, digest_files([inputs.folder / space.file]), sorted(_vocabulary(inputs)))
    source = model_source(inputs.folder, space.model)
    if isinstance(source, str):
        return digest(settings, source)
    return digest(settings, digest_files(file for file in source.iterdir() if file.is_file()))


def stimulus_key(rows: str, stimulus: Stimulus, length: float) -> str:
    """Hash what a stimulus' features come from: its words, or its sound and how much silence follows."""
    if rows == "word":
        return digest([word.text for word in stimulus.words])
    return digest(digest_files([stimulus.path]), length)


def _vocabulary(inputs: Inputs) -> set[str]:
    return {word.text for stimulus in inputs.stimuli.values() for word in stimulus.words}


def _sound(stimulus: Stimulus, length: float, sfreq: int) -> Floats:
    """Read a sound, cut or padded with silence to ``length`` seconds."""
    sound = read_audio(stimulus.path, sfreq)
    n = round(length * sfreq)
    return np.pad(sound[:n], (0, max(0, n - len(sound))))


class _Mel:
    rows: Literal["frame", "word"] = "frame"
    note = ""
    layers: Sequence[str] = ("0",)

    def __init__(self, settings: MelSpace) -> None:
        from heschl.features.acoustic import mel_grid

        self.parameters = settings.model_dump(exclude={"kind"})
        self.settings: Mapping[str, Any] = {**self.parameters, "sfreq": MEL_SFREQ}
        self.width = settings.n_mels
        self.own_grid: FrameGrid | None = mel_grid(MEL_SFREQ, settings.window, settings.hop)

    def extract(self, stimuli: Sequence[Stimulus], lengths: Mapping[str, float]) -> Iterator[Floats]:
        from heschl.features.acoustic import mel_spectrogram

        for stimulus in stimuli:
            sound = _sound(stimulus, lengths[stimulus.name], MEL_SFREQ)
            yield mel_spectrogram(sound, MEL_SFREQ, **self.parameters)[0][None]


class _Speech:
    rows: Literal["frame", "word"] = "frame"
    note = ""

    def __init__(self, source: Path | str) -> None:
        from heschl.features.speech import SpeechModel

        self.model = SpeechModel(source)
        self.layers: Sequence[str] = self.model.layers
        self.width = self.model.width
        self.own_grid: FrameGrid | None = self.model.grid
        self.settings: Mapping[str, Any] = {}

    def extract(self, stimuli: Sequence[Stimulus], lengths: Mapping[str, float]) -> Iterator[Floats]:
        for stimulus in stimuli:
            yield self.model.extract(_sound(stimulus, lengths[stimulus.name], self.model.sfreq))


class _Language:
    rows: Literal["frame", "word"] = "word"
    note = ""
    own_grid: FrameGrid | None = None

    def __init__(self, source: Path | str) -> None:
        from heschl.features.language import LanguageModel

        self.model = LanguageModel(source)
        self.layers: Sequence[str] = self.model.layers
        self.width = self.model.width
        self.settings: Mapping[str, Any] = {}

    def extract(self, stimuli: Sequence[Stimulus], lengths: Mapping[str, float]) -> Iterator[Floats]:
        for stimulus in stimuli:
            yield self.model.extract([word.text for word in stimulus.words])


class _Words:
    rows: Literal["frame", "word"] = "word"
    layers: Sequence[str] = ("0",)
    own_grid: FrameGrid | None = None

    def __init__(self, path: Path, vocabulary: Collection[str]) -> None:
        from heschl.features.words import WordVectors

        self.vectors = WordVectors.read(path, vocabulary)
        self.width = self.vectors.width
        self.settings: Mapping[str, Any] = {}
        missing = self.vectors.missing
        listed = ", ".join(missing[:NAMED_WORDS]) + " …" * (len(missing) > NAMED_WORDS)
        self.note = f"{len(missing)} of {len(vocabulary)} words without a vector: {listed}" if missing else ""

    def extract(self, stimuli: Sequence[Stimulus], lengths: Mapping[str, float]) -> Iterator[Floats]:
        for stimulus in stimuli:
            yield self.vectors.extract([word.text for word in stimulus.words])
