"""Layers of a speech model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from heschl.features.store import Rows
from heschl.study.kinds.audio import padded_sound, sound_key
from heschl.study.kinds.base import Blocks, FeatureSpace, Role, StudyFiles
from heschl.study.kinds.facts import model_facts, model_problems
from heschl.study.kinds.model import check_model, model_source, model_sources
from heschl.study.kinds.problems import Material, Problem
from heschl.study.section import Device
from heschl.timing.grid import FrameGrid
from heschl.timing.stimulus import Stimulus


class SpeechSpace(FeatureSpace):
    """The hidden states of a speech encoder: a folder, or the model's name on the Hub.

    Sounds longer than ``window`` s go through it in windows that share 10 s.
    """

    noun: ClassVar[str] = "hidden states of a speech model"
    template: ClassVar[str] = """\
[features.wav2vec2]
kind = "speech"                 # Wav2Vec2, HuBERT, WavLM, Data2Vec, Whisper's encoder
model = "facebook/wav2vec2-base"  # a name on the Hub, or a folder
"""
    roles: ClassVar[tuple[Role, ...]] = ("speech", "acoustic")
    gives_grid: ClassVar[bool] = True
    aside: ClassVar[frozenset[str]] = frozenset({"model", "device", "revision", "cache_dir"})

    kind: Literal["speech"]
    model: str
    window: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 60.0
    device: Device = "cpu"
    revision: str | None = None
    cache_dir: str | None = None

    def open(self, files: StudyFiles) -> OpenSpeech:
        """Load the model."""
        return OpenSpeech(model_source(files.folder, self.model), self)

    def sources(self, files: StudyFiles) -> Sequence[object]:
        """Return a hash of the model."""
        return model_sources(files.folder, self.model, self.revision, self.cache_dir)

    def stimulus_key(self, stimulus: Stimulus, files: StudyFiles) -> str:
        """Return a hash of the sound."""
        return sound_key(stimulus, files)

    def check(self, files: StudyFiles, where: str) -> None:
        """Check the model's folder."""
        check_model(files.folder, self.model, f"{where}.model")

    def problems(self, material: Material, where: str) -> list[Problem]:
        """Look at the model's configuration."""
        found, facts = model_problems(material.folder, self.model, where)
        if facts is not None and not facts.hears:
            text = f'kind = "speech" of a model of text ({facts.type})'
            found.append(Problem("error", f"{where}.kind", text, "a model that hears", 'Write kind = "language".'))
        return found

    def layer_count(self, folder: Path) -> int | None:
        """Return what the configuration says."""
        facts = model_facts(folder, self.model)
        return None if facts is None else facts.layers

    def width_of_layer(self, folder: Path) -> int | None:
        """Return what the configuration says."""
        facts = model_facts(folder, self.model)
        return None if facts is None else facts.width

    def frame_rate(self, folder: Path) -> float | None:
        """Return what the configuration says."""
        facts = model_facts(folder, self.model)
        return None if facts is None else facts.rate

    def tier(self) -> None:
        """Return None: no transcript is needed."""

    @property
    def description(self) -> str:
        """What the methods text says it is."""
        return f"{self.noun}, {self.model}"


class OpenSpeech:
    """A speech model in memory; attributes as of every `OpenSpace`."""

    rows: Rows = "frame"
    note = ""
    left_out: Sequence[str] = ()

    def __init__(self, source: Path | str, space: SpeechSpace) -> None:
        from heschl.features.speech import SpeechModel

        self.model = SpeechModel(source, **space.model_dump(include={"window", "device", "revision", "cache_dir"}))
        self.layers: Sequence[str] = self.model.layers
        self.width = self.model.width
        self.own_grid: FrameGrid | None = self.model.grid
        self.settings: Mapping[str, Any] = self.model.settings

    def extract(self, stimuli: Sequence[Stimulus], lengths: Mapping[str, float]) -> Iterator[Blocks]:
        """Yield the features of each stimulus."""
        sounds = (padded_sound(stimulus, lengths[stimulus.name], self.model.sfreq) for stimulus in stimuli)
        yield from self.model.extract_many(sounds)
