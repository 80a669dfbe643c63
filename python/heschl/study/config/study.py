"""The form of a study.toml: what it may contain, defaults, and clear messages for everything else.

The classes below *are* the documentation of the file: one class per section, one field per key. A key that is
not here is an error that names the nearest one that is.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from heschl.checks import InputError
from heschl.study.config.analyses import Joint, Shared, WordLags
from heschl.study.config.encoding import AlphaRange, Encoding
from heschl.study.config.messages import explained, no_toml
from heschl.study.kinds.base import Role, Tier
from heschl.study.kinds.registry import KINDS, Space, kinds_that_may_be
from heschl.study.section import Name, Section

TIERS: tuple[Tier, ...] = get_args(Tier)


class Stimuli(Section):
    """[stimuli]: sounds (a glob), and the words and phones in them.

    A stimulus is named by its file below the fixed part of the glob, without suffix: "timit/*/*.wav" gives "fvmh0/sa1".
    Words and phones are a table (.csv, .tsv, BIDS events.tsv) or a glob of files of the same names (.wrd, .phn,
    .TextGrid); ``texts``, a glob of running text to hold the words against. Where words overlap, as in TIMIT,
    ``overlaps`` says that a word ends where the next begins ("cut") rather than that this is an error; "auto" cuts
    TIMIT's own files (.wrd, .phn), whose words overlap by some samples here and there, and no other. ``only`` and
    ``exclude`` are patterns of names ("dr1-*"): other stimuli, and their trials, are left aside.
    """

    sounds: str
    words: str | None = None
    phones: str | None = None
    texts: str | None = None
    overlaps: Literal["auto", "error", "cut"] = "auto"
    only: Annotated[list[str], Field(default_factory=list)]
    exclude: Annotated[list[str], Field(default_factory=list)]
    word_tier: str = "words"
    phone_tier: str = "phones"


class Electrodes(Section):
    """[responses.electrodes]: which electrodes are analysed; all that is asked must hold.

    ``names`` and ``exclude`` are patterns of names ("STG*"), ``regions`` patterns of regions; ``speech_responsive``
    keeps those whose response after the onset of speech differs from that before it (`heschl.ecog.speech_responsive`;
    trials must begin 0.2 s before their sounds).
    """

    names: Annotated[list[str], Field(default_factory=list)]
    exclude: Annotated[list[str], Field(default_factory=list)]
    regions: Annotated[list[str], Field(default_factory=list)]
    speech_responsive: bool = False


Files = Annotated[
    list[str], Field(min_length=1), BeforeValidator(lambda files: [files] if isinstance(files, str) else files)
]


class ResponseFiles(Section):
    """[responses]: the file of each subject, and what to do with silence after a sound, repeats, and NaN.

    Several files of one subject, as a list, are its recording sessions (runs): what differs between sessions then does
    not count as following features. One file may name the session of each trial itself (``sessions``).
    With ``missing`` = "mask" a NaN is a response that is missing: it leaves the fit of its electrode, and no other's.
    """

    missing: Literal["raise", "mask"] = "raise"
    tail: Literal["silence", "crop"] = "silence"
    repeats: Literal["average", "separate"] = "average"
    subjects: Annotated[dict[Name, Files], Field(min_length=1)]
    groups: Annotated[dict[Name, str], Field(default_factory=dict)]
    electrodes: Electrodes | None = None


class Grid(Section):
    """[grid]: the study's one frame grid, that of a speech space or a rate in Hz."""

    model: str | None = None
    rate: Annotated[float, Field(gt=0, le=10_000)] | None = None


class Controls(Section):
    """[controls]: ``shuffle`` also fits every electrode to the response to another stimulus."""

    shuffle: bool = True


class Store(Section):
    """[store]: where features are kept (a folder that studies may share; by default with the results), and how."""

    folder: str | None = None
    dtype: Literal["float32", "float16"] = "float32"


class Study(Section):
    """A whole study.toml.

    ``preset`` = "chen2024" also scores every layer as the code published with the paper does (sentences joined before
    lagging, contiguous folds, λ from 1e2 to 1e7 by validation r, mean of r², the maximum over layers), and says what
    changes against the sound way; [shared] then follows the published recipe where it says nothing else.
    """

    name: str
    preset: Literal["chen2024"] | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    note: str = ""
    stimuli: Stimuli
    responses: ResponseFiles
    grid: Grid = Grid()
    features: Annotated[dict[Name, Space], Field(min_length=1)]
    encoding: Encoding = Encoding()
    controls: Controls = Controls()
    shared: Shared | None = None
    joint: Annotated[dict[Name, Joint], Field(default_factory=dict)]
    word_lags: WordLags | None = None
    store: Store = Store()

    @model_validator(mode="before")
    @classmethod
    def _published(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("preset") == "chen2024" and isinstance(values.get("shared"), dict):
            return values | {"shared": {"preset": "chen2024"} | values["shared"]}
        return values

    @model_validator(mode="after")
    def _possible(self) -> Study:
        self._check_grid()
        for tier in TIERS:
            needing = self.needing(tier)
            if needing and getattr(self.stimuli, tier) is None:
                raise ValueError(f"stimuli.{tier}: a file of {tier} and their times, which features.{needing[0]} needs")
        if self.shared is not None:
            self._check_shared(self.shared)
        for name, joint in self.joint.items():
            strange = [space for space in joint.spaces if space not in self.features]
            if strange:
                known = ", ".join(self.features)
                raise ValueError(f"joint.{name}.spaces: spaces of [features] ({known}), not {strange[0]!r}")
        if self.word_lags is not None:
            unknown = [name for name in self.word_lags.spaces if name not in self.features]
            if unknown or self.stimuli.words is None:
                what = f"a space of [features] ({', '.join(self.features)}), not {unknown[0]!r}" if unknown else "words"
                raise ValueError(f"word_lags.spaces: {what}" if unknown else "stimuli.words: words, which they need")
        punctuated = [name for name, space in self.features.items() if space.needs_texts]
        if punctuated and self.stimuli.texts is None:
            raise ValueError(f"stimuli.texts: running texts, which features.{punctuated[0]}.punctuation needs")
        return self

    def _check_grid(self) -> None:
        """Refuse a study without one grid, or with two."""
        speech = self._with_grid()
        if self.grid.model is not None and self.grid.rate is not None:
            raise ValueError("grid: either a model or a rate, not both")
        if self.grid.model is not None and self.grid.model not in speech:
            raise ValueError(f"grid.model: a speech space of [features] ({speech}), not {self.grid.model!r}")
        if self.grid.model is None and self.grid.rate is None and len(speech) != 1:
            raise ValueError(f"grid: a model or a rate, where there is not one speech space but {len(speech)}")

    def _check_shared(self, shared: Shared) -> None:
        """Refuse a [shared] that names what is not there."""
        for role in get_args(Role):
            name, kinds = getattr(shared, role), kinds_that_may_be(role)
            fitting = [n for n, space in self.features.items() if space.kind in kinds]
            if name is not None and name not in fitting:
                raise ValueError(f"shared.{role}: a space of [features] of kind {' or '.join(kinds)} "
                                 f"({', '.join(fitting) or 'there is none'}), not {name!r}")  # fmt: skip
        placement = self.features[shared.language].placement
        if placement is not None and placement.at != "word":
            raise ValueError(f"shared.language: words that last (at = 'word'), not at = {placement.at!r}")

    def needing(self, tier: Tier) -> list[str]:
        """Return the names of the spaces that need words, or phones."""
        return [name for name, space in self.features.items() if space.tier() == tier]

    def without(self, spaces: Collection[str], joints: Collection[str], rate: float) -> Study:
        """Return the settings without some spaces, what needs them, and some joint models.

        ``rate`` is that of the grid, for where its model is among them.
        """
        shared, words = self.shared, self.word_lags
        if shared is not None:
            probes = {role: name for role in ("semantic", "acoustic") if (name := getattr(shared, role)) not in spaces}
            probes = dict.fromkeys(("semantic", "acoustic")) | probes
            lost = shared.speech in spaces or shared.language in spaces
            shared = None if lost else shared.model_copy(update=probes)
        if words is not None:
            left = [name for name in words.spaces if name not in spaces]
            words = words.model_copy(update={"spaces": left}) if left else None
        changed = {
            "features": {name: space for name, space in self.features.items() if name not in spaces},
            "joint": {
                name: joint for name, joint in self.joint.items()
                if name not in joints and not set(joint.spaces) & set(spaces)
            },
            "shared": shared, "word_lags": words,
        }  # fmt: skip
        if self.grid_model() is not None:
            changed["grid"] = Grid(rate=rate) if self.grid_model() in spaces else Grid(model=self.grid_model())
        return self.model_copy(update=changed)

    def grid_model(self) -> str | None:
        """Return the name of the speech space whose frames are the grid; None where the grid is a rate."""
        if self.grid.rate is not None:
            return None
        return self.grid.model or self._with_grid()[0]

    def _with_grid(self) -> list[str]:
        return [name for name, space in self.features.items() if space.gives_grid]


def read_study(path: str | Path) -> Study:
    """Read a study.toml.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Study
        Its contents, checked; no file that it names has been looked at yet.

    Raises
    ------
    InputError
        For a file that does not exist or is not TOML, an unknown key (the nearest known one is named), a missing
        one, a value of another type, and settings that cannot be.
    """
    study, errors = study_or_errors(path)
    if study is None:
        raise errors[0]
    return study


def study_or_errors(path: str | Path) -> tuple[Study | None, list[InputError]]:
    """Return a study.toml's contents, or everything that is wrong with them; see `read_study`."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors on Windows begin a file with a mark
        table = tomllib.loads(text)
    except (FileNotFoundError, IsADirectoryError):
        advice = "`heschl init` writes one to start from."
        if (path / "study.toml").is_file():
            advice = f"Name the file in that folder: {path / 'study.toml'}."
        return None, [InputError(str(path), "no such file", "a study.toml", advice)]
    except OSError as error:
        return None, [InputError(str(path), str(error.strerror), "a file that can be read")]
    except UnicodeDecodeError as error:
        return None, [InputError(str(path), str(error), "text in UTF-8", "Save the file as UTF-8.")]
    except tomllib.TOMLDecodeError as error:
        return None, [no_toml(path, text, error)]
    try:
        return Study.model_validate(table), []
    except ValidationError as error:
        return None, [explained(problem, path, _unknown_key) for problem in error.errors()]


_SECTIONS: dict[tuple[str, ...], type[Section]] = {
    (): Study,
    ("stimuli",): Stimuli,
    ("responses",): ResponseFiles,
    ("responses", "electrodes"): Electrodes,
    ("grid",): Grid,
    ("encoding",): Encoding,
    ("encoding", "alphas"): AlphaRange,
    ("controls",): Controls,
    ("shared",): Shared,
    ("joint", "NAME"): Joint,
    ("word_lags",): WordLags,
    ("store",): Store,
}


def _unknown_key(loc: tuple[int | str, ...], keys: list[str], path: Path) -> InputError:
    if keys[0] == "features":
        section: type[Section] = KINDS[str(loc[2])]
    else:
        section = Joint if keys[0] == "joint" and len(keys) == 3 else _SECTIONS[tuple(keys[:-1])]
    prefix = "".join(f"{key}." for key in keys[:-1])
    here = {f"{prefix}{field}": field for field in section.model_fields}
    elsewhere = {f: ".".join((*where, f)) for where, other in _SECTIONS.items() for f in other.model_fields}
    near = difflib.get_close_matches(keys[-1], here.values(), n=1)
    if near:
        return InputError(
            f"{path}: {'.'.join(keys)}", "an unknown key", f"a known one: the nearest is {prefix}{near[0]}"
        )
    twin = difflib.get_close_matches(keys[-1], elsewhere, n=1)
    advice = f"There is {elsewhere[twin[0]]}." if twin else ""
    kinds = [kind for kind, space in KINDS.items() if keys[-1] in space.model_fields and keys[0] != "features"]
    if kinds:
        advice = f"It is a key of [features.NAME] of kind {' or '.join(kinds)}."
    return InputError(f"{path}: {'.'.join(keys)}", "an unknown key", f"one of {', '.join(here)}", advice)
