"""Stage 4, what the models share: canonical splits, encoding from their parts, probes, similarity of predictions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.files import digest, digest_code
from heschl.linear import (
    CCA,
    AlphaEdgeWarning,
    BandedRidgeCV,
    FeatureSpaces,
    Repeated,
    SharedParts,
    cca_grid,
    nested_cv_learned,
    probe,
    residual,
)
from heschl.linear.cca.costs import device_of_pairs
from heschl.linear.cca.parts import level
from heschl.study.analyses.encoding import GroupFits, LayerFit
from heschl.study.config.analyses import Shared
from heschl.study.config.study import Encoding
from heschl.study.extraction.features import Features, spoken_rows
from heschl.study.inputs.targets import FitGroup
from heschl.study.work.cache import Cache, Piece, load_arrays, save_arrays
from heschl.study.work.progress import Reporter

KEPT = ("r2", "r", "alpha", "edge", "pooled_r2")
SIDES = {"speech": "a", "language": "b"}
PAIRS = (("speech", "language"), ("speech", "acoustic"), ("language", "acoustic"))
WEIGHTINGS = 10
"""Of the probes' spaces against each other, tried for their unique variance."""


@dataclass(frozen=True)
class SharedFits:
    """What came of one group of subjects; K folds, c electrodes, k components.

    Attributes
    ----------
    layers : list of (str, str)
        Speech and language layer of each outer fold.
    parts : dict of str to dict of arrays
        Of each part ("speech top", "probe semantic" …) r2, r, alpha, edge (K, c) and pooled_r2 (c,).
    correlations, held_out : arrays of shape (K, k), k the largest number of components asked for
        Canonical correlations on the training rows, and on the test rows; NaN where there are fewer components.
    similarity : array of shape (pairs, c)
        r² of the out-of-fold predictions of two models, of `PAIRS`; NaN where there is no acoustic space.
    unique : array of shape (probes + 1, c), or None
        Held-out R² that each probe alone can say, and that of all probes together.
    """

    layers: list[tuple[str, str]]
    parts: dict[str, dict[str, NDArray[Any]]]
    correlations: NDArray[np.float64]
    held_out: NDArray[np.float64]
    similarity: NDArray[np.float64]
    unique: NDArray[np.float64] | None


def fit_shared(
    fits: Sequence[GroupFits],
    features: Mapping[str, Features],
    settings: Shared,
    encoding: Encoding,
    cache: Cache,
    report: Reporter,
) -> list[SharedFits]:
    """Fit every part to every group, but for what the cache holds already.

    Parameters
    ----------
    fits : sequence of GroupFits
        Layers are chosen by their inner scores.
    features : mapping of space to Features
    settings, encoding : Shared, Encoding
    cache : Cache
    report : Reporter

    Returns
    -------
    list of SharedFits
        One per group, in their order.
    """
    code = digest_code("_core", "linear", "study.analyses.shared", "study.inputs.targets")
    out = []
    for group_fits in fits:
        split = Split(group_fits, features, settings, encoding)
        key = digest(
            code, settings.model_dump(), encoding.decides(), split.layers, [f.key for f in split.spaces.values()],
            split.group.y, split.group.segments, split.group.folds,
        )  # fmt: skip
        names = split.part_names()
        pieces = [Piece("shared/correlations.npz", key, split.write_correlations)]
        pieces += [
            Piece(f"shared/{name.replace(' ', '-')}.npz", key, partial(split.write_part, name)) for name in names
        ]
        if len(split.probes()) > 1:
            pieces.append(Piece("shared/unique.npz", key, split.write_unique))
        with report.stage(f"shared by {settings.speech} and {settings.language}", len(pieces)) as advance:
            cache.share(pieces, advance)
        whole, *others = (load_arrays(path) for path in cache.paths(pieces, report))
        parts = dict(zip(names, others, strict=False))
        unique = others[-1]["unique"] if len(others) > len(names) else None
        similarity = _similarities(parts, split.group)
        fitted = SharedFits(split.layer_names(), parts, whole["correlations"], whole["held_out"], similarity, unique)
        out.append(fitted)
    return out


class Split:
    """The layers of one group of subjects and what is learned of them, fold by fold."""

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
        self.load = lru_cache(maxsize=4)(self._load)
        self.parts = lru_cache(maxsize=None)(self._parts)

    def layer_names(self) -> list[tuple[str, str]]:
        """Speech and language layer of each fold."""
        a, b = (self.spaces[name].layers for name in (self.settings.speech, self.settings.language))
        return [(a[i], b[j]) for i, j in self.layers]

    def probes(self) -> list[str]:
        """Names of what the shared part is probed with."""
        return [name for name in ("semantic", "acoustic", "context") if getattr(self.settings, name)]

    def part_names(self) -> list[str]:
        """Names of all parts, in the order of figures."""
        names = [f"{side} {part}" for side in SIDES for part in ("layer", "all", "top", "rest")]
        names += ["acoustic layer"] if self.settings.acoustic else []
        names += [f"probe {name}" for name in self.probes()]
        return names + [f"{side} top {k}" for side in SIDES for k in self.settings.sweep]

    def write_part(self, name: str, path: Path) -> None:
        """Score one part by nested cross-validation."""
        scores = nested_cv_learned(
            lambda k, _: {name: lambda: self.features(name, k)},
            self.group.y,
            segments=self.group.lengths,
            folds=self.group.folds,
            lags=self.encoding.lags(self.rate),
            alphas=self.encoding.alpha_grid(),
            standardize=self.encoding.standardize,
            alpha_per_target=self.encoding.alpha_per_target,
            missing="mask",
            device=self.encoding.device,
        )[name]
        arrays = {field: getattr(scores, field) for field in KEPT}
        if name.endswith("layer"):
            arrays["predictions"] = scores.predictions
        save_arrays(path, arrays)

    def write_correlations(self, path: Path) -> None:
        """Canonical correlations of each fold's training rows, and of its test rows."""
        found = np.full((2, self.encoding.folds, self.cca.n_components), np.nan)
        for k in range(self.encoding.folds):
            parts, (a, b) = self.parts(k), self.pair(k)
            both = parts.cca.correlations_, parts.held_out(a, b, self.row_fold == k, self._words())
            for out, values in zip(found, both, strict=True):
                out[k, : len(values)] = values
        save_arrays(path, {"correlations": found[0], "held_out": found[1]})

    def write_unique(self, path: Path) -> None:
        """Held-out R² of all probes together, and what is lost without each: a penalty for each, of every other λ."""
        names, y = self.probes(), self.group.y.astype(np.float64)
        folds, lengths = range(self.encoding.folds), self.group.lengths
        r2 = np.full((len(names) + 1, len(folds), y.shape[1]), np.nan)
        for k in folds:
            spaces = {name: self._probe(name, k) for name in names}
            test, own = self.row_fold == k, self.group.folds == k
            stimuli = np.repeat([name for name, _ in self.group.segments], lengths)[~test]
            for i, left_out in enumerate([*names, None]):
                X = {name: values for name, values in spaces.items() if name != left_out}
                model = BandedRidgeCV(
                    alphas=self.encoding.alpha_grid()[::2], n_iter=WEIGHTINGS, lags=self.encoding.lags(self.rate),
                    cv=self.encoding.folds - 1, standardize=True, missing="mask", random_state=0,
                    alpha_per_target=self.encoding.alpha_per_target, device=self.encoding.device,
                )  # fmt: skip
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", AlphaEdgeWarning)  # the table of parts says it
                    model.fit(FeatureSpaces({n: v[~test] for n, v in X.items()}), y[~test],
                              segments=lengths[~own], groups=stimuli)  # fmt: skip
                predicted = model.predict(FeatureSpaces({n: v[test] for n, v in X.items()}), segments=lengths[own])
                r2[i, k] = _r2(y[test], np.asarray(predicted).reshape(y[test].shape))
        mean = np.nanmean(r2, axis=1)
        save_arrays(path, {"unique": np.concatenate([mean[-1] - mean[:-1], mean[-1:]])})

    def features(self, name: str, k: int) -> NDArray[Any] | Repeated:
        """Features of one part, as outer fold k has learned them."""
        kind, what, *rest = name.split()
        i, j = self.layers[k]
        if kind == "probe":
            return self._probe(what, k)
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
        """Both layers of fold k, frame by frame."""
        i, j = self.layers[k]
        return self.load(self.settings.speech, i), self.load(self.settings.language, j)

    def train(self, k: int) -> NDArray[np.bool_]:
        """Rows that fold k learns from."""
        return np.ones(len(self.row_fold), dtype=bool) if self.settings.scope == "all" else self.row_fold != k

    def _parts(self, k: int) -> SharedParts:
        a, b = self.pair(k)
        return SharedParts.learn(self.cca, a, b, self.train(k), spoken=self.spoken, words=self._words())

    def _cut(self, k: int, n_components: int) -> CCA:
        """The same analysis with fewer components, whose rest is larger."""
        a, b = self.pair(k)
        smaller = CCA(**{**self.cca.get_params(), "n_components": n_components})
        return SharedParts.learn(smaller, a, b, self.train(k), spoken=self.spoken, words=self._words()).cca

    def _probe(self, what: str, k: int) -> NDArray[Any]:
        train, words = self.train(k), self._words()
        shared = self.parts(k).features("b", self.pair(k)[1], "top", k=self.settings.n_components)
        if what == "context":
            base = self.load(self.settings.language, 0)
            X = residual(self.pair(k)[1], base, train & self.spoken, reg=self.settings.context_reg)
        else:
            X = self.load(getattr(self.settings, what), 0)
        return probe(shared, X, train, spoken=self.spoken, words=words, n_components=self.settings.n_components)

    def _words(self) -> NDArray[np.int64] | None:
        return self.words if self.settings.level == "words" else None

    def _load(self, space: str, layer: int) -> NDArray[Any]:
        values = self.spaces[space].layer(layer, self.group.segments)
        return np.repeat(values.values, values.counts, axis=0) if isinstance(values, Repeated) else values

    def _chosen(self, fits: GroupFits) -> list[tuple[int, int]]:
        """Layers of each fold: the named ones, or those with the best mean inner score over electrodes."""
        spaces = (self.settings.speech, self.settings.language)
        if self.settings.layers != "best":
            i, j = (_index(self.spaces[s].layers, n, s) for s, n in zip(spaces, self.settings.layers, strict=True))
            return [(i, j)] * self.encoding.folds
        n = len(fits.group.electrodes)
        best = []
        for space in spaces:
            inner = [LayerFit.load(fits.layers[space, layer]).inner_r2[:, :n] for layer in self.spaces[space].layers]
            best.append(np.nanmean(np.stack(inner), axis=2).argmax(axis=0))
        return [(int(i), int(j)) for i, j in zip(*best, strict=True)]


def _width(space: Features) -> int:
    return space.stored.description.width


def _index(layers: Sequence[str], name: str, space: str) -> int:
    if name not in layers:
        raise InputError("shared.layers", repr(name), f"a layer of {space}: {', '.join(layers)}")
    return layers.index(name)


def layer_map(
    group: FitGroup,
    features: Mapping[str, Features],
    settings: Shared,
    cache: Cache,
    report: Reporter,
    device: str,
) -> NDArray[np.float64]:
    """Correlate every speech layer with every language layer, over all stimuli: (layers, layers, components)."""
    a, b = features[settings.speech], features[settings.language]
    spoken, words = spoken_rows(b, group)
    chosen = words if settings.level == "words" else None

    def loader(space: Features, index: int) -> Callable[[], NDArray[Any]]:
        def load() -> NDArray[Any]:
            values = space.layer(index, group.segments)
            frames = np.repeat(values.values, values.counts, axis=0) if isinstance(values, Repeated) else values
            return level(frames, spoken, chosen)

        return load

    key = digest(digest_code("_core", "linear"), a.key, b.key, group.segments, settings.model_dump())
    shapes = [(len(space.layers), _width(space)) for space in (a, b)]
    kept = cache.path("shared/layer-map", key)
    with report.stage("layers with layers", len(b.layers)) as advance, cache.alone("shared/layer-map", report):
        found = cca_grid(
            *({name: loader(space, i) for i, name in enumerate(space.layers)} for space in (a, b)),
            n_components=settings.n_components, pca=settings.principal_components(), standardize=settings.standardize,
            device=device_of_pairs(device, shapes[0], shapes[1], int(group.lengths.sum())), resume=kept,
            progress=lambda done, _: advance(done),
        )  # fmt: skip
    return np.asarray(found)


def _similarities(parts: Mapping[str, Mapping[str, NDArray[Any]]], group: FitGroup) -> NDArray[np.float64]:
    out = np.full((len(PAIRS), len(group.electrodes)), np.nan)
    fold = np.repeat(group.folds, group.lengths)
    for i, pair in enumerate(PAIRS):
        layers = [parts.get(f"{name} layer") for name in pair]
        if layers[0] is not None and layers[1] is not None:
            out[i] = shared_variance(layers[0]["predictions"], layers[1]["predictions"], fold)
    return out


def shared_variance(a: NDArray[Any], b: NDArray[Any], fold: NDArray[Any]) -> NDArray[np.float64]:
    """r² of two models' predictions (n, c), each fold about its own mean; NaN where one is constant."""
    sums = np.zeros((3, a.shape[1]))
    for k in np.unique(fold):
        known = fold == k
        x, y = (np.asarray(side[known], dtype=np.float64) for side in (a, b))
        x, y = x - np.nanmean(x, axis=0), y - np.nanmean(y, axis=0)
        sums += np.nansum(np.stack([x * y, x * x, y * y]), axis=1)
    size = sums[1] * sums[2]
    return np.asarray(np.divide(sums[0] ** 2, size, out=np.full(size.shape, np.nan), where=size > 0))


def _r2(y: NDArray[Any], predicted: NDArray[Any]) -> NDArray[np.float64]:
    sse, sst = np.nansum((y - predicted) ** 2, axis=0), np.nansum((y - np.nanmean(y, axis=0)) ** 2, axis=0)
    return np.asarray(1 - np.divide(sse, sst, out=np.full(sst.shape, np.nan), where=sst > 0))
