"""Feature spaces as the study sees them: layers, width, and frames on the study's grid.

A new kind of space is one class here and its settings in ``config.py``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from heschl.study.cache import digest, digest_code, digest_files
from heschl.study.config import MEL_SFREQ, LanguageSpace, MelSpace, SpeechSpace, WordSpace
from heschl.study.inputs import Inputs, Stimulus, model_source
from heschl.timing.audio import read_audio
from heschl.timing.grid import FrameGrid, words_to_frames
from heschl.timing.resample import resample

Floats = NDArray[np.float32]

NAMED_WORDS = 12
"""Words without a vector that a note names."""


class OpenSpace(Protocol):
    """A feature space with its model in memory.

    Attributes
    ----------
    layers : sequence of str
        Names of the layers.
    width : int
        Features per layer.
    own_grid : FrameGrid or None
        The space's own frames; None where it has one value per word, and for the mel spectrum.
    note : str
        What a reader of the results should know; or nothing.
    """

    layers: Sequence[str]
    width: int
    own_grid: FrameGrid | None
    note: str

    def frames(self, stimulus: Stimulus, length: float, grid: FrameGrid) -> Floats:
        """Give ``length`` seconds of a stimulus, silence after the sound: (n_layers, n_frames, width)."""
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
    """Hash a space's settings with the content of the files behind it (for a model on the Hub: its name)."""
    space = inputs.study.features[name]
    settings = [
        space.model_dump(exclude={"model", "file"}),
        digest_code("features", "timing", "study.spaces", "study.extraction"),
    ]
    if isinstance(space, MelSpace):
        return digest(settings)
    if isinstance(space, WordSpace):
        return digest(settings, digest_files([inputs.folder / space.file]), sorted(_vocabulary(inputs)))
    source = model_source(inputs.folder, space.model)
    if isinstance(source, str):
        return digest(settings, source)
    return digest(settings, digest_files(file for file in source.iterdir() if file.is_file()))


def _vocabulary(inputs: Inputs) -> set[str]:
    return {word.text for stimulus in inputs.stimuli.values() for word in stimulus.words}


def _sound(stimulus: Stimulus, length: float, sfreq: int) -> Floats:
    """Read a sound, cut or padded with silence to ``length`` seconds."""
    sound = read_audio(stimulus.path, sfreq)
    n = round(length * sfreq)
    return np.pad(sound[:n], (0, max(0, n - len(sound))))


def _onto(grid: FrameGrid, length: float, values: Floats, own: FrameGrid) -> Floats:
    """Bring (n_layers, n_own, width) from a space's own frames onto the study's."""
    n_frames = grid.n_frames(length)
    if own == grid:
        return values[:, :n_frames]
    n_layers, n_own, width = values.shape
    flat = values.transpose(1, 0, 2).reshape(n_own, n_layers * width)
    out = resample(flat, own.times(n_own), grid.times(n_frames))
    return out.reshape(n_frames, n_layers, width).transpose(1, 0, 2).astype(np.float32)


class _Mel:
    note = ""
    layers: Sequence[str] = ("0",)
    own_grid: FrameGrid | None = None

    def __init__(self, settings: MelSpace) -> None:
        self.settings = settings
        self.width = settings.n_mels

    def frames(self, stimulus: Stimulus, length: float, grid: FrameGrid) -> Floats:
        from heschl.features.acoustic import mel_spectrogram

        sound = _sound(stimulus, length, MEL_SFREQ)
        values, own = mel_spectrogram(sound, MEL_SFREQ, **self.settings.model_dump(exclude={"kind"}))
        return _onto(grid, length, values[None], own)


class _Speech:
    note = ""

    def __init__(self, source: Path | str) -> None:
        from heschl.features.speech import SpeechModel

        self.model = SpeechModel(source)
        self.layers: Sequence[str] = self.model.layers
        self.width = self.model.width
        self.own_grid: FrameGrid | None = self.model.grid

    def frames(self, stimulus: Stimulus, length: float, grid: FrameGrid) -> Floats:
        values = self.model.extract(_sound(stimulus, length, self.model.sfreq))
        return _onto(grid, length, values, self.model.grid)


class _Language:
    note = ""
    own_grid: FrameGrid | None = None

    def __init__(self, source: Path | str) -> None:
        from heschl.features.language import LanguageModel

        self.model = LanguageModel(source)
        self.layers: Sequence[str] = self.model.layers
        self.width = self.model.width

    def frames(self, stimulus: Stimulus, length: float, grid: FrameGrid) -> Floats:
        times = grid.times(grid.n_frames(length))
        if not stimulus.words:
            return np.zeros((len(self.layers), len(times), self.width), np.float32)
        values = self.model.extract([word.text for word in stimulus.words])
        return words_to_frames(values, stimulus.words, times)


class _Words:
    layers: Sequence[str] = ("0",)
    own_grid: FrameGrid | None = None

    def __init__(self, path: Path, vocabulary: Collection[str]) -> None:
        from heschl.features.words import WordVectors

        self.vectors = WordVectors.read(path, vocabulary)
        self.width = self.vectors.width
        missing = self.vectors.missing
        listed = ", ".join(missing[:NAMED_WORDS]) + " …" * (len(missing) > NAMED_WORDS)
        self.note = f"{len(missing)} of {len(vocabulary)} words without a vector: {listed}" if missing else ""

    def frames(self, stimulus: Stimulus, length: float, grid: FrameGrid) -> Floats:
        values = self.vectors.extract([word.text for word in stimulus.words])
        return words_to_frames(values, stimulus.words, grid.times(grid.n_frames(length)))
