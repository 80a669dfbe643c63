"""How much of a text a word's features know: the windows in which a text is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError

POLICIES = ("sentence", "story", "fixed")
STORY_WINDOW = 1024  # tokens: GPT-2's whole context, and what a listener's few minutes come to


class Window(NamedTuple):
    """Tokens ``[begin, end)`` of a text are read together; the states of ``[new, end)`` are kept."""

    begin: int
    end: int
    new: int


@dataclass(frozen=True)
class Context:
    """The context policy of a language model.

    Parameters
    ----------
    policy : {"sentence", "story", "fixed"}
        "sentence": the text is read whole, in one pass. "story": in windows of `window` tokens, each begun
        `stride` tokens after the one before; a token is taken from the first window that holds it, where most
        precedes it. "fixed": each word is read with the tokens that precede it, `window` in all.
    window : int, optional
        Tokens read together, those that the tokenizer puts around a text included. For "story" 1,024 by
        default, or the model's limit where that is lower; "fixed" needs one.
    stride : int, optional
        For "story": tokens from one window to the next, half a window by default. Behind the first window
        every token is preceded by ``window - stride`` tokens at least.
    longest : int, optional
        The model's limit, where it has one.

    Raises
    ------
    InputError
        For an unknown policy, a window beyond the model's limit, a window or stride that the policy has not.

    Notes
    -----
    Positions are counted anew in each window, as a model knows no position beyond its limit. So a window shares
    nothing with the one before: even where positions are relative, the states kept from there would know what
    the new window has left behind.

    Examples
    --------
    >>> from heschl.features import Context
    >>> Context("story", window=512).stride
    256
    """

    policy: str = "sentence"
    window: int | None = None
    stride: int | None = None
    longest: int | None = None

    def __post_init__(self) -> None:
        """Check, and set what was left open."""
        if self.policy not in POLICIES:
            raise InputError("context", repr(self.policy), "'sentence', 'story' or 'fixed'")
        if self.policy != "story" and self.stride is not None:
            raise InputError("stride", f"{self.stride} with context={self.policy!r}", "a stride for 'story' alone")
        if self.policy == "sentence":
            if self.window is not None:
                raise InputError(
                    "window", f"{self.window} with context='sentence'", "no window", "A sentence is read whole."
                )
            return
        window = self.window
        if window is None:
            if self.policy == "fixed":
                raise InputError("window", "none", "the number of tokens that context='fixed' reads")
            window = min(STORY_WINDOW, self.longest or STORY_WINDOW)
        if window < 1 or (self.longest is not None and window > self.longest):
            limit = "" if self.longest is None else f", at most {self.longest}, the model's limit"
            raise InputError("window", str(window), f"1 token or more{limit}")
        object.__setattr__(self, "window", window)
        if self.policy == "story":
            stride = max(1, window // 2) if self.stride is None else self.stride
            if not 1 <= stride <= window:
                raise InputError("stride", str(stride), f"1 token or more, at most the window, {window}")
            object.__setattr__(self, "stride", stride)

    def windows(self, word: NDArray[np.int64], n_around: int, causal: bool, words: Sequence[str]) -> list[Window]:
        """Cut a text.

        Parameters
        ----------
        word : (n_tokens,) array of int64
            The word of each token, -1 for none.
        n_around : int
            Tokens that are put around each window.
        causal : bool
            Whether a token knows only those before it: then one pass serves every prefix of its window.
        words : sequence of str
            For messages.

        Returns
        -------
        list of Window
            In order; what they keep does not overlap.

        Raises
        ------
        InputError
            For a text too long to be read whole, a word longer than the window.

        Examples
        --------
        >>> import numpy as np
        >>> from heschl.features import Context
        >>> Context("story", window=4, stride=2).windows(np.arange(7), 0, True, [])
        [Window(begin=0, end=4, new=0), Window(begin=2, end=6, new=4), Window(begin=4, end=7, new=6)]
        """
        n = len(word)
        if self.policy == "sentence":
            if self.longest is not None and n + n_around > self.longest:
                raise InputError(
                    f"words {words[0]!r} … {words[-1]!r}",
                    f"{n + n_around} tokens",
                    f"at most {self.longest}, the model's limit",
                    "Cut the stimulus into shorter ones, or read it with context='story'.",
                )
            return [Window(0, n, 0)]
        assert self.window is not None
        size = self.window - n_around
        if size < 1:
            raise InputError("window", str(self.window), f"more than the {n_around} tokens put around every text")
        if self.policy == "fixed":
            return _one_per_word(word, size, causal, words)
        assert self.stride is not None
        stride = min(self.stride, size)
        found, begin, end = [], 0, 0
        while end < n:
            new, end = end, min(begin + size, n)
            found.append(Window(begin, end, new))
            begin += stride
        return found


def _one_per_word(word: NDArray[np.int64], size: int, causal: bool, words: Sequence[str]) -> list[Window]:
    own = np.flatnonzero(word >= 0)
    firsts = own[np.unique(word[own], return_index=True)[1]]
    ends = own[::-1][np.unique(word[own[::-1]], return_index=True)[1]] + 1
    found: list[Window] = []
    for place, (first, end) in enumerate(zip(firsts.tolist(), ends.tolist(), strict=True)):
        if end - first > size:
            raise InputError(
                f"word {words[place]!r}", f"{end - first} tokens", f"at most {size}, what the window leaves to a text"
            )
        if causal and end <= size and found:
            found[0] = Window(0, end, 0)  # one pass serves all words whose context reaches to the text's begin
        else:
            found.append(Window(max(0, end - size), end, first))
    return found
