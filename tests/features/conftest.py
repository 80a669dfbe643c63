"""Tiny models with seeded random weights, as folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.tiny_models import tiny_wav2vec2

TEXTS = [
    "the musicians were rehearsing an unfinished symphony",
    "nobody remembered rehearsing the symphony before",
    "an unremembered musician finished it nevertheless",
]


@pytest.fixture(scope="session")
def speech_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a Wav2Vec2 of three blocks, 12 features wide."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("wav2vec2")
    torch.manual_seed(0)
    transformers.Wav2Vec2Model(tiny_wav2vec2()).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Give fast tokenizers: words, byte-level BPE (GPT-2's way), BPE with a token before the text (Llama's way)."""
    pytest.importorskip("tokenizers")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(["?", *sorted(_vocabulary())])}, "?"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    found = {"words": PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?")}
    for name, trim in (("bytes", False), ("bytes-trimmed", True)):
        bpe = Tokenizer(models.BPE())
        bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        bpe.post_processor = processors.ByteLevel(trim_offsets=trim)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        bpe.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=290, initial_alphabet=alphabet))
        found[name] = PreTrainedTokenizerFast(tokenizer_object=bpe)
    prefixed = Tokenizer(models.BPE(unk_token="<unk>"))
    prefixed.pre_tokenizer = pre_tokenizers.Metaspace()
    prefixed.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=60, special_tokens=["<unk>", "<s>"]))
    prefixed.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    found["prefixed"] = PreTrainedTokenizerFast(tokenizer_object=prefixed, bos_token="<s>", unk_token="<unk>")
    return found


def _vocabulary() -> set[str]:
    return {word for text in TEXTS for word in text.split()}


@pytest.fixture(scope="session")
def language_folders(tmp_path_factory: pytest.TempPathFactory, tokenizers: dict[str, object]) -> dict[str, Path]:
    """Write a GPT-2 of two blocks with each tokenizer."""
    torch = pytest.importorskip("torch")
    from transformers import GPT2Config, GPT2LMHeadModel

    folders = {}
    for name, tokenizer in tokenizers.items():
        folders[name] = tmp_path_factory.mktemp(name)
        torch.manual_seed(1)
        config = GPT2Config(vocab_size=300, n_positions=64, n_embd=16, n_layer=2, n_head=2)
        GPT2LMHeadModel(config).save_pretrained(folders[name])
        tokenizer.save_pretrained(folders[name])  # type: ignore[attr-defined]
    return folders
