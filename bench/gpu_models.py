"""Models on the card for `gpu.py`: Wav2Vec2-base and GPT-2 XL by shape, with random weights, and the CPU beside."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

WORDS = ["so", "it", "was", "said", "that", "nobody", "heard", "a", "word", "of", "what", "she", "told", "them"]
CLOSE = 1e-4
"""Beside a layer's largest value: how far features on the card may be from the CPU's."""


def write_speech(folder: Path, small: bool) -> None:
    """Wav2Vec2-base: 12 blocks, 768 features wide."""
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    tiny: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "conv_dim": [8] * 7}
    tiny |= {"intermediate_size": 32, "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2}
    Wav2Vec2Model(Wav2Vec2Config(**(tiny if small else {}))).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)


def write_language(folder: Path, small: bool) -> None:
    """GPT-2 XL: 48 blocks, 1,600 features wide; a tokenizer of a few words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerFast

    size = (16, 2, 2, 64) if small else (1600, 48, 25, 50_257)
    width, blocks, heads, vocabulary = size
    config = GPT2Config(n_embd=width, n_layer=blocks, n_head=heads, vocab_size=vocabulary)
    GPT2Model(config).save_pretrained(folder)
    tokens = Tokenizer(models.WordLevel({word: i for i, word in enumerate(["?", *WORDS])}, unk_token="?"))
    tokens.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokens, unk_token="?").save_pretrained(folder)


def measure(kind: str, device: str, small: bool) -> tuple[float, float, str]:
    """Extract features of one kind on a device.

    Returns
    -------
    seconds
        Of a minute of sound in twelve sounds, or of 2,048 words in texts of 64.
    apart
        Largest distance of short input from the CPU's, beside the layer's largest value.
    shape
        Of the model, in words.
    """
    from heschl.features import LanguageModel, SpeechModel

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if kind == "speech":
            write_speech(folder, small)
            there, here = (SpeechModel(folder, device=where) for where in (device, "cpu"))
            sounds = [rng.standard_normal(80_000 if not small else 1200).astype(np.float32) for _ in range(12)]

            def work() -> None:
                for blocks in there.extract_many(sounds):
                    list(blocks)

            found, expected = (model.extract(sounds[0][:16_000]) for model in (there, here))
        else:
            write_language(folder, small)
            there, here = (LanguageModel(folder, device=where) for where in (device, "cpu"))
            texts = [list(rng.choice(WORDS, 64)) for _ in range(32 if not small else 2)]

            def work() -> None:
                list(there.extract_many(texts))

            found, expected = (model.extract(texts[0][:16]) for model in (there, here))
        apart = np.abs(found - expected).max(axis=(1, 2)) / np.abs(expected).max(axis=(1, 2))
        work()
        start = time.perf_counter()
        work()
        taken = time.perf_counter() - start
        return taken, float(apart.max()), f"{len(there.layers) - 1} × {there.width}"
