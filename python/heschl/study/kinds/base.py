"""What kinds of feature spaces have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from heschl.features.store import Rows
from heschl.study.section import Section
from heschl.timing.grid import FrameGrid
from heschl.timing.stimulus import Stimulus

MEL_SFREQ = 16000
"""Rate in Hz at which sounds are read for the mel spectrum."""


class Spoken(Section):
    """What has a value for each word: it lasts as long as the word does, or stands at its onset.

    With ``silence`` = "hold" it lasts until the next word begins.
    """

    at: Literal["word", "onset"] = "word"
    silence: Literal["zero", "hold"] = "zero"

    @model_validator(mode="after")
    def _held(self) -> Spoken:
        if self.at == "onset" and self.silence == "hold":
            raise ValueError("silence = 'hold' with at = 'word', not with at = 'onset'")
        return self


Floats = NDArray[np.float32]
Blocks = Iterable[Floats]
"""The rows of one stimulus, block after block of (n_layers, n_rows, width)."""


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


def texts_of(stimulus: Stimulus) -> list[str]:
    """Return the words of a stimulus."""
    return [word.text for word in stimulus.words]


def model_source(folder: Path, model: str) -> Path | str:
    """Give where a model is: the folder beside the study.toml if there is one, else the name on the Hub."""
    path = folder / Path(model).expanduser()
    return path if path.is_dir() else model
