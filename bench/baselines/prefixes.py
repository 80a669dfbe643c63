"""A language model asked anew for every word: the text up to it, its last token's states."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import transformers


class OnePassPerWord:
    """transformers alone, one text at a time."""

    def __init__(self, folder: Path) -> None:
        self.model = transformers.AutoModel.from_pretrained(folder).eval()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)

    def extract(self, words: list[str]) -> np.ndarray:
        """Give (n_layers, n_words, width)."""
        found = []
        for k in range(len(words)):
            ids = self.tokenizer(" ".join(words[: k + 1]), return_tensors="pt")["input_ids"]
            with torch.inference_mode():
                states = self.model(ids, output_hidden_states=True, use_cache=False).hidden_states
            found.append(torch.stack([state[0, -1] for state in states]).numpy())
        return np.stack(found, axis=1)
