"""Tokens to words by their characters: odd words, running text, several tokenizers, pooling; surprisal's sums."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("transformers")

from features.language_models import direct, write
from heschl.checks import InputError
from heschl.features.language import LanguageModel
from heschl.features.tokens import locate_words, pooling_weights, tokenize
from tolerances import worst

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "timit_sample"
FLOAT32 = 1e-5
TOKENIZERS = ["bytes", "bytes-trimmed", "pieces", "prefixed-bytes"]
ODD = [
    "don't",
    "'em",
    "semi-heights",
    "1,024",
    "3.14",
    "U.S.",
    "naïve",
    "e\u0301te\u0301",
    "😀",
    "👩‍👩‍👧",
    "你好",
    "…",
    "ﬁ",
    "İ",
]


@pytest.fixture(scope="module")
def every_tokenizer(tokenizers: dict[str, Any]) -> dict[str, Any]:
    """Add BERT's kind (lower case, no accents, unknown words) and SentencePiece's kind with bytes to fall back on."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = ["[UNK]", "[CLS]", "[SEP]", "the", "sym", "##phony", "don", "'", "t", "na", "##ive", ".", ",", "semi"]
    vocabulary += ["-", "height", "##s", "ete", "1", "3"]
    pieces = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(vocabulary)}, unk_token="[UNK]"))
    pieces.normalizer = normalizers.BertNormalizer()
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pieces.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    all_bytes = {f"<0x{i:02X}>": i + 2 for i in range(256)}
    spelled = Tokenizer(
        models.BPE({"<unk>": 0, "<s>": 1} | all_bytes | {"▁": 258, "t": 259, "h": 260, "e": 261, "th": 262, "▁th": 263},
                   [("t", "h"), ("▁", "th")], byte_fallback=True, unk_token="<unk>")
    )  # fmt: skip
    spelled.pre_tokenizer = pre_tokenizers.Metaspace()
    spelled.decoder = decoders.ByteFallback()
    spelled.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizers | {
        "pieces": PreTrainedTokenizerFast(
            tokenizer_object=pieces, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
        ),
        "prefixed-bytes": PreTrainedTokenizerFast(tokenizer_object=spelled, bos_token="<s>"),
    }


def by_hand(words: list[str], tokenizer: Any) -> list[int]:
    """Tell each token's word without offsets: of the words so far, those tokens that one word more adds."""
    counts = [0]
    for k in range(len(words)):
        ids = tokenizer(" ".join(words[: k + 1]))["input_ids"]
        counts.append(len([i for i in ids if i not in tokenizer.all_special_ids or i == tokenizer.unk_token_id]))
    return np.repeat(np.arange(len(words)), np.diff(counts)).tolist()


@pytest.mark.parametrize("name", TOKENIZERS)
@given(words=st.lists(st.sampled_from(ODD) | st.text("abthe'-é", min_size=1, max_size=6), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_odd_words_have_their_own_tokens(every_tokenizer: dict[str, Any], name: str, words: list[str]) -> None:
    tokens = tokenize(every_tokenizer[name], words, None, "model")
    assert tokens.spelled.tolist() == by_hand(words, every_tokenizer[name])
    lone = [i for i in range(len(tokens.ids)) if tokens.word[i] == -1]
    assert {every_tokenizer[name].convert_ids_to_tokens(tokens.ids[i]) for i in lone} <= {"Ġ", "▁"}


@pytest.mark.parametrize("name", TOKENIZERS)
def test_punctuation_is_context_alone(every_tokenizer: dict[str, Any], name: str) -> None:
    words = ["don't", "the", "symphony", "semi", "heights"]
    text = " “Don’t!” — the symphony, semi-heights…"
    tokens = tokenize(every_tokenizer[name], words, text, "model")
    found, spans = locate_words(words, text)
    assert [found[a:b].lower().replace("’", "'") for a, b in spans] == words
    offsets = every_tokenizer[name](text, return_offsets_mapping=True)["offset_mapping"]
    for token, (start, end) in enumerate(offsets[len(tokens.before) : len(offsets) - len(tokens.after)]):
        reached = [k for k, (a, b) in enumerate(spans) if start < b and end > a]
        assert tokens.word[token] == (reached[-1] if reached else -1)
    assert -1 in tokens.word


def test_texts_that_do_not_fit_their_words() -> None:
    for words, text, message in [
        (["she", "had", "dark"], "She had your dark suit.", r"words\[2\], 'dark': found ' your dark suit\.'"),
        (["she", "had"], "She had your", "none for 'your'"),
        (["she"], "shed", "none for 'd'"),
        (["a"], "", r"words\[0\], 'a'"),
    ]:
        with pytest.raises(InputError, match=message):
            locate_words(words, text)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=8), st.data())
def test_pooling_by_hand(counts: list[int], data: Any) -> None:
    word = np.repeat(np.arange(len(counts)), counts)
    for _ in range(data.draw(st.integers(0, 3))):
        word = np.insert(word, data.draw(st.integers(0, len(word))), -1)
    states = np.random.default_rng(0).standard_normal((len(word), 3))
    for pooling, pool in [("last", lambda s: s[-1]), ("first", lambda s: s[0]), ("mean", lambda s: s.mean(0))]:
        weights = pooling_weights(word, pooling)
        found = [weights[word == k] @ states[word == k] for k in range(len(counts))]
        assert worst(np.array(found), np.array([pool(states[word == k]) for k in range(len(counts))])) < FLOAT32
        assert not weights[word == -1].any()


@pytest.mark.parametrize("pooling", ["last", "mean", "first"])
def test_a_models_words_are_pooled(tmp_path: Path, every_tokenizer: dict[str, Any], pooling: str) -> None:
    tokenizer = every_tokenizer["bytes"]
    folder = write("gpt2", tmp_path, tokenizer)
    words = ["nobody", "don't", "😀", "rehearsing"]
    word, states = np.array(by_hand(words, tokenizer)), direct(folder, tokenizer(" ".join(words))["input_ids"])
    word[np.array(tokenizer.convert_ids_to_tokens(tokenizer(" ".join(words))["input_ids"])) == "Ġ"] = -1
    pool = {"last": lambda s: s[:, -1], "first": lambda s: s[:, 0], "mean": lambda s: s.mean(1)}[pooling]
    expected = np.stack([pool(states[:, word == k]) for k in range(len(words))], axis=1)
    assert worst(LanguageModel(folder, pooling=pooling).extract(words), expected) < FLOAT32


@pytest.mark.parametrize("name", ["bytes", "prefixed-bytes", "bytes-bos"])
@pytest.mark.parametrize("kind", ["gpt2", "opt", "llama", "neox"])
def test_surprisal_sums_a_words_tokens(tmp_path: Path, every_tokenizer: dict[str, Any], kind: str, name: str) -> None:
    from transformers import PreTrainedTokenizerFast

    tokenizer = every_tokenizer[name.removesuffix("-bos")]
    if name == "bytes-bos":  # GPT-2's way: there is such a token, but the tokenizer does not put it there
        token = tokenizer.convert_ids_to_tokens(5)
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, bos_token=token)
    words = ["nobody", "don't", "the", "symphony"]
    folder = write(kind, tmp_path, tokenizer)
    ids = tokenizer(" ".join(words))["input_ids"]
    n_own = len(ids) - int(name == "prefixed-bytes")
    seen = [5, *ids] if name == "bytes-bos" else ids
    logits = direct(folder, seen, head=True).astype(np.float64)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    bits = np.full(len(seen), np.nan)
    bits[1:] = [-log_p[t - 1, seen[t]] / np.log(2) for t in range(1, len(seen))]
    word = np.array(by_hand(words, every_tokenizer[name.removesuffix("-bos")]))
    expected = np.array([bits[-n_own:][word == k].sum() for k in range(len(words))])
    assert np.isnan(expected[0]) == (name == "bytes")
    model = LanguageModel(folder)
    before = model.extract(words)
    found = model.surprisal(words)
    assert found.shape == (4, 1) and found.dtype == np.float32
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-4, equal_nan=True)
    assert worst(model.extract(words), before) == 0
    assert model.surprisal([]).shape == (0, 1)
    punctuated = model.surprisal(words, "Nobody: don't the symphony!")
    assert punctuated.shape == (4, 1) and np.isfinite(punctuated[1:]).all()


def test_models_without_surprisal(tmp_path: Path, every_tokenizer: dict[str, Any]) -> None:
    folder = write("bert", tmp_path / "bert", every_tokenizer["pieces"])
    with pytest.raises(InputError, match="a masked model, 'bert'"):
        LanguageModel(folder, bidirectional=True).surprisal(["the"])
    import transformers

    headless = write("llama", tmp_path / "llama", every_tokenizer["bytes"])
    transformers.AutoModel.from_pretrained(headless).save_pretrained(headless)
    with pytest.raises(InputError, match=r"1 missing tensors, 'lm_head"):
        LanguageModel(headless).surprisal(["the"])


def test_gguf_folders_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    (tmp_path / "a.gguf").write_bytes(b"nothing")
    with pytest.raises(InputError, match=str(tmp_path)):
        LanguageModel(tmp_path)
    (tmp_path / "b.gguf").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"2 GGUF files, 'a\.gguf' first"):
        LanguageModel(tmp_path)
    (tmp_path / "b.gguf").unlink()
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gguf" else find(name))
    with pytest.raises(InputError, match="pip install gguf accelerate"):
        LanguageModel(tmp_path)


def timit() -> dict[tuple[str, ...], str]:
    """Give the sample's sentences: words, and the text with its punctuation."""
    if not DATA.is_dir():
        pytest.skip("TIMIT's sample is not at ../shared/data/timit_sample")
    sentences = {}
    for path in sorted(DATA.glob("*/*.wrd")):
        words = tuple(line.split()[2] for line in path.read_text().splitlines())
        sentences[words] = path.with_suffix(".txt").read_text().split(maxsplit=2)[2].strip()
    return sentences


def test_timits_words_lie_in_its_texts() -> None:
    sentences = timit()
    assert len(sentences) == 130
    for words, text in sentences.items():
        _, spans = locate_words(words, text)
        assert [text[a:b].lower() for a, b in spans] == list(words)


@pytest.mark.skipif(
    "HESCHL_TEST_MODELS" not in os.environ, reason="HESCHL_TEST_MODELS names no folder with smollm2/*.gguf"
)
def test_smollm2() -> None:
    """Real weights: transformers' own states, layer by layer; natural sentences surprise less than shuffled ones."""
    import torch
    import transformers as t

    folder = Path(os.environ["HESCHL_TEST_MODELS"], "smollm2")
    (file,) = (path.name for path in folder.glob("*.gguf"))
    sentences = list(timit().items())[:30]
    model = LanguageModel(folder)
    tokenizer = t.AutoTokenizer.from_pretrained(folder, gguf_file=file)
    own = t.AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32).eval()
    for (words, text), found in zip(
        sentences[:3],
        model.extract_many([w for w, _ in sentences[:3]], texts=[x for _, x in sentences[:3]]),
        strict=True,
    ):
        encoding = tokenizer(text, return_offsets_mapping=True)
        last = [max(i for i, (a, b) in enumerate(encoding["offset_mapping"]) if a < end and b > begin)
                for begin, end in locate_words(words, text)[1]]  # fmt: skip
        with torch.inference_mode():
            states = own(torch.tensor([encoding["input_ids"]]), output_hidden_states=True).hidden_states
        assert found.shape == (31, len(words), 576)
        for layer, state in zip(found, states, strict=True):
            assert worst(layer, state[0, last].numpy()) < FLOAT32
    rng = np.random.default_rng(0)
    natural = np.concatenate([model.surprisal(words) for words, _ in sentences])
    shuffled = np.concatenate([model.surprisal(rng.permutation(words).tolist()) for words, _ in sentences])
    assert np.isfinite(natural).all()
    assert natural.mean() < shuffled.mean() - 2.0
