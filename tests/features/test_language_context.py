"""Context: what a word knows, by policy; reading on from cached keys, in batches and in windows changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("transformers")

from features.language_models import CAUSAL, MASKED, direct, write
from heschl.checks import InputError
from heschl.features import language
from heschl.features.context import Context
from heschl.features.language import LanguageModel
from heschl.features.passes import Abilities
from tolerances import worst

FLOAT32 = 1e-5
STORY = ["nobody", "remembered", "the", "unfinished", "symphony", "before", "they"]
STORY += ["were", "rehearsing", "it", "nevertheless"]
Folder = Callable[..., Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tokenizers: dict[str, Any]) -> Folder:
    """Give a model's folder by its kind and its tokenizer's, written once."""
    known: dict[tuple[str, str], Path] = {}

    def give(kind: str, tokenizer: str = "bytes") -> Path:
        key = (kind, tokenizer)
        if key not in known:
            known[key] = write(kind, tmp_path_factory.mktemp("model"), tokenizers[tokenizer])
        return known[key]

    return give


def ends(tokenizer: Any, words: list[str]) -> list[int]:
    """Count, without offsets, where each word's last token stands."""
    return [len(tokenizer(" ".join(words[: k + 1]))["input_ids"]) - 1 for k in range(len(words))]


@pytest.mark.parametrize("kind", CAUSAL + MASKED)
def test_every_layer_is_transformers_own(folder: Folder, tokenizers: dict[str, Any], kind: str) -> None:
    ids, last = tokenizers["bytes"](" ".join(STORY))["input_ids"], ends(tokenizers["bytes"], STORY)
    model = LanguageModel(folder(kind), bidirectional=kind in MASKED)
    found, expected = model.extract(STORY), direct(folder(kind), ids)[:, last]
    assert found.shape == (3, len(STORY), 16)
    for layer in range(3):
        assert worst(found[layer], expected[layer]) < FLOAT32
    assert model.settings["bidirectional"] == (kind in MASKED)
    assert model._can == Abilities(causal=kind in CAUSAL, padded=True, cached=kind in CAUSAL)


@pytest.mark.parametrize("kind", CAUSAL)
@pytest.mark.parametrize("chunk", [1, 7])
def test_cached_keys_give_what_whole_passes_give(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, kind: str, chunk: int
) -> None:
    model = LanguageModel(folder(kind), pooling="mean")
    separate = np.concatenate([model.extract(STORY[: k + 1])[:, -1:] for k in range(len(STORY))], axis=1)
    expected = model.surprisal(STORY) if kind == "gpt2" else None
    monkeypatch.setattr(language, "CHUNK", chunk)
    assert worst(model.extract(STORY), separate) < FLOAT32
    assert worst(np.concatenate(list(model.extract_many([STORY, STORY[:3]])), axis=1)[:, : len(STORY)], separate) < 1e-5
    if expected is not None:
        monkeypatch.setattr("heschl.features.surprisal.CHUNK", chunk)
        np.testing.assert_allclose(model.surprisal(STORY), expected, rtol=1e-4, equal_nan=True)


@pytest.mark.parametrize("kind", ["gpt2", "opt", "llama", *MASKED])
@pytest.mark.parametrize("batch_tokens", [1, 30, 4096])
def test_padded_batches_give_what_single_texts_give(folder: Folder, kind: str, batch_tokens: int) -> None:
    model = LanguageModel(folder(kind), bidirectional=True)
    sentences = [STORY[:4], [], STORY[3:4], STORY, [], STORY[2:]]
    found = list(model.extract_many(iter(sentences), batch_tokens=batch_tokens))
    assert len(found) == len(sentences)
    for one, words in zip(found, sentences, strict=True):
        assert worst(one, model.extract(words)) < FLOAT32


@pytest.mark.parametrize("tokenizer", ["bytes", "prefixed"])
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
@pytest.mark.parametrize(("window", "stride"), [(16, 5), (16, 16), (9, 1)])
def test_a_story_is_read_in_windows(
    folder: Folder, tokenizers: dict[str, Any], kind: str, tokenizer: str, window: int, stride: int
) -> None:
    """Each word's last token by a direct call on the first window that holds it, the token before the text kept."""
    words = STORY * 2  # longer than the 64 positions
    ids, last = tokenizers[tokenizer](" ".join(words))["input_ids"], ends(tokenizers[tokenizer], words)
    n_before = int(tokenizer == "prefixed")
    size = window - n_before
    assert len(ids) > 64
    expected = []
    for token in last:
        place = token - n_before  # in the text's own tokens
        begin = 0 if place < size else -(-(place - size + 1) // min(stride, size)) * min(stride, size)
        seen = ids[:n_before] + ids[n_before:][begin : begin + size]
        expected.append(direct(folder(kind, tokenizer), seen)[:, place - begin + n_before])
    model = LanguageModel(folder(kind, tokenizer), context="story", window=window, stride=stride)
    assert worst(model.extract(words), np.stack(expected, axis=1)) < FLOAT32
    assert worst(model.extract(words[:9]), model.extract(words)[:, :9]) < FLOAT32  # whatever follows


@pytest.mark.parametrize("kind", ["gpt2", "bert"])
@pytest.mark.parametrize("tokenizer", ["bytes", "prefixed"])
def test_a_fixed_number_of_tokens(folder: Folder, tokenizers: dict[str, Any], kind: str, tokenizer: str) -> None:
    ids, last = tokenizers[tokenizer](" ".join(STORY))["input_ids"], ends(tokenizers[tokenizer], STORY)
    n_before = int(tokenizer == "prefixed")
    expected = []
    for token in last:
        begin = max(n_before, token + 1 - (20 - n_before))
        expected.append(direct(folder(kind, tokenizer), ids[:n_before] + ids[begin : token + 1])[:, -1])
    model = LanguageModel(folder(kind, tokenizer), context="fixed", window=20)
    found = model.extract(STORY)
    assert worst(found, np.stack(expected, axis=1)) < FLOAT32
    assert worst(model.extract(STORY[:6]), found[:, :6]) < FLOAT32  # not even a masked model looks ahead


@given(st.integers(0, 60), st.integers(1, 20), st.integers(1, 20), st.integers(0, 2))
def test_windows_keep_each_token_once(n: int, window: int, stride: int, around: int) -> None:
    if stride > window or window <= around:
        return
    found = Context("story", window, stride).windows(np.arange(n), around, True, [str(i) for i in range(n)])
    kept = [token for begin, end, new in found for token in range(new, end)]
    assert kept == list(range(n))
    for begin, end, new in found:
        assert 0 <= begin <= new < end <= n and end - begin <= window - around
        assert begin == 0 or new - begin >= window - around - stride


@given(st.lists(st.integers(1, 4), min_size=1, max_size=12), st.integers(4, 12), st.booleans())
def test_fixed_windows_end_with_their_word(lengths: list[int], window: int, causal: bool) -> None:
    word = np.repeat(np.arange(len(lengths)), lengths)
    found = Context("fixed", window).windows(word, 0, causal, [""] * len(lengths))
    kept = [token for begin, end, new in found for token in range(new, end)]
    assert kept == list(range(len(word)))
    assert all(end == len(word) or word[end] != word[end - 1] for _, end, _ in found)
    assert all(end - begin == min(window, end) for begin, end, _ in found)


def test_contexts_that_cannot_be(folder: Folder) -> None:
    path = folder("gpt2")
    for arguments, message in [
        ({"context": "paragraph"}, r"context: found 'paragraph'"),
        ({"window": 8}, "A sentence is read whole"),
        ({"context": "fixed"}, "window: found none"),
        ({"context": "story", "window": 65}, "at most 64"),
        ({"context": "story", "window": 8, "stride": 9}, "stride: found 9"),
        ({"context": "fixed", "window": 8, "stride": 2}, "'story' alone"),
        ({"pooling": "max"}, "pooling"),
    ]:
        with pytest.raises(InputError, match=message):
            LanguageModel(path, **arguments)
    with pytest.raises(InputError, match=r"at most 64.*context='story'"):
        LanguageModel(path).extract(STORY * 3)
    with pytest.raises(InputError, match=r"word 'nobody': found \d tokens; expected at most 2"):
        LanguageModel(path, context="fixed", window=2).extract(STORY)
    with pytest.raises(InputError, match="batch_tokens"):
        next(LanguageModel(path).extract_many([STORY], batch_tokens=0))


def test_the_longest_text_that_roberta_has_positions_for(folder: Folder, tokenizers: dict[str, Any]) -> None:
    """Its positions are counted from behind the padding token's, 1: 66 rows hold 64 tokens."""
    model = LanguageModel(folder("roberta", "words"), bidirectional=True)
    words = ["the"] * 64
    assert (
        worst(
            model.extract(words), direct(folder("roberta", "words"), tokenizers["words"](" ".join(words))["input_ids"])
        )
        < FLOAT32
    )
    with pytest.raises(InputError, match="65 tokens; expected at most 64"):
        model.extract([*words, "the"])


def test_settings_say_every_choice(folder: Folder) -> None:
    path = folder("llama", "prefixed")
    assert LanguageModel(folder("gpt2", "words")).settings["added_tokens"] == []
    assert LanguageModel(path, context="story", window=16, pooling="first").settings == {
        "model": str(path), "revision": None, "architecture": "llama", "context": "story", "window": 16, "stride": 8,
        "pooling": "first", "bidirectional": False, "tokenizer": "TokenizersBackend", "added_tokens": ["<s>"],
        "surprisal_starts_from": "<s>",
    }  # fmt: skip
