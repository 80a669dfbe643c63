"""What kinds of feature spaces have in common, and what each must say of itself."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, model_validator

from heschl.checks import InputError
from heschl.features.store import Rows
from heschl.files import digest
from heschl.study.kinds.problems import Material, Problem
from heschl.study.section import Section
from heschl.timing.grid import FrameGrid
from heschl.timing.stimulus import Stimulus

MEL_SFREQ = 16000
"""Rate in Hz at which sounds are read for the mel spectrum."""

Tier = Literal["words", "phones"]
Role = Literal["speech", "language", "semantic", "acoustic"]
"""What a space may be to [shared]: one of the two models, or a probe of what they share."""

Floats = NDArray[np.float32]
Blocks = Iterable[Floats]
"""The rows of one stimulus, block after block of (n_layers, n_rows, width)."""


class StudyFiles(Protocol):
    """What a kind may know of a study.

    Attributes
    ----------
    folder : Path
        Where the study.toml lies; paths in it are relative to this.
    stimuli : mapping of name to Stimulus
        All that some subject heard.
    lengths : mapping of name to float
        How much of each stimulus to extract, in s: the sound, and silence after it.
    """

    @property
    def folder(self) -> Path: ...  # noqa: D102

    @property
    def stimuli(self) -> Mapping[str, Stimulus]: ...  # noqa: D102

    @property
    def lengths(self) -> Mapping[str, float]: ...  # noqa: D102


_EVERY, _RANGE = re.compile(r"every ([1-9]\d*)"), re.compile(r"(\d+) to (\d+)")


def _known_choice(choice: str | list[int | str]) -> str | list[int | str]:
    if isinstance(choice, list) or choice in ("all", "last") or _EVERY.fullmatch(choice) or _RANGE.fullmatch(choice):
        return choice
    raise ValueError(f'"all", "last", "every 4", "6 to 12", or a list of layers, not {choice!r}')


LayerChoice = Annotated[
    str | Annotated[list[int | str], Field(min_length=1)], AfterValidator(_known_choice)
]  # fmt: skip
"""Which layers are analysed: "all", "last", "every N" (from the first, and the last), "A to B", or a list."""


def chosen_layers(choice: str | list[int | str], names: Sequence[str], where: str) -> tuple[int, ...]:
    """Return the places of the layers that are meant, in the order of the model.

    Parameters
    ----------
    choice : LayerChoice
    names : sequence of str
        All layers that there are.
    where : str
        The key, for the message.

    Raises
    ------
    InputError
        For a layer that is not there.

    Examples
    --------
    >>> names = [str(i) for i in range(13)]
    >>> chosen_layers("every 5", names, "layers"), chosen_layers([12, 0], names, "layers")
    ((0, 5, 10, 12), (0, 12))
    """
    n = len(names)
    if isinstance(choice, list):
        wanted = [str(layer) for layer in choice]
    elif found := _RANGE.fullmatch(choice):
        wanted = [str(layer) for layer in range(int(found[1]), int(found[2]) + 1)]
    elif found := _EVERY.fullmatch(choice):
        return tuple(sorted({*range(0, n, int(found[1])), n - 1}))
    else:
        return (n - 1,) if choice == "last" else tuple(range(n))
    unknown = [layer for layer in wanted if layer not in names]
    if unknown or not wanted:
        raise InputError(
            where, f"the layers {', '.join(unknown) or 'none'}", f"layers of this model: {names[0]} to {names[-1]}"
        )
    return tuple(i for i, name in enumerate(names) if name in wanted)


class Placement(NamedTuple):
    """Where rows of words (or phones) stand in time, and what is between words."""

    at: Literal["word", "onset"]
    silence: Literal["zero", "hold"]


class FeatureSpace(Section):
    """A table [features.NAME] of a study.toml; one subclass for each kind, and everything that is known of the kind.

    A class with a field ``kind`` that lacks one of the pieces below cannot be defined.

    Attributes
    ----------
    noun : str
        What the methods text calls its features.
    template : str
        The lines of the study.toml that ``heschl init`` writes.
    roles : tuple of str
        What it may be to [shared].
    gives_grid : bool
        Whether its frames can be the study's grid.
    aside : frozenset of str
        Settings without a say in the features as they are stored: names of files, whose content is hashed instead; the
        device; what is done with the features afterwards.
    choices : frozenset of str
        Settings of every kind, of what [encoding] and [joint] do with stored features; see below.
    layers : LayerChoice
        Those that are analysed. All are extracted: a choice that grows extracts nothing anew.
    pca : float, optional
        Principal components that a layer is reduced to, learned on the rows of each training set: their number, or up
        to 1 the share of variance that they keep.
    standardize : bool, optional
        Whether its features are z-scored on the training rows; by default as [encoding] says.
    """

    choices: ClassVar[frozenset[str]] = frozenset({"layers", "pca", "standardize"})

    layers: LayerChoice = "all"
    pca: Annotated[float, Field(gt=0)] | None = None
    standardize: bool | None = None

    noun: ClassVar[str]
    template: ClassVar[str]
    roles: ClassVar[tuple[Role, ...]] = ()
    gives_grid: ClassVar[bool] = False
    aside: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a kind that is not complete."""
        super().__pydantic_init_subclass__(**kwargs)
        if "kind" in cls.model_fields:
            missing = sorted(cls.__abstractmethods__) + [n for n in ("noun", "template") if not hasattr(cls, n)]
            if missing:
                raise TypeError(f"{cls.__name__} must define {', '.join(missing)}")

    @abstractmethod
    def open(self, files: StudyFiles) -> OpenSpace:
        """Load what it takes to compute the features: a model, word vectors.

        Raises
        ------
        InputError
            For a model that cannot be used.
        """

    @abstractmethod
    def sources(self, files: StudyFiles) -> Sequence[object]:
        """Return what all features depend on beside the settings: hashes of files, a revision on the Hub."""

    @abstractmethod
    def stimulus_key(self, stimulus: Stimulus, files: StudyFiles) -> str:
        """Return a hash of what the features of one stimulus are computed from."""

    @abstractmethod
    def check(self, files: StudyFiles, where: str) -> None:
        """Check the files that the table names; ``where`` is how messages name the table.

        Raises
        ------
        InputError
            For a file that is missing or that cannot be what it should be.
        """

    def problems(self, material: Material, where: str) -> list[Problem]:
        """Return what would fail or mislead and can be known without a model; see `heschl check`."""
        return []

    def width_of_layer(self, folder: Path) -> int | None:
        """Return the features of a layer, where a file says that; ``folder`` is that of the study.toml."""
        return None

    def layer_count(self, folder: Path) -> int | None:
        """Return how many layers there are, where a file says that; they are named "0", "1", and so on."""
        return None

    def frame_rate(self, folder: Path) -> float | None:
        """Return the rate of its frames in Hz, where a file says that."""
        return None

    @abstractmethod
    def tier(self) -> Tier | None:
        """Return which transcripts it needs, if any."""

    @property
    def needs_texts(self) -> bool:
        """Whether it reads the running texts of stimuli."""
        return False

    @property
    def placement(self) -> Placement | None:
        """Where rows of words or phones stand in time; None where rows are frames."""
        return None

    @property
    def description(self) -> str:
        """What the methods text says it is."""
        return self.noun

    def decisive(self) -> dict[str, Any]:
        """Return the settings that decide what is stored."""
        return self.model_dump(exclude=set(self.aside | self.choices))

    @model_validator(mode="after")
    def _countable(self) -> FeatureSpace:
        if self.pca is not None and self.pca > 1 and self.pca != int(self.pca):
            raise ValueError(f"pca: a share of variance up to 1, or a whole number of components, not {self.pca:g}")
        return self


class Spoken(FeatureSpace):
    """A space with a value for each word: it lasts as long as the word does, or stands at its onset.

    With ``silence`` = "hold" it lasts until the next word begins.
    """

    aside: ClassVar[frozenset[str]] = frozenset({"at", "silence"})

    at: Literal["word", "onset"] = "word"
    silence: Literal["zero", "hold"] = "zero"

    @model_validator(mode="after")
    def _held(self) -> Spoken:
        if self.at == "onset" and self.silence == "hold":
            raise ValueError("silence = 'hold' with at = 'word', not with at = 'onset'")
        return self

    @property
    def placement(self) -> Placement:
        """Where its rows stand in time."""
        return Placement(self.at, self.silence)


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
        """Yield the features of each stimulus; a sound with silence up to its length (s by name)."""
        ...


def texts_of(stimulus: Stimulus) -> list[str]:
    """Return the words of a stimulus."""
    return [word.text for word in stimulus.words]


def words_key(stimulus: Stimulus) -> str:
    """Hash the words of a stimulus and its running text."""
    return digest(texts_of(stimulus), stimulus.text)


def phones_key(stimulus: Stimulus) -> str:
    """Hash the phones of a stimulus."""
    return digest([phone.text for phone in stimulus.phones])
