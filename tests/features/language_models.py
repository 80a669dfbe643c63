"""Tiny text models with seeded random weights, as folders, and what transformers itself says of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

SIZES: dict[str, Any] = {"vocab_size": 300, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
CAUSAL = ["gpt2", "opt", "opt-projected", "llama", "neox"]
MASKED = ["bert", "roberta", "distilbert"]


def write(kind: str, folder: Path, tokenizer: Any) -> Path:
    """Save a model of 64 positions with its head, and a tokenizer."""
    import torch
    import transformers as t

    wide = SIZES | {"intermediate_size": 24, "max_position_embeddings": 64}
    opt = SIZES | {"ffn_dim": 24, "max_position_embeddings": 64, "word_embed_proj_dim": 16}
    before = {"word_embed_proj_dim": 8, "do_layer_norm_before": False}
    torch.manual_seed(3)
    model = {
        "gpt2": lambda: t.GPT2LMHeadModel(t.GPT2Config(vocab_size=300, n_positions=64, n_embd=16, n_layer=2, n_head=2)),
        "opt": lambda: t.OPTForCausalLM(t.OPTConfig(**opt)),
        "opt-projected": lambda: t.OPTForCausalLM(t.OPTConfig(**(opt | before))),
        "llama": lambda: t.LlamaForCausalLM(t.LlamaConfig(**wide, num_key_value_heads=1)),
        "neox": lambda: t.GPTNeoXForCausalLM(t.GPTNeoXConfig(**wide)),
        "bert": lambda: t.BertForMaskedLM(t.BertConfig(**wide)),
        "roberta": lambda: t.RobertaForMaskedLM(t.RobertaConfig(**(wide | {"max_position_embeddings": 66}))),
        "distilbert": lambda: t.DistilBertForMaskedLM(
            t.DistilBertConfig(vocab_size=300, dim=16, n_layers=2, n_heads=2, hidden_dim=24, max_position_embeddings=64)
        ),
    }[kind]()
    for parameter in model.parameters():  # as far from 0 as trained ones: layers then differ, and context matters
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@cache
def load(folder: Path, head: bool) -> Any:
    """Load a model once."""
    import transformers as t

    return (t.AutoModelForCausalLM if head else t.AutoModel).from_pretrained(folder).eval()


def direct(folder: Path, ids: list[int], head: bool = False) -> np.ndarray:
    """Give all layers of one text's tokens, (n_layers, n_tokens, width), or their logits, by transformers alone."""
    import torch

    model = load(folder, head)
    with torch.inference_mode():
        if head:
            return model(torch.tensor([ids])).logits[0].numpy()
        states: list[Any] = []
        if model.config.model_type == "opt":  # what enters a block: the last state is not projected
            hooks = [b.register_forward_hook(lambda _, i, o: states.append((i[0], o))) for b in model.decoder.layers]
            out = model(torch.tensor([ids])).last_hidden_state
            for hook in hooks:
                hook.remove()
            final = model.decoder.final_layer_norm
            outputs = [o[0] if isinstance(o, tuple) else o for _, o in states]
            assert final is None or torch.equal(final(outputs[-1]), out)
            layers = [states[0][0], *outputs[:-1], outputs[-1] if final is None else out]
            return torch.cat(layers).numpy()
        return torch.cat(model(torch.tensor([ids]), output_hidden_states=True).hidden_states).numpy()
