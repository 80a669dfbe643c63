"""What a study asks of a world in which the answer is known: by heschl's own functions, beside what misleads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from heschl.ecog import Responses, noise_ceiling
from heschl.linear import (
    CCA,
    SharedParts,
    common_variance,
    exchange_test,
    group_folds,
    nested_cv,
    nested_cv_learned,
    permuted_correlations,
    residual,
    time_course,
)
from heschl.study.analyses.fits.commonality import type_means
from heschl.study.inputs.identity import alike_in_words
from heschl.study.simulate.worlds import LAGS, RATE, World, held
from heschl.timing.stimulus import Stimulus
from heschl.timing.words import Word

FOLDS = 5
ALPHAS = np.geomspace(1e0, 1e5, 6)
LEVEL, CHANCE = 0.05, 1e-3
"""More rejections than come by chance once in a thousand worlds are wrong."""
NEAR = 0.04
"""R² that is nothing: what fitting costs or gains by chance in a world as small as these."""


@dataclass(frozen=True)
class Answer:
    """One question asked of a world.

    Attributes
    ----------
    question : str
    found : float
    low, high : float
        What is true of the world, with room for chance.
    misleading : str
        What the usual analysis says instead; empty where it says the same.
    """

    question: str
    found: float
    low: float
    high: float
    misleading: str = ""

    @property
    def passed(self) -> bool:
        """Whether the truth was found."""
        return bool(self.low <= self.found <= self.high)


def ask(world: World, *, n_permutations: int = 39, seed: int = 0) -> list[Answer]:
    """Ask of a world what a study would ask.

    Parameters
    ----------
    world : World
        One of `heschl.study.simulate.worlds.WORLDS`.
    n_permutations : int
        Of tests by exchanged stimuli.
    seed : int
        Of permutations.

    Returns
    -------
    list of Answer
        Each with what is true.
    """
    return _QUESTIONS[world.name](world, n_permutations, seed)


def _nothing(world: World, n_permutations: int, seed: int) -> list[Answer]:
    return [_rejections(world, n_permutations, seed)]


def _sessions(world: World, n_permutations: int, seed: int) -> list[Answer]:
    """Ask which electrodes follow the features: exchanged within sessions, none; among all, many."""
    among_all = _rejections(replace(world, sessions=world.sessions[:0]), n_permutations, seed)
    return [_rejections(world, n_permutations, seed, f"exchanged over all sessions: {among_all.found:.2f}")]


def _common_time_course(world: World, n_permutations: int, seed: int) -> list[Answer]:
    folds = _folds(world)
    r2 = _score(world, next(iter(world.spaces.values())), folds)
    time = time_course(world.lengths, rate=RATE)
    beyond = _unique(world, {"time": time, "features": next(iter(world.spaces.values()))}, folds)
    return [
        _rejections(world, n_permutations, seed, f"R² of the features is {r2:.2f}"),
        Answer("R² of the features beyond the common time course", beyond, -NEAR, NEAR, f"alone they reach {r2:.2f}"),
    ]


def _rejections(world: World, n_permutations: int, seed: int, misleading: str = "") -> Answer:
    found = exchange_test(
        {"features": list(world.spaces.values())}, world.y, segments=world.lengths, folds=_folds(world), lags=LAGS,
        alphas=ALPHAS, sessions=world.sessions if len(world.sessions) else None, n_permutations=n_permutations,
        random_state=seed,
    )["features"]  # fmt: skip
    p = found.p_values
    most = binom.isf(CHANCE, len(p), LEVEL) / len(p)
    return Answer(f"electrodes that follow the features, p < {LEVEL}", float((p < LEVEL).mean()), 0.0, most, misleading)


def _language(world: World, *_: int) -> list[Answer]:
    """Ask whether electrodes follow context: beyond the word itself, beyond time since onset."""
    folds = _folds(world)
    spoken = np.zeros(len(world.y), dtype=bool)
    for first, last in world.words:
        spoken[first:last] = True
    states, layer0 = world.spaces["language 1"], world.spaces["language 0"]
    published = residual(states, layer0, spoken)
    beyond = beyond_type(states, world.words, world.types)
    alone = _score(world, published, folds)
    controls = np.concatenate([time_course(world.lengths, rate=RATE), world.spaces["mel"]], axis=1)
    found = _unique(world, {"time and sound": controls, "context": beyond}, folds)
    planted = world.within_types
    text = f"what the layer has beyond its input layer predicts {alone:.2f}"
    return [Answer("R² of context, beyond word type, time and sound", found, planted - NEAR, planted + NEAR, text)]


def _acoustic_alone(world: World, n_permutations: int, seed: int) -> list[Answer]:
    """Ask for the part of the shared variates that sound says as well: none, for no word tells this sound."""
    folds = _folds(world)
    shared = _shared(world, "speech", "language 1", 8)
    learn: Any = lambda k, _: {"shared": lambda: shared(k, "b"), "sound": lambda: world.spaces["mel"]}  # noqa: E731
    found = common_variance(
        learn, world.y, segments=world.lengths, folds=folds, lags=LAGS, alphas=ALPHAS[::2],
    )  # fmt: skip
    alone = float(np.median(found.part("second")))
    answer = Answer(
        "R² that the shared part and sound have in common", float(np.median(found.part("common"))), -NEAR, NEAR,
        f"sound alone predicts {alone:.2f}",
    )  # fmt: skip
    return [answer, *_language(world)]


def _one_sided(world: World, n_permutations: int, seed: int) -> list[Answer]:
    """Ask how many components are shared, and what they predict of electrodes that follow A's own latents."""
    planted = int(world.truth.split()[0])
    a, b = world.spaces["A"], world.spaces["B"]
    tested = permuted_correlations(
        CCA(2 * planted), a, b, segments=world.lengths, n_permutations=n_permutations, random_state=seed
    )
    count = int((tested.p_values <= LEVEL).sum())
    folds = _folds(world)

    def top(k: int) -> float:
        part = _shared(world, "A", "B", k)
        found = nested_cv_learned(
            lambda fold, _: {"top": lambda: part(fold, "a")}, world.y, segments=world.lengths, folds=folds, lags=LAGS,
            alphas=ALPHAS,
        )  # fmt: skip
        return float(np.median(found["top"].r2.mean(axis=0)))

    wide = top(2 * planted)
    return [
        Answer("components that are shared", count, 0.8 * planted, 1.2 * planted),
        Answer("R² of the shared part", top(max(1, count)), -2 * NEAR, NEAR, f"of twice as many: {wide:.2f}"),
    ]


def _twins(world: World, n_permutations: int, seed: int) -> list[Answer]:
    """Ask what features predict of sentences that were never heard: nothing, whoever says them."""
    stimuli = {
        f"s{i:03d}": Stimulus(f"s{i:03d}", Path(f"s{i:03d}.wav"), 1.0, (Word(f"text{text}", 0.0, 1.0),))
        for i, text in enumerate(world.texts)
    }
    first = {name: names[0] for names in alike_in_words(stimuli) for name in names}
    by_text = np.asarray(group_folds([first[name] for name in stimuli], world.lengths, FOLDS))
    model = world.spaces["model"]
    by_name = _score(world, model, _folds(world))
    found = _score(world, model, by_text)
    return [Answer("R² of sentences never heard, folds by text", found, -1.0, NEAR, f"folds by name: {by_name:.2f}")]


def _few_repeats(world: World, n_permutations: int, seed: int) -> list[Answer]:
    """Ask how often intervals of ceilings hold the truth, and what a perfect model scores where one is given."""
    n, repeats, frames, c = world.repeats.shape
    names = tuple(f"s{i}" for i in range(n) for _ in range(repeats))
    trials = tuple(world.repeats.reshape(n * repeats, frames, c))
    found = noise_ceiling(Responses("S", tuple(map(str, range(c))), RATE, 0.0, names, trials))
    inside = float(((found["low"] <= world.share) & (world.share <= found["high"])).mean())
    room = 3.5 * np.sqrt(0.95 * 0.05 / c)
    text = f"{int(found['determined'].sum())} of {c} ceilings are known well enough to divide by"
    return [Answer("95 % intervals of ceilings that hold the truth", inside, 0.93 - room, min(1.0, 0.96 + room), text)]


def beyond_type(states: NDArray[Any], words: NDArray[np.int64], types: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return each word's state less the mean over all words of its type, held through its frames: (n, d)."""
    _, own = type_means(np.asarray(states)[words[:, 0]], types, np.arange(len(words)))
    return held(own, words, len(states)).astype(np.float32)


def _shared(world: World, first: str, second: str, k: int) -> Callable[[int, str], NDArray[Any]]:
    """Return a function of fold and side: the first k variates, learned on the training folds."""
    rows = np.repeat(_folds(world), world.lengths)
    a, b = world.spaces[first], world.spaces[second]
    spoken = np.asarray(b.any(axis=1), dtype=bool) if len(world.words) else None
    parts = [SharedParts.learn(CCA(k), a, b, rows != fold, spoken=spoken) for fold in range(FOLDS)]
    return lambda fold, side: parts[fold].features(side, a if side == "a" else b, "top")


def _folds(world: World) -> NDArray[np.int64]:
    return np.arange(len(world.lengths)) % FOLDS


def _score(world: World, X: NDArray[Any], folds: NDArray[np.int64]) -> float:
    """Return the median over electrodes of the mean R² over folds."""
    found = nested_cv(X, world.y, segments=world.lengths, folds=folds, lags=LAGS, alphas=ALPHAS)
    return float(np.median(found.r2.mean(axis=0)))


def _unique(world: World, spaces: dict[str, NDArray[Any]], folds: NDArray[np.int64]) -> float:
    """Return the median over electrodes of what the second space explains that the first does not."""
    found = common_variance(spaces, world.y, segments=world.lengths, folds=folds, lags=LAGS, alphas=ALPHAS[::2])
    return float(np.median(found.part("unique_second")))


_QUESTIONS: dict[str, Callable[[World, int, int], list[Answer]]] = {
    "nothing": _nothing,
    "common_time_course": _common_time_course,
    "word_types": _language,
    "time_alone": _language,
    "acoustic_alone": _acoustic_alone,
    "true_context": _language,
    "one_sided": _one_sided,
    "twins": _twins,
    "few_repeats": _few_repeats,
    "sessions": _sessions,
}
