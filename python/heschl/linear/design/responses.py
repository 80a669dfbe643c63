"""The responses of a fit: on the host, and where they came from a device there as well, as one object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from heschl.checks import check_responses
from heschl.linear.device.arrays import Array, Float, Integers
from heschl.linear.device.backend import Backend
from heschl.linear.device.exchange import on_host, responses_on_device
from heschl.linear.device.place import backend_of


@dataclass(frozen=True)
class Responses:
    """Checked responses (n, c) of one precision; NaN where missing ones are masked.

    Attributes
    ----------
    host : ndarray of shape (n, c)
    placed : array of shape (n, c), or None
        The same numbers on the device that they came from.
    """

    host: Float
    placed: Array | None = None

    @classmethod
    def of(cls, y: Any, n: int, dtype: DTypeLike, missing: str) -> tuple[Responses, bool]:
        """Check responses given for n frames; also return whether they came without an axis for targets."""
        host, single = check_responses(on_host("y", y), n, dtype, missing)
        return cls(host, responses_on_device(y, dtype)), single

    def on(self, backend: Backend) -> Array:
        """Return the responses where a backend computes."""
        if self.placed is not None and backend_of(self.placed).kind is backend.kind:
            return backend.put(self.placed)
        return backend.put(self.host)

    def astype(self, dtype: DTypeLike) -> Responses:
        """Return the responses in another precision."""
        placed = self.placed if self.placed is None else backend_of(self.placed).cast(self.placed, dtype)
        return Responses(self.host.astype(dtype, copy=False), placed)

    def columns(self, targets: Integers | slice) -> Responses:
        """Return the responses of some targets."""
        index = np.arange(self.host.shape[1])[targets]
        placed = self.placed if self.placed is None else backend_of(self.placed).columns(self.placed, index)
        return Responses(np.ascontiguousarray(self.host[:, targets]), placed)
