"""Tables of electrodes, channels and events: read as text, so that a cell is what is written in it.

A name such as ``001``, ``NA`` or ``none`` stays what it is; only ``n/a`` (as in BIDS) and an empty cell are missing.
Numbers and truth values are read from the few columns that hold them, and what is neither is refused.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from heschl.checks import InputError
from heschl.ecog.recording.contents import BAD, Event
from heschl.names import cell_as_meant, plain_name, stim_file_name

if TYPE_CHECKING:
    import pandas as pd

Table = dict[str, list[str | None]]
"""Columns by name, a cell for each row; None is missing."""

POSITIONS = ("x", "y", "z")
COLUMNS = {"region": ("region", "location", "anat", "label"), "group": ("group", "group_name", "device", "shank")}
"""Names that columns of electrode tables go by; the first is ours."""
STIMULUS = ("stimulus", "stim_file", "stimulus_name", "trial_type", "value")
"""Columns that name a stimulus, the first that is there."""
TRUE = ("true", "t", "yes", "y", "1", "1.0", "bad")
FALSE = ("false", "f", "no", "n", "0", "0.0", "good", "ok")
LARGEST = 1 << 28
"""Bytes of a table, beyond which it is none."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_LINE = re.compile(r"\r\n|\n|\r")


def read_table(path: Path) -> Table:
    """Read a CSV, or a TSV without quoting (as BIDS has it), cell by cell.

    Raises
    ------
    InputError
        For a file that is not there or no text, columns that share a name, and rows with other than a cell for each
        column; the line is named.
    """
    text = read_text(path)
    try:
        if path.suffix.lower() == ".tsv":
            lines = [(i, line.split("\t")) for i, line in enumerate(_LINE.split(text), 1) if line.strip()]
        else:
            reader = csv.reader(io.StringIO(text, newline=""), strict=True)
            lines = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise InputError(str(path), f"no readable table ({error})", "a CSV or TSV table") from None
    if not lines:
        raise InputError(str(path), "an empty table", "a line of column names, and a line for each row")
    header = [plain_name(cell) for cell in lines[0][1]]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise InputError(str(path), f"the column {twice[0]!r} more than once", "a name of its own for each column")
    for number, row in lines[1:]:
        if len(row) != len(header):
            raise InputError(f"{path}, line {number}", f"{len(row)} cells", f"{len(header)}, one for each column")
    cells = [
        [None if cell in ("", "n/a") else cell for cell in map(cell_as_meant, map(plain_name, row))]
        for _, row in lines[1:]
    ]
    return {name: [row[i] for row in cells] for i, name in enumerate(header)}


def read_text(path: Path) -> str:
    """Read a file of UTF-8, or of UTF-16 with its mark.

    Raises
    ------
    InputError
        For a file that is not there, not text, or too long to be a table.
    """
    if not path.is_file():
        raise InputError(str(path), "no such file", "a text file")
    if path.stat().st_size > LARGEST:
        raise InputError(str(path), f"{path.stat().st_size} bytes", f"a text file of at most {LARGEST}")
    content = path.read_bytes()
    code = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(code)
    except UnicodeDecodeError as error:
        found = f"bytes that are no {code.removesuffix('-sig').upper()} (at {error.start})"
        raise InputError(str(path), found, "text in UTF-8") from None


def number(cell: str | None, where: str) -> float:
    """Return a cell's number, NaN where it is missing; refuse other text."""
    if cell is None or cell.lower() == "nan":
        return float("nan")
    if not _NUMBER.fullmatch(cell):
        raise InputError(where, repr(cell), "a number, or n/a")
    return float(cell)


def truth(cell: str | None, where: str) -> bool:
    """Return whether a cell says that something is bad; missing means no; refuse words that are not known."""
    word = "" if cell is None else cell.lower()
    if word in TRUE:
        return True
    if word in ("", *FALSE):
        return False
    raise InputError(where, repr(cell), f"one of {', '.join((*TRUE, *FALSE))}, or n/a")


def electrode_table(table: Table, where: str, unit: float = 1.0) -> pd.DataFrame:
    """Return a table of electrodes by name, with our names for columns.

    Parameters
    ----------
    table : Table
        With a column ``name``.
    where : str
        The file, for messages.
    unit : float
        Of positions, m.

    Returns
    -------
    pandas.DataFrame
        Those of ``x``, ``y``, ``z`` (m), ``region``, ``group`` ("" where unknown) and ``bad`` that the table has.

    Raises
    ------
    InputError
        For no column ``name``, a row without a name, a name that comes twice, positions that are no numbers, and words
        for ``bad`` (or ``status``) that are not known.
    """
    import pandas as pd

    if "name" not in table:
        raise InputError(where, f"the columns {', '.join(table)}", "a column 'name' among them")
    names = check_names(table["name"], where)
    out = pd.DataFrame(index=names)
    for axis in POSITIONS:
        if axis in table:
            places = [f"{where}, electrode {name}: {axis}" for name in names]
            out[axis] = unit * np.array([number(*pair) for pair in zip(table[axis], places, strict=True)], dtype=float)
    for ours, known in COLUMNS.items():
        column = next((name for name in known if name in table), None)
        if column is not None:
            out[ours] = np.array([cell or "" for cell in table[column]], dtype=object)
    marks = next((name for name in ("bad", "status") if name in table), None)
    if marks is not None:
        pairs = zip(table[marks], names, strict=True)
        out["bad"] = np.array([truth(cell, f"{where}, electrode {name}: {marks}") for cell, name in pairs], dtype=bool)
    return out


def check_names(names: Sequence[str | None], where: str) -> list[str]:
    """Return names of channels; refuse an empty one, and one that comes twice."""
    seen: set[str] = set()
    kept = []
    for i, name in enumerate(names):
        if not name:
            raise InputError(f"{where}: name {i}", "an empty name", "a name of its own for each channel")
        if name in seen:
            raise InputError(where, f"the channel {name!r} more than once", "a name of its own for each channel")
        seen.add(name)
        kept.append(name)
    return kept


def event_rows(table: Table, where: str) -> list[Event]:
    """Return the presentations and the bad spans of a table of events.

    Parameters
    ----------
    table : Table
        ``onset`` and ``duration`` (s), and a column that names the stimulus: ``stimulus``, else ``stim_file``,
        ``stimulus_name``, ``trial_type`` or ``value``. A row with a ``word``, or of the ``trial_type`` "word" or
        "phone", tells of a part of a sound and is no presentation. A column ``session`` says which one each belongs to.
    where : str
        The file, for messages.

    Raises
    ------
    InputError
        For columns that are not there, times that are no numbers, durations below 0, and a presentation without its
        session where others have one.
    """
    for column in ("onset", "duration"):
        if column not in table:
            raise InputError(where, f"the columns {', '.join(table)}", f"a column {column!r} among them")
    names = next((table[column] for column in STIMULUS if column in table), None)
    if names is None:
        raise InputError(where, f"the columns {', '.join(table)}", "a column 'stimulus' among them")
    empty: list[str | None] = [None] * len(names)
    words, kinds = table.get("word", empty), table.get("trial_type", empty)
    rows: list[Event] = []
    for i, (name, word, kind) in enumerate(zip(names, words, kinds, strict=True)):
        bad = next((text for text in (name, kind) if text is not None and BAD.match(text)), None)
        if bad is None and (name is None or word is not None or kind in ("word", "phone", "phoneme")):
            continue
        place = f"{where}, row {i + 1}"
        onset = number(table["onset"][i], f"{place}: onset")
        if not np.isfinite(onset):
            raise InputError(f"{place}: onset", "none", "a time in s")
        label = bad if bad is not None else stim_file_name(name or "")
        duration = number(table["duration"][i], f"{place}: duration")
        if duration < 0:
            raise InputError(f"{place}: duration", f"{duration:g} s", "0 s or more, or n/a")
        if "session" not in table:
            rows.append((onset, duration, label))
            continue
        session = table["session"][i]
        if session is None and bad is None:
            raise InputError(f"{place}: session", "none", "the session of every presentation, or no such column")
        rows.append((onset, duration, label, session or ""))
    return rows
