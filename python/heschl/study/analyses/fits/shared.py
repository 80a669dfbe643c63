"""What two models share, for one group of subjects: canonical splits, encoding from their parts, probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.linear import (
    CCA,
    NestedScores,
    Repeated,
    SharedParts,
    nested_cv_learned,
    probe,
    residual,
)
from heschl.linear.cca.costs import device_of_pairs
from heschl.linear.device.elsewhere import in_parts
from heschl.linear.moments.formulas import quotient
from heschl.study.analyses.fits.encoding import GroupFits, inner_scores
from heschl.study.analyses.fits.time_course import errors
from heschl.study.config.analyses import Shared
from heschl.study.config.encoding import Encoding
from heschl.study.extraction.features import Features, expanded, spoken_rows
from heschl.study.work.cache import Progress, save_arrays

KEPT = ("r2", "r", "alpha", "edge", "pooled_r2")
SIDES = {"speech": "a", "language": "b"}
BEYOND = tuple(f"{side} {part}" for side in SIDES for part in ("top", "rest"))
"""Parts that are scored over the common time course, too."""
OF_NOISE = "of noise"


def probes(settings: Shared) -> list[str]:
    """Name what the shared part is probed with."""
    return [name for name in ("semantic", "acoustic", "context") if getattr(settings, name)]


def literal_parts(settings: Shared) -> list[str]:
    """Name the probes as published, canonical variates with the shared part; and with noise in place of that part."""
    return [f"probe {name}{of}" for name in probes(settings) for of in ("", f" {OF_NOISE}") if settings.preset]


def part_names(settings: Shared) -> list[str]:
    """Name all parts, in the order of figures."""
    names = [f"{side} {part}" for side in SIDES for part in ("layer", "all", "top", "rest")]
    names += ["acoustic layer"] if settings.acoustic else []
    names += literal_parts(settings)
    return names + [f"{side} top {k}" for side in SIDES for k in settings.sweep]


def write_part(split: Split, name: str, path: Path, progress: Progress) -> None:
    """Write the scores of one part."""
    split.write_part(name, path)


def write_correlations(split: Split, path: Path, progress: Progress) -> None:
    """Write the canonical correlations of each fold."""
    split.write_correlations(path)


class Split:
    """The layers of one group of subjects and what is learned of them, fold by fold.

    Parameters
    ----------
    fits : GroupFits
        Layers are chosen by their inner scores.
    features : mapping of space to Features
    settings, encoding : Shared, Encoding
    """

    def __init__(self, fits: GroupFits, features: Mapping[str, Features], settings: Shared, encoding: Encoding) -> None:
        self.group, self.settings, self.encoding = fits.group, settings, encoding
        used = (settings.speech, settings.language, settings.semantic, settings.acoustic)
        self.spaces = {name: features[name] for name in dict.fromkeys(filter(None, used))}
        self.rate = features[settings.language].grid.rate
        self.row_fold = np.repeat(fits.group.folds, fits.group.lengths)
        self.spoken, self.words = spoken_rows(features[settings.language], fits.group)
        self.layers = self._chosen(fits)
        self.cca = CCA(
            settings.n_components if not settings.sweep else max(settings.n_components, *settings.sweep),
            reg=settings.reg,
            pca=settings.principal_components(),
            standardize=settings.standardize,
            device=device_of_pairs(
                encoding.device, (1, _width(features[settings.speech])), (1, _width(features[settings.language])),
                len(self.row_fold),
            ),
        )  # fmt: skip
        self._remember()

    def _remember(self) -> None:
        self.load = lru_cache(maxsize=4)(self._load)
        self.parts = lru_cache(maxsize=None)(self._parts)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: all but what has been looked up meanwhile."""
        return {name: value for name, value in vars(self).items() if name not in ("load", "parts")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what `__getstate__` gave."""
        vars(self).update(state)
        self._remember()

    def layer_names(self) -> list[tuple[str, str]]:
        """Return the names of the speech and the language layer of each fold."""
        a, b = (self.spaces[name].layers for name in (self.settings.speech, self.settings.language))
        return [(a[i], b[j]) for i, j in self.layers]

    def write_part(self, name: str, path: Path) -> None:
        """Score one part by nested cross-validation."""

        def kept(beyond: int) -> dict[str, NDArray[Any]]:
            if beyond:
                return {"beyond": errors(self.group, self.scores(name, over_time_course=True).predictions)}
            scores = self.scores(name)
            arrays = {field: getattr(scores, field) for field in KEPT} | {"sse": errors(self.group, scores.predictions)}
            return arrays | ({"predictions": scores.predictions} if name.endswith("layer") else {})

        arrays: dict[str, NDArray[Any]] = {}
        for found in in_parts(kept, 1 + (name in BEYOND)):
            arrays |= found
        save_arrays(path, arrays)

    def scores(self, name: str, *, over_time_course: bool = False) -> NestedScores:
        """Score one part by nested cross-validation, or the common time course and it together."""
        return nested_cv_learned(
            lambda k, _: {name: lambda: self.features(name, k)},
            self.group.y,
            segments=self.group.lengths,
            folds=self.group.folds,
            lags=self.encoding.lags(self.rate),
            alphas=self.encoding.alpha_grid(),
            standardize=self.encoding.standardize,
            alpha_per_target=self.encoding.alpha_per_target,
            scoring=self.encoding.scoring,
            missing="mask",
            device=self.encoding.device,
            over_time_course=over_time_course,
        )[name]

    def write_correlations(self, path: Path) -> None:
        """Write the canonical correlations of each fold's training rows, and of its test rows."""
        found = np.full((2, self.encoding.folds, self.cca.n_components), np.nan)
        for k in range(self.encoding.folds):
            parts, (a, b) = self.parts(k), self.pair(k)
            both = parts.cca.correlations_, parts.held_out(a, b, self.row_fold == k, self.counted_words())
            for out, values in zip(found, both, strict=True):
                out[k, : len(values)] = values
        save_arrays(path, {"correlations": found[0], "held_out": found[1]})

    def features(self, name: str, k: int) -> NDArray[Any] | Repeated:
        """Return the features of one part, as outer fold k has learned them."""
        kind, what, *rest = name.split()
        i, j = self.layers[k]
        if kind == "probe":
            return self._probe(what, k, of_noise=bool(rest))
        if what == "layer":
            space = getattr(self.settings, kind)
            return self.spaces[space].layer({"speech": i, "language": j}.get(kind, 0), self.group.segments)
        side = SIDES[kind]
        X = self.pair(k)[0 if side == "a" else 1]
        cut = int(rest[0]) if rest else self.settings.n_components
        if cut == self.cca.n_components:
            return self.parts(k).features(side, X, what, self.settings.coords)
        if what == "top":
            return self.parts(k).features(side, X, "top", self.settings.coords, k=cut)
        return SharedParts(self._cut(k, cut), self.spoken).features(side, X, what, self.settings.coords)

    def pair(self, k: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return both layers of fold k, frame by frame."""
        i, j = self.layers[k]
        return self.load(self.settings.speech, i), self.load(self.settings.language, j)

    def train(self, k: int) -> NDArray[np.bool_]:
        """Return which rows fold k learns from."""
        return np.ones(len(self.row_fold), dtype=bool) if self.settings.scope == "all" else self.row_fold != k

    def _parts(self, k: int) -> SharedParts:
        a, b = self.pair(k)
        return SharedParts.learn(self.cca, a, b, self.train(k), spoken=self.spoken, words=self.counted_words())

    def _cut(self, k: int, n_components: int) -> CCA:
        """Return the same analysis with fewer components, whose rest is larger."""
        a, b = self.pair(k)
        smaller = CCA(**{**self.cca.get_params(), "n_components": n_components})
        return SharedParts.learn(smaller, a, b, self.train(k), spoken=self.spoken, words=self.counted_words()).cca

    def shared(self, k: int) -> NDArray[Any]:
        """Return the shared part of fold k: the language model's first variates, (n, components)."""
        return self.parts(k).features("b", self.pair(k)[1], "top", k=self.settings.n_components)

    def width(self, side: str) -> int:
        """Return the number of features of the speech or the language model."""
        return _width(self.spaces[getattr(self.settings, side)])

    def counted_words(self) -> NDArray[np.int64] | None:
        """Return first row and one past the last of each word, where canonical correlations are of words."""
        return self.words if self.settings.level == "words" else None

    def _probe(self, what: str, k: int, *, of_noise: bool = False) -> NDArray[Any]:
        """Return the published probe: its canonical variates with the shared part, or with noise as wide."""
        train, shared = self.train(k), self.shared(k)
        if of_noise:
            shared = np.random.default_rng(k).standard_normal(shared.shape)
            shared[~self.spoken] = 0.0
        if what == "context":
            base = self.input_layer()
            X = residual(self.pair(k)[1], base, train & self.spoken, reg=self.settings.context_reg)
        else:
            X = self.load(getattr(self.settings, what), 0)
        return probe(
            shared, X, train, spoken=self.spoken, words=self.counted_words(),
            n_components=self.settings.n_components, whole=True,
        )  # fmt: skip

    def input_layer(self) -> NDArray[Any]:
        """Return the input layer of the language model, whether it is analysed or not."""
        return expanded(self.spaces[self.settings.language].stored_layer(0, self.group.segments))

    def _load(self, space: str, layer: int) -> NDArray[Any]:
        return expanded(self.spaces[space].layer(layer, self.group.segments))

    def _chosen(self, fits: GroupFits) -> list[tuple[int, int]]:
        """Return the layers of each fold: the named ones, or those with the best mean inner score over electrodes."""
        spaces = (self.settings.speech, self.settings.language)
        if self.settings.layers != "best":
            i, j = (layer_index(self.spaces[s].layers, n, s) for s, n in zip(spaces, self.settings.layers, strict=True))
            return [(i, j)] * self.encoding.folds
        chosen = []
        for space in spaces:
            mean = inner_scores(fits, space, self.spaces[space].layers)
            if space == self.settings.language and self.settings.context and len(mean) > 1:
                # Of the input layer nothing is left when that layer is taken out.
                mean[np.array(self.spaces[space].chosen) == 0] = -np.inf
            chosen.append(mean.argmax(axis=0))
        return [(int(i), int(j)) for i, j in zip(*chosen, strict=True)]


def _width(space: Features) -> int:
    return space.description.width


def layer_index(layers: Sequence[str], name: str, space: str) -> int:
    """Return the place of a layer that [shared] names among those of its space."""
    if name not in layers:
        raise InputError("shared.layers", repr(name), f"a layer of {space}: {', '.join(layers)}")
    return layers.index(name)


def shared_variance(a: NDArray[Any], b: NDArray[Any], fold: NDArray[Any]) -> NDArray[np.float64]:
    """Return r² of two models' predictions (n, c), each fold about its own mean; NaN where one is constant."""
    sums = np.zeros((3, a.shape[1]))
    for k in np.unique(fold):
        known = fold == k
        x, y = (np.asarray(side[known], dtype=np.float64) for side in (a, b))
        x, y = x - np.nanmean(x, axis=0), y - np.nanmean(y, axis=0)
        sums += np.nansum(np.stack([x * y, x * x, y * y]), axis=1)
    size = sums[1] * sums[2]
    return quotient(sums[0] ** 2, size)
