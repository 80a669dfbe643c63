"""Words and when they are spoken."""

from __future__ import annotations

import csv
import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from heschl.checks import InputError

_COLUMNS = ("stimulus", "word", "start", "end")
_TOLERANCE_S = 1e-3
"""Transcripts round times to ms or so: a last word may end this much, in s, after its sound."""


@dataclass(frozen=True)
class Word:
    """A word in a sound.

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


def read_words_csv(path: str | Path) -> dict[str, list[Word]]:
    r"""Read words and their times.

    Parameters
    ----------
    path : str or Path
        A CSV file in UTF-8 with a header; columns ``stimulus`` (the sound's name, with or without ".wav"),
        ``word``, ``start`` and ``end`` (s from the sound's onset). Other columns are left alone, rows may be
        in any order.

    Returns
    -------
    dict of stimulus to list of Word
        Each stimulus' words in the order of their starts.

    Raises
    ------
    InputError
        With file and line: for a missing column, an empty word or stimulus, a time that is no finite number
        or below 0, a word that does not end after it starts, words of one stimulus that overlap, a row with
        too many cells.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "words.csv")
    ...     _ = path.write_text("stimulus,word,start,end\ns1,so,0.1,0.3\n")
    ...     read_words_csv(path)
    {'s1': [Word(text='so', start=0.1, end=0.3)]}
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(str(path), "no such file", "a CSV file of words and their times")
    found: dict[str, list[tuple[Word, int]]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, skipinitialspace=True)
            _check_header(rows.fieldnames, path)
            for row in rows:
                stimulus, word = _read_row(row, f"{path}, line {rows.line_num}")
                found.setdefault(stimulus, []).append((word, rows.line_num))
    except UnicodeDecodeError as error:
        raise InputError(str(path), f"bytes that are no UTF-8 ({error.reason})", "a CSV file in UTF-8") from None
    except csv.Error as error:
        raise InputError(f"{path}, line {rows.line_num}", str(error), "a CSV file") from None
    return {stimulus: _in_order(lines, path) for stimulus, lines in found.items()}


def check_words(words: Mapping[str, Sequence[Word]], durations: Mapping[str, float]) -> None:
    """Check that words lie within their sounds.

    Parameters
    ----------
    words : mapping of stimulus to words
        As `read_words_csv` gives them.
    durations : mapping of stimulus to float
        Of each sound, in s.

    Raises
    ------
    InputError
        For a stimulus without a sound, and a word that ends more than 1 ms (rounding) after its sound.
    """
    for stimulus, spoken in words.items():
        if stimulus not in durations:
            near = difflib.get_close_matches(stimulus, durations, n=1)
            raise InputError(
                f"words of stimulus {stimulus!r}",
                "no sound of that name",
                "a sound for each stimulus",
                f"The nearest name is {near[0]!r}." if near else "",
            )
        for word in spoken:
            if word.end > durations[stimulus] + _TOLERANCE_S:
                raise InputError(
                    f"word {word.text!r} of stimulus {stimulus!r}",
                    f"an end at {word.end} s",
                    f"an end within the sound, which lasts {durations[stimulus]:.6g} s",
                )


def _check_header(names: Sequence[str] | None, path: Path) -> None:
    for column in _COLUMNS:
        if column not in (names or ()):
            header = ", ".join(names) if names else "no header"
            raise InputError(f"{path}, line 1", f"the columns {header}", f"a column {column!r} among them")


def _read_row(row: Mapping[str | None, str | None], where: str) -> tuple[str, Word]:
    if None in row:
        raise InputError(
            where, "more cells than columns", "one cell per column", "A word that holds a comma needs quotes."
        )
    stimulus, text = ((row[column] or "").strip() for column in ("stimulus", "word"))
    if not stimulus.removesuffix(".wav"):
        raise InputError(f"{where}: stimulus", "an empty cell", "the name of a sound")
    if not text:
        raise InputError(f"{where}: word", "an empty cell", "a word")
    start, end = (_seconds(row[column], f"{where}: {column}") for column in ("start", "end"))
    if end <= start:
        raise InputError(f"{where}: word {text!r}", f"start {start} s and end {end} s", "an end after the start")
    return stimulus.removesuffix(".wav"), Word(text, start, end)


def _seconds(cell: str | None, where: str) -> float:
    try:
        seconds = float(cell or "")
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise InputError(where, repr(cell or ""), "a number of seconds")
    if seconds < 0:
        raise InputError(where, f"{seconds} s", "a time at or after the sound's onset")
    return seconds


def _in_order(lines: list[tuple[Word, int]], path: Path) -> list[Word]:
    lines = sorted(lines, key=lambda line: (line[0].start, line[0].end))
    for (before, line_before), (after, line) in pairwise(lines):
        if after.start < before.end:
            raise InputError(
                f"{path}, line {line}: word {after.text!r}",
                f"a start at {after.start} s, before {before.text!r} (line {line_before}) ends at {before.end} s",
                "words that do not overlap",
            )
    return [word for word, _ in lines]
