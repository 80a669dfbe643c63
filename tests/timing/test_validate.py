"""Everything wrong with transcripts is found, at once, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from heschl.checks import InputError
from heschl.timing.audio import duration
from heschl.timing.transcripts import from_lists, read_timit
from heschl.timing.validate import refuse, validate

DATA = Path(__file__).parents[3] / "shared" / "data"
GOOD = [("she", 0.1, 0.3), ("had", 0.3, 0.5), ("your", 0.6, 0.9)]


def test_nothing_is_wrong_with_a_good_one() -> None:
    words = {"s1": from_lists(GOOD, "s1.wrd"), "s2": from_lists(GOOD[:2], "s2.wrd")}
    texts = {"s1": "She-had -- YOUR!", "s2": "she hád"}
    assert validate(words, {"s1": 0.9, "s2": 0.4995}, texts) == []  # a last word may be rounded by a ms
    refuse([])


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ([("so", 0.5, 0.5)], r"s1\[0\]: found 'so' from 0.5 to 0.5 s; expected an end after"),
        ([("so", 0.5, 0.25)], "an end after"),
        ([("so", -0.1, 0.25)], "'so' at -0.1 s; expected a time at or after"),
        ([("so", 0.1, 0.3), ("it", 0.2, 0.4)], r"s1\[1\]: found 'it' from 0.2 s, before 'so' ends at 0.3 s"),
        ([("so", 0.5, 0.6), ("it", 0.2, 0.4)], r"s1\[1\]: found 'it' at 0.2 s, behind 'so' at 0.5 s"),
        ([("so", 0.1, 1.2)], "'so' until 1.2 s; expected an end within the sound, which lasts 1 s"),
    ],
)
def test_errors_are_found(words: list[tuple[str, float, float]], match: str) -> None:
    (found,) = validate({"s1": from_lists(words, "s1")}, {"s1": 1.0})
    assert found.severity == "error" and re.search(match, str(found))
    with pytest.raises(InputError, match=rf"stimulus 's1'.*{re.escape(found.found)}"):
        refuse([found])


def test_all_are_found_at_once() -> None:
    words = {"s1": from_lists([("a", 0.2, 0.1), ("b", 0.25, 3.0)], "s1"), "s2": from_lists(GOOD, "s2")}
    found = validate(words, {"s1": 1.0, "s22": 1.0})
    assert [finding.stimulus for finding in found] == ["s1", "s1", "s2", "s22"]
    assert "nearest name is 's22'" in found[2].found and found[3].severity == "warning"
    with pytest.raises(InputError, match=r"2 more: `heschl check`"):
        refuse(found)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("she had not your", r"s1\[2\]: found 'no word'; expected 'not', as in the text"),
        ("she your", r"s1\[1\]: found 'had'; expected 'no word'"),
        ("she has your", r"s1\[1\]: found 'had'; expected 'has'"),
        ("", "'she had your'; expected 'no word'"),
    ],
)
def test_words_and_text(text: str, match: str) -> None:
    (found,) = validate({"s1": from_lists(GOOD, "s1")}, texts={"s1": text})
    assert found.severity == "warning" and re.search(match, str(found))


def test_stimuli_that_are_the_same_twice() -> None:
    other = [(text, start + 0.01, end + 0.01) for text, start, end in GOOD]
    words = {name: from_lists(rows, name) for name, rows in {"a": GOOD, "b": GOOD, "take2": other}.items()}
    (found,) = validate(words)
    assert found.stimulus == "b" and "stimulus 'a'" in found.found


@pytest.mark.skipif(not DATA.exists(), reason="the real data (../shared/data) are not here")
def test_timit_has_overlaps_and_nothing_worse() -> None:
    files = {f"{file.parent.name}/{file.stem}": file for file in (DATA / "timit_sample").glob("*/*.wrd")}
    words = {name: read_timit(file) for name, file in files.items()}
    durations = {name: duration(file.with_suffix(".wav")) for name, file in files.items()}
    texts = {name: re.sub(r"^\d+ \d+ ", "", file.with_suffix(".txt").read_text()) for name, file in files.items()}
    errors = [finding for finding in validate(words, durations, texts) if finding.severity == "error"]
    assert len(errors) == 21 and all("overlap" in finding.expected for finding in errors)
    cut = {name: transcript.cut_at_next() for name, transcript in words.items()}
    refuse(validate(cut, durations, texts))
