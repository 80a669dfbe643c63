"""Language models: each word has the state of its last token, and knows only what precedes it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from heschl.checks import InputError
from heschl.features.language import LanguageModel
from tolerances import worst

WORDS = ["nobody", "remembered", "the", "unfinished", "symphony"]
FLOAT32 = 1e-5  # the same float32 operations, summed in another order
TOKENIZERS = ["words", "bytes", "bytes-trimmed", "prefixed"]


def direct(folder: Path, ids: list[int]) -> np.ndarray:
    """Give all layers of the tokens, (n_layers, n_tokens, width), by transformers alone."""
    model = transformers.GPT2LMHeadModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        states = model(torch.tensor([ids]), output_hidden_states=True).hidden_states
    return torch.cat(states).numpy()


@pytest.mark.parametrize("name", TOKENIZERS)
def test_words_have_the_state_of_their_last_token(language_folders: dict[str, Path], name: str) -> None:
    """Counted without offsets: the tokens of the first k words are where word k ends."""
    folder = language_folders[name]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(" ".join(WORDS))["input_ids"]
    ends = [len(tokenizer(" ".join(WORDS[: k + 1]))["input_ids"]) - 1 for k in range(len(WORDS))]
    assert ends[-1] == len(ids) - 1
    if name != "words":
        assert len(ids) > len(WORDS) + 3  # words are of several tokens
    model = LanguageModel(folder)
    found = model.extract(WORDS)
    assert (model.layers, model.width) == (["0", "1", "2"], 16)
    assert found.dtype == np.float32
    assert worst(found, direct(folder, ids)[:, ends]) < FLOAT32


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_word_knows_what_precedes_it_and_nothing_else(language_folders: dict[str, Path], name: str) -> None:
    model = LanguageModel(language_folders[name])
    whole = model.extract(WORDS)
    assert worst(model.extract(WORDS[:3]), whole[:, :3]) < FLOAT32
    other = model.extract(["rehearsing", *WORDS[1:]])
    assert np.abs(other[1:, 1:] - whole[1:, 1:]).max() > 1e-3  # context reaches every later word


def test_a_token_before_the_text_is_the_tokenizers_own(language_folders: dict[str, Path]) -> None:
    for name in TOKENIZERS:
        tokenizer = transformers.AutoTokenizer.from_pretrained(language_folders[name])
        first = tokenizer("nobody")["input_ids"][0]
        assert (first == tokenizer.bos_token_id) == (name == "prefixed")


def test_layer_0_is_the_embedding(language_folders: dict[str, Path]) -> None:
    folder = language_folders["words"]
    model = transformers.GPT2Model.from_pretrained(folder)
    ids = transformers.AutoTokenizer.from_pretrained(folder)(" ".join(WORDS))["input_ids"]
    with torch.inference_mode():
        expected = model.wte.weight[ids] + model.wpe.weight[: len(ids)]
    assert worst(LanguageModel(folder).extract(WORDS)[0], expected.numpy()) < FLOAT32


@pytest.mark.parametrize("words", [["don't", "the"], ["déjà", "vu", "😀", "the"], ["New York", "the"]])
@pytest.mark.parametrize("name", ["bytes", "bytes-trimmed"])
def test_words_of_any_characters(language_folders: dict[str, Path], name: str, words: list[str]) -> None:
    folder = language_folders[name]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(" ".join(words))["input_ids"]
    ends = [len(tokenizer(" ".join(words[: k + 1]))["input_ids"]) - 1 for k in range(len(words))]
    assert worst(LanguageModel(folder).extract(words), direct(folder, ids)[:, ends]) < FLOAT32


def test_an_unknown_word_is_the_tokenizers_unknown_token(language_folders: dict[str, Path]) -> None:
    found = LanguageModel(language_folders["words"]).extract(["the", "xyzzy"])
    assert worst(found, direct(language_folders["words"], [_id(language_folders["words"], "the"), 0])) < FLOAT32


def _id(folder: Path, word: str) -> int:
    return int(transformers.AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids(word))


def test_no_words(language_folders: dict[str, Path]) -> None:
    assert LanguageModel(language_folders["words"]).extract([]).shape == (3, 0, 16)


def test_words_that_cannot_be(language_folders: dict[str, Path]) -> None:
    model = LanguageModel(language_folders["bytes"])
    with pytest.raises(InputError, match=r"words\[1\]"):
        model.extract(["the", " "])
    with pytest.raises(InputError, match="a sequence of words"):
        model.extract("the symphony")
    with pytest.raises(InputError, match="at most 64"):
        model.extract(["the"] * 100)
    with pytest.raises(InputError, match=r"200 tokens.*at most 64"):
        model.extract(["\u0001" * 200])  # one word, longer than the context


def test_a_tokenizer_of_another_model(
    tmp_path: Path, language_folders: dict[str, Path], tokenizers: dict[str, object]
) -> None:
    config = transformers.GPT2Config(vocab_size=8, n_positions=64, n_embd=16, n_layer=1, n_head=2)
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    tokenizers["words"].save_pretrained(tmp_path)  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="vocabulary of 8"):
        LanguageModel(tmp_path).extract(WORDS)


def test_a_word_that_the_tokenizer_drops(tmp_path: Path, language_folders: dict[str, Path]) -> None:
    from tokenizers import Tokenizer, normalizers

    shutil.copytree(language_folders["words"], tmp_path / "model")
    tokenizer = Tokenizer.from_file(str(tmp_path / "model" / "tokenizer.json"))
    tokenizer.normalizer = normalizers.Replace("uh", "")
    tokenizer.save(str(tmp_path / "model" / "tokenizer.json"))
    with pytest.raises(InputError, match=r"'uh'.*no token"):
        LanguageModel(tmp_path / "model").extract(["the", "uh", "symphony"])


def test_a_model_that_looks_ahead(tmp_path: Path, tokenizers: dict[str, object]) -> None:
    config = transformers.BertConfig(
        vocab_size=300, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    transformers.BertForMaskedLM(config).save_pretrained(tmp_path)
    tokenizers["words"].save_pretrained(tmp_path)  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="causal"):
        LanguageModel(tmp_path)


def test_a_causal_model_of_another_family(tmp_path: Path, tokenizers: dict[str, object]) -> None:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=300, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=16, max_position_embeddings=64, tie_word_embeddings=False,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(tmp_path)
    tokenizers["words"].save_pretrained(tmp_path)  # type: ignore[attr-defined]
    ids = tokenizers["words"](" ".join(WORDS))["input_ids"]  # type: ignore[operator]
    with torch.inference_mode():
        states = model.float().eval()(torch.tensor([ids]), output_hidden_states=True).hidden_states
    assert worst(LanguageModel(tmp_path).extract(WORDS), torch.cat(states).numpy()) < FLOAT32


def test_folders_that_hold_no_model(
    tmp_path: Path, language_folders: dict[str, Path], speech_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="no such folder"):
        LanguageModel(tmp_path / "absent")
    source = language_folders["words"]
    shutil.copytree(source, tmp_path / "bare", ignore=shutil.ignore_patterns("*.safetensors"))
    with pytest.raises(InputError, match=r"bare.*weights"):
        LanguageModel(tmp_path / "bare")
    shutil.copytree(source, tmp_path / "mute", ignore=shutil.ignore_patterns("tokenizer*"))
    with pytest.raises(InputError, match=r"mute.*tokenizer"):
        LanguageModel(tmp_path / "mute")
    with pytest.raises(InputError, match=str(speech_folder)):
        LanguageModel(speech_folder)
    model = transformers.GPT2LMHeadModel.from_pretrained(source)
    tensors = {k: v for k, v in model.state_dict().items() if "h.1.mlp.c_fc" not in k and "lm_head" not in k}
    shutil.copytree(source, tmp_path / "holes")
    model.save_pretrained(tmp_path / "holes", state_dict=tensors)
    capfd.readouterr()
    with pytest.raises(InputError, match=r"holes.*2 missing tensors.*h\.1\.mlp\.c_fc"):
        LanguageModel(tmp_path / "holes")
    assert capfd.readouterr() == ("", "")
