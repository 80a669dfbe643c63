"""A name is one name, whatever kind of file it comes from."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest

from heschl.checks import InputError
from heschl.names import (
    SOUND_SUFFIXES,
    cell_as_meant,
    name_hint,
    plain_cell,
    plain_name,
    plain_names,
    stimulus_name,
    stimulus_names,
)

WRITTEN = ["café", "Mädchen", "Ångström", "한국", "naïve_2", "Zoë.b"]


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_every_way_to_write_a_name_is_one_name(name: str, form: str) -> None:
    written = unicodedata.normalize(form, name)
    ways = [written, written.encode(), np.str_(written), np.bytes_(written.encode()), written.encode() + b"\0\0"]
    ways += [f"{written}   ", f"\t{written}\n"]
    assert {plain_name(way) for way in ways} == {unicodedata.normalize("NFC", name)}
    assert {stimulus_name(f"{written}{suffix}") for suffix in SOUND_SUFFIXES} == {unicodedata.normalize("NFC", name)}
    assert stimulus_name(f"{written}.WAV".encode()) == unicodedata.normalize("NFC", name)


def test_lists_of_every_type() -> None:
    for values in (
        ["a", "b"],
        ("a", b"b"),
        np.array(["a", "b"]),
        np.array([b"a", b"b"]),
        np.array(["a", b"b"], object),
    ):
        assert plain_names(values) == ("a", "b")
    assert stimulus_names(np.array(["a.wav", "b.c"])) == ("a", "b.c")
    assert plain_names([]) == ()


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (["a", 3.0], r"here\[1\]: found '3.0' of type float"), ([None], r"here\[0\].*NoneType"),
        ([b"\xff\xfe"], r"here\[0\].*UTF-8"), ("abc", "one name"), (np.array([["a"]]), r"shape \(1, 1\)"),
        (np.arange(2), r"here\[0\].*int"),
    ],
)  # fmt: skip
def test_what_is_no_name(values: object, match: str) -> None:
    with pytest.raises(InputError, match=match):
        plain_names(values, "here")


def test_hints() -> None:
    known = ["s1", "story/S2", "part.3"]
    assert name_hint("S1", known) == "There is 's1': upper and lower case count."
    assert name_hint("S2", known) == "There is 'story/S2', without the folder."
    assert name_hint("s1.aac", known) == "There is 's1', without the suffix."
    assert "'part.3'" in name_hint("part_3", known)
    assert name_hint("elephant", known) == "" == name_hint("s1", [])


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-A1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert plain_cell(cell) == f"'{cell}" and plain_cell(np.str_(cell)) == f"'{cell}"
    assert cell_as_meant(plain_cell(cell)) == cell


@pytest.mark.parametrize("cell", ["G1-G2", "", " =", -0.5, None, 3])
def test_other_cells_stay_as_they_are(cell: object) -> None:
    assert plain_cell(cell) is cell
