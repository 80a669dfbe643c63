"""Static word vectors in GloVe's text format."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError


@dataclass(frozen=True)
class WordVectors:
    """Vectors of the words of a study.

    Attributes
    ----------
    width : int
        Numbers per vector.
    missing : tuple of str
        Words that were asked for and have no vector, sorted; `extract` gives 0 for them.
    vectors : dict of str to (width,) array of float32
        By case-folded word.
    """

    width: int
    missing: tuple[str, ...]
    vectors: dict[str, NDArray[np.float32]]

    @classmethod
    def read(cls, path: str | Path, vocabulary: Collection[str]) -> WordVectors:
        r"""Read the vectors of a vocabulary; the file is read line by line, and only these rows are kept.

        Parameters
        ----------
        path : str or Path
            UTF-8 text, a word and its numbers in each line, single spaces between; a first line of two whole
            numbers (word2vec's) is skipped.
        vocabulary : collection of str
            The words needed. Case does not matter; where the file has a word in several spellings, the
            lower-case one counts, else the first.

        Returns
        -------
        WordVectors
            With the words not found in ``missing``.

        Raises
        ------
        InputError
            For a file that is not there or holds no vectors; with the line, for a needed row that is not
            ``width`` finite numbers; where not one word of the vocabulary is found.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "vectors.txt")
        ...     _ = path.write_text("the 0.5 1.0\ncat 2.0 0.0\n")
        ...     vectors = WordVectors.read(path, {"The", "dog"})
        >>> vectors.missing, vectors.extract(["dog", "The"]).tolist()
        (('dog',), [[[0.0, 0.0], [0.5, 1.0]]])
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(str(path), "no such file", "word vectors, 'word v1 v2 …' in each line")
        wanted = {word.casefold() for word in vocabulary}
        width: int | None = None
        vectors: dict[str, NDArray[np.float32]] = {}
        exact: set[str] = set()
        # Only "\n" ends a line: published vectors hold other characters that Unicode calls line ends.
        with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if number == 1 and _is_header(line):
                    continue
                text = line.rstrip("\r\n ")
                width = width or text.count(" ")
                spelling = text.partition(" ")[0]
                word = spelling.casefold()
                if word in wanted and (word not in vectors or (word == spelling and word not in exact)):
                    vector = _read_row(text, spelling, width, f"{path}, line {number}")
                    if vector is not None:
                        vectors[word] = vector
                        exact |= {word} & {spelling}
        if not width:
            raise InputError(str(path), "no vectors", "word vectors, 'word v1 v2 …' in each line")
        if wanted and not vectors:
            raise InputError(
                str(path),
                f"none of the study's {len(wanted)} words, {min(wanted)!r} first",
                "a vector for at least one of them",
            )
        missing = tuple(sorted(word for word in set(vocabulary) if word.casefold() not in vectors))
        return cls(width, missing, vectors)

    def extract(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Give each word's vector.

        Parameters
        ----------
        words : sequence of str
            Of the vocabulary; any other word gets 0 as well.

        Returns
        -------
        (1, n_words, width) array of float32
            One "layer"; 0 for a word without a vector.
        """
        rows = np.zeros((1, len(words), self.width), dtype=np.float32)
        for row, word in zip(rows[0], words, strict=True):
            vector = self.vectors.get(word.casefold())
            if vector is not None:
                row[:] = vector
        return rows


def _is_header(line: str) -> bool:
    """Tell word2vec's first line, the number of words and the width."""
    parts = line.split()
    return len(parts) == 2 and all(part.isdecimal() for part in parts)


def _read_row(text: str, word: str, width: int, where: str) -> NDArray[np.float32] | None:
    """Give a row's numbers; None for a longer entry with spaces, of which ``word`` is only the first."""
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
