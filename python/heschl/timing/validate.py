"""What is wrong with transcripts: all of it at once, each finding with file and line."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from heschl.checks import InputError
from heschl.names import name_hint
from heschl.timing.words import TOLERANCE_S, Transcript, Word, plain_word

HINTS = 20
"""Unknown names for which the nearest known one is looked for: each search goes through all of them."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or may be, in a transcript.

    Attributes
    ----------
    severity : {"error", "warning"}
        Whether words can be put on frames at all.
    stimulus : str
        The sound that it is in.
    place : str
        File and line.
    found, expected : str
        What is there, and what should be.

    Examples
    --------
    >>> from heschl.timing import Finding
    >>> str(Finding("warning", "s1", "words.csv, line 3", "a sound without words", "words"))
    'warning: words.csv, line 3: found a sound without words; expected words'
    """

    severity: Literal["error", "warning"]
    stimulus: str
    place: str
    found: str
    expected: str

    def __str__(self) -> str:
        """Return it as a line."""
        return f"{self.severity}: {self.place}: found {self.found}; expected {self.expected}"


def validate(
    transcripts: Mapping[str, Transcript],
    durations: Mapping[str, float] | None = None,
    texts: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Return everything that is wrong with some transcripts.

    Parameters
    ----------
    transcripts : mapping of stimulus to Transcript
        As the readers of `heschl.timing.transcripts` return them.
    durations : mapping of stimulus to float, optional
        Of the sounds, in s: words past the end, words without a sound and sounds without words are found.
    texts : mapping of stimulus to str, optional
        What was said, as running text: words missing on either side are found. Case and punctuation do not count.

    Returns
    -------
    list of Finding
        Errors: a word that ends at or before its start, starts before the sound, reaches more than 1 ms into another
        word or past the sound; words without a sound. Warnings: words that begin before the one written above them
        (they keep their place: the order of the rows is the text that a language model reads), sounds without words,
        words that differ from the text, two stimuli with the same words at the same times.

    Examples
    --------
    >>> from heschl.timing import Finding, refuse
    >>> from heschl.timing.transcripts import from_lists
    >>> words = {"s1": from_lists([("so", 0.1, 0.3), ("it", 0.25, 0.5)], "s1.wrd")}
    >>> [str(finding) for finding in validate(words)]
    ["error: s1.wrd[1]: found 'it' from 0.25 s, before 'so' ends at 0.3 s; expected words that do not overlap"]
    """
    found: list[Finding] = []
    unknown = set[str]()
    for stimulus, transcript in transcripts.items():
        found += _times(stimulus, transcript)
        if durations is not None and stimulus in durations:
            found += _against_sound(stimulus, transcript, durations[stimulus])
        elif durations is not None:
            unknown.add(stimulus)
            found.append(_soundless(stimulus, transcript, durations if len(unknown) <= HINTS else ()))
        if texts is not None and stimulus in texts:
            found += _against_text(stimulus, transcript, texts[stimulus])
    for stimulus in sorted(set(durations or ()) - {name for name, each in transcripts.items() if each.words}):
        found.append(Finding("warning", stimulus, f"stimulus {stimulus!r}", "a sound without words", "words"))
    return found + _twins(transcripts)


def refuse(findings: Sequence[Finding]) -> None:
    """Raise an error for the first error among findings, and say how many more there are.

    Parameters
    ----------
    findings : sequence of Finding
        From `validate`; warnings are passed over.

    Returns
    -------
    None

    Raises
    ------
    InputError
        Where there is an error.

    Examples
    --------
    >>> from heschl.timing import Finding, refuse
    >>> refuse([Finding("warning", "s1", "words.csv, line 3", "a sound without words", "words")])
    """
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        more = f"{len(errors) - 1} more: `heschl check` lists them all." if len(errors) > 1 else ""
        raise InputError(
            f"{errors[0].place} (stimulus {errors[0].stimulus!r})", errors[0].found, errors[0].expected, more
        )


def _times(stimulus: str, transcript: Transcript) -> list[Finding]:
    found = []

    def add(severity: Literal["error", "warning"], at: int, what: str, expected: str) -> None:
        found.append(Finding(severity, stimulus, transcript.places[at], what, expected))

    words = transcript.words
    for i, word in enumerate(words):
        if word.end <= word.start:
            add("error", i, f"{word.text!r} from {word.start:g} to {word.end:g} s", "an end after the start")
        if word.start < -TOLERANCE_S:
            add("error", i, f"{word.text!r} at {word.start:g} s", "a time at or after the sound's onset")
    for i, (before, after) in enumerate(pairwise(words), start=1):
        if after.start < before.start:
            text = f"{after.text!r} at {after.start:g} s, behind {before.text!r} at {before.start:g} s"
            add("warning", i, text, "words in the order of their starts, unless speech overlaps: the rows are the text")
    for i, j in overlaps(words):
        text = f"{words[j].text!r} from {words[j].start:g} s, before {words[i].text!r} ends at {words[i].end:g} s"
        add("error", j, text, "words that do not overlap")
    return found


def overlaps(words: Sequence[Word]) -> list[tuple[int, int]]:
    """Return which words begin more than 1 ms before an earlier one ends.

    Parameters
    ----------
    words : sequence of Word
        In any order.

    Returns
    -------
    list of (int, int)
        In the order of the starts, for each such word its place in `words` behind that of the word, among those that
        begin before it, that ends last.

    Examples
    --------
    >>> overlaps([Word("so", 0.0, 0.5), Word("it", 0.4, 0.6), Word("was", 0.6, 0.9)])
    [(0, 1)]
    """
    order = sorted(range(len(words)), key=lambda i: (words[i].start, words[i].end))
    found = []
    latest = order[0] if order else 0
    for i in order[1:]:
        if words[i].start < words[latest].end - TOLERANCE_S:
            found.append((latest, i))
        if words[i].end > words[latest].end:
            latest = i
    return found


def _soundless(stimulus: str, transcript: Transcript, known: Collection[str]) -> Finding:
    hint = name_hint(stimulus, known).rstrip(".")
    place = transcript.places[0] if transcript.places else f"stimulus {stimulus!r}"
    found = f"words of {stimulus!r}, of which there is no sound{f' ({hint})' if hint else ''}"
    return Finding("error", stimulus, place, found, "a sound for each stimulus")


def _against_sound(stimulus: str, transcript: Transcript, duration: float) -> list[Finding]:
    return [
        Finding(
            "error", stimulus, place, f"{word.text!r} until {word.end:g} s",
            f"an end within the sound, which lasts {duration:.6g} s",
        )
        for word, place in zip(transcript.words, transcript.places, strict=True)
        if word.end > duration + TOLERANCE_S
    ]  # fmt: skip


def _against_text(stimulus: str, transcript: Transcript, text: str) -> list[Finding]:
    """Compare the transcript's words with those of the text, both in plain letters."""
    timed = [plain_word(word.text) for word in transcript.words]
    said = [plain for plain in map(plain_word, text.split()) if plain]
    if timed == said:  # in time that grows with the text; what follows grows with its square
        return []
    found = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, timed, said, autojunk=False).get_opcodes():
        if tag == "equal" or "".join(timed[i:j]) == "".join(said[k:m]):  # "twenty two" is "twenty-two"
            continue
        place = transcript.places[min(i, len(timed) - 1)] if timed else f"stimulus {stimulus!r}"
        here = " ".join(word.text for word in transcript.words[i:j]) or "no word"
        there = " ".join(said[k:m]) or "no word"
        found.append(Finding("warning", stimulus, place, f"{here!r}", f"{there!r}, as in the text"))
    return found


def _twins(transcripts: Mapping[str, Transcript]) -> list[Finding]:
    """Return a finding for each stimulus with the words and times of another; another take of a sentence is none.

    Case and punctuation do not count, nor do times below a ms.
    """
    alike: dict[tuple[tuple[str, float, float], ...], list[str]] = defaultdict(list)
    for stimulus, transcript in transcripts.items():
        key = tuple((plain_word(word.text), round(word.start, 3), round(word.end, 3)) for word in transcript.words)
        if key:
            alike[key].append(stimulus)
    return [
        Finding(
            "warning", twin, transcripts[twin].places[0], f"the words and times of stimulus {first!r}",
            "stimuli of their own, or repeats under one name: else both sides of a split may hold the same sound",
        )
        for first, *others in alike.values()
        for twin in others
    ]  # fmt: skip
