"""Surprisal: how little a causal language model expected each token."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from heschl.features.passes import CHUNK, Abilities, Row, forward


def add_surprisal(model: Any, row: Row, can: Abilities) -> None:
    """Add -log2 p(token | the tokens before it in the row) to the tokens' words.

    Parameters
    ----------
    model : torch.nn.Module
        A causal model with its head.
    row : Row
        With `out` (n_words, 1), in bits. The row's first token, which nothing precedes, gives NaN.
    can : Abilities
        Of the model.
    """
    if 0 in row.places[:1]:
        row.add(np.full((1, 1), np.nan, dtype=np.float32), 0, 1)
    ids = torch.tensor(row.ids)
    for begin, output in forward(model, [row.ids], can, CHUNK):
        end = begin + output.logits.shape[1]
        first, last = np.searchsorted(row.places, (begin + 1, end + 1))  # a token is foretold at the one before it
        targets = torch.from_numpy(row.places[first:last])
        logits = output.logits[0, (targets - 1 - begin).to(output.logits.device)].float()
        nats = torch.nn.functional.cross_entropy(logits, ids[targets].to(logits.device), reduction="none")
        row.add((nats / np.log(2.0)).cpu().numpy()[:, None], begin + 1, end + 1)
