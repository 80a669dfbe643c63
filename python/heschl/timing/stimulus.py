"""One stimulus: its sound, its words and phones, its length."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from heschl.timing.words import Word


@dataclass(frozen=True)
class Stimulus:
    """A sound and the words in it.

    Attributes
    ----------
    name : str
        The file's name without ".wav".
    path : Path
        The sound.
    duration : float
        Of the sound, in s.
    words, phones : tuple of Word
        In the order they are spoken; none where no word is.
    text : str or None
        The words in running text, with punctuation.
    """

    name: str
    path: Path
    duration: float
    words: tuple[Word, ...]
    phones: tuple[Word, ...] = ()
    text: str | None = None
