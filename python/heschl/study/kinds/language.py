"""Layers of a language model, and the surprisal of its words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from heschl.features.store import Rows
from heschl.study.kinds.base import Blocks, Spoken, texts_of
from heschl.study.section import Device
from heschl.timing.grid import FrameGrid
from heschl.timing.stimulus import Stimulus


class Reading(Spoken):
    """How a language model reads the words of a stimulus, and whether in its running text (stimuli.texts)."""

    model: str
    context: Literal["sentence", "story", "fixed"] = "sentence"
    window: Annotated[int, Field(ge=1)] | None = None
    stride: Annotated[int, Field(ge=1)] | None = None
    punctuation: bool = False
    device: Device = "cpu"

    def options(self) -> dict[str, Any]:
        """Give what `LanguageModel` takes."""
        return self.model_dump(exclude={"kind", "model", "at", "silence", "punctuation"})


class LanguageSpace(Reading):
    """The hidden states of a language model: a folder, or the model's name on the Hub.

    ``bidirectional`` allows a masked model, in which a word knows those that follow.
    """

    kind: Literal["language"]
    pooling: Literal["last", "mean", "first"] = "last"
    bidirectional: bool = False


class SurprisalSpace(Reading):
    """How little each word was expected, in bits, by a causal language model; by default at the word's onset."""

    kind: Literal["surprisal"]
    at: Literal["word", "onset"] = "onset"


class OpenLanguage:
    """A language model in memory; attributes as of every `OpenSpace`."""

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
        """Yield the features of each stimulus."""
        texts = [stimulus.text if self.punctuation else None for stimulus in stimuli]
        for values in self.model.extract_many(map(texts_of, stimuli), texts=texts):
            yield [values]


class OpenSurprisal:
    """A language model in memory, for surprisal; attributes as of every `OpenSpace`."""

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
        """Yield the features of each stimulus."""
        for stimulus in stimuli:
            bits = self.model.surprisal(texts_of(stimulus), stimulus.text if self.punctuation else None)
            yield [np.nan_to_num(bits)[None]]
