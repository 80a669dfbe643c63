"""Worlds in which the answer is known: features and responses as arrays, and what is true of them.

The cohort of `heschl demo` is a world in which the findings of the field are true. These are the others, in which the
same figures come out and are false, or nothing is there at all. Each is a function that returns a `World`;
`heschl.study.simulate.questions` asks of it what a study would ask, and knows the answer.

================== ================================================================================================
world              what is true in it
================== ================================================================================================
nothing            electrodes are noise that no feature follows
common_time_course every stimulus evokes one time course, and the features follow time since onset, too
word_types         electrodes follow a property of the word being heard, whatever came before; no context exists
time_alone         electrodes follow time since onset; the language model knows the place of a word
acoustic_alone     electrodes follow the sound alone, in a part of it that no word tells
true_context       electrodes follow what the words before say, which the language model knows
one_sided          two models share some latents, and electrodes follow what only the first model has
twins              sentences come twice, by two voices under two names, and what they evoke is each sentence's own
few_repeats        ten stimuli were heard twice: signal and noise of planted sizes
sessions           three sessions whose baselines differ, and so do the features of their stimuli; no other link
================== ================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Array = NDArray[np.float32]
Double = NDArray[np.float64]

RATE = 25.0
"""Frames per second."""
LAGS = range(4)
MEMORY = 0.9
"""Of noise, from one frame to the next."""
N_TYPES, WIDTH, BENT, CONTEXT, BANDS = 60, 10, 5, 3, 8
"""Word types; dimensions of the static embedding, of what is not linear in it, of context, and of sound."""


@dataclass(frozen=True)
class World:
    """Features, responses, and the truth about them; n frames, s stimuli, c electrodes, m words.

    Attributes
    ----------
    name : str
    truth : str
        What is true, in a sentence.
    spaces : dict of str to (n, d) array
        Features, frame by frame.
    y : (n, c) array
        Responses, z-scored.
    lengths : (s,) array
        Frames of each stimulus.
    share : float
        Of the responses' variance that the stimuli drive.
    within_types : float
        Of the responses' variance, what the words before say beyond the mean over the tokens of each word's type: of a
        word that comes once that mean is the token itself, and nothing is left.
    words : (m, 2) array of int
        First frame of each word and one past the last.
    types : (m,) array of int
        Which word it is.
    texts : (s,) array of int
        What each stimulus says; two of one number say the same.
    repeats : (s, R, frames, c) array
        Single presentations of every stimulus, where there are any.
    sessions : (s,) array of int
        The recording session of each stimulus, where there are several.
    """

    name: str
    truth: str
    spaces: dict[str, Array]
    y: Array
    lengths: NDArray[np.int64]
    share: float
    within_types: float = 0.0
    words: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), dtype=np.int64))
    types: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    texts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    repeats: Array = field(default_factory=lambda: np.zeros((0, 0, 0, 0), dtype=np.float32))
    sessions: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


def nothing(seed: int = 0, *, n_stimuli: int = 40, n_electrodes: int = 20) -> World:
    """Return electrodes of slow noise, and two layers of features as slow that have nothing to do with them."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(40, 80, n_stimuli)
    spaces = {f"layer {i}": slow(rng, lengths, 6) for i in range(2)}
    y = standard(slow(rng, lengths, n_electrodes))
    return World("nothing", "no electrode follows any feature", spaces, y, lengths, 0.0)


def common_time_course(seed: int = 0, *, n_stimuli: int = 40, n_electrodes: int = 20, share: float = 0.1) -> World:
    """Return electrodes with one time course in every stimulus, and features that rise and fall with it."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(40, 80, n_stimuli)
    since = since_onset(lengths)
    course = np.stack([np.exp(-since / tau) for tau in (3.0, 8.0, 20.0)], axis=1)
    spaces = {
        f"layer {i}": (slow(rng, lengths, 6) + 3 * course @ rng.standard_normal((3, 6))).astype(np.float32)
        for i in range(2)
    }
    y = driven(rng, course @ rng.standard_normal((3, n_electrodes)), lengths, share)
    return World("common_time_course", "every stimulus evokes the same, its content nothing", spaces, y, lengths, share)


def word_types(seed: int = 0, **size: int) -> World:
    """Return electrodes that follow a property of the word being heard, which is not linear in its embedding."""
    return _language("word_types", "electrodes follow words one by one; no context exists", seed, "bent", False, **size)


def time_alone(seed: int = 0, **size: int) -> World:
    """Return electrodes that follow time since onset, which the language model knows by counting words."""
    return _language("time_alone", "electrodes follow time since onset alone", seed, "time", False, **size)


def acoustic_alone(seed: int = 0, **size: int) -> World:
    """Return electrodes that follow the sound, of which words say nothing."""
    return _language("acoustic_alone", "electrodes follow sound that no word tells", seed, "sound", True, **size)


def true_context(seed: int = 0, **size: int) -> World:
    """Return electrodes that follow what the words before say, which the language model knows."""
    return _language("true_context", "electrodes follow the words before", seed, "context", True, **size)


def one_sided(seed: int = 0, *, n_stimuli: int = 40, n_electrodes: int = 8, n_shared: int = 6, n_own: int = 6) -> World:
    """Return two models with latents in common and latents of their own, and electrodes that follow the first's own."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(40, 60, n_stimuli)
    shared, first, second = (rng.standard_normal((lengths.sum(), d)) for d in (n_shared, n_own, n_own))
    spaces = {
        name: mixed(rng, [shared, own], 2 * (n_shared + n_own), 0.3) for name, own in (("A", first), ("B", second))
    }
    y = driven(rng, filtered(rng, first, lengths, n_electrodes), lengths, 0.5)
    return World("one_sided", f"{n_shared} latents are shared; electrodes follow those of A alone", spaces, y, lengths,
                 0.5)  # fmt: skip


def twins(seed: int = 0, *, n_texts: int = 20, n_electrodes: int = 20, width: int = 160) -> World:
    """Return sentences by two voices each; features tell sentences apart, and what a sentence evokes is its own."""
    rng = np.random.default_rng(seed)
    of_text = rng.integers(30, 50, n_texts)
    texts, lengths = np.repeat(np.arange(n_texts), 2), np.repeat(of_text, 2)
    features, signal = (
        [np.asarray(slow(rng, np.array([n]), d), dtype=np.float64) for n in of_text] for d in (width, n_electrodes)
    )
    X = np.concatenate([features[t] + 0.3 * rng.standard_normal(features[t].shape) for t in texts])
    y = driven(rng, np.concatenate([signal[t] for t in texts]), lengths, 0.5)
    return World("twins", "what a sentence evokes follows from nothing but having heard it", {"model": X.astype("f4")},
                 y, lengths, 0.5, texts=texts)  # fmt: skip


def few_repeats(
    seed: int = 0, *, n_stimuli: int = 10, n_repeats: int = 2, n_electrodes: int = 200, snr: float = 0.5
) -> World:
    """Return presentations of a few stimuli: signal and noise as slow as each other, of planted sizes."""
    rng = np.random.default_rng(seed)
    lengths = np.full(n_stimuli, 60)
    signal = np.sqrt(snr) * slow(rng, lengths, n_electrodes).reshape(n_stimuli, 1, 60, n_electrodes)
    noise = slow(rng, np.repeat(lengths, n_repeats), n_electrodes)
    repeats = (signal + noise.reshape(n_stimuli, n_repeats, 60, n_electrodes)).astype(np.float32)
    y = repeats.mean(axis=1).reshape(-1, n_electrodes)
    return World("few_repeats", "signal and noise of planted sizes", {"signal": signal.reshape(-1, n_electrodes)}, y,
                 lengths, snr / (snr + 1 / n_repeats), repeats=repeats)  # fmt: skip


def sessions(seed: int = 0, *, n_stimuli: int = 45, n_electrodes: int = 20, n_sessions: int = 3) -> World:
    """Return electrodes of slow noise about baselines of sessions, and features whose mean differs between sessions."""
    rng = np.random.default_rng(seed)
    lengths, number = rng.integers(40, 80, n_stimuli), np.arange(n_stimuli) % n_sessions
    of_frame = np.repeat(number, lengths)
    baseline, level = rng.standard_normal((n_sessions, n_electrodes)), rng.standard_normal((n_sessions, 6))
    X = slow(rng, lengths, 6) + level[of_frame]
    y = standard(slow(rng, lengths, n_electrodes) + baseline[of_frame])
    return World("sessions", "baselines differ between sessions; within one nothing follows the features",
                 {"features": X.astype(np.float32)}, y, lengths, 0.0, sessions=number)  # fmt: skip


WORLDS: dict[str, Callable[..., World]] = {
    make.__name__: make
    for make in (
        nothing, common_time_course, word_types, time_alone, acoustic_alone, true_context, one_sided, twins,
        few_repeats, sessions,
    )
}  # fmt: skip
"""All worlds by name."""


def _language(
    name: str, truth: str, seed: int, drive: str, with_context: bool, *, n_stimuli: int = 50, n_electrodes: int = 12
) -> World:
    """Return sentences of words with sounds, an embedding, what is not linear in it, and what words before say.

    Spaces: "mel", the sound; "semantic", half of the embedding; "language 0", the embedding; "language 1", all that a
    language model knows at a word (embedding, bent embedding, the place in the sentence, context where there is any);
    "speech", sound and all that, with its own noise.
    """
    rng = np.random.default_rng(seed)
    types, words, lengths = _sentences(rng, n_stimuli)
    n, since = int(lengths.sum()), since_onset(lengths)
    embedding = rng.standard_normal((N_TYPES, WIDTH))
    bent = standard(np.tanh(2 * embedding @ rng.standard_normal((WIDTH, BENT))) ** 2)  # even: nothing of it is linear
    sentence = np.searchsorted(np.cumsum(lengths), words[:, 0], side="right")
    before = rng.standard_normal((N_TYPES, CONTEXT))[types]
    before = np.where((np.diff(sentence, prepend=-1) == 0)[:, None], np.roll(before, 1, axis=0), 0.0)
    place = np.log1p(since[words[:, 0]])[:, None] / 2
    of_word: dict[str, Double] = {
        "embedding": embedding[types], "bent": np.asarray(bent[types], dtype=np.float64), "context": before,
        "place": place,
    }  # fmt: skip
    frames = {key: held(values, words, n) for key, values in of_word.items()}
    sound = slow(rng, lengths, BANDS)
    knows = [frames["embedding"], frames["bent"], frames["place"], *([frames["context"]] if with_context else [])]
    course = np.stack([np.exp(-since / tau) for tau in (4.0, 12.0)], axis=1)
    source = {"bent": frames["bent"], "context": frames["context"], "time": course, "sound": sound}[drive]
    signal = course @ rng.standard_normal((2, n_electrodes)) if drive == "time" else filtered(
        rng, np.asarray(source, dtype=np.float64), lengths, n_electrodes
    )  # fmt: skip
    spoken = held(np.ones((len(words), 1)), words, n) > 0
    spaces = {
        "mel": sound,
        "semantic": frames["embedding"][:, : WIDTH // 2].astype(np.float32),
        "language 0": frames["embedding"].astype(np.float32),
        "language 1": np.where(spoken, mixed(rng, knows, 24, 0.0), 0.0).astype(np.float32),
        "speech": mixed(rng, [sound, *knows], 36, 0.2),
    }
    y = driven(rng, signal, lengths, 0.3)
    within = 0.3 * _explained(held(_within(before, types), words, n), signal, lengths) if drive == "context" else 0.0
    return World(name, truth, spaces, y, lengths, 0.3, within, words, types)


def _within(values: Double, types: NDArray[np.int64]) -> Double:
    """Return the rows of words less the mean over all words of their type, (m, d)."""
    sums = np.zeros((N_TYPES, values.shape[1]))
    np.add.at(sums, types, values)
    return np.asarray(values - (sums / np.maximum(np.bincount(types, minlength=N_TYPES), 1)[:, None])[types])


def _explained(latents: Double, signal: Double, lengths: NDArray[np.int64]) -> float:
    """Return the share of a signal that latents explain over the lags, mean over electrodes."""
    ends = np.cumsum(lengths)
    design = np.zeros((len(latents), len(LAGS), latents.shape[1]))
    for lag in LAGS:
        for start, end in zip(ends - lengths, ends, strict=True):
            design[start + lag : end, lag] = latents[start : end - lag]
    X, y = (values - values.mean(axis=0) for values in (design.reshape(len(latents), -1), signal))
    left = y - X @ np.linalg.lstsq(X, y, rcond=None)[0]
    return float(np.mean(1 - (left**2).sum(axis=0) / (y**2).sum(axis=0)))


def _sentences(
    rng: np.random.Generator, n_stimuli: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the types of all words, by a law like Zipf's, their frames, and the lengths of the sentences."""
    chance = 1.0 / (2.0 + np.arange(N_TYPES))
    types, words, lengths, start = [], [], [], 0
    for _ in range(n_stimuli):
        frames = rng.integers(4, 9, rng.integers(6, 11))
        ends = start + 3 + np.cumsum(frames)
        words += list(zip(ends - frames, ends, strict=True))
        types += list(rng.choice(N_TYPES, len(frames), p=chance / chance.sum()))
        lengths.append(int(frames.sum()) + 8)
        start += lengths[-1]
    return np.array(types), np.array(words), np.array(lengths)


def slow(rng: np.random.Generator, lengths: NDArray[np.int64], width: int) -> Array:
    """Return noise of unit variance that each stimulus begins anew, (n, width)."""
    parts = []
    for n in lengths:
        x = rng.standard_normal((int(n), width))
        x[1:] *= np.sqrt(1 - MEMORY**2)
        parts.append(lfilter([1.0], [1.0, -MEMORY], x, axis=0))
    return np.concatenate(parts).astype(np.float32)


def since_onset(lengths: NDArray[np.int64]) -> Double:
    """Return the frames since the onset of each frame's stimulus."""
    return np.concatenate([np.arange(n) for n in lengths]).astype(np.float64)


def held(values: Double, words: NDArray[np.int64], n: int) -> Double:
    """Return a row for each word held through its frames, 0 elsewhere, (n, d)."""
    out = np.zeros((n, values.shape[1]))
    for (first, last), row in zip(words, values, strict=True):
        out[first:last] = row
    return out


def filtered(rng: np.random.Generator, latents: Double, lengths: NDArray[np.int64], n_electrodes: int) -> Double:
    """Return what electrodes do with latents, (n, c): weights of their own, and a filter over the lags."""
    drive = latents @ rng.standard_normal((latents.shape[1], n_electrodes))
    kernel = rng.uniform(0.2, 1.0, (len(LAGS), n_electrodes))
    ends = np.cumsum(lengths)
    out = np.zeros(drive.shape)
    for a, b in zip(ends - lengths, ends, strict=True):
        for lag in LAGS:
            out[a + lag : b] += kernel[lag] * drive[a : b - lag]
    return out


def mixed(rng: np.random.Generator, latents: Sequence[Double | Array], width: int, noise: float) -> Array:
    """Return a random mixture of latents, each group of unit size, with noise, (n, width)."""
    whole = np.concatenate([standard(part) for part in latents], axis=1)
    mixture = whole @ rng.standard_normal((whole.shape[1], width)) / np.sqrt(whole.shape[1])
    return np.asarray(mixture + noise * rng.standard_normal(mixture.shape), dtype=np.float32)


def driven(rng: np.random.Generator, signal: Double, lengths: NDArray[np.int64], share: float) -> Array:
    """Return responses, z-scored: a share of signal, the rest slow noise."""
    noise = standard(slow(rng, lengths, signal.shape[1]))
    return standard(np.sqrt(share) * standard(signal) + np.sqrt(1 - share) * noise)


def standard(x: Double | Array) -> Array:
    """Return columns of mean 0 and variance 1."""
    return np.asarray((x - x.mean(axis=0)) / x.std(axis=0), dtype=np.float32)
