"""Transcripts as people have them: tables, TIMIT's .wrd and .phn, Praat's TextGrid, BIDS events.

Readers return what the file says, each word with its line and in the order of the lines; whether it makes sense is
asked by `heschl.timing.validate`. Only what cannot be read at all is an error here.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from heschl.checks import InputError
from heschl.names import name_hint, plain_name, stim_file_name, stimulus_name
from heschl.timing.tables import column_of, lines_of, read_text, rows_of, seconds_of
from heschl.timing.textgrid import parse_textgrid
from heschl.timing.words import TOLERANCE_S, Transcript, Word

WORD, STIMULUS = ("word", "text", "label"), ("stimulus", "file", "stim_file")
"""Names that the columns of a table go by; the first is ours."""
TIMIT_SILENCE = ("h#", "pau", "epi")
_TIMIT_LINE = re.compile(r"\s*(\d{1,15})\s+(\d{1,15})\s+(\S.*)", re.ASCII)

Placed = tuple[Word, str]
"""A word, and where it is written."""


def read_table(path: str | Path) -> dict[str, Transcript]:
    r"""Read the words of many sounds from a table.

    Parameters
    ----------
    path : str or Path
        CSV, or TSV by its suffix, in UTF-8 with a header: columns ``stimulus`` (the sound's name, with or without its
        suffix; also ``file``), ``word`` (also ``text``), ``start`` and ``end`` (s from the sound's onset). Other
        columns are left alone. A CSV may quote cells; in a TSV a quotation mark is a letter of its word.

    Returns
    -------
    dict of stimulus to Transcript
        Each in the order of the rows.

    Raises
    ------
    InputError
        With file and line: for a missing column, an empty word or stimulus, a time that is no finite number, a row with
        too many cells.

    Examples
    --------
    >>> from pathlib import Path
    >>> from heschl.timing import read_table
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "words.csv")
    ...     _ = path.write_text("stimulus,word,start,end\ns1,so,0.1,0.3\n")
    ...     read_table(path)["s1"].words
    (Word(text='so', start=0.1, end=0.3),)
    """
    path = Path(path)
    names: dict[str, str] = {}
    found: dict[str, list[Placed]] = {}
    for row, place in rows_of(path):
        names = names or {
            key: column_of(path, row, *others)
            for key, others in (("stimulus", STIMULUS), ("word", WORD), ("start", ("start",)), ("end", ("end",)))
        }
        stimulus = stimulus_name(row[names["stimulus"]], place)
        text = plain_name(row[names["word"]], place)
        for name, value, expected in (("stimulus", stimulus, "the name of a sound"), ("word", text, "a word")):
            if not value:
                raise InputError(f"{place}: {names[name]}", "an empty cell", expected)
        start, end = (float(seconds_of(row[names[key]], f"{place}: {names[key]}")) for key in ("start", "end"))
        found.setdefault(stimulus, []).append((Word(text, start, end), place))
    return {stimulus: _transcript(words) for stimulus, words in found.items()}


@dataclass
class _Presentation:
    """One time that a sound was played: when, and the words in it."""

    stimulus: str
    onset: Decimal
    words: list[Placed] = field(default_factory=list)


def read_events(path: str | Path) -> dict[str, Transcript]:
    r"""Read words from a BIDS ``events.tsv``, whose times are those of the recording.

    Parameters
    ----------
    path : str or Path
        A TSV file with the columns ``onset`` and ``duration`` (s), ``stim_file`` and ``word`` ("n/a" where there is
        none). A row with a stim_file and no word is the presentation of that sound. A row with a word belongs to the
        latest presentation that begins no later (of its stim_file, where it names one), in whatever order the rows
        stand, and its times are counted from there.

    Returns
    -------
    dict of stimulus to Transcript
        In the order of the rows. Of a sound that was played more than once, the first presentation that has words.

    Raises
    ------
    InputError
        With file and line, also for a word before any presentation.

    Examples
    --------
    >>> from pathlib import Path
    >>> from heschl.timing import read_events
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
    played: list[_Presentation] = []
    spoken: list[tuple[str, Decimal, dict[str, str], str]] = []
    for row, place in rows_of(path):
        columns = {key: column_of(path, row, key) for key in ("onset", "duration", "stim_file", "word")}
        sound, word = (_cell(row[columns[key]]) for key in ("stim_file", "word"))
        stimulus = stim_file_name(sound, place)
        if word:
            spoken.append((stimulus, seconds_of(row["onset"], f"{place}: onset"), row, place))
        elif stimulus:
            played.append(_Presentation(stimulus, seconds_of(row["onset"], f"{place}: onset")))
    in_time = sorted(played, key=lambda one: one.onset)
    for stimulus, onset, row, place in spoken:
        own = _presented(in_time, stimulus, onset)
        text = plain_name(row["word"], place)
        if not text:
            raise InputError(f"{place}: word", repr(row["word"]), "a word, or n/a")
        if own is None:
            of = f" of {stimulus!r}" if stimulus else ""
            raise InputError(
                f"{place}: word {text!r}", f"no presentation of a sound{of} before it",
                "a row with its stim_file, its onset, and no word",
            )  # fmt: skip
        start = onset - own.onset
        end = start + seconds_of(row["duration"], f"{place}: duration")
        own.words.append((Word(text, float(start), float(end)), place))
    found: dict[str, list[Placed]] = {}
    for one in played:
        found[one.stimulus] = found.get(one.stimulus) or one.words
    return {stimulus: _transcript(words) for stimulus, words in found.items()}


def _presented(in_time: Sequence[_Presentation], stimulus: str, onset: Decimal) -> _Presentation | None:
    """Return the latest presentation that begins at a word's onset or before it, of a given sound or of any."""
    last = bisect_right(in_time, onset + Decimal(str(TOLERANCE_S)), key=lambda one: one.onset)
    return next((in_time[i] for i in range(last - 1, -1, -1) if stimulus in ("", in_time[i].stimulus)), None)


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
    >>> from pathlib import Path
    >>> from heschl.timing import read_timit
    >>> from pathlib import Path
    >>> from heschl.timing import read_textgrid
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "sa1.wrd")
    ...     _ = path.write_text("3200 4800 she\n4800 8000 had\n")
    ...     read_timit(path).words[0]
    Word(text='she', start=0.2, end=0.3)
    """
    path = Path(path)
    if not (math.isfinite(sfreq) and sfreq > 0):
        raise InputError("sfreq", f"{sfreq} Hz", "a finite sampling rate above 0 Hz")
    found = []
    for number, line in enumerate(lines_of(read_text(path, "words and their times")), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        cells = _TIMIT_LINE.fullmatch(line)
        if cells is None:
            raise InputError(place, repr(line[:80]), "first sample, last sample, label")
        text = plain_name(cells[3], place)
        if text not in TIMIT_SILENCE:
            found.append((Word(text, int(cells[1]) / sfreq, int(cells[2]) / sfreq), place))
    return _transcript(found)


def read_textgrid(path: str | Path, tier: str = "words") -> Transcript:
    r"""Read an interval tier of a Praat TextGrid, in the long form or the short one.

    Parameters
    ----------
    path : str or Path
        The file, in UTF-8, or in UTF-16 with its byte order mark, as Praat writes it.
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

    Examples
    --------
    >>> from pathlib import Path
    >>> from heschl.timing import read_textgrid
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "s1.TextGrid")
    ...     _ = path.write_text('"ooTextFile" "TextGrid" 0 1 <exists> 1\n"IntervalTier" "words" 0 1 1\n0.5 1 "so"')
    ...     read_textgrid(path).words
    (Word(text='so', start=0.5, end=1.0),)
    """
    path = Path(path)
    tiers = parse_textgrid(read_text(path, "a TextGrid"), str(path))
    names = [plain_name(one.name, str(path)) for one in tiers]
    wanted = [one for one, name in zip(tiers, names, strict=True) if name == plain_name(tier)]
    where = f"{path}: tier {tier!r}"
    if not wanted:
        raise InputError(where, f"the tiers {', '.join(names)}", "one of them", name_hint(tier, names))
    if len(wanted) > 1:
        raise InputError(where, f"{len(wanted)} tiers of that name", "one", "Rename the others in Praat.")
    if wanted[0].points:
        raise InputError(where, "a tier of points", "a tier of intervals")
    labels = ((start, end, plain_name(label)) for start, end, label in wanted[0].entries)
    return _transcript(
        [
            (Word(text, start, end), f"{path}, interval {i} of tier {tier!r}")
            for i, (start, end, text) in enumerate(labels, start=1)
            if text
        ]
    )


def from_lists(words: Sequence[tuple[str, float, float]], name: str = "words") -> Transcript:
    """Return a transcript of words and times that are in memory.

    Parameters
    ----------
    words : sequence of (str, float, float)
        Each word, its start and its end in s from the sound's onset.
    name : str
        Stands for the file in messages.

    Returns
    -------
    Transcript
        In the order given.

    Raises
    ------
    InputError
        For an entry that is not a word and two numbers.

    Examples
    --------
    >>> from heschl.timing import from_lists
    >>> from_lists([("so", 0.1, 0.3)]).places
    ('words[0]',)
    """
    found = []
    for i, entry in enumerate(words):
        place = f"{name}[{i}]"
        try:
            text, start, end = entry
            found.append((Word(plain_name(text, place), float(start), float(end)), place))
        except (TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(place, repr(entry)[:60], "(word, start in s, end in s)") from None
    return _transcript(found)


def _transcript(words: Sequence[Placed]) -> Transcript:
    return Transcript(tuple(word for word, _ in words), tuple(place for _, place in words))


def _cell(cell: str) -> str:
    """Return the content of a BIDS cell; "n/a" says that there is none."""
    return "" if cell.strip() == "n/a" else cell.strip()
