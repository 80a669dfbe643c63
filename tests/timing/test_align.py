"""Words and frames: exact at the edges, both ways."""

from __future__ import annotations

import itertools
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heschl.checks import InputError
from heschl.timing.align import (
    check_frame_counts,
    frames_to_words,
    onset_frames,
    runs,
    word_of_frames,
    words_to_frames,
    words_to_onsets,
)
from heschl.timing.audio import duration
from heschl.timing.grid import FrameGrid
from heschl.timing.transcripts import read_timit
from heschl.timing.words import Word

DATA = Path(__file__).parents[3] / "shared" / "data"
WAV2VEC2 = FrameGrid(unit_hz=16000.0, stride=320, centre=200, width=400)


@st.composite
def spoken(draw: st.DrawFn) -> list[Word]:
    cuts = sorted(draw(st.lists(st.integers(0, 60), max_size=12, unique=True)))
    touching = draw(st.booleans())
    pairs = itertools.pairwise(cuts) if touching else zip(cuts[::2], cuts[1::2], strict=False)
    return [Word("w", a / 20, b / 20) for a, b in pairs]


@given(spoken())
def test_words_against_a_loop(words: list[Word]) -> None:
    times = np.arange(50) / 20
    values = np.arange(1, 2 * 3 * len(words) + 1, dtype=np.float32).reshape(2, len(words), 3)
    frames = words_to_frames(values, words, times)
    held = words_to_frames(values, words, times, silence="hold")
    assert frames.shape == (2, 50, 3) and frames.dtype == np.float32
    for i, t in enumerate(times):
        inside = [k for k, word in enumerate(words) if word.start <= t < word.end]
        begun = [k for k, word in enumerate(words) if word.start <= t]
        np.testing.assert_array_equal(frames[:, i], values[:, inside[0]] if inside else np.zeros((2, 3)))
        np.testing.assert_array_equal(held[:, i], values[:, begun[-1]] if begun else np.zeros((2, 3)))


@given(spoken(), st.randoms(use_true_random=False))
def test_the_order_of_the_words_does_not_matter(words: list[Word], random: Random) -> None:
    """Rows of a transcript of overlapping speech keep the text's order; frames are found by time all the same."""
    order = list(range(len(words)))
    random.shuffle(order)
    times = np.arange(50) / 20
    for silence in ("zero", "hold"):
        plain = word_of_frames(words, times, silence=silence)
        found = word_of_frames([words[i] for i in order], times, silence=silence)
        np.testing.assert_array_equal(np.append(order, -1)[found], plain)


@given(spoken())
def test_back_and_forth(words: list[Word]) -> None:
    times = np.arange(60) / 20 + 0.01
    values = np.random.default_rng(0).standard_normal((len(words), 2))
    frames = words_to_frames(values, words, times)
    word = word_of_frames(words, times)
    index, counts = runs(word)
    np.testing.assert_array_equal(np.repeat(index, counts), word)
    assert (counts > 0).all() and (np.diff(index) != 0).all()
    seen = np.isin(np.arange(len(words)), word)
    np.testing.assert_allclose(frames_to_words(frames, words, times)[seen], values[seen], rtol=1e-12)


@given(spoken())
def test_no_onset_is_lost(words: list[Word]) -> None:
    """Every word that begins before the last frame ends has its onset in the frame nearest to it."""
    times = np.arange(50) / 20 + 0.03
    frames = onset_frames(words, times)
    for word, frame in zip(words, frames.tolist(), strict=True):
        if frame < 0:
            assert word.start > times[-1] + 0.025 - 1e-9
        else:
            distances = np.abs(times - word.start)
            assert distances[frame] <= distances.min() + 1e-9
    ones = words_to_onsets(np.ones((2, len(words), 1)), words, times)
    assert (ones.sum(axis=1) == (frames >= 0).sum()).all()


def test_onsets_of_few_frames_and_two_at_once() -> None:
    words = [Word("a", 0.1, 0.12), Word("b", 0.12, 0.3), Word("c", 0.35, 0.4)]
    assert words_to_onsets(np.array([[1.0], [2.0], [4.0]]), words, np.arange(3) * 0.1).ravel().tolist() == [0, 3, 0]
    assert onset_frames(words, np.array([0.2])).tolist() == [0, 0, 0]
    assert onset_frames(words, np.zeros(0)).tolist() == [-1, -1, -1]


def test_a_word_without_a_frame_takes_the_nearest() -> None:
    frames = np.array([[1.0], [2.0], [4.0]])
    found = frames_to_words(frames, [Word("a", 0.05, 0.09), Word("b", 0.11, 0.14), Word("c", 5, 6)], np.arange(3) / 10)
    assert found.ravel().tolist() == [2.0, 2.0, 4.0]


@given(st.integers(0, 2**20), st.integers(1, 4000))
def test_edges_on_a_centre_are_exact(start: int, n: int) -> None:
    """A word from the very centre of a frame to that of another has the first frame and not the last."""
    centres = WAV2VEC2.centre + WAV2VEC2.stride * np.array([start, start + n])
    (word,) = [Word("w", float(centres[0] / 16000), float(centres[1] / 16000))]
    frames = np.arange(max(0, start - 2), start + n + 2)
    times = (WAV2VEC2.centre + WAV2VEC2.stride * frames) / WAV2VEC2.unit_hz
    inside = frames[word_of_frames([word], times) == 0]
    assert (inside[0], inside[-1]) == (start, start + n - 1)


def test_what_does_not_fit() -> None:
    two = [Word("a", 0, 1), Word("b", 0.5, 2)]
    with pytest.raises(InputError, match="one row per word"):
        words_to_frames(np.zeros((2, 3)), two[:1], np.zeros(4))
    with pytest.raises(InputError, match="'b'"):
        words_to_frames(np.zeros((2, 3)), two, np.zeros(4))
    with pytest.raises(InputError, match="silence"):
        word_of_frames(two[:1], np.zeros(4), silence="repeat")
    for frames in (np.zeros((3, 2)), np.zeros((0, 2))):
        with pytest.raises(InputError, match="frame"):
            frames_to_words(frames, two[:1], np.zeros(len(frames) and 4))
    assert word_of_frames([], np.zeros(3)).tolist() == [-1, -1, -1]
    assert [part.size for part in runs(np.zeros(0, dtype=np.int64))] == [0, 0]


def test_frame_counts_of_both_sides() -> None:
    assert check_frame_counts({"a": 50, "b": 60}, {"b": 61, "a": 50}, 50.0) == {"a": 50, "b": 60}
    with pytest.raises(InputError, match=r"'b'.*60 frames of features and 70 of responses.*responses go on for 0.2 s"):
        check_frame_counts({"a": 50, "b": 60}, {"a": 50, "b": 70}, 50.0)
    with pytest.raises(InputError, match="he features go on for 1 s"):
        check_frame_counts({"a": 50}, {"a": 0}, 50.0)
    with pytest.raises(InputError, match=r"responses: found nothing for stimulus 'b'"):
        check_frame_counts({"a": 50, "b": 60}, {"a": 50}, 50.0)
    with pytest.raises(InputError, match=r"features: found nothing for stimulus 'b'"):
        check_frame_counts({"a": 50}, {"a": 50, "b": 60}, 50.0)


@pytest.mark.skipif(not DATA.exists(), reason="the real data (../shared/data) are not here")
def test_every_timit_word_lies_in_its_interval_to_half_a_frame() -> None:
    n_words, half = 0, WAV2VEC2.stride / WAV2VEC2.unit_hz / 2
    for file in sorted((DATA / "timit_sample").glob("*/*.wrd")):
        words = read_timit(file).cut_at_next().words
        times = WAV2VEC2.times(WAV2VEC2.n_frames(duration(file.with_suffix(".wav"))))
        word = word_of_frames(words, times)
        for i, gold in enumerate(words):
            frames = times[word == i]
            n_words += len(frames) > 0
            assert len(frames), gold  # no word of TIMIT is too short to have a frame
            assert frames[0] - half <= gold.start + 2 * half and gold.start <= frames[0]
            assert frames[-1] < gold.end and gold.end <= frames[-1] + 2 * half + 1e-12
    assert n_words == 1394


@pytest.mark.skipif(not DATA.exists(), reason="the real data (../shared/data) are not here")
def test_one_sentence_by_sixteen_speakers_is_one_sequence_warped_in_time() -> None:
    rng = np.random.default_rng(0)
    takes = sorted((DATA / "timit_sample").glob("*/sa1.wrd"))
    assert len(takes) == 16
    sequences, lengths = set(), set()
    vectors = {text: rng.standard_normal(3) for text in {w.text for take in takes for w in read_timit(take).words}}
    for take in takes:
        words = read_timit(take).cut_at_next().words
        values = np.stack([vectors[word.text] for word in words])
        times = WAV2VEC2.times(WAV2VEC2.n_frames(duration(take.with_suffix(".wav"))))
        index, counts = runs(word_of_frames(words, times))
        frames = words_to_frames(values, words, times)
        kept = frames[np.concatenate([[0], np.cumsum(counts)[:-1]])][index >= 0]
        np.testing.assert_array_equal(kept, values)
        sequences.add(kept.tobytes())
        lengths.add(tuple(counts))
    assert len(sequences) == 1 and len(lengths) == 16
