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
        ([("so", 0.1, 1.2)], "'so' until 1.2 s; expected an end within the sound, which lasts 1 s"),
    ],
)
def test_errors_are_found(words: list[tuple[str, float, float]], match: str) -> None:
    (found,) = validate({"s1": from_lists(words, "s1")}, {"s1": 1.0})
    assert found.severity == "error" and re.search(match, str(found))
    with pytest.raises(InputError, match=rf"stimulus 's1'.*{re.escape(found.found)}"):
        refuse([found])


def test_the_order_of_the_rows_is_said_and_kept() -> None:
    """A published transcript: speech of two overlaps, and the rows are the text."""
    rows = [("snakes", 41.8, 42.3), ("and", 42.405, 42.585), ("Oh", 42.375, 42.4)]
    (found,) = validate({"s1": from_lists(rows, "s1")}, {"s1": 60.0})
    assert found.severity == "warning" and "'Oh' at 42.375 s, behind 'and' at 42.405 s" in str(found)
    refuse([found])


def test_an_overlap_is_found_wherever_the_words_stand() -> None:
    rows = [("late", 2.0, 3.0), ("long", 0.0, 1.5), ("a", 0.2, 0.4), ("b", 0.5, 0.9), ("later", 2.5, 3.5)]
    found = validate({"s1": from_lists(rows, "s1")})
    assert [(one.severity, one.place) for one in found] == [
        ("warning", "s1[1]"), ("error", "s1[2]"), ("error", "s1[3]"), ("error", "s1[4]"),
    ]  # fmt: skip
    assert "before 'long' ends" in str(found[2])


@pytest.mark.parametrize("beyond", [1e-17, 2e-13, 5e-4])
def test_words_that_touch_do_not_overlap(beyond: float) -> None:
    words = from_lists([("so", 0.1, 0.3 + beyond), ("it", 0.3, 0.5 + beyond), ("is", 0.5, 0.9)], "s1")
    assert validate({"s1": words}, {"s1": 0.9}) == []


def test_the_same_words_and_times_under_two_names() -> None:
    words = {
        "a": from_lists([("Well,", 0.1, 0.3), ("so", 0.3, 0.5)]),
        "b": from_lists([("well", 0.1, 0.3000001), ("So.", 0.3, 0.5)]),
        "another take": from_lists([("well", 0.1, 0.4), ("so", 0.4, 0.6)]),
        "empty": from_lists([]),
    }
    (found,) = validate(words)
    assert (found.severity, found.stimulus, "'a'" in found.found) == ("warning", "b", True)


def test_many_unknown_names_take_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest names are looked for a few times, not for each of thousands."""
    asked = []
    monkeypatch.setattr("heschl.timing.validate.name_hint", lambda name, known: str(asked.append(len(known)) or ""))
    sounds = {f"sound{i}": 1.0 for i in range(300)}
    found = validate({f"word{i}": from_lists(GOOD) for i in range(200)}, sounds)
    assert sum("there is no sound" in one.found for one in found) == 200
    assert sum(n > 0 for n in asked) <= 20


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
