"""Hidden states of language models, every layer, one vector per word; and surprisal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.features.context import Context
from heschl.features.device import Batches, place
from heschl.features.hub import source_of
from heschl.features.loading import load_config, load_tokenizer, load_weights, stack_layers
from heschl.features.passes import CHUNK, REFUSALS, Abilities, Row, abilities, batches, forward
from heschl.features.surprisal import add_surprisal
from heschl.features.tokens import POOLINGS, pooling_weights, tokenize

BATCH_TOKENS = 2048
"""Of a pass, padding included."""


class LanguageModel:
    """A pretrained language model, causal (GPT-2, OPT, Llama, GPT-NeoX …) or masked (BERT, RoBERTa …).

    Layers are transformers' ``hidden_states`` of the model without its head. Layer "0" is the input of the
    first block: the token's embedding, in GPT-2 and OPT with the position's added; in Llama and GPT-NeoX, which
    rotate positions in later, alone; in BERT, RoBERTa and DistilBERT with the position's (and the segment's) and
    normalised. Layers "1" to "L" are the outputs of the blocks; the last is behind the final norm where the
    model has one.

    Parameters
    ----------
    model : str or Path
        A folder as ``save_pretrained`` writes it (model and tokenizer), one with a single GGUF file, or a name on
        the Hub.
    context : {"sentence", "story", "fixed"}
        What of a text its words know: all of it in one pass; windows of a running story; a fixed number of
        tokens. See `heschl.features.context.Context`.
    window, stride : int, optional
        Tokens read together, and from one window to the next; see there.
    pooling : {"last", "mean", "first"}
        A word of several tokens has its last one's state (which knows the whole word), their mean, or the first.
    bidirectional : bool
        Allow a model whose words know those that follow them (BERT's kind), which would be refused otherwise.
        With context="fixed" nothing follows a word, and such a model needs no leave.
    device : {"cpu", "cuda", "auto"}
        Where it runs.
    head : bool
        Load the model with the head that foretells tokens at once, for `surprisal`, which else loads it a second time.
    revision : str, optional
        Of a model on the Hub: a branch, a tag, a commit.
    cache_dir : str or Path, optional
        Where models of the Hub are kept; by default where Hugging Face's libraries keep them (HF_HOME).

    Attributes
    ----------
    layers : list of str
        "0" to "L".
    width : int
        Features per layer.

    Raises
    ------
    InputError
        For a folder without weights or with missing ones, a tokenizer without character offsets, an
        encoder-decoder, a model that looks ahead without leave, a context that the model has not.

    Examples
    --------
    >>> from heschl.features import LanguageModel
    >>> import tempfile
    >>> from tokenizers import Tokenizer, models, pre_tokenizers
    >>> from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
    >>> tokens = Tokenizer(models.WordLevel({"?": 0, "so": 1, "it": 2, "was": 3}, unk_token="?"))
    >>> tokens.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     GPT2LMHeadModel(GPT2Config(vocab_size=4, n_embd=8, n_layer=2, n_head=2)).save_pretrained(folder)
    ...     _ = PreTrainedTokenizerFast(tokenizer_object=tokens, unk_token="?").save_pretrained(folder)
    ...     model = LanguageModel(folder)
    ...     bits = model.surprisal(["so", "it", "was"])
    >>> model.layers, model.extract(["so", "it", "was"]).shape, bits.shape
    (['0', '1', '2'], (3, 3, 8), (3, 1))
    """

    def __init__(
        self, model: str | Path, *, context: str = "sentence", window: int | None = None, stride: int | None = None,
        pooling: str = "last", bidirectional: bool = False, device: str = "cpu", head: bool = False,
        revision: str | None = None, cache_dir: str | Path | None = None,
    ) -> None:  # fmt: skip
        if pooling not in POOLINGS:
            raise InputError("pooling", repr(pooling), "'last', 'mean' or 'first'")
        self._source = source_of(model, revision, cache_dir)
        self._config = load_config(self._source)
        if self._config.is_encoder_decoder:
            raise InputError(
                f"model {self._source!r}",
                f"an encoder-decoder, {self._config.model_type!r}",
                "a causal or masked language model",
            )
        Context(context, window, stride)  # before weights are read
        self._pooling = pooling
        self._config.use_cache = False  # but where a pass is read on
        self._tokenizer = load_tokenizer(self._source)
        loaded = place(load_weights(self._source, self._config, head=head), device)
        self._batches = Batches(next(loaded.parameters()).device, BATCH_TOKENS)
        self._head: Any = loaded if head else None
        self._model = loaded.base_model if head else loaded
        text_config = self._config.get_text_config()
        self._vocabulary = int(text_config.vocab_size)
        self._context = Context(context, window, stride, _longest(self._model, text_config))
        self._can = self._try(bidirectional or context == "fixed")
        _, output = next(forward(self._model, [[0]], self._can, CHUNK, output_hidden_states=True))
        probe = stack_layers(output.hidden_states, self._source)
        self.layers = [str(layer) for layer in range(len(probe))]
        self.width = int(probe.shape[-1])

    @property
    def settings(self) -> dict[str, Any]:
        """Every choice that features depend on, in plain values."""
        around = self._tokenizer("a", return_special_tokens_mask=True, verbose=False)
        added = [i for i, special in zip(around["input_ids"], around["special_tokens_mask"], strict=True) if special]
        return {
            "model": self._source,
            "revision": getattr(self._config, "_commit_hash", None),
            "architecture": self._config.model_type,
            "context": self._context.policy,
            "window": self._context.window,
            "stride": self._context.stride,
            "pooling": self._pooling,
            "bidirectional": not self._can.causal,
            "tokenizer": type(self._tokenizer).__name__,
            "added_tokens": self._tokenizer.convert_ids_to_tokens(added),
            "surprisal_starts_from": self._tokenizer.bos_token,
        }

    def extract(self, words: Sequence[str], text: str | None = None) -> NDArray[np.float32]:
        """Read one text, and pool each word's tokens.

        Tokens are given to words by their characters. What the tokenizer puts around a text by itself (a
        beginning-of-sentence token) is kept, nothing is added to it.

        Parameters
        ----------
        words : sequence of str
            As spoken, in order.
        text : str, optional
            The same words in running text, with punctuation and case, which the model then reads. By default
            the words joined by single spaces. Free punctuation is context; its tokens are no word's.

        Returns
        -------
        (n_layers, n_words, width) array of float32
            No word: no rows.

        Raises
        ------
        InputError
            For an empty word, a word that the text lacks, a word without a token of its own, more tokens than
            the model's context holds, tokens that the model does not know.
        """
        return next(self.extract_many([words], texts=[text]))

    def extract_many(
        self, sentences: Iterable[Sequence[str]], *, texts: Iterable[str | None] | None = None,
        batch_tokens: int | None = None,
    ) -> Iterator[NDArray[np.float32]]:  # fmt: skip
        """Read many texts, several in one pass.

        Texts of a batch are padded on the right; where a model was seen to give other states then, they are read
        one by one. None knows another.

        Parameters
        ----------
        sentences : iterable of sequence of str
            The words of each text.
        texts : iterable of (str or None), optional
            Their running texts; see `extract`.
        batch_tokens : int, optional
            Tokens of one pass at most, padding included (a window that is longer is read alone). By default 2,048; on a
            GPU up to four times that, as its memory takes, and less where that runs out.

        Yields
        ------
        (n_layers, n_words, width) array of float32
            In order.

        Raises
        ------
        InputError
            As `extract`, when the text's turn comes.
        """
        if batch_tokens is not None and batch_tokens < 1:
            raise InputError("batch_tokens", str(batch_tokens), "1 token or more")
        pairs = zip(sentences, texts, strict=True) if texts is not None else zip(sentences, repeat(None), strict=False)
        rows = chain.from_iterable(self._rows(words, text) for words, text in pairs)
        most = self._batches if batch_tokens is None else Batches(self._batches.device, batch_tokens)
        for group in batches(rows, lambda: most.amount if self._can.padded else 1.0):
            self._fill([row for row in group if row.ids])
            yield from (row.out for row in group if row.last)

    def surprisal(self, words: Sequence[str], text: str | None = None) -> NDArray[np.float32]:
        """Read one text, and sum each word's -log2 p(token | what precedes it in its window).

        What precedes the first token is the tokenizer's beginning-of-sentence token, put there where the
        tokenizer itself does not. One without such a token gives NaN for words with a token that nothing precedes:
        the text's first, or the first in a window. Tokens of free punctuation are no word's.

        Parameters
        ----------
        words, text
            As for `extract`.

        Returns
        -------
        (n_words, 1) array of float32
            In bits.

        Raises
        ------
        InputError
            As `extract`, and for a model that is not causal or whose checkpoint has no head.
        """
        if not self._can.causal:
            raise InputError(
                f"model {self._source!r}", f"a masked model, {self._config.model_type!r}", "a causal one",
                "Surprisal is what a word has, given those before it.",
            )  # fmt: skip
        head = self._with_head()
        rows = self._rows(words, text, surprisal=True)
        for row in rows:
            if row.ids:
                add_surprisal(head, row, self._can)
        return rows[-1].out

    def _rows(self, words: Sequence[str], text: str | None, surprisal: bool = False) -> list[Row]:
        shape = (len(words), 1) if surprisal else (len(self.layers), len(words), self.width)
        out = np.zeros(shape, dtype=np.float32)
        none = np.zeros(0, dtype=np.int64)
        if len(words) == 0:
            return [Row([], none, none, none.astype(np.float32), out, last=True)]
        tokens = tokenize(self._tokenizer, words, text, self._source)
        before = tokens.before
        if surprisal and not before and self._tokenizer.bos_token_id is not None:
            before = [int(self._tokenizer.bos_token_id)]
        self._check_known([*before, *tokens.ids, *tokens.after])
        around = len(before) + len(tokens.after)
        word = tokens.spelled if surprisal else tokens.word
        weights = pooling_weights(word, "sum" if surprisal else self._pooling)
        windows = self._context.windows(word, around, self._can.causal, words)
        rows: list[Row] = []
        for begin, end, new in windows:
            own = new + np.flatnonzero(weights[new:end])
            ids = [*before, *tokens.ids[begin:end], *tokens.after]
            places = own - begin + len(before)
            rows.append(Row(ids, places, word[own], weights[own], out, last=len(rows) == len(windows) - 1))
        return rows

    def _fill(self, rows: Sequence[Row]) -> None:
        """Run a batch, or where a GPU has too little memory parts of it, and add its states to its rows' words."""
        for some, chunks in self._batches.run(rows, _padded_tokens, self._states):
            for begin, end, values, counts in chunks:
                for row, part in zip(some, np.split(values, np.cumsum(counts)[:-1], axis=1), strict=True):
                    row.add(part, begin, end)

    def _states(self, rows: Sequence[Row]) -> list[tuple[int, int, NDArray[np.float32], list[int]]]:
        """Run rows together.

        Returns
        -------
        list of (begin, end, states, counts)
            Of the columns from `begin` to before `end` (n_layers, n, width), those wanted, so many of each row.
        """
        found = []
        for begin, output in forward(
            self._model, [row.ids for row in rows], self._can, CHUNK, output_hidden_states=True
        ):
            end = begin + output.hidden_states[0].shape[1]
            places = [row.places[slice(*np.searchsorted(row.places, (begin, end)))] - begin for row in rows]
            counts = [len(own) for own in places]
            row_of = torch.from_numpy(np.repeat(np.arange(len(rows)), counts))
            columns = torch.from_numpy(np.concatenate(places))
            device = output.hidden_states[0].device
            taken = tuple(state[row_of.to(device), columns.to(device)][None] for state in output.hidden_states)
            found.append((begin, end, stack_layers(taken, self._source)[:, 0], counts))
        return found

    def _with_head(self) -> Any:
        """Load the model again with its head, and keep only that: both share what is below the head."""
        if self._head is None:
            device = next(self._model.parameters()).device
            self._head = load_weights(self._source, self._config, head=True).to(device)
            self._model = self._head.base_model
        return self._head

    def _try(self, look_ahead: bool) -> Abilities:
        kind = self._config.model_type
        try:
            can = abilities(self._model, self._vocabulary)
        except REFUSALS as error:
            raise InputError(
                f"model {self._source!r}",
                f"the architecture {kind!r}, which does not read tokens alone",
                "a causal or masked language model",
            ) from error
        if not can.causal and not look_ahead:
            raise InputError(
                f"model {self._source!r}",
                f"the architecture {kind!r}, which looks ahead",
                "a causal language model",
                "A word's features would hold the words after it: ask for that with bidirectional=True.",
            )
        return can

    def _check_known(self, ids: Sequence[int]) -> None:
        if max(ids) >= self._vocabulary:
            raise InputError(
                f"model {self._source!r}",
                f"a tokenizer that gives token {max(ids)}",
                f"tokens below the model's vocabulary of {self._vocabulary}",
                "Tokenizer and weights are of different models.",
            )


def _padded_tokens(rows: Sequence[Row]) -> float:
    return float(max(len(row.ids) for row in rows) * len(rows))


def _longest(model: Any, config: Any) -> int | None:
    """Tokens that the model has positions for; RoBERTa's kind counts them from behind its padding token's."""
    longest = getattr(config, "max_position_embeddings", None)
    if not longest:
        return None
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return int(longest) - int(module.padding_idx) - 1
    return int(longest)
