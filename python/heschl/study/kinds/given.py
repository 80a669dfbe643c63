"""Features that were computed elsewhere: a .npy file for each stimulus, checked as it is read."""

from __future__ import annotations

import unicodedata
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from heschl.checks import InputError
from heschl.features.store import Rows
from heschl.files import digest, digest_files, read_npy
from heschl.names import name_hint
from heschl.study.kinds.base import MEL_SFREQ, FeatureSpace, Role, Spoken, StudyFiles, Tier
from heschl.study.kinds.problems import Material, Problem, listed
from heschl.timing.grid import FrameGrid
from heschl.timing.stimulus import Stimulus

LOOKED_AT = 5
"""Files whose numbers are looked at before a run."""
FRAME_TICKS = 1000
"""Of a frame's length, to which centres and widths given in seconds are rounded."""


class ArraySpace(FeatureSpace):
    """A folder with NAME.npy for each stimulus."""

    aside: ClassVar[frozenset[str]] = frozenset({"folder"})

    folder: str

    def path(self, study_folder: Path, stimulus: str) -> Path:
        """Return the file of a stimulus."""
        folder = study_folder / Path(self.folder).expanduser()
        decomposed = folder / f"{unicodedata.normalize('NFD', stimulus)}.npy"  # as a Mac's file system writes names
        return decomposed if decomposed.is_file() else folder / f"{stimulus}.npy"

    def shape(self, files: StudyFiles) -> tuple[int, int]:
        """Return (layers, width) of the first stimulus' file; the others must be alike."""
        values = _mapped(self.path(files.folder, next(iter(files.stimuli))))
        return values.shape[0], values.shape[2]

    def sources(self, files: StudyFiles) -> Sequence[object]:
        """Return the shape; what is in the files counts stimulus by stimulus."""
        return self.shape(files)

    def stimulus_key(self, stimulus: Stimulus, files: StudyFiles) -> str:
        """Return a hash of the stimulus' file."""
        return digest(digest_files([self.path(files.folder, stimulus.name)]))

    @abstractmethod
    def rows_of(self, name: str, material: Material) -> int | None:
        """Return the rows that the file of a stimulus should have; None where that is not known."""

    @abstractmethod
    def about_rows(self, rows: Sequence[tuple[int, int, float]]) -> tuple[str, str]:
        """Return what rows should be, and what may be wrong where files have others: (found, expected, s) of each."""

    def problems(self, material: Material, where: str) -> list[Problem]:
        """Look at the shape of every file."""
        place = material.folder / Path(self.folder).expanduser()
        if not place.is_dir():
            siblings = [other.name for other in place.parent.glob("*") if other.is_dir()]
            hint = name_hint(place.name, siblings)
            return [Problem("error", f"{where}.folder", f"no folder {place}", "a folder of .npy files", hint)]
        missing = [name for name in material.lengths if not self.path(material.folder, name).is_file()]
        if missing:
            there = [file.stem for file in place.rglob("*.npy")]
            text = f"no file for {len(missing)} of {len(material.lengths)} stimuli: {listed(missing)}"
            expected = f"NAME.npy for each stimulus that was heard, in {place}"
            hint = name_hint(missing[0], there)
            if not there:
                others = sorted({file.suffix for file in place.rglob("*") if file.is_file()})
                hint = f"There are {listed(others)} files: numpy.save(NAME.npy, array) writes these." if others else ""
            return [Problem("error", f"{where}.folder", text, expected, hint)]
        return self._of_shapes(material, where)

    def _of_shapes(self, material: Material, where: str) -> list[Problem]:
        wrong: list[str] = []
        shapes: dict[tuple[int, int], str] = {}
        counts: list[tuple[int, int, float]] = []
        turned = 0
        for name, seconds in material.lengths.items():
            try:
                values = _mapped(self.path(material.folder, name))
                layers, rows, width = values.shape
            except InputError as error:
                wrong.append(f"{name}: {error.found}")
                continue
            shapes.setdefault((layers, width), name)
            expected = self.rows_of(name, material)
            if expected is not None and rows != expected:
                wrong.append(f"{name}: {rows} rows for {expected}")
                counts.append((rows, expected, seconds))
                turned += expected in (layers, width) and rows != expected
        found = self._of_numbers(material, where)
        if wrong:
            about, remedy = self.about_rows(counts)
            if not counts:
                remedy = "array.astype(numpy.float32), with the axes in this order, is one."
            elif turned == len(counts) > 1:
                remedy = "The axes are in another order: numpy.moveaxis puts rows second, or first of two."
                shapes.clear()
            text = f"{len(wrong)} files of another shape: {listed(wrong)}"
            found.append(Problem("error", where, text, about, remedy))
        if len(shapes) > 1:
            each = [f"{name} {layers} × {width}" for (layers, width), name in shapes.items()]
            found.append(Problem("error", where, f"files of different layers × width: {listed(each)}", "all alike"))
        return found

    def width_of_layer(self, folder: Path) -> int | None:
        """Return that of the first file."""
        shape = self._first_shape(folder)
        return None if shape is None else shape[2]

    def layer_count(self, folder: Path) -> int | None:
        """Return that of the first file."""
        shape = self._first_shape(folder)
        return None if shape is None else shape[0]

    def _first_shape(self, folder: Path) -> tuple[int, ...] | None:
        first = next(iter(sorted((folder / Path(self.folder).expanduser()).rglob("*.npy"))), None)
        try:
            return None if first is None else _mapped(first).shape
        except InputError:
            return None

    def check(self, files: StudyFiles, where: str) -> None:
        """Check that every stimulus has its file."""
        paths = [self.path(files.folder, stimulus) for stimulus in files.stimuli]
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise InputError(
                f"{where}.folder", f"no file {missing[0]} (nor {len(missing) - 1} others)",
                "NAME.npy for each stimulus that was heard, as numpy.save writes it",
            )  # fmt: skip

    def _of_numbers(self, material: Material, where: str) -> list[Problem]:
        """Look for NaN in the first few files: to read all of them is a run's."""
        unknown = []
        for name in list(material.lengths)[:LOOKED_AT]:
            try:
                if not np.isfinite(_mapped(self.path(material.folder, name))).all():
                    unknown.append(name)
            except InputError:
                continue
        remedy = "Interpolate them, or write 0 where there is nothing."
        text = f"NaN or infinite values in files of {listed(unknown)}"
        return [Problem("error", where, text, "finite numbers", remedy)] if unknown else []


class FrameArrays(ArraySpace):
    """Frames computed elsewhere: ``folder``/NAME.npy for each stimulus, (layers, frames, width) or (frames, width).

    Frame i is centred ``centre`` + i / ``rate`` s after the sound's onset, and is there where the sound reaches to
    ``width`` + i / ``rate`` s; by default frames tile time. Wav2Vec2's: rate = 50, centre = 0.0125, width = 0.025.
    """

    noun: ClassVar[str] = "features computed elsewhere"
    template: ClassVar[str] = """\
# [features.frames]
# kind = "frame_arrays"         # computed elsewhere: NAME.npy for each stimulus, (layers, frames, width)
# folder = "frames"
# rate = 50.0                   # Hz
"""
    roles: ClassVar[tuple[Role, ...]] = ("speech", "acoustic")

    kind: Literal["frame_arrays"]
    rate: Annotated[float, Field(gt=0, le=MEL_SFREQ)]
    centre: Annotated[float, Field(ge=0, le=3600)] | None = None
    width: Annotated[float, Field(gt=0, le=3600)] | None = None

    def open(self, files: StudyFiles) -> OpenArrays:
        """Return the files, to be read."""
        return OpenArrays(self, files, "frame", self.grid())

    def rows_of(self, name: str, material: Material) -> int | None:
        """Return the frames of its sound, and of silence after it."""
        return self.grid().n_frames(material.lengths[name])

    def about_rows(self, rows: Sequence[tuple[int, int, float]]) -> tuple[str, str]:
        """Return what frames should be; files of another rate, or of the sound alone, are told by their rows."""
        expected = f"floats (layers, frames, width), frames at {self.rate:g} Hz of the sound and the silence after it"
        short = [due - found for found, due, _ in rows]
        if short and min(short) > 1 and max(short) - min(short) <= 1:
            return expected, (
                f"They end {np.median(short) / self.rate:.2g} s before the responses do, with their sounds? "
                'responses.tail = "crop" takes frames and responses of the sound alone.'
            )
        rates = [found / seconds for found, _, seconds in rows if seconds > 0]
        rate = float(np.median(rates)) if rates else self.rate
        if not 0.9 < rate / self.rate < 1.1:
            return expected, f"The files have about {rate:.3g} rows per second: rate = {rate:.3g}?"
        return expected, (
            "A model's frames are often wider than they are apart, and end earlier: for windows of 25 ms width = 0.025 "
            'and centre = 0.0125. responses.tail = "crop" asks for frames of the sound alone.'
        )

    def tier(self) -> None:
        """Return None: no transcript is needed."""

    def grid(self) -> FrameGrid:
        """Return the times of the frames."""
        if self.centre is None and self.width is None:
            return FrameGrid.from_rate(self.rate)
        unit_hz = self.rate * FRAME_TICKS
        centre = FRAME_TICKS // 2 if self.centre is None else round(self.centre * unit_hz)
        width = FRAME_TICKS if self.width is None else max(1, round(self.width * unit_hz))
        return FrameGrid(unit_hz, FRAME_TICKS, centre, width)


class WordArrays(ArraySpace, Spoken):
    """A row for each word, computed elsewhere: ``folder``/NAME.npy, (layers, words, width) or (words, width)."""

    noun: ClassVar[str] = "features computed elsewhere"
    template: ClassVar[str] = """\
# [features.rows]
# kind = "word_arrays"          # the same with a row for each word: (layers, words, width)
# folder = "rows"
"""
    roles: ClassVar[tuple[Role, ...]] = ("language", "semantic")
    aside: ClassVar[frozenset[str]] = ArraySpace.aside | Spoken.aside

    kind: Literal["word_arrays"]

    def open(self, files: StudyFiles) -> OpenArrays:
        """Return the files, to be read."""
        return OpenArrays(self, files, "word", None)

    def rows_of(self, name: str, material: Material) -> int | None:
        """Return its words."""
        return None if material.words is None else material.words.get(name, 0)

    def about_rows(self, rows: Sequence[tuple[int, int, float]]) -> tuple[str, str]:
        """Return what rows should be."""
        return "a row for each word of the stimulus", "The rows are the words of the transcript, in its order."

    def tier(self) -> Tier:
        """Return "words"."""
        return "words"


class OpenArrays:
    """The files of a space that was computed elsewhere; attributes as of every `OpenSpace`."""

    note = ""
    left_out: Sequence[str] = ()

    def __init__(self, space: ArraySpace, files: StudyFiles, rows: Rows, grid: FrameGrid | None) -> None:
        self.rows: Rows = rows
        self.own_grid = grid
        n_layers, self.width = space.shape(files)
        self.layers: Sequence[str] = [str(layer) for layer in range(n_layers)]
        self.settings: Mapping[str, Any] = {"computed": "elsewhere"}
        self._space, self._folder = space, files.folder

    def extract(self, stimuli: Sequence[Stimulus], lengths: Mapping[str, float]) -> Iterator[list[NDArray[np.float32]]]:
        """Read the files; each must have a row for every frame of sound (and silence after it), or for every word."""
        for stimulus in stimuli:
            path = self._space.path(self._folder, stimulus.name)
            values = _mapped(path)
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


def _mapped(path: Path) -> NDArray[Any]:
    """Map a file into memory, (layers, rows, width)."""
    values = read_npy(path, mapped=True)
    values = values[None] if values.ndim == 2 else values
    if values.ndim != 3 or values.dtype.kind != "f" or 0 in (values.shape[0], values.shape[2]):
        raise InputError(
            str(path), f"dtype {values.dtype}, shape {values.shape}",
            "floating numbers, (layers, rows, width) or (rows, width)",
        )  # fmt: skip
    return values
