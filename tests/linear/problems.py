"""Random problems of every shape a user could bring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray


@dataclass
class Ragged:
    """Features, responses, segments and lags; `lengths` are the segments' frames."""

    H: NDArray[Any]
    Y: NDArray[Any]
    lengths: NDArray[np.int64]
    lags: range

    @property
    def bounds(self) -> NDArray[np.int64]:
        ends = np.cumsum(self.lengths)
        return np.stack([ends - self.lengths, ends], axis=1).astype(np.int64)

    @property
    def name(self) -> str:
        return str(self.H.dtype)


def make(
    seed: int, lengths: list[int], d: int, c: int, lags: range, dtype: str = "float64", mean: float = 0.5
) -> Ragged:
    rng = np.random.default_rng(seed)
    n = int(sum(lengths))
    H = (rng.standard_normal((n, d)) + mean).astype(dtype)
    Y = (rng.standard_normal((n, c)) + H @ rng.standard_normal((d, c)) - 1).astype(dtype)
    return Ragged(H, Y, np.array(lengths, dtype=np.int64), lags)


@st.composite
def ragged(draw: Any, min_segments: int = 1) -> Ragged:
    lengths = draw(st.lists(st.integers(1, 25), min_size=min_segments, max_size=9))
    first = draw(st.integers(-9, 9))
    return make(
        seed=draw(st.integers(0, 10_000)),
        lengths=lengths,
        d=draw(st.integers(1, 4)),
        c=draw(st.integers(1, 3)),
        lags=range(first, first + draw(st.integers(1, 8))),
        dtype=draw(st.sampled_from(["float32", "float64"])),
    )
