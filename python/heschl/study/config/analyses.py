"""Analyses beside the encoding: [shared], what two models share; [joint.NAME], spaces together; [word_lags]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from heschl.checks import InputError
from heschl.study.section import Name, Positive, Seconds, Section

MANY_ALPHAS = 7
PUBLISHED = {"level": "words", "scope": "all", "n_components": 50, "pca": 0.95, "standardize": True}


class Shared(Section):
    """[shared]: canonical correlations of a speech and a language space, and encoding from what they share.

    ``layers``: "best" takes for each outer fold the layer of each model with the best mean inner score over electrodes;
    or name the two. ``level``: correlate frames that have a word, or averages over words. ``coords``: the split as
    canonical variates, or in each model's own features. ``scope``: weights learned on the training folds, or on all
    stimuli as published. ``semantic`` and ``acoustic`` are the spaces that the shared part is probed with; ``context``
    probes it with what the layer has beyond its model's input layer, taken out by a regression with ``context_reg``.
    ``probe_dimensions``: cut every probe to as many principal components, so that none predicts more for being wider.
    ``sweep``: other numbers of components to score. ``layer_map``: correlate every layer with every layer.
    What the shared part is made of is answered by commonality; with the preset by the published probes, too.
    ``preset = "chen2024"``: words, standardised, principal components to 95 % of variance, 50 components, all stimuli.
    """

    speech: Name
    language: Name
    preset: Literal["chen2024"] | None = None
    layers: Literal["best"] | Annotated[list[str], Field(min_length=2, max_length=2)] = "best"
    n_components: Annotated[int, Field(ge=1)] = 50
    level: Literal["frames", "words"] = "frames"
    coords: Literal["variates", "features"] = "variates"
    scope: Literal["train", "all"] = "train"
    standardize: bool = False
    pca: Annotated[float, Field(gt=0)] | None = None
    reg: Annotated[float, Field(ge=0)] = 0.0
    semantic: Name | None = None
    acoustic: Name | None = None
    context: bool = True
    context_reg: Annotated[float, Field(ge=0)] = 0.0
    probe_dimensions: Annotated[int, Field(ge=1)] | None = None
    sweep: Annotated[list[Annotated[int, Field(ge=1)]], Field(default_factory=list)]
    layer_map: bool = True

    @model_validator(mode="before")
    @classmethod
    def _published(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("preset") == "chen2024":
            return PUBLISHED | values
        return values

    @model_validator(mode="after")
    def _possible(self) -> Shared:
        if self.pca is not None and self.pca > 1 and self.pca != int(self.pca):
            raise ValueError(f"pca: a share of variance up to 1, or a whole number of components, not {self.pca:g}")
        if self.speech == self.language:
            raise ValueError("language: another space than speech")
        most = max([self.n_components, *self.sweep])
        if self.pca is not None and self.pca > 1 and most > self.pca:
            raise ValueError(f"n_components: no more than the {self.pca:g} principal components kept, not {most}")
        return self

    def check_counts(self, widths: Mapping[str, int], n_rows: int) -> None:
        """Refuse, before any work, more components than there can be.

        Parameters
        ----------
        widths : mapping of "speech", "language" to int
            Features of a layer, of the sides where that is known.
        n_rows : int
            Words, or frames with a word, of a training set; 0 where that is not known.

        Raises
        ------
        InputError
            With the key that cures it.
        """
        most = max([self.n_components, *self.sweep])
        key = "shared.n_components" if self.n_components == most else "shared.sweep"
        narrow = min(widths, key=lambda side: widths[side], default=None)
        if narrow is not None and most > widths[narrow]:
            raise InputError(
                key, f"{most} components", f"at most {widths[narrow]}, the width of shared.{narrow}",
                f"Write {key.rpartition('.')[2]} of at most {widths[narrow]}.",
            )  # fmt: skip
        if not n_rows:
            return
        rows = f"{n_rows} {'words' if self.level == 'words' else 'frames with a word'} in a training set"
        if most >= n_rows:
            raise InputError(key, f"{most} components of {rows}", "fewer components than rows",
                             "Fewer components, or more stimuli.")  # fmt: skip
        by_share = self.pca is not None and self.pca <= 1
        keep = int(self.pca) if self.pca is not None and not by_share else None
        columns = sum(width if keep is None else min(width, keep) for width in widths.values())
        if len(widths) == 2 and columns >= n_rows and self.reg == 0 and not by_share:
            other = "" if self.level == "frames" else ', or level = "frames"'
            raise InputError(
                "shared.pca", f"{columns} columns of both models against {rows}",
                "more rows than columns: else canonical correlations are 1, whatever the models are",
                f"Write pca = {max(most, min(50, n_rows // 10))}, or reg = 1e-2{other}.",
            )  # fmt: skip

    def principal_components(self) -> float | int | None:
        """Return ``pca`` as `heschl.CCA` takes it."""
        return int(self.pca) if self.pca is not None and self.pca > 1 else self.pca


class Joint(Section):
    """[joint.NAME]: several spaces in one model, a penalty for each; what each adds, alone and in common with others.

    ``layers`` names a layer of a space; of the others each outer fold takes the one with the best mean inner score over
    electrodes. ``n_iter``: most weightings of the spaces against each other that inner folds choose from. ``alphas``:
    penalties; by default every second one of [encoding] where these are more than 7. Features are z-scored, and
    reduced where their space says ``pca``: wide spaces are dear, as every subset of the spaces is a model.
    """

    spaces: Annotated[list[Name], Field(min_length=2, max_length=5)]
    layers: Annotated[dict[Name, str | int], Field(default_factory=dict)]
    n_iter: Annotated[int, Field(ge=1)] = 30
    alphas: Annotated[list[Positive], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _different(self) -> Joint:
        if len(set(self.spaces)) < len(self.spaces):
            raise ValueError("spaces: different ones")
        stray = [name for name in self.layers if name not in self.spaces]
        if stray:
            raise ValueError(f"layers: of the spaces {', '.join(self.spaces)}, not of {stray[0]!r}")
        return self

    def alpha_grid(self, encoding: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the penalties, given those of [encoding]."""
        if self.alphas is not None:
            return np.unique(np.asarray(self.alphas, dtype=np.float64))
        return encoding[::2] if len(encoding) > MANY_ALPHAS else encoding


class WordLags(Section):
    """[word_lags]: a row for each word, responses averaged in ``window`` (s) at lags from ``tmin`` to ``tmax`` (s).

    A positive lag is after the word's onset. ``spaces`` are scored with the layer that inner folds chose most often,
    cut to ``pca`` principal components.
    """

    spaces: Annotated[list[Name], Field(min_length=1)]
    tmin: Seconds = -2.0
    tmax: Seconds = 2.0
    step: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.1
    window: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.2
    pca: Annotated[int, Field(ge=1)] | None = 50

    @model_validator(mode="after")
    def _ordered(self) -> WordLags:
        if self.tmin > self.tmax:
            raise ValueError(f"tmin at or before tmax, not tmin = {self.tmin:g} s and tmax = {self.tmax:g} s")
        return self

    def lags(self) -> NDArray[np.float64]:
        """Return the lags in s, both ends included."""
        return np.asarray(self.tmin + self.step * np.arange(int((self.tmax - self.tmin) / self.step + 1e-9) + 1))
