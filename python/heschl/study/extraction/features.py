"""Stage 1, features: every layer of every space in the feature store, and from there onto the study's grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.features.store import Description, FeatureSet, FeatureStore
from heschl.files import digest
from heschl.linear import Repeated
from heschl.study.extraction.spaces import open_space, source_key, stimulus_key
from heschl.study.inputs.load import Inputs
from heschl.study.inputs.targets import FitGroup
from heschl.study.kinds.base import FeatureSpace, Floats, OpenSpace, Placement
from heschl.study.work.progress import Reporter
from heschl.timing.align import runs, word_of_frames, words_to_onsets
from heschl.timing.grid import FrameGrid
from heschl.timing.resample import resample
from heschl.timing.stimulus import Stimulus
from heschl.timing.words import Word


class RefusedStimuli(InputError):
    """Stimuli that a space cannot be extracted of; all others are in the store.

    Attributes
    ----------
    stimuli : dict of str to str
        Why, by name.
    """

    def __init__(self, argument: str, found: str, expected: str, advice: str, stimuli: dict[str, str]) -> None:
        super().__init__(argument, found, expected, advice)
        self.stimuli = stimuli


@dataclass(frozen=True)
class Features:
    """The features of one space in the store, and how they come onto the study's grid.

    Attributes
    ----------
    stored : FeatureSet
        All layers, as the model gives them.
    keys : mapping of stimulus to str
        The stimuli's hashes in the store.
    grid : FrameGrid
        The study's.
    space : FeatureSpace
        The settings: where words stand, and what silence is.
    stimuli : mapping of stimulus to Stimulus
        The words' times.
    lengths : mapping of stimulus to float
        Of the sounds and the silence after them, in s.
    """

    stored: FeatureSet
    keys: Mapping[str, str]
    grid: FrameGrid
    space: FeatureSpace
    stimuli: Mapping[str, Stimulus] = field(repr=False)
    lengths: Mapping[str, float] = field(repr=False)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers."""
        return self.stored.description.layers

    @property
    def key(self) -> str:
        """Hash of all that `layer` depends on."""
        placement = self.space.placement
        if placement is None:
            return digest(self.stored.key, self.keys, asdict(self.grid), self.lengths)
        words = {name: [asdict(word) for word in self._spoken(name)] for name in self.keys}
        return digest(self.stored.key, self.keys, asdict(self.grid), words, placement)

    def layer(self, index: int, segments: Sequence[tuple[str, int]]) -> Floats | Repeated:
        """Give one layer's frames of (stimulus, n_frames) segments, joined: (n, width); words stay at word rate."""
        names = list(dict.fromkeys(name for name, _ in segments))
        values = dict(zip(names, self.stored.layer(index, [self.keys[name] for name in names]), strict=True))
        if self.space.placement is not None:
            return self._at_word_rate(values, segments, self.space.placement)
        frames = {name: self._on_grid(name, rows) for name, rows in values.items()}
        return np.concatenate([frames[name][:n_frames] for name, n_frames in segments])

    def _on_grid(self, name: str, values: Floats) -> Floats:
        """Bring the frames of a stimulus from the model's grid onto the study's."""
        own = self.stored.description.grid
        length = self.lengths[name]
        assert own is not None, "frames have times"
        if len(values) != own.n_frames(length):
            raise InputError(
                f"features of stimulus {name!r}", f"{len(values)} frames",
                f"{own.n_frames(length)}, for {length:g} s of sound at {own.rate:g} Hz",
            )  # fmt: skip
        if own == self.grid:
            return values
        n_frames = self.grid.n_frames(length)
        return np.asarray(resample(values, own.times(len(values)), self.grid.times(n_frames)), dtype=np.float32)

    def _spoken(self, name: str) -> list[Word]:
        """Give the words (or phones) of a stimulus that have a row."""
        about, stimulus = self.stored.description, self.stimuli[name]
        spoken = stimulus.phones if about.rows == "phone" else stimulus.words
        return [word for word in spoken if word.text not in about.left_out]

    def _at_word_rate(
        self, values: Mapping[str, Floats], segments: Sequence[tuple[str, int]], placement: Placement
    ) -> Floats | Repeated:
        """Say for how many frames each word lasts, and silence, a row of zeros; or put words at their onsets."""
        if placement.at == "onset":
            frames = [words_to_onsets(values[name], self._spoken(name), self.grid.times(n)) for name, n in segments]
            return np.concatenate(frames)
        rows: list[Floats] = []
        counts: list[NDArray[np.int64]] = []
        for name, n_frames in segments:
            word = word_of_frames(self._spoken(name), self.grid.times(n_frames), silence=placement.silence)
            word, frames_of = runs(word)
            silence = np.zeros((1, values[name].shape[1]), dtype=np.float32)
            rows.append(np.concatenate([values[name], silence])[word])  # -1, silence, is the last row
            counts.append(frames_of)
        return Repeated(np.concatenate(rows), np.concatenate(counts))


def look_at_spaces(inputs: Inputs, store: FeatureStore) -> dict[str, tuple[str, Description]]:
    """Open each space once, so that what is wrong with a model is said before any work.

    What the store knows of a space is not looked up in the model again. Nothing is written.

    Returns
    -------
    dict of str to (key, Description)
        The hash of the settings and the files behind each space, and what it says of itself.
    """
    found = {}
    for name in inputs.study.features:
        key = source_key(name, inputs)
        known = store.find(key)
        found[name] = key, known.description if known else _describe(name, open_space(name, inputs), inputs)
    return found


def study_grid(inputs: Inputs, spaces: Mapping[str, tuple[str, Description]]) -> FrameGrid:
    """Give the study's one frame grid."""
    model = inputs.study.grid_model()
    if model is not None:
        grid = spaces[model][1].grid
        assert grid is not None, "a speech space has frames of its own"
        return grid
    assert inputs.study.grid.rate is not None, "the settings have checked that there is a model or a rate"
    return FrameGrid.from_rate(inputs.study.grid.rate)


def extract_features(
    inputs: Inputs,
    spaces: Mapping[str, tuple[str, Description]],
    grid: FrameGrid,
    store: FeatureStore,
    report: Reporter,
) -> dict[str, Features]:
    """Extract of every space and stimulus what the store does not hold yet.

    Parameters
    ----------
    inputs : Inputs
        The study.
    spaces : mapping of str to (key, Description)
        From `look_at_spaces`.
    grid : FrameGrid
        The frames to bring everything to.
    store : FeatureStore
        Where features are kept.
    report : Reporter
        Told of the progress.

    Returns
    -------
    dict of str to Features
        In the order of the study.toml.

    Raises
    ------
    InputError
        Where stimuli cannot be read or are refused by a model; all others are in the store then.
    """
    found = {}
    for name, (key, about) in spaces.items():
        found[name] = stored_features(name, inputs, store.create(key, about), grid)
        _extract(name, inputs, found[name].stored, found[name].keys, report)
    return found


def stored_features(name: str, inputs: Inputs, stored: FeatureSet, grid: FrameGrid) -> Features:
    """Give a space's features as the store has them, whether or not all of the stimuli are there."""
    keys = {stimulus.name: stimulus_key(name, inputs, stimulus) for stimulus in inputs.stimuli.values()}
    return Features(stored, keys, grid, inputs.study.features[name], inputs.stimuli, inputs.lengths)


def _describe(name: str, space: OpenSpace, inputs: Inputs) -> Description:
    return Description(
        name, space.rows, tuple(space.layers), space.width, space.own_grid, dict(space.settings), space.note,
        tuple(space.left_out), inputs.study.store.dtype,
    )  # fmt: skip


def _extract(name: str, inputs: Inputs, stored: FeatureSet, keys: Mapping[str, str], report: Reporter) -> None:
    """Add to a set the stimuli that it does not hold."""
    about = stored.description
    title = f"features {name} ({len(about.layers)} layer{'s' * (len(about.layers) > 1)} × {about.width})"
    one_of = {key: inputs.stimuli[stimulus] for stimulus, key in keys.items()}
    refused: list[tuple[Stimulus, InputError]] = []
    if not set(one_of) - set(stored.index()):
        with report.stage(title, 0):
            return
    with stored.writing(lambda: report.say(f"features {name}: another process is at them; waiting")) as writer:
        todo = sorted((one_of[key] for key in writer.missing(list(one_of))), key=lambda s: inputs.lengths[s.name])
        seconds = 0.0
        with report.stage(title, sum(inputs.lengths[stimulus.name] for stimulus in todo)) as advance:
            space = open_space(name, inputs)
            for stimulus, blocks in _one_by_one(space, todo, inputs.lengths):
                try:
                    if isinstance(blocks, InputError):
                        raise blocks
                    writer.add(keys[stimulus.name], blocks)
                except InputError as error:
                    refused.append((stimulus, error))
                seconds += inputs.lengths[stimulus.name]
                advance(seconds)
    if refused:
        stimulus, first = refused[0]
        others = ", ".join(repr(other.name) for other, _ in refused[1:])
        raise RefusedStimuli(
            f"features.{name}, stimulus {stimulus.name!r}: {first.argument}", first.found, first.expected,
            f"{first.advice} Refused as well: {others}.".strip() if others else first.advice,
            {stimulus.name: f"features.{name}: {error.found}" for stimulus, error in refused},
        )  # fmt: skip


def _one_by_one(
    space: OpenSpace, stimuli: Sequence[Stimulus], lengths: Mapping[str, float]
) -> Iterator[tuple[Stimulus, Any]]:
    """Give each stimulus' features, or the error that it met; they are read ahead and run together where they can."""
    at = 0
    while at < len(stimuli):
        try:
            for blocks in space.extract(stimuli[at:], lengths):
                yield stimuli[at], blocks
                at += 1
        except InputError:  # met by this one or by one read ahead
            try:
                yield stimuli[at], next(iter(space.extract([stimuli[at]], lengths)))
            except InputError as error:
                yield stimuli[at], error
            at += 1


def spoken_rows(language: Features, group: FitGroup) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Tell which rows have a word, and the first row and one past the last of each word."""
    spoken, words, start = [], [], 0
    for name, n_frames in group.segments:
        word = word_of_frames(language.stimuli[name].words, language.grid.times(n_frames))
        spoken.append(word >= 0)
        which, counts = runs(word)
        ends = start + np.cumsum(counts)
        words.append(np.stack([ends - counts, ends], axis=1)[which >= 0])
        start += n_frames
    return np.concatenate(spoken), np.concatenate(words).astype(np.int64)
