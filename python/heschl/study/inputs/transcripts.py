"""The files that [stimuli] of a study.toml names: sounds, and the words and phones in them."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from heschl.checks import InputError
from heschl.names import name_hint, plain_name
from heschl.study.config.study import Stimuli
from heschl.study.kinds.base import Tier
from heschl.timing.tables import read_text
from heschl.timing.transcripts import read_events, read_table, read_textgrid, read_timit
from heschl.timing.words import Transcript

_GLOB = re.compile(r"[*?\[]")
_TIMIT_TEXT = re.compile(r"^\d+\s+\d+\s+")
"""TIMIT's .txt begins with the first and the last sample."""
TIMIT_SUFFIXES = (".wrd", ".phn")


def named_files(folder: Path, pattern: str, where: str) -> dict[str, Path]:
    """Return the files that match a glob by their names: the path below the glob's fixed part, without suffix.

    Files that a Mac puts beside others ("._name") are none.
    Names are in the form of `heschl.names.plain_name`, whichever way the file system writes accents.

    Raises
    ------
    InputError
        For a pattern that is absolute or matches nothing, and two files of one name.
    """
    parts = Path(pattern).parts
    fixed = next((i for i, part in enumerate(parts) if _GLOB.search(part)), max(0, len(parts) - 1))
    root = folder.joinpath(*parts[:fixed])
    try:
        forms = dict.fromkeys((pattern, *(unicodedata.normalize(form, pattern) for form in ("NFC", "NFD"))))
        found = sorted(
            {file for form in forms for file in folder.glob(form) if file.is_file() and file.name[:2] != "._"}
        )
    except (NotImplementedError, ValueError):  # an absolute or an empty pattern
        raise InputError(
            where, repr(pattern), "a pattern relative to the study.toml, such as 'stimuli/*.wav'"
        ) from None
    if not found:
        raise InputError(where, f"no file that matches {pattern!r} in {folder}", "one file for each stimulus")
    files: dict[str, Path] = {}
    for file in found:
        name = plain_name("/".join(file.with_suffix("").parts[len(root.parts) :]), str(file))
        if name in files:
            raise InputError(
                where, f"two files named {name!r}: {files[name]} and {file}", "a name of its own for each stimulus"
            )
        files[name] = file
    return files


def cuts_overlaps(stimuli: Stimuli, tier: Tier) -> bool:
    """Return whether a word that reaches into the next is cut there: where asked to, and in TIMIT's own files."""
    pattern = getattr(stimuli, tier) or ""
    return stimuli.overlaps == "cut" or (stimuli.overlaps == "auto" and pattern.lower().endswith(TIMIT_SUFFIXES))


def read_transcripts(folder: Path, stimuli: Stimuli, tier: Tier, *, cut: bool = True) -> dict[str, Transcript]:
    """Read the words, or the phones, of all stimuli; nothing where the study names none.

    With `cut`, words end where the next begins if the study says so (`cuts_overlaps`).

    Raises
    ------
    InputError
        For files that do not exist or cannot be read. What the words say is not checked.
    """
    pattern = getattr(stimuli, tier)
    if pattern is None:
        return {}
    suffix = Path(pattern).suffix.lower()
    if suffix in (".csv", ".tsv"):
        if not (folder / pattern).is_file():
            there = [
                file.name for file in (folder / pattern).parent.glob("*") if file.suffix.lower() in (".csv", ".tsv")
            ]
            hint = name_hint(Path(pattern).name, there) if there else ""
            raise InputError(f"stimuli.{tier}", f"no file {folder / pattern}", f"{tier} and their times", hint)
        reader = read_events if pattern.endswith("events.tsv") else read_table
        found = reader(folder / pattern)
    elif suffix == ".textgrid":
        name = stimuli.word_tier if tier == "words" else stimuli.phone_tier
        files = named_files(folder, pattern, f"stimuli.{tier}")
        key = "word_tier" if tier == "words" else "phone_tier"
        found = {stimulus: _tier(file, name, f"stimuli.{key}") for stimulus, file in files.items()}
    elif suffix in TIMIT_SUFFIXES:
        files = named_files(folder, pattern, f"stimuli.{tier}")
        found = {stimulus: read_timit(file) for stimulus, file in files.items()}
    else:
        raise InputError(
            f"stimuli.{tier}", repr(pattern), "a table (.csv, .tsv) or a glob of .wrd, .phn or .TextGrid files"
        )
    if cut and cuts_overlaps(stimuli, tier):
        return {stimulus: transcript.cut_at_next() for stimulus, transcript in found.items()}
    return found


def _tier(file: Path, name: str, key: str) -> Transcript:
    """Read a tier of a TextGrid; where there is none of that name, say which key names it."""
    try:
        return read_textgrid(file, name)
    except InputError as error:
        if not error.argument.endswith(f"tier {name!r}"):
            raise
        advice = f"{key} names the tier." + (f" {error.advice}" if error.advice else "")
        raise InputError(error.argument, error.found, error.expected, advice) from None


def read_texts(folder: Path, stimuli: Stimuli) -> dict[str, str]:
    """Read the running texts of all stimuli; nothing where the study names none."""
    if stimuli.texts is None:
        return {}
    files = named_files(folder, stimuli.texts, "stimuli.texts")
    texts = {name: read_text(file, "the running text of a stimulus") for name, file in files.items()}
    return {name: _TIMIT_TEXT.sub("", text).strip() for name, text in texts.items()}
