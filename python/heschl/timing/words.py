"""Words, when they are spoken, and where that is written."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from itertools import pairwise

TOLERANCE_S = 1e-3
"""Transcripts round times to ms or so: by this much, in s, a word may reach into the next or past its sound's end."""


@dataclass(frozen=True)
class Word:
    """A word (or a phone) in a sound.

    Attributes
    ----------
    text : str
        The word as written.
    start, end : float
        In s from the sound's onset; the word is [start, end).

    Examples
    --------
    >>> from heschl.timing import Word
    >>> Word("so", 0.1, 0.3)
    Word(text='so', start=0.1, end=0.3)
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
        In the order of the file, which need not be that of their starts: where speech overlaps it is the text's.
    places : tuple of str, one per word
        File and line ("words.csv, line 3"), for messages.

    Examples
    --------
    >>> from heschl.timing import Transcript, Word
    >>> Transcript((Word("so", 0.1, 0.3),), ("words.csv, line 2",)).words[0].text
    'so'
    """

    words: tuple[Word, ...]
    places: tuple[str, ...]

    def __post_init__(self) -> None:
        """Assert that there is one place for each word."""
        assert len(self.words) == len(self.places)

    def in_order(self) -> Transcript:
        """Return the same words in the order of their starts.

        Examples
        --------
        >>> from heschl.timing import Transcript, Word
        >>> words = Transcript((Word("and", 2.0, 2.4), Word("oh", 1.0, 1.3)), ("line 1", "line 2"))
        >>> [word.text for word in words.in_order().words]
        ['oh', 'and']
        """
        order = self._by_start()
        return Transcript(tuple(self.words[i] for i in order), tuple(self.places[i] for i in order))

    def cut_at_next(self) -> Transcript:
        """Return the same with each word ended where the next begins, at the latest.

        Where two words share a sound, it belongs to the one that begins later. Words stay in their order.

        Examples
        --------
        >>> from heschl.timing import Transcript, Word
        >>> words = Transcript((Word("so", 1.0, 1.5), Word("it", 1.4, 2.0)), ("line 1", "line 2"))
        >>> [(word.text, word.end) for word in words.cut_at_next().words]
        [('so', 1.4), ('it', 2.0)]
        """
        words = list(self.words)
        for i, following in pairwise(self._by_start()):
            word, later = self.words[i], self.words[following]
            if later.start > word.start:
                words[i] = Word(word.text, word.start, min(word.end, later.start))
        return Transcript(tuple(words), self.places)

    def _by_start(self) -> list[int]:
        return sorted(range(len(self.words)), key=lambda i: (self.words[i].start, self.words[i].end))


def plain_word(text: str) -> str:
    r"""Return what is left of a word when case, punctuation and accents do not count.

    Parameters
    ----------
    text : str
        A word as written.

    Returns
    -------
    str
        Its letters and digits, case-folded; the accents of Latin, Greek and Cyrillic letters are dropped, the vowel
        signs of other scripts are letters. Empty for punctuation alone.

    Examples
    --------
    >>> from heschl.timing import plain_word
    >>> plain_word("Don\u2019t,"), plain_word("h\u00e1d"), plain_word("...")
    ('dont', 'had', '')
    """
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    kept = (letter for letter in decomposed if unicodedata.category(letter)[0] in "LNM")
    return unicodedata.normalize("NFC", "".join(letter for letter in kept if not "\u0300" <= letter <= "\u036f"))
