"""Word vectors: only what is needed, whatever the case, and 0 for what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heschl.checks import InputError
from heschl.features.words import WordVectors


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
    path = write(tmp_path, "4 2\r\nthe 1 2\r\nodd\u0085word 3 4\r\nat home 5 6\r\nat 7 8\r\n")
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
