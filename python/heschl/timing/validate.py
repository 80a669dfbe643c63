"""What is wrong with transcripts: all of it at once, each finding with file and line."""

from __future__ import annotations

import difflib
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from heschl.checks import InputError
from heschl.timing.words import Transcript, Word

TOLERANCE_S = 1e-3
"""Transcripts round times to ms or so: a last word may end this much, in s, after its sound."""


@dataclass(frozen=True)
class Finding:
    """Something wrong, or odd, in a transcript.

    Attributes
    ----------
    severity : {"error", "warning"}
        Whether words can be put on frames at all.
    stimulus : str
        Of which sound.
    place : str
        File and line.
    found, expected : str
        What is there, and what should be.
    """

    severity: Literal["error", "warning"]
    stimulus: str
    place: str
    found: str
    expected: str

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.severity}: {self.place}: found {self.found}; expected {self.expected}"


def validate(
    transcripts: Mapping[str, Transcript],
    durations: Mapping[str, float] | None = None,
    texts: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Look for all that is wrong.

    Parameters
    ----------
    transcripts : mapping of stimulus to Transcript
        As the readers of `heschl.timing.transcripts` give them.
    durations : mapping of stimulus to float, optional
        Of the sounds, in s: words past the end, words without a sound and sounds without words are found.
    texts : mapping of stimulus to str, optional
        What was said, as running text: words missing on either side are found. Case and punctuation do not count.

    Returns
    -------
    list of Finding
        Errors: a word that ends at or before its start, starts before the sound, overlaps the next, stands out of
        order, or ends more than 1 ms past the sound; words without a sound. Warnings: sounds without words, words
        that differ from the text, two stimuli with the same words at the same times.

    Examples
    --------
    >>> from heschl.timing.transcripts import from_lists
    >>> words = {"s1": from_lists([("so", 0.1, 0.3), ("it", 0.25, 0.5)], "s1.wrd")}
    >>> [str(finding) for finding in validate(words)]
    ["error: s1.wrd[1]: found 'it' from 0.25 s, before 'so' ends at 0.3 s; expected words that do not overlap"]
    """
    found: list[Finding] = []
    for stimulus, transcript in transcripts.items():
        found += _times(stimulus, transcript)
        if durations is not None:
            found += _against_sound(stimulus, transcript, durations)
        if texts is not None and stimulus in texts:
            found += _against_text(stimulus, transcript, texts[stimulus])
    for stimulus in sorted(set(durations or ()) - {name for name, each in transcripts.items() if each.words}):
        found.append(Finding("warning", stimulus, f"stimulus {stimulus!r}", "a sound without words", "words"))
    return found + _twins(transcripts)


def refuse(findings: Sequence[Finding]) -> None:
    """Raise InputError for the first error among findings, and say how many more there are."""
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        more = f"{len(errors) - 1} more: `heschl check` lists them all." if len(errors) > 1 else ""
        raise InputError(
            f"{errors[0].place} (stimulus {errors[0].stimulus!r})", errors[0].found, errors[0].expected, more
        )


def _times(stimulus: str, transcript: Transcript) -> list[Finding]:
    found = []

    def error(place: str, what: str, expected: str) -> None:
        found.append(Finding("error", stimulus, place, what, expected))

    for word, place in zip(transcript.words, transcript.places, strict=True):
        if word.end <= word.start:
            error(place, f"{word.text!r} from {word.start:g} to {word.end:g} s", "an end after the start")
        if word.start < 0:
            error(place, f"{word.text!r} at {word.start:g} s", "a time at or after the sound's onset")
    pairs = zip(pairwise(transcript.words), transcript.places[1:], strict=True)
    for (before, after), place in pairs:
        if after.start < before.start:
            text = f"{after.text!r} at {after.start:g} s, behind {before.text!r} at {before.start:g} s"
            error(place, text, "words in the order of their starts")
        elif after.start < before.end:
            text = f"{after.text!r} from {after.start:g} s, before {before.text!r} ends at {before.end:g} s"
            error(place, text, "words that do not overlap")
    return found


def _against_sound(stimulus: str, transcript: Transcript, durations: Mapping[str, float]) -> list[Finding]:
    if stimulus not in durations:
        near = difflib.get_close_matches(stimulus, durations, n=1)
        place = transcript.places[0] if transcript.places else f"stimulus {stimulus!r}"
        nearest = f" (the nearest name is {near[0]!r})" if near else ""
        found = f"words of {stimulus!r}, of which there is no sound{nearest}"
        return [Finding("error", stimulus, place, found, "a sound for each stimulus")]
    late = durations[stimulus] + TOLERANCE_S
    return [
        Finding(
            "error", stimulus, place, f"{word.text!r} until {word.end:g} s",
            f"an end within the sound, which lasts {durations[stimulus]:.6g} s",
        )
        for word, place in zip(transcript.words, transcript.places, strict=True)
        if word.end > late
    ]  # fmt: skip


def _against_text(stimulus: str, transcript: Transcript, text: str) -> list[Finding]:
    """Hold the transcript's words against those of the text, both in plain letters."""
    timed = [_plain(word.text) for word in transcript.words]
    said = [plain for plain in map(_plain, text.split()) if plain]
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
    """Find stimuli that are the same, word for word and time for time; another take of a sentence is none."""
    by_words: dict[tuple[Word, ...], list[str]] = defaultdict(list)
    for stimulus, transcript in transcripts.items():
        if transcript.words:
            by_words[transcript.words].append(stimulus)
    return [
        Finding(
            "warning", twin, transcripts[twin].places[0], f"the words and times of stimulus {first!r}",
            "stimuli of their own, or repeats under one name: else both sides of a split may hold the same sound",
        )
        for first, *others in by_words.values()
        for twin in others
    ]  # fmt: skip


def _plain(text: str) -> str:
    """Leave letters and digits, in lower case, without accents."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in decomposed if letter.isalnum())
