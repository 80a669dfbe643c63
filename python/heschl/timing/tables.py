"""Text files of transcripts as they come: their encoding, their lines, the rows of a table."""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from heschl.checks import InputError

Rows = Iterator[tuple[dict[str, str], str]]

_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_LONGEST_NUMBER = 40
"""Characters of a number of seconds; what is longer is no time that anybody wrote."""
_LINE_ENDS = re.compile(r"\r\n|\n|\r")


def read_text(path: Path, expected: str) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 where it begins with a byte order mark.

    Raises
    ------
    InputError
        For a file that is not there or cannot be opened, and for bytes that are no text.
    """
    if not path.is_file():
        raise InputError(str(path), "no such file", expected)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(str(path), str(error.strerror), "a file that can be read") from None
    mark = next((mark for mark in _BYTE_ORDER_MARKS if raw.startswith(mark)), b"")
    try:
        text = raw[len(mark) :].decode(_BYTE_ORDER_MARKS.get(mark, "utf-8"))
    except UnicodeDecodeError as error:
        coding = "UTF-16" if "16" in error.encoding else "UTF-8"
        raise InputError(
            str(path), f"bytes that are no {coding} ({error.reason}, at byte {error.start})", "a text file in UTF-8",
            "Save it as UTF-8.",
        ) from None  # fmt: skip
    if "\0" in text:
        raise InputError(str(path), "a NUL character", "a text file in UTF-8", "Save it as UTF-8.")
    return text


def lines_of(text: str) -> list[str]:
    r"""Return the lines of a text; only "\n", "\r\n" and "\r" end one, not what else Unicode calls a line end."""
    lines = _LINE_ENDS.split(text)
    return lines[:-1] if not lines[-1] else lines


def rows_of(path: Path) -> Rows:
    r"""Return an iterator over the rows of a table: the cells by column, and the place for messages.

    A .tsv is read as the type text/tab-separated-values says (and BIDS asks): a cell is what stands between tabs, and a
    quotation mark is a letter like any other. Any other file is comma-separated with quotes as in RFC 4180; where its
    header has semicolons or tabs and no comma, these separate. Names of columns are taken in lower case; rows without
    a single letter are skipped, missing cells are empty.

    Raises
    ------
    InputError
        With file and line: for a file without header or rows, a column named twice, a row with more cells than columns.
    """
    text = read_text(path, "words and their times")
    separator = "\t" if path.suffix.lower() == ".tsv" else _separator(text)
    cells = _tab_separated(text) if path.suffix.lower() == ".tsv" else _quoted(path, text, separator)
    names: list[str] = []
    empty = True
    for number, row in cells:
        place = f"{path}, line {number}"
        if not any(cell.strip() for cell in row):
            continue
        if not names:
            names = [cell.strip().casefold() for cell in row]
            twice = next((name for i, name in enumerate(names) if name and name in names[:i]), None)
            if twice is not None:
                raise InputError(place, f"two columns {twice!r}", "a name of its own for each column")
            continue
        if any(cell.strip() for cell in row[len(names) :]):
            raise InputError(
                place, f"more cells than columns, {len(row)} and {len(names)}", "one cell per column",
                "A word that holds the separator needs quotes; decimals are written with a point."
                if separator != "\t" else "",
            )  # fmt: skip
        empty = False
        yield dict(zip(names, row + [""] * (len(names) - len(row)), strict=False)), place
    if not names:
        raise InputError(f"{path}, line 1", "no header", "the names of the columns")
    if empty:
        raise InputError(str(path), "a header and no row", "a row for each word")


def _separator(text: str) -> str:
    header = next((line for line in lines_of(text[:10_000]) if line.strip()), "")
    return next((mark for mark in (",", ";", "\t") if mark in header), ",")


def _tab_separated(text: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(lines_of(text), start=1):
        yield number, line.split("\t")


def _quoted(path: Path, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    rows = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, delimiter=separator)
    last = 0
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            place = f"{path}, line {rows.line_num}"
            raise InputError(place, f"no readable row ({error})", "a table of words") from None
        if row is None:
            return
        if rows.line_num > last + 1:  # the rows in between would vanish into a cell
            raise InputError(
                f"{path}, line {last + 1}", f"a quotation mark that is closed in line {rows.line_num} or not at all",
                "a row in each line", 'In a CSV write a quotation mark in a word as """"; or write a .tsv.',
            )  # fmt: skip
        last = rows.line_num
        yield last, row


def column_of(path: Path, row: dict[str, str], *names: str) -> str:
    """Return which of a column's names a table has.

    Raises
    ------
    InputError
        Where it has none of them; the first is the one that the message asks for.
    """
    for name in names:
        if name in row:
            return name
    raise InputError(f"{path}, line 1", f"the columns {', '.join(row)}", f"a column {names[0]!r} among them")


def seconds_of(cell: str, where: str) -> Decimal:
    """Return a cell's time in s as it is written, so that differences of times are exact.

    Raises
    ------
    InputError
        For a cell that is not a finite number.
    """
    text = cell.strip()
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        comma = re.fullmatch(r"[+-]?\d*,\d+", text)
        raise InputError(
            where, repr(cell[:_LONGEST_NUMBER]), "a number of seconds", "Write a decimal point." if comma else ""
        )
    return Decimal(text)
