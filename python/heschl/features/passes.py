"""Text models run on windows of tokens: batches of rows, long rows in chunks with cached keys and values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from heschl.features.device import exact

CHUNK = 512
"""Tokens of a causal model's pass: longer rows are read on from cached keys and values, in bounded memory."""
REFUSALS = (TypeError, AttributeError, ValueError, NotImplementedError)  # how models refuse an argument


@dataclass(frozen=True)
class Row:
    """One window of a text, and what is wanted of it.

    Parameters
    ----------
    ids : list of int
        The window's tokens.
    places : (n,) array of int64
        Places in `ids` that are wanted, ascending.
    words : (n,) array of int64
        The word that each is of.
    weights : (n,) array of float32
        What each counts in its word.
    out : (..., n_words, width) array of float32
        The text's answer, to which words are added.
    last : bool
        Whether `out` is complete with this row.
    """

    ids: list[int]
    places: NDArray[np.int64]
    words: NDArray[np.int64]
    weights: NDArray[np.float32]
    out: NDArray[np.float32]
    last: bool

    def add(self, values: NDArray[np.float32], begin: int, end: int) -> None:
        """Add what was found at the places from `begin` to before `end`, (..., n, width), to their words."""
        first, last = np.searchsorted(self.places, (begin, end))
        if first == last:
            return
        words = self.words[first:last]
        starts = np.flatnonzero(np.diff(words, prepend=-1))
        weighted = values * self.weights[first:last, None]
        self.out[..., words[starts], :] += np.add.reduceat(weighted, starts, axis=-2)


@dataclass(frozen=True)
class Abilities:
    """What a model was seen to do; where it was not, rows are read one by one, or whole.

    Parameters
    ----------
    causal : bool
        A token knows only those before it.
    padded : bool
        Rows of different lengths, padded on the right, give what each gives alone.
    cached : bool
        Reading on from cached keys and values gives what reading whole gives.
    """

    causal: bool
    padded: bool
    cached: bool


def forward(model: Any, rows: Sequence[Sequence[int]], can: Abilities, chunk: int, **wanted: bool) -> Iterator[Any]:
    """Run a model on a batch.

    A causal model needs no mask: padding stands behind all that is taken.

    Parameters
    ----------
    model : torch.nn.Module
        A transformers text model.
    rows : sequence of sequence of int
        Tokens, padded here on the right.
    can : Abilities
        Of the model.
    chunk : int
        Tokens of each row in one pass, where `can.cached`.
    **wanted
        Such as ``output_hidden_states=True``.

    Yields
    ------
    first : int
        The chunk's first column.
    output : transformers.utils.ModelOutput
        Of the chunk's columns.
    """
    device = next(model.parameters()).device
    lengths = torch.tensor([len(row) for row in rows])
    n = int(lengths.max())
    ids = torch.tensor([[*row, *[row[-1]] * (n - len(row))] for row in rows], dtype=torch.long, device=device)
    arguments: dict[str, Any] = dict(wanted)
    if not can.causal and len(rows) > 1:
        arguments["attention_mask"] = (torch.arange(n) < lengths[:, None]).long().to(device)
    if can.cached and n > chunk:
        arguments["use_cache"] = True
    else:
        chunk = n
    for begin in range(0, n, chunk):
        with torch.inference_mode(), exact(device):
            output = model(input_ids=ids[:, begin : begin + chunk], **arguments)
        yield begin, output
        if chunk < n:
            arguments["past_key_values"] = output.past_key_values


def abilities(model: Any, n_tokens: int) -> Abilities:
    """Try on four tokens what a model can do.

    Parameters
    ----------
    model : torch.nn.Module
        A transformers text model without its head.
    n_tokens : int
        Its vocabulary.

    Returns
    -------
    Abilities
        As seen.

    Raises
    ------
    TypeError, AttributeError, ValueError, NotImplementedError
        For a model that does not read tokens alone.
    """
    row = [i % n_tokens for i in range(4)]
    other = [*row[:-1], 4 % n_tokens]
    plain = Abilities(causal=True, padded=False, cached=False)  # one row alone is the same for every model
    whole = _states(model, [row], plain)[0]
    causal = _close(whole[:, :-1], _states(model, [other], plain)[0][:, :-1])
    trial = Abilities(causal, padded=True, cached=causal)
    try:
        padded = _close(_states(model, [row, row + row], trial)[0][:, :4], whole)
    except REFUSALS:
        padded = False
    try:
        cached = causal and _close(_states(model, [row], trial, chunk=3)[0], whole)
    except REFUSALS:
        cached = False
    return Abilities(causal, padded, cached)


def batches(rows: Iterable[Row], n_tokens: Callable[[], float]) -> Iterator[list[Row]]:
    """Group rows, in order, to padded batches of `n_tokens()` tokens at most (or one row), as it is at each row."""
    group: list[Row] = []
    longest = 0
    for row in rows:
        longest = max(longest, len(row.ids))
        if group and longest * (len(group) + 1) > n_tokens():
            yield group
            group, longest = [], len(row.ids)
        group.append(row)
    if group:
        yield group


def _states(model: Any, rows: list[list[int]], can: Abilities, chunk: int = CHUNK) -> NDArray[np.float32]:
    parts = [out.hidden_states for _, out in forward(model, rows, can, chunk, output_hidden_states=True)]
    joined = [torch.cat([part[layer] for part in parts], dim=1) for layer in range(len(parts[0]))]
    return np.stack([state.float().cpu().numpy() for state in joined], axis=1)  # (n_rows, n_layers, n, width)


def _close(one: NDArray[np.float32], two: NDArray[np.float32]) -> bool:
    scale = np.abs(two).max(axis=(1, 2), keepdims=True)
    return bool((np.abs(one - two) <= 1e-4 * scale).all())  # rounding only
