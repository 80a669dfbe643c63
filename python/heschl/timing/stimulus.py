"""A stimulus: its sound, its words and phones, its length."""

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
        In the order of the transcript; none where no word is.
    text : str or None
        The words in running text, with punctuation.

    Examples
    --------
    >>> from pathlib import Path
    >>> from heschl.timing import Stimulus, Word
    >>> Stimulus("s1", Path("s1.wav"), 1.5, (Word("so", 0.1, 0.3),)).words[0].text
    'so'
    """

    name: str
    path: Path
    duration: float
    words: tuple[Word, ...]
    phones: tuple[Word, ...] = ()
    text: str | None = None
