"""Onsets and phones from transcripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from heschl.features.store import Rows
from heschl.study.kinds.base import Blocks, Spoken, StudyFiles, Tier, phones_key, words_key
from heschl.timing.grid import FrameGrid
from heschl.timing.stimulus import Stimulus


class LabelSpace(Spoken):
    """A space that is read off the transcripts, without a file of its own."""

    def check(self, files: StudyFiles, where: str) -> None:
        """Check nothing: no file is named."""


class OnsetSpace(LabelSpace):
    """1 where a word, or a phone, begins (``at`` = "word": while it lasts)."""

    noun: ClassVar[str] = "onsets"
    template: ClassVar[str] = """\
# [features.onsets]
# kind = "onsets"               # 1 where a word begins
# of = "words"                  # or "phones"
"""

    kind: Literal["onsets"]
    of: Literal["words", "phones"] = "words"
    at: Literal["word", "onset"] = "onset"

    def open(self, files: StudyFiles) -> OpenLabels:
        """Return a column of ones."""
        return OpenLabels("phone" if self.of == "phones" else "word", None)

    def sources(self, files: StudyFiles) -> Sequence[object]:
        """Return nothing: the settings say it all."""
        return ()

    def stimulus_key(self, stimulus: Stimulus, files: StudyFiles) -> str:
        """Return a hash of the words, or the phones."""
        return phones_key(stimulus) if self.of == "phones" else words_key(stimulus)

    def tier(self) -> Tier:
        """Return what begins."""
        return self.of


class PhoneSpace(LabelSpace):
    """Which phone is being said, or (``at`` = "onset") begins: a column for each."""

    noun: ClassVar[str] = "phones"
    template: ClassVar[str] = """\
# [features.phones]
# kind = "phones"               # a column for each phone, 1 while it is said
"""

    kind: Literal["phones"]

    def open(self, files: StudyFiles) -> OpenLabels:
        """Return a column for each phone that is said."""
        return OpenLabels("phone", inventory(files))

    def sources(self, files: StudyFiles) -> Sequence[object]:
        """Return all phones that are said."""
        return inventory(files)

    def stimulus_key(self, stimulus: Stimulus, files: StudyFiles) -> str:
        """Return a hash of the phones."""
        return phones_key(stimulus)

    def tier(self) -> Tier:
        """Return "phones"."""
        return "phones"


def inventory(files: StudyFiles) -> list[str]:
    """Return every phone that is said, in sorted order."""
    return sorted({phone.text for stimulus in files.stimuli.values() for phone in stimulus.phones})


class OpenLabels:
    """A column for each label, or one of ones for all; attributes as of every `OpenSpace`."""

    note = ""
    left_out: Sequence[str] = ()
    layers: Sequence[str] = ("0",)
    own_grid: FrameGrid | None = None

    def __init__(self, rows: Literal["word", "phone"], labels: Sequence[str] | None) -> None:
        self.rows: Rows = rows
        self.labels = labels
        self.width = 1 if labels is None else len(labels)
        self.settings: Mapping[str, Any] = {"columns": "all" if labels is None else " ".join(labels)}

    def extract(self, stimuli: Sequence[Stimulus], lengths: Mapping[str, float]) -> Iterator[Blocks]:
        """Yield the features of each stimulus."""
        for stimulus in stimuli:
            texts = [spoken.text for spoken in (stimulus.words if self.rows == "word" else stimulus.phones)]
            if self.labels is None:
                yield [np.ones((1, len(texts), 1), dtype=np.float32)]
            else:
                yield [(np.array(texts)[:, None] == np.array(self.labels)).astype(np.float32)[None]]
