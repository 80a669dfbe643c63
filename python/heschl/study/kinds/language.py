"""Layers of a language model, and the surprisal of its words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from heschl.features.store import Rows
from heschl.study.kinds.base import Blocks, Role, Spoken, StudyFiles, Tier, texts_of, words_key
from heschl.study.kinds.facts import MASKED, model_facts, model_problems
from heschl.study.kinds.model import check_model, model_source, model_sources
from heschl.study.kinds.problems import Material, Problem, listed
from heschl.study.section import Device
from heschl.timing.grid import FrameGrid
from heschl.timing.stimulus import Stimulus


class LanguageModelSpace(Spoken):
    """How a language model reads the words of a stimulus, and whether in its running text (stimuli.texts)."""

    aside: ClassVar[frozenset[str]] = Spoken.aside | {"model", "device", "revision", "cache_dir"}
    for_masked: ClassVar[str] = "Take a causal model, such as GPT-2."

    model: str
    context: Literal["sentence", "story", "fixed"] = "sentence"
    window: Annotated[int, Field(ge=1)] | None = None
    stride: Annotated[int, Field(ge=1)] | None = None
    punctuation: bool = False
    device: Device = "cpu"
    revision: str | None = None
    cache_dir: str | None = None

    def options(self) -> dict[str, Any]:
        """Return the arguments of `LanguageModel`."""
        return self.model_dump(exclude={"kind", "model", "at", "silence", "punctuation", *self.choices})

    def sources(self, files: StudyFiles) -> Sequence[object]:
        """Return a hash of the model."""
        return model_sources(files.folder, self.model, self.revision, self.cache_dir)

    def stimulus_key(self, stimulus: Stimulus, files: StudyFiles) -> str:
        """Return a hash of the words and the running text."""
        return words_key(stimulus)

    def check(self, files: StudyFiles, where: str) -> None:
        """Check the model's folder."""
        check_model(files.folder, self.model, f"{where}.model")

    def problems(self, material: Material, where: str) -> list[Problem]:
        """Look at the model's configuration: what it is, and how far it reads."""
        found, facts = model_problems(material.folder, self.model, where)
        if facts is None:
            return found
        if facts.hears:
            text = f"a model of speech ({facts.type})"
            return [*found, Problem("error", f"{where}.kind", text, "a model of text", 'Write kind = "speech".')]
        if facts.type in MASKED and not self.reads_on():
            text = f"a masked model ({facts.type})"
            found.append(Problem("error", f"{where}.model", text, "a causal model", self.for_masked))
        if facts.longest is not None and self.window is not None and self.window > facts.longest:
            remedy = f"Write window = {facts.longest}, or leave it out."
            text = f"at most {facts.longest}, what the model reads"
            found.append(Problem("error", f"{where}.window", f"{self.window} tokens", text, remedy))
        if facts.longest is not None and self.context == "sentence" and material.longest_text > facts.longest:
            text = f"a stimulus of {material.longest_text} words"
            remedy = 'Write context = "story": the model then reads on in windows.'
            found.append(Problem("error", f"{where}.context", text, f"at most {facts.longest} tokens", remedy))
        letters = [word for word in material.spoken if any(map(str.isalpha, word))]
        if len(letters) > 1 and all(word == word.upper() != word.lower() for word in letters):
            remedy = "Write them as a text has them: a model knows words in capitals by other, rarer tokens."
            found.append(Problem("warning", "stimuli.words", f"words all in capitals, {listed(letters)}", "", remedy))
        return found

    def reads_on(self) -> bool:
        """Return whether a word may know those that follow."""
        return False

    def layer_count(self, folder: Path) -> int | None:
        """Return what the configuration says."""
        facts = model_facts(folder, self.model)
        return None if facts is None else facts.layers

    def width_of_layer(self, folder: Path) -> int | None:
        """Return what the configuration says."""
        facts = model_facts(folder, self.model)
        return None if facts is None else facts.width

    def tier(self) -> Tier:
        """Return "words"."""
        return "words"

    @property
    def needs_texts(self) -> bool:
        """Whether it reads the running texts."""
        return self.punctuation

    @property
    def description(self) -> str:
        """What the methods text says it is."""
        return f"{self.noun}, {self.model}"


class LanguageSpace(LanguageModelSpace):
    """The hidden states of a language model: a folder, or the model's name on the Hub.

    ``bidirectional`` allows a masked model, in which a word knows those that follow.
    """

    noun: ClassVar[str] = "hidden states of a language model"
    template: ClassVar[str] = """\
[features.gpt2]
kind = "language"               # GPT-2 ... Llama, GGUF folders; BERT with bidirectional = true
model = "gpt2"
context = "sentence"            # of each stimulus; "story" reads on in windows, "fixed" gives each word the same
pooling = "last"                # of a word's sub-words
silence = "zero"                # between words; "hold" keeps the word
"""
    roles: ClassVar[tuple[Role, ...]] = ("language", "semantic")
    for_masked: ClassVar[str] = "Write bidirectional = true: a word then knows those that follow."

    kind: Literal["language"]
    pooling: Literal["last", "mean", "first"] = "last"
    bidirectional: bool = False

    def reads_on(self) -> bool:
        """Return whether that was allowed."""
        return self.bidirectional

    def open(self, files: StudyFiles) -> OpenLanguage:
        """Load the model."""
        return OpenLanguage(model_source(files.folder, self.model), self)


class SurprisalSpace(LanguageModelSpace):
    """How little each word was expected, in bits, by a causal language model; by default at the word's onset."""

    noun: ClassVar[str] = "surprisal by a language model"
    template: ClassVar[str] = """\
# [features.surprisal]
# kind = "surprisal"            # in bits, by a causal language model, at the word's onset
# model = "gpt2"
"""
    roles: ClassVar[tuple[Role, ...]] = ("semantic",)

    kind: Literal["surprisal"]

    def layer_count(self, folder: Path) -> int:
        """Return 1."""
        return 1

    def width_of_layer(self, folder: Path) -> int:
        """Return 1: a number of bits."""
        return 1

    at: Literal["word", "onset"] = "onset"

    def open(self, files: StudyFiles) -> OpenSurprisal:
        """Load the model."""
        return OpenSurprisal(model_source(files.folder, self.model), self)


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

        self.model = LanguageModel(source, head=True, **space.options())
        self.punctuation = space.punctuation
        self.settings: Mapping[str, Any] = self.model.settings | {"punctuation": space.punctuation}
        starts = self.settings["surprisal_starts_from"]
        self.note = "" if starts else "words that nothing precedes have no surprisal, and 0 stands for it"

    def extract(self, stimuli: Sequence[Stimulus], lengths: Mapping[str, float]) -> Iterator[Blocks]:
        """Yield the features of each stimulus."""
        for stimulus in stimuli:
            bits = self.model.surprisal(texts_of(stimulus), stimulus.text if self.punctuation else None)
            yield [np.nan_to_num(bits)[None]]
