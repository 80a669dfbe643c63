"""Static word vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from heschl.features.store import Rows
from heschl.study.kinds.base import Blocks, Spoken, texts_of
from heschl.timing.grid import FrameGrid
from heschl.timing.stimulus import Stimulus


class WordSpace(Spoken):
    """Static word vectors: GloVe's or word2vec's text, or a .npy table with its ``words``.

    A word without a vector is 0, the mean of the others, or left out as if it were not spoken.
    """

    kind: Literal["words"]
    file: str
    words: str | None = None
    oov: Literal["zero", "mean", "drop"] = "zero"
    fold: bool = True


NAMED_WORDS = 12
"""Words without a vector that a note names."""


def vocabulary(stimuli: Iterable[Stimulus]) -> set[str]:
    """Return every word that is spoken."""
    return {word.text for stimulus in stimuli for word in stimulus.words}


class OpenWords:
    """Word vectors in memory; attributes as of every `OpenSpace`."""

    rows: Rows = "word"
    layers: Sequence[str] = ("0",)
    own_grid: FrameGrid | None = None

    def __init__(self, space: WordSpace, folder: Path, stimuli: Iterable[Stimulus]) -> None:
        from heschl.features.words import WordVectors

        spoken = vocabulary(stimuli)
        words = None if space.words is None else folder / space.words
        self.vectors = WordVectors.read(folder / space.file, spoken, words=words, oov=space.oov, fold=space.fold)
        self.width = self.vectors.width
        self.settings: Mapping[str, Any] = self.vectors.settings
        missing = self.vectors.missing
        self.left_out: Sequence[str] = missing if space.oov == "drop" else ()
        listed = ", ".join(missing[:NAMED_WORDS]) + " …" * (len(missing) > NAMED_WORDS)
        self.note = f"{len(missing)} of {len(spoken)} words without a vector: {listed}" if missing else ""

    def extract(self, stimuli: Sequence[Stimulus], lengths: Mapping[str, float]) -> Iterator[Blocks]:
        """Yield the features of each stimulus."""
        for stimulus in stimuli:
            yield [self.vectors.extract(texts_of(stimulus))]
