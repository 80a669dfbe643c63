"""[encoding]: lags, penalties, folds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from heschl.checks import check_lags
from heschl.linear.crossval.scores import SCORES
from heschl.study.section import Device, Positive, Seconds, Section

WHOLE = 0.05
"""Frames by which lags may differ from a whole number of them before it is said."""
LEAST_PERMUTATIONS = 20


class AlphaRange(Section):
    """λ from ``low`` to ``high``, ``n`` of them, evenly spaced in log λ."""

    low: Positive
    high: Positive
    n: Annotated[int, Field(ge=1, le=1000)]


def _known_score(name: str) -> str:
    if name not in SCORES:
        raise ValueError(f"one of {', '.join(SCORES)}, not {name!r}")
    return name


def _table_or_list(value: Any) -> str:
    return "table" if isinstance(value, dict | AlphaRange) else "list"


class Encoding(Section):
    """[encoding]: lags from ``tmin`` to ``tmax`` (s, both included), the λ grid, the folds, and what they choose by.

    ``folds_by`` says which stimuli share a fold: those of the same words by any speaker, and copies of a sound under
    other names ("text", where there are words); copies of a sound alone ("sound"); or presentations of one name alone
    ("stimulus").
    ``scoring`` is the score that inner folds choose λ and layer by: "r2" (mean of R²), "pooled_r2", "r" or "r_squared".
    ``n_permutations``: of the test of which electrodes follow which features; 0 does without. Tails of p values are
    fitted from 160 on, so that a few hundred serve hundreds of electrodes.
    """

    tmin: Seconds = 0.0
    tmax: Seconds = 0.38
    alphas: Annotated[
        Annotated[AlphaRange, Tag("table")] | Annotated[list[Positive], Field(min_length=1), Tag("list")],
        Discriminator(_table_or_list),
    ] = AlphaRange(low=1.0, high=1e7, n=10)
    folds: Annotated[int, Field(ge=3)] = 5  # one to score, one to choose λ and layer by, one to train on
    folds_by: Literal["text", "sound", "stimulus"] = "text"
    standardize: bool = True
    alpha_per_target: bool = True
    scoring: Annotated[str, AfterValidator(_known_score)] = "r2"
    n_permutations: Annotated[int, Field(ge=0)] = 200
    device: Device = "auto"

    @model_validator(mode="after")
    def _enough(self) -> Encoding:
        if 0 < self.n_permutations < LEAST_PERMUTATIONS:
            raise ValueError(f"n_permutations: {LEAST_PERMUTATIONS} or more, or 0, not {self.n_permutations}: fewer "
                             "never reach p < 0.05")  # fmt: skip
        return self

    def decides(self) -> dict[str, Any]:
        """Return the settings that decide the fits of given folds; the device does not, but for rounding."""
        return self.model_dump(exclude={"device", "folds_by", "n_permutations"})

    @model_validator(mode="after")
    def _ordered(self) -> Encoding:
        if self.tmin > self.tmax:
            raise ValueError(f"tmin at or before tmax, not tmin = {self.tmin:g} s and tmax = {self.tmax:g} s")
        return self

    def alpha_grid(self) -> NDArray[np.float64]:
        """Return the λ as an array, in rising order."""
        if isinstance(self.alphas, AlphaRange):
            return np.geomspace(self.alphas.low, self.alphas.high, self.alphas.n)
        return np.unique(np.asarray(self.alphas, dtype=np.float64))

    def rounded(self, rate: float) -> list[str]:
        """Return a line for each end of the lags that is no whole number of frames at ``rate`` Hz."""
        lags = self.lags(rate)
        return [
            f"encoding.{name} = {seconds:g} s is {seconds * rate:.4g} frames at {rate:g} Hz: {frames / rate:.4g} s is "
            f"taken ({frames} frames)"
            for name, seconds, frames in (("tmin", self.tmin, lags.start), ("tmax", self.tmax, lags.stop - 1))
            if abs(seconds * rate - frames) > WHOLE
        ]

    def lags(self, rate: float) -> range:
        """Return the lags in whole frames, both ends rounded to the nearest frame, at ``rate`` Hz."""
        return check_lags((), self.tmin, self.tmax, rate)
