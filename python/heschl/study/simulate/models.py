"""Small models with seeded random weights, saved as folders that transformers loads; word vectors as text.

Random weights know nothing of this language. What they carry is what any fixed, rich function of sound or text
carries; that is enough to find planted latents, and all that is claimed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from heschl.study.simulate.text import Lexicon

WIDTH = 48
N_BLOCKS = {"speech": 3, "language": 4}
VECTOR_WIDTH = 32


def write_speech_model(folder: Path, seed: int) -> None:
    """Write a small Wav2Vec2: the real one's frames (320 samples, 400 wide), few channels."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    config = Wav2Vec2Config(
        hidden_size=WIDTH, num_hidden_layers=N_BLOCKS["speech"], num_attention_heads=4, intermediate_size=2 * WIDTH,
        conv_dim=(WIDTH,) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4,
        do_stable_layer_norm=False, feat_extract_norm="group", initializer_range=0.1,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):  # the caller's own random numbers stay as they were
        torch.manual_seed(seed)
        Wav2Vec2Model(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=False, do_normalize=True).save_pretrained(folder)


def write_language_model(folder: Path, lexicon: Lexicon, seed: int) -> None:
    """Write a small GPT-2 with a tokenizer of one token per word.

    Its feed-forward layers are narrow: at random they only scramble what attention has gathered from earlier words,
    which is what upper layers are there for in this cohort.
    """
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(["<unk>", *lexicon.words])}
    config = GPT2Config(
        vocab_size=len(vocabulary), n_positions=64, n_embd=WIDTH, n_layer=N_BLOCKS["language"], n_head=4,
        n_inner=WIDTH // 4, initializer_range=0.1, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        GPT2Model(config).save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()  # type: ignore[assignment, unused-ignore]
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>").save_pretrained(folder)


def write_word_vectors(path: Path, lexicon: Lexicon, rng: np.random.Generator) -> None:
    """Write vectors in GloVe's text form: the meanings, mixed at random, beside as much that means nothing here."""
    mixing = rng.standard_normal((lexicon.meanings.shape[1], VECTOR_WIDTH))
    vectors = lexicon.meanings @ mixing / np.sqrt(len(mixing))
    vectors += 0.5 * rng.standard_normal(vectors.shape)
    lines = (
        f"{word} {' '.join(f'{x:.5f}' for x in vector)}" for word, vector in zip(lexicon.words, vectors, strict=True)
    )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
