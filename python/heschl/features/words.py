"""Static word vectors: GloVe's and word2vec's text, and .npy tables."""

from __future__ import annotations

import gzip
import re
import unicodedata
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError, check_choice
from heschl.files import read_npy

LONGEST_LINE = 1 << 20
"""Letters of a line; a longer one is refused, so that a compressed file cannot fill the memory."""
OOV = ("zero", "mean", "drop")
FEW_FOUND = "Is the table of the language that is spoken, and are the words spelled as in it, without tags or numbers?"
"""What to look at where a table has few of a study's words."""
_AROUND = '.,;:!?"()[]{}\u201c\u201d\u2026\u2014'
"""Punctuation that may stand about a word; an apostrophe may be the word's."""
_CLITIC = re.compile(r"(.+?)(n't|'(?:s|m|re|ve|ll|d))", re.IGNORECASE)


@dataclass(frozen=True)
class WordVectors:
    r"""Vectors of the words of a study.

    Attributes
    ----------
    width : int
        Numbers per vector.
    missing : tuple of str
        Words that were asked for and have no vector, sorted.
    vectors : dict of str to (width,) array of float32
        By word, case-folded if `fold`.
    oov : {"zero", "mean", "drop"}
        What `extract` gives for a word without a vector.
    fold : bool
        Whether case does not matter.
    source : str
        The file.
    by_parts : tuple of str
        Words without a vector of their own that have the mean of their parts': contractions and possessives ("don't":
        do, n't; "dog's": dog, 's), words with hyphens, words with punctuation about them; sorted.

    Examples
    --------
    >>> from pathlib import Path
    >>> from heschl.features import WordVectors
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "vectors.txt")
    ...     _ = path.write_text("the 0.5 1.0\ncat 2.0 0.0\n")
    ...     vectors = WordVectors.read(path, {"The", "dog"})
    >>> vectors.missing, vectors.extract(["dog", "The"]).tolist()
    (('dog',), [[[0.0, 0.0], [0.5, 1.0]]])
    """

    width: int
    missing: tuple[str, ...]
    vectors: dict[str, NDArray[np.float32]]
    oov: str = "zero"
    fold: bool = True
    source: str = ""
    by_parts: tuple[str, ...] = ()

    @classmethod
    def read(
        cls,
        path: str | Path,
        vocabulary: Collection[str],
        *,
        words: str | Path | None = None,
        oov: str = "zero",
        fold: bool = True,
    ) -> WordVectors:
        """Read the vectors of a vocabulary, and no others.

        Parameters
        ----------
        path : str or Path
            GloVe's or word2vec's text, UTF-8, plain or ``.gz``: a word and its numbers in each line, single spaces
            between; a first line of two whole numbers (word2vec's) is skipped; it is read line by line. Or a ``.npy``
            table (n_words, width), of which the rows needed are read.
        vocabulary : collection of str
            The words needed.
        words : str or Path, optional
            The words of a ``.npy`` table, row by row: text with one in each line, or a ``.npy`` of strings.
        oov : {"zero", "mean", "drop"}
            A word without a vector is 0, the mean of the vectors of the other words asked for, or no word at all.
        fold : bool
            Whether case does not matter. Where the file has a word in several spellings, the lower-case one counts,
            else the first.

        Returns
        -------
        WordVectors
            With the words not found in ``missing``, and those found by their parts in ``by_parts``: where a table has
            no "don't" it is made of "do" and "n't", as GloVe's own text was cut.

        Raises
        ------
        InputError
            For a file that is not there or holds no vectors; with the line, for a needed row that is not
            ``width`` finite numbers; a table without its words, or with another number of them; where not one word of
            the vocabulary is found.

        Examples
        --------
        See `WordVectors`.
        """
        path = Path(path)
        check_choice("oov", oov, OOV)
        if not path.is_file():
            raise InputError(str(path), "no such file", "word vectors, 'word v1 v2 …' in each line, or a .npy table")
        spelt = {word: usual_parts(word) for word in set(vocabulary)}
        wanted = Wanted({*vocabulary, *(part for cuts in spelt.values() for cut in cuts for part in cut)}, fold)
        if path.suffix.lower() == ".npy":
            width, found = _read_table(path, words, wanted)
        elif words is not None:
            raise InputError("words", str(words), "nothing, but for a .npy table", "Text has its words in it.")
        else:
            width, found = _read_text(path, wanted)
        vectors, by_parts = _of_vocabulary(spelt, found, fold)
        if vocabulary and not vectors:
            raise InputError(
                str(path),
                f"none of the study's {len(spelt)} words, {min(spelt)!r} first",
                "a vector for at least one of them",
                FEW_FOUND,
            )
        missing = tuple(sorted(word for word in spelt if wanted.key(word) not in vectors))
        return cls(width, missing, vectors, oov, fold, str(path), by_parts)

    @property
    def settings(self) -> dict[str, Any]:
        """Every choice, in plain values.

        Examples
        --------
        >>> from heschl.features import WordVectors
        >>> WordVectors(2, (), {}).settings["case"]
        'does not matter'
        """
        what = {"zero": "0", "mean": "mean of the other words", "drop": "left out, as if not spoken"}[self.oov]
        return {
            "file": self.source,
            "case": "does not matter" if self.fold else "matters",
            "words with a vector": len(self.vectors),
            "of these by their parts": len(self.by_parts),
            "words without": len(self.missing),
            "these are": what,
        }

    def known(self, words: Sequence[str]) -> NDArray[np.bool_]:
        """Return which words have a vector.

        Parameters
        ----------
        words : sequence of str
            Any words.

        Returns
        -------
        (n_words,) array of bool

        Examples
        --------
        >>> import numpy as np
        >>> from heschl.features import WordVectors
        >>> WordVectors(2, (), {"cat": np.ones(2, np.float32)}).known(["Cat", "dog"]).tolist()
        [True, False]
        """
        return np.array([self._key(word) in self.vectors for word in words], dtype=bool)

    def extract(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Return each word's vector.

        Parameters
        ----------
        words : sequence of str
            Of the vocabulary; any other word counts as one without a vector.

        Returns
        -------
        (1, n_words, width) array of float32
            One "layer". With ``oov="drop"`` only the words that are `known` have rows.

        Examples
        --------
        >>> import numpy as np
        >>> from heschl.features import WordVectors
        >>> vectors = WordVectors(2, (), {"cat": np.ones(2, np.float32)})
        >>> vectors.extract(["dog", "cat"]).tolist()
        [[[0.0, 0.0], [1.0, 1.0]]]
        """
        known = self.known(words)
        rows = np.zeros((1, len(words), self.width), dtype=np.float32)
        if self.oov == "mean" and self.vectors:
            rows[:] = np.mean(list(self.vectors.values()), axis=0, dtype=np.float64)
        for at in np.flatnonzero(known).tolist():
            rows[0, at] = self.vectors[self._key(words[at])]
        return rows[:, known] if self.oov == "drop" else rows

    def _key(self, word: str) -> str:
        return _known_by(word, self.fold)


def usual_parts(word: str) -> list[tuple[str, ...]]:
    r"""Return the ways in which a word is usually cut where a table does not have it, the likeliest first.

    Parameters
    ----------
    word : str
        As spoken.

    Returns
    -------
    list of tuple of str
        Without punctuation about it; contractions and possessives as in the Penn Treebank; at hyphens.

    Examples
    --------
    >>> usual_parts("don\u2019t"), usual_parts("mother-in-law's"), usual_parts("cat")
    ([("don't",), ('do', "n't")], [('mother-in-law', "'s"), ('mother', 'in', 'law', "'s"), ("motherinlaw's",)], [])
    """
    plain = word.replace("\u2019", "'").strip(_AROUND)
    cuts: list[tuple[str, ...]] = [(plain,)]
    clitic = _CLITIC.fullmatch(plain)
    stem, tail = (clitic[1], (clitic[2],)) if clitic else (plain.removesuffix("'"), ())
    cuts.append((stem, *tail))
    cuts.append((*filter(None, stem.split("-")), *tail))
    cuts.append((plain.replace("-", ""),))
    known: list[tuple[str, ...]] = [(word,)]
    for cut in cuts:
        if cut not in known and all(cut) and cut:
            known.append(cut)
    return known[1:]


def _of_vocabulary(
    spelt: dict[str, list[tuple[str, ...]]], found: dict[str, NDArray[np.float32]], fold: bool
) -> tuple[dict[str, NDArray[np.float32]], tuple[str, ...]]:
    """Return the vectors of the words asked for, by key, and which of them are made of their parts'."""
    vectors: dict[str, NDArray[np.float32]] = {}
    by_parts = []
    for word, cuts in spelt.items():
        key = _known_by(word, fold)
        if key in found:
            vectors[key] = found[key]
            continue
        cut_keys = ([_known_by(part, fold) for part in cut] for cut in cuts)
        parts = next((keys for keys in cut_keys if all(k in found for k in keys)), None)
        if parts is not None:
            mean = np.stack([found[part] for part in parts]).mean(axis=0, dtype=np.float64)
            vectors[key] = np.asarray(mean, dtype=np.float32)
            by_parts.append(word)
    return vectors, tuple(sorted(by_parts))


def _known_by(word: str, fold: bool) -> str:
    """Return what a word is known by: its letters in Unicode NFC, and in one case where case does not matter."""
    return unicodedata.normalize("NFC", word.casefold() if fold else word)


class Wanted:
    """The rows of a file that are needed: of several spellings of a word the best."""

    def __init__(self, vocabulary: Collection[str], fold: bool) -> None:
        self.fold = fold
        self.words = set(vocabulary)
        self.keys = {self.key(word) for word in vocabulary}

    def key(self, word: str) -> str:
        """Return what a word is known by."""
        return _known_by(word, self.fold)

    def rank(self, spelling: str) -> int:
        """Return how good a spelling is: 0 the best, 1 of another case, 2 not needed."""
        key = self.key(spelling)
        return 2 if key not in self.keys else int(key != spelling)


def _read_text(path: Path, wanted: Wanted) -> tuple[int, dict[str, NDArray[np.float32]]]:
    width: int | None = None
    vectors: dict[str, NDArray[np.float32]] = {}
    ranks: dict[str, int] = {}
    opener: Any = gzip.open if path.suffix.lower() == ".gz" else open
    number = 0
    try:
        # Only "\n" ends a line: published vectors hold other characters that Unicode calls line ends.
        with opener(path, "rt", encoding="utf-8-sig", errors="replace", newline="\n") as file:
            while line := file.readline(LONGEST_LINE):
                number += 1
                if len(line) >= LONGEST_LINE:
                    raise InputError(
                        f"{path}, line {number}", f"{len(line)} letters and more", "a word and its numbers"
                    )
                if number == 1 and _is_header(line):
                    continue
                text = line.rstrip("\r\n ")
                width = width or text.count(" ")
                spelling = text.partition(" ")[0]
                rank, key = wanted.rank(spelling), wanted.key(spelling)
                if rank < ranks.get(key, 2):
                    vector = _read_row(text, spelling, width, f"{path}, line {number}")
                    if vector is not None:
                        vectors[key], ranks[key] = vector, rank
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}, line {number + 1}", f"a damaged file ({error})", "word vectors") from None
    if not width:
        raise InputError(str(path), "no vectors", "word vectors, 'word v1 v2 …' in each line")
    return width, vectors


def _read_table(path: Path, words: str | Path | None, wanted: Wanted) -> tuple[int, dict[str, NDArray[np.float32]]]:
    if words is None:
        raise InputError(str(path), "a table without its words", "a file of them, row by row", "Give it as words.")
    table = read_npy(path, mapped=True)
    if table.ndim != 2 or table.dtype.kind != "f" or table.shape[1] == 0:
        found = f"an array of shape {table.shape} and type {table.dtype}"
        raise InputError(str(path), found, "numbers, (n_words, width)")
    spellings = _read_words(Path(words))
    if len(spellings) != len(table):
        raise InputError(str(words), f"{len(spellings)} words", f"{len(table)}, one for each row of {path}")
    rows: dict[str, int] = {}
    ranks: dict[str, int] = {}
    for row, spelling in enumerate(spellings):
        rank, key = wanted.rank(spelling), wanted.key(spelling)
        if rank < ranks.get(key, 2):
            rows[key], ranks[key] = row, rank
    vectors = {key: np.array(table[row], dtype=np.float32) for key, row in rows.items()}
    for key, vector in vectors.items():
        if not np.isfinite(vector).all():
            raise InputError(f"{path}, row {rows[key]}: {key!r}", "NaN or infinite values", "finite numbers")
    return int(table.shape[1]), vectors


def _read_words(path: Path) -> list[str]:
    if not path.is_file():
        raise InputError(str(path), "no such file", "words, one in each line or a .npy of strings")
    if path.suffix.lower() != ".npy":
        try:
            return path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
        except UnicodeDecodeError as error:
            raise InputError(str(path), f"bytes that are no UTF-8 ({error.reason})", "words in UTF-8") from None
    found = read_npy(path)
    if found.ndim != 1 or found.dtype.kind != "U":
        raise InputError(str(path), f"an array of shape {found.shape} and type {found.dtype}", "(n_words,) strings")
    return [str(word) for word in found]


def _is_header(line: str) -> bool:
    """Return whether a line is word2vec's first, the number of words and the width."""
    parts = line.split()
    return len(parts) == 2 and all(part.isdecimal() for part in parts)


def _read_row(text: str, word: str, width: int, where: str) -> NDArray[np.float32] | None:
    """Return a row's numbers; None for a longer entry with spaces, of which ``word`` is only the first."""
    head, *cells = text.rsplit(" ", width)
    try:
        if len(cells) < width:
            raise ValueError
        vector = np.array([float(cell) for cell in cells], dtype=np.float32)
        if not np.isfinite(vector).all():
            raise ValueError
    except ValueError:
        raise InputError(f"{where}: {word!r}", "no vector", f"{width} finite numbers") from None
    if head == word:
        return vector
    extra = head.split(" ")[1:]
    if all(_is_number(cell) for cell in extra):
        raise InputError(f"{where}: {word!r}", f"{width + len(extra)} numbers", f"{width}, as in the first line")
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
