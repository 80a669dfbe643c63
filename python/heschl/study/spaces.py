"""Feature spaces as the study sees them: layers, width, and the rows of each stimulus: frames, words or phones.

A new kind of space is one class here and its settings in ``config.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from heschl.features.store import Rows
from heschl.files import digest, digest_code, digest_files
from heschl.study.config_spaces import (
    MEL_SFREQ,
    EnvelopeSpace,
    FrameArrays,
    LanguageSpace,
    MelSpace,
    OnsetSpace,
    PhoneSpace,
    Reading,
    SpeechSpace,
    SurprisalSpace,
    WordArrays,
    WordSpace,
)
from heschl.study.given import GivenArrays, given_shape
from heschl.study.inputs import Inputs, Stimulus, array_file, model_source
from heschl.timing.audio import read_audio
from heschl.timing.grid import FrameGrid

Floats = NDArray[np.float32]
Blocks = Iterable[Floats]
"""The rows of one stimulus, block after block of (n_layers, n_rows, width)."""

NAMED_WORDS = 12
"""Words without a vector that a note names."""


class OpenSpace(Protocol):
    """A feature space with its model in memory.

    Attributes
    ----------
    rows : {"frame", "word", "phone"}
        What a row of its features is.
    layers : sequence of str
        Names of the layers.
    width : int
        Features per layer.
    own_grid : FrameGrid or None
        The times of the frames; None where rows are words or phones.
    settings : mapping
        Every choice that was made, in plain values.
    note : str
        What a reader of the results should know; or nothing.
    left_out : sequence of str
        Words that have no row.
    """

    rows: Rows
    layers: Sequence[str]
    width: int
    own_grid: FrameGrid | None
    settings: Mapping[str, Any]
    note: str
    left_out: Sequence[str]

    def extract(self, stimuli: Sequence[Stimulus], lengths: Mapping[str, float]) -> Iterator[Blocks]:
        """Give the features of each stimulus; a sound with silence up to its length (s by name)."""
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
            return _mel(space)
        case EnvelopeSpace():
            return _envelope(space)
        case SpeechSpace():
            return _Speech(model_source(inputs.folder, space.model), space)
        case LanguageSpace():
            return _Language(model_source(inputs.folder, space.model), space)
        case SurprisalSpace():
            return _Surprisal(model_source(inputs.folder, space.model), space)
        case WordSpace():
            return _Words(space, inputs)
        case OnsetSpace():
            return _Labels("phone" if space.of == "phones" else "word", None)
        case PhoneSpace():
            labels = {phone.text for stimulus in inputs.stimuli.values() for phone in stimulus.phones}
            return _Labels("phone", sorted(labels))
        case FrameArrays() | WordArrays():
            return GivenArrays(space, inputs)


def source_key(name: str, inputs: Inputs) -> str:
    """Hash a space's settings with the content of the files behind it (for a model on the Hub: its revision).

    What is done with the features after they are there (where words stand, what silence is) has no part in it.
    """
    space = inputs.study.features[name]
    aside = {"model", "file", "words", "folder", "device", "at", "silence"}
    settings = [
        space.model_dump(exclude=aside),
        inputs.study.store.dtype,
        digest_code("features", "study.spaces", "study.given", "timing.audio"),
    ]
    if isinstance(space, WordSpace):
        files = [inputs.folder / file for file in (space.file, space.words) if file is not None]
        return digest(settings, digest_files(files), sorted(_vocabulary(inputs)))
    if isinstance(space, PhoneSpace):
        return digest(settings, sorted({p.text for stimulus in inputs.stimuli.values() for p in stimulus.phones}))
    if isinstance(space, FrameArrays | WordArrays):
        return digest(settings, given_shape(space, inputs))
    if not isinstance(space, SpeechSpace | Reading):
        return digest(settings)
    source = model_source(inputs.folder, space.model)
    if isinstance(source, str):
        from heschl.features.loading import revision

        return digest(settings, source, revision(source))
    return digest(settings, digest_files(file for file in source.iterdir() if file.is_file()))


def stimulus_key(name: str, inputs: Inputs, rows: Rows, stimulus: Stimulus) -> str:
    """Hash what a stimulus' features come from: words and text, phones, sound and silence after it, or a given file."""
    space = inputs.study.features[name]
    if isinstance(space, FrameArrays | WordArrays):
        return digest(digest_files([array_file(inputs.folder, space, stimulus.name)]))
    if rows == "word":
        return digest([word.text for word in stimulus.words], stimulus.text)
    if rows == "phone":
        return digest([phone.text for phone in stimulus.phones])
    return digest(digest_files([stimulus.path]), inputs.lengths[stimulus.name])


def _vocabulary(inputs: Inputs) -> set[str]:
    return {word.text for stimulus in inputs.stimuli.values() for word in stimulus.words}


def _sound(stimulus: Stimulus, length: float, sfreq: int) -> Floats:
    """Read a sound, cut or padded with silence to ``length`` seconds."""
    sound = read_audio(stimulus.path, sfreq)
    n = round(length * sfreq)
    return np.pad(sound[:n], (0, max(0, n - len(sound))))


def _mel(space: MelSpace) -> _Sound:
    from heschl.features.acoustic import mel_grid, mel_spectrogram, onset_spectrogram

    parameters = space.model_dump(exclude={"kind", "onsets"})
    grid = mel_grid(MEL_SFREQ, space.window, space.hop)

    def compute(sound: Floats) -> Floats:
        values, _ = mel_spectrogram(sound, MEL_SFREQ, **parameters)
        return onset_spectrogram(values, grid) if space.onsets else values

    return _Sound(compute, space.n_mels, grid, {**parameters, "onsets": space.onsets})


def _envelope(space: EnvelopeSpace) -> _Sound:
    from heschl.features.acoustic import envelope

    parameters = space.model_dump(exclude={"kind"})
    return _Sound(
        lambda sound: envelope(sound, MEL_SFREQ, **parameters)[0], 1, FrameGrid.from_rate(space.rate), parameters
    )


class _Sound:
    """What is computed of a sound by itself."""

    rows: Rows = "frame"
    note = ""
    left_out: Sequence[str] = ()
    layers: Sequence[str] = ("0",)

    def __init__(
        self, compute: Callable[[Floats], Floats], width: int, grid: FrameGrid, parameters: Mapping[str, Any]
    ) -> None:
        self.compute = compute
        self.width = width
        self.own_grid: FrameGrid | None = grid
        self.settings: Mapping[str, Any] = {**parameters, "sfreq": MEL_SFREQ}

    def extract(self, stimuli: Sequence[Stimulus], lengths: Mapping[str, float]) -> Iterator[Blocks]:
        for stimulus in stimuli:
            yield [self.compute(_sound(stimulus, lengths[stimulus.name], MEL_SFREQ))[None]]


class _Speech:
    rows: Rows = "frame"
    note = ""
    left_out: Sequence[str] = ()

    def __init__(self, source: Path | str, space: SpeechSpace) -> None:
        from heschl.features.speech import SpeechModel

        self.model = SpeechModel(source, window=space.window, device=space.device)
        self.layers: Sequence[str] = self.model.layers
        self.width = self.model.width
        self.own_grid: FrameGrid | None = self.model.grid
        self.settings: Mapping[str, Any] = self.model.settings

    def extract(self, stimuli: Sequence[Stimulus], lengths: Mapping[str, float]) -> Iterator[Blocks]:
        sounds = (_sound(stimulus, lengths[stimulus.name], self.model.sfreq) for stimulus in stimuli)
        yield from self.model.extract_many(sounds)


class _Language:
    rows: Rows = "word"
    note = ""
    left_out: Sequence[str] = ()
    own_grid: FrameGrid | None = None

    def __init__(self, source: Path | str, space: LanguageSpace) -> None:
        from heschl.features.language import LanguageModel

        self.model = LanguageModel(source, **space.options())
        self.punctuation = space.punctuation
        self.layers: Sequence[str] = self.model.layers
        self.width = self.model.width
        self.settings: Mapping[str, Any] = self.model.settings | {"punctuation": space.punctuation}

    def extract(self, stimuli: Sequence[Stimulus], lengths: Mapping[str, float]) -> Iterator[Blocks]:
        texts = [stimulus.text if self.punctuation else None for stimulus in stimuli]
        for values in self.model.extract_many(map(_texts_of, stimuli), texts=texts):
            yield [values]


class _Surprisal:
    rows: Rows = "word"
    left_out: Sequence[str] = ()
    own_grid: FrameGrid | None = None
    layers: Sequence[str] = ("0",)
    width = 1

    def __init__(self, source: Path | str, space: SurprisalSpace) -> None:
        from heschl.features.language import LanguageModel

        self.model = LanguageModel(source, **space.options())
        self.punctuation = space.punctuation
        self.settings: Mapping[str, Any] = self.model.settings | {"punctuation": space.punctuation}
        starts = self.settings["surprisal_starts_from"]
        self.note = "" if starts else "words that nothing precedes have no surprisal, and 0 stands for it"

    def extract(self, stimuli: Sequence[Stimulus], lengths: Mapping[str, float]) -> Iterator[Blocks]:
        for stimulus in stimuli:
            bits = self.model.surprisal(_texts_of(stimulus), stimulus.text if self.punctuation else None)
            yield [np.nan_to_num(bits)[None]]


class _Words:
    rows: Rows = "word"
    layers: Sequence[str] = ("0",)
    own_grid: FrameGrid | None = None

    def __init__(self, space: WordSpace, inputs: Inputs) -> None:
        from heschl.features.words import WordVectors

        vocabulary = _vocabulary(inputs)
        words = None if space.words is None else inputs.folder / space.words
        self.vectors = WordVectors.read(
            inputs.folder / space.file, vocabulary, words=words, oov=space.oov, fold=space.fold
        )
        self.width = self.vectors.width
        self.settings: Mapping[str, Any] = self.vectors.settings
        missing = self.vectors.missing
        self.left_out: Sequence[str] = missing if space.oov == "drop" else ()
        listed = ", ".join(missing[:NAMED_WORDS]) + " …" * (len(missing) > NAMED_WORDS)
        self.note = f"{len(missing)} of {len(vocabulary)} words without a vector: {listed}" if missing else ""

    def extract(self, stimuli: Sequence[Stimulus], lengths: Mapping[str, float]) -> Iterator[Blocks]:
        for stimulus in stimuli:
            yield [self.vectors.extract(_texts_of(stimulus))]


class _Labels:
    """A column for each label, or one of ones for all."""

    note = ""
    left_out: Sequence[str] = ()
    layers: Sequence[str] = ("0",)
    own_grid: FrameGrid | None = None

    def __init__(self, rows: Literal["word", "phone"], labels: Sequence[str] | None) -> None:
        self.rows: Rows = rows
        self.labels = labels
        self.width = 1 if labels is None else len(labels)
        self.settings: Mapping[str, Any] = {"columns": "all" if labels is None else " ".join(labels)}

    def extract(self, stimuli: Sequence[Stimulus], lengths: Mapping[str, float]) -> Iterator[Blocks]:
        for stimulus in stimuli:
            texts = [spoken.text for spoken in (stimulus.words if self.rows == "word" else stimulus.phones)]
            if self.labels is None:
                yield [np.ones((1, len(texts), 1), dtype=np.float32)]
            else:
                yield [(np.array(texts)[:, None] == np.array(self.labels)).astype(np.float32)[None]]


def _texts_of(stimulus: Stimulus) -> list[str]:
    return [word.text for word in stimulus.words]
