"""Static word vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from heschl.checks import InputError
from heschl.features.store import Rows
from heschl.files import digest_files
from heschl.names import name_hint
from heschl.study.kinds.base import Blocks, Role, Spoken, StudyFiles, Tier, texts_of, words_key
from heschl.study.kinds.problems import Material, Problem
from heschl.timing.grid import FrameGrid
from heschl.timing.stimulus import Stimulus

NAMED_WORDS = 12
"""Words without a vector that a note names."""
PACKED = {
    ".zip": "Unpack it.", ".7z": "Unpack it.", ".tar": "Unpack it.",
    ".bin": "word2vec's binary form: gensim's KeyedVectors.load_word2vec_format(file, binary=True)"
    '.save_word2vec_format("vectors.txt") writes it as text.',
}  # fmt: skip
"""What is no text yet, and what makes it one."""
ENOUGH = 0.5
"""Share of the spoken words below which a table is taken for the wrong one."""


class WordSpace(Spoken):
    """Static word vectors: GloVe's or word2vec's text, or a .npy table with its ``words``.

    A word without a vector is 0, the mean of the others, or left out as if it were not spoken.
    """

    noun: ClassVar[str] = "word vectors"
    template: ClassVar[str] = """\
[features.glove]
kind = "words"                  # GloVe's or word2vec's text, or a .npy table with its words
file = "glove.6B.300d.txt"
oov = "zero"                    # words without a vector: "zero", "mean" or "drop"
"""
    roles: ClassVar[tuple[Role, ...]] = ("semantic",)
    aside: ClassVar[frozenset[str]] = Spoken.aside | {"file", "words"}

    kind: Literal["words"]
    file: str
    words: str | None = None
    oov: Literal["zero", "mean", "drop"] = "zero"
    fold: bool = True

    def open(self, files: StudyFiles) -> OpenWords:
        """Read the vectors of all words that are spoken."""
        return OpenWords(self, files.folder, files.stimuli.values())

    def sources(self, files: StudyFiles) -> Sequence[object]:
        """Return a hash of the files, and every word that is spoken."""
        paths = [files.folder / file for file in (self.file, self.words) if file is not None]
        return digest_files(paths), sorted(vocabulary(files.stimuli.values()))

    def stimulus_key(self, stimulus: Stimulus, files: StudyFiles) -> str:
        """Return a hash of the words."""
        return words_key(stimulus)

    def check(self, files: StudyFiles, where: str) -> None:
        """Check that the files exist."""
        for key, file in (("file", self.file), ("words", self.words)):
            if file is not None and not (files.folder / file).is_file():
                raise InputError(f"{where}.{key}", f"no file {files.folder / file}", "word vectors")

    def problems(self, material: Material, where: str) -> list[Problem]:
        """Look whether the table can be one, by its first line; then which of the words that are spoken it has."""
        file = material.folder / self.file
        if not file.is_file():
            there = [other.name for other in file.parent.glob("*") if other.is_file()]
            hint = name_hint(file.name, there) if there else ""
            return [Problem("error", f"{where}.file", f"no file {file}", "word vectors", hint)]
        if file.suffix.lower() in PACKED:
            expected = "GloVe's or word2vec's text (also .gz), or a .npy table"
            return [Problem("error", f"{where}.file", f"a {file.suffix} file", expected, PACKED[file.suffix.lower()])]
        if file.suffix not in (".npy", ".gz"):
            with open(file, "rb") as lines:
                first = lines.readline(1_000_000).split()
            if len(first) < 2 or not _is_number(first[-1]):
                expected = "GloVe's or word2vec's text: a word and its vector in each line"
                found = f"a first line that is no word and numbers, in {file}"
                return [Problem("error", f"{where}.file", found, expected)]
        return self._of_spoken(material, where) if material.spoken else []

    def _of_spoken(self, material: Material, where: str) -> list[Problem]:
        """Count how much of what is spoken has a vector."""
        from heschl.features.words import FEW_FOUND, WordVectors

        spoken, words = material.spoken, None if self.words is None else material.folder / self.words
        try:
            vectors = WordVectors.read(material.folder / self.file, spoken, words=words, fold=self.fold)
        except InputError as error:
            found = f"{error.argument}: {error.found}"
            return [Problem("error", f"{where}.file", found, error.expected, error.advice)]
        missing = sorted(vectors.missing, key=lambda word: (-spoken[word], word))
        share = 1.0 - sum(spoken[word] for word in missing) / sum(spoken.values())
        found = f"vectors of {len(spoken) - len(missing)} of {len(spoken)} words, {share:.0%} of what is spoken"
        if vectors.by_parts:
            found += f"; {len(vectors.by_parts)} of them by their parts' vectors: {_first(vectors.by_parts)}"
        if missing:
            found += f"; none of {_first(missing)}"
        if share < ENOUGH:
            return [Problem("warning", f"{where}.file", found, "vectors of most words", FEW_FOUND)]
        remedy = f"{where}.oov = {self.oov!r} says what words without one are." if missing else ""
        return [Problem("note", f"{where}.file", found, "", remedy)] if missing or vectors.by_parts else []

    def layer_count(self, folder: Path) -> int:
        """Return 1."""
        return 1

    def tier(self) -> Tier:
        """Return "words"."""
        return "words"


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
        notes = (("without a vector", missing), ("by their parts' vectors", self.vectors.by_parts))
        self.note = "; ".join(f"{len(w)} of {len(spoken)} words {what}: {_first(w)}" for what, w in notes if w)

    def extract(self, stimuli: Sequence[Stimulus], lengths: Mapping[str, float]) -> Iterator[Blocks]:
        """Yield the features of each stimulus."""
        for stimulus in stimuli:
            yield [self.vectors.extract(texts_of(stimulus))]


def _first(words: Sequence[str]) -> str:
    return ", ".join(words[:NAMED_WORDS]) + " …" * (len(words) > NAMED_WORDS)


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
