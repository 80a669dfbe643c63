"""A small language: a lexicon of made-up words with meanings, and sentences from a grammar.

Spelling, and so sound, is drawn apart from meaning: what an electrode knows of a word's meaning cannot be heard.
The subject's number stands on its determiner alone, and the verb and all that follows agree with it: known from
there on to whoever remembers the determiner, and to nobody who knows only the word being heard.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONSONANTS = "ptkbdgmnszflr"
VOWELS = "aeiou"
# Words of each class, and the order of classes in a sentence ("?" may be left out). 236 words in all: four times the
# width of the widest model and more, so that no random embedding spans the lexicon. Determiners are few, so that every
# training fold has heard each of them often as a subject's.
CLASSES = {"det": 4, "adj": 48, "noun": 88, "adv": 16, "verb": 64, "prep": 16}
PATTERN = ("det", "adj?", "noun", "adv?", "verb", "det", "adj?", "noun", "prep?", "det?", "noun?")
N_MEANINGS = 6


@dataclass(frozen=True)
class Lexicon:
    """Words, their classes, and their meanings.

    Attributes
    ----------
    words : list of str
    classes : list of str
    meanings : array of shape (n_words, N_MEANINGS)
        Standard normal and independent: the latent semantic dimensions.
    """

    words: list[str]
    classes: list[str]
    meanings: NDArray[np.float64]

    def of_class(self, name: str) -> NDArray[np.intp]:
        """Return the indices of a class's words."""
        return np.flatnonzero(np.array(self.classes) == name)


@dataclass(frozen=True)
class Sentence:
    """Words of one sentence, by index into the lexicon, and what its words depend on.

    Attributes
    ----------
    words : tuple of int
    subject : float
        The first noun phrase's number (±1), which the verb and what follows it agree with.
    verb_at : int
        Position of the verb.
    """

    words: tuple[int, ...]
    subject: float
    verb_at: int


def accents(n_words: int) -> NDArray[np.float64]:
    """Return the stress of each word by its place, -1 to 1: heard as loudness, and known to whoever counts words."""
    return np.asarray(np.cos(2 * np.pi * np.arange(n_words) / 5))


def make_lexicon(rng: np.random.Generator) -> Lexicon:
    """Draw different words of one to three syllables, function words short."""
    words: list[str] = []
    classes: list[str] = []
    for name, count in CLASSES.items():
        while classes.count(name) < count:
            syllables = 1 if name in ("det", "prep") else int(rng.integers(2, 4))
            word = "".join(rng.choice(list(CONSONANTS)) + rng.choice(list(VOWELS)) for _ in range(syllables))
            if word not in words:
                words.append(word)
                classes.append(name)
    return Lexicon(words, classes, rng.standard_normal((len(words), N_MEANINGS)))


def make_sentences(lexicon: Lexicon, count: int, rng: np.random.Generator) -> list[Sentence]:
    """Draw different sentences; within a class every word is as likely as any other."""
    sentences: dict[tuple[int, ...], Sentence] = {}
    while len(sentences) < count:
        phrase = rng.random() < 0.6  # "prep det noun" comes whole or not at all
        classes = [
            name.rstrip("?")
            for at, name in enumerate(PATTERN)
            if not name.endswith("?") or (phrase if at >= 8 else rng.random() < 0.5)
        ]
        words = tuple(int(rng.choice(lexicon.of_class(name))) for name in classes)
        plural = lexicon.of_class("det")[1::2]  # every other determiner
        sentences[words] = Sentence(words, 1.0 if words[0] in plural else -1.0, classes.index("verb"))
    return list(sentences.values())
