"""Transcripts are read in order, and what is wrong in them is named by its line."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from heschl.checks import InputError
from heschl.timing.audio import duration
from heschl.timing.words import Word, check_words, read_words_csv

DATA = Path(__file__).parents[3] / "shared" / "data"


def write(folder: Path, *lines: str, header: str = "stimulus,word,start,end") -> Path:
    path = folder / "words.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def test_words_come_in_order(tmp_path: Path) -> None:
    path = write(tmp_path, "b.wav,two,0.5,0.75", "a,çà,0,1", "b,one,0.25,0.5", '"b", "well, so" ,1,2')
    assert read_words_csv(path) == {
        "b": [Word("one", 0.25, 0.5), Word("two", 0.5, 0.75), Word("well, so", 1, 2)],
        "a": [Word("çà", 0, 1)],
    }


def test_other_columns_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    path.write_text("\ufeffend,speaker,word,start,stimulus\n1,me,so,0.5,a\n", encoding="utf-8")
    assert read_words_csv(path) == {"a": [Word("so", 0.5, 1)]}


@pytest.mark.parametrize(
    "line, match",
    [
        ("a,so,x,1", "line 3: start: found 'x'"),
        ("a,so,0.5,", "line 3: end: found ''"),
        ("a,so,0.5", "line 3: end"),
        ("a,so,nan,1", "line 3: start"),
        ("a,so,-0.5,1", "line 3: start"),
        ("a,so,0.5,inf", "line 3: end"),
        ("a,so,1,1", "line 3: word 'so'.*after the start"),
        ("a,so,1,0.5", "line 3: word 'so'.*after the start"),
        ("a,,1,2", "line 3: word"),
        (",so,1,2", "line 3: stimulus"),
        ("a,well, so,1,2", "line 3.*more cells"),
        ("a,so,0.2,1", r"line 3: word 'so'.*'it' \(line 2\)"),
    ],
)
def test_bad_lines(tmp_path: Path, line: str, match: str) -> None:
    path = write(tmp_path, "a,it,0.0,0.25", line)
    with pytest.raises(InputError, match=match) as caught:
        read_words_csv(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("column", ["stimulus", "word", "start", "end"])
def test_a_missing_column(tmp_path: Path, column: str) -> None:
    header = "stimulus,word,start,end".replace(column, "other")
    with pytest.raises(InputError, match=f"line 1.*'{column}'"):
        read_words_csv(write(tmp_path, "a,b,0,1", header=header))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_words_csv(tmp_path / "absent.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match="no header"):
        read_words_csv(tmp_path / "empty.csv")
    (tmp_path / "latin.csv").write_bytes("stimulus,word,start,end\na,çà,0,1\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        read_words_csv(tmp_path / "latin.csv")


def test_words_within_their_sounds() -> None:
    words = {"s1": [Word("so", 0.1, 0.3)]}
    check_words(words, {"s1": 0.3, "other": 1.0})
    check_words(words, {"s1": 0.2999})  # rounding of a transcript
    with pytest.raises(InputError, match=r"'so'.*0\.3 s.*0\.25 s"):
        check_words(words, {"s1": 0.25})
    with pytest.raises(InputError, match=r"'s1'.*nearest name is 's11'"):
        check_words(words, {"s11": 0.5})


@pytest.mark.skipif(not DATA.exists(), reason="the real data (../shared/data) are not here")
def test_real_words(tmp_path: Path) -> None:
    with (DATA / "librivox" / "librivox_words.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    path = write(tmp_path, *(f"{row['file']}.wav,{row['word']},{row['start']},{row['end']}" for row in rows))
    words = read_words_csv(path)
    assert sum(map(len, words.values())) == len(rows) == 71
    check_words(words, {sound.stem: duration(sound) for sound in (DATA / "librivox").glob("*.wav")})
