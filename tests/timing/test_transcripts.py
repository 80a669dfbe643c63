"""Transcripts in every form are read with their places; what cannot be read is named by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from praatio import textgrid

from heschl.checks import InputError
from heschl.timing.transcripts import from_lists, read_events, read_table, read_textgrid, read_timit
from heschl.timing.words import Transcript, Word

DATA = Path(__file__).parents[3] / "shared" / "data"


def write(folder: Path, *lines: str, header: str = "stimulus,word,start,end", name: str = "words.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def words_of(found: dict[str, Transcript]) -> dict[str, list[Word]]:
    return {name: list(transcript.words) for name, transcript in found.items()}


def test_a_table_comes_in_order(tmp_path: Path) -> None:
    path = write(tmp_path, "b.wav,two,0.5,0.75", "a.b,çà,0,1", "b,one,0.25,0.5", '"b", "well, so" ,1,2')
    found = read_table(path)
    assert words_of(found) == {
        "b": [Word("one", 0.25, 0.5), Word("two", 0.5, 0.75), Word("well, so", 1, 2)],
        "a.b": [Word("çà", 0, 1)],
    }
    assert found["b"].places == tuple(f"{path}, line {n}" for n in (4, 2, 5))


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


def test_no_text_grid(tmp_path: Path) -> None:
    for text in ("", "File type = nonsense", 'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\n'):
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


@pytest.mark.skipif(not DATA.exists(), reason="the real data (../shared/data) are not here")
def test_real_transcripts() -> None:
    assert sum(len(found.words) for found in read_table(DATA / "librivox" / "librivox_words.tsv").values()) == 71
    files = sorted((DATA / "timit_sample").glob("*/*.wrd"))
    assert (len(files), sum(len(read_timit(file).words) for file in files)) == (160, 1394)
    assert all(read_timit(file.with_suffix(".phn")).words for file in files)
