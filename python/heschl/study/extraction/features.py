"""Features on the study's grid: every layer of a space, from the feature store to the frames of the responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.features.store import Description, FeatureSet, FeatureStore
from heschl.files import digest
from heschl.linear import Repeated
from heschl.study.inputs.groups import FitGroup
from heschl.study.kinds.base import FeatureSpace, Floats, Placement, chosen_layers
from heschl.timing.align import runs, word_of_frames, words_to_onsets
from heschl.timing.grid import FrameGrid
from heschl.timing.resample import resample
from heschl.timing.stimulus import Stimulus
from heschl.timing.words import Word, plain_word


@dataclass(frozen=True)
class Features:
    """The features of one space in the store, and how they come onto the study's grid.

    Attributes
    ----------
    key_of_source : str
        The feature set's hash in the store.
    description : Description
        Its layers and rows.
    store : FeatureStore
        Where they are, once they are extracted.
    keys : mapping of stimulus to str
        The stimuli's hashes in the feature set.
    grid : FrameGrid
        The study's.
    space : FeatureSpace
        The settings: where words stand, and what silence is.
    stimuli : mapping of stimulus to Stimulus
        The words' times.
    lengths : mapping of stimulus to float
        Of the sounds and the silence after them, in s.
    """

    key_of_source: str
    description: Description
    store: FeatureStore
    keys: Mapping[str, str]
    grid: FrameGrid
    space: FeatureSpace
    stimuli: Mapping[str, Stimulus] = field(repr=False)
    lengths: Mapping[str, float] = field(repr=False)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that are analysed."""
        return tuple(self.description.layers[i] for i in self.chosen)

    @cached_property
    def chosen(self) -> tuple[int, ...]:
        """Places of these layers among those of the model.

        Raises
        ------
        InputError
            For a layer that the study names and the model does not have.
        """
        return chosen_layers(self.space.layers, self.description.layers, f"features.{self.description.name}.layers")

    @cached_property
    def stored(self) -> FeatureSet:
        """All layers, as the model gives them."""
        found = self.store.find(self.key_of_source)
        assert found is not None, "features are extracted before they are read"
        return found

    @property
    def key(self) -> str:
        """Hash of all that `layer` depends on but this code."""
        placement = self.space.placement
        if placement is None:
            return digest(self.key_of_source, self.keys, asdict(self.grid), self.lengths)
        words = {name: [asdict(word) for word in self._spoken(name)] for name in self.keys}
        return digest(self.key_of_source, self.keys, asdict(self.grid), words, placement)

    def layer(self, index: int, segments: Sequence[tuple[str, int]]) -> Floats | Repeated:
        """Return one layer's frames of (stimulus, n_frames) segments, joined: (n, width); words stay at word rate.

        ``index`` counts the layers that are analysed.
        """
        return self.stored_layer(self.chosen[index], segments)

    def stored_layer(self, index: int, segments: Sequence[tuple[str, int]]) -> Floats | Repeated:
        """Return the same of any layer of the model."""
        names = list(dict.fromkeys(name for name, _ in segments))
        values = dict(zip(names, self.stored.layer(index, [self.keys[name] for name in names]), strict=True))
        if self.space.placement is not None:
            return self._at_word_rate(values, segments, self.space.placement)
        frames = {name: self._on_grid(name, rows) for name, rows in values.items()}
        return np.concatenate([frames[name][:n_frames] for name, n_frames in segments])

    def _on_grid(self, name: str, values: Floats) -> Floats:
        """Bring the frames of a stimulus from the model's grid onto the study's."""
        model_grid = self.description.grid
        length = self.lengths[name]
        assert model_grid is not None, "frames have times"
        if len(values) != model_grid.n_frames(length):
            raise InputError(
                f"features of stimulus {name!r}", f"{len(values)} frames",
                f"{model_grid.n_frames(length)}, for {length:g} s of sound at {model_grid.rate:g} Hz",
            )  # fmt: skip
        if model_grid == self.grid:
            return values
        n_frames = self.grid.n_frames(length)
        return np.asarray(resample(values, model_grid.times(len(values)), self.grid.times(n_frames)), dtype=np.float32)

    def _spoken(self, name: str) -> list[Word]:
        """Return the words (or phones) of a stimulus that have a row."""
        about, stimulus = self.description, self.stimuli[name]
        spoken = stimulus.phones if about.rows == "phone" else stimulus.words
        return [word for word in spoken if word.text not in about.left_out]

    def _at_word_rate(
        self, values: Mapping[str, Floats], segments: Sequence[tuple[str, int]], placement: Placement
    ) -> Floats | Repeated:
        """Repeat each word's row for as many frames as it lasts, a row of zeros for silence; or put it at its onset."""
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


def expanded(values: Floats | Repeated) -> Floats:
    """Return features frame by frame (n_frames, width), words repeated through their frames."""
    return np.repeat(values.values, values.counts, axis=0) if isinstance(values, Repeated) else values


def tokens_of(language: Features, group: FitGroup) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the word type and the token of each word that `spoken_rows` lists; repeats of a stimulus are one token."""
    types: list[str] = []
    tokens: list[tuple[str, int]] = []
    for name, n_frames in group.segments:
        words = language.stimuli[name].words
        which, _ = runs(word_of_frames(words, language.grid.times(n_frames)))
        said = which[which >= 0].tolist()
        types += [plain_word(words[i].text) for i in said]
        tokens += [(name, i) for i in said]
    numbers: dict[tuple[str, int], int] = {}
    numbered = [numbers.setdefault(token, len(numbers)) for token in tokens]
    return np.unique(types, return_inverse=True)[1].reshape(-1), np.array(numbered, dtype=np.int64)


def spoken_rows(language: Features, group: FitGroup) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return which rows have a word, and the first row and one past the last of each word."""
    spoken, words, start = [], [], 0
    for name, n_frames in group.segments:
        word = word_of_frames(language.stimuli[name].words, language.grid.times(n_frames))
        spoken.append(word >= 0)
        which, counts = runs(word)
        ends = start + np.cumsum(counts)
        words.append(np.stack([ends - counts, ends], axis=1)[which >= 0])
        start += n_frames
    return np.concatenate(spoken), np.concatenate(words).astype(np.int64)
