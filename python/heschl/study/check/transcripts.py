"""Words and phones against their sounds: wrong units and wrong columns as one line, the rest by kind."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

from heschl.study.check.problems import attempt, grouped
from heschl.study.config.study import TIERS, Study
from heschl.study.inputs.transcripts import cuts_overlaps, read_texts, read_transcripts
from heschl.study.kinds.base import Tier
from heschl.study.kinds.problems import Problem, listed
from heschl.timing.validate import overlaps, validate
from heschl.timing.words import Transcript, Word

UNITS = {
    1e3: "milliseconds", 1e2: "hundredths of a second", 1e6: "microseconds", 1e7: "HTK's units of 100 ns",
    8e3: "samples at 8 kHz", 16e3: "samples at 16 kHz", 22050.0: "samples at 22.05 kHz",
    44100.0: "samples at 44.1 kHz", 48e3: "samples at 48 kHz", 1 / 60: "minutes",
}  # fmt: skip
"""How many of a unit make a second."""
SPEECH_ENDS = (0.5, 1.05)
"""Share of a sound at which its last word ends, where the unit is right."""
FAR = 5.0
"""Times past the end of the sound beyond which a unit is looked for, not a word that is too long."""
NO_WORDS = frozenset({
    "sp", "sil", "spn", "nsn", "pau", "<p:>", "<s>", "</s>", "<sil>", "<unk>", "<eps>", "<nib>", "<usb>",
    "{sp}", "{sl}", "{ns}", "{lg}", "#h", "h#", "[noise]", "[laughter]",
})  # fmt: skip
"""What aligners and corpora write where nothing is said: MFA, P2FA, Kaldi, MAUS, TIMIT, Switchboard."""
REMEDIES = {
    "words that do not overlap": "stimuli.overlaps = \"cut\" ends each word where the next begins.",
    "an end within the sound": "Is this the transcript of this sound? Cut the words, or mend their times.",
    "an end after the start": "Mend or leave out these rows.",
    "a sound for each stimulus": "Name stimuli as their sound files, below the fixed part of stimuli.sounds.",
    "the words of the running text": "Mend the transcript or the text; a language model reads the transcript's words.",
}  # fmt: skip


def transcript_problems(
    study: Study, folder: Path, durations: Mapping[str, float], heard: set[str], without: set[str]
) -> tuple[list[Problem], dict[Tier, dict[str, Transcript]]]:
    """Check all words and phones of a study against its sounds and texts.

    Parameters
    ----------
    study : Study
    folder : Path
        Where the study.toml lies.
    durations : mapping of stimulus to float
        Of the sounds, in s.
    heard : set of str
        The stimuli that some subject heard.
    without : set of str
        Stimuli that are left aside: their words are not looked at.

    Returns
    -------
    list of Problem
    dict of tier to dict of stimulus to Transcript
        What could be read.
    """
    found: list[Problem] = []
    read: dict[Tier, dict[str, Transcript]] = {}
    texts: dict[str, str] = {}
    attempt(found, lambda: texts.update(read_texts(folder, study.stimuli)))
    for tier in TIERS:
        key = f"stimuli.{tier}"

        def keep(tier: Tier = tier) -> None:
            every = read_transcripts(folder, study.stimuli, tier)
            read[tier] = {name: transcript for name, transcript in every.items() if name not in without}

        if not attempt(found, keep) or not read[tier]:
            continue
        cause = _cause(key, read[tier], durations)
        if cause is not None:
            found.append(cause)
            continue
        sounds = {name: seconds for name, seconds in durations.items() if name in heard or not heard}
        known = {name: each for name, each in read[tier].items() if name in sounds or name not in durations}
        found += grouped(key, validate(known, sounds, texts if tier == "words" else None), REMEDIES)
        found += _cut(key, study, folder, tier)
        found += _no_words(key, known) if tier == "words" else []
    return found, read


def _cut(key: str, study: Study, folder: Path, tier: Tier) -> list[Problem]:
    """Say how many overlaps were cut."""
    if not cuts_overlaps(study.stimuli, tier):
        return []
    as_written = read_transcripts(folder, study.stimuli, tier, cut=False)
    places = [
        transcript.places[j] for transcript in as_written.values() for _, j in overlaps(transcript.words)
    ]  # fmt: skip
    if not places:
        return []
    text = f"{len(places)} {tier} that begin before the one before them ends ({listed(places)}); each was cut there"
    return [Problem("note", key, text, "", 'stimuli.overlaps = "error" refuses them instead.')]


def _cause(key: str, read: Mapping[str, Transcript], durations: Mapping[str, float]) -> Problem | None:
    """Return the one cause of what is wrong with most of the words, where there is one."""
    words = {name: each.words for name, each in read.items() if each.words and name in durations}
    if not words:
        return _names(key, read, durations)
    for look in (_twice, _swapped, _durations_as_ends, _unit, _recording):
        problem = look(key, words, durations)
        if problem is not None:
            return problem
    return None


Look = Callable[[str, Mapping[str, tuple[Word, ...]], Mapping[str, float]], Problem | None]


def _names(key: str, read: Mapping[str, Transcript], durations: Mapping[str, float]) -> Problem | None:
    """Return a line where words and sounds have no name in common."""
    if not read or not durations:
        return None
    tails = {name.rpartition("/")[2].casefold(): name for name in durations}
    alike = next(((name, tails[name.rpartition("/")[2].casefold()]) for name in read
                  if name.rpartition("/")[2].casefold() in tails), None)  # fmt: skip
    names = f"{alike[0]!r} is meant for {alike[1]!r}?" if alike else "Name stimuli as their sound files."
    return Problem(
        "error", key, f"words of {listed(map(repr, read))}, of which no one is a sound",
        f"the names of sounds, such as {listed(map(repr, durations))}", names,
    )  # fmt: skip


def _twice(key: str, words: Mapping[str, tuple[Word, ...]], durations: Mapping[str, float]) -> Problem | None:
    """Look for rows that stand there once more."""
    rows = [(name, word.text, word.start) for name, each in words.items() for word in each]
    again = len(rows) - len(set(rows))
    if again <= 0.3 * len(rows):
        return None
    return Problem(
        "error", key, f"{again} of {len(rows)} rows that are there twice", "each word once",
        "Was a table appended to itself? Leave out the rows that are there again.",
    )  # fmt: skip


def _no_words(key: str, read: Mapping[str, Transcript]) -> list[Problem]:
    """Look for the labels by which aligners mark silence and noise."""
    labels = Counter(
        word.text for transcript in read.values() for word in transcript.words if word.text.casefold() in NO_WORDS
    )
    if not labels:
        return []
    each = listed(f"{label!r} ({count})" for label, count in labels.most_common())
    return [
        Problem(
            "warning", key, f"{labels.total()} rows that are labels of silence or noise: {each}",
            "words that were spoken", "Leave these rows out: models would read the labels as words.",
        )
    ]  # fmt: skip


def _swapped(key: str, words: Mapping[str, tuple[Word, ...]], durations: Mapping[str, float]) -> Problem | None:
    every = [word for each in words.values() for word in each]
    behind = sum(word.end < word.start for word in every)
    if behind <= 0.5 * len(every):
        return None
    rising = [all(a.start <= b.start for a, b in pairwise(each)) for each in words.values()]
    looks_like_durations = sum(rising) > 0.5 * len(rising) and not all(
        a.start <= b.end + 0.05 for each in words.values() for a, b in pairwise(each)
    )
    if looks_like_durations:
        return _as_durations(key, behind, len(every))
    return Problem(
        "error", key, f"{behind} of {len(every)} rows that end before they start", "an end after the start",
        "The columns start and end are exchanged: rename them.",
    )  # fmt: skip


def _as_durations(key: str, behind: int, n: int) -> Problem:
    return Problem(
        "error", key, f"{behind} of {n} rows whose end lies before their start or before the start of the stimulus",
        "ends in s from the sound's onset", "The column end seems to hold durations: write start + duration.",
    )  # fmt: skip


def _durations_as_ends(
    key: str, words: Mapping[str, tuple[Word, ...]], durations: Mapping[str, float]
) -> Problem | None:
    """Look for ends that do not rise with the starts: they are how long a word lasts."""
    late = [word for name, each in words.items() for word in each if word.start > 0.5 * durations[name]]
    behind = sum(word.end < word.start for word in late)
    return _as_durations(key, behind, len(late)) if late and behind > 0.8 * len(late) else None


def _unit(key: str, words: Mapping[str, tuple[Word, ...]], durations: Mapping[str, float]) -> Problem | None:
    ratios = [max(word.end for word in each) / durations[name] for name, each in words.items() if durations[name] > 0]
    if not ratios:
        return None
    middle = statistics.median(ratios)
    if 1 / FAR < middle < FAR:
        return None
    fits = [
        (abs(middle / per_second - 0.9), per_second) for per_second in UNITS
        if SPEECH_ENDS[0] <= middle / per_second <= SPEECH_ENDS[1]
    ]  # fmt: skip
    if not fits:
        return None
    per_second = min(fits)[1]
    text = f"times that end {middle:.3g} times as late as the sounds (median of {len(ratios)} stimuli)"
    divide = f"divide start and end by {per_second:g}" if per_second > 1 else f"multiply them by {1 / per_second:g}"
    sampled = f" In .wrd and .phn files samples count at {16000} Hz." if "samples" in UNITS[per_second] else ""
    return Problem(
        "error", key, text, "seconds from the sound's onset", f"They look like {UNITS[per_second]}: {divide}.{sampled}"
    )


def _recording(key: str, words: Mapping[str, tuple[Word, ...]], durations: Mapping[str, float]) -> Problem | None:
    """Look for times that go on from sound to sound."""
    beyond = [name for name, each in words.items() if min(word.start for word in each) > durations[name]]
    if len(beyond) <= 0.5 * len(words):
        return None
    return Problem(
        "error", key, f"words that begin after the end of their sound, in {len(beyond)} of {len(words)} stimuli",
        "seconds from the onset of each sound",
        "They seem to count from the start of the recording: subtract the onset of each sound, or give a BIDS "
        "events.tsv.",
    )  # fmt: skip
