"""Tables: a cell is what is written in it; numbers and truth values are known or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heschl.checks import InputError
from heschl.ecog import epoch, read_recording, write_recording
from heschl.ecog.recording.contents import BAD
from heschl.ecog.recording.tables import electrode_table, event_rows, read_table, truth


def recording(folder: Path, names: tuple[str, ...] = ("G1", "G2", "G3")) -> Path:
    np.savez(folder / "x.npz", data=np.zeros((1000, len(names))), sfreq=100.0, names=np.array(names))
    return folder / "x.npz"


WORDS = ["001", "1.50", "NA", "nan", "null", "None", "true", "FALSE", "1e5", "-", "n", "0x10", '"quoted"', "a b", "é"]


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_names_stay_what_is_written(tmp_path: Path, suffix: str) -> None:
    import csv

    with open(tmp_path / f"t{suffix}", "w", newline="", encoding="utf-8") as file:
        if suffix == ".csv":
            csv.writer(file).writerows([("onset", "duration", "stimulus"), *((i, 1, w) for i, w in enumerate(WORDS))])
        else:
            file.write("onset\tduration\tstimulus\n" + "".join(f"{i}\t1\t{w}\n" for i, w in enumerate(WORDS)))
    found = read_recording(recording(tmp_path), events=tmp_path / f"t{suffix}")
    assert found.events["stimulus"].tolist() == WORDS
    table = tmp_path / f"e{suffix}"
    table.write_text("name\n" + "\n".join(w for w in WORDS if w != '"quoted"') + "\n", encoding="utf-8")
    names = tuple(w for w in WORDS if w != '"quoted"')
    assert list(read_recording(recording(tmp_path, names), electrodes=table).electrodes.index) == list(names)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\t\r\n\0"), min_size=1), min_size=1))
def test_any_text_in_a_tsv(tmp_path_factory: pytest.TempPathFactory, cells: list[str]) -> None:
    path = tmp_path_factory.mktemp("t") / "t.tsv"
    path.write_bytes(("a\tb\n" + "".join(f"x\t{cell}\n" for cell in cells)).encode())
    found = read_table(path)["b"]
    assert len(found) == len(cells)
    import unicodedata

    for cell, got in zip(cells, found, strict=True):
        plain = unicodedata.normalize("NFC", cell).strip("\0 \t\r\n\v\f\u00a0\ufeff")
        assert got == (None if plain in ("", "n/a") else plain)


def test_sessions_of_events_reach_their_trials(tmp_path: Path) -> None:
    table = tmp_path / "events.csv"
    table.write_text("onset,duration,stimulus,session\n1,1,a,1\n2.5,1,BAD_motion,\n4,1,b,2\n")
    found = read_recording(recording(tmp_path), events=table)
    assert found.events["session"].tolist() == ["1", "2"]
    trials = epoch(np.zeros((1000, 1)), 100.0, found.events, pre=0.0)
    assert trials.stimuli == ("a", "b") and trials.sessions == ("1", "2")
    table.write_text("onset,duration,stimulus,session\n1,1,a,1\n4,1,b,\n")
    with pytest.raises(InputError, match=r"row 2: session.*the session of every presentation"):
        read_recording(recording(tmp_path), events=table)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16"])
def test_line_ends_and_encodings(tmp_path: Path, end: str, code: str) -> None:
    for suffix, comma in ((".csv", ","), (".tsv", "\t")):
        text = end.join([f"name{comma}region", f"Gé{comma}STG\x85x", f"G2{comma}n/a", ""])
        (tmp_path / f"t{suffix}").write_bytes(text.encode(code))
        assert read_table(tmp_path / f"t{suffix}") == {"name": ["Gé", "G2"], "region": ["STG\x85x", None]}


@pytest.mark.parametrize(
    ("word", "bad"),
    [("no", False), ("Yes", True), ("good", False), ("BAD", True), ("0", False), ("1.0", True), ("TRUE", True),
     ("False", False), (None, False), ("N", False)],
)  # fmt: skip
def test_truth(word: str | None, bad: bool) -> None:
    assert truth(word, "x") is bad


@pytest.mark.parametrize("word", ["maybe", "2", "nein", "badly", "goodish", "-1"])
def test_words_that_are_not_known(tmp_path: Path, word: str) -> None:
    (tmp_path / "t.csv").write_text(f"name,bad\nG1,{word}\n")
    with pytest.raises(InputError, match=f"electrode G1: bad: found '{word}'"):
        read_recording(recording(tmp_path), electrodes=tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "an empty table"), ("name,name\na,b\n", "more than once"), ("name,x\nG1\n", "line 2: found 1 cells"),
        ("name,x\nG1,1,2\n", "3 cells"), ("region\nSTG\n", "a column 'name'"), ("name,x\nG1,near\n", "x: found 'near'"),
        ("name,x\nG1,1_0\n", "'1_0'"), ("name,x\nG1,inf\n", "'inf'"), ("name\nG1\nG1\n", "'G1' more than once"),
        ('name\n"G1\n', "no readable table"), ("name,bad\n,1\n", "an empty name"),
    ],
)  # fmt: skip
def test_tables_that_do_not_fit(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=match):
        read_recording(recording(tmp_path), electrodes=tmp_path / "t.csv")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"name\nG\xff\n")
    with pytest.raises(InputError, match="no UTF-8"):
        read_recording(recording(tmp_path), electrodes=tmp_path / "t.csv")


def test_words_are_no_presentations() -> None:
    table = {
        "onset": ["1", "1.2", "3", "3.5", "5"], "duration": ["1", "0.2", "1", "0.1", None],
        "stim_file": ["stimuli/a.wav", "stimuli/a.wav", "dir/b.flac", "dir/b.flac", "c.WAV"],
        "word": [None, "so", None, None, None], "trial_type": [None, None, "sound", "phone", None],
    }  # fmt: skip
    rows = event_rows(table, "t")
    assert [row[2] for row in rows] == ["a", "dir/b", "c"] and np.isnan(rows[2][1])


@pytest.mark.parametrize("name", ["bad", "BAD", "bad_x", "Bad 1", "BAD_ACQ_SKIP", "bad-channel", "bad1"])
def test_spans_to_leave_out(name: str) -> None:
    assert BAD.match(name)


@pytest.mark.parametrize("name", ["badminton", "Baden", "a_bad", "badé"])
def test_stimuli_whose_names_begin_alike(tmp_path: Path, name: str) -> None:
    (tmp_path / "t.csv").write_text(f"onset,duration,stimulus\n1,1,{name}\n", encoding="utf-8")
    assert read_recording(recording(tmp_path), events=tmp_path / "t.csv").events["stimulus"].tolist() == [name]


@pytest.mark.parametrize("duration", ["0", "n/a", "0.01"])
def test_bad_spans_without_an_end(tmp_path: Path, duration: str) -> None:
    (tmp_path / "t.csv").write_text(f"onset,duration,stimulus\n1,1,a\n4,{duration},BAD_seizure\n")
    with pytest.raises(InputError, match=r"BAD_seizure' at 4 s: found a bad span without a duration.*to_end"):
        read_recording(recording(tmp_path), events=tmp_path / "t.csv")
    found = read_recording(recording(tmp_path), events=tmp_path / "t.csv", open_bad="to_end")
    assert found.artefacts.tolist() == [[4.0, 10.0]]


def test_positions_and_units() -> None:
    table = electrode_table({"name": ["a", "b"], "x": ["-12.5", None], "anat": ["STG", None]}, "t", unit=0.001)
    assert table["x"].iloc[0] == -0.0125 and np.isnan(table["x"].iloc[1])
    assert table["region"].tolist() == ["STG", ""] and "bad" not in table


def test_names_that_a_spreadsheet_takes_for_formulas_come_back(tmp_path: Path) -> None:
    names = ("=G1", "-G2", "@G3")
    write_recording(read_recording(recording(tmp_path, names)), tmp_path / "out", "npz", name="x")
    table = tmp_path / "out" / "x_electrodes.csv"
    assert all(line.startswith("'") for line in table.read_text(encoding="utf-8").splitlines()[1:])
    assert read_recording(tmp_path / "out" / "x.npz", electrodes=table).electrodes.index.tolist() == list(names)
