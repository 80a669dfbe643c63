"""Hidden states of causal language models, every layer, one vector per word."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.features.loading import load_config, load_tokenizer, load_weights, place, source_of, stack_layers


class LanguageModel:
    """A pretrained causal language model (GPT-2, Llama …) with a fast tokenizer.

    Layers are transformers' ``hidden_states`` of the model without its head. Layer "0" is the input of the
    first block: the token's embedding, with the position's where the model adds one (GPT-2). Layers "1" to
    "L" are the outputs of the blocks; the last is behind the final norm where the model has one.

    Parameters
    ----------
    model : str or Path
        A folder as ``save_pretrained`` writes it (model and tokenizer), or a name on the Hub.
    device : {"cpu", "cuda", "auto"}
        Where it runs.

    Attributes
    ----------
    layers : list of str
        "0" to "L".
    width : int
        Features per layer.

    Raises
    ------
    InputError
        For a folder without weights or with missing ones, a tokenizer without character offsets, a model that
        is not causal (a word would know those that follow).
    """

    def __init__(self, model: str | Path, *, device: str = "cpu") -> None:
        self._source = source_of(model)
        config = load_config(self._source)
        if config.is_encoder_decoder:
            raise InputError(
                f"model {self._source!r}",
                f"an encoder-decoder, {config.model_type!r}",
                "a causal language model",
            )
        self._tokenizer = load_tokenizer(self._source)
        self._model = place(load_weights(self._source, config), device)
        text_config = config.get_text_config()
        self._vocabulary = int(text_config.vocab_size)
        longest = getattr(text_config, "max_position_embeddings", None)
        self._longest = int(longest) if longest else None
        probe = self._check_causal(config.model_type)
        self.layers = [str(layer) for layer in range(len(probe))]
        self.width = int(probe.shape[-1])

    def extract(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Run the model on one sentence (or story), and take each word's last token.

        The words are joined by single spaces; tokens are given to words by their characters. What the
        tokenizer puts around a text by itself (a beginning-of-sentence token) is kept, nothing is added to
        it.

        Parameters
        ----------
        words : sequence of str
            As spoken, in order. Each word's context is what precedes it here.

        Returns
        -------
        (n_layers, n_words, width) array of float32
            No word: no rows.

        Raises
        ------
        InputError
            For an empty word, a word without a token of its own, more tokens than the model's context holds,
            tokens that the model does not know.
        """
        if isinstance(words, str):
            raise InputError("words", "one text", "a sequence of words")
        for place_, word in enumerate(words):
            if not word.strip():
                raise InputError(f"words[{place_}]", repr(word), "a word")
        if len(words) == 0:
            return np.zeros((len(self.layers), 0, self.width), dtype=np.float32)
        text = " ".join(words)
        encoding = self._tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True, verbose=False)
        ids = encoding["input_ids"]
        last = self._last_tokens(words, encoding["offset_mapping"], encoding["special_tokens_mask"])
        if self._longest is not None and len(ids) > self._longest:
            raise InputError(
                f"words {words[0]!r} … {words[-1]!r}",
                f"{len(ids)} tokens",
                f"at most {self._longest}, the context of {self._source!r}",
                "Cut the stimulus into shorter ones.",
            )
        if max(ids) >= self._vocabulary:
            raise InputError(
                f"model {self._source!r}",
                f"a tokenizer that gives token {max(ids)}",
                f"tokens below the model's vocabulary of {self._vocabulary}",
                "Tokenizer and weights are of different models.",
            )
        return np.ascontiguousarray(self._run(ids)[:, last])

    def _run(self, ids: Sequence[int]) -> NDArray[np.float32]:
        device = next(self._model.parameters()).device
        tokens = torch.tensor([list(ids)], dtype=torch.long, device=device)
        with torch.inference_mode():
            states = self._model(input_ids=tokens, output_hidden_states=True, use_cache=False).hidden_states
        return stack_layers(states, self._source)[:, 0]

    def _check_causal(self, kind: str) -> NDArray[np.float32]:
        """Run two short texts that differ in their last token: what precedes it must not."""
        ids = [i % self._vocabulary for i in range(4)]
        other = [*ids[:-1], 4 % self._vocabulary]
        try:
            one, two = self._run(ids), self._run(other)
        except (TypeError, AttributeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"model {self._source!r}",
                f"the architecture {kind!r}, which does not read tokens alone",
                "a causal language model",
            ) from error
        scale = np.abs(one).max(axis=(1, 2), keepdims=True)
        if (np.abs(one[:, :-1] - two[:, :-1]) > 1e-4 * scale).any():  # rounding only, where the model is causal
            raise InputError(
                f"model {self._source!r}",
                f"the architecture {kind!r}, which looks ahead",
                "a causal language model",
                "A word's features would hold the words after it.",
            )
        return one

    def _last_tokens(
        self, words: Sequence[str], offsets: Sequence[tuple[int, int]], special: Sequence[int]
    ) -> list[int]:
        """Give each word's last token: the last one whose final character lies in the word.

        A token that ends in a later word is not taken, as it knows that word; whether offsets count the space
        before a word does not matter.
        """
        ends = np.cumsum([len(word) + 1 for word in words]) - 1  # in characters of the joined text, exclusive
        last: list[int | None] = [None] * len(words)
        for token, ((start, end), is_special) in enumerate(zip(offsets, special, strict=True)):
            if is_special or end <= start:
                continue
            word = int(np.searchsorted(ends, end))
            if end > ends[word] - len(words[word]):
                last[word] = token
        lost = [word for word, token in zip(words, last, strict=True) if token is None]
        if lost:
            raise InputError(
                f"word {lost[0]!r}",
                f"no token of its own from the tokenizer of {self._source!r}",
                "at least one token in each word",
            )
        return [token for token in last if token is not None]
