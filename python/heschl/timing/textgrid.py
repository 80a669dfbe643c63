"""Praat's TextGrid, long or short, by the rule that Praat itself reads it by.

Of a text file Praat takes free-standing numbers, texts in double quotes (a quotation mark within is doubled) and flags
such as ``<exists>``; everything else is for people, and ``!`` begins a comment that lasts to the end of the line. The
long form and the short one hold the same values in the same order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from heschl.checks import InputError

_TOKEN = re.compile(
    r"""\s*(?: !(?P<comment>[^\n\r]*)
          | "(?P<text>[^"]*(?:""[^"]*)*)(?P<close>"?)
          | (?P<flag><[^>\s]*>)
          | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?=\s|$)
          | (?P<other>[^\s"]+) )""",
    re.VERBOSE | re.ASCII,
)
_CLASSES = {"IntervalTier": 2, "TextTier": 1}
"""What Praat calls tiers of intervals and of points, and how many times each entry has."""


@dataclass(frozen=True)
class Tier:
    """A tier of a TextGrid.

    Attributes
    ----------
    name : str
        The tier's name.
    points : bool
        Whether it holds points in time, and not intervals.
    entries : tuple of (float, float, str)
        Start and end in s (the same of a point), and the label as written.
    """

    name: str
    points: bool
    entries: tuple[tuple[float, float, str], ...]


def parse_textgrid(text: str, where: str) -> list[Tier]:
    r"""Return the tiers of a TextGrid.

    Parameters
    ----------
    text : str
        What the file holds.
    where : str
        The file, for messages.

    Returns
    -------
    list of Tier
        In the file's order.

    Raises
    ------
    InputError
        Where a value is missing, of another kind than its place asks for, or left over.

    Examples
    --------
    >>> short = '"ooTextFile"\n"TextGrid"\n0 1 <exists> 1\n"IntervalTier" "words"\n0 1 2\n0 0.5 "so"\n0.5 1 "it"'
    >>> [(tier.name, tier.entries) for tier in parse_textgrid(short, "s1.TextGrid")]
    [('words', ((0.0, 0.5, 'so'), (0.5, 1.0, 'it')))]
    """
    values = _Values(text, where)
    kind = values.text("the file's type")
    if kind.split()[:1] != ["ooTextFile"]:
        raise InputError(
            where, f"the type {kind[:40]!r}", "a TextGrid, of type 'ooTextFile'", "Save it from Praat as text."
        )
    held = values.text("the object's class")
    if held != "TextGrid":
        raise InputError(where, f"an object of class {held[:40]!r}", "a TextGrid", "Save the TextGrid alone.")
    for end in ("start", "end"):
        values.number(f"the grid's {end}")
    if values.flag("whether there are tiers") != "<exists>":
        return []
    tiers = [_tier(values, i + 1) for i in range(values.count("the number of tiers"))]
    values.finish()
    return tiers


def _tier(values: _Values, number: int) -> Tier:
    kind = values.text(f"the class of tier {number}")
    if kind not in _CLASSES:
        raise InputError(values.where, f"a tier of class {kind[:40]!r}", " or ".join(map(repr, _CLASSES)))
    name = values.text(f"the name of tier {number}")
    for end in ("start", "end"):
        values.number(f"the {end} of tier {name!r}")
    entries = []
    for i in range(values.count(f"the size of tier {name!r}")):
        place = f"entry {i + 1} of tier {name!r}"
        times = [values.number(f"a time of {place}") for _ in range(_CLASSES[kind])]
        entries.append((times[0], times[-1], values.text(f"the label of {place}")))
    return Tier(name, kind == "TextTier", tuple(entries))


class _Values:
    """The values of a text file in Praat's format, one after another."""

    def __init__(self, text: str, where: str) -> None:
        self.where = where
        self._values = self._read(text)

    def _read(self, text: str) -> Iterator[tuple[str, str]]:
        """Return an iterator over (kind, text) of each value."""
        at = 0
        while (found := _TOKEN.match(text, at)) is not None:
            at = found.end()
            kind = found.lastgroup
            if kind == "close":
                if not found["close"]:
                    raise InputError(
                        self.where, f"a text without an end, {found['text'][:40]!r}", "a closing quotation mark"
                    )
                yield "text", found["text"].replace('""', '"')
            elif kind in ("flag", "number"):
                yield kind, found[kind]

    def _next(self, kind: str, what: str) -> str:
        found = next(self._values, None)
        if found is None:
            raise InputError(
                self.where, f"the end of the file instead of {what}", f"a {kind}", "It may have been cut off."
            )
        if found[0] != kind:
            raise InputError(self.where, f"a {found[0]}, {found[1][:40]!r}, instead of {what}", f"a {kind}")
        return found[1]

    def text(self, what: str) -> str:
        return self._next("text", what)

    def flag(self, what: str) -> str:
        return self._next("flag", what)

    def number(self, what: str) -> float:
        text = self._next("number", what)
        if not math.isfinite(float(text)):
            raise InputError(self.where, f"{text[:40]} as {what}", "a finite number")
        return float(text)

    def count(self, what: str) -> int:
        text = self._next("number", what)
        if not text.isdecimal() or len(text) > 9:
            raise InputError(self.where, f"{text} as {what}", "a whole number")
        return int(text)

    def finish(self) -> None:
        found = next(self._values, None)
        if found is not None:
            raise InputError(
                self.where, f"the {found[0]} {found[1][:40]!r} after the last entry", "the end of the file",
                "A tier's size may be smaller than its entries are many.",
            )  # fmt: skip
