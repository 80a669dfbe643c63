"""Which tokens are whose: the words of a text, a tokenizer's tokens, and the weights that pool them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError

POOLINGS = ("last", "mean", "first")
_STRAIGHT = str.maketrans({"’": "'", "‘": "'", "ʼ": "'"})  # one character each, so that places stay


@dataclass(frozen=True)
class Tokens:
    """The tokens of one text.

    Parameters
    ----------
    before, after : list of int
        What the tokenizer puts around a text by itself (a beginning-of-sentence token, "[CLS]", "[SEP]").
    ids : list of int
        The text's own tokens.
    word : (n_tokens,) array of int64
        The word that each of `ids` belongs to; -1 where it is of no word (free punctuation, a lone space).
    spelled : (n_tokens,) array of int64
        The same, with lone spaces given to the word behind them: what a model must foretell to foretell a word.
    """

    before: list[int]
    ids: list[int]
    after: list[int]
    word: NDArray[np.int64]
    spelled: NDArray[np.int64]


def locate_words(words: Sequence[str], text: str | None = None) -> tuple[str, NDArray[np.int64]]:
    """Return where each word's characters lie in the running text.

    The text must hold the words, all of them and no others, in order; case, punctuation between words, the shape of
    the apostrophe and the way accents are written (Unicode NFC or NFD) may differ.

    Parameters
    ----------
    words : sequence of str
        As spoken, in order.
    text : str, optional
        The same with punctuation and case. By default the words joined by single spaces.

    Returns
    -------
    text : str
        The running text; in NFC where it was given.
    spans : (n_words, 2) array of int64
        First character of each word and the one behind its last.

    Raises
    ------
    InputError
        For an empty word, for a word that the text lacks, or a word of the text that is not among `words`.

    Examples
    --------
    >>> locate_words(["don't", "go"], "“Don’t … go!”")[1].tolist()
    [[1, 6], [9, 11]]
    """
    if isinstance(words, str):
        raise InputError("words", "one text", "a sequence of words")
    for place, word in enumerate(words):
        if not word.strip():
            raise InputError(f"words[{place}]", repr(word), "a word")
    if text is None:
        ends = np.cumsum([len(word) + 1 for word in words], dtype=np.int64) - 1
        lengths = np.array([len(word) for word in words], dtype=np.int64)
        return " ".join(words), np.column_stack([ends - lengths, ends])
    words, text = [unicodedata.normalize("NFC", word) for word in words], unicodedata.normalize("NFC", text)
    straight, position, spans = text.translate(_STRAIGHT), 0, []
    for place, word in enumerate(words):
        found = re.compile(rf"\W*?({re.escape(word.translate(_STRAIGHT))})", re.IGNORECASE).match(straight, position)
        if found is None:
            raise InputError(
                f"words[{place}], {word!r}",
                f"{text[position : position + 30]!r} at character {position} of the text",
                "the words in the order of the text, and no word of it left out",
            )
        spans.append(found.span(1))
        position = found.end()
    if re.search(r"\w", straight[position:]):
        raise InputError(
            "words", f"none for {text[position:].strip()[:30]!r} at the text's end", "every word of the text"
        )
    return text, np.array(spans, dtype=np.int64).reshape(-1, 2)


def tokenize(tokenizer: Any, words: Sequence[str], text: str | None, source: str) -> Tokens:
    """Assign a text's tokens to its words by their characters.

    A token is of the last word that it shares a character with: one that reaches into a later word knows that
    word. Whether a token's characters include the space before a word, or the comma behind it, does not matter.

    Parameters
    ----------
    tokenizer : transformers.PreTrainedTokenizerFast
        With character offsets.
    words : sequence of str
        As spoken, in order.
    text : str or None
        See `locate_words`.
    source : str
        Names the model in messages.

    Returns
    -------
    Tokens
        Every word has one at least.

    Raises
    ------
    InputError
        As `locate_words`, and for a word without a token of its own.
    """
    text, spans = locate_words(words, text)
    encoding = tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True, verbose=False)
    ids: list[int] = encoding["input_ids"]
    special = np.array(encoding["special_tokens_mask"], dtype=bool)
    own = np.flatnonzero(~special)
    first, last = (int(own[0]), int(own[-1]) + 1) if own.size else (len(ids), len(ids))
    offsets = np.array(encoding["offset_mapping"], dtype=np.int64).reshape(-1, 2)[first:last]
    starts, ends = offsets[:, 0], offsets[:, 1]
    word = np.searchsorted(spans[:, 0], ends).astype(np.int64) - 1  # the last that begins before the token's end
    apart = (word < 0) | (ends <= starts) | special[first:last]
    apart |= starts >= spans[np.maximum(word, 0), 1] if len(spans) else True
    word[apart] = -1
    lost = np.setdiff1d(np.arange(len(words)), word)
    if lost.size:
        raise InputError(
            f"word {words[lost[0]]!r}",
            f"no token of its own from the tokenizer of {source!r}",
            "at least one token in each word",
        )
    spelled = word.copy()
    for token in np.flatnonzero(apart & ~special[first:last]):
        following = int(np.searchsorted(spans[:, 0], ends[token]))
        if following < len(words) and not text[starts[token] : spans[following, 0]].strip():
            spelled[token] = following
    return Tokens(ids[:first], ids[first:last], ids[last:], word, spelled)


def pooling_weights(word: NDArray[np.int64], pooling: str) -> NDArray[np.float32]:
    """Weigh tokens so that a word's features are the weighted sum of its tokens'.

    Parameters
    ----------
    word : (n_tokens,) array of int64
        The word of each token, -1 for none.
    pooling : {"last", "mean", "first", "sum"}
        The word's last token, the mean of all, the first, the sum.

    Returns
    -------
    (n_tokens,) array of float32
        0 for tokens that do not count.

    Examples
    --------
    >>> pooling_weights(np.array([0, 0, -1, 1]), "mean").tolist()
    [0.5, 0.5, 0.0, 1.0]
    """
    weights = (word >= 0).astype(np.float32)
    own = np.flatnonzero(word >= 0)
    if pooling in ("last", "first"):
        order = own if pooling == "first" else own[::-1]
        weights[:] = 0
        weights[order[np.unique(word[order], return_index=True)[1]]] = 1
    elif pooling == "mean":
        weights[own] /= np.bincount(word[own])[word[own]]
    return weights
