"""Where models run, in float32, and how much goes through one in a pass: on a GPU as much as its memory takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

from heschl.checks import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 4.0
"""Times as much as on a CPU that a pass on a GPU takes at most: it is busy with that, and the host holds the states."""
SHARE = 0.5
"""Of a GPU's free memory that the next pass may be expected to take: attention grows with the square of a length."""


def place(model: Any, device: str) -> Any:
    """Move a model to a device.

    Parameters
    ----------
    model : torch.nn.Module
        The model.
    device : str
        "cpu", "cuda" (or "cuda:1" …), or "auto": CUDA where there is one.

    Returns
    -------
    torch.nn.Module
        The model.

    Raises
    ------
    InputError
        For an unknown device, or CUDA where there is none: it never falls back in silence.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    name, numbered, number = device.partition(":")
    if device != "cpu" and not (name == "cuda" and (number.isdecimal() or not numbered)):
        raise InputError("device", repr(device), "'cpu', 'cuda' ('cuda:1' for the second GPU) or 'auto'")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device", f"{device!r}, but torch finds no CUDA device", "'cpu' or 'auto' on this machine")
    if number and int(number) >= torch.cuda.device_count():
        raise InputError("device", repr(device), f"a number below {torch.cuda.device_count()}, the GPUs that there are")
    return model.to(device)


@contextmanager
def exact(device: torch.device) -> Iterator[None]:
    """Compute in float32 and no less, whatever torch is set to.

    By itself cuDNN rounds what it convolves to 10 bits; others may have asked for that in products, or for 16 bits.
    """
    cuda, name = torch.backends.cuda.matmul, "fp32_precision"
    value: str | bool = "ieee"
    places: tuple[Any, ...] = (cuda, getattr(torch.backends.cudnn, "conv", None))
    if not hasattr(cuda, name):  # before torch 2.9
        name, value, places = "allow_tf32", False, (cuda, torch.backends.cudnn)
    before = [getattr(part, name) for part in places]
    try:
        for part in places:
            setattr(part, name, value)
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        for part, was in zip(places, before, strict=True):
            setattr(part, name, was)


def release() -> None:
    """Give the memory of models that are gone, which torch keeps for others, back to the GPU."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()


class Batches:
    """How much goes through a model in one pass.

    On a CPU always the same; on a GPU the first pass, too, and then as much as was seen to fit, up to `MOST` times
    that, and less where memory runs out.

    Parameters
    ----------
    device : torch.device
        Where the model is.
    first : float
        Of what `size` measures: seconds of sound, tokens.

    Attributes
    ----------
    amount : float
        For the next pass.
    """

    def __init__(self, device: torch.device, first: float) -> None:
        self.device, self.first, self.amount = device, first, first

    def run(
        self, items: Sequence[Item], size: Callable[[Sequence[Item]], float], work: Callable[[Sequence[Item]], Result]
    ) -> Iterator[tuple[Sequence[Item], Result]]:
        """Work on items together; where a GPU has too little memory for that, on halves of them.

        Parameters
        ----------
        items : sequence
        size : callable
            How much some of them are, padding included.
        work : callable
            Runs the model on some of them. What it did before memory ran out is done again.

        Yields
        ------
        items, result
            Some of the items, in order, and what was made of them.

        Raises
        ------
        MemoryError
            Where one alone is too much.
        """
        if not items:
            return
        try:
            result = self._watched(size(items), lambda: work(items))
        except torch.OutOfMemoryError as error:
            if len(items) == 1:
                said = str(error).splitlines()[0]
                raise MemoryError(
                    f"GPU memory for one pass: {said} A smaller window takes less; or device='cpu'"
                ) from None
        else:
            yield items, result
            return
        release()  # out of the handler, which holds the memory of what failed
        self.amount = size(items) / 2.0
        middle = len(items) // 2
        for part in (items[:middle], items[middle:]):
            yield from self.run(part, size, work)

    def _watched(self, amount: float, work: Callable[[], Result]) -> Result:
        """Work, and set `amount` by the memory that it took on a GPU."""
        if self.device.type != "cuda":
            return work()
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_allocated(self.device)
        result = work()
        taken = torch.cuda.max_memory_allocated(self.device) - before
        kept = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        fits = SHARE * (torch.cuda.mem_get_info(self.device)[0] + kept) / max(taken, 1) * amount
        self.amount = min(MOST * self.first, max(fits, 1.0))
        return result
