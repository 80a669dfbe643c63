"""Words, when they are spoken, and where that is written."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Word:
    """A word (or a phone) in a sound.

    Attributes
    ----------
    text : str
        The word as written.
    start, end : float
        In s from the sound's onset; the word is [start, end).
    """

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Transcript:
    """The words of one sound, and where each of them is written.

    Attributes
    ----------
    words : tuple of Word
        As they stand in the file.
    places : tuple of str, one per word
        File and line ("words.csv, line 3"), for messages.
    """

    words: tuple[Word, ...]
    places: tuple[str, ...]

    def __post_init__(self) -> None:
        """Hold one place for each word."""
        assert len(self.words) == len(self.places)

    def in_order(self) -> Transcript:
        """Give the same in the order of the starts."""
        order = sorted(range(len(self.words)), key=lambda i: (self.words[i].start, self.words[i].end))
        return Transcript(tuple(self.words[i] for i in order), tuple(self.places[i] for i in order))

    def cut_at_next(self) -> Transcript:
        """Let each word end where the next begins at the latest: where two share a sound, it belongs to the later."""
        cut = [
            Word(word.text, word.start, min(word.end, later.start) if later.start > word.start else word.end)
            for word, later in pairwise(self.words)
        ]
        return Transcript((*cut, *self.words[-1:]), self.places)
