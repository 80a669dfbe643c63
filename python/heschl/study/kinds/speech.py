"""Layers of a speech model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from heschl.features.store import Rows
from heschl.study.kinds.base import Blocks
from heschl.study.kinds.sound import _sound
from heschl.study.section import Device, Section
from heschl.timing.grid import FrameGrid
from heschl.timing.stimulus import Stimulus


class SpeechSpace(Section):
    """The hidden states of a speech encoder: a folder, or the model's name on the Hub.

    Sounds longer than ``window`` s go through it in windows that share 10 s.
    """

    kind: Literal["speech"]
    model: str
    window: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 60.0
    device: Device = "cpu"


class OpenSpeech:
    """A speech model in memory; attributes as of every `OpenSpace`."""

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
        """Yield the features of each stimulus."""
        sounds = (_sound(stimulus, lengths[stimulus.name], self.model.sfreq) for stimulus in stimuli)
        yield from self.model.extract_many(sounds)
