"""Onsets and phones from transcripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from heschl.features.store import Rows
from heschl.study.kinds.base import Blocks, Spoken
from heschl.timing.grid import FrameGrid
from heschl.timing.stimulus import Stimulus


class OnsetSpace(Spoken):
    """1 where a word, or a phone, begins (``at`` = "word": while it lasts)."""

    kind: Literal["onsets"]
    of: Literal["words", "phones"] = "words"
    at: Literal["word", "onset"] = "onset"


class PhoneSpace(Spoken):
    """Which phone is being said, or (``at`` = "onset") begins: a column for each."""

    kind: Literal["phones"]


class OpenLabels:
    """A column for each label, or one of ones for all."""

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
