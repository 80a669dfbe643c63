"""Spaces of the sound itself: mel spectrum, envelope."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from heschl.features.store import Rows
from heschl.study.kinds.audio import padded_sound, sound_key
from heschl.study.kinds.base import MEL_SFREQ, Blocks, FeatureSpace, Floats, Role, StudyFiles
from heschl.study.kinds.problems import Material, Problem
from heschl.study.section import NotNegative, Positive
from heschl.timing.grid import FrameGrid
from heschl.timing.stimulus import Stimulus

LOWEST_FMAX_HZ = 100.0
"""A highest frequency below this is more likely a number of kHz."""


class SoundSpace(FeatureSpace):
    """A space that is computed from the sound alone, without a model."""

    roles: ClassVar[tuple[Role, ...]] = ("acoustic",)

    def sources(self, files: StudyFiles) -> Sequence[object]:
        """Return nothing: the settings say it all."""
        return ()

    def stimulus_key(self, stimulus: Stimulus, files: StudyFiles) -> str:
        """Return a hash of the sound."""
        return sound_key(stimulus, files)

    def check(self, files: StudyFiles, where: str) -> None:
        """Check nothing: no file is named."""

    def layer_count(self, folder: Path) -> int:
        """Return 1."""
        return 1

    def tier(self) -> None:
        """Return None: no transcript is needed."""


class MelSpace(SoundSpace):
    """A mel spectrum: ``window`` and ``hop`` in s, ``fmin`` and ``fmax`` in Hz; with ``onsets``, how fast it rises."""

    noun: ClassVar[str] = "log mel spectrum"
    template: ClassVar[str] = """\
[features.mel]
kind = "mel"
n_mels = 80
"""

    kind: Literal["mel"]
    n_mels: Annotated[int, Field(ge=1, le=1000)] = 80
    fmin: NotNegative = 0.0
    fmax: Annotated[float, Field(gt=0, le=MEL_SFREQ / 2)] | None = None
    window: Positive = 0.025
    hop: Positive = 0.010
    scale: Literal["db", "log", "power"] = "db"
    onsets: bool = False

    def width_of_layer(self, folder: Path) -> int:
        """Return the number of mel bands."""
        return self.n_mels

    @model_validator(mode="after")
    def _ordered(self) -> MelSpace:
        if self.fmax is not None and self.fmin >= self.fmax:
            raise ValueError(f"fmin below fmax, not fmin = {self.fmin:g} Hz and fmax = {self.fmax:g} Hz")
        if self.fmin >= MEL_SFREQ / 2:
            raise ValueError(f"fmin below {MEL_SFREQ / 2:g} Hz, half the rate of the sound, not {self.fmin:g} Hz")
        return self

    def problems(self, material: Material, where: str) -> list[Problem]:
        """Look for ms and kHz."""
        found = [
            Problem("error", f"{where}.{key}", f"{value:g} s", "seconds, such as 0.025",
                    f"If these are milliseconds, write {key} = {value / 1e3:g}.")
            for key, value in (("window", self.window), ("hop", self.hop)) if value >= 1.0
        ]  # fmt: skip
        if self.fmax is not None and self.fmax < LOWEST_FMAX_HZ:
            remedy = f"If these are kHz, write fmax = {1e3 * self.fmax:g}."
            found.append(Problem("error", f"{where}.fmax", f"{self.fmax:g} Hz", "Hz, such as 8000", remedy))
        return found

    def open(self, files: StudyFiles) -> OpenSound:
        """Return the mel spectrum, or its rises."""
        from heschl.features.acoustic import mel_grid, mel_spectrogram, onset_spectrogram

        parameters = self.model_dump(exclude={"kind", "onsets", *self.choices})
        grid = mel_grid(MEL_SFREQ, self.window, self.hop)

        def compute(sound: Floats) -> Floats:
            values, _ = mel_spectrogram(sound, MEL_SFREQ, **parameters)
            return onset_spectrogram(values, grid) if self.onsets else values

        return OpenSound(compute, self.n_mels, grid, {**parameters, "onsets": self.onsets})


class EnvelopeSpace(SoundSpace):
    """The broadband amplitude envelope, below ``cutoff`` Hz."""

    noun: ClassVar[str] = "envelope of the sound"
    template: ClassVar[str] = """\
# [features.envelope]
# kind = "envelope"             # broadband amplitude
# cutoff = 25.0                 # Hz
"""

    kind: Literal["envelope"]
    rate: Annotated[float, Field(gt=0, le=MEL_SFREQ)] = 100.0
    cutoff: Positive = 25.0

    @model_validator(mode="after")
    def _carried(self) -> EnvelopeSpace:
        if self.cutoff > self.rate / 2:
            raise ValueError(f"a cutoff of at most half the rate, {self.rate / 2:g} Hz, not {self.cutoff:g} Hz")
        return self

    def problems(self, material: Material, where: str) -> list[Problem]:
        """Look for a cutoff that leaves no envelope."""
        if self.cutoff >= 1.0:
            return []
        remedy = "Slower than 1 Hz there is hardly any envelope within a sentence."
        return [Problem("warning", f"{where}.cutoff", f"{self.cutoff:g} Hz", "Hz, such as 25", remedy)]

    def open(self, files: StudyFiles) -> OpenSound:
        """Return the envelope."""
        from heschl.features.acoustic import envelope

        parameters = self.model_dump(exclude={"kind", *self.choices})
        return OpenSound(
            lambda sound: envelope(sound, MEL_SFREQ, **parameters)[0], 1, FrameGrid.from_rate(self.rate), parameters
        )


class OpenSound:
    """A function of the sound; attributes as of every `OpenSpace`."""

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
        """Yield the features of each stimulus."""
        for stimulus in stimuli:
            yield [self.compute(padded_sound(stimulus, lengths[stimulus.name], MEL_SFREQ))[None]]
