"""Configurations of models of a few units."""

from __future__ import annotations

from typing import Any


def tiny_wav2vec2(**changes: Any) -> Any:
    """Give the configuration of a Wav2Vec2 of three blocks, 12 features wide."""
    from transformers import Wav2Vec2Config

    settings = {
        "hidden_size": 12,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "conv_dim": [8] * 7,
        "num_conv_pos_embeddings": 8,
        "num_conv_pos_embedding_groups": 2,
    }
    return Wav2Vec2Config(**(settings | changes))
