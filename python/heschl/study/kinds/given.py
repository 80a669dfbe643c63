"""Features that were computed elsewhere: a .npy file for each stimulus, checked as it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from heschl.checks import InputError
from heschl.features.store import Rows
from heschl.study.kinds.base import MEL_SFREQ, Spoken
from heschl.study.section import Section
from heschl.timing.grid import FrameGrid
from heschl.timing.stimulus import Stimulus

PARTS = 1000
"""Of a frame's length, to which centres and widths given in seconds are rounded."""


class GivenArrays:
    """The files of a space of kind "frame_arrays" or "word_arrays"; attributes as of every `OpenSpace`."""

    note = ""
    left_out: Sequence[str] = ()

    def __init__(self, space: FrameArrays | WordArrays, folder: Path, first: str) -> None:
        self.rows: Rows = "frame" if isinstance(space, FrameArrays) else "word"
        self.own_grid = given_grid(space) if isinstance(space, FrameArrays) else None
        n_layers, self.width = given_shape(space, folder, first)
        self.layers: Sequence[str] = [str(layer) for layer in range(n_layers)]
        self.settings: Mapping[str, Any] = {"computed": "elsewhere"}
        self._space, self._folder = space, folder

    def extract(self, stimuli: Sequence[Stimulus], lengths: Mapping[str, float]) -> Iterator[list[NDArray[np.float32]]]:
        """Read the files; each must have a row for every frame of sound (and silence after it), or for every word."""
        for stimulus in stimuli:
            path = array_file(self._folder, self._space, stimulus.name)
            values = _opened(path)
            n_words, length = len(stimulus.words), lengths[stimulus.name]
            n_rows = n_words if self.own_grid is None else self.own_grid.n_frames(length)
            expected = (len(self.layers), n_rows, self.width)
            if values.shape != expected:
                of = f"{n_words} words" if self.own_grid is None else f"{length:g} s at {self.own_grid.rate:g} Hz"
                raise InputError(
                    str(path), f"shape {values.shape}", f"{expected}: layers, rows for {of}, features",
                    "" if self.own_grid is None else "responses.tail = 'crop' asks for frames of the sound alone.",
                )  # fmt: skip
            yield [np.asarray(values, dtype=np.float32)]


def given_grid(space: FrameArrays) -> FrameGrid:
    """Give the times of given frames."""
    if space.centre is None and space.width is None:
        return FrameGrid.from_rate(space.rate)
    unit_hz = space.rate * PARTS
    centre = PARTS // 2 if space.centre is None else round(space.centre * unit_hz)
    return FrameGrid(unit_hz, PARTS, centre, PARTS if space.width is None else max(1, round(space.width * unit_hz)))


def given_shape(space: FrameArrays | WordArrays, folder: Path, first: str) -> tuple[int, int]:
    """Return (layers, width) of the first stimulus' file; the others must be alike."""
    values = _opened(array_file(folder, space, first))
    return values.shape[0], values.shape[2]


def _opened(path: Path) -> NDArray[Any]:
    """Map a file into memory, (layers, rows, width)."""
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(str(path), str(error), "an array as numpy.save writes it") from None
    values = values[None] if values.ndim == 2 else values
    if values.ndim != 3 or values.dtype.kind != "f" or 0 in (values.shape[0], values.shape[2]):
        raise InputError(
            str(path), f"dtype {values.dtype}, shape {values.shape}",
            "floating numbers, (layers, rows, width) or (rows, width)",
        )  # fmt: skip
    return np.asarray(values)


class FrameArrays(Section):
    """Frames computed elsewhere: ``folder``/NAME.npy for each stimulus, (layers, frames, width) or (frames, width).

    Frame i is centred ``centre`` + i / ``rate`` s after the sound's onset, and is there where the sound reaches to
    ``width`` + i / ``rate`` s; by default frames tile time. Wav2Vec2's: rate = 50, centre = 0.0125, width = 0.025.
    """

    kind: Literal["frame_arrays"]
    folder: str
    rate: Annotated[float, Field(gt=0, le=MEL_SFREQ)]
    centre: Annotated[float, Field(ge=0, le=3600)] | None = None
    width: Annotated[float, Field(gt=0, le=3600)] | None = None


class WordArrays(Spoken):
    """A row for each word, computed elsewhere: ``folder``/NAME.npy, (layers, words, width) or (words, width)."""

    kind: Literal["word_arrays"]
    folder: str


def array_file(folder: Path, space: FrameArrays | WordArrays, stimulus: str) -> Path:
    """Give the file of a stimulus' features that were computed elsewhere."""
    return folder / Path(space.folder).expanduser() / f"{stimulus}.npy"
