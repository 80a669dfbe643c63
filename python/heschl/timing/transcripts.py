"""Transcripts as people have them: tables, TIMIT's .wrd and .phn, Praat's TextGrid, BIDS events.

Readers give what the file says, each word with its line; whether it makes sense is asked by `heschl.timing.validate`.
Only what cannot be read at all is an error here.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from heschl.checks import InputError
from heschl.timing.words import Transcript, Word

Rows = Iterator[tuple[dict[str, str], str]]

WORD, STIMULUS = ("word", "text", "label"), ("stimulus", "file", "stim_file")
"""Names that the columns of a table go by; the first is ours."""


def read_table(path: str | Path) -> dict[str, Transcript]:
    r"""Read the words of many sounds from a table.

    Parameters
    ----------
    path : str or Path
        CSV, or TSV by its suffix, in UTF-8 with a header: columns ``stimulus`` (the sound's name, with or without its
        suffix; also ``file``), ``word`` (also ``text``), ``start`` and ``end`` (s from the sound's onset). Other
        columns are left alone.

    Returns
    -------
    dict of stimulus to Transcript
        Each in the order of the starts.

    Raises
    ------
    InputError
        With file and line: for a missing column, an empty word or stimulus, a time that is no finite number, a row with
        too many cells.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "words.csv")
    ...     _ = path.write_text("stimulus,word,start,end\ns1,so,0.1,0.3\n")
    ...     read_table(path)["s1"].words
    (Word(text='so', start=0.1, end=0.3),)
    """
    path = Path(path)
    names: dict[str, str] = {}
    found: dict[str, list[tuple[Word, str]]] = {}
    for row, place in _rows(path):
        names = names or {key: _column(path, row, key) for key in ("stimulus", "word", "start", "end")}
        stimulus = _stem(_text(row, names["stimulus"], place, "the name of a sound"))
        word = _text(row, names["word"], place, "a word")
        start, end = (_seconds(row[names[key]], f"{place}: {names[key]}") for key in ("start", "end"))
        found.setdefault(stimulus, []).append((Word(word, start, end), place))
    return {stimulus: _transcript(words).in_order() for stimulus, words in found.items()}


def read_events(path: str | Path) -> dict[str, Transcript]:
    r"""Read words from a BIDS ``events.tsv``, whose times are those of the recording.

    Parameters
    ----------
    path : str or Path
        A TSV file with the columns ``onset`` and ``duration`` (s), ``stim_file`` and ``word`` ("n/a" where there is
        none). A row with a stim_file and no word is the presentation of that sound; a row with a word belongs to the
        presentation before it, and its times are counted from there.

    Returns
    -------
    dict of stimulus to Transcript
        Of a sound that was played more than once, its first presentation.

    Raises
    ------
    InputError
        With file and line, also for a word before any presentation.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "sub-01_events.tsv")
    ...     _ = path.write_text(
    ...         "onset\tduration\tstim_file\tword\n10.0\t2.0\ts1.wav\tn/a\n10.5\t0.25\ts1.wav\tso\n"
    ...     )
    ...     read_events(path)["s1"].words
    (Word(text='so', start=0.5, end=0.75),)
    """
    path = Path(path)
    found: dict[str, list[tuple[Word, str]]] = {}
    onset, current, finished = math.nan, "", set[str]()
    for row, place in _rows(path):
        for key in ("onset", "duration", "stim_file", "word"):
            _column(path, row, key)
        at = _seconds(row["onset"], f"{place}: onset")
        if _missing(row["word"]):
            if not _missing(row["stim_file"]):
                finished |= {current} & found.keys()
                onset, current = at, _stem(row["stim_file"].strip())
                if current not in finished:
                    found[current] = []
            continue
        if not current:
            raise InputError(
                f"{place}: word {row['word']!r}", "no presentation of a sound before it",
                "a row with its stim_file, its onset, and no word",
            )  # fmt: skip
        if current not in finished:
            start = at - onset
            end = start + _seconds(row["duration"], f"{place}: duration")
            found[current].append((Word(row["word"].strip(), start, end), place))
    return {stimulus: _transcript(words) for stimulus, words in found.items()}


def read_timit(path: str | Path, sfreq: float = 16000.0) -> Transcript:
    r"""Read a TIMIT ``.wrd`` or ``.phn`` file: a word (or phone) per line, first and last sample before it.

    Parameters
    ----------
    path : str or Path
        The file.
    sfreq : float
        Samples per second, Hz.

    Returns
    -------
    Transcript
        Times in s. Silence (TIMIT's ``h#``, ``pau``, ``epi``) is left out.

    Raises
    ------
    InputError
        With file and line, for a line that is not two whole numbers and a label.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "sa1.wrd")
    ...     _ = path.write_text("3200 4800 she\n4800 8000 had\n")
    ...     read_timit(path).words[0]
    Word(text='she', start=0.2, end=0.3)
    """
    path = Path(path)
    found = []
    for number, line in enumerate(_read(path).splitlines(), start=1):
        cells = line.split(maxsplit=2)
        if not cells:
            continue
        place = f"{path}, line {number}"
        if len(cells) != 3 or not all(cell.isdecimal() for cell in cells[:2]):
            raise InputError(place, repr(line), "first sample, last sample, label")
        if cells[2] not in ("h#", "pau", "epi"):
            found.append((Word(cells[2], int(cells[0]) / sfreq, int(cells[1]) / sfreq), place))
    return _transcript(found)


def read_textgrid(path: str | Path, tier: str = "words") -> Transcript:
    """Read an interval tier of a Praat TextGrid, long or short, by praatio.

    Parameters
    ----------
    path : str or Path
        The file, UTF-8 or UTF-16.
    tier : str
        The tier's name.

    Returns
    -------
    Transcript
        Empty intervals are silence and left out.

    Raises
    ------
    InputError
        For a file that is no TextGrid, a tier that is not there (all tiers are named) or holds points.
    """
    from praatio import textgrid
    from praatio.utilities.errors import PraatioException

    path = Path(path)
    if not path.is_file():
        raise InputError(str(path), "no such file", "a TextGrid")
    try:
        grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=True, reportingMode="silence")
    except (PraatioException, ValueError, IndexError, AssertionError, UnicodeError) as error:
        raise InputError(str(path), f"no readable TextGrid ({type(error).__name__}: {error})", "a TextGrid") from None
    if tier not in grid.tierNames:
        raise InputError(f"{path}: tier {tier!r}", f"the tiers {', '.join(grid.tierNames)}", "one of them")
    found = grid.getTier(tier)
    if not isinstance(found, textgrid.IntervalTier):
        raise InputError(f"{path}: tier {tier!r}", "a tier of points", "a tier of intervals")
    words = [
        (Word(entry.label.strip(), float(entry.start), float(entry.end)), f"{path}, interval {i} of tier {tier!r}")
        for i, entry in enumerate(found.entries, start=1)
        if entry.label.strip()
    ]
    return _transcript(words)


def from_lists(words: Sequence[tuple[str, float, float]], name: str = "words") -> Transcript:
    """Make a transcript of (text, start, end) in s; `name` stands for the file in messages."""
    return _transcript([(Word(text, start, end), f"{name}[{i}]") for i, (text, start, end) in enumerate(words)])


def _transcript(words: Sequence[tuple[Word, str]]) -> Transcript:
    return Transcript(tuple(word for word, _ in words), tuple(place for _, place in words))


def _rows(path: Path) -> Rows:
    """Give each row of a table with its place; a header alone gives none."""
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    lines = _read(path).splitlines(keepends=True)
    rows = csv.DictReader(lines, skipinitialspace=True, delimiter=delimiter)
    if not rows.fieldnames:
        raise InputError(f"{path}, line 1", "no header", "the names of the columns")
    try:
        empty = True
        for row in rows:
            place, empty = f"{path}, line {rows.line_num}", False
            if None in row:
                raise InputError(
                    place, "more cells than columns", "one cell per column",
                    "A word that holds the separator needs quotes.",
                )  # fmt: skip
            yield {key: value or "" for key, value in row.items()}, place
    except csv.Error as error:
        raise InputError(f"{path}, line {rows.line_num}", str(error), "a table of words") from None
    if empty:
        raise InputError(str(path), "a header and no row", "a row for each word")


def _read(path: Path) -> str:
    if not path.is_file():
        raise InputError(str(path), "no such file", "words and their times")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(str(path), f"bytes that are no UTF-8 ({error.reason})", "a text file in UTF-8") from None


def _column(path: Path, row: dict[str, str], name: str) -> str:
    """Find a column by one of its names."""
    for known in {"word": WORD, "stimulus": STIMULUS}.get(name, (name,)):
        if known in row:
            return known
    raise InputError(f"{path}, line 1", f"the columns {', '.join(row)}", f"a column {name!r} among them")


def _text(row: dict[str, str], column: str, place: str, expected: str) -> str:
    text = row[column].strip()
    if not text:
        raise InputError(f"{place}: {column}", "an empty cell", expected)
    return text


def _stem(name: str) -> str:
    """Drop a sound's suffix, and nothing else that has a dot."""
    path = Path(name)
    return str(path.with_suffix("")) if path.suffix.lower() in (".wav", ".flac", ".sph", ".mp3", ".ogg") else name


def _missing(cell: str) -> bool:
    return cell.strip() in ("", "n/a")


def _seconds(cell: str, where: str) -> float:
    try:
        seconds = float(cell)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise InputError(where, repr(cell), "a number of seconds")
    return seconds
