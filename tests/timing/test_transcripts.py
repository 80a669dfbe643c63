"""Transcripts in every form are read with their places; what cannot be read is named by file and line."""

from __future__ import annotations

import unicodedata
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from praatio import textgrid

from heschl.checks import InputError
from heschl.timing.transcripts import from_lists, read_events, read_table, read_textgrid, read_timit
from heschl.timing.words import Transcript, Word, plain_word

DATA = Path(__file__).parents[3] / "shared" / "data"


def write(folder: Path, *lines: str, header: str = "stimulus,word,start,end", name: str = "words.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def words_of(found: dict[str, Transcript]) -> dict[str, list[Word]]:
    return {name: list(transcript.words) for name, transcript in found.items()}


def test_a_table_keeps_its_order(tmp_path: Path) -> None:
    path = write(tmp_path, "b.wav,two,0.5,0.75", "a.b,çà,0,1", "b,one,0.25,0.5", '"b", "well, so" ,1,2')
    found = read_table(path)
    assert words_of(found) == {
        "b": [Word("two", 0.5, 0.75), Word("one", 0.25, 0.5), Word("well, so", 1, 2)],
        "a.b": [Word("çà", 0, 1)],
    }
    assert found["b"].places == tuple(f"{path}, line {n}" for n in (2, 4, 5))


def test_tabs_other_columns_other_names_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "words.tsv"
    path.write_text("\ufeffend\tspeaker\ttext\tstart\tfile\n1\tme\tso\t0.5\ta.flac\n", encoding="utf-8")
    assert words_of(read_table(path)) == {"a": [Word("so", 0.5, 1)]}


@pytest.mark.parametrize(
    "line, match",
    [
        ("a,so,x,1", "line 3: start: found 'x'"),
        ("a,so,0.5,", "line 3: end: found ''"),
        ("a,so,0.5", "line 3: end"),
        ("a,so,nan,1", "line 3: start"),
        ("a,so,0.5,inf", "line 3: end"),
        ("a,,1,2", "line 3: word"),
        (",so,1,2", "line 3: stimulus"),
        ("a,well, so,1,2", "line 3.*more cells"),
    ],
)
def test_bad_lines(tmp_path: Path, line: str, match: str) -> None:
    path = write(tmp_path, "a,it,0.0,0.25", line)
    with pytest.raises(InputError, match=match) as caught:
        read_table(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("column", ["stimulus", "word", "start", "end"])
def test_a_missing_column(tmp_path: Path, column: str) -> None:
    header = "stimulus,word,start,end".replace(column, "other")
    with pytest.raises(InputError, match=f"line 1.*'{column}'"):
        read_table(write(tmp_path, "a,b,0,1", header=header))


def test_files_that_are_none(tmp_path: Path) -> None:
    for read in (read_table, read_events, read_timit, read_textgrid):
        with pytest.raises(InputError, match="no such file"):
            read(tmp_path / "absent.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match="no header"):
        read_table(tmp_path / "empty.csv")
    with pytest.raises(InputError, match="no row"):
        read_table(write(tmp_path))
    (tmp_path / "latin.csv").write_bytes("stimulus,word,start,end\na,çà,0,1\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        read_table(tmp_path / "latin.csv")


def test_timit(tmp_path: Path) -> None:
    path = tmp_path / "sa1.phn"
    path.write_text("0 3200 h#\n3200 4800 sh\n\n4800 5000 epi\n5000 8000 iy\n8000 9000 h#\n")
    found = read_timit(path)
    assert found.words == (Word("sh", 0.2, 0.3), Word("iy", 0.3125, 0.5))
    assert found.places == (f"{path}, line 2", f"{path}, line 5")
    assert read_timit(path, sfreq=8000).words[0] == Word("sh", 0.4, 0.6)
    for line in ("3200 sh", "a b sh", "0.5 1.5 sh"):
        path.write_text(f"0 3200 h#\n{line}\n")
        with pytest.raises(InputError, match=r"sa1.phn, line 2.*first sample"):
            read_timit(path)


EVENTS = "onset\tduration\tstim_file\tword\ttrial_type"


def test_bids_events(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "10\t2\tstim/s1.wav\tn/a\tstimulus", "10.5\t0.25\tstim/s1.wav\tso\tword", "11\t0.5\tn/a\tit\tword",
        "20\t2\tstim/s2.wav\t\tstimulus",
        "30\t2\tstim/s1.wav\tn/a\tstimulus", "30.5\t0.25\tstim/s1.wav\tso\tword",
        header=EVENTS, name="sub-01_events.tsv",
    )  # fmt: skip
    found = read_events(path)
    assert words_of(found) == {"stim/s1": [Word("so", 0.5, 0.75), Word("it", 1.0, 1.5)], "stim/s2": []}
    assert found["stim/s1"].places[1] == f"{path}, line 4"
    with pytest.raises(InputError, match=r"line 2: word 'so'.*no presentation"):
        read_events(write(tmp_path, "10.5\t0.25\ts1.wav\tso\tword", header=EVENTS, name="events.tsv"))
    with pytest.raises(InputError, match="'stim_file'"):
        read_events(write(tmp_path, "10.5\t0.25", header="onset\tduration", name="events.tsv"))


def test_events_in_any_order_and_of_sounds_that_alternate(tmp_path: Path) -> None:
    """A word is of the sound that it names, at or before its onset, wherever the rows stand."""
    path = write(
        tmp_path,
        "10.0\t0.5\tn/a\tat once\tword",  # at the sound's onset, and above its row
        "10.0\t4\ts1.wav\tn/a\tstimulus", "12\t4\ts2.wav\tn/a\tstimulus",
        "12.5\t0.25\ts1.wav\tof one\tword", "12.5\t0.25\ts2.wav\tof two\tword", "13\t1\t\tNA\tword",
        header=EVENTS, name="sub-01_events.tsv",
    )  # fmt: skip
    assert words_of(read_events(path)) == {
        "s1": [Word("at once", 0.0, 0.5), Word("of one", 2.5, 2.75)],
        "s2": [Word("of two", 0.5, 0.75), Word("NA", 1.0, 2.0)],
    }
    with pytest.raises(InputError, match=r"line 2: word 'so'.*no presentation of a sound of 's3'"):
        read_events(write(tmp_path, "1\t1\ts3.wav\tso\tword", header=EVENTS, name="events.tsv"))


def test_words_of_a_later_presentation_count_where_the_first_has_none(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "10\t2\ts1.wav\tn/a\tstimulus", "20\t2\ts1.wav\tn/a\tstimulus", "20.5\t0.25\ts1.wav\tso\tword",
        header=EVENTS, name="sub-01_events.tsv",
    )  # fmt: skip
    assert words_of(read_events(path)) == {"s1": [Word("so", 0.5, 0.75)]}


@pytest.mark.parametrize("shift", ["0", "1234.567", "2999.999", "0.001"])
def test_differences_of_times_are_exact(tmp_path: Path, shift: str) -> None:
    """Words that touch in the file touch in the transcript, however long the recording has run."""
    edges = [Decimal(shift) + Decimal(ms) / 1000 for ms in (0, 83, 211, 640, 641, 999, 1357)]
    rows = [f"{a}\t{b - a}\ts1.wav\tw\tword" for a, b in pairwise(edges)]
    path = write(tmp_path, f"{shift}\t2\ts1.wav\tn/a\tstimulus", *rows, header=EVENTS, name="sub-01_events.tsv")
    words = read_events(path)["s1"].words
    assert [word.end for word in words[:-1]] == [word.start for word in words[1:]]
    assert [word.start for word in words] == [0, 0.083, 0.211, 0.64, 0.641, 0.999]


ODD_LETTERS = ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e"]


@pytest.mark.parametrize("letter", ODD_LETTERS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_only_three_things_end_a_line(tmp_path: Path, letter: str, end: str) -> None:
    word = f"a{letter}b"
    for name, separator in (("words.csv", ","), ("words.tsv", "\t")):
        rows = ["stimulus,word,start,end", f"s1,{word},0,1", "s1,it,1,2"]
        (tmp_path / name).write_bytes(end.join(rows).replace(",", separator).encode())
        assert [one.text for one in read_table(tmp_path / name)["s1"].words] == [word, "it"]
    (tmp_path / "s1.wrd").write_bytes(end.join([f"0 16000 {word}", "16000 32000 it"]).encode())
    assert [one.text for one in read_timit(tmp_path / "s1.wrd").words] == [word, "it"]


@pytest.mark.parametrize(
    "word", ['"', '"well', 'know"', '"no"', '""', 'a"b', "'tis", ",", "a,b", ";", "NA", "nan", "None"]
)
def test_a_word_of_a_tsv_is_what_stands_between_tabs(tmp_path: Path, word: str) -> None:
    path = write(tmp_path, f"s1\t{word}\t0\t1", "s1\tit\t1\t2", header="stimulus\tword\tstart\tend", name="w.tsv")
    assert [one.text for one in read_table(path)["s1"].words] == [word, "it"]
    path = write(tmp_path, "0\t2\ts1\tn/a\t", f"0\t1\ts1\t{word}\t", "1\t1\ts1\tit\t", header=EVENTS, name="events.tsv")
    assert [one.text for one in read_events(path)["s1"].words] == [word, "it"]


def test_a_quotation_mark_left_open_swallows_no_row(tmp_path: Path) -> None:
    for rows in (
        ['s1,"well,0,1', "s1,it,1,2"], ["s1,so,0,1", 's1,"well,1,2', 's1,know",2,3'], ["s1,so,0,1", 's1,"a\nb",1,2'],
    ):  # fmt: skip
        with pytest.raises(InputError, match=r"words.csv, line \d: found a quotation mark that is closed in line"):
            read_table(write(tmp_path, *rows))


def test_tables_as_other_programs_write_them(tmp_path: Path) -> None:
    expected = {"café": [Word("çà", 0.5, 1.0)]}
    rows = "stimulus,word,start,end\ncafé.WAV,çà,0.5,1"
    for text in (
        rows, rows.replace(",", ";"), rows.replace(",", "\t"), rows + "\n\n,,,\n", rows.title(),
        unicodedata.normalize("NFD", rows), rows.replace("end", "end ,note").replace("1", "1, x").replace(", x", ",x"),
        rows + ",,,",
    ):  # fmt: skip
        for encoding in ("utf-8", "utf-8-sig", "utf-16"):
            (tmp_path / "words.csv").write_bytes(text.encode(encoding))
            found = words_of(read_table(tmp_path / "words.csv"))
            assert {
                name.lower(): [Word(w.text.lower(), w.start, w.end) for w in words] for name, words in found.items()
            } == expected
    with pytest.raises(InputError, match="two columns 'start'"):
        read_table(write(tmp_path, "a,b,0,1,2", header="stimulus,word,start,end,start"))
    with pytest.raises(InputError, match=r"'0,5'.*decimal point"):
        read_table(write(tmp_path, "a;b;0,5;1", header="stimulus;word;start;end"))


@pytest.mark.parametrize("form", ["long_textgrid", "short_textgrid"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_text_grids(tmp_path: Path, form: str, encoding: str) -> None:
    grid = textgrid.Textgrid()
    grid.addTier(textgrid.IntervalTier("words", [(0.25, 0.5, "so"), (0.5, 1.0, "çà")], 0, 2))
    grid.addTier(textgrid.PointTier("taps", [(0.3, "x")], 0, 2))
    path = tmp_path / "s1.TextGrid"
    grid.save(str(path), format=form, includeBlankSpaces=True)
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    found = read_textgrid(path)
    assert found.words == (Word("so", 0.25, 0.5), Word("çà", 0.5, 1.0))
    assert "interval 2" in found.places[0]  # the first is silence
    with pytest.raises(InputError, match="words, taps"):
        read_textgrid(path, "phones")
    with pytest.raises(InputError, match="points"):
        read_textgrid(path, "taps")


def grid_of(label: str = "so", start: str = "0.25", size: str = "2", kind: str = "IntervalTier") -> dict[str, str]:
    """Return a TextGrid in the long form, in the short one, and in the short one with comments."""
    head = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
    short = f'{head}0\n2\n<exists>\n1\n"{kind}"\n"words"\n0\n2\n{size}\n'
    entries = f'0\n{start}\n""\n{start}\n2\n"{label}"\n'
    long = (
        f"{head}xmin = 0 \nxmax = 2 \ntiers? <exists> \nsize = 1 \n"
        f'item []: \n    item [1]:\n        class = "{kind}" \n        name = "words" \n        xmin = 0 \n'
        f"        xmax = 2 \n        intervals: size = {size} \n"
        f'        intervals [1]:\n            xmin = 0 \n            xmax = {start} \n            text = "" \n'
        f'        intervals [2]:\n            xmin = {start} \n            xmax = 2 \n            text = "{label}" \n'
    )
    comments = (
        short.replace("0\n2\n<exists>\n1", '0 2 ! "from" 3 to\n<exists> ! tiers\n1 tier') + entries + "! 7 the end"
    )
    return {"long": long, "short": short + entries, "comments": comments}


@pytest.mark.parametrize("form", ["long", "short", "comments"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "label",
    ["so", "a\nb", '""so""', '""', "item [1]", "intervals [2]:", "text = 5", "! no comment", "<exists>", "çà 3", "0.5"],
)
def test_labels_of_text_grids(tmp_path: Path, form: str, ending: str, label: str) -> None:
    path = tmp_path / "s1.TextGrid"
    for text in (grid_of(label)[form], grid_of(label)[form].rstrip()):
        path.write_bytes(text.replace("\n", ending).encode("utf-8"))
        expected = label.replace('""', '"').replace("\n", ending)
        assert read_textgrid(path).words == (Word(expected, 0.25, 2.0),)


@pytest.mark.parametrize("start", ["0.25", "2.5e-1", "25E-2", "+0.25", ".25", "0.250000000000000000001"])
def test_numbers_of_text_grids(tmp_path: Path, start: str) -> None:
    for text in grid_of(start=start).values():
        (tmp_path / "s1.TextGrid").write_text(text)
        assert read_textgrid(tmp_path / "s1.TextGrid").words == (Word("so", 0.25, 2.0),)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"size": "3"}, "end of the file instead of a time of entry 3"), ({"size": "1"}, "after the last entry"),
        ({"size": "1e9"}, "a whole number"), ({"size": "99999999"}, "end of the file"),
        ({"size": "-1"}, "a whole number"),
        ({"label": 'a" 5 "b'}, "after the last entry"), ({"label": 'a"'}, "without an end"),
        ({"start": "1e999"}, "a finite number"), ({"start": "x"}, "instead of a time"),
        ({"kind": "Tier"}, "class 'Tier'"),
    ],
)  # fmt: skip
def test_damaged_text_grids(tmp_path: Path, change: dict[str, str], match: str) -> None:
    for text in grid_of(**change).values():
        (tmp_path / "s1.TextGrid").write_text(text)
        with pytest.raises(InputError, match=match):
            read_textgrid(tmp_path / "s1.TextGrid")


def test_no_text_grid(tmp_path: Path) -> None:
    for text in (
        "",
        "File type = nonsense",
        '"ooTextFile" "Sound"',
        '"ooBinaryFile"',
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\n',
    ):
        (tmp_path / "s1.TextGrid").write_text(text)
        with pytest.raises(InputError, match=r"s1.TextGrid"):
            read_textgrid(tmp_path / "s1.TextGrid")


def test_lists() -> None:
    found = from_lists([("so", 0.1, 0.3)], "mine")
    assert found == Transcript((Word("so", 0.1, 0.3),), ("mine[0]",))


def test_overlaps_go_to_the_later_word() -> None:
    words = from_lists([("had", 0.1, 0.5), ("your", 0.4, 0.7), ("suit", 0.8, 0.9), ("in", 0.8, 1.0)])
    assert words.cut_at_next().words == (
        Word("had", 0.1, 0.4), Word("your", 0.4, 0.7), Word("suit", 0.8, 0.9), Word("in", 0.8, 1.0),
    )  # what begins together stays an error  # fmt: skip
    assert Transcript((), ()).cut_at_next() == Transcript((), ())


def test_cutting_keeps_the_order_of_the_rows() -> None:
    words = from_lists([("and", 1.0, 1.5), ("oh", 0.5, 1.25), ("so", 1.25, 2.0)])
    assert words.cut_at_next().words == (Word("and", 1.0, 1.25), Word("oh", 0.5, 1.0), Word("so", 1.25, 2.0))
    assert [word.text for word in words.in_order().words] == ["oh", "and", "so"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Don’t,", "don't"), ("CAFÉ", "cafe"), ("Straße", "STRASSE"), ("twenty-two", "twentytwo"), ("“so”", "so"),
        ("ﬁt", "fit"), ("…", "-"),
    ],
)  # fmt: skip
def test_words_that_are_the_same_but_for_case_and_punctuation(one: str, other: str) -> None:
    assert plain_word(one) == plain_word(other)


@pytest.mark.parametrize(("one", "other"), [("the", "then"), ("की", "का"), ("2", "3"), ("กิน", "กัน"), ("か", "が")])
def test_words_that_are_not_the_same(one: str, other: str) -> None:
    assert plain_word(one) != plain_word(other) and plain_word(one)


@pytest.mark.parametrize("entry", [("so", 0.1), ("so", "x", 1.0), (3, 0.1, 0.2), None])
def test_lists_that_are_none(entry: object) -> None:
    with pytest.raises(InputError, match=r"mine\[0\]"):
        from_lists([entry], "mine")  # type: ignore[list-item]


@pytest.mark.skipif(not DATA.exists(), reason="the real data (../shared/data) are not here")
def test_real_transcripts() -> None:
    assert sum(len(found.words) for found in read_table(DATA / "librivox" / "librivox_words.tsv").values()) == 71
    files = sorted((DATA / "timit_sample").glob("*/*.wrd"))
    assert (len(files), sum(len(read_timit(file).words) for file in files)) == (160, 1394)
    assert all(read_timit(file.with_suffix(".phn")).words for file in files)
