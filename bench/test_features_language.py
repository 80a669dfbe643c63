"""Language models: every word of a story in one pass, against one pass per word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

WORDS = [f"word{i}" for i in range(200)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, quick: bool) -> Path:
    """Write a GPT-2 of 6 blocks, 384 wide, and a tokenizer that knows the words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerFast

    path = tmp_path_factory.mktemp("gpt2")
    torch.manual_seed(0)
    width, depth = (16, 2) if quick else (384, 6)
    config = GPT2Config(vocab_size=1000, n_positions=1024, n_embd=width, n_layer=depth, n_head=width // 16)
    GPT2Model(config).save_pretrained(path)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(["?", *WORDS])}, "?"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="?").save_pretrained(path)
    return path


@pytest.mark.parametrize("rival", ["heschl", "transformers, one pass per word"])
def test_story(measure: Any, folder: Path, quick: bool, rival: str) -> None:
    """All layers of a story of 200 words."""
    import torch
    from baselines.prefixes import OnePassPerWord

    from heschl.features.language import LanguageModel

    words = np.random.default_rng(0).choice(WORDS, 20 if quick else 200).tolist()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ours, theirs = LanguageModel(folder, context="story"), OnePassPerWord(folder)
        run = {"heschl": lambda: ours.extract(words), "transformers, one pass per word": lambda: theirs.extract(words)}
        found = measure("language model, a story", rival, run[rival], rounds=3 if rival == "heschl" else 1, warmup=0)
        expected = theirs.extract(words[:40])
    finally:
        torch.set_num_threads(threads)
    assert np.abs(found[:, :40] - expected).max() <= 1e-5 * np.abs(expected).max()
