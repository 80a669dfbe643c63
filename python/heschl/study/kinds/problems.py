"""What is wrong with a study's files, as a line each: what `heschl check` lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from heschl.checks import InputError

Severity = Literal["error", "warning", "note"]
NAMED = 3
"""Places that a line names of many alike."""


@dataclass(frozen=True)
class Problem:
    """Something in a study's files that would fail or mislead.

    Attributes
    ----------
    severity : {"error", "warning", "note"}
        Whether a run refuses it; whether its results would mislead; or whether it is merely good to know.
    key : str
        The key of the study.toml, or the file, to change.
    found, expected : str
    remedy : str
        What to change, a whole sentence; or nothing.
    """

    severity: Severity
    key: str
    found: str
    expected: str = ""
    remedy: str = ""

    @classmethod
    def of(cls, error: InputError, severity: Severity = "error") -> Problem:
        """Return what an error says."""
        return cls(severity, error.argument, error.found, error.expected, error.advice)

    def __str__(self) -> str:
        """Return it as a line."""
        expected = f"; expected {self.expected}" if self.expected else ""
        return f"{self.severity}: {self.key}: found {self.found}{expected}." + (f" {self.remedy}" * bool(self.remedy))


@dataclass(frozen=True)
class Material:
    """What is known of a study's stimuli when its features are checked, without a model in memory.

    Attributes
    ----------
    folder : Path
        Where the study.toml lies.
    lengths : mapping of stimulus to float
        Of what was heard, with the silence after it, in s; empty where that is not known.
    words : mapping of stimulus to int, or None
        Words of each; None where the transcripts cannot be read.
    longest_text : int
        Words of the stimulus that has most.
    spoken : mapping of word to int
        How often each word is spoken in what was heard; empty where the transcripts cannot be read.
    """

    folder: Path
    lengths: Mapping[str, float]
    words: Mapping[str, int] | None
    longest_text: int
    spoken: Mapping[str, int]


def listed(names: Iterable[str]) -> str:
    """Name the first few and count the others."""
    every = list(names)
    rest = len(every) - NAMED
    return ", ".join(every[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
