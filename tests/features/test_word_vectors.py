"""Word vectors: only what is needed, whatever the case, and 0 for what is missing."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from heschl.checks import InputError
from heschl.features.words import OOV, WordVectors

MODELS = Path(os.environ.get("HESCHL_TEST_MODELS", "absent"))


def write(folder: Path, text: str) -> Path:
    path = folder / "vectors.txt"
    path.write_bytes(text.encode())
    return path


def test_needed_rows_alone(tmp_path: Path) -> None:
    path = write(tmp_path, "the 0.5 -1e-1 2\ncat 1 2 3\ndog 4 5 6\n")
    vectors = WordVectors.read(path, ["cat", "The", "axolotl", "Axolotl"])
    assert vectors.width == 3
    assert set(vectors.vectors) == {"cat", "the"}
    assert vectors.missing == ("Axolotl", "axolotl")
    out = vectors.extract(["THE", "axolotl", "cat", "dog"])
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, np.array([[[0.5, -0.1, 2], [0, 0, 0], [1, 2, 3], [0, 0, 0]]], np.float32))
    assert vectors.extract([]).shape == (1, 0, 3)


@pytest.mark.parametrize("lines", [["March 1 1", "march 2 2", "MARCH 3 3"], ["march 2 2", "March 1 1"]])
def test_the_lower_case_spelling_counts(tmp_path: Path, lines: list[str]) -> None:
    vectors = WordVectors.read(write(tmp_path, "\n".join(lines)), {"March"})
    assert vectors.extract(["march"]).tolist() == [[[2.0, 2.0]]]


def test_the_first_of_other_spellings_counts(tmp_path: Path) -> None:
    vectors = WordVectors.read(write(tmp_path, "Paris 1 1\nPARIS 2 2\n"), {"paris"})
    assert vectors.extract(["Paris"]).tolist() == [[[1.0, 1.0]]]


def test_a_header_entries_with_spaces_and_odd_line_ends(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeff4 2\r\nthe 1 2\r\nodd\u0085word 3 4\r\nat home 5 6\r\nat 7 8\r\n")
    vectors = WordVectors.read(path, {"the", "at"})
    assert (vectors.width, vectors.missing) == (2, ())
    assert vectors.extract(["the", "at"]).tolist() == [[[1.0, 2.0], [7.0, 8.0]]]


@pytest.mark.parametrize(
    "text, match",
    [
        ("the 1 2\ncat 1\n", "line 2: 'cat'.*2 finite numbers"),
        ("the 1 2\ncat 1 x\n", "line 2: 'cat'"),
        ("the 1 2\ncat 1 nan\n", "line 2: 'cat'"),
        ("the 1 2\ncat 1 2 3\n", "line 2: 'cat'.*3 numbers"),
        ("", "no vectors"),
        ("cat\n", "no vectors"),
        ("dog 1 2\n", "none of the study's 1 words, 'cat'"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        WordVectors.read(write(tmp_path, text), {"cat"})


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.txt"):
        WordVectors.read(tmp_path / "absent.txt", {"cat"})


def test_no_vocabulary(tmp_path: Path) -> None:
    vectors = WordVectors.read(write(tmp_path, "the 1 2\n"), set())
    assert (vectors.width, vectors.missing, vectors.vectors) == (2, (), {})


def test_a_word_of_another_case_where_case_matters(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("the 1 2\nParis 3 4\n")
    found = WordVectors.read(path, {"The", "Paris"}, fold=False)
    assert found.missing == ("The",) and found.extract(["Paris"]).tolist() == [[[3.0, 4.0]]]


def test_words_without_a_vector(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("the 1 2\ncat 3 6\nunused 9 9\n")
    words = ["the", "dog", "Cat"]
    rows = {oov: WordVectors.read(path, set(words), oov=oov).extract(words)[0].tolist() for oov in OOV}
    assert rows == {
        "zero": [[1, 2], [0, 0], [3, 6]],
        "mean": [[1, 2], [2, 4], [3, 6]],
        "drop": [[1, 2], [3, 6]],
    }
    vectors = WordVectors.read(path, set(words), oov="drop")
    assert vectors.known(words).tolist() == [True, False, True]
    assert vectors.settings["words with a vector"] == 2 and vectors.settings["words without"] == 1
    with pytest.raises(InputError, match="oov"):
        WordVectors.read(path, set(words), oov="guess")


@pytest.mark.parametrize("form", ["txt", "npy"])
def test_tables_give_what_text_gives(tmp_path: Path, form: str) -> None:
    rng = np.random.default_rng(0)
    spellings = ["The", "the", "cat", "CAT", "dog", "naïve"]
    table = rng.standard_normal((len(spellings), 4)).astype(np.float32)
    np.save(tmp_path / "table.npy", table)
    words = tmp_path / f"words.{form}"
    if form == "txt":
        words.write_text("\n".join(spellings) + "\n", encoding="utf-8")
    else:
        np.save(words, np.array(spellings))
    lines = [f"{word} " + " ".join(map(repr, row.tolist())) for word, row in zip(spellings, table, strict=True)]
    text = ("\n".join(lines) + "\n").encode()
    (tmp_path / "vectors.txt").write_bytes(text)
    (tmp_path / "vectors.txt.gz").write_bytes(gzip.compress(text))
    asked = ["THE", "Cat", "naïve", "absent"]
    found = WordVectors.read(tmp_path / "table.npy", set(asked), words=words)
    assert found.missing == ("absent",)
    np.testing.assert_array_equal(found.extract(asked)[0, :3], table[[1, 2, 5]])
    for name in ("vectors.txt", "vectors.txt.gz"):
        np.testing.assert_array_equal(
            found.extract(asked), WordVectors.read(tmp_path / name, set(asked)).extract(asked)
        )


def test_tables_that_are_none(tmp_path: Path) -> None:
    path, words = tmp_path / "table.npy", tmp_path / "words.txt"
    words.write_text("the\ncat\n")
    np.save(path, np.ones((3, 2), dtype=np.float32))
    for given, match in (
        (None, "without its words"),
        (words, "2 words.*3, one"),
        (tmp_path / "absent", "no such file"),
    ):
        with pytest.raises(InputError, match=match):
            WordVectors.read(path, {"the"}, words=given)
    for bad in (np.ones(2), np.ones((2, 2), dtype=int), np.array([["a", "b"]] * 2), np.array([None, 1])):
        np.save(path, bad)
        with pytest.raises(InputError, match=r"table.npy"):
            WordVectors.read(path, {"the"}, words=words)
    np.save(path, np.array([[np.nan, 1], [1, 1]]))
    with pytest.raises(InputError, match="row 0: 'the'"):
        WordVectors.read(path, {"the"}, words=words)
    assert WordVectors.read(path, {"cat"}, words=words).missing == ()  # what is not needed is not read
    (tmp_path / "vectors.txt").write_text("the 1 2\n")
    with pytest.raises(InputError, match="words"):
        WordVectors.read(tmp_path / "vectors.txt", {"the"}, words=words)


@pytest.mark.skipif(not (MODELS / "glove.6B.50d").is_dir(), reason="HESCHL_TEST_MODELS names no folder with GloVe")
def test_real_analogies() -> None:
    folder = MODELS / "glove.6B.50d"
    everything = (folder / "words.txt").read_text(encoding="utf-8").split("\n")[:20_000]
    vectors = WordVectors.read(folder / "vectors.npy", everything, words=folder / "words.txt")
    rows = vectors.extract(everything)[0]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9
    place = {word: i for i, word in enumerate(everything)}
    analogies = ("man king woman queen", "france paris italy rome", "big bigger small smaller")
    for a, b, c, d in (analogy.split() for analogy in analogies):
        likeness = rows @ (rows[place[b]] - rows[place[a]] + rows[place[c]])
        likeness[[place[a], place[b], place[c]]] = -np.inf
        assert d in [everything[i] for i in np.argsort(likeness)[-3:]]


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("don't", ("do", "n't")), ("can\u2019t", ("ca", "n't")), ("She's", ("she", "'s")), ("they'll", ("they", "'ll")),
        ("dogs'", ("dogs",)), ("well-known", ("well", "known")), ("mother-in-law's", ("mother", "in", "law", "'s")),
        ("e-mail", ("email",)), ("\u201cdogs,", ("dogs",)),
    ],
)  # fmt: skip
def test_contractions_possessives_and_hyphens_are_found_by_their_parts(
    tmp_path: Path, word: str, parts: tuple[str, ...]
) -> None:
    table = ["do", "ca", "n't", "she", "'s", "they", "'ll", "dogs", "well", "known", "mother", "in", "law", "email"]
    values = np.random.default_rng(0).normal(size=(len(table), 3)).astype(np.float32)
    (tmp_path / "vectors.txt").write_text(
        "".join(f"{name} {' '.join(map(str, row))}\n" for name, row in zip(table, values.tolist(), strict=True))
    )
    vectors = WordVectors.read(tmp_path / "vectors.txt", {word, "law", "x-y"})
    expected = values[[table.index(part) for part in parts]].mean(axis=0)
    np.testing.assert_allclose(vectors.extract([word])[0, 0], expected, rtol=1e-6)
    assert vectors.by_parts == (word,) and vectors.missing == ("x-y",)
    assert vectors.settings["words with a vector"] == 2 and vectors.settings["of these by their parts"] == 1
    np.testing.assert_allclose(vectors.extract(["law"])[0, 0], values[table.index("law")])


def test_a_word_of_the_table_is_not_cut(tmp_path: Path) -> None:
    (tmp_path / "vectors.txt").write_text("don't 1.0 0.0\ndo 0.0 1.0\nn't 0.0 3.0\n")
    vectors = WordVectors.read(tmp_path / "vectors.txt", {"don't"})
    assert vectors.extract(["don't"]).tolist() == [[[1.0, 0.0]]] and vectors.by_parts == ()
